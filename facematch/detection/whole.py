"""For pictures that are cropped faces already: the box is where the data set put the face.

Landmarks are then located as in any photo and the chip is cut by them; it is black where it
reaches past the picture.
"""

from __future__ import annotations

from facematch.types import Box, Face, Pixels

# Medians of what MMOD finds, in units of the picture's sides: in 150 of FIW's crops, whose eyes and
# mouth lie where ArcFace's 112x112 template has them; and in every seventh of KinFaceW-I's, four
# times enlarged and their edges repeated, 153 in all.
ALIGNED: Box = (0.1094, 0.2031, 0.8415, 0.9353)
TIGHT: Box = (0.0156, -0.0664, 0.9375, 0.8555)


class WholeDetector:
    """Takes each picture for one face. `box` is where in it, in units of its sides."""

    def __init__(self, name: str, box: Box) -> None:
        self.name = name
        self._box = box

    def detect(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        """The one face, of confidence 1, whatever there is to see."""
        height, width = pixels.shape[:2]
        x_min, y_min, x_max, y_max = self._box
        return [Face((x_min * width, y_min * height, x_max * width, y_max * height), 1.0)]


def aligned() -> WholeDetector:
    """For crops aligned as ArcFace's and FIW's are, 112x112 or of that shape."""
    return WholeDetector("whole", ALIGNED)


def tight() -> WholeDetector:
    """For crops from brow to chin, as KinFaceW's and TSKinFace's 64x64."""
    return WholeDetector("whole-tight", TIGHT)

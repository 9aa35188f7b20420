"""For pictures that are already cropped to a face: the box is where the data set puts the face.

Landmarks are then located as in any photo, and the chip is cropped by them. The chip is black
outside the picture.
"""

from __future__ import annotations

from facematch.types import Box, Face, Pixels

# Median boxes that MMOD finds, in units of the picture's sides. ALIGNED: in 150 crops of FIW, whose
# eyes and mouth lie where ArcFace's 112x112 template has them. TIGHT: in every seventh picture of
# KinFaceW-I, 153 in all, enlarged four times with repeated edges.
ALIGNED: Box = (0.1094, 0.2031, 0.8415, 0.9353)
TIGHT: Box = (0.0156, -0.0664, 0.9375, 0.8555)


class WholeDetector:
    """Takes each picture for one face. `box` is its place in units of the picture's sides."""

    def __init__(self, name: str, box: Box) -> None:
        self.name = name
        self._box = box

    def detect(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        """One face of confidence 1, whatever the picture shows."""
        height, width = pixels.shape[:2]
        x_min, y_min, x_max, y_max = self._box
        return [Face((x_min * width, y_min * height, x_max * width, y_max * height), 1.0)]


def aligned() -> WholeDetector:
    """For crops aligned like those of ArcFace and FIW: 112x112, or another square size."""
    return WholeDetector("whole", ALIGNED)


def tight() -> WholeDetector:
    """For crops from brow to chin, like the 64x64 pictures of KinFaceW and TSKinFace."""
    return WholeDetector("whole-tight", TIGHT)

"""The largest face of a photo, and the faces that compete with it.

Most questions are about a photo's largest face. A detector that searches from coarse to fine can
stop early: it then gives the same faces as a full search would, without those that are too small to
compete.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from facematch.detection.boxes import dlib_overlaps
from facematch.types import Detector, Face, Pixels

# A face competes with the largest one where its side is at least this share of the largest one's.
COMPETING_SIDE = 0.5
_COMPETING_AREA = COMPETING_SIDE**2


@runtime_checkable
class LargestFirst(Protocol):
    """A detector that finds the largest face faster than all faces.

    Several threads may search with it at the same time.
    """

    def detect_largest(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        """What `competing_faces` gives of all faces that `detect` finds."""


def detect_largest(
    detector: Detector, pixels: Pixels, *, min_face: float | None = None
) -> list[Face]:
    """The largest face of a photo and those that compete with it, most confident first."""
    if isinstance(detector, LargestFirst):
        return detector.detect_largest(pixels, min_face=min_face)
    return competing_faces(detector.detect(pixels, min_face=min_face))


def competing_faces(faces: Sequence[Face]) -> list[Face]:
    """The largest face and all whose side is at least half of its side, in the same order."""
    largest = max((face.area for face in faces), default=0.0)
    return [face for face in faces if face.area >= _COMPETING_AREA * largest]


class Candidates:
    """Windows of the levels searched so far, best first, and what non-maximum suppression says.

    `boxes` (N, 4), `scores` (N,) and `levels` (N,), where level 0 is the finest. `kept` and `open`
    (N,) say which windows are faces, and which could become one or not, depending on levels finer
    than `finest`, which were not searched. All others overlap a better window.

    """

    def __init__(
        self,
        boxes: NDArray[np.float64],
        scores: NDArray[np.float32],
        levels: NDArray[np.intp],
    ) -> None:
        best = np.argsort(-scores, kind="stable")
        self.boxes, self.scores, self.levels = boxes[best], scores[best], levels[best]
        self.kept = np.zeros(len(best), bool)
        self.open = np.zeros(len(best), bool)

    @classmethod
    def none(cls) -> Candidates:
        """No windows."""
        return cls(np.empty((0, 4)), np.empty(0, np.float32), np.empty(0, np.intp))

    def joined(
        self,
        boxes: NDArray[np.float64],
        scores: NDArray[np.float32],
        levels: NDArray[np.intp],
    ) -> Candidates:
        """These windows and others."""
        return Candidates(
            np.concatenate([self.boxes, boxes]),
            np.concatenate([self.scores, scores]),
            np.concatenate([self.levels, levels]),
        )

    def suppress(self, finest: int, reach: int, most_overlap: float) -> None:
        """Fill `kept` and `open`.

        Windows that overlap by more than `most_overlap` are one face. A window may overlap others
        that are up to `reach` levels finer; so one of level `finest` + `reach` or coarser overlaps
        none that was not searched.
        """
        self.kept[:] = self.open[:] = False
        alive: list[int] = []
        for index, box in enumerate(self.boxes):
            better = dlib_overlaps(box, self.boxes[alive]) > most_overlap
            if (better & self.kept[alive]).any():
                continue
            is_open = bool(better.any()) or 0 < finest > self.levels[index] - reach
            self.open[index], self.kept[index] = is_open, not is_open
            alive.append(index)

    @property
    def competing(self) -> NDArray[np.bool_]:
        """Which windows, kept or open, are as large as a face that competes. Shape: (N,)."""
        areas = (self.boxes[:, 2:] - self.boxes[:, :2]).prod(axis=1)
        alive = self.kept | self.open
        return np.asarray(alive & (areas >= _COMPETING_AREA * areas[alive].max(initial=0)))

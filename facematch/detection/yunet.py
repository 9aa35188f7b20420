"""YuNet (Wu et al. 2023), a small fast face detector, run by OpenCV.

Its file is not in any package: `facematch models fetch yunet` installs it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facematch.detection.face_size import check_size, smallest_face
from facematch.errors import WeightsError
from facematch.types import Box, Face, Pixels
from facematch.weights.catalogue import read_file, read_weights

if TYPE_CHECKING:
    import cv2

# On the photographs beside the project, YuNet finds every face of 20 pixels that MMOD finds (71),
# of 16 pixels 69, of 14 pixels 66, of 10 pixels 39.
_SMALLEST = 20  # pixels: what `min_face` is scaled to
_LARGEST_SIDE = 640  # pixels of a photo that one pass finds all faces in, up to its whole size
_COARSER = 0.25  # the next pass, for larger faces; two passes see the same middle sizes
_MOST_PIXELS = 25_000_000  # searched at once; takes 2.3 GB

_LEAST_CONFIDENCE = 0.6  # sharp faces from the front have 0.9; below 0.6 hands and knees begin
_OVERLAP = 0.3  # of the union; what overlaps more is one face
_INSIDE = 0.7  # share of a box; cheeks of close-ups reach 0.9, neighbours' faces 0.4
_MOST_FACES = 5000
_MOST_BYTES = 2**24  # of a YuNet file; the known one has 0.2 MB
_LEAST_SIDE = 64  # pixels; of 32 rows or less OpenCV 4.10 reads memory that nobody wrote
_TRIAL = 320  # pixels: the side of the picture that a network must take

# MMOD's square box from YuNet's: its side and the way to its middle, in units of the geometric
# mean of YuNet's width and height. Medians over 184 faces of the photographs beside the project;
# the boxes then overlap MMOD's with a median IoU of 0.79, the worst of 0.55. Over 92 of the faces,
# each once and found anew: 0.78 and 0.49, no better with a new fit or YuNet's landmarks; MMOD
# overlaps itself by 0.81 where the photo is scaled by 1 / 1.09.
_SIDE, _RIGHT, _DOWN = 0.917, -0.056, -0.007


class YuNetDetector:
    """Finds faces with YuNet; confidences run from 0.6 to 1. Boxes are squares as MMOD's are."""

    name = "yunet"

    def __init__(self, weights: Path | None = None) -> None:
        self._weights = weights
        self._lock = threading.Lock()

    def detect(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        """Faces, most confident first.

        Raises WeightsError where YuNet is not installed, OptionError where so small a `min_face`
        would make the photo too large to search.
        """
        scale = _SMALLEST / smallest_face(pixels, min_face)
        check_size(pixels, scale, _MOST_PIXELS, _SMALLEST)
        found = [self._pass(pixels, scale)]
        while max(pixels.shape[:2]) * scale > _LARGEST_SIDE:
            scale *= _COARSER
            found.append(self._pass(pixels, scale))
        return [Face(_square(row[:4]), float(row[4])) for row in _merged(np.concatenate(found))]

    def _pass(self, pixels: Pixels, scale: float) -> NDArray[np.float64]:
        """Faces at one scale: left, top, width, height in the photo, and confidence, (N, 5)."""
        import cv2

        height, width = pixels.shape[:2]
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        scaled = cv2.resize(pixels, size, interpolation=smooth)
        picture = _padded(np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2BGR), np.uint8))
        with self._lock:  # OpenCV keeps the size in the network: one photo at a time
            self._network.setInputSize(picture.shape[1::-1])
            _, found = self._network.detect(picture)
        if found is None:
            return np.empty((0, 5))
        to_photo = [width / size[0], height / size[1]] * 2
        return np.column_stack([found[:, :4] * to_photo, found[:, 14]])

    @cached_property
    def _network(self) -> cv2.FaceDetectorYN:
        import cv2

        model = (
            read_weights("yunet")
            if self._weights is None
            else read_file(self._weights, _MOST_BYTES)
        )
        # From bytes: OpenCV opens no path with other than ASCII characters on Windows.
        buffer, nothing = np.frombuffer(model, np.uint8), np.empty(0, np.uint8)
        size = (_TRIAL, _TRIAL)
        try:
            with _silence():
                network = cv2.FaceDetectorYN.create(
                    "onnx", buffer, nothing, size, _LEAST_CONFIDENCE, _OVERLAP, _MOST_FACES
                )
                # OpenCV opens any network; that it is no YuNet shows when it runs.
                network.detect(np.zeros((*size, 3), np.uint8))
        except cv2.error as error:
            where = self._weights or "yunet"
            why = " ".join(str(error).split())
            raise WeightsError(f"{where} is no YuNet that OpenCV can run ({why})") from error
        return network


@contextmanager
def _silence() -> Iterator[None]:
    """Keep OpenCV from remarking on its own engine, on stderr."""
    import cv2

    # OpenCV 4 has no module for it: the same two functions are in cv2 itself.
    log: Any = getattr(cv2.utils, "logging", cv2)
    level = log.getLogLevel()
    log.setLogLevel(0)
    try:
        yield
    finally:
        log.setLogLevel(level)


def _padded(picture: Pixels) -> Pixels:
    """The picture, black added below and on the right where it has fewer than 64 pixels."""
    import cv2

    below, right = (max(_LEAST_SIDE - side, 0) for side in picture.shape[:2])
    return np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_CONSTANT))


def _merged(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """The faces of all passes, each once, most confident first."""
    import cv2

    kept = cv2.dnn.NMSBoxes(
        found[:, :4].tolist(), found[:, 4].tolist(), _LEAST_CONFIDENCE, _OVERLAP
    )
    faces = found[np.asarray(kept, np.intp)]
    faces = faces[np.argsort(-faces[:, 4], kind="stable")]
    inside = np.tril(_shares_inside(faces), -1).max(axis=1, initial=0)
    return np.asarray(faces[inside <= _INSIDE])


def _shares_inside(faces: NDArray[np.float64]) -> NDArray[np.float64]:
    """`shares[i, j]` is the part of box i that lies inside box j. Shapes: (N, 5) -> (N, N)."""
    low, high = faces[:, :2], faces[:, :2] + faces[:, 2:4]
    sides = np.minimum(high[:, np.newaxis], high) - np.maximum(low[:, np.newaxis], low)
    areas = faces[:, 2:4].prod(axis=1)
    return np.asarray(sides.clip(0).prod(axis=2) / areas[:, np.newaxis])


def _square(box: NDArray[np.float64]) -> Box:
    left, top, width, height = box.tolist()
    size = math.sqrt(max(width, 0) * max(height, 0))
    x, y = left + width / 2 + _RIGHT * size, top + height / 2 + _DOWN * size
    half = _SIDE * size / 2
    return x - half, y - half, x + half, y + half

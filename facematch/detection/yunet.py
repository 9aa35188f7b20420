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

from facematch.detection.boxes import shares_inside
from facematch.detection.face_size import check_size, smallest_face
from facematch.errors import WeightsError
from facematch.types import Box, Face, Pixels
from facematch.weights.files import read_file, read_weights

if TYPE_CHECKING:
    import cv2

# How many of the 71 faces that MMOD finds in a set of photographs YuNet finds too, by the size that
# the faces are scaled to: 71 at 20 pixels, 69 at 16, 66 at 14, 39 at 10.
_SMALLEST_FOUND = 20  # pixels: `min_face` is scaled to it
_LARGEST_SIDE = 640  # pixels; in a photo of at most this side, one pass finds faces of every size
_COARSER = 0.25  # scale of the next pass, for larger faces; both passes find middle-sized faces
_YUNET_MOST_PIXELS = 25_000_000  # searched at once; takes 2.3 GB

_LEAST_CONFIDENCE = 0.6  # sharp frontal faces have 0.9; below 0.6, hands and knees are found too
_SAME_FACE_IOU = 0.3  # boxes that overlap more are one face
# Share of a box inside a better one; a box with a larger share is dropped. Cheeks of close-ups have
# up to 0.9, the faces of neighbours up to 0.4.
_PART_OF_A_FACE = 0.7
_MOST_FACES_FOUND = 5000
_LARGEST_YUNET_FILE = 2**24  # the known file has 0.2 MB
_LEAST_SIDE = 64  # pixels; for 32 rows or fewer, OpenCV 4.10 reads uninitialised memory
_TRIAL_SIDE = 320  # pixels: a network must accept a picture of this size

# MMOD's square box from YuNet's: its side, and the shift of its centre, in units of the geometric
# mean of YuNet's width and height. Medians over 184 faces. The boxes then overlap MMOD's with a
# median IoU of 0.79, and at least 0.55. Over 92 of the faces, each counted once and detected again:
# 0.78 and 0.49. Neither a new fit nor YuNet's landmarks improved that. For comparison, MMOD's own
# boxes overlap by 0.81 where the photo is scaled by 1 / 1.09.
_SQUARE_SIDE, _SHIFT_RIGHT, _SHIFT_DOWN = 0.917, -0.056, -0.007


class YuNetDetector:
    """Finds faces with YuNet. Confidences are 0.6 to 1. Boxes are squares like MMOD's."""

    name = "yunet"

    def __init__(self, weights: Path | None = None) -> None:
        self._weights = weights
        self._lock = threading.Lock()

    def detect(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        """Faces, most confident first.

        Raises WeightsError where YuNet is not installed, OptionError where so small a `min_face`
        would make the photo too large to search.
        """
        scale = _SMALLEST_FOUND / smallest_face(pixels, min_face)
        check_size(pixels, scale, _YUNET_MOST_PIXELS, _SMALLEST_FOUND)
        found = [self._pass(pixels, scale)]
        while max(pixels.shape[:2]) * scale > _LARGEST_SIDE:
            scale *= _COARSER
            found.append(self._pass(pixels, scale))
        return [
            Face(_mmod_box(row[:4]), float(row[4]))
            for row in _without_duplicates(np.concatenate(found))
        ]

    def _pass(self, pixels: Pixels, scale: float) -> NDArray[np.float64]:
        """Faces at one scale: left, top, width, height in the photo, and confidence. (N, 5)."""
        import cv2

        height, width = pixels.shape[:2]
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        scaled = cv2.resize(pixels, size, interpolation=smooth)
        picture = _padded_picture(np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2BGR), np.uint8))
        with self._lock:  # the network object keeps the size: one photo at a time
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
            else read_file(self._weights, _LARGEST_YUNET_FILE)
        )
        # From bytes: on Windows, OpenCV cannot open a path with non-ASCII characters.
        buffer, nothing = np.frombuffer(model, np.uint8), np.empty(0, np.uint8)
        size = (_TRIAL_SIDE, _TRIAL_SIDE)
        try:
            with _opencv_log_off():
                network = cv2.FaceDetectorYN.create(
                    "onnx",
                    buffer,
                    nothing,
                    size,
                    _LEAST_CONFIDENCE,
                    _SAME_FACE_IOU,
                    _MOST_FACES_FOUND,
                )
                # OpenCV opens any network. One that is no YuNet fails when it runs.
                network.detect(np.zeros((*size, 3), np.uint8))
        except cv2.error as error:
            where = self._weights or "yunet"
            why = " ".join(str(error).split())
            raise WeightsError(f"{where} is no YuNet that OpenCV can run ({why})") from error
        return network


@contextmanager
def _opencv_log_off() -> Iterator[None]:
    """Keep OpenCV from writing notes about its engine to stderr."""
    import cv2

    # OpenCV 4 has no module cv2.utils.logging. There cv2 itself has the same two functions.
    log: Any = getattr(cv2.utils, "logging", cv2)
    level = log.getLogLevel()
    log.setLogLevel(0)
    try:
        yield
    finally:
        log.setLogLevel(level)


def _padded_picture(picture: Pixels) -> Pixels:
    """The picture, filled up with black below and on the right to at least 64 pixels."""
    import cv2

    below, right = (max(_LEAST_SIDE - side, 0) for side in picture.shape[:2])
    return np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_CONSTANT))


def _without_duplicates(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """The faces of all passes without duplicates, most confident first."""
    import cv2

    kept = cv2.dnn.NMSBoxes(
        found[:, :4].tolist(), found[:, 4].tolist(), _LEAST_CONFIDENCE, _SAME_FACE_IOU
    )
    faces = found[np.asarray(kept, np.intp)]
    faces = faces[np.argsort(-faces[:, 4], kind="stable")]
    inside = np.tril(shares_inside(faces[:, :4]), -1).max(axis=1, initial=0)
    return np.asarray(faces[inside <= _PART_OF_A_FACE])


def _mmod_box(box: NDArray[np.float64]) -> Box:
    """The square box that MMOD would give the face."""
    left, top, width, height = box.tolist()
    size = math.sqrt(max(width, 0) * max(height, 0))
    x, y = left + width / 2 + _SHIFT_RIGHT * size, top + height / 2 + _SHIFT_DOWN * size
    half = _SQUARE_SIDE * size / 2
    return x - half, y - half, x + half, y + half

"""The detector of the package face_recognition: dlib's HOG detector. Extra [face-recognition]."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

from facematch.detection.face_size import check_size, smallest_face
from facematch.runtime.extras import face_recognition_api
from facematch.types import Face, Pixels

_HOG_WINDOW = 80  # pixels: the smallest face it finds without enlarging the photo
_HOG_MOST_PIXELS = 100_000_000  # searched at once


class FaceRecognitionDetector:
    """Finds faces as `face_recognition.face_locations` does. Confidences are the HOG's scores."""

    name = "face-recognition"

    def detect(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        """Faces, most confident first. The photo is doubled until `min_face` has 80 pixels.

        Raises OptionError where so small a `min_face` would make the photo too large to search,
        MissingExtraError where the package is not installed.
        """
        least = smallest_face(pixels, min_face)
        doublings = max(math.ceil(math.log2(_HOG_WINDOW / least)), 0)
        # A face of twice the size needs one doubling less.
        check_size(pixels, 2**doublings, _HOG_MOST_PIXELS, 2 * _HOG_WINDOW)
        boxes, scores, _ = self._hog.run(pixels, doublings, 0.0)
        faces = [
            Face((box.left(), box.top(), box.right(), box.bottom()), float(score))
            for box, score in zip(boxes, scores, strict=True)
        ]
        return sorted(faces, key=lambda face: -face.confidence)

    @cached_property
    def _hog(self) -> Any:
        return face_recognition_api().face_detector

"""The detector of the package face_recognition: dlib's HOG detector. Extra [face-recognition]."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

from facematch.errors import OptionError
from facematch.extras import face_recognition_api
from facematch.types import Face, Pixels

_WINDOW = 80  # pixels: the smallest face it finds without enlarging the photo
_SMALLEST_SHARE = 0.05  # of the long side: the default smallest face
_MOST_PIXELS = 100_000_000


class FaceRecognitionDetector:
    """Finds faces as `face_recognition.face_locations` does; confidences are the HOG's scores."""

    name = "face-recognition"

    def detect(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        """Faces, most confident first; the photo is doubled until `min_face` has 80 pixels.

        Raises OptionError where so small a `min_face` would make the photo too large to search,
        MissingExtraError where the package is not installed.
        """
        if min_face is None:
            min_face = _SMALLEST_SHARE * max(pixels.shape)
        doublings = max(math.ceil(math.log2(_WINDOW / min_face)), 0)
        if pixels.shape[0] * pixels.shape[1] * 4**doublings > _MOST_PIXELS:
            raise OptionError(
                f"so small a face is too much to search for in {pixels.shape[1]}x"
                f"{pixels.shape[0]} pixels: try --min-face {math.ceil(2 * min_face)} or more"
            )
        boxes, scores, _ = self._hog.run(pixels, doublings, 0.0)
        faces = [
            Face((box.left(), box.top(), box.right(), box.bottom()), float(score))
            for box, score in zip(boxes, scores, strict=True)
        ]
        return sorted(faces, key=lambda face: -face.confidence)

    @cached_property
    def _hog(self) -> Any:
        return face_recognition_api().face_detector

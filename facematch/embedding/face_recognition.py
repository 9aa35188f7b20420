"""The embedder of the package face_recognition: dlib's own ResNet. Extra [face-recognition]."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from facematch.detection.alignment import dlib_frame
from facematch.runtime.extras import face_recognition_api
from facematch.types import Chips, Frame, Vectors


class FaceRecognitionEmbedder:
    """Embeds chips with the network that `face_recognition.face_encodings` uses.

    It has the weights of `dlib-resnet`, so its vectors lie in the same space.
    """

    name = "face-recognition"
    space = "dlib-resnet"

    @property
    def frame(self) -> Frame:
        """150 pixels square, a quarter of the face's box added on each side."""
        return dlib_frame()

    def embed(self, chips: Chips) -> Vectors:
        """One vector a chip. Shapes: (N, 150, 150, 3) uint8 RGB -> (N, 128) float32. N may be 0.

        Raises EmbeddingError for chips of any other shape or type, MissingExtraError where the
        package is not installed.
        """
        self.frame.check(chips)
        vectors = [
            self._encoder.compute_face_descriptor(np.ascontiguousarray(chip)) for chip in chips
        ]
        return np.array(vectors, np.float32).reshape(len(chips), 128)

    @cached_property
    def _encoder(self) -> Any:
        return face_recognition_api().face_encoder

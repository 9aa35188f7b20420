"""dlib's face recognition ResNet (29 convolutions, 128 dimensions), run by onnxruntime."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from facematch.detection.alignment import dlib_frame
from facematch.types import Chips, Frame, Vectors
from facematch.weights.sessions import converted_session

if TYPE_CHECKING:
    import onnxruntime

_RESNET_BATCH = 32  # chips a run, which takes 200 MB
_RESNET_DIMENSIONS = 128


class DlibResNetEmbedder:
    """Embeds faces as dlib's `face_recognition_model_v1` does, within 1e-5. Rows are not unit."""

    name = "dlib-resnet"
    space = "dlib-resnet"

    @property
    def frame(self) -> Frame:
        """150 pixels square, a quarter of the face's box added on each side."""
        return dlib_frame()

    def embed(self, chips: Chips) -> Vectors:
        """One vector a chip. Shapes: (N, 150, 150, 3) uint8 RGB -> (N, 128) float32. N may be 0.

        Raises EmbeddingError for chips of any other shape or type.
        """
        self.frame.check(chips)
        vectors = np.empty((len(chips), _RESNET_DIMENSIONS), np.float32)
        for start in range(0, len(chips), _RESNET_BATCH):
            batch = chips[start : start + _RESNET_BATCH]
            (vectors[start : start + _RESNET_BATCH],) = self._session.run(None, {"chips": batch})
        return vectors

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        return converted_session("dlib-resnet", _resnet_graph)


def _resnet_graph(data: bytes) -> bytes:
    from facematch.weights.dlib_format import read_network
    from facematch.weights.onnx_graphs import resnet_graph

    return resnet_graph(read_network(data))

"""The embedder tuned for kinship: dlib's ResNet to its tenth block, then a tail trained here.

A chip and its mirror image are embedded together and averaged. `facematch train embedder` makes the
tail; models/kin-1.md says from what.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facematch.detection.alignment import dlib_frame
from facematch.scoring.cosine import unit_rows
from facematch.types import Chips, Frame, Vectors
from facematch.weights.catalogue import converted, read_weights
from facematch.weights.dlib_format import CONVERTER_VERSION, read_network, tuned_graph
from facematch.weights.head import open_head
from facematch.weights.sessions import session

if TYPE_CHECKING:
    import onnxruntime

_BATCH = 16  # chips a run, each with its mirror image: 200 MB


class KinEmbedder:
    """Embeds faces so that relatives lie close; vectors are unit."""

    name = "kin"
    space = "kin-1"

    @property
    def frame(self) -> Frame:
        """150 pixels square, a quarter of the face's box added on each side."""
        return dlib_frame()

    def evidence(self) -> dict[str, NDArray[Any]]:
        """What its cosines mean, as arrays (N,): see `Evidence` in training/resemblance.py.

        And "share", the groups' in the cohort that gave it.
        """
        return open_head(read_weights("kin-1"))[1]

    def embed(self, chips: Chips) -> Vectors:
        """One vector a chip. Shapes: (N, 150, 150, 3) uint8 RGB -> (N, 192) float32. N may be 0.

        Raises EmbeddingError for chips of any other shape or type.
        """
        self.frame.check(chips)
        vectors = np.empty((len(chips), self._session.get_outputs()[0].shape[1]), np.float32)
        for start in range(0, len(chips), _BATCH):
            batch = chips[start : start + _BATCH]
            both = np.concatenate([batch, batch[:, :, ::-1]])
            (found,) = self._session.run(None, {"chips": both})
            one, mirrored = np.split(unit_rows(found), 2)
            vectors[start : start + _BATCH] = unit_rows(one + mirrored)
        return vectors

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        return session(converted("kin-1", _graph, version=CONVERTER_VERSION, suffix=".onnx"))


def _graph(archive: bytes) -> bytes:
    head, _ = open_head(archive)
    return tuned_graph(read_network(read_weights("dlib-resnet")), head)

"""The embedder tuned for kinship: dlib's ResNet up to its tenth block, then a tuned head.

The vector of a face is the mean of the vectors of its chip and of the mirrored chip. The command
`facematch train embedder` trains the head; models/kin-1.md describes the data.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from facematch.detection.alignment import dlib_frame
from facematch.types import Chips, Frame, Vectors, unit_rows
from facematch.weights.sessions import converted_session

if TYPE_CHECKING:
    import onnxruntime

_KIN_BATCH = 16  # chips a run, each with its mirror image, which takes 200 MB


class KinEmbedder:
    """Embeds faces so that relatives have similar vectors. Rows are unit."""

    name = "kin"
    space = "kin-1"

    @property
    def frame(self) -> Frame:
        """150 pixels square, a quarter of the face's box added on each side."""
        return dlib_frame()

    def embed(self, chips: Chips) -> Vectors:
        """One vector a chip. Shapes: (N, 150, 150, 3) uint8 RGB -> (N, 192) float32. N may be 0.

        Raises EmbeddingError for chips of any other shape or type.
        """
        return self.embed_with_statistics(chips)[0]

    def embed_with_statistics(self, chips: Chips) -> tuple[Vectors, Vectors]:
        """As `embed`, with the statistics of each chip, (N, T): see photographs.py."""
        self.frame.check(chips)
        widths = (output.shape[1] for output in self._session.get_outputs())
        vectors, statistics = (np.empty((len(chips), width), np.float32) for width in widths)
        for start in range(0, len(chips), _KIN_BATCH):
            some = slice(start, start + _KIN_BATCH)
            both = np.concatenate([chips[some], chips[some, :, ::-1]])
            found, of_both = self._session.run(["vectors", "statistics"], {"chips": both})
            one, mirrored = np.split(unit_rows(found), 2)
            vectors[some] = unit_rows(one + mirrored)
            statistics[some] = of_both[: len(one)]
        return vectors, statistics

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        return converted_session("kin-1", _kin_graph)


def _kin_graph(archive: bytes) -> bytes:
    from facematch.weights.dlib_format import read_network
    from facematch.weights.files import read_weights
    from facematch.weights.head import open_head
    from facematch.weights.onnx_graphs import tuned_graph

    return tuned_graph(read_network(read_weights("dlib-resnet")), open_head(archive))

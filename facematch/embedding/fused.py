"""Several embedders as one, for those whose evidence is fused.

The vector is theirs end to end. How much each of them counts is fitted, and kept in the resemblance
model of their common space: `training/fusion.py` makes it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facematch.detection.alignment import recrop
from facematch.scoring.cosine import unit_rows
from facematch.types import Chips, Embedder, Frame, Vectors


class FusedEmbedder:
    """Embeds each face by all its parts; vectors are unit, their cosine is the mean of the parts'.

    Chips are those of the first part; the others' are cut from them, so that its vectors stay what
    they are alone.
    """

    def __init__(self, parts: Sequence[Embedder]) -> None:
        self.parts = tuple(parts)
        self.name = "+".join(part.name for part in parts)

    @property
    def space(self) -> str:
        """The parts' spaces, in their order."""
        return "+".join(part.space for part in self.parts)

    @property
    def frame(self) -> Frame:
        """The first part's."""
        return self.parts[0].frame

    def embed(self, chips: Chips) -> Vectors:
        """One vector a chip. Shapes: (N, S, S, 3) uint8 RGB -> (N, sum of D) float32. N may be 0.

        Raises EmbeddingError for chips of any other shape or type, and what the parts raise.
        """
        self.frame.check(chips)
        return beside([part.embed(recrop(chips, self.frame, part.frame)) for part in self.parts])


def beside(parts: Sequence[Vectors]) -> Vectors:
    """Unit vectors of rows end to end, each part of the same length.

    Shapes: (N, D1), (N, D2) and so on -> (N, D1 + D2 + ...).
    """
    rows = [unit_rows(part) for part in parts]
    return np.concatenate(rows, axis=1) / np.float32(np.sqrt(len(rows)))

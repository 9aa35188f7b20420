"""Several embedders as one.

The vector is the vectors of all parts, concatenated. The resemblance model of the common space says
how much each part counts; `training/fusion.py` fits it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facematch.detection.alignment import recrop
from facematch.types import Chips, Embedder, Frame, Vectors, unit_rows


class FusedEmbedder:
    """Embeds each face with all parts. Rows are unit; a cosine is the mean of the parts' cosines.

    Chips are those of the first part, so that its vectors stay the same as without other parts. The
    chips of the other parts are cropped from them.
    """

    def __init__(self, parts: Sequence[Embedder]) -> None:
        self.parts = tuple(parts)
        self.name = "+".join(part.name for part in parts)

    @property
    def space(self) -> str:
        """The spaces of the parts, joined by +."""
        return "+".join(part.space for part in self.parts)

    @property
    def frame(self) -> Frame:
        """The frame of the first part."""
        return self.parts[0].frame

    def embed(self, chips: Chips) -> Vectors:
        """One vector a chip. Shapes: (N, S, S, 3) uint8 RGB -> (N, sum of D) float32. N may be 0.

        Raises EmbeddingError for chips of any other shape or type, and what a part raises.
        """
        self.frame.check(chips)
        return concatenated(
            [part.embed(recrop(chips, self.frame, part.frame)) for part in self.parts]
        )


def concatenated(parts: Sequence[Vectors]) -> Vectors:
    """The vectors of all parts side by side, as unit rows in which each part has the same length.

    Shapes: (N, D1), (N, D2) and so on -> (N, D1 + D2 + ...).
    """
    rows = [unit_rows(part) for part in parts]
    return np.concatenate(rows, axis=1) / np.float32(np.sqrt(len(rows)))

"""The batched cosine core: numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facematch.errors import EmbeddingError
from facematch.types import Scores, Vectors

_NAMED = 5  # how many bad rows a message names


def unit_rows(vectors: NDArray[np.floating]) -> Vectors:
    """Scale each row to length 1.

    Norms are taken in float64: a float16 row of 20s has norm `inf` in float16.

    Shapes: (N, D) -> (N, D) float32. N may be 0.
    Raises EmbeddingError naming the rows that are all zeros or not finite.
    """
    rows = np.asarray(vectors)
    if rows.ndim != 2:
        raise EmbeddingError(f"vectors must have shape (N, D), not {rows.shape}")
    wide = rows.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1)
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    if bad.size:
        named = ", ".join(str(row) for row in bad[:_NAMED])
        more = f" and {bad.size - _NAMED} more" if bad.size > _NAMED else ""
        raise EmbeddingError(f"rows {named}{more} are all zeros or not finite: embed them again")
    return np.asarray(wide / norms[:, np.newaxis], np.float32)


def cosines(parents: NDArray[np.floating], children: NDArray[np.floating]) -> Scores:
    """Cosine similarity of each parent with each child.

    `scores[i, j]` is parent i against child j. Shapes: (P, D), (C, D) -> (P, C) float32 in [-1, 1].
    Raises EmbeddingError where a row has no direction or the dimensions differ.
    """
    rows, columns = unit_rows(parents), unit_rows(children)
    if rows.shape[1] != columns.shape[1]:
        raise EmbeddingError(
            f"parents have {rows.shape[1]} dimensions, children {columns.shape[1]}: "
            "embed both with the same embedder"
        )
    # A third of float32 self-cosines round past 1; arccos of those is nan.
    return np.asarray(np.clip(rows @ columns.T, -1.0, 1.0), np.float32)

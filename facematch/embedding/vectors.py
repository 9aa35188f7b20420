"""Vectors scaled to length 1."""

from __future__ import annotations

from typing import Any, NoReturn, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from facematch.errors import EmbeddingError
from facematch.types import Vectors

Floats: TypeAlias = NDArray[np.floating[Any]]
Real = TypeVar("Real", np.float32, np.float64)

_MOST_BAD_ROWS = 5  # bad rows that a message names
_NORM_ROWS = 512  # rows whose norms are taken at a time, in float64: 4096 leave the cache


def unit_rows(vectors: Floats) -> Vectors:
    """Scale each row to length 1.

    Norms are taken in float64: a float16 row of 20s has norm `inf` in float16.

    Shapes: (N, D) -> (N, D) float32. N may be 0.
    Raises EmbeddingError naming the rows that are all zeros or not finite.
    """
    return _scale_rows(vectors, np.empty(np.shape(vectors), np.float32))


def unit_rows_in_full(vectors: Floats) -> NDArray[np.float64]:
    """As `unit_rows`, in float64."""
    return _scale_rows(vectors, np.empty(np.shape(vectors), np.float64))


def _scale_rows(vectors: Floats, units: NDArray[Real]) -> NDArray[Real]:
    """Fill `units` with the rows scaled to length 1, some rows at a time."""
    rows = two_dimensional(vectors)
    for start in range(0, len(rows), _NORM_ROWS):
        wide = rows[start : start + _NORM_ROWS].astype(np.float64)
        norms = np.sqrt(np.einsum("nd,nd->n", wide, wide))
        if not (np.isfinite(norms) & (norms > 0)).all():
            refuse_rows(rows)
        units[start : start + _NORM_ROWS] = wide / norms[:, np.newaxis]
    return units


def two_dimensional(vectors: Floats) -> Floats:
    """The vectors as an array. Raises EmbeddingError unless its shape is (N, D)."""
    rows = np.asarray(vectors)
    if rows.ndim != 2:
        raise EmbeddingError(f"vectors must have shape (N, D), not {rows.shape}")
    return rows


def refuse_rows(rows: Floats) -> NoReturn:
    """Raise an EmbeddingError that names the rows which are all zeros or not finite."""
    norms = np.linalg.norm(rows.astype(np.float64), axis=1)
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    named = ", ".join(str(row) for row in bad[:_MOST_BAD_ROWS])
    more = f" and {bad.size - _MOST_BAD_ROWS} more" if bad.size > _MOST_BAD_ROWS else ""
    raise EmbeddingError(f"rows {named}{more} are all zeros or not finite: embed them again")

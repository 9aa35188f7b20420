"""All of many against all of many, in blocks: only the best, counts and a histogram come back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.errors import EmbeddingError
from facematch.runtime.distributed import distribute
from facematch.scoring.cosine import Indices, cosine_histogram, count_above, top_k
from facematch.types import Scores

_STEP = 25_000  # rows and columns of a block: 13 MB of 128 dimensions each way, seconds of work

_Block = tuple[int, int]  # its first row and column


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """What all P x C cosines of two sets of vectors are like.

    `indices`, `cosines` (P, K): of each parent the children of the greatest cosine, best first,
    ties by index. `above` (T,): how many pairs lie above each threshold. `histogram` (B,): how many
    in each of B equal parts of [-1, 1].
    """

    indices: Indices
    cosines: Scores
    above: Indices
    histogram: Indices


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to bring back: the `k` best, counts above `thresholds`, a histogram of `bins`.

    Each is a pass of its own over all products; none is made for 0 or ().
    """

    k: int = 10
    thresholds: tuple[float, ...] = ()
    bins: int = 0


def summarise(
    parents: Path, children: Path, wanted: Wanted, *, on: str | None = None, step: int = _STEP
) -> Summary:
    """Every parent against every child, a block of `step` x `step` at a time.

    `parents`, `children`: .npy files of vectors (P, D) and (C, D), that all machines of a cluster
    see by these paths; nobody reads more of them than a block. `on` is as `cluster.spread`'s.

    Raises EmbeddingError where a file holds no vectors, or as `cosine_matrix` does.
    """
    rows, columns = len(open_vectors(parents)), len(open_vectors(children))
    k = min(wanted.k, columns)
    indices, cosines = np.full((rows, k), -1, np.int64), np.full((rows, k), -2, np.float32)
    above = np.zeros(len(wanted.thresholds), np.int64)
    histogram = np.zeros(wanted.bins, np.int64)
    starts = product(range(0, rows, step), range(0, columns, step))
    work = partial(_parts, parents, children, wanted, step)
    for parts in distribute(work, starts, on=on, size=1):
        for row, part in parts:
            kept = slice(row, row + len(part.indices))
            best = _best(part, indices[kept], cosines[kept])
            indices[kept], cosines[kept] = best
            above += part.above
            histogram += part.histogram
    return Summary(indices, cosines, above, histogram)


def open_vectors(path: Path) -> NDArray[np.floating[Any]]:
    """The vectors (N, D) of a .npy file, read where they are looked at.

    Raises EmbeddingError where it holds none.
    """
    try:
        vectors: NDArray[np.floating[Any]] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise EmbeddingError(f"{path} is no .npy file of vectors ({error})") from error
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise EmbeddingError(f"{path} holds {vectors.dtype} {vectors.shape}, no vectors (N, D)")
    return vectors


def _parts(
    parents: Path, children: Path, wanted: Wanted, step: int, blocks: Iterable[_Block]
) -> list[tuple[int, Summary]]:
    """The summary of each block, with its first row."""
    rows, columns = open_vectors(parents), open_vectors(children)
    return [
        (row, _part(rows[row : row + step], columns[column : column + step], column, wanted))
        for row, column in blocks
    ]


def _part(
    rows: NDArray[np.floating[Any]],
    columns: NDArray[np.floating[Any]],
    column: int,
    wanted: Wanted,
) -> Summary:
    none = np.zeros(0, np.int64)
    indices, cosines = top_k(rows, columns, wanted.k)
    limits = np.array(wanted.thresholds, np.float32)
    return Summary(
        indices + column,
        cosines,
        count_above(rows, columns, limits) if len(limits) else none,
        cosine_histogram(rows, columns, wanted.bins) if wanted.bins else none,
    )


def _best(part: Summary, indices: Indices, cosines: Scores) -> tuple[Indices, Scores]:
    """The best of those kept and of a block's, as many as are kept."""
    both = np.hstack([indices, part.indices])
    values = np.hstack([cosines, part.cosines])
    order = np.lexsort((both, -values), axis=1)[:, : indices.shape[1]]
    return np.take_along_axis(both, order, 1), np.take_along_axis(values, order, 1)

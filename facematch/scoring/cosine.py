"""The batched cosine core: numpy only, in float32, bounded in memory whatever the sizes.

Work is cut into tiles that stay in a core's cache from the matrix product to whatever is done with
it, and tiles run on threads whose BLAS has one thread each: numpy's own passes over a result use
one core, however many the product used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.errors import EmbeddingError
from facematch.runtime.threads import cores
from facematch.types import Scores, Vectors

Indices: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.floating[Any]]

_NAMED = 5  # how many bad rows a message names
_NORM_ROWS = 512  # rows whose norms are taken at a time, in float64: 4096 leave the cache
_ROWS, _COLUMNS = 512, 2048  # of a tile, 4 MB: the fastest of those tried with 128 dimensions
_STRIP_ROWS = 4096  # at most, of a strip as wide as the matrix: larger repays packing the children
_HELD = 64 * 2**20  # bytes of unit rows held at a time, of parents and of children each
_FEW = 2**21  # cosines that are computed sooner than threads start


def unit_rows(vectors: Floats) -> Vectors:
    """Scale each row to length 1.

    Norms are taken in float64: a float16 row of 20s has norm `inf` in float16.

    Shapes: (N, D) -> (N, D) float32. N may be 0.
    Raises EmbeddingError naming the rows that are all zeros or not finite.
    """
    rows = _two_dimensional(vectors)
    units = np.empty(rows.shape, np.float32)
    for start in range(0, len(rows), _NORM_ROWS):
        wide = rows[start : start + _NORM_ROWS].astype(np.float64)
        norms = np.sqrt(np.einsum("nd,nd->n", wide, wide))
        if not (np.isfinite(norms) & (norms > 0)).all():
            _refuse_rows(rows)
        np.divide(wide, norms[:, np.newaxis], out=wide)
        units[start : start + _NORM_ROWS] = wide
    return units


def cosine_matrix(parents: Floats, children: Floats) -> Scores:
    """Cosine similarity of each parent with each child.

    `scores[i, j]` is parent i against child j. Shapes: (P, D), (C, D) -> (P, C) float32 in [-1, 1].
    Raises EmbeddingError where a row has no direction or the dimensions differ.
    """
    rows, columns = _comparable(parents, children)
    return _matrix(rows, _unit_rows_by_threads(columns).T)


def cosine_matrix_in_full(parents: Floats, children: Floats) -> Scores:
    """As `cosine_matrix`, computed in float64 and rounded once.

    So the same two rows give the same bits whatever else is compared and by how many threads, which
    a product in float32 does not promise. It takes twice the time and memory.
    """
    rows, columns = _comparable(parents, children)
    wide = (_in_full(rows) @ _in_full(columns).T).clip(-1, 1)
    return np.asarray(wide, np.float32)


def _in_full(vectors: Floats) -> NDArray[np.float64]:
    """Rows of length 1 in float64."""
    wide = vectors.astype(np.float64)
    norms = np.sqrt(np.einsum("nd,nd->n", wide, wide))
    if not (np.isfinite(norms) & (norms > 0)).all():
        _refuse_rows(vectors)
    return np.asarray(wide / norms[:, np.newaxis])


def _unit_rows_by_threads(vectors: Floats) -> Vectors:
    """As `unit_rows`, on threads where there are many."""
    units = np.empty(vectors.shape, np.float32)
    part = _even_parts(len(vectors), _STRIP_ROWS)

    def fill(start: int) -> None:
        units[start : start + part] = unit_rows(vectors[start : start + part])

    try:
        _run(fill, range(0, len(vectors), part), size=vectors.size)
    except EmbeddingError:
        _refuse_rows(vectors)  # by their places among all
    return units


def _matrix(rows: Floats, units: Vectors) -> Scores:
    """Cosines of rows (P, D) with unit columns (D, C)."""
    scores = np.empty((len(rows), units.shape[1]), np.float32)
    strip = _even_parts(len(rows), _STRIP_ROWS)

    def fill(start: int) -> None:
        stop = min(start + strip, len(rows))
        _cosines(unit_rows(rows[start:stop]), units, scores[start:stop])

    _run(fill, range(0, len(rows), strip), size=scores.size)
    return scores


def cosine_pairs(parents: Floats, children: Floats) -> NDArray[np.float32]:
    """Cosine similarity of parent i with child i. Shapes: (N, D), (N, D) -> (N,) in [-1, 1].

    Raises EmbeddingError where a row has no direction, or the shapes differ.
    """
    rows, columns = _comparable(parents, children)
    if len(rows) != len(columns):
        raise EmbeddingError(f"{len(rows)} parents and {len(columns)} children are no pairs")
    scores = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _NORM_ROWS):
        part = slice(start, start + _NORM_ROWS)
        dots = np.einsum("nd,nd->n", unit_rows(rows[part]), unit_rows(columns[part]))
        scores[part] = np.clip(dots, -1, 1)
    return scores


def cosine_blocks(
    parents: Floats, children: Floats, *, memory: int = 64 * 2**20
) -> Iterator[tuple[slice, Scores]]:
    """The cosine matrix in blocks of rows, each of at most `memory` bytes, or one row.

    Gives the rows a block holds and the block, (rows, C). Raises EmbeddingError as `cosine_matrix`
    does, for children and dimensions at once, for parents when their block comes.
    """
    rows, columns = _comparable(parents, children)
    step = max(memory // (4 * max(len(columns), 1)), 1)
    units = unit_rows(columns).T
    return (
        (
            slice(start, min(start + step, len(rows))),
            _matrix(rows[start : start + step], units),
        )
        for start in range(0, len(rows), step)
    )


def top_k(parents: Floats, children: Floats, k: int) -> tuple[Indices, Scores]:
    """For each parent the `k` children of the greatest cosine, best first, ties by index.

    The full matrix is never held. Shapes: (P, D), (C, D) -> (P, K) int64, (P, K) float32, where K
    is k, or C where that is less. Raises EmbeddingError as `cosine_matrix` does, ValueError for a
    negative k.
    """
    if k < 0:
        raise ValueError(f"the {k} best of each cannot be given: k must be 0 or more")
    rows, columns = _comparable(parents, children)
    best = _Best.none(len(rows), min(k, len(columns)))
    if best.indices.size:
        _over_tiles(rows, columns, best.take_tile)
    return best.indices, best.cosines


def count_above(parents: Floats, children: Floats, thresholds: Floats) -> Indices:
    """How many of all pairs have a cosine above each threshold, in one pass.

    Shapes: (P, D), (C, D), (T,) -> (T,) int64. Raises EmbeddingError as `cosine_matrix` does.
    """
    limits = np.asarray(thresholds, np.float32)

    def count(cosines: Scores) -> Indices:
        return np.array([np.count_nonzero(cosines > limit) for limit in limits], np.int64)

    return _summed(parents, children, count, len(limits))


def cosine_histogram(parents: Floats, children: Floats, bins: int = 2000) -> Indices:
    """How many of all pairs have a cosine in each of `bins` equal parts of [-1, 1], in one pass.

    The last part holds 1 itself. Shapes: (P, D), (C, D) -> (bins,) int64. Raises EmbeddingError as
    `cosine_matrix` does.
    """

    def count(cosines: Scores) -> Indices:
        part = ((cosines.ravel() + 1) * np.float32(bins / 2)).astype(np.int32)
        return np.bincount(np.minimum(part, bins - 1), minlength=bins).astype(np.int64)

    return _summed(parents, children, count, bins)


@dataclass(frozen=True, slots=True, eq=False)
class _Best:
    """The best children of each parent so far; places not yet filled have a cosine of -2."""

    indices: Indices  # (P, K)
    cosines: Scores  # (P, K), falling

    @staticmethod
    def none(parents: int, k: int) -> _Best:
        return _Best(np.full((parents, k), -1, np.int64), np.full((parents, k), -2, np.float32))

    def take_tile(self, row: int, column: int, cosines: Scores) -> None:
        """Let in what is better than the worst kept. Tiles of a row must come in order."""
        kept = slice(row, row + len(cosines))
        least = self.cosines[kept, -1:]
        if column == 0 and cosines.shape[1] > self.indices.shape[1]:
            # Nothing is kept yet: only what the tile's own k-th best lets in need be looked at.
            kth = cosines.shape[1] - self.indices.shape[1]
            least = np.nextafter(np.partition(cosines, kth, axis=1)[:, [kth]], np.float32(-3))
        rows, columns = _places(cosines > least)
        if len(rows):
            self._merge(kept, rows, columns + column, cosines[rows, columns])

    def _merge(self, kept: slice, rows: Indices, columns: Indices, cosines: Scores) -> None:
        """Sort newcomers among those kept, of the rows that have any."""
        k = self.indices.shape[1]
        changed = np.unique(rows)
        indices, values = self.indices[kept], self.cosines[kept]
        of = np.concatenate([changed.repeat(k), rows])
        places = np.concatenate([indices[changed].ravel(), columns])
        scores = np.concatenate([values[changed].ravel(), cosines])
        order = np.lexsort((places, -scores, of))
        first = np.searchsorted(of[order], changed)
        chosen = order[(first[:, np.newaxis] + np.arange(k)).ravel()]
        indices[changed] = places[chosen].reshape(-1, k)
        values[changed] = scores[chosen].reshape(-1, k)


def _places(mask: NDArray[np.bool_]) -> tuple[Indices, Indices]:
    """`np.nonzero`, several times faster where few are true: it looks at eight at a time."""
    if mask.size % 8:
        rows, columns = np.nonzero(mask)
        return rows, columns
    eights = np.flatnonzero(mask.reshape(-1).view(np.uint64))
    which, bit = np.nonzero(mask.reshape(-1, 8)[eights])
    rows, columns = np.divmod(eights[which] * 8 + bit, mask.shape[1])
    return rows, columns


def _summed(
    parents: Floats, children: Floats, count: Callable[[Scores], Indices], size: int
) -> Indices:
    """The sum over all tiles of what `count` gives for each."""
    rows, columns = _comparable(parents, children)
    parts: dict[int, Indices] = {}

    def add(row: int, _: int, cosines: Scores) -> None:
        # Tiles of one row are taken in order, by one thread: each has an entry of its own.
        parts[row] = parts.get(row, np.int64(0)) + count(cosines)

    _over_tiles(rows, columns, add)
    total = np.sum([np.zeros(size, np.int64), *parts.values()], axis=0)
    return np.asarray(total, np.int64)


def _over_tiles(
    parents: Floats, children: Floats, take: Callable[[int, int, Scores], None]
) -> None:
    """Call `take` with the first row and column of each tile, and its cosines.

    Tiles of the same rows are taken in order, never at the same time. Unit rows are held in parts.
    """
    step = max(_HELD // (4 * max(parents.shape[1], 1)), _COLUMNS)
    for row, column in product(range(0, len(parents), step), range(0, len(children), step)):
        rows = unit_rows(parents[row : row + step])
        columns = unit_rows(children[column : column + step])
        work = partial(_take_tiles, rows, columns, row, column, take)
        _run(work, range(0, len(rows), _ROWS), size=len(rows) * len(columns))


def _take_tiles(
    rows: Vectors,
    columns: Vectors,
    row: int,
    column: int,
    take: Callable[[int, int, Scores], None],
    start: int,
) -> None:
    """The tiles of 512 rows from `start` on; `row` and `column` are where both parts begin."""
    part = rows[start : start + _ROWS]
    buffer = np.empty(len(part) * _COLUMNS, np.float32)
    for left in range(0, len(columns), _COLUMNS):
        other = columns[left : left + _COLUMNS]
        tile = buffer[: len(part) * len(other)].reshape(len(part), len(other))
        take(row + start, column + left, _cosines(part, other.T, tile))


def _cosines(rows: Vectors, columns: Vectors, out: Scores) -> Scores:
    """The product of unit rows (R, D) and unit columns (D, C), clipped while it is in the cache."""
    np.matmul(rows, columns, out=out)
    # A third of float32 self-cosines round past 1; arccos of those is nan.
    return np.clip(out, -1, 1, out=out)


def _run(work: Callable[[int], None], starts: Iterable[int], *, size: int) -> None:
    """Call `work` with each start; on threads where the `size` of the result repays them."""
    if size <= _FEW:
        for start in starts:
            work(start)
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores()) as threads:
        for _ in threads.map(work, starts):
            pass


def _even_parts(rows: int, most: int) -> int:
    """Rows a part, at most `most`, so that every core gets as many parts as the others."""
    threads = cores()
    rounds = max(math.ceil(rows / (threads * most)), 1)
    return max(math.ceil(rows / (threads * rounds)), 1)


def _comparable(parents: Floats, children: Floats) -> tuple[Floats, Floats]:
    rows, columns = _two_dimensional(parents), _two_dimensional(children)
    if rows.shape[1] != columns.shape[1]:
        raise EmbeddingError(
            f"parents have {rows.shape[1]} dimensions, children {columns.shape[1]}: "
            "embed both with the same embedder"
        )
    return rows, columns


def _two_dimensional(vectors: Floats) -> Floats:
    rows = np.asarray(vectors)
    if rows.ndim != 2:
        raise EmbeddingError(f"vectors must have shape (N, D), not {rows.shape}")
    return rows


def _refuse_rows(rows: Floats) -> NoReturn:
    norms = np.linalg.norm(rows.astype(np.float64), axis=1)
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    named = ", ".join(str(row) for row in bad[:_NAMED])
    more = f" and {bad.size - _NAMED} more" if bad.size > _NAMED else ""
    raise EmbeddingError(f"rows {named}{more} are all zeros or not finite: embed them again")

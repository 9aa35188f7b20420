"""The batched cosine core: numpy only, in float32, bounded in memory whatever the sizes.

Work is cut into tiles that stay in a core's cache from the matrix product to the next step, and
tiles run on threads whose BLAS has one thread each: numpy's own passes over a result use one core,
however many threads the product used.

What is promised, on every CPU and for every size of blocks:

- A float32 cosine lies within `TIE` of the float64 definition. Its last bits depend on the shape of
  the product, so that two identical rows may differ by them. Two cosines that lie within 2 * `TIE`
  of each other are a tie: `top_k` may give either first. `count_above` and `cosine_histogram` may
  count a cosine that lies within `TIE` of a limit on either side of it.
- `cosine_matrix_in_full` lies within 1e-15 of the definition before it is rounded to float32, once.
  Its bits are the same for all sizes of blocks, except where that 1e-15 decides the rounding.
- Values that are equal as float32 are ordered by index.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.errors import EmbeddingError
from facematch.runtime.threads import cores
from facematch.types import (
    Floats,
    Scores,
    Vectors,
    refuse_rows,
    two_dimensional,
    unit_rows,
    unit_rows_in_full,
)

Indices: TypeAlias = NDArray[np.int64]

# How far a float32 cosine may lie from the float64 cosine. The largest difference measured is 6e-7,
# of rows of 192 numbers with themselves.
TIE = 1e-6
_NORM_ROWS = 512  # rows whose norms are taken at a time, in float64: 4096 leave the cache
# 4 MB. On an AMD EPYC (Zen 4), with 128 dimensions, `top_k` is faster than with 1024 rows by 512
# or 1024 columns. The product alone runs at 94 GFLOP/s a core, at 83 with 512 rows by 2048.
_TILE_ROWS, _TILE_COLUMNS = 2048, 512
_STRIP_ROWS = 4096  # at most, of a strip as wide as the matrix: larger repays packing the children
_UNIT_BYTES = 64 * 2**20  # bytes of unit rows held at a time, of parents and of children each
_NO_THREADS = 2**21  # cosines that one thread computes sooner than others start


def cosine_matrix(parents: Floats, children: Floats) -> Scores:
    """Cosine similarity of each parent with each child.

    `scores[i, j]` is parent i against child j. Shapes: (P, D), (C, D) -> (P, C) float32 in [-1, 1].
    Raises EmbeddingError where a row has no direction or the dimensions differ.
    """
    rows, columns = _comparable(parents, children)
    return _matrix(rows, _unit_rows_by_threads(columns).T)


def cosine_matrix_in_full(parents: Floats, children: Floats) -> Scores:
    """As `cosine_matrix`, computed in float64 and rounded once.

    The same two rows give the same bits, whatever else is compared and by however many threads; a
    product in float32 does not promise that. It takes twice the time and memory.
    """
    rows, columns = _comparable(parents, children)
    wide = (unit_rows_in_full(rows) @ unit_rows_in_full(columns).T).clip(-1, 1)
    return np.asarray(wide, np.float32)


def _unit_rows_by_threads(vectors: Floats) -> Vectors:
    """As `unit_rows`, on threads where there are many."""
    units = np.empty(vectors.shape, np.float32)
    part = _even_parts(len(vectors), _STRIP_ROWS)

    def fill(start: int) -> None:
        units[start : start + part] = unit_rows(vectors[start : start + part])

    try:
        _run(fill, range(0, len(vectors), part), size=vectors.size)
    except EmbeddingError:
        refuse_rows(vectors)  # by their places among all
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
    best = Best.none(len(rows), min(k, len(columns)))

    def take(row: int, column: int, cosines: Scores) -> None:
        kept = slice(row, row + len(cosines))
        least = best.values[kept, -1, 0]
        if column == 0 and cosines.shape[1] > best.k:
            # Nothing is kept yet: only what reaches the tile's own k-th best can stay.
            kth = cosines.shape[1] - best.k
            own = np.partition(cosines, kth, axis=1)[:, kth].clip(-1, 1)
            least = np.nextafter(own, np.float32(-3))
        i, j = _places_above(cosines, least)
        best.merge(kept, i, j + column, cosines[i, j].clip(-1, 1)[:, np.newaxis])

    if best.indices.size:
        _over_tiles_of_rows(rows, columns, take)
    return best.indices, best.values[..., 0]


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
class Best:
    """The best columns of each row so far, best first.

    The first `ranks` of the values decide, the greater is the better, then the lower index. A
    place that is not yet filled has index -1 and values of -inf.
    """

    indices: Indices  # (R, K)
    values: NDArray[np.float32]  # (R, K, V)
    ranks: int

    @staticmethod
    def none(rows: int, k: int, *, values: int = 1, ranks: int = 1) -> Best:
        """Nothing yet for each row."""
        nothing = np.full((rows, k, values), -np.inf, np.float32)
        return Best(np.full((rows, k), -1, np.int64), nothing, ranks)

    @property
    def k(self) -> int:
        """How many columns a row keeps."""
        return int(self.indices.shape[1])

    def merge(
        self, kept: slice, rows: Indices, columns: Indices, values: NDArray[np.float32]
    ) -> None:
        """Let newcomers in, (N,) each and (N, V); `rows` count from the first of `kept`.

        `rows` ascend, and in each row `columns`, which come after those of all earlier newcomers:
        so a stable sort by value leaves the lower index first.
        """
        if not len(rows):
            return
        changed, first, counts = np.unique(rows, return_index=True, return_counts=True)
        row = np.arange(len(changed)).repeat(counts)
        place = self.k + np.arange(len(rows)) - first.repeat(counts)
        shape = len(changed), self.k + int(counts.max())
        all_columns = np.full(shape, -1, np.int64)
        all_values = np.full((*shape, values.shape[1]), -np.inf, np.float32)
        indices, best = self.indices[kept], self.values[kept]
        all_columns[:, : self.k], all_values[:, : self.k] = indices[changed], best[changed]
        all_columns[row, place], all_values[row, place] = columns, values
        falling = [-all_values[..., rank] for rank in reversed(range(self.ranks))]
        order = np.lexsort(falling, axis=-1)[:, : self.k]
        indices[changed] = np.take_along_axis(all_columns, order, axis=1)
        best[changed] = np.take_along_axis(all_values, order[..., np.newaxis], axis=1)


def places(mask: NDArray[np.bool_]) -> tuple[Indices, Indices]:
    """`np.nonzero`, several times faster where few are true: it tests eight at a time."""
    if mask.size % 8:
        rows, columns = np.nonzero(mask)
        return rows, columns
    eights = np.flatnonzero(mask.reshape(-1).view(np.uint64))
    which, bit = np.nonzero(mask.reshape(-1, 8)[eights])
    rows, columns = np.divmod(eights[which] * 8 + bit, mask.shape[1])
    return rows, columns


def _places_above(tile: Scores, limits: NDArray[np.float32]) -> tuple[Indices, Indices]:
    """Where a tile (R, C) is above its row's limit (R,).

    Most rows of most tiles have no such place: their greatest value tells, in one pass.
    """
    likely = np.flatnonzero(tile.max(axis=1) > limits)
    if 2 * len(likely) > len(tile):
        return places(tile > limits[:, np.newaxis])
    rows, columns = places(tile[likely] > limits[likely, np.newaxis])
    return likely[rows], columns


def _summed(
    parents: Floats, children: Floats, count: Callable[[Scores], Indices], size: int
) -> Indices:
    """The sum over all tiles of what `count` gives for each."""
    rows, columns = _comparable(parents, children)
    parts: dict[int, Indices] = {}

    def add(row: int, _: int, cosines: Scores) -> None:
        # Tiles of one row are taken in order, by one thread: each has an entry of its own.
        clipped = np.clip(cosines, -1, 1, out=cosines)
        parts[row] = parts.get(row, np.int64(0)) + count(clipped)

    _over_tiles_of_rows(rows, columns, add)
    total = np.sum([np.zeros(size, np.int64), *parts.values()], axis=0)
    return np.asarray(total, np.int64)


def _over_tiles_of_rows(
    parents: Floats, children: Floats, take: Callable[[int, int, Scores], None]
) -> None:
    """As `over_tiles`, of rows of any length; their unit rows are held in parts."""
    step = max(_UNIT_BYTES // (4 * max(parents.shape[1], 1)), _TILE_COLUMNS)
    for row, column in product(range(0, len(parents), step), range(0, len(children), step)):
        rows = unit_rows(parents[row : row + step])
        columns = unit_rows(children[column : column + step])
        over_tiles(rows, columns, take, first=(row, column))


def over_tiles(
    rows: Vectors,
    columns: Vectors,
    take: Callable[[int, int, Scores], None],
    *,
    first: tuple[int, int] = (0, 0),
) -> None:
    """Call `take` with the first row and column of each tile, and its cosines.

    The cosines are not clipped: some pass 1 by rounding. `take` may write into them. Rows and
    columns are unit, (R, D) and (C, D), and count from `first`. Tiles of the same rows
    come in order and never at the same time, tiles of other rows may come from other threads.
    """
    part = _even_parts(len(rows), _TILE_ROWS)

    def work(start: int) -> None:
        def take_tile(column: int, cosines: Scores) -> None:
            take(first[0] + start, first[1] + column, cosines)

        _take_tiles(rows[start : start + part], columns, take_tile)

    _run(work, range(0, len(rows), part), size=len(rows) * len(columns))


def _take_tiles(rows: Vectors, columns: Vectors, take: Callable[[int, Scores], None]) -> None:
    """Call `take` with the first column of each tile of these rows, and its cosines."""
    buffer = np.empty(len(rows) * _TILE_COLUMNS, np.float32)
    for left in range(0, len(columns), _TILE_COLUMNS):
        other = columns[left : left + _TILE_COLUMNS]
        tile = buffer[: len(rows) * len(other)].reshape(len(rows), len(other))
        take(left, np.matmul(rows, other.T, out=tile))


def _cosines(rows: Vectors, columns: Vectors, out: Scores) -> Scores:
    """The product of unit rows (R, D) and unit columns (D, C), clipped while it is in the cache."""
    np.matmul(rows, columns, out=out)
    # A third of float32 self-cosines round past 1; arccos of those is nan.
    return np.clip(out, -1, 1, out=out)


def _run(work: Callable[[int], None], starts: Iterable[int], *, size: int) -> None:
    """Call `work` with each start; on threads where the result has more than a few entries."""
    if size <= _NO_THREADS:
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
    rows, columns = two_dimensional(parents), two_dimensional(children)
    if rows.shape[1] != columns.shape[1]:
        raise EmbeddingError(
            f"parents have {rows.shape[1]} dimensions, children {columns.shape[1]}: "
            "embed both with the same embedder"
        )
    return rows, columns

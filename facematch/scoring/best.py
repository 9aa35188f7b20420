"""The parents that each child looks most like, found without the full matrix."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facematch.scoring.cosine import Best, Indices, over_tiles, places
from facematch.scoring.resemblance import (
    Counts,
    ResemblanceModel,
    both_young,
    mean_inverse,
    pair_z_scores,
)
from facematch.types import Comparison, Scores, Vectors, unit_rows, unit_rows_in_full

_PARENTS_PREPARED = 32_768  # at a time, 100 MB with 192 dimensions
_EXACT_PAIRS = 2**14  # computed in float64 at a time: 25 MB each side with 192 dimensions


class BestParents:
    """The parents that each child looks most like, among all that `add` was given so far.

    Parents are ranked by score, then by cosine, then by their number; by cosine and number where
    there is no model. The search runs in float32 over the products of tiles, with a margin for
    rounding; every candidate is computed again in float64. So order and values are those of the
    full matrix, and memory does not grow with the number of parents.
    """

    def __init__(
        self, model: ResemblanceModel | None, children: Vectors, counts: Counts, top: int
    ) -> None:
        self._by: _ByCosine | _ByScore = (
            _ByCosine(children) if model is None else _ByScore(model, children, counts)
        )
        self._best = Best.none(
            len(children), top, values=len(self._by.values), ranks=self._by.ranks
        )
        self.added = 0

    @property
    def indices(self) -> Indices:
        """The numbers of the best parents of each child so far, (C, K); -1 where there is none."""
        return self._best.indices

    def add(self, parents: Vectors, counts: Counts) -> None:
        """Compare some parents, (P, D) and (P,); they are numbered on from those before."""
        for start in range(0, len(parents), _PARENTS_PREPARED):
            some = slice(start, start + _PARENTS_PREPARED)
            if self._best.indices.size:
                self._add(self._by.block(parents[some], counts[some]))
            self.added += len(parents[some])

    def _add(self, block: _Block) -> None:
        def take(row: int, column: int, cosines: Scores) -> None:
            rows = slice(row, row + len(cosines))
            columns = slice(column, column + cosines.shape[1])
            ranked = block.approximate(rows, columns, cosines)
            least = self._best.values[rows, -1, 0]
            if ranked.shape[1] >= self._best.k and (self._best.indices[rows, -1] < 0).any():
                least = np.maximum(least, self._least_of_tile(block, row, column, ranked))
            children, parents = places(ranked >= block.limits(rows, columns, least))
            values = _exact_values(block, children + row, parents + column)
            self._best.merge(rows, children, parents + column + self.added, values)

        over_tiles(self._by.children, block.parents, take)

    def _least_of_tile(
        self, block: _Block, row: int, column: int, ranked: Scores
    ) -> NDArray[np.float32]:
        """A lower bound of the first value of the k-th best parent of a tile, (R,)."""
        k = self._best.k
        likely = np.argpartition(ranked, -k, axis=1)[:, -k:]
        children = np.arange(len(ranked)).repeat(k)
        values = _exact_values(block, children + row, likely.ravel() + column)
        return np.asarray(values[:, 0].reshape(-1, k).min(axis=1))

    def comparison(self, start: int = 0) -> Comparison:
        """Each child with its best parents, best first; children are numbered from `start`."""
        kept = self._best.indices >= 0
        children, _ = np.nonzero(kept)
        nothing = np.full(len(children), np.nan, np.float32)
        values = dict(zip(self._by.values, self._best.values[kept].T, strict=True))
        return Comparison(
            parents=self._best.indices[kept],
            children=children + start,
            cosines=values["cosine"],
            scores=values.get("score", nothing),
            likelihood_ratios=values.get("likelihood_ratio", nothing),
            z_scores=values.get("z", nothing),
        )


class _Block(Protocol):
    """Some parents against the children. Rows are children, columns are parents."""

    parents: Vectors  # unit float32 rows, whose cosines with the children are searched

    def approximate(self, rows: slice, columns: slice, cosines: Scores) -> Scores:
        """What ranks the parents of a tile, in float32."""

    def limits(self, rows: slice, columns: slice, least: NDArray[np.float32]) -> Scores:
        """A lower bound of `approximate` for pairs whose first exact value reaches `least` (R,).

        The shape broadcasts to that of the tile.
        """

    def exact(self, children: Indices, parents: Indices) -> NDArray[np.float32]:
        """The exact values of pairs, (N, V), those that rank first."""


class _ByCosine:
    """Children whose parents are ranked by the cosine."""

    values, ranks = ("cosine",), 1

    def __init__(self, children: Vectors) -> None:
        self.vectors, self.children = children, unit_rows(children)

    def block(self, parents: Vectors, counts: Counts) -> _CosineBlock:
        """Some parents against them; the numbers of photos do not matter."""
        return _CosineBlock(self, parents)


class _CosineBlock:
    """Some parents, ranked by the cosine."""

    def __init__(self, by: _ByCosine, parents: Vectors) -> None:
        self._by, self._vectors, self.parents = by, parents, unit_rows(parents)
        self._margin = np.float32(_rounding(self.parents))

    def approximate(self, rows: slice, columns: slice, cosines: Scores) -> Scores:
        return cosines

    def limits(self, rows: slice, columns: slice, least: NDArray[np.float32]) -> Scores:
        return np.asarray((least - self._margin)[:, np.newaxis])

    def exact(self, children: Indices, parents: Indices) -> NDArray[np.float32]:
        return _exact_cosines(self._vectors[parents], self._by.vectors[children])[:, np.newaxis]


class _ByScore:
    """Children whose parents are ranked by the score, then by the cosine.

    A z-score is an affine function of the cosine of comparable vectors. With `slope` 1 / (2 s) and
    `offset` m / (2 s) of either side, m and s being mean and standard deviation of its cosines
    with the cohort, it is (slope of parent + slope of child) * cosine - both offsets, then less the
    inner product of the strata, divided by both spreads.
    """

    values, ranks = ("score", "cosine", "likelihood_ratio", "z"), 2

    def __init__(self, model: ResemblanceModel, children: Vectors, counts: Counts) -> None:
        self.model, self.vectors, self.counts = model, children, counts
        self.side = model.children(children)
        self.children = self.side.vectors.astype(np.float32)
        self.slope = 0.5 / self.side.deviation
        self.offset = self.side.mean * self.slope
        self.strata = self.side.strata.astype(np.float32)

    def block(self, parents: Vectors, counts: Counts) -> _ScoreBlock:
        """Some parents against them."""
        return _ScoreBlock(self, parents, counts)


class _ScoreBlock:
    """Some parents, ranked by the score, then by the cosine."""

    def __init__(self, by: _ByScore, parents: Vectors, counts: Counts) -> None:
        self._by, self._vectors, self._counts = by, parents, counts
        self._side = by.model.parents(parents)
        self.parents = self._side.vectors.astype(np.float32)
        slope = 0.5 / self._side.deviation
        offset = self._side.mean * slope
        narrow = (1 / self._side.spread).max(initial=0) / by.side.spread
        # Rounding of the cosine and of its product with the slopes, then of all that is taken off.
        taken_off = np.abs(offset).max(initial=0) + np.abs(by.offset)
        taken_off += np.abs(self._side.strata).max(initial=0)
        self._margin = narrow * (
            (slope.max(initial=0) + by.slope) * _rounding(self.parents) + taken_off * 2.0**-19
        )
        self._slope, self._offset = slope.astype(np.float32), offset.astype(np.float32)
        self._strata = self._side.strata.astype(np.float32)
        self._spread = self._side.spread.astype(np.float32)
        self._child_slope, self._child_offset = (
            each.astype(np.float32)[:, np.newaxis] for each in (by.slope, by.offset)
        )
        self._child_spread = by.side.spread.astype(np.float32)[:, np.newaxis]
        self._photos, self._group = np.unique(counts, return_inverse=True)

    def approximate(self, rows: slice, columns: slice, cosines: Scores) -> Scores:
        z = cosines * (self._child_slope[rows] + self._slope[columns])
        z -= self._offset[columns] + self._child_offset[rows]
        z -= self._by.strata[rows] @ self._strata[columns].T
        z /= self._spread[columns] * self._child_spread[rows]
        return z

    def limits(self, rows: slice, columns: slice, least: NDArray[np.float32]) -> Scores:
        by = self._by
        # The correction for averaging depends on the photos of both: a limit for each number.
        inverse = mean_inverse(self._photos, by.counts[rows, np.newaxis])
        z = by.model.undo_correction(by.model.least_z_score(least)[:, np.newaxis], inverse)
        z -= self._margin[rows, np.newaxis]
        limits = z.astype(np.float32)
        return limits if len(self._photos) == 1 else limits[:, self._group[columns]]

    def exact(self, children: Indices, parents: Indices) -> NDArray[np.float32]:
        by = self._by
        sides = self._side[parents], by.side[children]
        z = pair_z_scores(*sides)
        inverse = mean_inverse(self._counts[parents], by.counts[children])
        z = by.model.correct_for_averaging(z, inverse)
        scores, ratios = by.model.calibrate(z, both_young(*sides))
        cosines = _exact_cosines(self._vectors[parents], by.vectors[children])
        return np.stack([scores, cosines, ratios, z.astype(np.float32)], axis=1)


def _rounding(rows: Vectors) -> float:
    """The most by which a float32 product of two unit rows, or its inputs, may be rounded."""
    return float(rows.shape[1] + 16) * 2.0**-23


def _exact_values(block: _Block, children: Indices, parents: Indices) -> NDArray[np.float32]:
    """The exact values of pairs, some at a time."""
    starts = range(0, max(len(children), 1), _EXACT_PAIRS)
    parts = [slice(start, start + _EXACT_PAIRS) for start in starts]
    return np.concatenate([block.exact(children[part], parents[part]) for part in parts])


def _exact_cosines(parents: Vectors, children: Vectors) -> NDArray[np.float32]:
    """As `cosine_matrix_in_full`, for row i of both, (N,)."""
    dots = np.einsum("nd,nd->n", unit_rows_in_full(parents), unit_rows_in_full(children))
    return np.asarray(dots.clip(-1, 1), np.float32)

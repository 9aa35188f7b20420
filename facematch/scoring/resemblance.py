"""From two embeddings to a mini-me score and a likelihood ratio.

A linear map first damps what varies between photos of one person and between members of one family
(within-class whitening, Hatch & Stolcke 2006), and lets those directions count for most along which
parents and their children agree. The cosine of a pair is then seen against a cohort,
of which only mean and covariance are kept: how far does it lie above the cosines this child has
with people in the parent's role, and this parent with people in the child's role, in standard
deviations? Both are averaged, as in the symmetric score normalisation of speaker verification
(Kenny 2010). A vector's cohort is a mixture: everyone, and the groups of families it is near, since
against everyone all strangers of a population that is rare in the data are alike.
`training/resemblance.py` fits all of it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.errors import ResemblanceError
from facematch.types import Scores, Vectors
from facematch.weights.arrays import read_arrays
from facematch.weights.catalogue import RESEMBLANCE, read_weights

KIND = "whitened-cosine-3"  # a model of another kind needs other code than this

Array = NDArray[np.float32]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ResemblanceModel:
    """What was fitted; D dimensions of the embedder, K kept, Q knots, F families, G groups.

    `families` (F,) names those that took part: no figure measured on them means anything.

    `mean` (D,) and `transform` (D, K) make a vector comparable. `parent_mean`, `child_mean` (K,)
    and `parent_covariance`, `child_covariance` (K, K) describe the cohort in each role.

    A comparable vector belongs to each group of families in proportion to the exponential of
    `group_axes` (G, K) times it plus `group_offsets` (G,). `parent_group_means`,
    `child_group_means` (G, K) and `parent_group_covariances`, `child_group_covariances` (G, K, K)
    describe the groups' people in each role, and `group_share` (1,) is the weight of the groups
    against everyone, 0 to 1. All of these are over many families: no one's vector is among them.

    A pair's distance from the cohort, in standard deviations, becomes a score between the knots
    `distances` (Q,) and `scores` (Q,). `log_ratio` (4,) holds slope, intercept, least and greatest
    natural logarithm of the likelihood ratio; `log_ratio_draws` (B, 2) slope and intercept as they
    came of other draws of families. `averaging` (4,) holds mean and variance of distances of
    strangers where endlessly many photos of each are averaged, and what one photo adds to both.

    Raises ResemblanceError where the arrays do not fit one another or are not finite.
    """

    name: str
    space: str
    families: NDArray[np.str_]
    mean: Array
    transform: Array
    parent_mean: Array
    parent_covariance: Array
    child_mean: Array
    child_covariance: Array
    group_axes: Array
    group_offsets: Array
    group_share: Array
    parent_group_means: Array
    parent_group_covariances: Array
    child_group_means: Array
    child_group_covariances: Array
    distances: Array
    scores: Array
    log_ratio: Array
    log_ratio_draws: Array
    averaging: Array

    def __post_init__(self) -> None:
        _check(self)

    def compare(
        self,
        parents: Vectors,
        children: Vectors,
        photos: tuple[Counts, Counts] | None = None,
    ) -> tuple[Scores, Scores]:
        """The mini-me scores, 0 to 100, and the likelihood ratios of each parent and child.

        Row i, column j is parent i against child j. `photos` are how many each vector is the mean
        of, (P,) and (C,), one where left out. Shapes: (P, D), (C, D) -> (P, C) twice. Raises
        ResemblanceError for vectors of other dimensions, or without a direction.
        """
        z = self.z_scores(parents, children)
        if photos is None:
            return self.calibrate(z)
        inverse = (1 / photos[0][:, np.newaxis] + 1 / photos[1]) / 2
        return self.calibrate(self.correct_for_averaging(z, inverse))

    def compare_pairs(
        self,
        parents: Vectors,
        children: Vectors,
        photos: tuple[Counts, Counts] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """As `compare`, of parent i and child i only. Shapes: (N, D), (N, D) -> (N,) twice."""
        z = self.pair_z_scores(parents, children)
        if photos is None:
            return self.calibrate(z)
        return self.calibrate(self.correct_for_averaging(z, (1 / photos[0] + 1 / photos[1]) / 2))

    def calibrate(self, z: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The scores and likelihood ratios of such distances from the cohort."""
        slope, intercept, least, greatest = self.log_ratio.astype(np.float64)
        scores = np.interp(z, self.distances, self.scores)
        ratios = np.exp(np.clip(slope * z + intercept, least, greatest))
        return scores.astype(np.float32), ratios.astype(np.float32)

    def ratio_interval(self, z: NDArray[np.float64]) -> NDArray[np.float32]:
        """Where 95 % of the likelihood ratios lie that other families would have given.

        Shapes: distances (N,) -> (N, 2). It says nothing of other photos of the same people.
        """
        least, greatest = self.log_ratio[2:]
        slopes, intercepts = self.log_ratio_draws.T.astype(np.float64)
        logs = np.clip(z[:, np.newaxis] * slopes + intercepts, least, greatest)
        ends = np.quantile(logs, [0.025, 0.975], axis=1).T
        return np.asarray(np.exp(ends), np.float32)

    def correct_for_averaging(
        self, z: NDArray[np.float64], inverse: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Distances of people averaged over photos, made such that `calibrate` holds for them.

        `inverse` is the mean of one over the number of photos of either side, and has the shape of
        `away`. Averaging moves strangers' distances and narrows them; this moves them back.
        """
        mean, added, variance, more = self.averaging.astype(np.float64)
        narrowed = np.sqrt((variance + more * inverse) / (variance + more))
        return np.asarray((z - mean - added * inverse) / narrowed + mean + added)

    def z_scores(self, parents: Vectors, children: Vectors) -> NDArray[np.float64]:
        """How far each pair's cosine lies above the cohort's, in standard deviations, (P, C)."""
        rows, columns = self._comparable(parents), self._comparable(children)
        for_parents, for_children = self._cohorts(rows, columns)
        return _away(rows @ columns.T, for_parents[..., np.newaxis], for_children)

    def pair_z_scores(self, parents: Vectors, children: Vectors) -> NDArray[np.float64]:
        """As `z_scores`, of parent i and child i only, (N,)."""
        rows, columns = self._comparable(parents), self._comparable(children)
        if len(rows) != len(columns):
            raise ResemblanceError(f"{len(rows)} parents and {len(columns)} children are no pairs")
        return _away(np.einsum("nk,nk->n", rows, columns), *self._cohorts(rows, columns))

    def memberships(self, vectors: Vectors) -> NDArray[np.float64]:
        """How far each vector belongs to each group, (N, G); rows sum to 1.

        Near vectors belong nearly alike, so that no score jumps between them.
        """
        return self._memberships(self._comparable(vectors))

    def _memberships(self, seen: NDArray[np.float64]) -> NDArray[np.float64]:
        logs = seen @ self.group_axes.T + self.group_offsets
        odds = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def _cohorts(
        self, rows: NDArray[np.float64], columns: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What each parent's cosines with people in the child's role are like, and the reverse."""
        share = self.group_share.astype(np.float64)
        children = _mixed(
            share, self.child_mean, self.child_covariance,
            self.child_group_means, self.child_group_covariances,
        )  # fmt: skip
        parents = _mixed(
            share, self.parent_mean, self.parent_covariance,
            self.parent_group_means, self.parent_group_covariances,
        )  # fmt: skip
        return (
            _cohort(rows, self._memberships(rows), *children),
            _cohort(columns, self._memberships(columns), *parents),
        )

    def _comparable(self, vectors: Vectors) -> NDArray[np.float64]:
        dimensions = len(self.mean)
        if vectors.ndim != 2 or vectors.shape[1] != dimensions:
            raise ResemblanceError(
                f"{self.name} compares vectors (N, {dimensions}) of {self.space}, "
                f"not {vectors.shape}"
            )
        return comparable(vectors, self.mean, self.transform)


def comparable(vectors: Vectors, mean: Array, transform: Array) -> NDArray[np.float64]:
    """Unit vectors whose cosines compare relatives. Shapes: (N, D), (D,), (D, K) -> (N, K).

    Raises ResemblanceError where a vector is all zeros or not finite.
    """
    return unit((unit(vectors) - mean) @ transform)


def model_as_bytes(model: ResemblanceModel) -> bytes:
    """The model as an .npz; the same model gives the same bytes."""
    archive = io.BytesIO()
    arrays: dict[str, Any] = {field.name: getattr(model, field.name) for field in fields(model)}
    np.savez(archive, kind=np.asarray(KIND), **arrays)
    return archive.getvalue()


def open_model(data: bytes) -> ResemblanceModel:
    """The model in such an .npz. Raises ResemblanceError where it is none, or of another kind."""
    try:
        values: dict[str, Any] = dict(read_arrays(data))
    except ValueError as error:
        raise ResemblanceError(f"no archive of a resemblance model ({error})") from error
    kind = str(values.pop("kind", "unknown"))
    if kind != KIND:
        raise ResemblanceError(
            f"a model of kind {kind!r}; this facematch reads {KIND!r}: update it"
        )
    names = {field.name for field in fields(ResemblanceModel)}
    if values.keys() != names:
        raise ResemblanceError(f"a model that lacks {', '.join(sorted(names ^ values.keys()))}")
    name, space = str(values.pop("name")), str(values.pop("space"))
    return ResemblanceModel(name, space, **values)


@cache
def model_for(space: str) -> ResemblanceModel | None:
    """The shipped model for vectors of that space, None where there is none.

    Raises WeightsError where its file is not the one that was shipped.
    """
    name = f"{space}-resemblance"
    return open_model(read_weights(name)) if name in RESEMBLANCE else None


def _away(
    cosines: NDArray[np.float64], parents: NDArray[np.float64], children: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Standard deviations above the mean, each (2, ...), of both cohorts, averaged."""
    above = (cosines - children[0]) / children[1] + (cosines - parents[0]) / parents[1]
    return np.asarray(above / 2)


def _mixed(
    share: NDArray[np.float64],
    mean: Array,
    covariance: Array,
    group_means: Array,
    group_covariances: Array,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means (G, K) and covariances (G, K, K) of the groups, in that share, and everyone."""
    rest = 1 - share
    return share * group_means + rest * mean, share * group_covariances + rest * covariance


def _cohort(
    judged: NDArray[np.float64],
    belongs: NDArray[np.float64],
    means: NDArray[np.float64],
    covariances: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Mean and standard deviation of the cosines each of `judged` has with its cohort, (2, N).

    Shapes: (N, K), how far each belongs to each group (N, G), (G, K), (G, K, K). Raises
    ResemblanceError where they do not vary.
    """
    variance = np.zeros(len(judged))
    for weights, covariance in zip(belongs.T, covariances, strict=True):
        variance += weights * np.einsum("nk,nk->n", judged @ covariance, judged)
    if not (variance > 0).all():
        raise ResemblanceError(
            "a vector that is equally like everyone in the cohort: embed it again"
        )
    mean = np.einsum("ng,ng->n", belongs, judged @ means.T)
    return np.stack([mean, np.sqrt(variance)])


def unit(vectors: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Rows of length 1, in float64. Shapes: (N, D) -> (N, D).

    Raises ResemblanceError where a row is all zeros or not finite.
    """
    rows = vectors.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if bad.size:
        raise ResemblanceError(f"vector {bad[0]} is all zeros or not finite: embed it again")
    return np.asarray(rows / lengths)


def _check(model: ResemblanceModel) -> None:
    dimensions, kept, knots = model.mean.size, model.parent_mean.size, model.distances.size
    groups = model.group_offsets.size
    shapes = {
        "mean": (dimensions,), "transform": (dimensions, kept), "parent_mean": (kept,),
        "parent_covariance": (kept, kept), "child_mean": (kept,),
        "child_covariance": (kept, kept), "group_axes": (groups, kept),
        "group_offsets": (groups,), "group_share": (1,), "parent_group_means": (groups, kept),
        "parent_group_covariances": (groups, kept, kept), "child_group_means": (groups, kept),
        "child_group_covariances": (groups, kept, kept), "distances": (knots,), "scores": (knots,),
        "log_ratio": (4,), "log_ratio_draws": (len(model.log_ratio_draws), 2),
        "averaging": (4,),
    }  # fmt: skip
    for name, shape in shapes.items():
        array = getattr(model, name)
        if array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
            raise ResemblanceError(f"a model whose {name} is not {shape} finite float32")
    if model.families.ndim != 1 or model.families.dtype.kind != "U":
        raise ResemblanceError("a model whose families are no names")
    if not dimensions or not kept:
        raise ResemblanceError("a model without dimensions")
    if not groups or not 0 <= model.group_share[0] <= 1:
        raise ResemblanceError("a model without groups, or that weighs them less than none or all")
    rising = all(
        len(knot) > 1 and (np.diff(knot) >= 0).all() and knot[0] < knot[-1]
        for knot in (model.distances, model.scores)
    )
    if not rising or model.scores[0] < 0 or model.scores[-1] > 100:
        raise ResemblanceError("a model whose scores do not rise from 0 to 100")
    covariances = (
        model.parent_covariance, model.child_covariance,
        *model.parent_group_covariances, *model.child_group_covariances,
    )  # fmt: skip
    for covariance in covariances:
        values = np.linalg.eigvalsh(covariance.astype(np.float64))
        if values[-1] <= 0 or values[0] < -1e-6 * values[-1]:
            raise ResemblanceError("a model whose cohort does not vary, or less than not at all")
    if model.averaging[2] <= 0 or model.averaging[2:].sum() <= 0:
        raise ResemblanceError("a model whose strangers do not vary")
    if model.log_ratio[0] <= 0 or model.log_ratio[2] > model.log_ratio[3]:
        raise ResemblanceError("a model whose likelihood ratio does not rise with the score")

"""From two embeddings to a mini-me score and a likelihood ratio.

A linear map first damps what varies between photos of one person and between members of one family
(within-class whitening, Hatch & Stolcke 2006), and gives more weight to the directions along which
parents and their children agree. The cosine of a pair is then standardised by two cohorts: the
cosines of this child with people in the parent's role, and of this parent with people in the
child's role. The mean of both z-scores is the pair's z-score, as in the symmetric score
normalisation of speaker verification (Kenny 2010). Only the mean and the covariance of a cohort are
kept. The cohort of a vector is a mixture of everyone and of the groups of families near it: against
everyone, all strangers of a population that is rare in the data are alike. Last, the mean z-score
of strangers of the two strata (see strata.py) is taken off, and the rest divided by their standard
deviation: without this, two babies would always look alike. `training/resemblance.py` fits all of
it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.errors import ResemblanceError
from facematch.scoring.strata import AGE_BANDS, STAGES, YOUNG, estimated_age, probabilities, strata
from facematch.types import Scores, Vectors, unit_rows_in_full
from facematch.weights.arrays import pack_arrays, read_arrays
from facematch.weights.catalogue import RESEMBLANCE
from facematch.weights.files import read_weights

KIND = "whitened-cosine-4"  # a model of another kind needs other code than this

Array = NDArray[np.float32]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ResemblanceModel:
    """The fitted arrays; D dimensions of the embedder, K kept, Q knots, F families, G groups.

    P populations and A age bands give S strata, 4 for each population.

    `families` (F,) names the families of the training data: no figure measured on them is valid.

    `mean` (D,) and `transform` (D, K) make a vector comparable. `parent_mean`, `child_mean` (K,)
    and `parent_covariance`, `child_covariance` (K, K) describe the cohort in each role.

    A comparable vector belongs to each group of families in proportion to the exponential of
    `group_axes` (G, K) times it plus `group_offsets` (G,). `parent_group_means`,
    `child_group_means` (G, K) and `parent_group_covariances`, `child_group_covariances` (G, K, K)
    describe the groups' people in each role. `group_share` (1,) is the weight of the groups against
    everyone, 0 to 1. All of these are over many families: no person's vector is stored.

    `population_axes` (P, K) with `population_offsets` (P,), and `age_axes` (A, K) with
    `age_offsets` (A,), are multinomial logistic regressions on a comparable vector. Row s, column t
    of `stratum_means` (S, S) is the mean z-score of strangers of which the one in the parent's role
    belongs to stratum s and the other to t. `stratum_deviations` (S,) are the logarithms of each
    side's share in the standard deviation.

    A z-score becomes a mini-me score by linear interpolation between the knots `distances` (Q,)
    and `scores` (Q,). `log_ratio` (4,) holds slope, intercept, minimum and maximum of the natural
    logarithm of the likelihood ratio; a slope of 0 says that there is none. `log_ratio_draws`
    (B, 2) holds slope and intercept of each bootstrap resample of the training families.
    `averaging` (4,) holds the mean of strangers' z-scores for infinitely many averaged photos and
    what one photo adds to it, then their variance likewise.

    Raises ResemblanceError where the shapes do not fit one another or a value is not finite.
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
    population_axes: Array
    population_offsets: Array
    age_axes: Array
    age_offsets: Array
    stratum_means: Array
    stratum_deviations: Array
    distances: Array
    scores: Array
    log_ratio: Array
    log_ratio_draws: Array
    averaging: Array

    def __post_init__(self) -> None:
        _check(self)

    @property
    def gives_ratios(self) -> bool:
        """Whether likelihood ratios were fitted; they were not for a cohort of the user's own."""
        return bool(self.log_ratio[0] > 0)

    def compare(
        self,
        parents: Vectors,
        children: Vectors,
        photos: tuple[Counts, Counts] | None = None,
    ) -> tuple[Scores, Scores]:
        """The mini-me scores, 0 to 100, and the likelihood ratios of each parent and child.

        Row i, column j is parent i against child j. `photos` (P,) and (C,) say how many photos each
        vector is the mean of; None stands for one. Shapes: (P, D), (C, D) -> (P, C) twice. Raises
        ResemblanceError for vectors of other dimensions, EmbeddingError for rows of zeros.
        """
        rows, columns = self.parents(parents), self.children(children)
        z = z_score_matrix(rows, columns)
        if photos is not None:
            inverse = mean_inverse(photos[0][:, np.newaxis], photos[1])
            z = self.correct_for_averaging(z, inverse)
        return self.calibrate(z, both_young(rows[:, np.newaxis], columns))

    def compare_pairs(
        self,
        parents: Vectors,
        children: Vectors,
        photos: tuple[Counts, Counts] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """As `compare`, for parent i and child i only. Shapes: (N, D), (N, D) -> (N,) twice."""
        rows, columns = self._sides_of_pairs(parents, children)
        z = pair_z_scores(rows, columns)
        if photos is not None:
            z = self.correct_for_averaging(z, mean_inverse(*photos))
        return self.calibrate(z, both_young(rows, columns))

    def calibrate(
        self, z: NDArray[np.float64], without_ratio: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The mini-me score and the likelihood ratio of each z-score. Any shape, twice.

        The ratios are NaN where the model gives none, and for the pairs in `without_ratio`, which
        is what `both_young` says of them.
        """
        slope, intercept, minimum, maximum = self.log_ratio.astype(np.float64)
        scores = np.interp(z, self.distances, self.scores)
        if not self.gives_ratios:
            return scores.astype(np.float32), np.full(z.shape, np.nan, np.float32)
        ratios = np.exp(np.clip(slope * z + intercept, minimum, maximum))
        if without_ratio is not None:
            ratios = np.where(without_ratio, np.nan, ratios)
        return scores.astype(np.float32), ratios.astype(np.float32)

    def least_z_score(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """A lower bound of the z-scores that `calibrate` gives at least these scores.

        Less than one float32 step of the score below the smallest such z-score; -inf where every
        z-score has that score. Any shape.
        """
        below = np.nextafter(scores, np.float32(-1)).astype(np.float64)
        knots, z = self.scores.astype(np.float64), self.distances.astype(np.float64)
        upper = np.searchsorted(knots, below).clip(1, len(knots) - 1)
        lower = upper - 1
        rise = np.maximum(knots[upper] - knots[lower], np.finfo(np.float32).tiny)
        share = ((below - knots[lower]) / rise).clip(0, 1)
        least = z[lower] + share * (z[upper] - z[lower])
        return np.where(below <= knots[0], -np.inf, least)

    def ratio_interval(self, z: NDArray[np.float64]) -> NDArray[np.float32]:
        """95 % confidence intervals of likelihood ratios, resampling the training families.

        Shapes: z-scores (N,) -> (N, 2). Other photos of the same people are not taken into account.
        """
        if not self.gives_ratios:
            return np.full((len(z), 2), np.nan, np.float32)
        minimum, maximum = self.log_ratio[2:]
        slopes, intercepts = self.log_ratio_draws.T.astype(np.float64)
        logs = np.clip(z[:, np.newaxis] * slopes + intercepts, minimum, maximum)
        ends = np.quantile(logs, [0.025, 0.975], axis=1).T
        return np.asarray(np.exp(ends), np.float32)

    def correct_for_averaging(
        self, z: NDArray[np.float64], inverse: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The z-scores that single photos would have in place of means over several photos.

        Averaging moves the z-scores of strangers and lowers their variance. After this correction
        they have the mean and the variance that single photos have, which `calibrate` expects.
        `inverse` is what `mean_inverse` gives; it has the shape of `z`, or one that broadcasts.
        """
        mean, added, _, _ = self.averaging.astype(np.float64)
        narrowed = self._narrowing(inverse)
        return np.asarray((z - mean - added * inverse) / narrowed + mean + added)

    def undo_correction(
        self, z: NDArray[np.float64], inverse: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The inverse of `correct_for_averaging`."""
        mean, added, _, _ = self.averaging.astype(np.float64)
        narrowed = self._narrowing(inverse)
        return np.asarray((z - mean - added) * narrowed + mean + added * inverse)

    def _narrowing(self, inverse: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard deviation of strangers' z-scores, in that of single photos."""
        _, _, variance, more = self.averaging.astype(np.float64)
        return np.asarray(np.sqrt((variance + more * inverse) / (variance + more)))

    def z_scores(self, parents: Vectors, children: Vectors) -> NDArray[np.float64]:
        """Each pair's cosine, standardised by both cohorts: (P, D), (C, D) -> (P, C)."""
        return z_score_matrix(self.parents(parents), self.children(children))

    def pair_z_scores(self, parents: Vectors, children: Vectors) -> NDArray[np.float64]:
        """As `z_scores`, for parent i and child i only: (N, D), (N, D) -> (N,)."""
        return pair_z_scores(*self._sides_of_pairs(parents, children))

    def memberships(self, vectors: Vectors) -> NDArray[np.float64]:
        """The share in which each vector belongs to each group, (N, G); rows sum to 1.

        The shares are continuous, so that near vectors have near scores.
        """
        return probabilities(self._comparable(vectors), self.group_axes, self.group_offsets)

    def ages(self, vectors: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The estimated age of each face and its standard error, in years: (N, D) -> (N,) twice."""
        rows = self._comparable(vectors)
        return estimated_age(probabilities(rows, self.age_axes, self.age_offsets))

    def young(self, vectors: Vectors) -> NDArray[np.bool_]:
        """Whether each face looks like a child under `YOUNG` years: (N, D) -> (N,).

        Two such faces have no likelihood ratio: no data says how alike young relatives look.
        """
        return np.asarray(self.ages(vectors)[0] < YOUNG)

    def parents(self, vectors: Vectors) -> Side:
        """Vectors (N, D) of people in the parent's role, with their cohort of children."""
        cohort = (
            self.child_mean, self.child_covariance,
            self.child_group_means, self.child_group_covariances,
        )  # fmt: skip
        side = self._side(self._comparable(vectors), *cohort)
        return replace(side, strata=side.strata @ self.stratum_means)

    def children(self, vectors: Vectors) -> Side:
        """Vectors (N, D) of people in the child's role, with their cohort of parents."""
        cohort = (
            self.parent_mean, self.parent_covariance,
            self.parent_group_means, self.parent_group_covariances,
        )  # fmt: skip
        return self._side(self._comparable(vectors), *cohort)

    def _sides_of_pairs(self, parents: Vectors, children: Vectors) -> tuple[Side, Side]:
        if len(parents) != len(children):
            raise ResemblanceError(
                f"{len(parents)} parents and {len(children)} children are no pairs"
            )
        return self.parents(parents), self.children(children)

    def _side(self, vectors: NDArray[np.float64], *cohort: Array) -> Side:
        mixed = _mixed(self.group_share.astype(np.float64), *cohort)
        groups = probabilities(vectors, self.group_axes, self.group_offsets)
        of_ages = probabilities(vectors, self.age_axes, self.age_offsets)
        of_populations = probabilities(vectors, self.population_axes, self.population_offsets)
        of_strata = strata(of_populations, of_ages)
        spread = np.exp(of_strata @ self.stratum_deviations)
        young = estimated_age(of_ages)[0] < YOUNG
        return Side(vectors, *_cohort(vectors, groups, *mixed), of_strata, spread, young)

    def _comparable(self, vectors: Vectors) -> NDArray[np.float64]:
        dimensions = len(self.mean)
        if vectors.ndim != 2 or vectors.shape[1] != dimensions:
            raise ResemblanceError(
                f"{self.name} compares vectors (N, {dimensions}) of {self.space}, "
                f"not {vectors.shape}"
            )
        return comparable(vectors, self.mean, self.transform)


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Comparable unit vectors (N, K), and mean and deviation (N,) of their cosines with the cohort.

    `deviation` is the standard deviation. The inner product of the `strata` (N, S) of a parent and
    of a child is the mean z-score of strangers like them: those of a child are probabilities, those
    of a parent the mean for each stratum of the child. `spread` (N,) is the share of the side in
    the standard deviation of those z-scores. `young` (N,) says who looks under `YOUNG` years old.
    """

    vectors: NDArray[np.float64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    strata: NDArray[np.float64]
    spread: NDArray[np.float64]
    young: NDArray[np.bool_]

    def __getitem__(self, rows: Any) -> Side:
        """Some of the rows, or all in another shape."""
        return Side(*(getattr(self, field.name)[rows] for field in fields(self)))


def z_score_matrix(parents: Side, children: Side) -> NDArray[np.float64]:
    """The z-score of each parent and each child, (P, C)."""
    cosines = parents.vectors @ children.vectors.T
    expected = parents.strata @ children.strata.T
    return _standardised(cosines, expected, parents[:, np.newaxis], children)


def both_young(parents: Side, children: Side) -> NDArray[np.bool_]:
    """Whether both faces look like young children, so that there is no likelihood ratio.

    Row i against row i; sides of other shapes broadcast.
    """
    return np.asarray(parents.young & children.young)


def pair_z_scores(parents: Side, children: Side) -> NDArray[np.float64]:
    """The z-score of parent i and child i, (N,)."""
    cosines = np.einsum("nk,nk->n", parents.vectors, children.vectors)
    expected = np.einsum("ns,ns->n", parents.strata, children.strata)
    return _standardised(cosines, expected, parents, children)


def mean_inverse(parents: Counts | int, children: Counts | int) -> NDArray[np.float64]:
    """The mean of one over the number of photos of both sides. Shapes broadcast."""
    return np.asarray((1 / parents + 1 / children) / 2)


def comparable(vectors: Vectors, mean: Array, transform: Array) -> NDArray[np.float64]:
    """Unit vectors whose cosines compare relatives. Shapes: (N, D), (D,), (D, K) -> (N, K).

    Raises EmbeddingError where a vector is all zeros or not finite.
    """
    return unit_rows_in_full((unit_rows_in_full(vectors) - mean) @ transform)


def model_as_bytes(model: ResemblanceModel) -> bytes:
    """The model as an .npz; the same model gives the same bytes."""
    return pack_arrays(KIND, {field.name: getattr(model, field.name) for field in fields(model)})


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


def _standardised(
    cosines: NDArray[np.float64], expected: NDArray[np.float64], parents: Side, children: Side
) -> NDArray[np.float64]:
    """The z-scores, of the shape of the cosines.

    They are the mean of those against both cohorts, standardised by what is `expected` of
    strangers of these strata.
    """
    by_child = (cosines - children.mean) / children.deviation
    by_parent = (cosines - parents.mean) / parents.deviation
    z = (by_child + by_parent) / 2
    return np.asarray((z - expected) / (parents.spread * children.spread))


def _mixed(
    share: NDArray[np.float64],
    mean: Array,
    covariance: Array,
    group_means: Array,
    group_covariances: Array,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means (G, K) and covariances (G, K, K) of the groups, each mixed with everyone."""
    rest = 1 - share
    return share * group_means + rest * mean, share * group_covariances + rest * covariance


def _cohort(
    vectors: NDArray[np.float64],
    memberships: NDArray[np.float64],
    means: NDArray[np.float64],
    covariances: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each vector's cosines with its cohort, (N,) each.

    Shapes: (N, K), (N, G), (G, K), (G, K, K). Raises ResemblanceError where the cosines of a vector
    with the cohort do not vary.
    """
    variance = np.zeros(len(vectors))
    for weights, covariance in zip(memberships.T, covariances, strict=True):
        variance += weights * np.einsum("nk,nk->n", vectors @ covariance, vectors)
    if not (variance > 0).all():
        raise ResemblanceError(
            "a vector that is equally like everyone in the cohort: embed it again"
        )
    mean = np.einsum("ng,ng->n", memberships, vectors @ means.T)
    return mean, np.sqrt(variance)


def _is_covariance(matrix: Array) -> bool:
    """Whether a matrix has a variance, and none below 0 but for rounding."""
    most = float(matrix.diagonal().max())
    shift = 1e-6 * most * np.eye(len(matrix))
    try:
        np.linalg.cholesky(matrix + shift)  # a fifth of the time that eigenvalues take
    except np.linalg.LinAlgError:
        return False
    return most > 0


def _check(model: ResemblanceModel) -> None:
    dimensions, kept, knots = model.mean.size, model.parent_mean.size, model.distances.size
    groups, populations = model.group_offsets.size, model.population_offsets.size
    bands, classes = len(AGE_BANDS), STAGES * populations
    shapes = {
        "mean": (dimensions,), "transform": (dimensions, kept), "parent_mean": (kept,),
        "parent_covariance": (kept, kept), "child_mean": (kept,),
        "child_covariance": (kept, kept), "group_axes": (groups, kept),
        "group_offsets": (groups,), "group_share": (1,), "parent_group_means": (groups, kept),
        "parent_group_covariances": (groups, kept, kept), "child_group_means": (groups, kept),
        "child_group_covariances": (groups, kept, kept),
        "population_axes": (populations, kept), "population_offsets": (populations,),
        "age_axes": (bands, kept), "age_offsets": (bands,),
        "stratum_means": (classes, classes), "stratum_deviations": (classes,),
        "distances": (knots,), "scores": (knots,),
        "log_ratio": (4,), "log_ratio_draws": (len(model.log_ratio_draws), 2),
        "averaging": (4,),
    }  # fmt: skip
    for name, shape in shapes.items():
        array = getattr(model, name)
        if array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
            raise ResemblanceError(f"a model whose {name} is not {shape} finite float32")
    if model.families.ndim != 1 or model.families.dtype.kind != "U":
        raise ResemblanceError("a model whose families are not names")
    if not dimensions or not kept:
        raise ResemblanceError("a model without dimensions")
    if not populations:
        raise ResemblanceError("a model without populations")
    if not groups or not 0 <= model.group_share[0] <= 1:
        raise ResemblanceError("a model without groups, or whose group_share is not 0 to 1")
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
    if not all(map(_is_covariance, covariances)):
        raise ResemblanceError("a model whose cohort does not vary, or has a negative variance")
    if model.averaging[2] <= 0 or model.averaging[2:].sum() <= 0:
        raise ResemblanceError("a model whose strangers do not vary")
    if model.log_ratio[0] < 0 or model.log_ratio[2] > model.log_ratio[3]:
        raise ResemblanceError("a model whose likelihood ratio falls with the score")

"""The results of an evaluation: figures of all trials, of each relation and of each group."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.metrics import Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figures:
    """How well some values tell kin from strangers; None where a figure is not defined.

    `tar_at_far` maps a share of strangers accepted to the share of kin accepted. `cllr`, `cllr_min`
    and `score_ks` (KS distance of strangers' scores from uniform) need a resemblance model.
    """

    kin: int
    strangers: int
    auc: float | None
    auc_interval: tuple[float, float] | None
    accuracy: float | None
    tar_at_far: dict[str, float | None]
    cllr: float | None = None
    cllr_min: float | None = None
    score_ks: float | None = None


@dataclass(frozen=True, slots=True)
class WithinGroup:
    """Parents and children whose photos are both nearest to one group of the model's, by number.

    Group 1 is the largest in training. A protocol pairs few strangers of a small group, so they are
    sampled among all such photos: a parent, and a child of another family. `score_mean` is the mean
    of their scores; uniform scores have a mean of 50.
    """

    group: int
    kin: int
    strangers: int
    auc: float | None
    score_mean: float


@dataclass(frozen=True, slots=True)
class KinGroup:
    """Some pairs of kin, each beside a stranger; figures are None where there are too few pairs.

    `score_ks` is the KS distance of strangers' scores from uniform, `kin_score` the mean score of
    kin; both need a resemblance model.
    """

    kin: int
    strangers: int
    auc: Estimate | None = None
    score_ks: Estimate | None = None
    kin_score: Estimate | None = None


@dataclass(frozen=True, slots=True)
class SamePopulation:
    """Kin against strangers of the parent's population, all of them and group by group.

    `labels` says where ages and populations come from, and `photos_labelled` how many photos have
    both. `by_child_age` and `by_age_gap` take strangers of the child's age too. Pairs whose two
    faces are of two populations come twice: beside strangers of the parent's and of the child's.
    """

    labels: str
    photos_labelled: int
    every: KinGroup
    cllr: Estimate | None
    cllr_min: Estimate | None
    by_child_age: dict[str, KinGroup]
    by_age_gap: dict[str, KinGroup]
    by_population: dict[str, KinGroup]
    one_population_or_two: dict[str, KinGroup]


@dataclass(frozen=True, slots=True)
class StrangerCell:
    """Strangers of one population and of these stages of life; None where there are too few pairs.

    `score` is their mean score, `ratio_4_or_more` the share with such a likelihood ratio (None for
    a model without ratios), `score_ks` the KS distance of the scores from uniform.
    """

    stages: str
    population: str
    pairs: int
    score: Estimate | None = None
    ratio_4_or_more: Estimate | None = None
    score_ks: Estimate | None = None


@dataclass(frozen=True, slots=True)
class ChildhoodShare:
    """How often a stranger's childhood photo scores higher with a baby than a stranger's adult one.

    All three are of one population; the childhood photo shows somebody under 10. None where there
    are too few comparisons.
    """

    population: str
    comparisons: int
    share: Estimate | None = None


@dataclass(frozen=True, slots=True)
class AgeError:
    """The mean absolute error of the estimated age, in years, of faces of these ages."""

    ages: str
    faces: int
    error: Estimate


@dataclass(frozen=True, slots=True)
class StrangerFigures:
    """What strangers of one population score, by their ages.

    `labels` says where ages and populations come from, `fitted_on` whether the models saw these
    photos.
    """

    engine: dict[str, str | None]
    labels: str
    fitted_on: str
    photos: int
    failure_to_enrol: float
    cells: tuple[StrangerCell, ...]
    childhood: tuple[ChildhoodShare, ...]
    age_errors: tuple[AgeError, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """What the charts show: the values of N trials by method, and which trials are kin."""

    kin: NDArray[np.bool_]
    values: dict[str, Floats]
    scores: Floats | None
    log_ratios: Floats | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of a protocol.

    `figures` cover parents and children, or every trial where a protocol has no such relations.
    `all_relations` covers grandparents and siblings too. `per_group` is empty without a model, or
    where each trial has two parents. Both baselines use the same trials: `colour_only` is colour
    statistics without any face model, `untuned_cosine` the cosine of the untuned embedder.
    `same_population` is None without labels.
    """

    protocol: str
    engine: dict[str, str | None]
    photos: int
    failure_to_enrol: float
    trials_lost: int
    figures: Figures
    all_relations: Figures
    per_relation: dict[str, Figures]
    colour_only: Figures
    untuned_cosine: Figures
    other_photographs: Figures | None
    per_group: tuple[WithinGroup, ...]
    same_population: SamePopulation | None
    curves: Curves = field(repr=False, compare=False)

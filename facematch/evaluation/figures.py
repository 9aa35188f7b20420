"""The results of an evaluation: figures of all trials, of each relation and of each group."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

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
    curves: Curves = field(repr=False, compare=False)

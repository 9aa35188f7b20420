"""Figures of how well scores tell kin from strangers: areas, rates and costs.

`values` (N,) are greater for pairs that are more alike; `kin` (N,) says which pairs are kin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.bool_]
Counts: TypeAlias = NDArray[np.intp]  # how often each pair counts in a bootstrap resample, (N,)
Statistic: TypeAlias = Callable[[Counts], float]  # a figure of pairs that count so often

RESAMPLES = 1000
FARS = (0.1, 0.01, 0.001)  # false accept rates at which the true accept rate is given


def known(value: float) -> float | None:
    """The value, None for NaN."""
    return None if np.isnan(value) else value


def auc(values: Floats, kin: Labels) -> float:
    """The ROC AUC: how often a pair of kin has a greater value than a pair of strangers.

    NaN where there are no kin or no strangers.
    """
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(kin, values)) if 0 < kin.sum() < len(kin) else float("nan")


def auc_interval(
    values: Floats, kin: Labels, families: NDArray[np.str_], rng: np.random.Generator
) -> tuple[float, float]:
    """The 95 % confidence interval of the ROC AUC, by a bootstrap of the families (N,).

    NaN twice where there is no AUC.
    """
    if not len(values):
        return float("nan"), float("nan")
    statistic = counted_auc(values, kin)
    return _quantiles(np.array([statistic(counts) for counts in resample_families(families, rng)]))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % confidence interval."""

    value: float
    interval: tuple[float, float]


def estimate(statistic: Statistic, resamples: Iterable[Counts], pairs: int) -> Estimate:
    """A figure of so many pairs, and its confidence interval by resamples of these pairs.

    The bias of the resamples is taken off: a resample lies further from uniform than the scores
    that it was drawn from, for example. No figure here is negative.
    """
    value = statistic(np.ones(pairs, np.intp))
    figures = np.array([statistic(counts) for counts in resamples])
    figures = figures[np.isfinite(figures)]
    low, high = _quantiles(figures - figures.mean() + value) if len(figures) else (value, value)
    return Estimate(value, (max(low, 0.0), high))


def _quantiles(figures: Floats) -> tuple[float, float]:
    """The ends of the middle 95 % of the finite figures; NaN twice where there are none."""
    finite = figures[np.isfinite(figures)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [0.025, 0.975])
    return float(low), float(high)


def resample_families(families: NDArray[np.generic], rng: np.random.Generator) -> Iterator[Counts]:
    """Resamples of the families (N,) that pairs belong to: a pair counts as often as its family."""
    names, member = np.unique(families, return_inverse=True)
    for _ in range(RESAMPLES):
        yield np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))[member]


def resample_faces(rng: np.random.Generator, *faces: Counts) -> Iterator[Counts]:
    """Resamples of unrelated faces, each of which is in many pairs.

    `faces` are the numbers (N,) of one face of each pair, of the other, and so on. A pair counts as
    often as the product of its faces: the pigeonhole bootstrap (Owen 2007).
    """
    numbers, member = np.unique(np.stack(faces), return_inverse=True)
    member = member.reshape(len(faces), -1)
    for _ in range(RESAMPLES):
        counts = np.bincount(rng.integers(0, len(numbers), len(numbers)), minlength=len(numbers))
        yield counts[member].prod(axis=0)


def counted_auc(values: Floats, kin: Labels) -> Statistic:
    """The AUC of pairs by how often each counts, a hundred times as fast as repeating them."""
    order = np.argsort(values, kind="stable")
    _, equal = np.unique(values[order], return_inverse=True)
    kin = kin[order]

    def statistic(counts: Counts) -> float:
        counts = counts[order]
        of_kin = np.bincount(equal, counts * kin)
        of_strangers = np.bincount(equal, counts * ~kin)
        below = np.cumsum(of_strangers) - of_strangers / 2
        pairs = of_kin.sum() * of_strangers.sum()
        return float((of_kin * below).sum() / pairs) if pairs else float("nan")

    return statistic


def counted_mean(values: Floats | Labels) -> Statistic:
    """The mean of `values` (N,), or the share of those that are true, by how often each counts."""

    def statistic(counts: Counts) -> float:
        total = counts.sum()
        return float(counts @ values / total) if total else float("nan")

    return statistic


def counted_ks(scores: Floats) -> Statistic:
    """The KS distance of `ks_from_uniform`, by how often each score counts."""
    order = np.argsort(scores)
    expected = scores[order] / 100

    def statistic(counts: Counts) -> float:
        total = counts.sum()
        if not total:
            return float("nan")
        up_to = np.cumsum(counts[order]) / total
        before = up_to - counts[order] / total
        return float(max((up_to - expected).max(), (expected - before).max()))

    return statistic


def counted_cllr(log_ratios: Floats, kin: Labels) -> Statistic:
    """The cost of likelihood ratios of `cllr`, by how often each pair counts."""
    costs = np.logaddexp(0, np.where(kin, -log_ratios, log_ratios)) / np.log(2)

    def statistic(counts: Counts) -> float:
        of_kin, of_strangers = counts * kin, counts * ~kin
        if not of_kin.any() or not of_strangers.any():
            return float("nan")
        misses = of_kin @ costs / of_kin.sum()
        return float(misses + of_strangers @ costs / of_strangers.sum()) / 2

    return statistic


def counted_least_cllr(values: Floats, kin: Labels) -> Statistic:
    """The minimum Cllr of `least_cllr`, by how often each pair counts."""
    from sklearn.isotonic import isotonic_regression

    _, equal = np.unique(values, return_inverse=True)

    def statistic(counts: Counts) -> float:
        of_kin, of_strangers = (np.bincount(equal, counts * which) for which in (kin, ~kin))
        both = of_kin + of_strangers
        of_kin, of_strangers, both = (each[both > 0] for each in (of_kin, of_strangers, both))
        if not of_kin.any() or not of_strangers.any():
            return float("nan")
        chances = isotonic_regression(of_kin / both, sample_weight=both, y_min=0, y_max=1)
        with np.errstate(divide="ignore"):
            log_ratios = np.log(chances) - np.log1p(-chances)
        log_ratios -= np.log(of_kin.sum() / of_strangers.sum())
        misses = _mean_cost(-log_ratios, of_kin)
        return (misses + _mean_cost(log_ratios, of_strangers)) / 2

    return statistic


def _mean_cost(log_ratios: Floats, weights: NDArray[np.number]) -> float:
    """The mean cost in bits; a ratio that no pair has costs nothing, be it infinite."""
    taken = weights > 0
    costs = np.logaddexp(0, log_ratios[taken]) / np.log(2)
    return float(costs @ weights[taken] / weights.sum())


def mean_interval(
    values: Floats, families: NDArray[np.str_], rng: np.random.Generator
) -> tuple[float, float]:
    """The 95 % confidence interval of the mean of `values` (N,), by a bootstrap of families."""
    names, member = np.unique(families, return_inverse=True)
    sums, sizes = np.bincount(member, values), np.bincount(member)
    times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    low, high = np.quantile(times @ sums / (times @ sizes), [0.025, 0.975])
    return float(low), float(high)


def average_precision(ranks: NDArray[np.intp]) -> float:
    """The mean of the precision at each relative's rank; `ranks` (R,) start at 1."""
    return float((np.arange(1, len(ranks) + 1) / np.sort(ranks)).mean())


def chance_precision(found: int, among: int) -> float:
    """The expected average precision of a random order (Bestgen 2015).

    `found` of `among` faces are relatives; both are 1 or more.
    """
    harmonic = (1 / np.arange(1, among + 1)).sum()
    rest = (found - 1) / (among - 1) * (1 - harmonic / among) if among > 1 else 0.0
    return float(rest + harmonic / among)


def accuracy(values: Floats, kin: Labels, folds: NDArray[np.intp]) -> float:
    """Share of pairs classified correctly; each fold has the best threshold of the other folds.

    The mean over folds, as KinFaceW and LFW define it; NaN where there is only one fold.
    """
    shares = [
        float(((values[folds == fold] >= threshold(values[folds != fold], kin[folds != fold]))
               == kin[folds == fold]).mean())
        for fold in np.unique(folds)
        if (folds != fold).any()
    ]  # fmt: skip
    return float(np.mean(shares)) if shares else float("nan")


def threshold(values: Floats, kin: Labels) -> float:
    """The lowest value to call kin, so that the most pairs are classified correctly."""
    order = np.argsort(values, kind="stable")
    # With the threshold at place i, the kin from there on and the strangers before it are correct.
    right = np.cumsum(np.append(0, np.where(kin[order], -1, 1)))
    ends = np.append(np.diff(values[order], prepend=-np.inf) > 0, True)  # no ties split
    place = int(np.flatnonzero(ends)[np.argmax(right[ends])])
    return float(values[order][place]) if place < len(values) else float("inf")


def true_accepts(values: Floats, kin: Labels) -> dict[str, float]:
    """TAR at FAR: the share of kin above the value that only this share of strangers reaches."""
    strangers = values[~kin]
    if not len(strangers) or not kin.any():
        return {f"{far:g}": float("nan") for far in FARS}
    limits = np.quantile(strangers, [1 - far for far in FARS], method="higher")
    return {
        f"{far:g}": float((values[kin] > limit).mean())
        for far, limit in zip(FARS, limits, strict=True)
    }


def cllr(log_ratios: Floats, kin: Labels) -> float:
    """The cost of likelihood ratios (Brümmer & du Preez 2006), in bits: 1 for no information.

    NaN where there are no kin or no strangers.
    """
    return counted_cllr(log_ratios, kin)(np.ones(len(kin), np.intp))


def least_cllr(values: Floats, kin: Labels) -> float:
    """The minimum Cllr: the cost of the best likelihood ratios that increase with the values.

    Isotonic regression on these same pairs gives it, as is usual. NaN where there are no kin or no
    strangers.
    """
    return counted_least_cllr(values, kin)(np.ones(len(kin), np.intp))


def ks_from_uniform(scores: Floats) -> float:
    """Kolmogorov-Smirnov distance of scores from uniform over 0 to 100; NaN for no scores."""
    from scipy.stats import kstest

    return float(kstest(scores / 100, "uniform").statistic) if len(scores) else float("nan")

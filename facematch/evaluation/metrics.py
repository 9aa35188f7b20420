"""Figures of how well scores tell kin from strangers: areas, rates and costs.

`values` (N,) are greater for pairs that are more alike; `kin` (N,) says which pairs are kin.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.bool_]

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
    names, member = np.unique(families, return_inverse=True)
    order = np.argsort(values, kind="stable")
    _, equal = np.unique(values[order], return_inverse=True)
    resamples = []
    for _ in range(RESAMPLES):
        counts = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        resamples.append(_counted_auc(equal, kin[order], counts[member[order]]))
    finite = np.array(resamples)[np.isfinite(resamples)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [0.025, 0.975])
    return float(low), float(high)


def _counted_auc(equal: NDArray[np.intp], kin: Labels, counts: NDArray[np.intp]) -> float:
    """The AUC of sorted pairs, each repeated `counts` times; `equal` numbers the distinct values.

    This is a hundred times as fast as sorting each resample.
    """
    of_kin = np.bincount(equal, counts * kin)
    of_strangers = np.bincount(equal, counts * ~kin)
    below = np.cumsum(of_strangers) - of_strangers / 2
    pairs = of_kin.sum() * of_strangers.sum()
    return float((of_kin * below).sum() / pairs) if pairs else float("nan")


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
    """The cost of likelihood ratios (Brümmer & du Preez 2006), in bits: 1 for no information."""
    if not kin.any() or kin.all():
        return float("nan")
    misses = np.logaddexp(0, -log_ratios[kin]).mean()
    alarms = np.logaddexp(0, log_ratios[~kin]).mean()
    return float((misses + alarms) / 2 / np.log(2))


def least_cllr(values: Floats, kin: Labels) -> float:
    """The minimum Cllr: the cost of the best likelihood ratios that increase with the values.

    Isotonic regression on these same pairs gives it, as is usual.
    """
    from sklearn.isotonic import IsotonicRegression

    if not kin.any() or kin.all():
        return float("nan")
    chances = IsotonicRegression(y_min=0, y_max=1).fit_transform(values, kin.astype(float))
    with np.errstate(divide="ignore"):
        odds = np.log(chances) - np.log1p(-chances)
    return cllr(odds - np.log(kin.mean() / (1 - kin.mean())), kin)


def ks_from_uniform(scores: Floats) -> float:
    """Kolmogorov-Smirnov distance of scores from uniform over 0 to 100; NaN for no scores."""
    from scipy.stats import kstest

    return float(kstest(scores / 100, "uniform").statistic) if len(scores) else float("nan")

"""From z-scores to mini-me scores and likelihood ratios: fits what evidence tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facematch.errors import FacematchError
from facematch.scoring.resemblance import ResemblanceModel
from facematch.training.evidence import Evidence

Floats = NDArray[np.float64]

KNOTS = np.concatenate([[0.1, 0.5], np.arange(1, 100, 2), [99.5, 99.9]])  # scores, in per cent
# The share of pairs of either kind that the likelihood ratio's limits cut off. On families left out
# its cost is above the minimum by 0.020 bits for 2 %, 0.011 for 1 % and 0.010 for 0.5 %.
_RATIO_SHARE = 0.01
_TRAINING_RESAMPLES = 200


def calibrate(
    model: ResemblanceModel,
    families: NDArray[np.str_],
    evidence: Evidence,
    strangers: Floats,
    rng: np.random.Generator,
) -> ResemblanceModel:
    """The model with the scores and likelihood ratios that the evidence gives.

    `families` (F,) are the names of the training families. Scores are the ranks among strangers:
    those of the evidence and, with the same weight, those whose z-scores are `strangers` (M,),
    which may be none. Raises FacematchError for evidence of
    too few families.
    """
    single = evidence.of_single_photos()
    z, are_kin = single.z, single.are_kin
    slope, intercept = log_ratio(z, are_kin)
    # Beyond these limits there are too few pairs to fit a ratio.
    least = slope * np.quantile(z[are_kin], _RATIO_SHARE) + intercept
    greatest = slope * np.quantile(z[~are_kin], 1 - _RATIO_SHARE) + intercept
    return replace(
        model,
        families=families,
        distances=_f32(_weighted_quantiles((z[~are_kin], strangers), KNOTS / 100)),
        log_ratio=_f32(np.array([slope, intercept, least, greatest])),
        log_ratio_draws=_f32(_log_ratio_resamples(single, rng)),
        averaging=_f32(_averaging_effect(evidence)),
    )


def log_ratio(
    z: Floats, are_kin: NDArray[np.bool_], weights: Floats | None = None
) -> tuple[float, float]:
    """Slope and intercept of the natural logarithm of the likelihood ratio.

    Logistic regression gives the odds in this sample; dividing by its prior odds gives the ratio.
    """
    from sklearn.linear_model import LogisticRegression

    counts = np.ones(len(z)) if weights is None else weights
    fitted = LogisticRegression(C=1e6).fit(z[:, np.newaxis], are_kin, sample_weight=counts)
    share = counts[are_kin].sum() / counts.sum()
    prior = np.log(share / (1 - share))
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0] - prior)


def _weighted_quantiles(samples: Sequence[Floats], at: Floats) -> Floats:
    """The quantiles of a mixture to which each sample that is not empty contributes alike."""
    filled = [sample for sample in samples if len(sample)]
    values = np.concatenate(filled)
    weights = np.concatenate([np.full(len(sample), 1 / len(sample)) for sample in filled])
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order]) - weights[order] / 2
    return np.asarray(np.interp(at * len(filled), below, values[order]))


def _averaging_effect(evidence: Evidence) -> Floats:
    """How strangers' z-scores change as more photos of each person are averaged, (4,).

    Their mean for infinitely many photos and what one photo of each adds to it, then their variance
    likewise.
    """
    z, inverse = (column[~evidence.are_kin] for column in (evidence.z, evidence.inverse))
    added, mean = np.polyfit(inverse, z, 1)
    more, variance = np.polyfit(inverse, (z - mean - added * inverse) ** 2, 1)
    if variance <= 0 or variance + more <= 0:
        raise FacematchError("the z-scores of strangers do not vary: there are too few families")
    return np.array([mean, added, variance, more])


def _log_ratio_resamples(evidence: Evidence, rng: np.random.Generator) -> Floats:
    """Slope and intercept of each bootstrap resample of the training families, (B, 2)."""
    names, member = np.unique(evidence.family, return_inverse=True)
    resamples = []
    for _ in range(_TRAINING_RESAMPLES):
        counts = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))[member]
        resamples.append(log_ratio(evidence.z, evidence.are_kin, counts.astype(np.float64)))
    return np.array(resamples)


def _f32(values: Floats) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)

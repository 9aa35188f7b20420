"""95 % confidence intervals of scores and likelihood ratios, and the score that says nothing.

An interval says what other photos of the same two people would give. It follows from the z-score
and the numbers of photos alone, without random numbers. So a pair has one interval in every
command.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.scoring.resemblance import ResemblanceModel

Interval = tuple[float, float]

# Standard deviation of two people's z-score from photo to photo, on the families the models were
# fitted on; `benchmarks/eval_family.py` prints it.
PHOTO_SPREAD = 0.752
_NORMAL_95 = 1.959964  # a normal value lies so many standard deviations from its mean, or nearer


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Lower and upper ends of 95 % confidence intervals, (N, 2) each."""

    scores: NDArray[np.float32]
    likelihood_ratios: NDArray[np.float32]

    def of_pair(self, row: int) -> tuple[Interval, Interval | None]:
        """The interval of one pair's score, and that of its likelihood ratio, if there is one."""
        (low, high), (least, most) = (
            ends[row].tolist() for ends in (self.scores, self.likelihood_ratios)
        )
        return (low, high), None if np.isnan(least) else (least, most)


def z_deviation(inverse: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of z-scores over other photos of the same people.

    `inverse` is what `mean_inverse` gives. Any shape.
    """
    return np.asarray(PHOTO_SPREAD * np.sqrt(inverse))


def z_interval(z: float, inverse: NDArray[np.float64]) -> Interval:
    """95 % confidence interval of one z-score."""
    margin = _NORMAL_95 * float(z_deviation(inverse))
    return z - margin, z + margin


def intervals(
    model: ResemblanceModel,
    z: NDArray[np.floating],
    inverse: NDArray[np.float64],
) -> Intervals:
    """Confidence intervals of the score and of the likelihood ratio of each z-score, (N,).

    `inverse` is what `mean_inverse` gives for the photos of both; it broadcasts. The intervals of
    the ratio cover other training families too: the slope and the intercept of its logarithm vary
    between the resamples of `log_ratio_draws`.
    """
    # A comparison keeps z-scores in float32: all commands round here.
    z = np.asarray(z, np.float32).astype(np.float64)
    deviation = z_deviation(inverse)
    slope, intercept, minimum, maximum = model.log_ratio.astype(np.float64)
    slopes, intercepts = model.log_ratio_draws.T.astype(np.float64)
    (slope_variance, both), (_, intercept_variance) = np.cov(slopes, intercepts)
    of_families = slope_variance * z**2 + 2 * both * z + intercept_variance
    of_photos = np.square(slopes).mean() * deviation**2
    log_margin = _NORMAL_95 * np.sqrt(of_families + of_photos)
    logs = slope * z + intercept
    scores, ratios = [], []
    for sign in (-1, 1):
        scores.append(model.calibrate(z + sign * _NORMAL_95 * deviation)[0])
        ratios.append(np.exp(np.clip(logs + sign * log_margin, minimum, maximum)))
    if not model.gives_ratios:
        ratios = [np.full_like(each, np.nan) for each in ratios]
    return Intervals(np.stack(scores, axis=1), np.stack(ratios, axis=1).astype(np.float32))


def neutral_score(model: ResemblanceModel) -> float | None:
    """The score whose likelihood ratio is 1; None where the model gives no such ratio.

    A higher score speaks for kinship, a lower one against it. Strangers score 50 on average, and
    parents and children far more. So it lies between.
    """
    slope, intercept, minimum, maximum = model.log_ratio.tolist()
    if not minimum < 0 < maximum:
        return None
    return float(np.interp(-intercept / slope, model.distances, model.scores))

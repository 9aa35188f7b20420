"""Strata of people: a population and an age band, estimated from a vector.

Strangers of one population, or of one age, look more alike than others. Strata make strangers
comparable: what two strata have in common is taken off a z-score (see resemblance.py). A face
belongs to all strata, each with a probability. They serve the score only: no stratum is ever
printed about a person.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The bands in which ages are estimated, in years, both ends included. Babies change fastest.
AGE_BANDS = (
    (0, 2), (3, 5), (6, 9), (10, 14), (15, 19), (20, 29), (30, 44), (45, 59), (60, 100),
)  # fmt: skip
# The stratum that each band belongs to: baby, child, teenager, adult.
_STAGE_OF_BAND = (0, 1, 1, 2, 2, 3, 3, 3, 3)
STAGES = 4
# Years. No data says how alike relatives are on two photos of younger children, so two such faces
# have no likelihood ratio.
YOUNG = 10.0
ADULT = 18.0  # years


def probabilities(
    vectors: Floats, axes: NDArray[np.float32], offsets: NDArray[np.float32]
) -> Floats:
    """The probability of each class, by multinomial logistic regression.

    Shapes: (N, K), (G, K), (G,) -> (N, G). Rows sum to 1.
    """
    logs = vectors @ axes.T + offsets
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def stages(of_bands: Floats) -> Floats:
    """The probabilities of baby, child, teenager and adult: (N, bands) -> (N, 4)."""
    return np.asarray(of_bands @ np.eye(STAGES)[list(_STAGE_OF_BAND)])


def strata(of_populations: Floats, of_bands: Floats) -> Floats:
    """The probability of each population and stage together: (N, P), (N, bands) -> (N, 4 P)."""
    joint = np.einsum("np,na->npa", of_populations, stages(of_bands))
    return np.asarray(joint.reshape(len(joint), joint.shape[1] * STAGES))


def estimated_age(of_bands: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the age: (N, bands) -> (N,), (N,) in years."""
    low, high = np.array(AGE_BANDS, np.float64).T
    middle = (low + high + 1) / 2
    middle[-1] = 68  # the oldest band is wide, and most of its people are younger than its middle
    years = of_bands @ middle
    within = (high + 1 - low) ** 2 / 12  # the variance of ages spread evenly over a band
    within[-1] = 8.0**2
    variance = of_bands @ (middle**2 + within) - years**2
    return years, np.sqrt(variance.clip(0))

"""Fits the strata of a resemblance model: who is of which population and age, and what follows.

Labels of faces are needed for the fit only; no label and no vector of a face is kept.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.kin import Indices
from facematch.evaluation.labelled_faces import (
    LabelledFaces,
    of_other_families,
    sample_strangers,
)
from facematch.scoring.resemblance import ResemblanceModel, comparable
from facematch.scoring.strata import AGE_BANDS, STAGES, probabilities, strata

Floats = NDArray[np.float64]

_REGRESSION_C = 3.0  # inverse of the regularisation; vectors have length 1
_REGRESSION_STEPS = 300
_PHOTOS_OF_A_PERSON = 3  # a person with more photos counts as much as one with so many
_PAIRS_PER_CELL = 3000  # of strangers of one data set, one population and two stages
_RANDOM_PAIRS = 30_000  # of strangers of one data set
_RIDGE = 20.0  # pulls the mean of two strata without strangers to the mean of all
_LEAST_SQUARE = 1e-4  # keeps the logarithm finite
_ROWS = 20_000  # pairs at a time


def fit_strata(
    model: ResemblanceModel, faces: LabelledFaces, rng: np.random.Generator
) -> ResemblanceModel:
    """The model with the strata that these faces give, not yet calibrated."""
    rows = comparable(faces.vectors, model.mean, model.transform)
    _, person, photos = np.unique(faces.people, return_inverse=True, return_counts=True)
    weights = np.minimum(1, _PHOTOS_OF_A_PERSON / photos[person])
    bands = np.digitize(np.nan_to_num(faces.ages), [low for low, _ in AGE_BANDS[1:]])
    known = np.isfinite(faces.ages)
    seen = np.unique(faces.populations[faces.populations >= 0])
    number = np.searchsorted(seen, faces.populations)
    shown = faces.populations >= 0
    age = _regression(rows[known], bands[known], weights[known], len(AGE_BANDS))
    population = _regression(rows[shown], number[shown], weights[shown], len(seen))
    plain = replace(
        model,
        population_axes=population[0],
        population_offsets=population[1],
        age_axes=age[0],
        age_offsets=age[1],
        stratum_means=np.zeros((STAGES * len(seen),) * 2, np.float32),
        stratum_deviations=np.zeros(STAGES * len(seen), np.float32),
    )
    belongs = strata(probabilities(rows, *population), probabilities(rows, *age))
    one, other = _strangers(faces, rng)
    z = np.concatenate([
        plain.pair_z_scores(faces.vectors[one[part]], faces.vectors[other[part]])
        for part in _parts(len(one))
    ])  # fmt: skip
    means = _fit_means(belongs, one, other, z)
    rest = z - np.einsum("ns,ns->n", belongs[one] @ means, belongs[other])
    return replace(
        plain,
        stratum_means=np.asarray(means, np.float32),
        stratum_deviations=_fit_deviations(belongs[one] + belongs[other], rest),
    )


def unfitted_strata(dimensions: int) -> dict[str, NDArray[np.float32]]:
    """One population, and strata that change nothing; `dimensions` are those compared."""
    bands = len(AGE_BANDS)
    return {
        "population_axes": np.zeros((1, dimensions), np.float32),
        "population_offsets": np.zeros(1, np.float32),
        "age_axes": np.zeros((bands, dimensions), np.float32),
        "age_offsets": np.zeros(bands, np.float32),
        "stratum_means": np.zeros((STAGES, STAGES), np.float32),
        "stratum_deviations": np.zeros(STAGES, np.float32),
    }


def _strangers(faces: LabelledFaces, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Strangers of the same population and all pairs of stages, and random ones."""
    found = [
        sample_strangers(faces, (one, other), _PAIRS_PER_CELL, rng)
        for one in range(STAGES)
        for other in range(STAGES)
    ]
    for data_set in np.unique(faces.data_sets):
        rows = np.flatnonzero(faces.data_sets == data_set)
        random = (rng.choice(rows, _RANDOM_PAIRS), rng.choice(rows, _RANDOM_PAIRS))
        found.append(of_other_families(faces, *random))
    one, other = zip(*found, strict=True)
    return np.concatenate(one), np.concatenate(other)


def _regression(
    rows: Floats, labels: Indices, weights: Floats, classes: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Axes (G, K) and offsets (G,) of a multinomial logistic regression.

    A class that no face has gets an offset that leaves it without probability.
    """
    from sklearn.linear_model import LogisticRegression

    axes = np.zeros((classes, rows.shape[1]), np.float32)
    offsets = np.full(classes, -100, np.float32)
    found = np.unique(labels)
    if len(found) == 1:
        offsets[found] = 0
        return axes, offsets
    fitted = LogisticRegression(C=_REGRESSION_C, max_iter=_REGRESSION_STEPS)
    fitted.fit(rows, labels, sample_weight=weights)
    if len(found) == 2:  # scikit-learn then keeps the axis of the second class only
        axes[found], offsets[found] = [-fitted.coef_[0] / 2, fitted.coef_[0] / 2], [
            -fitted.intercept_[0] / 2, fitted.intercept_[0] / 2,
        ]  # fmt: skip
    else:
        axes[found], offsets[found] = fitted.coef_, fitted.intercept_
    return axes, offsets


def _fit_means(belongs: Floats, one: Indices, other: Indices, z: Floats) -> Floats:
    """The mean z-score of strangers of two strata, (S, S), by ridge regression."""
    classes, middle = belongs.shape[1], z.mean()
    products, sums = np.zeros((classes**2, classes**2)), np.zeros(classes**2)
    for part in _parts(len(one)):
        both = np.einsum("na,nb->nab", belongs[one[part]], belongs[other[part]])
        features = both.reshape(-1, classes**2)
        products += features.T @ features
        sums += features.T @ (z[part] - middle)
    fitted = np.linalg.solve(products + _RIDGE * np.eye(classes**2), sums)
    return np.asarray(fitted.reshape(classes, classes) + middle)


def _fit_deviations(both: Floats, rest: Floats) -> NDArray[np.float32]:
    """The share of each stratum in the logarithm of the standard deviation, (S,).

    `both` (N, S) are the strata of both faces together, `rest` (N,) is what is left of z-scores.
    """
    logs = np.log(rest**2 + _LEAST_SQUARE) / 2
    classes = both.shape[1]
    products = both.T @ both + _RIDGE / 2 * np.eye(classes)
    shares = np.linalg.solve(products, both.T @ (logs - logs.mean()))
    scale = np.log(np.std(rest / np.exp(both @ shares)))
    return np.asarray(shares + scale / 2, np.float32)  # the strata of both sides sum to 2


def _parts(count: int) -> list[slice]:
    return [slice(start, start + _ROWS) for start in range(0, count, _ROWS)]

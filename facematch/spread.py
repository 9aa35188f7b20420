"""How sure a likeness is: photos drawn anew, and what single photos leave unsaid.

With several photos of a person the spread of their likeness shows by drawing from them with
replacement (bootstrap, Efron 1979). Of n photos it shows (n-1)/n; of a single one, nothing. The
rest is drawn from a normal curve as wide as FIW's photos of the same people spread.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facematch.resemblance import ResemblanceModel
from facematch.types import Gallery, Vectors

Draws = NDArray[np.float64]  # (B,) a value a draw

COUNT = 400  # draws: shares of them are sure to 2 in 100

# How far the distance of two people strays from photo to photo, in the standard deviations that
# distances come in; and how much narrower the mean of two parents' distances is than one's.
# `benchmarks/eval_family.py` prints both.
PHOTO_SPREAD = 0.6
COUPLE_SPREAD = 0.75
_STRANGERS = -0.35  # the mean distance of strangers, about which couples narrow


def drawn(gallery: Gallery, rng: np.random.Generator) -> Vectors:
    """Means of as many photos drawn with replacement, a row a draw: (B, D), unit."""
    photos = len(gallery.subjects)
    times = rng.multinomial(photos, np.full(photos, 1 / photos), COUNT)
    sums = (times * gallery.weights) @ gallery.vectors.astype(np.float64)
    return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), np.float32)


def distances(
    model: ResemblanceModel,
    sides: tuple[Vectors, Vectors],
    photos: tuple[int, int],
    rng: np.random.Generator,
) -> Draws:
    """How alike two people are in each draw, comparable with single photos: (B,).

    `sides` are what `drawn` gave for them, `photos` how many photos there are of each.
    """
    inverse = np.full(COUNT, (1 / photos[0] + 1 / photos[1]) / 2)
    away = model.as_of_single_photos(model.distances_of_pairs(*sides), inverse)
    unsaid = PHOTO_SPREAD * np.sqrt((1 / photos[0] ** 2 + 1 / photos[1] ** 2) / 2)
    return np.asarray(away + rng.normal(0, unsaid, COUNT))


def score_interval(model: ResemblanceModel, away: Draws) -> tuple[float, float]:
    """Where 95 % of the draws' mini-me scores lie."""
    low, high = np.quantile(model.judge(away)[0], [0.025, 0.975]).tolist()
    return low, high


def ratio_interval(
    model: ResemblanceModel, away: Draws, rng: np.random.Generator
) -> tuple[float, float]:
    """Where 95 % of the likelihood ratios lie, of these draws and of other families' teaching."""
    slopes, intercepts = rng.choice(model.log_ratio_draws.astype(np.float64), len(away)).T
    logs = np.clip(slopes * away + intercepts, *model.log_ratio[2:].astype(np.float64))
    low, high = np.exp(np.quantile(logs, [0.025, 0.975])).tolist()
    return low, high


def of_couple(away: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances of both parents, (2, ...), as one that is spread among strangers as one parent's.

    Shapes: (2, ...) -> (...).
    """
    return np.asarray((away.mean(axis=0) - _STRANGERS) / COUPLE_SPREAD + _STRANGERS)

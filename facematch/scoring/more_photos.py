"""How many more photos would tell which of two parents a child looks more like.

The difference between the parents' z-scores counts as normal. True differences have the variance
`PARENTS_APART`; photos add noise, less the more there are. From the difference that was measured
follows the distribution of the one that more photos would show, and how often it gives a verdict.
On families held back 24, 41 and 50 of 100 verdicts too close to call by one photo each were clear
with two, three and four; this predicts 23, 36 and 44 (`benchmarks/eval_family.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist

import numpy as np

from facematch.scoring.intervals import PHOTO_SPREAD
from facematch.scoring.people import PARENTS_APART

MOST_MORE = 10  # photos of one person: more is no advice
_ENOUGH = 0.5  # share of such cases that get a verdict
_STANDARD = NormalDist()


def more_photos(apart: float, photos: Mapping[str, int], child: str, sure: float) -> dict[str, int]:
    """Whose photos to add, and how many, so that half of such cases get a verdict.

    `apart` is the difference between the z-scores of two parents, `photos` how many there are of
    each of the three people, `sure` the share of resamples from which on a parent is named. Empty
    where more than `MOST_MORE` photos of one person would be needed.
    """
    before, added = _noise(photos, child), dict.fromkeys(photos, 0)

    def noise_with_one_more(name: str) -> float:
        return _noise({each: photos[each] + added[each] + (each == name) for each in photos}, child)

    while max(added.values()) < MOST_MORE:
        helpful = min(photos, key=noise_with_one_more)
        after = noise_with_one_more(helpful)
        added[helpful] += 1
        if verdict_chance(apart, before, after, sure) >= _ENOUGH:
            return {name: count for name, count in added.items() if count}
    return {}


def verdict_chance(apart: float, before: float, after: float, sure: float) -> float:
    """How often a verdict follows when photos are added, given the difference measured so far.

    `before` and `after` are the variances of the noise in that difference.
    """
    kept = PARENTS_APART / (PARENTS_APART + after)
    least = _STANDARD.inv_cdf(sure) * np.sqrt(after / kept)  # difference that gives a verdict
    # The photos of before are among those of after, so the noise of after is in both.
    common = (PARENTS_APART + after) / (PARENTS_APART + before)
    later = NormalDist(common * apart, np.sqrt((PARENTS_APART + after) * (1 - common)))
    return float(1 - later.cdf(least) + later.cdf(-least))


def _noise(photos: Mapping[str, int], child: str) -> float:
    """The variance that photos add to the difference between two parents' z-scores."""
    return PHOTO_SPREAD**2 * sum(
        (1 if name == child else 0.5) / count for name, count in photos.items()
    )

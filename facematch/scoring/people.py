"""How alike two people are over all their photos, and how sure that is.

Intervals are those of `intervals.py`. For verdicts between parents, the photos of a person are
resampled with replacement (bootstrap, Efron 1979). With n photos this shows (n-1)/n of the variance
from photo to photo; with one photo, nothing. Normal noise adds the rest, as wide as the spread of
FIW's photos of the same people.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.scoring.cosine import cosine_matrix
from facematch.scoring.intervals import PHOTO_SPREAD, Interval, intervals
from facematch.scoring.resemblance import ResemblanceModel, mean_inverse
from facematch.types import Gallery, Person, Vectors

Resamples = NDArray[np.float64]  # (B,) a value for each resample

RESAMPLES = 400  # bootstrap resamples: a share of them has a standard error of 2 in 100

# Of z-scores, on the families the models were fitted on; `benchmarks/eval_family.py` prints them.
PARENTS_APART = 0.339  # variance of the difference between the z-scores of two parents
COUPLE_SPREAD = 0.817  # standard deviation of a couple's mean z-score, in that of one parent

# By space: the mean z-score of somebody's photos with each other below which they seem to show
# several people. `benchmarks/eval_find.py` prints how often it is right.
_SEVERAL_PEOPLE = {"kin-1": 0.5}
_FEWEST_TOLD_APART = 3  # photos: two of one person are often unlike


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much one person looks like another, averaged over their photos.

    The intervals are 95 % confidence intervals over other photos of the same people; that of the
    likelihood ratio covers other training families too. `share` is the share of resamples in which
    the child looks most like this parent, None where there is no other. The ratio is None where the
    model gives none, for two people who look like young children, and for a face unlike all
    photographs.
    """

    parent: str
    child: str
    cosine: float
    score: float
    score_interval: Interval
    likelihood_ratio: float | None
    likelihood_ratio_interval: Interval | None
    share: float | None = None

    @property
    def order(self) -> tuple[float, float]:
        """The key to sort by: score, then cosine, since scores end at 99.9."""
        return self.score, self.cosine


def bootstrap_means(gallery: Gallery, rng: np.random.Generator) -> Vectors:
    """The mean of the photos in each bootstrap resample: (B, D), unit rows."""
    photos = len(gallery.subjects)
    times = rng.multinomial(photos, np.full(photos, 1 / photos), RESAMPLES)
    sums = (times * gallery.weights) @ gallery.vectors.astype(np.float64)
    return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), np.float32)


def bootstrap_z_scores(
    model: ResemblanceModel,
    sides: tuple[Vectors, Vectors],
    photos: tuple[int, int],
    rng: np.random.Generator,
) -> Resamples:
    """The z-score of two people in each resample, comparable with single photos: (B,).

    `sides` are their `bootstrap_means`, `photos` how many photos there are of each.
    """
    inverse = np.full(RESAMPLES, mean_inverse(*photos))
    z = model.correct_for_averaging(model.pair_z_scores(*sides), inverse)
    noise = PHOTO_SPREAD * np.sqrt((1 / photos[0] ** 2 + 1 / photos[1] ** 2) / 2)
    return np.asarray(z + rng.normal(0, noise, RESAMPLES))


def between_parents(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Difference of each parent's z-score from the parents' mean, in each bootstrap resample.

    Most parents lie close together, so the difference is shrunk towards zero, more where the photos
    are few (a normal prior with the variance `PARENTS_APART`). Shapes: (P, B) -> (P, B).
    """
    apart = z - z.mean(axis=0)
    mean = apart.mean(axis=1, keepdims=True)
    kept = reliability(z)
    return np.asarray(kept * mean + np.sqrt(kept) * (apart - mean))


def reliability(z: NDArray[np.float64]) -> float:
    """The share of the measured difference between parents that is not noise, 0 to 1."""
    parents = len(z)
    apart = z - z.mean(axis=0)
    noise = 2 * float(apart.var(axis=1).mean()) * parents / (parents - 1)
    return PARENTS_APART / (PARENTS_APART + noise)


def of_couple(model: ResemblanceModel, z: NDArray[np.float64]) -> NDArray[np.float64]:
    """One z-score for both parents, scaled so that strangers spread as with one parent.

    Shapes: (2, ...) -> (...).
    """
    middle = np.interp(50, model.scores, model.distances)  # of strangers
    return np.asarray((z.mean(axis=0) - middle) / COUPLE_SPREAD + middle)


def likeness(
    model: ResemblanceModel,
    people: tuple[Person, Person],
    share: float | None = None,
    *,
    both_ways: bool = False,
) -> Likeness:
    """How alike a parent and a child are.

    `both_ways` is for two people of whom neither is a parent: each takes the parent's role in turn,
    and the mean of both z-scores counts. `share` is that of `Likeness`.
    """
    one, other = (person.averaged for person in people)
    z = people_z_scores(model, one, other).ravel()
    if both_ways:
        z = (z + people_z_scores(model, other, one).ravel()) / 2
    unrated = model.young(one.vectors) & model.young(other.vectors)
    unrated |= one.unlike_photographs | other.unlike_photographs
    scores, ratios = model.calibrate(z, unrated)
    of_score, of_ratio = intervals(model, z, mean_inverse(one.counts, other.counts)).of_pair(0)
    has_ratio = not np.isnan(ratios[0])
    return Likeness(
        parent=people[0].name,
        child=people[1].name,
        cosine=float(cosine_matrix(one.vectors, other.vectors)[0, 0]),
        score=float(scores[0]),
        score_interval=of_score,
        likelihood_ratio=float(ratios[0]) if has_ratio else None,
        likelihood_ratio_interval=of_ratio if has_ratio else None,
        share=None if share is None or np.isnan(share) else float(share),
    )


def people_z_scores(model: ResemblanceModel, one: Gallery, other: Gallery) -> NDArray[np.float64]:
    """The z-score of two averaged people, comparable with single photos. Shape (1, 1)."""
    z = model.z_scores(one.vectors, other.vectors)
    inverse = mean_inverse(one.counts[:, np.newaxis], other.counts)
    return model.correct_for_averaging(z, inverse)


def seem_several(model: ResemblanceModel, gallery: Gallery) -> bool:
    """Whether somebody's photos are as unlike each other as those of several people.

    Their mean z-score with each other decides, where there are enough photos.
    """
    bound = _SEVERAL_PEOPLE.get(gallery.space)
    if bound is None or len(gallery.subjects) < _FEWEST_TOLD_APART:
        return False
    z = model.z_scores(gallery.vectors, gallery.vectors)
    return bool(z[~np.eye(len(z), dtype=bool)].mean() < bound)


def person_warnings(person: Person, *, chosen: bool = False) -> Iterator[str]:
    """The warnings about their photos; `chosen` says that somebody chose the faces."""
    gallery = person.gallery
    for subject, phrases in zip(gallery.subjects, gallery.phrases, strict=True):
        if subject.faces_found > 1 and subject.face == 1 and not chosen:
            yield f"{subject.photo}: {subject.faces_found} faces, the largest was taken"
        yield from (f"{subject.photo}: {phrase}" for phrase in phrases)

"""Who is in a clip: people who were tracked, scored against parents."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.scoring.cosine import cosine_matrix
from facematch.scoring.resemblance import ResemblanceModel, model_for
from facematch.types import EngineNames, Gallery, ResultMethods, Skipped, Vectors
from facematch.video.reader import clock
from facematch.video.tracking import (
    Keyframe,
    Track,
    keyframe_gallery,
    photos_worth,
)

_FRAME_RESAMPLES = 200
_FEWEST_RESAMPLED = 3  # frames: resamples of fewer hardly differ, their interval is too narrow


@dataclass(frozen=True, slots=True)
class ParentScore:
    """How much a person of the clip looks like one parent, of whom `photos` were averaged.

    `score_interval` is the 95 % confidence interval, resampling the frames: None for fewer than
    three frames, and it says nothing of other clips. `likelihood_ratio_interval` is the 95 %
    confidence interval, resampling the training families. All but the cosine are None where no
    resemblance model fits the embedder.
    """

    parent: str
    photos: int
    cosine: float
    score: float | None = None
    score_interval: tuple[float, float] | None = None
    likelihood_ratio: float | None = None
    likelihood_ratio_interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ClipPerson:
    """One person of the clip.

    Detected in `detections` of the frames searched, from `first` to `last` second; `keyframes` are
    the best of them, in order of time, and worth `worth` photos taken on different days.
    """

    name: str
    detections: int
    first: float
    last: float
    keyframes: tuple[Keyframe, ...]
    worth: float
    verdicts: tuple[ParentScore, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Clip(ResultMethods):
    """Who is in a clip, most often seen first, and how much each looks like the parents given.

    `skipped` are photos of parents without a usable face. `complete` is False where the search was
    stopped; then this is what was known until then.
    """

    clip: str
    seconds: float
    frames_searched: int
    people: tuple[ClipPerson, ...]
    engine: EngineNames
    warnings: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    complete: bool = True


def time_span(person: ClipPerson) -> str:
    """From when to when a person is in the clip: "0:01.0 to 0:09.5"."""
    first, last = clock(person.first), clock(person.last)
    return first if first == last else f"{first} to {last}"


def drawbacks(person: ClipPerson) -> list[str]:
    """What is worse about a person's frames, where not one of them is good."""
    if not all(keyframe.warnings for keyframe in person.keyframes):
        return []
    phrases = {phrase for keyframe in person.keyframes for phrase in keyframe.warnings}
    return sorted({phrase.split(":")[0].split(" (")[0] for phrase in phrases})


def people_in_clip(
    tracks: Sequence[Track],
    parents: Gallery,
    *,
    names: Mapping[int, str] | None = None,
    scored: Collection[int] | None = None,
    model: ResemblanceModel | None = None,
    seed: int = 0,
) -> tuple[ClipPerson, ...]:
    """Everyone who was tracked; those with an index in `scored` against each row of `parents`.

    `scored` None stands for all, `model` None for the shipped one. `names` are those of tracks, by
    their index.
    """
    model = model_for(parents.space) if model is None else model
    rng = np.random.default_rng(seed)
    people = []
    for i, track in enumerate(tracks):
        worth = photos_worth(track.vectors, parents.space)
        is_scored = scored is None or i in scored
        people.append(
            ClipPerson(
                name=(names or {}).get(i, f"person {i + 1}"),
                detections=track.detections,
                first=track.span[0],
                last=track.span[1],
                keyframes=track.keyframes,
                worth=worth,
                verdicts=_parent_scores(model, (track, worth), parents, rng) if is_scored else (),
            )
        )
    return tuple(people)


def _parent_scores(
    model: ResemblanceModel | None,
    tracked: tuple[Track, float],
    parents: Gallery,
    rng: np.random.Generator,
) -> tuple[ParentScore, ...]:
    track, worth = tracked
    frames = keyframe_gallery(track.keyframes, track.vectors)
    mean = frames.averaged("").vectors
    cosines = cosine_matrix(parents.vectors, mean)[:, 0].tolist()
    known = list(zip(parents.labels, parents.counts.tolist(), cosines, strict=True))
    if model is None:
        return tuple(ParentScore(*fields) for fields in known)
    z = _people_z_scores(model, parents, mean, worth)[:, 0]
    young = model.young(parents.vectors) & model.young(mean)
    scores, ratios = model.calibrate(z, young)
    ratio_intervals = model.ratio_interval(z).tolist()
    weighted = frames.vectors * frames.weights.astype(np.float32)[:, np.newaxis]
    low, high = _score_intervals(model, parents, weighted, worth, rng).T
    # Resamples leave frames out, which lowers scores: widen the interval to hold the score.
    intervals = np.stack([np.minimum(low, scores), np.maximum(high, scores)], axis=1).tolist()
    few = len(track.keyframes) < _FEWEST_RESAMPLED
    return tuple(
        ParentScore(
            *fields,
            score=float(scores[row]),
            score_interval=None if few else tuple(intervals[row]),
            likelihood_ratio=None if np.isnan(ratios[row]) else float(ratios[row]),
            likelihood_ratio_interval=(
                None if np.isnan(ratios[row]) else tuple(ratio_intervals[row])
            ),
        )
        for row, fields in enumerate(known)
    )


def _people_z_scores(
    model: ResemblanceModel, parents: Gallery, people: Vectors, worth: float
) -> NDArray[np.float64]:
    """Z-scores of people in the clip against parents, as of single photos, (P, N)."""
    z = model.z_scores(parents.vectors, people)
    inverse = np.broadcast_to((1 / parents.counts[:, np.newaxis] + 1 / worth) / 2, z.shape)
    return model.correct_for_averaging(z, inverse)


def _score_intervals(
    model: ResemblanceModel,
    parents: Gallery,
    weighted: Vectors,
    worth: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """95 % confidence intervals of the scores, resampling the frames, (P, 2)."""
    resamples = rng.integers(0, len(weighted), (_FRAME_RESAMPLES, len(weighted)))
    means = weighted[resamples].mean(axis=1)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    scores, _ = model.calibrate(_people_z_scores(model, parents, means, worth))
    return np.asarray(np.quantile(scores, [0.025, 0.975], axis=1).T, np.float32)

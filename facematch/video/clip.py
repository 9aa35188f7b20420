"""Who is in a clip: people who were followed, scored against parents, and how that is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from facematch.output.report import (
    NO_PATERNITY_TEST,
    as_json,
    clip_table,
    counted,
    ends_words,
    ratio_words,
    shown_score,
    support,
)
from facematch.pictures.strip import Strip, draw_strips
from facematch.scoring.cosine import cosine_matrix
from facematch.scoring.resemblance import ResemblanceModel, model_for
from facematch.types import DIGITS, EngineNames, Gallery, Pixels, Skipped, Vectors
from facematch.video.reader import clock
from facematch.video.tracking import Keyframe, Track, Tracker, averaged, gallery_of, photos_worth

if TYPE_CHECKING:
    from rich.table import Table

_DRAWS = 200  # of frames, for the interval
_FEWEST_DRAWN = 3  # frames: the draws from fewer hardly differ, and would look sure


@dataclass(frozen=True, slots=True)
class ParentScore:
    """How much a person of the clip looks like one parent, of whom `photos` were averaged.

    95 % of the scores that other draws of the same frames give lie in `score_interval`, which is
    None for fewer than three frames, and says nothing of other clips; 95 % of the ratios that other
    families would have taught lie in `likelihood_ratio_interval`. All but the cosine are None where
    no resemblance model fits the embedder.
    """

    parent: str
    photos: int
    cosine: float
    score: float | None = None
    score_interval: tuple[float, float] | None = None
    likelihood_ratio: float | None = None
    likelihood_ratio_interval: tuple[float, float] | None = None

    @property
    def score_words(self) -> str:
        """The score and its interval: "78 of 100 (60 to 85)"."""
        if self.score is None:
            return f"cosine {self.cosine:.3f}"
        value = f"{shown_score(self.score)} of 100"
        if self.score_interval is None:
            return f"{value} (few frames: unsure)"
        ends = ends_words(self.score_interval)
        return f"{value} ({ends})" if ends else value

    @property
    def ratio_words(self) -> str:
        """The likelihood ratio, its interval and what it means."""
        if self.likelihood_ratio is None or self.likelihood_ratio_interval is None:
            return "not known"
        words = ratio_words(self.likelihood_ratio, self.likelihood_ratio_interval)
        return f"{words}: {support(self.likelihood_ratio)}"


@dataclass(frozen=True, slots=True, eq=False)
class ClipPerson:
    """One person of the clip.

    Found in `looks` of the frames searched, from `first` to `last` second; `shots` are the best of
    them, in order of time, and worth `worth` photos taken on different days.
    """

    name: str
    looks: int
    first: float
    last: float
    shots: tuple[Keyframe, ...]
    worth: float
    verdicts: tuple[ParentScore, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Who is in a clip, most often seen first, and how much each looks like the parents given.

    `skipped` are photos of parents that were of no use. `complete` is False
    where the search was stopped; then this is what was known by then.
    """

    clip: str
    seconds: float
    frames_searched: int
    people: tuple[ClipPerson, ...]
    engine: EngineNames
    warnings: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    complete: bool = True

    def as_json(self) -> str:
        """One JSON object; what is not known is null."""
        return as_json({
            "clip": self.clip,
            "seconds": round(self.seconds, 1),
            "frames_searched": self.frames_searched,
            "complete": self.complete,
            "people": [_person_fields(person) for person in self.people],
            "engine": self.engine,
            "warnings": self.warnings,
            "skipped": self.skipped,
        })  # fmt: skip

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each person and parent, with the columns of `ROW`."""
        return (
            dict(zip(ROW, (self.clip, person.name, *_row(person, verdict)), strict=True))
            for person in self.people
            for verdict in person.verdicts
        )

    def table(self) -> Table:
        """A line for each person and parent."""
        lines = []
        for person in self.people:
            who = [person.name, _seen(person), f"{len(person.shots)} of {person.looks}"]
            for verdict in person.verdicts:
                lines.append([*who, verdict.parent, verdict.score_words, verdict.ratio_words])
                who = [""] * 3
        return clip_table(lines, self.engine)

    def picture(self, theme: Literal["light", "dark"] = "light") -> Pixels:
        """A strip of the frames used for each person, with the verdicts; 1080 pixels wide."""
        strips = [
            Strip(
                title=person.name,
                seen=f"{_seen(person)}, {counted(len(person.shots), 'frame')}",
                portraits=np.stack([shot.portrait for shot in person.shots]),
                times=[clock(shot.seconds) for shot in person.shots],
                verdicts=[
                    (each.parent, each.score_words, each.ratio_words) for each in person.verdicts
                ],
            )
            for person in self.people
        ]
        return draw_strips(Path(self.clip).name, strips, NO_PATERNITY_TEST, theme=theme)


ROW = (
    "clip", "person", "first", "last", "looks", "frames", "parent", "parent_photos", "cosine",
    "score", "score_low", "score_high", "likelihood_ratio", "likelihood_ratio_low",
    "likelihood_ratio_high", "support", "warnings",
)  # fmt: skip


def _seen(person: ClipPerson) -> str:
    first, last = clock(person.first), clock(person.last)
    return first if first == last else f"{first} to {last}"


def _rounded(name: str, value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS[name])


def _ends(name: str, interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else [round(end, DIGITS[name]) for end in interval]


def _support(verdict: ParentScore) -> str | None:
    return None if verdict.likelihood_ratio is None else support(verdict.likelihood_ratio)


def drawbacks(person: ClipPerson) -> list[str]:
    """What is worse about a person's frames, where not one of them is good."""
    if not all(shot.warnings for shot in person.shots):
        return []
    phrases = {phrase for shot in person.shots for phrase in shot.warnings}
    return sorted({phrase.split(":")[0].split(" (")[0] for phrase in phrases})


def _row(person: ClipPerson, verdict: ParentScore) -> tuple[Any, ...]:
    low, high = _ends("score", verdict.score_interval) or (None, None)
    least, most = _ends("likelihood_ratio", verdict.likelihood_ratio_interval) or (None, None)
    return (
        round(person.first, 1), round(person.last, 1), person.looks, len(person.shots),
        verdict.parent, verdict.photos, _rounded("cosine", verdict.cosine),
        _rounded("score", verdict.score), low, high,
        _rounded("likelihood_ratio", verdict.likelihood_ratio), least, most,
        _support(verdict), "; ".join(drawbacks(person)) or None,
    )  # fmt: skip


def _person_fields(person: ClipPerson) -> dict[str, Any]:
    return {
        "name": person.name,
        "first": round(person.first, 1),
        "last": round(person.last, 1),
        "looks": person.looks,
        "worth": round(person.worth, 1),
        "frames": [
            {
                "seconds": round(shot.seconds, 2),
                "box": [round(side, 1) for side in shot.box],
                "confidence": round(shot.confidence, 4),
                "warnings": list(shot.warnings),
            }
            for shot in person.shots
        ],
        "verdicts": [_verdict_fields(verdict) for verdict in person.verdicts],
    }


def _verdict_fields(verdict: ParentScore) -> dict[str, Any]:
    return {
        "parent": verdict.parent,
        "photos": verdict.photos,
        "cosine": _rounded("cosine", verdict.cosine),
        "score": _rounded("score", verdict.score),
        "score_interval": _ends("score", verdict.score_interval),
        "likelihood_ratio": _rounded("likelihood_ratio", verdict.likelihood_ratio),
        "likelihood_ratio_interval": _ends("likelihood_ratio", verdict.likelihood_ratio_interval),
        "support": _support(verdict),
    }


def clip_people(tracker: Tracker, parents: Gallery, *, seed: int = 0) -> tuple[ClipPerson, ...]:
    """Everyone who was followed, scored against each row of `parents`."""
    rng = np.random.default_rng(seed)
    found = []
    for number, each in enumerate(tracker.people(), start=1):
        worth = photos_worth(each.vectors, parents.space)
        verdicts = _verdicts(each, worth, parents, rng)
        name = f"person {number}"
        found.append(ClipPerson(name, each.looks, *each.span, each.shots, worth, verdicts))
    return tuple(found)


def _verdicts(
    person: Track, worth: float, parents: Gallery, rng: np.random.Generator
) -> tuple[ParentScore, ...]:
    shots = gallery_of(person.shots, person.vectors)
    mean = averaged(shots)
    cosines = cosine_matrix(parents.vectors, mean)[:, 0].tolist()
    who = list(zip(parents.labels, parents.counts.tolist(), cosines, strict=True))
    model = model_for(parents.space)
    if model is None:
        return tuple(ParentScore(*each) for each in who)
    z = _distances(model, parents, mean, worth)[:, 0]
    scores, ratios = model.calibrate(z)
    taught, few = model.ratio_interval(z), len(person.shots) < _FEWEST_DRAWN
    weighted = shots.vectors * shots.weights.astype(np.float32)[:, np.newaxis]
    drawn = _score_intervals(model, parents, weighted, worth, rng)
    # Draws leave frames out, and lie a little lower: the score itself is always within.
    drawn = np.stack([np.minimum(drawn[:, 0], scores), np.maximum(drawn[:, 1], scores)], axis=1)
    return tuple(
        ParentScore(
            *each,
            score=float(scores[row]),
            score_interval=None if few else (float(drawn[row, 0]), float(drawn[row, 1])),
            likelihood_ratio=float(ratios[row]),
            likelihood_ratio_interval=(float(taught[row, 0]), float(taught[row, 1])),
        )
        for row, each in enumerate(who)
    )


def _distances(
    model: ResemblanceModel, parents: Gallery, people: Vectors, worth: float
) -> NDArray[np.float64]:
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
    """Where 95 % of the scores lie that other draws of the same frames give, (P, 2)."""
    drawn = rng.integers(0, len(weighted), (_DRAWS, len(weighted)))
    means = weighted[drawn].mean(axis=1)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    scores, _ = model.calibrate(_distances(model, parents, means, worth))
    return np.asarray(np.quantile(scores, [0.025, 0.975], axis=1).T, np.float32)

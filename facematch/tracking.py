"""Faces over the frames of a clip become people, and people are scored against parents.

Each look at the clip gives some faces. A face is whom it overlaps since the last look, unless the
vectors disagree; or whom its vector is like, so that someone who turns away and comes back stays
one person. Two faces of one frame are never one person. Of each person the best few frames are
kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from facematch.align import portraits
from facematch.pictures.strip import Strip, draw_strips
from facematch.quality import BLURRED, quality_warnings, sharpness, turn
from facematch.report import NO_PATERNITY_TEST, support
from facematch.resemblance import ResemblanceModel, model_for
from facematch.similarity import cosine_matrix
from facematch.types import (
    DIGITS,
    Box,
    Engine,
    Face,
    Gallery,
    Photo,
    Pixels,
    Skipped,
    Subject,
    Vectors,
)
from facematch.video import clock

if TYPE_CHECKING:
    from rich.table import Table

MOST_SHOTS = 8  # frames kept of each person
MOST_PEOPLE = 32  # followed at a time; with their shots they take 60 MB
PORTRAIT = 240  # pixels
_OVERLAP = 0.3  # of two boxes, intersection over union: one face, a look later
_MISSED = 2  # looks after which a face's place says nothing any more
_CHIP = 150.0  # pixels: a face larger than its chip says no more
_SHARP = 4 * BLURRED  # a face sharper than this says no more
_FRONTAL = 0.5  # the turn of a face in profile
_DRAWS = 200  # of frames, for the interval
_FEWEST_DRAWN = 3  # frames: the draws from fewer hardly differ, and would look sure


@dataclass(frozen=True, slots=True)
class Identity:
    """What cosines in one space say of identity, measured on families held back from training.

    `one_person` is the mean of two photos of one person. From `same` on two faces are one person:
    of close kin a half to one in a hundred pairs is so alike, of strangers under one in a thousand,
    of one person's photos, years apart, near half. Below `other`, as nineteen in twenty of close
    kin are, two faces at one place are two people: the scene was cut.
    """

    one_person: float
    same: float
    other: float


# 767 faces of 29 of the families in models/held-back.txt, for the fused one 2,682 of 100. A space
# that is not here is followed by place alone.
_IDENTITIES = {
    "kin-1": Identity(one_person=0.76, same=0.79, other=0.72),
    "kin-1+mobilefacenet-6d7e9ef4": Identity(one_person=0.63, same=0.68, other=0.56),
    "dlib-resnet": Identity(one_person=0.94, same=0.95, other=0.92),
}


# --- what is given back ---


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One frame of one person: when, where in the frame, and what is worse about it.

    `portrait` is (240, 240, 3), upright, for people to look at.
    """

    label: str
    seconds: float
    box: Box
    confidence: float
    portrait: Pixels
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
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


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """One person of the clip.

    Found in `looks` of the frames searched, from `first` to `last` second; `shots` are the best of
    them, in order of time, and worth `worth` photos taken on different days.
    """

    name: str
    looks: int
    first: float
    last: float
    shots: tuple[Shot, ...]
    worth: float
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Who is in a clip, most often seen first, and how much each looks like the parents given.

    `skipped` are photos of parents that were of no use. `complete` is False
    where the search was stopped; then this is what was known by then.
    """

    clip: str
    seconds: float
    frames_searched: int
    people: tuple[Appearance, ...]
    engine: Engine
    warnings: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    complete: bool = True

    def as_json(self) -> str:
        """One JSON object; what is not known is null."""
        fields = {
            "clip": self.clip,
            "seconds": round(self.seconds, 1),
            "frames_searched": self.frames_searched,
            "complete": self.complete,
            "people": [_person_fields(person) for person in self.people],
            "engine": asdict(self.engine),
            "warnings": list(self.warnings),
            "skipped": [asdict(each) for each in self.skipped],
        }
        return json.dumps(fields, ensure_ascii=False, allow_nan=False)

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each person and parent, with the columns of `ROW`."""
        return (
            dict(zip(ROW, (self.clip, person.name, *_row(person, verdict)), strict=True))
            for person in self.people
            for verdict in person.verdicts
        )

    def table(self) -> Table:
        """A line for each person and parent."""
        from rich.markup import escape
        from rich.table import Table

        table = Table(box=None, padding=(0, 2, 0, 0))
        for column in ("person", "seen", "frames", "parent", "mini-me score", "likelihood ratio"):
            table.add_column(column)
        for person in self.people:
            who = [person.name, _seen(person), f"{len(person.shots)} of {person.looks}"]
            for verdict in person.verdicts:
                words = (escape(verdict.parent), score_words(verdict), ratio_words(verdict))
                table.add_row(*who, *words)
                who = [""] * 3
        table.caption = " · ".join(part for part in astuple(self.engine) if part)
        table.caption_justify = "left"
        return table

    def picture(self, theme: Literal["light", "dark"] = "light") -> Pixels:
        """A strip of the frames used for each person, with the verdicts; 1080 pixels wide."""
        strips = [
            Strip(
                title=person.name,
                seen=f"{_seen(person)}, {_frames(len(person.shots))}",
                portraits=np.stack([shot.portrait for shot in person.shots]),
                times=[clock(shot.seconds) for shot in person.shots],
                verdicts=[
                    (each.parent, score_words(each), ratio_words(each)) for each in person.verdicts
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


def score_words(verdict: Verdict) -> str:
    """The score and its interval: "78 of 100 (60 to 85)"."""
    if verdict.score is None:
        return f"cosine {verdict.cosine:.3f}"
    value = _whole(verdict.score)
    if verdict.score_interval is None:
        return f"{value} of 100 (few frames: unsure)"
    low, high = (_whole(end) for end in verdict.score_interval)
    return f"{value} of 100" if low == high == value else f"{value} of 100 ({low} to {high})"


def ratio_words(verdict: Verdict) -> str:
    """The likelihood ratio, its interval and what it means."""
    ratio, interval = verdict.likelihood_ratio, verdict.likelihood_ratio_interval
    if ratio is None or interval is None:
        return "not known"
    ends = f"({interval[0]:.2g} to {interval[1]:.2g})"
    if interval[0] == interval[1]:  # as far as the data speaks
        ends = f"or {'more' if ratio > 1 else 'less'}"
    return f"{ratio:.2g} {ends}: {support(ratio)}"


def _whole(score: float) -> str:
    return "over 99" if score > 99 else "under 1" if score < 1 else f"{score:.0f}"


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"


def _seen(person: Appearance) -> str:
    first, last = clock(person.first), clock(person.last)
    return first if first == last else f"{first} to {last}"


def _rounded(name: str, value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS[name])


def _ends(name: str, interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else [round(end, DIGITS[name]) for end in interval]


def _support(verdict: Verdict) -> str | None:
    return None if verdict.likelihood_ratio is None else support(verdict.likelihood_ratio)


def drawbacks(person: Appearance) -> list[str]:
    """What is worse about a person's frames, where not one of them is good."""
    if not all(shot.warnings for shot in person.shots):
        return []
    phrases = {phrase for shot in person.shots for phrase in shot.warnings}
    return sorted({phrase.split(":")[0].split(" (")[0] for phrase in phrases})


def _row(person: Appearance, verdict: Verdict) -> tuple[Any, ...]:
    low, high = _ends("score", verdict.score_interval) or (None, None)
    least, most = _ends("likelihood_ratio", verdict.likelihood_ratio_interval) or (None, None)
    return (
        round(person.first, 1), round(person.last, 1), person.looks, len(person.shots),
        verdict.parent, verdict.photos, _rounded("cosine", verdict.cosine),
        _rounded("score", verdict.score), low, high,
        _rounded("likelihood_ratio", verdict.likelihood_ratio), least, most,
        _support(verdict), "; ".join(drawbacks(person)) or None,
    )  # fmt: skip


def _person_fields(person: Appearance) -> dict[str, Any]:
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


def _verdict_fields(verdict: Verdict) -> dict[str, Any]:
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


# --- following ---


@dataclass(frozen=True, slots=True, eq=False)
class Glimpse:
    """A face as it was seen once; `quality`, 0 to 1, is how sharp, frontal and large it is."""

    shot: Shot
    chip: Pixels
    quality: float


def glimpse(photo: Photo, face: Face, chip: Pixels, seconds: float) -> Glimpse:
    """What is kept of a face: its chip and portrait, never the frame."""
    warnings = quality_warnings(face, chip, scale=photo.scale)
    portrait = portraits(photo.pixels, [face], PORTRAIT)[0]
    shot = Shot(photo.label, seconds, face.box, face.confidence, portrait, tuple(warnings))
    quality = _quality(face, chip) * (0.5 if warnings else 1.0)
    return Glimpse(shot, chip, quality)


def _quality(face: Face, chip: Pixels) -> float:
    side = min(face.box[2] - face.box[0], face.box[3] - face.box[1])
    large = min(side / _CHIP, 1.0)
    sharp = min(sharpness(chip) / _SHARP, 1.0)
    turned = 0.0 if face.landmarks is None else turn(face.landmarks)
    return large * sharp * max(1 - turned / _FRONTAL, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """One person: the best shots in order of time, a unit vector each (N, D), and when seen."""

    shots: tuple[Shot, ...]
    vectors: Vectors
    looks: int
    span: tuple[float, float]


class Tracker:
    """Who is who, look after look; holds the best few sightings of at most `MOST_PEOPLE` people."""

    def __init__(self, space: str, *, apart: float) -> None:
        """`apart`: of the sightings in each so many seconds, the best one is kept."""
        self._identity = _IDENTITIES.get(space)
        self._apart = apart
        self._people: list[_Person] = []
        self._looks = 0
        self.forgotten = 0  # people who were too many

    def smallest(self) -> float | None:
        """The side in pixels of the smallest face of the last look; None where there was none."""
        seen = [each.box for each in self._people if max(each.looks) == self._looks]
        return min((min(box[2] - box[0], box[3] - box[1]) for box in seen), default=None)

    def add(self, sightings: Sequence[Glimpse], vectors: Vectors) -> None:
        """The faces of one look, and their unit vectors (N, D)."""
        self._looks += 1
        known = self._matched(sightings, vectors)
        for at, seen in enumerate(sightings):
            person = known.get(at)
            if person is None:
                person = _Person()
                self._people.append(person)
            person.add(seen, vectors[at], self._looks, self._apart)
        while len(self._people) > MOST_PEOPLE:
            least = min(self._people, key=lambda each: (len(each.looks), max(each.looks)))
            self._people.remove(least)
            self.forgotten += 1

    def people(self) -> list[Followed]:
        """Everyone, most often seen first."""
        people = self._joined()
        people.sort(key=lambda each: (-len(each.looks), each.span[0]))
        found = []
        for person in people:
            kept = sorted(person.kept, key=lambda each: each[0].shot.seconds)
            shots = [seen.shot for seen, _ in kept]
            vectors = np.stack([vector for _, vector in kept])
            found.append(Followed(tuple(shots), vectors, len(person.looks), person.span))
        return found

    def _matched(self, sightings: Sequence[Glimpse], vectors: Vectors) -> dict[int, _Person]:
        """Each face's person, best fit first, nobody twice."""
        if not self._people or not sightings:
            return {}
        alike = np.stack([each.mean() for each in self._people]) @ vectors.T
        overlaps = np.array(
            [
                [overlap(each.box, seen.shot.box) * self._is_recent(each) for seen in sightings]
                for each in self._people
            ]
        )
        clear = np.array([not seen.shot.warnings for seen in sightings])
        fits = np.where(self._may_be_one(alike, overlaps, clear), alike + overlaps / 5, -np.inf)
        found: dict[int, _Person] = {}
        while np.isfinite(fits).any():
            who, at = np.unravel_index(int(fits.argmax()), fits.shape)
            found[int(at)] = self._people[int(who)]
            fits[who, :] = fits[:, at] = -np.inf
        return found

    def _is_recent(self, person: _Person) -> bool:
        return self._looks - max(person.looks) <= _MISSED

    def _may_be_one(
        self,
        alike: NDArray[np.float32],
        overlaps: NDArray[np.float64],
        clear: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """By place, or by what a clear face looks like: all profiles are much alike."""
        if self._identity is None:
            return overlaps >= _OVERLAP
        by_place = (overlaps >= _OVERLAP) & (alike >= self._identity.other)
        are_clear = np.array([[each.is_clear()] for each in self._people]) & clear
        return by_place | (are_clear & (alike >= self._identity.same))

    def _joined(self) -> list[_Person]:
        """People whose means came to agree, and who were never seen together, are one."""
        people = list(self._people)
        while self._identity is not None:
            one, other, alike = _most_alike(people)
            if alike < self._identity.same:
                break
            people[one] = people[one].joined(people.pop(other), self._apart)
        return people


def _most_alike(people: Sequence[_Person]) -> tuple[int, int, float]:
    """Which two people, seen clearly and never together, are most alike, and how much; -1 if none.

    The second is further down the list.
    """
    best = 0, 0, -1.0
    means = [each.mean() if each.is_clear() else None for each in people]
    for other, of_other in enumerate(means):
        for one, of_one in enumerate(means[:other]):
            if of_one is None or of_other is None or people[one].looks & people[other].looks:
                continue
            best = max(best, (one, other, float(of_one @ of_other)), key=lambda pair: pair[2])
    return best


class _Person:
    """Someone in the clip, as far as is known."""

    def __init__(self) -> None:
        self.kept: list[tuple[Glimpse, NDArray[np.float32]]] = []
        self.looks: set[int] = set()
        self.box: Box = (0, 0, 0, 0)
        self.span = (np.inf, -np.inf)

    def add(self, seen: Glimpse, vector: NDArray[np.float32], look: int, apart: float) -> None:
        self.looks.add(look)
        self.box = seen.shot.box
        self.span = min(self.span[0], seen.shot.seconds), max(self.span[1], seen.shot.seconds)
        self._keep(seen, vector, apart)

    def mean(self) -> NDArray[np.float32]:
        """Of the sightings kept, a unit vector (D,)."""
        return averaged([seen.shot for seen, _ in self.kept], np.stack([v for _, v in self.kept]))

    def is_clear(self) -> bool:
        """Whether one glimpse at least is sharp, frontal and large."""
        return any(not seen.shot.warnings for seen, _ in self.kept)

    def joined(self, other: _Person, apart: float) -> _Person:
        both = _Person()
        both.looks = self.looks | other.looks
        both.span = min(self.span[0], other.span[0]), max(self.span[1], other.span[1])
        for seen, vector in [*self.kept, *other.kept]:
            both._keep(seen, vector, apart)
        return both

    def _keep(self, seen: Glimpse, vector: NDArray[np.float32], apart: float) -> None:
        for at, (other, _) in enumerate(self.kept):
            if other.shot.seconds // apart == seen.shot.seconds // apart:
                if seen.quality > other.quality:
                    self.kept[at] = seen, vector
                return
        self.kept.append((seen, vector))
        if len(self.kept) > MOST_SHOTS:
            self.kept.remove(min(self.kept, key=lambda each: each[0].quality))


def overlap(one: Box, other: Box) -> float:
    """The intersection of two boxes over their union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


# --- scoring ---


def appearances(tracker: Tracker, parents: Gallery, *, seed: int = 0) -> tuple[Appearance, ...]:
    """Everyone who was followed, scored against each row of `parents`."""
    rng = np.random.default_rng(seed)
    found = []
    for number, each in enumerate(tracker.people(), start=1):
        worth = photos_worth(each.vectors, parents.space)
        verdicts = _verdicts(each, worth, parents, rng)
        name = f"person {number}"
        found.append(Appearance(name, each.looks, *each.span, each.shots, worth, verdicts))
    return tuple(found)


def averaged(shots: Sequence[Shot], vectors: Vectors) -> NDArray[np.float32]:
    """The unit mean of one person's vectors, frames warned of counting half. (N, D) -> (D,)."""
    subjects = tuple(
        Subject(shot.label, shot.box, shot.confidence, face=1, faces_found=1) for shot in shots
    )
    warnings = tuple(shot.warnings for shot in shots)
    gallery = Gallery(subjects, vectors, "", warnings).by_person(["one"] * len(shots))
    return np.asarray(gallery.vectors[0])


def photos_worth(vectors: Vectors, space: str) -> float:
    """How many photos of different days the frames (N, D) of a clip are worth, from 1 to N.

    Frames of one clip share its light and the look of a day, so that averaging takes away less. In
    units of what is left after averaging photos: (1 - a) / ((c - a) + (1 - c) / N), where c is the
    mean cosine of two of these frames and a that of two photos of one person.
    """
    count = len(vectors)
    identity = _IDENTITIES.get(space)
    if identity is None or count == 1:
        return 1.0
    cosines = (vectors @ vectors.T).astype(np.float64)
    alike = float(cosines[np.triu_indices(count, 1)].mean())
    left = max(alike - identity.one_person, 0.0) + (1 - alike) / count
    return float(np.clip((1 - identity.one_person) / max(left, 1e-6), 1.0, count))


def _verdicts(
    person: Followed, worth: float, parents: Gallery, rng: np.random.Generator
) -> tuple[Verdict, ...]:
    mean = averaged(person.shots, person.vectors)[np.newaxis]
    cosines = cosine_matrix(parents.vectors, mean)[:, 0].tolist()
    who = list(zip(parents.labels, parents.counts.tolist(), cosines, strict=True))
    model = model_for(parents.space)
    if model is None:
        return tuple(Verdict(*each) for each in who)
    away = _distances(model, parents, mean, worth)[:, 0]
    scores, ratios = model.judge(away)
    taught, few = model.ratio_interval(away), len(person.shots) < _FEWEST_DRAWN
    weights = np.array([0.5 if shot.warnings else 1.0 for shot in person.shots], np.float32)
    drawn = _score_intervals(model, parents, person.vectors * weights[:, np.newaxis], worth, rng)
    # Draws leave frames out, and lie a little lower: the score itself is always within.
    drawn = np.stack([np.minimum(drawn[:, 0], scores), np.maximum(drawn[:, 1], scores)], axis=1)
    return tuple(
        Verdict(
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
    away = model.distances_from_cohort(parents.vectors, people)
    inverse = np.broadcast_to((1 / parents.counts[:, np.newaxis] + 1 / worth) / 2, away.shape)
    return model.as_of_single_photos(away, inverse)


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
    scores, _ = model.judge(_distances(model, parents, means, worth))
    return np.asarray(np.quantile(scores, [0.025, 0.975], axis=1).T, np.float32)

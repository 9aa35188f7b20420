"""Faces over the frames of a clip become people.

Each look at the clip gives some faces. A face is whom it overlaps since the last look, unless the
vectors disagree; or whom its vector is like, so that someone who turns away and comes back stays
one person. Two faces of one frame are never one person. Of each person the best few frames are
kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.detection.alignment import portraits
from facematch.detection.quality import BLURRED, quality_warnings, sharpness, turn
from facematch.types import Box, Face, Gallery, Photo, Pixels, Subject, Vectors

MOST_KEYFRAMES = 8  # frames kept of each person
MOST_PEOPLE = 32  # followed at a time; with their shots they take 60 MB
PORTRAIT = 240  # pixels
_OVERLAP = 0.3  # of two boxes, intersection over union: one face, a look later
_MISSED = 2  # looks after which a face's place says nothing any more
_CHIP = 150.0  # pixels: a face larger than its chip says no more
_SHARP = 4 * BLURRED  # a face sharper than this says no more
_FRONTAL = 0.5  # the turn of a face in profile


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


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """One frame of one person: when, where in the frame, and what is worse about it.

    `portrait` is (240, 240, 3), upright, for people to look at.
    """

    label: str
    seconds: float
    box: Box
    confidence: float
    portrait: Pixels
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A face as it was seen once; `quality`, 0 to 1, is how sharp, frontal and large it is."""

    shot: Keyframe
    chip: Pixels
    quality: float


def detection_of(photo: Photo, face: Face, chip: Pixels, seconds: float) -> Detection:
    """What is kept of a face: its chip and portrait, never the frame."""
    warnings = quality_warnings(face, chip, scale=photo.scale)
    portrait = portraits(photo.pixels, [face], PORTRAIT)[0]
    shot = Keyframe(photo.label, seconds, face.box, face.confidence, portrait, tuple(warnings))
    quality = _quality(face, chip) * (0.5 if warnings else 1.0)
    return Detection(shot, chip, quality)


def _quality(face: Face, chip: Pixels) -> float:
    side = min(face.box[2] - face.box[0], face.box[3] - face.box[1])
    large = min(side / _CHIP, 1.0)
    sharp = min(sharpness(chip) / _SHARP, 1.0)
    turned = 0.0 if face.landmarks is None else turn(face.landmarks)
    return large * sharp * max(1 - turned / _FRONTAL, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One person: the best shots in order of time, a unit vector each (N, D), and when seen."""

    shots: tuple[Keyframe, ...]
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

    def add(self, sightings: Sequence[Detection], vectors: Vectors) -> None:
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

    def people(self) -> list[Track]:
        """Everyone, most often seen first."""
        people = self._joined()
        people.sort(key=lambda each: (-len(each.looks), each.span[0]))
        found = []
        for person in people:
            kept = sorted(person.kept, key=lambda each: each[0].shot.seconds)
            shots = [seen.shot for seen, _ in kept]
            vectors = np.stack([vector for _, vector in kept])
            found.append(Track(tuple(shots), vectors, len(person.looks), person.span))
        return found

    def _matched(self, sightings: Sequence[Detection], vectors: Vectors) -> dict[int, _Person]:
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
        self.kept: list[tuple[Detection, NDArray[np.float32]]] = []
        self.looks: set[int] = set()
        self.box: Box = (0, 0, 0, 0)
        self.span = (np.inf, -np.inf)

    def add(self, seen: Detection, vector: NDArray[np.float32], look: int, apart: float) -> None:
        self.looks.add(look)
        self.box = seen.shot.box
        self.span = min(self.span[0], seen.shot.seconds), max(self.span[1], seen.shot.seconds)
        self._keep(seen, vector, apart)

    def mean(self) -> NDArray[np.float32]:
        """Of the sightings kept, a unit vector (D,)."""
        shots, vectors = [seen.shot for seen, _ in self.kept], [vector for _, vector in self.kept]
        return np.asarray(averaged(gallery_of(shots, np.stack(vectors)))[0])

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

    def _keep(self, seen: Detection, vector: NDArray[np.float32], apart: float) -> None:
        for at, (other, _) in enumerate(self.kept):
            if other.shot.seconds // apart == seen.shot.seconds // apart:
                if seen.quality > other.quality:
                    self.kept[at] = seen, vector
                return
        self.kept.append((seen, vector))
        if len(self.kept) > MOST_KEYFRAMES:
            self.kept.remove(min(self.kept, key=lambda each: each[0].quality))


def overlap(one: Box, other: Box) -> float:
    """The intersection of two boxes over their union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def gallery_of(shots: Sequence[Keyframe], vectors: Vectors) -> Gallery:
    """One person's shots as a gallery, a row a shot."""
    subjects = tuple(
        Subject(shot.label, shot.box, shot.confidence, face=1, faces_found=1) for shot in shots
    )
    return Gallery(subjects, vectors, "", tuple(shot.warnings for shot in shots))


def averaged(person: Gallery) -> Vectors:
    """The unit mean of one person's vectors, frames warned of counting half. (N, D) -> (1, D)."""
    return person.by_person(["one"] * len(person.subjects)).vectors


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

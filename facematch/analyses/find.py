"""Who in an archive of photos looks most like a child: every face, grouped by person."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from facematch.analyses.grouping import SAME_PERSON, group_by_person, mean_distances
from facematch.analyses.timeline import days_of
from facematch.detection.alignment import crop_faces
from facematch.detection.portraits import portraits
from facematch.detection.quality import face_warnings
from facematch.engine import Engine
from facematch.enrolment.gallery import faces, largest_face
from facematch.enrolment.people import (
    PORTRAIT_SIDE,
    NamedPhotos,
    enrol_person,
    no_usable_photo,
    without_skipped,
)
from facematch.errors import OptionError
from facematch.photos.dates import Span, date_of
from facematch.scoring.people import Likeness, likeness, person_warnings
from facematch.scoring.resemblance import ResemblanceModel
from facematch.types import (
    EngineNames,
    Gallery,
    Person,
    PhotosLike,
    Pixels,
    Portrait,
    ResultMethods,
    Skipped,
    Subject,
    Vectors,
    unit_rows,
)

FACES_PER_PERSON = 20  # faces that are kept for each person to be found


@dataclass(frozen=True, slots=True)
class FindOptions:
    """How many people to find, and in photos of which days.

    With `older`, only photos count from before the child was `born`, or from before its first
    dated photo.
    """

    top: int = 10
    days: Span = field(default_factory=Span)
    older: bool = False
    born: date | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ArchiveFace:
    """A face of the archive, and its z-score against the child.

    `vector` (D,) compares kin, `identity` (E,) tells people apart, `portrait` shows the face.
    """

    z: float
    subject: Subject
    vector: Vectors
    identity: Vectors
    portrait: Pixels
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FoundPerson:
    """Somebody in the archive, those of their photos averaged that are most like the child.

    They are chosen among many, so the score is too high rather than too low. `may_be_child`: the
    child, perhaps.
    """

    likeness: Likeness
    faces: tuple[ArchiveFace, ...]
    may_be_child: bool


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Findings(ResultMethods):
    """Those in an archive who look most like a child, best first. No paternity test.

    `candidates` says how many of the `faces` were compared, where an index chose them; None: all.
    """

    child: str
    portrait: Pixels
    found: tuple[FoundPerson, ...]
    photos: int
    faces: int
    engine: EngineNames
    warnings: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    candidates: int | None = None

    @property
    def search(self) -> str:
        """How they were found: exact, every face compared, or approximate, the nearest only."""
        return "exact" if self.candidates is None else "approximate"


def find(engine: Engine, child: NamedPhotos, photos: PhotosLike, options: FindOptions) -> Findings:
    """Who in some photos looks most like a child: every face of every photo, by person.

    `child` is one name and its photos; copies of them among the photos are left out. Memory stays
    bounded however many photos there are. Raises OptionError for two children, or where `older`
    finds no day; what `family` raises too.
    """
    wanted = seek_child(engine, child, options)
    candidates = Candidates(wanted, FACES_PER_PERSON * options.top)
    for found in faces(engine, photos):
        if isinstance(found, Skipped):
            candidates.skipped.append(found)
        elif found.photo.digest not in wanted.digests and candidates.is_in_days(found):
            candidates.photos += 1
            candidates.faces += len(found.faces)
            for face in _archive_faces(engine, wanted, found):
                candidates.add(face)
    return findings(engine, wanted, candidates, options.top)


@dataclass(frozen=True, slots=True, eq=False)
class SoughtChild:
    """The child that relatives are found for.

    `identities` (M, E) tell the child from other people; only photos of `days` count.
    """

    person: Person
    identities: Vectors
    days: Span
    skipped: tuple[Skipped, ...]

    @property
    def digests(self) -> set[str]:
        """The sha256 of the child's own photos."""
        return {*self.person.digests} - {""}

    def is_somebody_else(self, identities: Vectors) -> NDArray[np.bool_]:
        """Whether each identity is far from the child's. Shapes: (N, E) -> (N,)."""
        return mean_distances(identities, self.identities) >= SAME_PERSON


def seek_child(engine: Engine, child: NamedPhotos, options: FindOptions) -> SoughtChild:
    """The one child of `child`, enrolled. Raises what `find` raises."""
    if len(child) != 1:
        raise OptionError(f"one child is searched for, not {len(child)}")
    engine.require_resemblance()
    identify = engine.identity_embedder
    [(name, photos)] = child.items()
    skipped: list[Skipped] = []
    usable = list(without_skipped(map(largest_face, faces(engine, photos)), skipped))
    person = enrol_person(engine, name, usable)
    if not usable:
        raise no_usable_photo(skipped)
    days = options.days
    if options.older:
        days = days.before(options.born or _first_day(person))
    chips = [
        crop_faces(portrait.photo.pixels, [portrait.faces[index]], identify.frame)[0]
        for portrait, index in usable
    ]
    return SoughtChild(person, identify.embed(np.stack(chips)), days, tuple(skipped))


class Candidates:
    """The faces of an archive that are most like a child, and counts of what was searched."""

    def __init__(self, wanted: SoughtChild, most: int) -> None:
        """Keep the `most` faces that are most alike."""
        self._wanted, self.most = wanted, most
        self._best: list[tuple[float, int, ArchiveFace]] = []  # a heap, the least like first
        self._added = 0
        self._may_be_child: list[ArchiveFace] = []
        self.photos = self.faces = self.undated = 0
        self.compared: int | None = None  # faces, where an index chose some; None: all
        self.skipped: list[Skipped] = []
        self.warnings: list[str] = []

    def add(self, face: ArchiveFace) -> None:
        """Keep a face if it is among the most alike; of equals the first is kept."""
        if not self._wanted.is_somebody_else(face.identity[np.newaxis])[0]:
            # A few are enough, and they must not push others out.
            if len(self._may_be_child) < FACES_PER_PERSON:
                self._may_be_child.append(face)
            return
        self._added += 1
        entry = (face.z, -self._added, face)
        if len(self._best) < self.most:
            heapq.heappush(self._best, entry)
        else:
            heapq.heappushpop(self._best, entry)

    def is_in_days(self, portrait: Portrait) -> bool:
        """Whether a photo is of the days that count; photos without a date are counted.

        A photo without a face is of no day, for an index knows none of it.
        """
        if not portrait.faces:
            return self._wanted.days == Span()
        day = date_of(portrait.photo.label, portrait.photo.day, {})
        self.undated += day is None and not self._wanted.days.contains(day)
        return self._wanted.days.contains(day)

    def kept(self) -> list[ArchiveFace]:
        """The most alike, best first, then those that may be the child."""
        return [*(face for *_, face in sorted(self._best, reverse=True)), *self._may_be_child]


def findings(engine: Engine, wanted: SoughtChild, candidates: Candidates, top: int) -> Findings:
    """The candidates by person, those most like the child first."""
    kept = candidates.kept()
    identities = np.array([face.identity for face in kept], np.float32)
    groups = []
    for rows in group_by_person([face.subject.photo for face in kept], identities):
        some = [kept[row] for row in rows]
        groups.append((_as_person(some, engine.embedder.space), some, identities[rows]))
    found = findings_of(groups, (wanted.person, wanted.identities), engine.require_resemblance())
    undated = f"photos left out because nothing says when they were taken: {candidates.undated:,}"
    return Findings(
        child=wanted.person.name,
        portrait=wanted.person.portrait,
        found=tuple(found[:top]),
        photos=candidates.photos,
        faces=candidates.faces,
        engine=engine.names,
        warnings=(
            *person_warnings(wanted.person),
            *([undated] if candidates.undated else []),
            *candidates.warnings,
        ),
        skipped=(*wanted.skipped, *candidates.skipped),
        candidates=candidates.compared,
    )


def findings_of(
    groups: Sequence[tuple[Person, Sequence[ArchiveFace], Vectors]],
    child: tuple[Person, Vectors],
    model: ResemblanceModel,
) -> list[FoundPerson]:
    """Everyone by all their photos, those most like the child first.

    Everyone, the child too, comes with the vectors that tell them from others, (N, E).
    """
    somebody, child_identities = child
    found = []
    for person, some, identities in groups:
        distance = mean_distances(identities, child_identities).mean()
        found.append(
            FoundPerson(
                likeness=likeness(model, (person, somebody)),
                faces=tuple(some),
                may_be_child=bool(distance < SAME_PERSON),
            )
        )
    return sorted(found, key=lambda person: person.likeness.order, reverse=True)


def z_scores_of_faces(
    model: ResemblanceModel, vectors: Vectors, child: Person
) -> NDArray[np.float64]:
    """The z-score of each face against the child's mean, as of single photos, (N,)."""
    mean = child.averaged
    z = model.z_scores(vectors, mean.vectors)[:, 0]
    return model.correct_for_averaging(z, np.full(len(z), (1 + 1 / mean.counts[0]) / 2))


def _archive_faces(
    engine: Engine, wanted: SoughtChild, portrait: Portrait
) -> Iterator[ArchiveFace]:
    if not portrait.faces:
        return
    embedded, warnings = engine.embed(portrait.chips)
    vectors = unit_rows(embedded)
    z = z_scores_of_faces(engine.require_resemblance(), vectors, wanted.person)
    identify = engine.identity_embedder
    identities = identify.embed(crop_faces(portrait.photo.pixels, portrait.faces, identify.frame))
    for index, vector in enumerate(vectors):
        yield ArchiveFace(
            z=float(z[index]),
            subject=portrait.subject(index),
            vector=vector,
            identity=identities[index],
            portrait=portraits(portrait.photo.pixels, [portrait.faces[index]], PORTRAIT_SIDE)[0],
            warnings=(*face_warnings(portrait, index), *warnings[index]),
        )


def _as_person(some: Sequence[ArchiveFace], space: str) -> Person:
    return Person(
        name=some[0].subject.photo,
        gallery=Gallery(
            subjects=tuple(face.subject for face in some),
            vectors=unit_rows(np.stack([face.vector for face in some])),
            space=space,
            warnings=tuple(face.warnings for face in some),
        ),
        portraits=np.stack([face.portrait for face in some]),
        squares=np.tile([0.0, 0.0, 1.0], (len(some), 1)),
        clearness=np.ones(len(some)),  # the first, most like the child, is shown
        digests=("",) * len(some),
        taken=(None,) * len(some),
    )


def _first_day(person: Person) -> date:
    """The day of somebody's first dated photo."""
    days = [day for day in days_of(person, {}) if day is not None]
    if not days:
        raise OptionError(
            f"nothing says when {person.name}'s photos were taken: `born` tells who is older"
        )
    return min(days)

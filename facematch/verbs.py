"""What people ask of photos, as methods of FaceMatcher: families, time, cards, archives, a page."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from facematch.analyses.card import Card
from facematch.analyses.explain import Explanation
from facematch.analyses.family import Family, family_of
from facematch.analyses.find import (
    IDENTITY,
    SAME_PERSON,
    ArchiveFace,
    Findings,
    FoundPerson,
    by_person,
    closeness,
    findings_of,
    mean_distances,
    most_alike,
)
from facematch.analyses.timeline import Timeline, dated, days_of, timeline_of
from facematch.archive.index import (
    FACE_COLUMNS,
    FIRST_FACE,
    OVERSAMPLING,
    Index,
    both,
    matrix,
    photos_where,
    subject_of,
)
from facematch.detection.alignment import crop_faces, portraits
from facematch.detection.quality import face_warnings
from facematch.embedding.registry import load_embedder
from facematch.errors import NoFaceError, OptionError, PhotoError, ResemblanceError
from facematch.photos.dates import Span, date_of
from facematch.scoring.cosine import unit_rows
from facematch.scoring.people import averaged, person_warnings
from facematch.scoring.resemblance import ResemblanceModel, comparable, model_for
from facematch.types import (
    Detector,
    Embedder,
    EngineNames,
    Face,
    Gallery,
    Person,
    Photo,
    PhotoLike,
    Pixels,
    Portrait,
    Skipped,
    Subject,
    Vectors,
    several,
)

_PORTRAIT, _CARD_PORTRAIT = 240, 640  # pixels, the side of a Person's portraits
_CANDIDATES = 20  # faces of an archive kept for each person asked for
_BATCH = 32  # chips embedded at a time
_NO_PORTRAIT = np.full((_PORTRAIT, _PORTRAIT, 3), 200, np.uint8)


class Verbs(ABC):
    """What a FaceMatcher can tell of people with several photos each."""

    detector: Detector
    embedder: Embedder

    @property
    @abstractmethod
    def engine(self) -> EngineNames:
        """The names of the parts that make a score."""

    @abstractmethod
    def faces(
        self, photos: Iterable[PhotoLike], *, cache: Path | None = None
    ) -> Iterator[Portrait | Skipped]:
        """The faces in each photo, in order."""

    @abstractmethod
    def read(self, path: str | os.PathLike[str]) -> Photo:
        """A photo with as many pixels as the smallest face worth finding needs."""

    @abstractmethod
    def explain(self, parent: PhotoLike, child: PhotoLike) -> Explanation:
        """Which parts of two faces carry their likeness."""

    def family(
        self,
        parents: Mapping[str, Iterable[PhotoLike]],
        children: Mapping[str, Iterable[PhotoLike]],
    ) -> Family:
        """Who looks like whom; both name people, each with photos.

        Photos that cannot be used are in `skipped`. Raises NoFaceError where no parent or no child
        has a usable one, ResemblanceError where no resemblance model fits the embedder.
        """
        sides, skipped = self._sides(parents, children)
        return self.family_of(sides[0], sides[1], skipped)

    def family_of(
        self,
        parents: Sequence[Person],
        children: Sequence[Person],
        skipped: Sequence[Skipped] = (),
        *,
        chosen: bool = False,
    ) -> Family:
        """As `family`, of people that `person` or `people` gave; `chosen`: of faces chosen."""
        model = self._model()
        found = family_of(parents, children, model, self.engine, chosen=chosen)
        return replace(found, skipped=tuple(skipped))

    def timeline(
        self,
        parents: Mapping[str, Iterable[PhotoLike]],
        child: Mapping[str, Iterable[PhotoLike]],
        *,
        dates: Mapping[str, date] | None = None,
        born: Mapping[str, date] | None = None,
    ) -> Timeline:
        """How much a child, one name and its photos, looks like each parent over time.

        `dates` says when photos were taken, by path or file name; else their names or EXIF do.
        `born` says who was born when: ages are told then, and a parent's photo at the child's age
        is taken where there is one. Raises TableError where no photo of the child is dated,
        OptionError for two children, and what `family` raises.
        """
        if len(child) != 1:
            raise OptionError(f"a timeline is of one child, not of {len(child)}")
        _check_born(born or {}, [*parents, *child])
        sides, skipped = self._sides(parents, child)
        found = self._timeline_of(sides[0], sides[1][0], dates, born)
        return replace(found, skipped=tuple(skipped))

    def report(
        self,
        parents: Mapping[str, Iterable[PhotoLike]],
        children: Mapping[str, Iterable[PhotoLike]],
        *,
        dates: Mapping[str, date] | None = None,
        born: Mapping[str, date] | None = None,
    ) -> str:
        """All that `family`, `card`, `timeline` and `explain` tell, as one page of HTML.

        Each child has a card with the parent ahead, what carries that likeness in a photo of each,
        and a chart where at least two of their photos are dated. Raises what they raise.
        """
        from facematch.output.page import page

        parents, children = (
            {name: list(several(photos)) for name, photos in side.items()}
            for side in (parents, children)
        )
        files = {
            _label(photo): photo for side in (parents, children) for each in side.values()
            for photo in each
        }  # fmt: skip
        _check_born(born or {}, [*parents, *children])
        sides, skipped = self._sides(parents, children, portrait=_CARD_PORTRAIT)
        family = self.family_of(sides[0], sides[1], skipped)
        by_name = {person.name: person for person in sides[0]}
        cards, timelines, explanations = [], [], []
        for child in sides[1]:
            likenesses = (family.of(name, child.name) for name in by_name)
            best = max(likenesses, key=lambda each: each.order)
            cards.append(Card(by_name[best.parent], child, best))
            shown = (files[person.shown] for person in (by_name[best.parent], child))
            explanations.append(self.explain(*shown))
            if dated(child, dates or {}) > 1:
                timelines.append(self._timeline_of(sides[0], child, dates, born))
        return page(family, cards, timelines, explanations)

    def card(
        self, parent: Mapping[str, Iterable[PhotoLike]], child: Mapping[str, Iterable[PhotoLike]]
    ) -> Card:
        """A parent and a child, one name each with its photos, on a card; raises as `family`."""
        if len(parent) != 1 or len(child) != 1:
            raise OptionError("a card shows one parent and one child")
        sides, skipped = self._sides(parent, child, portrait=_CARD_PORTRAIT)
        found = self.family_of(sides[0], sides[1])
        return Card(sides[0][0], sides[1][0], found.likenesses[0], found.warnings, tuple(skipped))

    def find(
        self,
        child: Mapping[str, Iterable[PhotoLike]],
        archive: Iterable[PhotoLike] | Index,
        *,
        top: int = 10,
        span: Span | None = None,
        older: bool = False,
        born: date | None = None,
        cache: Path | None = None,
    ) -> Findings:
        """Who in an archive looks most like a child: every face of every photo, by person.

        `child` is one name and its photos, which are left out where the archive holds them too.
        Only photos of a `span` of days count; with `older`, only those from before the child was
        `born`, or from before its first dated photo. `cache` is a file to keep where faces are, as
        in `faces`. Memory stays bounded however large the archive. Raises OptionError where `older`
        finds no such day, and what `family` and `faces` raise.
        """
        if len(child) != 1:
            raise OptionError(f"one child is searched for, not {len(child)}")
        model, identify = self._model(), load_embedder(IDENTITY)
        [(name, photos)] = child.items()
        skipped: list[Skipped] = []
        shown = list(_without_skipped(map(_largest_of, self.faces(photos, cache=cache)), skipped))
        person = self.person(name, shown)
        if not shown:
            raise _of_no_use(skipped)
        days = span or Span()
        if older:
            days = days.before(born or _first_day(person))
        known = identify.embed(np.stack([_chip(*each, identify) for each in shown]))
        looked = _Looked(self, person, model, (identify, known), days)
        most = _CANDIDATES * top
        if isinstance(archive, Index):
            best = most_alike(looked.kept(archive, most), most)
        else:
            best = most_alike(looked.sightings(self.faces(archive, cache=cache)), most)
        best += looked.child
        identities = np.array([seen.identity for seen in best], np.float32)
        groups = []
        for rows in by_person([seen.subject.photo for seen in best], identities):
            sightings = [best[at] for at in rows]
            groups.append((self._sighted(sightings), sightings, identities[rows]))
        found = findings_of(groups, (person, known), model)[:top]
        return Findings(
            child=name,
            portrait=person.portrait,
            found=tuple(looked.shown(found)),
            photos=looked.photos,
            faces=looked.faces,
            engine=self.engine,
            warnings=(*person_warnings(person), *looked.warnings),
            skipped=(*skipped, *looked.skipped),
            candidates=looked.candidates,
        )

    def people(
        self, photos: Mapping[str, Iterable[PhotoLike]], *, portrait: int = _PORTRAIT
    ) -> tuple[list[Person], list[Skipped]]:
        """Everyone by the largest face of each of their photos, and the photos of no use.

        `photos` names people, `portrait` is the side of their portraits in pixels. Who has no
        usable photo is left out.
        """
        people: list[Person] = []
        skipped: list[Skipped] = []
        for name, some in photos.items():
            seen = (_largest_of(each) for each in self.faces(some))
            person = self.person(name, seen, portrait=portrait)
            skipped += person.gallery.skipped
            if person.gallery.subjects:
                people.append(person)
        return people, skipped

    def person(
        self,
        name: str,
        seen: Iterable[tuple[Portrait, int] | Skipped],
        *,
        portrait: int = _PORTRAIT,
    ) -> Person:
        """Somebody by portraits, each with the index of their face in it; embedded in batches."""
        shots: list[_Shot] = []
        skipped: list[Skipped] = []
        usable = _without_skipped(seen, skipped)
        while batch := list(islice(usable, _BATCH)):
            vectors = self.embedder.embed(np.stack([each.chips[at] for each, at in batch]))
            shots += [
                _shot(*each, vector, portrait) for each, vector in zip(batch, vectors, strict=True)
            ]
        return _as_person(name, shots, skipped, self.embedder.space)

    def _sides(
        self,
        parents: Mapping[str, Iterable[PhotoLike]],
        children: Mapping[str, Iterable[PhotoLike]],
        *,
        portrait: int = _PORTRAIT,
    ) -> tuple[list[list[Person]], list[Skipped]]:
        """Parents and children with a usable photo, and the photos of no use."""
        _check_names([*parents, *children])
        sides: list[list[Person]] = []
        skipped: list[Skipped] = []
        for photos in (parents, children):
            people, useless = self.people(photos, portrait=portrait)
            skipped += useless
            if not people:
                raise _of_no_use(useless)
            sides.append(people)
        return sides, skipped

    def _timeline_of(
        self,
        parents: Sequence[Person],
        child: Person,
        dates: Mapping[str, date] | None,
        born: Mapping[str, date] | None,
    ) -> Timeline:
        model = self._model()
        return timeline_of(parents, child, model, self.engine, known=dates or {}, born=born or {})

    def _sighted(self, sightings: Sequence[ArchiveFace]) -> Person:
        """Somebody of an archive."""
        return Person(
            name=sightings[0].subject.photo,
            gallery=Gallery(
                subjects=tuple(seen.subject for seen in sightings),
                vectors=unit_rows(np.stack([seen.vector for seen in sightings])),
                space=self.embedder.space,
                warnings=tuple(seen.warnings for seen in sightings),
            ),
            portraits=np.stack([seen.portrait for seen in sightings]),
            digests=("",) * len(sightings),
            taken=(None,) * len(sightings),
        )

    def _model(self) -> ResemblanceModel:
        model = model_for(self.embedder.space)
        if model is None:
            raise ResemblanceError(
                f"no resemblance model fits {self.embedder.name}: verdicts need one, use "
                "--embedder kin"
            )
        return model


class _Looked:
    """Looks through an archive for a child's kin; counts its photos and keeps what was no use."""

    def __init__(
        self,
        matcher: Verbs,
        child: Person,
        model: ResemblanceModel,
        identity: tuple[Embedder, Vectors],
        days: Span,
    ) -> None:
        self._matcher, self._child, self._model = matcher, child, model
        self._identify, self._known = identity
        self._days = days
        self._rows: dict[Subject, Mapping[str, Any]] = {}  # of an index, what portraits need
        self.photos = self.faces = self._undated = 0
        self.candidates: int | None = None
        self.child: list[
            ArchiveFace
        ] = []  # a few that may be the child: they are to crowd out nobody
        self.skipped: list[Skipped] = []
        self._told: list[str] = []

    @property
    def warnings(self) -> list[str]:
        """What makes the answer less sure."""
        left_out = f"photos left out because nothing says when they were taken: {self._undated:,}"
        return [*([left_out] if self._undated else []), *self._told]

    def sightings(self, archive: Iterable[Portrait | Skipped]) -> Iterator[ArchiveFace]:
        """Every face but those of the child's own photos, and those that may be the child."""
        for portrait in archive:
            if isinstance(portrait, Skipped):
                self.skipped.append(portrait)
            elif portrait.photo.digest not in self._own and self._is_of_these_days(portrait):
                self.photos += 1
                self.faces += len(portrait.faces)
                yield from self._sorted_out(self._seen(portrait))

    def kept(self, index: Index, most: int) -> Iterator[ArchiveFace]:
        """As `sightings`, from an index, which gives the `most` of each part that are most alike.

        From a large one only faces near the child's are looked at: as many as hold the `most` of
        all, nearly always.
        """
        where = photos_where(self._days, self._own)
        self._count(index, where)
        for batch in self._batches(index, where, most):
            vectors = unit_rows(matrix(batch["vector"]))
            near = closeness(self._model, vectors, self._child)
            apart = mean_distances(matrix(batch["identity"]), self._known)
            strange = apart >= SAME_PERSON
            order = np.argsort(-near, kind="stable")
            best = [*order[strange[order]][:most], *np.flatnonzero(~strange)]
            rows = batch.take(best).to_pylist()
            yield from self._sorted_out(
                self._sighting(row, float(near[at]), vectors[at])
                for at, row in zip(best, rows, strict=True)
            )

    def shown(self, found: Sequence[FoundPerson]) -> Iterator[FoundPerson]:
        """Everyone with a portrait of their first sighting, cut from the photo where need be."""
        for each in found:
            first, *rest = each.sightings
            if row := self._rows.get(first.subject):
                first = replace(first, portrait=self._portrait(row))
            yield replace(each, sightings=(first, *rest))

    @property
    def _own(self) -> set[str]:
        return {*self._child.digests} - {""}

    def _is_of_these_days(self, portrait: Portrait) -> bool:
        day = date_of(portrait.photo.label, portrait.photo.day, {})
        self._undated += day is None and not self._days.holds(day)
        return self._days.holds(day)

    def _sorted_out(self, sightings: Iterable[ArchiveFace]) -> Iterator[ArchiveFace]:
        """Those that are not the child; of those that may be, a few are kept."""
        for seen in sightings:
            if mean_distances(seen.identity[np.newaxis], self._known)[0] >= SAME_PERSON:
                yield seen
            elif len(self.child) < _CANDIDATES:
                self.child.append(seen)

    def _seen(self, portrait: Portrait) -> Iterator[ArchiveFace]:
        if not portrait.faces:
            return
        vectors = unit_rows(self._matcher.embedder.embed(portrait.chips))
        near = closeness(self._model, vectors, self._child)
        chips = crop_faces(portrait.photo.pixels, portrait.faces, self._identify.frame)
        identities = self._identify.embed(chips)
        for at, vector in enumerate(vectors):
            yield ArchiveFace(
                distance=float(near[at]),
                subject=portrait.subject(at),
                vector=vector,
                identity=identities[at],
                portrait=portraits(portrait.photo.pixels, [portrait.faces[at]], _PORTRAIT)[0],
                warnings=tuple(face_warnings(portrait, at)),
            )

    def _count(self, index: Index, where: str | None) -> None:
        """Photos and faces searched, and what is left out."""
        self.faces = index.count(where)
        self.photos = index.count(both(where, FIRST_FACE))
        for failed in index.failed():
            if failed["code"] != NoFaceError.code:
                self.skipped.append(Skipped(failed["photo"], failed["code"], failed["reason"]))
            elif self._days == Span():
                self.photos += 1
        if self._days != Span():
            self._undated = index.count(both("taken IS NULL", FIRST_FACE))

    def _batches(self, index: Index, where: str | None, most: int) -> Iterator[Any]:
        if not index.is_large:
            yield from index.rows(FACE_COLUMNS, where)
            return
        mean = averaged(self._child).vectors
        searched = comparable(mean, self._model.mean, self._model.transform)[0]
        nearest = index.nearest(
            searched.astype(np.float32), OVERSAMPLING * most, FACE_COLUMNS, where
        )
        self.candidates = nearest.num_rows
        yield nearest

    def _sighting(self, row: Mapping[str, Any], near: float, vector: Vectors) -> ArchiveFace:
        subject = subject_of(row)
        self._rows[subject] = row
        return ArchiveFace(
            distance=near,
            subject=subject,
            vector=vector,
            identity=np.array(row["identity"], np.float32),
            portrait=_NO_PORTRAIT,
            warnings=tuple(row["warnings"]),
        )

    def _portrait(self, row: Mapping[str, Any]) -> Pixels:
        """The face of a row, from its photo; grey where that is not what it was."""
        try:
            photo = self._matcher.read(row["photo"])
        except PhotoError as error:
            self._told.append(f"{error}, so its face is not shown: run `facematch index` again")
            return _NO_PORTRAIT
        if photo.digest != row["digest"]:
            self._told.append(f"{photo.label} has changed: run `facematch index` again")
            return _NO_PORTRAIT
        points = np.array(row["landmarks"], np.float32).reshape(5, 2) * np.float32(photo.scale)
        face = Face(subject_of(row).box, row["confidence"], points)
        return np.asarray(portraits(photo.pixels, [face], _PORTRAIT)[0])


def _first_day(person: Person) -> date:
    """When the first dated photo of somebody was taken."""
    known = [day for day in days_of(person, {}) if day is not None]
    if not known:
        raise OptionError(
            f"nothing says when {person.name}'s photos were taken: say with --born 2006-06-01 who "
            "is older"
        )
    return min(known)


def _chip(portrait: Portrait, at: int, embedder: Embedder) -> Pixels:
    """One face as that embedder wants it."""
    chips = crop_faces(portrait.photo.pixels, [portrait.faces[at]], embedder.frame)
    return np.asarray(chips[0])


@dataclass(frozen=True, slots=True, eq=False)
class _Shot:
    """What a Person keeps of a photo."""

    subject: Subject
    warnings: tuple[str, ...]
    digest: str
    taken: date | None
    shown: Pixels
    vector: Vectors


def _shot(portrait: Portrait, at: int, vector: Vectors, side: int) -> _Shot:
    photo = portrait.photo
    return _Shot(
        subject=portrait.subject(at),
        warnings=tuple(face_warnings(portrait, at)),
        digest=photo.digest,
        taken=photo.day,
        shown=portraits(photo.pixels, [portrait.faces[at]], side)[0],
        vector=vector,
    )


def _as_person(name: str, shots: Sequence[_Shot], skipped: Sequence[Skipped], space: str) -> Person:
    shots, copies = _apart(shots)
    skipped = [*skipped, *copies]
    vectors = [shot.vector for shot in shots]
    shown = [shot.shown for shot in shots]
    none = np.empty((0, _PORTRAIT, _PORTRAIT, 3), np.uint8)
    return Person(
        name=name,
        gallery=Gallery(
            subjects=tuple(shot.subject for shot in shots),
            vectors=unit_rows(np.stack(vectors)) if vectors else np.empty((0, 0), np.float32),
            space=space,
            warnings=tuple(shot.warnings for shot in shots),
            skipped=tuple(skipped),
        ),
        portraits=np.stack(shown) if shown else none,
        digests=tuple(shot.digest for shot in shots),
        taken=tuple(shot.taken for shot in shots),
    )


def _apart(shots: Sequence[_Shot]) -> tuple[list[_Shot], list[Skipped]]:
    """Each photo once, and its copies: the same file again says nothing more of a person."""
    first: dict[str, str] = {}
    kept, copies = [], []
    for shot in shots:
        photo, before = shot.subject.photo, first.get(shot.digest)
        if before is not None:
            copies.append(Skipped(photo, "copy", f"is the same file as {before}, counted once"))
            continue
        kept.append(shot)
        if shot.digest:
            first[shot.digest] = photo
    return kept, copies


def _largest_of(seen: Portrait | Skipped) -> tuple[Portrait, int] | Skipped:
    if isinstance(seen, Skipped):
        return seen
    try:
        return seen, seen.face_index(None)
    except NoFaceError as error:
        return Skipped.because(error)


def _without_skipped(
    seen: Iterable[tuple[Portrait, int] | Skipped], skipped: list[Skipped]
) -> Iterator[tuple[Portrait, int]]:
    """The usable ones; the others are added to `skipped`."""
    for each in seen:
        if isinstance(each, Skipped):
            skipped.append(each)
        else:
            yield each


def _label(photo: PhotoLike) -> str:
    return photo.label if isinstance(photo, Photo) else os.fsdecode(photo)


def _check_born(born: Mapping[str, date], names: Sequence[str]) -> None:
    unknown = sorted(born.keys() - set(names))
    if unknown:
        raise OptionError(f"a birth date for {unknown[0]!r}: nobody is called so here")


def _of_no_use(skipped: Sequence[Skipped]) -> NoFaceError:
    why = skipped[0] if skipped else Skipped("nobody", "missing", "no photo was given")
    return NoFaceError(why.photo, f"{why.reason}; no photo was of use")


def _check_names(names: Sequence[str]) -> None:
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise OptionError(f"two people are called {twice[0]!r}: name them apart, NAME=PHOTO")

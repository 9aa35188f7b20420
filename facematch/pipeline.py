"""The main path: photos, faces, chips, vectors, scores. It reads top to bottom."""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np

from facematch.align import crop_faces, portraits
from facematch.archive import Findings, Sighting, by_person, closeness, findings_of, most_alike
from facematch.cache import FaceCache, Remembered
from facematch.card import Card
from facematch.errors import EmbeddingError, NoFaceError, OptionError, PhotoError, ResemblanceError
from facematch.family import Family, family_of
from facematch.landmarks import LandmarkLocator
from facematch.likeness import Likeness, person_warnings
from facematch.page import page
from facematch.photos import Limits, photo_digest, read_photo
from facematch.quality import is_same_picture, quality_warnings
from facematch.registry import load_detector, load_embedder
from facematch.resemblance import ResemblanceModel, model_for
from facematch.similarity import cosine_matrix, cosine_pairs, unit_rows
from facematch.timeline import Timeline, dated, timeline_of
from facematch.types import (
    Chips,
    Comparison,
    Detector,
    Embedder,
    Engine,
    Face,
    Gallery,
    Match,
    Person,
    Photo,
    Pixels,
    Scores,
    Skipped,
    Subject,
    Vectors,
)
from facematch.weights import KNOWN

T = TypeVar("T")
PhotoLike: TypeAlias = str | os.PathLike[str] | Photo

# The default smallest face fills 5 % of the long side; at this many pixels it has 100, which is
# more than the detector's 80 and enough for a chip.
_ENOUGH_PIXELS = 2000

_PORTRAIT, _CARD_PORTRAIT = 240, 640  # pixels, the side of a Person's portraits
_CANDIDATES = 20  # faces of an archive kept for each person asked for
_READERS = 2  # threads that decode, and photos they keep ready, reduced: 12 MB each, mostly
_BATCH = 32  # chips embedded at a time
_MOST_PAIRS = 2_000_000  # compared at a time: 60 MB


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A photo, the faces found in it, largest first and with landmarks, and one chip a face."""

    photo: Photo
    faces: tuple[Face, ...]
    chips: Chips

    def subjects(self) -> list[Subject]:
        """Each face as something to score, largest first."""
        return [self.subject(index) for index in range(len(self.faces))]

    def subject(self, index: int) -> Subject:
        """One face as something to score."""
        face = self.faces[index]
        x_min, y_min, x_max, y_max = (side / self.photo.scale for side in face.box)
        return Subject(
            photo=self.photo.label,
            box=(x_min, y_min, x_max, y_max),
            confidence=face.confidence,
            face=index + 1,
            faces_found=len(self.faces),
        )

    def face_index(self, number: int | None) -> int:
        """Where face `number` is in `faces`; None stands for the largest.

        Raises NoFaceError where there are not that many.
        """
        found = len(self.faces)
        if not found:
            raise NoFaceError(self.photo.label, self._no_face())
        if number is not None and not 1 <= number <= found:
            there_are = "1 face" if found == 1 else f"{found} faces"
            reason = f"there is no face {number}: {there_are} found, 1 being the largest"
            raise NoFaceError(self.photo.label, reason)
        return 0 if number is None else number - 1

    def _no_face(self) -> str:
        height, width = (round(side / self.photo.scale) for side in self.photo.pixels.shape[:2])
        smaller = max(max(width, height) // 40, 10)  # half the default
        return f"no face found ({width}x{height}): try --min-face {smaller}, or crop closer"


class FaceMatcher:
    """Tells how much a child looks like a parent.

    Built in no time: networks and weights are read when first needed, then kept. `detector` and
    `embedder` are registered names or back-ends of your own. `min_face` is the side, in pixels of
    the photo's file, of the smallest face worth finding; None stands for 5 % of the long side.
    """

    def __init__(
        self,
        *,
        detector: str | Detector = "mmod",
        embedder: str | Embedder = "kin",
        min_face: float | None = None,
        limits: Limits | None = None,
    ) -> None:
        if min_face is not None and not min_face >= 1:
            raise OptionError(f"the smallest face cannot have {min_face} pixels: try 20 or more")
        self.detector = load_detector(detector) if isinstance(detector, str) else detector
        self.embedder = load_embedder(embedder) if isinstance(embedder, str) else embedder
        self.min_face = min_face
        self.limits = Limits() if limits is None else limits
        self._landmarks = LandmarkLocator()

    def score(
        self,
        parent: PhotoLike,
        child: PhotoLike,
        *,
        parent_face: int | None = None,
        child_face: int | None = None,
    ) -> Match:
        """How much the child in one photo looks like the parent in the other.

        `parent_face` and `child_face` choose among several faces, 1 being the largest, which is
        taken where they are None. Raises a PhotoError that names the photo which cannot be used.
        """
        portraits = [self.find_faces(parent), self.find_faces(child)]
        chosen = [
            portrait.face_index(face)
            for portrait, face in zip(portraits, (parent_face, child_face), strict=True)
        ]
        chips = [portrait.chips[at] for portrait, at in zip(portraits, chosen, strict=True)]
        vectors = self.embedder.embed(np.stack(chips))
        warnings = [
            *_choice_warnings(portraits[0], parent_face, "--parent-face"),
            *_choice_warnings(portraits[1], child_face, "--child-face"),
            *_pair_warnings(portraits, chosen),
        ]
        subjects = [portrait.subject(at) for portrait, at in zip(portraits, chosen, strict=True)]
        return self._match(subjects, vectors, warnings)

    def faces(self, photos: Iterable[PhotoLike]) -> Iterator[Portrait | Skipped]:
        """The faces in each photo, in order; a photo that cannot be read is Skipped.

        Two threads decode ahead, two photos each and no more, so that memory stays bounded however
        many there are.
        """
        for photo in _ahead(photos, self._read_or_skip):
            yield photo if isinstance(photo, Skipped) else self._look(photo)

    def embed(self, portraits: Iterable[Portrait]) -> Vectors:
        """A vector for every face of every portrait, in order, embedded in batches.

        Shapes: N faces in all -> (N, D) float32, not unit. N may be 0.
        """
        none = np.empty((0, *self.embedder.frame.shape), np.uint8)
        chips = (chip for portrait in portraits for chip in portrait.chips)
        vectors = [self.embedder.embed(none)]
        while batch := list(islice(chips, _BATCH)):
            vectors.append(self.embedder.embed(np.stack(batch)))
        return np.concatenate(vectors)

    def gallery(self, photos: Iterable[PhotoLike], *, cache: Path | None = None) -> Gallery:
        """The largest face of each photo, embedded in batches across photos.

        Photos that cannot be read or show no face are in `skipped`; the rest goes on. `cache` is a
        file to keep what is found in, face templates included, and to look it up in. Raises
        CacheError where that file is no cache.
        """
        entries: list[tuple[str, Remembered | Skipped]] = []
        known = None if cache is None else FaceCache(cache, self._identity())
        try:
            found = self._remembered(photos, known)
            while batch := list(islice(found, _BATCH)):
                entries += self._embedded(batch, known)
        finally:
            if known is not None:
                known.close()
        return self._as_gallery(entries)

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
        self, parents: Sequence[Person], children: Sequence[Person], skipped: Sequence[Skipped] = ()
    ) -> Family:
        """As `family`, of people that `person` or `people` gave."""
        model = self._model()
        engine = Engine(self.detector.name, self.embedder.name, model.name)
        found = family_of(parents, children, model, engine)
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
        """All that `family`, `card` and `timeline` tell, as one page of HTML.

        Each child has a card with the parent ahead, and a chart where at least two of their photos
        are dated. Raises what they raise.
        """
        _check_born(born or {}, [*parents, *children])
        sides, skipped = self._sides(parents, children, portrait=_CARD_PORTRAIT)
        family = self.family_of(sides[0], sides[1], skipped)
        by_name = {person.name: person for person in sides[0]}
        cards, timelines = [], []
        for child in sides[1]:
            best = max((family.of(name, child.name) for name in by_name), key=_likeness_order)
            cards.append(Card(by_name[best.parent], child, best))
            if dated(child, dates or {}) > 1:
                timelines.append(self._timeline_of(sides[0], child, dates, born))
        return page(family, cards, timelines)

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
        archive: Iterable[PhotoLike],
        *,
        top: int = 10,
    ) -> Findings:
        """Who in an archive looks most like a child: every face of every photo, by person.

        `child` is one name and its photos, which are left out where the archive holds them too.
        Memory stays bounded however large the archive. Raises what `family` raises.
        """
        if len(child) != 1:
            raise OptionError(f"one child is searched for, not {len(child)}")
        model, identify = self._model(), load_embedder("dlib-resnet")
        [(name, photos)] = child.items()
        skipped: list[Skipped] = []
        shown = list(_without_skipped(map(_largest_of, self.faces(photos)), skipped))
        person = self.person(name, shown)
        if not shown:
            raise _of_no_use(skipped)
        known = identify.embed(np.stack([_chip(*each, identify) for each in shown]))
        looked = _Looked(self, person, model, identify)
        best, faces = most_alike(looked.sightings(archive), _CANDIDATES * top)
        none = np.empty((0, *identify.frame.shape), np.uint8)
        identities = identify.embed(np.stack([seen.chip for seen in best]) if best else none)
        groups = []
        for rows in by_person([seen.subject.photo for seen in best], identities):
            sightings = [best[at] for at in rows]
            groups.append((self._sighted(sightings), sightings, identities[rows]))
        return Findings(
            child=name,
            portrait=person.portrait,
            found=tuple(findings_of(groups, (person, known), model)[:top]),
            photos=looked.photos,
            faces=faces,
            engine=Engine(self.detector.name, self.embedder.name, model.name),
            warnings=tuple(person_warnings(person)),
            skipped=(*skipped, *looked.skipped),
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

    def match(
        self, parents: Gallery, children: Gallery, *, top: int | None = None
    ) -> Iterator[Comparison]:
        """Every child against every parent, some children at a time, so that memory stays bounded.

        With `top`, each child with the parents it looks most like, best first; by score, or by
        cosine where no resemblance model fits. Raises EmbeddingError for galleries of two spaces.
        """
        model = _model_for(parents, children)
        step = max(_MOST_PAIRS // max(len(parents.subjects), 1), 1)
        for start in range(0, len(children.subjects), step):
            some = children.vectors[start : start + step]
            cosines = cosine_matrix(parents.vectors, some)
            scores, ratios = (
                _unknown(cosines.shape)
                if model is None
                else model.compare(
                    parents.vectors, some, (parents.counts, children.counts[start : start + step])
                )
            )
            yield _comparison(start, cosines, scores, ratios, top)

    def match_pairs(self, parents: Gallery, children: Gallery) -> Comparison:
        """Row i of one gallery against row i of the other.

        Raises EmbeddingError for galleries of two spaces, or of different lengths.
        """
        model = _model_for(parents, children)
        cosines = cosine_pairs(parents.vectors, children.vectors)
        scores, ratios = (
            _unknown(cosines.shape)
            if model is None
            else model.compare_pairs(
                parents.vectors, children.vectors, (parents.counts, children.counts)
            )
        )
        rows = np.arange(len(cosines))
        return Comparison(rows, rows, cosines, scores, ratios)

    def find_faces(self, photo: PhotoLike) -> Portrait:
        """The faces in a photo, largest first, each with its landmarks and its chip.

        None found is no error here: `faces` is empty then.
        """
        photo = photo if isinstance(photo, Photo) else self.read(photo)
        least = None if self.min_face is None else self.min_face * photo.scale
        found = self.detector.detect(photo.pixels, min_face=least)
        landmarks = self._landmarks.locate(photo.pixels, [face.box for face in found])
        located = [
            replace(face, landmarks=points) for face, points in zip(found, landmarks, strict=True)
        ]
        faces = tuple(sorted(located, key=_area, reverse=True))
        return Portrait(photo, faces, crop_faces(photo.pixels, faces, self.embedder.frame))

    def read(self, path: str | os.PathLike[str]) -> Photo:
        """A photo with as many pixels as the smallest face worth finding needs."""
        enough = _ENOUGH_PIXELS if self.min_face is None else None
        return read_photo(path, min_side=enough, limits=self.limits)

    def _remembered(
        self, photos: Iterable[PhotoLike], known: FaceCache | None
    ) -> Iterator[_Found | Skipped]:
        """Each photo's largest face, from the cache or by looking; or why there is none."""
        for read in _ahead(photos, partial(self._recall, known=known)):
            found = self._look(read) if isinstance(read, Photo) else read
            yield _largest(found) if isinstance(found, Portrait) else found

    def _embedded(
        self, batch: Sequence[_Found | Skipped], known: FaceCache | None
    ) -> list[tuple[str, Remembered | Skipped]]:
        """A batch with its chips embedded at once, and kept where there is a cache."""
        chips = [each.chip for each in batch if isinstance(each, _Found) and each.chip is not None]
        vectors = iter(self.embedder.embed(np.stack(chips)) if chips else ())
        entries: list[tuple[str, Remembered | Skipped]] = []
        for each in batch:
            if isinstance(each, Skipped):
                entries.append((each.photo, each))
                continue
            entry = each.entry
            if each.chip is not None:
                entry = replace(entry, vector=next(vectors))
            if known is not None and each.is_new and each.digest:
                known.put(each.digest, entry)
            entries.append((each.photo, entry))
        return entries

    def _as_gallery(self, entries: Sequence[tuple[str, Remembered | Skipped]]) -> Gallery:
        usable, skipped = [], []
        for photo, entry in entries:
            if isinstance(entry, Skipped):
                skipped.append(entry)
            elif entry.vector is None:
                skipped.append(Skipped(photo, NoFaceError.code, entry.reason))
            else:
                usable.append((photo, entry, entry.vector))
        subjects = tuple(
            Subject(photo, entry.box, entry.confidence, face=1, faces_found=entry.faces_found)
            for photo, entry, _ in usable
        )
        vectors = np.stack([vector for *_, vector in usable]) if usable else self.embed([])
        warnings = tuple(entry.warnings for _, entry, _ in usable)
        space = self.embedder.space
        return Gallery(subjects, unit_rows(vectors), space, warnings, tuple(skipped))

    def _identity(self) -> str:
        """All that decides what is found in a photo: names, weights, settings, version."""
        from importlib.metadata import version

        weights = {name: known.sha256 for name, known in KNOWN.items()}
        identity = [
            version("facematch"),
            self.detector.name,
            self.embedder.space,
            self.min_face,
            weights,
        ]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()

    def _look(self, photo: Photo) -> Portrait | Skipped:
        try:
            return self.find_faces(photo)
        except OptionError as error:  # too small a least face for this photo
            return Skipped(photo.label, "option", str(error))

    def _recall(self, photo: PhotoLike, known: FaceCache | None) -> Photo | Skipped | _Found:
        """What the cache knows of a photo, else the photo itself."""
        if known is None or isinstance(photo, Photo):
            return self._read_or_skip(photo)
        try:
            digest = photo_digest(photo, limits=self.limits)
        except PhotoError as error:
            return _skipped(error)
        entry = known.get(digest)
        if entry is None:
            return self._read_or_skip(photo)
        return _Found(os.fsdecode(photo), digest, entry)

    def _read_or_skip(self, photo: PhotoLike) -> Photo | Skipped:
        if isinstance(photo, Photo):
            return photo
        try:
            return self.read(photo)
        except PhotoError as error:
            return _skipped(error)

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
        engine = Engine(self.detector.name, self.embedder.name, model.name)
        return timeline_of(parents, child, model, engine, known=dates or {}, born=born or {})

    def _sighted(self, sightings: Sequence[Sighting]) -> Person:
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

    def _match(
        self, subjects: Sequence[Subject], vectors: Vectors, warnings: Sequence[str]
    ) -> Match:
        parent, child = vectors[:1], vectors[1:]
        model = model_for(self.embedder.space)
        score = likelihood_ratio = interval = None
        if model is not None:
            away = model.distances_of_pairs(parent, child)
            scores, ratios = model.judge(away)
            score, likelihood_ratio = float(scores[0]), float(ratios[0])
            low, high = model.ratio_interval(away)[0].tolist()
            interval = (low, high)
        else:
            nothing = f"no resemblance model fits {self.embedder.name}: only the cosine is known"
            warnings = [*warnings, nothing]
        return Match(
            parent=subjects[0],
            child=subjects[1],
            cosine=float(cosine_pairs(parent, child)[0]),
            score=score,
            likelihood_ratio=likelihood_ratio,
            likelihood_ratio_interval=interval,
            engine=Engine(self.detector.name, self.embedder.name, model.name if model else None),
            warnings=tuple(dict.fromkeys(warnings)),  # of one photo given twice, once
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """The largest face of a photo, looked up or just seen: then its chip waits to be embedded."""

    photo: str
    digest: str
    entry: Remembered
    is_new: bool = False
    chip: Pixels | None = None


class _Looked:
    """Looks through an archive for a child's kin; counts its photos and keeps what was no use."""

    def __init__(
        self, matcher: FaceMatcher, child: Person, model: ResemblanceModel, identify: Embedder
    ) -> None:
        self._matcher, self._child, self._model, self._identify = matcher, child, model, identify
        self.photos = 0
        self.skipped: list[Skipped] = []

    def sightings(self, archive: Iterable[PhotoLike]) -> Iterator[Sighting]:
        """Every face, but those of the child's own photos."""
        for portrait in self._matcher.faces(archive):
            if isinstance(portrait, Skipped):
                self.skipped.append(portrait)
            elif portrait.photo.digest not in {*self._child.digests} - {""}:
                self.photos += 1
                yield from self._seen(portrait)

    def _seen(self, portrait: Portrait) -> Iterator[Sighting]:
        if not portrait.faces:
            return
        vectors = unit_rows(self._matcher.embedder.embed(portrait.chips))
        near = closeness(self._model, vectors, self._child)
        for at, vector in enumerate(vectors):
            yield Sighting(
                distance=float(near[at]),
                subject=portrait.subject(at),
                vector=vector,
                chip=_chip(portrait, at, self._identify),
                portrait=portraits(portrait.photo.pixels, [portrait.faces[at]], _PORTRAIT)[0],
                warnings=tuple(_face_warnings(portrait, at)),
            )


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
        warnings=tuple(_face_warnings(portrait, at)),
        digest=photo.digest,
        taken=photo.taken.date() if photo.taken else None,
        shown=portraits(photo.pixels, [portrait.faces[at]], side)[0],
        vector=vector,
    )


def _as_person(name: str, shots: Sequence[_Shot], skipped: Sequence[Skipped], space: str) -> Person:
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


def _largest_of(seen: Portrait | Skipped) -> tuple[Portrait, int] | Skipped:
    if isinstance(seen, Skipped):
        return seen
    try:
        return seen, seen.face_index(None)
    except NoFaceError as error:
        return _skipped(error)


def _without_skipped(
    seen: Iterable[tuple[Portrait, int] | Skipped], skipped: list[Skipped]
) -> Iterator[tuple[Portrait, int]]:
    """The usable ones; the others are added to `skipped`."""
    for each in seen:
        if isinstance(each, Skipped):
            skipped.append(each)
        else:
            yield each


def _largest(portrait: Portrait) -> _Found:
    label, digest = portrait.photo.label, portrait.photo.digest
    try:
        at = portrait.face_index(None)
    except NoFaceError as error:
        return _Found(label, digest, Remembered(reason=error.reason), is_new=True)
    subject = portrait.subject(at)
    entry = Remembered(
        box=subject.box,
        confidence=subject.confidence,
        faces_found=subject.faces_found,
        warnings=tuple(_face_warnings(portrait, at)),
    )
    return _Found(label, digest, entry, is_new=True, chip=portrait.chips[at])


def _ahead(photos: Iterable[PhotoLike], read: Callable[[PhotoLike], T]) -> Iterator[T]:
    """What `read` gives for each photo, in order, a few of them before they are asked for."""
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(_READERS, thread_name_prefix="facematch-read") as threads:
        for photo in photos:
            waiting.append(threads.submit(read, photo))
            if len(waiting) > _READERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _likeness_order(likeness: Likeness) -> tuple[float, float]:
    # Scores end at 99.9; beyond, the cosine goes on telling who is more alike.
    return likeness.score, likeness.cosine


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


def _skipped(error: PhotoError) -> Skipped:
    return Skipped(error.photo, error.code, error.reason)


def _model_for(parents: Gallery, children: Gallery) -> ResemblanceModel | None:
    if parents.space != children.space:
        raise EmbeddingError(
            f"vectors of {parents.space} and {children.space} cannot be compared: "
            "embed both with the same embedder"
        )
    return model_for(parents.space)


def _unknown(shape: tuple[int, ...]) -> tuple[Scores, Scores]:
    """Scores and likelihood ratios where no resemblance model fits."""
    return np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)


def _comparison(
    start: int, cosines: Scores, scores: Scores, ratios: Scores, top: int | None
) -> Comparison:
    """Pairs child by child: of each all parents in order, or the `top` of them, best first."""
    parents, children = cosines.shape
    order = np.tile(np.arange(parents), (children, 1))
    if top is not None:
        # Scores end at 99.9; beyond, the cosine goes on telling who is more alike.
        by = np.nan_to_num(scores, nan=0.0)
        order = np.lexsort((-cosines.T, -by.T), axis=1)[:, :top]
    rows, columns = order.ravel(), np.repeat(np.arange(children), order.shape[1])
    return Comparison(
        rows.astype(np.int64),
        columns.astype(np.int64) + start,
        cosines[rows, columns],
        scores[rows, columns],
        ratios[rows, columns],
    )


def _area(face: Face) -> float:
    x_min, y_min, x_max, y_max = face.box
    return (x_max - x_min) * (y_max - y_min)


def _choice_warnings(portrait: Portrait, face: int | None, option: str) -> list[str]:
    found = len(portrait.faces)
    if face is not None or found == 1:
        return []
    return [f"{portrait.photo.label}: {found} faces, the largest was taken; {option} chooses"]


def _face_warnings(portrait: Portrait, at: int) -> list[str]:
    return quality_warnings(portrait.faces[at], portrait.chips[at], scale=portrait.photo.scale)


def _pair_warnings(portraits: Sequence[Portrait], chosen: Sequence[int]) -> list[str]:
    """What about the two chosen faces makes the score less sure."""
    warnings = [
        f"{portrait.photo.label}: {phrase}"
        for portrait, at in zip(portraits, chosen, strict=True)
        for phrase in _face_warnings(portrait, at)
    ]
    one, other = (portrait.photo for portrait in portraits)
    if one is other or (one.digest and one.digest == other.digest):
        if chosen[0] == chosen[1]:
            same = (
                "parent and child are the same face: --parent-face or --child-face chooses another"
            )
            return [*warnings, same]
    elif not is_same_picture(one.pixels, other.pixels):
        return warnings
    warnings.append(
        "both faces come from one photograph, whose light and colours make them more alike"
    )
    return warnings

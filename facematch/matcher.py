"""FaceMatcher: everything facematch can tell, as methods of one object.

A facade: each method calls one function of a package below with the Engine.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from facematch.analyses.ages import with_ages
from facematch.analyses.pair import score
from facematch.engine import OnPhoto, open_engine
from facematch.errors import OptionError
from facematch.photos.limits import Limits
from facematch.scoring.cohort import Cohort, read_cohort
from facematch.types import (
    Comparison,
    Detector,
    Embedder,
    Gallery,
    Match,
    PhotoLike,
    PhotosLike,
    Portrait,
    Skipped,
    Vectors,
)

if TYPE_CHECKING:
    from facematch.analyses.card import Card
    from facematch.analyses.explain import Explanation
    from facematch.analyses.family import Family
    from facematch.analyses.find import Findings
    from facematch.analyses.timeline import Timeline
    from facematch.archive.changes import IndexingOptions
    from facematch.archive.index import Index
    from facematch.archive.indexing import IndexingReport, OnIndexingProgress
    from facematch.enrolment.people import NamedPhotos
    from facematch.photos.dates import Span
    from facematch.video.both import ClipRoles
    from facematch.video.clip import Clip
    from facematch.video.reader import ClipLimits
    from facematch.video.search import OnProgress


class FaceMatcher:
    """Tells how much a child looks like a parent.

    It is built in no time: networks and weights are read when they are first needed. `detector` and
    `embedder` are registered names or objects of your own. `min_face` is the side, in pixels of the
    photo's file, of the smallest face to find; None stands for 5 % of the long side and at
    least 24. With `isolate` photos are decoded in processes of their own, so that a decoder that
    crashes or hangs costs one photo: see docs/formats-and-limits.md.

    `cache` is a file that keeps what is found in photos, face templates included; `index` is the
    place of an index. A photo that one of them knows is not searched again. `cohort`, or the file
    it was saved to, holds strangers of your own, of whom scores are percentiles then: see
    `cohort` below. `progress` is called with the label of each photo of a person, a gallery or an
    archive once it is searched; an error that it raises stops the work.

    Raises OptionError where a cache and an index are given, ArchiveError where there is no such
    index, ResemblanceError for a file that holds no cohort.
    """

    def __init__(
        self,
        *,
        detector: str | Detector = "mmod",
        embedder: str | Embedder = "kin",
        min_face: float | None = None,
        limits: Limits | None = None,
        isolate: bool = False,
        cache: str | os.PathLike[str] | None = None,
        index: str | os.PathLike[str] | None = None,
        cohort: Cohort | str | os.PathLike[str] | None = None,
        progress: OnPhoto | None = None,
    ) -> None:
        self.engine = open_engine(
            detector=detector, embedder=embedder, min_face=min_face, limits=limits, isolate=isolate
        )
        self.engine = replace(self.engine, progress=progress)
        if cache is not None and index is not None:
            raise OptionError("a cache or an index tells what is known of photos: name one of them")
        if cache is not None:
            from facematch.enrolment.cache import FaceCache

            self.engine = replace(self.engine, store=FaceCache(cache, self.engine))
        if index is not None:
            self.engine = replace(self.engine, store=self.open_index(index))
        if cohort is not None:
            known = cohort if isinstance(cohort, Cohort) else read_cohort(cohort)
            self.engine = replace(self.engine, cohort=known)

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
        return score(self.engine, parent, child, parent_face=parent_face, child_face=child_face)

    def explain(
        self,
        parent: PhotoLike,
        child: PhotoLike,
        *,
        parent_face: int | None = None,
        child_face: int | None = None,
    ) -> Explanation:
        """Which parts of the two faces carry their likeness; photos and faces as in `score`."""
        from facematch.analyses.explain import explain

        return explain(self.engine, parent, child, parent_face=parent_face, child_face=child_face)

    def find_faces(self, photo: PhotoLike, *, ages: bool = False) -> Portrait:
        """The faces in a photo, largest first, each with its landmarks and its chip.

        With `ages`, each face has its estimated age, where a resemblance model fits the embedder.
        A photo without a face gives a Portrait whose `faces` are empty.
        """
        portrait = self.engine.find_faces(photo)
        return with_ages(self.engine, portrait) if ages else portrait

    def faces(self, photos: PhotosLike) -> Iterator[Portrait | Skipped]:
        """The faces in each photo, in order; a photo that cannot be read is Skipped."""
        from facematch.enrolment.gallery import faces

        return faces(self.engine, photos)

    def embed(self, portraits: Iterable[Portrait]) -> Vectors:
        """A vector for every face of every portrait. Shapes: N faces in all -> (N, D) float32."""
        from facematch.enrolment.gallery import embed

        return embed(self.engine, portraits)

    def gallery(self, photos: PhotosLike, *, on: str | None = None) -> Gallery:
        """The largest face of each photo; photos without a usable face are in `skipped`.

        `on` says where to work, "ray" or "ray:ADDRESS": see docs/archives.md.
        """
        from facematch.enrolment.gallery import gallery

        return gallery(self.engine, photos, on=on)

    def galleries(self, photos: PhotosLike, *, on: str | None = None) -> Iterator[Gallery]:
        """As `gallery`, some photos at a time, so that a long run can write what is done."""
        from facematch.enrolment.gallery import galleries

        return galleries(self.engine, photos, on=on)

    def cohort(self, photos: PhotosLike) -> Cohort:
        """A cohort of all faces in some photos, which should be of different people.

        Raises ResemblanceError for fewer than 30 faces. Photos that cannot be used are left out.
        """
        from facematch.enrolment.cohort import cohort_of_photos

        return cohort_of_photos(self.engine, photos)

    def match(
        self, parents: Gallery, children: Gallery, *, top: int | None = None
    ) -> Iterator[Comparison]:
        """Every child against every parent, some children at a time; memory stays bounded.

        With `top`, each child with the parents it looks most like, best first.
        """
        from facematch.scoring.matching import match

        return match(parents, children, top=top, model=self.engine.resemblance)

    def match_pairs(self, parents: Gallery, children: Gallery) -> Comparison:
        """Row i of one gallery against row i of the other."""
        from facematch.scoring.matching import match_pairs

        return match_pairs(parents, children, model=self.engine.resemblance)

    def match_index(
        self, index: Index, children: Gallery, *, top: int = 10
    ) -> tuple[Gallery, Comparison]:
        """Every child against everyone in an index in the parent's place, the `top` of each."""
        from facematch.archive.search import match_index

        return match_index(self.engine, index, children, top=top)

    def family(self, parents: NamedPhotos, children: NamedPhotos) -> Family:
        """Who looks like whom; both name people, each with photos.

        Raises NoFaceError where no parent or no child has a usable photo.
        """
        from facematch.analyses.family import family

        return family(self.engine, parents, children)

    def family_in_photo(
        self, photo: PhotoLike, parents: Mapping[str, int], children: Mapping[str, int]
    ) -> Family:
        """Who looks like whom in one photograph; both name people with the number of their face."""
        from facematch.analyses.family import family_in_photo

        return family_in_photo(self.engine, photo, parents, children)

    def timeline(
        self,
        parents: NamedPhotos,
        child: NamedPhotos,
        *,
        dates: Mapping[str, date] | None = None,
        born: Mapping[str, date] | None = None,
    ) -> Timeline:
        """How much a child, one name and its photos, looks like each parent over time.

        `dates` says when photos were taken, by path or file name; `born` who was born when.
        """
        from facematch.analyses.timeline import Days, timeline

        return timeline(self.engine, parents, child, Days(dates or {}, born or {}))

    def card(self, parent: NamedPhotos, child: NamedPhotos) -> Card:
        """A parent and a child, one name each with its photos, on a card."""
        from facematch.analyses.card import card

        return card(self.engine, parent, child)

    def report(
        self,
        parents: NamedPhotos,
        children: NamedPhotos,
        *,
        dates: Mapping[str, date] | None = None,
        born: Mapping[str, date] | None = None,
    ) -> str:
        """All that `family`, `card`, `timeline` and `explain` tell, as one page of HTML."""
        from facematch.analyses.report import report
        from facematch.analyses.timeline import Days
        from facematch.output.html import as_html

        return as_html(report(self.engine, parents, children, Days(dates or {}, born or {})))

    def find(
        self,
        child: NamedPhotos,
        archive: PhotosLike | Index,
        *,
        top: int = 10,
        days: Span | None = None,
        older: bool = False,
        born: date | None = None,
    ) -> Findings:
        """Who in some photos, or in an index, looks most like a child, one name and its photos.

        Only photos of these `days` count; with `older`, only those from before the child was
        `born`, or from before its first dated photo.
        """
        from facematch.analyses.find import FindOptions, find
        from facematch.archive.find import find_in_index
        from facematch.archive.index import Index
        from facematch.photos.dates import Span

        options = FindOptions(top, days or Span(), older, born)
        if isinstance(archive, Index):
            return find_in_index(self.engine, child, archive, options)
        return find(self.engine, child, archive, options)

    def video(
        self,
        clip: str | os.PathLike[str],
        parents: NamedPhotos | None = None,
        *,
        roles: ClipRoles | None = None,
        limits: ClipLimits | None = None,
        on_progress: OnProgress | None = None,
    ) -> Clip:
        """Who is in a clip, and how much each looks like the parents, a name to photos each.

        With `roles` in the place of parents, the children of the clip are compared with the parents
        in it: `ClipRoles()` takes adults, by their estimated age, for parents. `on_progress` is
        given the share that is done; where it gives False, the search stops.
        """
        from facematch.video.search import search_clip

        return search_clip(
            self.engine, clip, parents, roles=roles, limits=limits, on_progress=on_progress
        )

    def open_index(self, place: str | os.PathLike[str], *, make: bool = False) -> Index:
        """The index in that place; with `make`, a new one where there is none.

        Raises ArchiveError where there is none, or where another engine made it.
        """
        from facematch.archive.indexing import open_index

        return open_index(self.engine, place, make=make)

    def index_photos(
        self,
        photos: Sequence[str],
        index: Index,
        *,
        options: IndexingOptions | None = None,
        on_progress: OnIndexingProgress | None = None,
        on: str | None = None,
    ) -> IndexingReport:
        """Bring an index up to date with some photos; whatever else it holds stays."""
        from facematch.archive.indexing import index_photos

        return index_photos(
            self.engine, photos, index, options=options, on_progress=on_progress, on=on
        )

"""An archive of photos into an index of faces, as a method of FaceMatcher.

A second run looks only at what is new or changed. A photo's file is taken for unchanged while its
time and size are, unless its content is asked for too.
"""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain

import numpy as np

from facematch.analyses.find import IDENTITY
from facematch.archive.index import Index, IndexedFace, IndexedPhoto, PhotoRecord
from facematch.detection.alignment import crop_faces
from facematch.detection.quality import face_warnings, sharpness
from facematch.embedding.registry import load_embedder
from facematch.errors import NoFaceError, PhotoError
from facematch.photos.dates import date_of
from facematch.photos.limits import Limits
from facematch.photos.reading import photo_digest, photos_in
from facematch.runtime.distributed import distribute
from facematch.scoring.cosine import unit_rows
from facematch.scoring.resemblance import ResemblanceModel, comparable, model_for
from facematch.types import Detector, Embedder, EngineNames, PhotoLike, Portrait, Skipped, Vectors
from facematch.weights.catalogue import engine_weights

_BATCH = 64  # photos kept in one commit: what is lost at most when the run dies
_COMMITS_PER_OPTIMIZE = 256  # commits: each leaves a file, and lists all before it


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed among some photos since an index saw them.

    `new` are to be looked at; `moved` have the content of a photo that the index holds: renamed,
    copied, or only written again. `gone` are out of date: files no more, or in `new` again.
    """

    new: tuple[str, ...]
    moved: dict[str, PhotoRecord]
    gone: tuple[str, ...]
    unchanged: int


@dataclass(slots=True)
class IndexingReport:
    """What a run did, in photos; `faces` are those it found, `failed` why photos gave none."""

    looked_at: int = 0
    faces: int = 0
    moved: int = 0
    gone: int = 0
    unchanged: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)


class Indexing(ABC):
    """How a FaceMatcher fills an index."""

    detector: Detector
    embedder: Embedder
    min_face: float | None

    @property
    @abstractmethod
    def engine(self) -> EngineNames:
        """The names of the parts that make a score."""

    @abstractmethod
    def faces(self, photos: Iterable[PhotoLike]) -> Iterator[Portrait | Skipped]:
        """The faces in each photo, in order."""

    @property
    def made_with(self) -> dict[str, str]:
        """All that decides what an index holds of a photo: two that differ never share one."""
        weights = "".join(engine_weights(self.embedder.space))
        return {
            "detector": self.detector.name,
            "embedder": self.embedder.space,
            "resemblance": self.engine.resemblance or "none",
            "min-face": "5 %" if self.min_face is None else f"{self.min_face:g}",
            "weights": hashlib.sha256(weights.encode()).hexdigest()[:8],
        }

    def new_index(self, where: str | os.PathLike[str]) -> Index:
        """The index in that place for this engine, made where there is none.

        Raises ArchiveError where another engine made it.
        """
        model = self._model_of_space
        vector, identity = (
            int(each.embed(np.empty((0, *each.frame.shape), np.uint8)).shape[1])
            for each in (self.embedder, self._identify)
        )
        searched = vector if model is None else model.transform.shape[1]
        return Index.make(where, self.made_with, (vector, identity, searched))

    def open_index(self, where: str | os.PathLike[str]) -> Index:
        """The index in that place. Raises ArchiveError: there is none, or of another engine."""
        return Index(where, self.made_with)

    def index(
        self,
        photos: Sequence[str],
        where: Index,
        *,
        within: Collection[str] = (),
        verify: bool = False,
        retry: bool = False,
        watch: Callable[[Iterable[IndexedPhoto], int], Iterable[IndexedPhoto]] | None = None,
        on: str | None = None,
    ) -> IndexingReport:
        """Bring an index up to date with some photos; whatever else it holds stays.

        `within` are folders: photos in them that are files no more are taken out. `verify` compares
        contents, not times and sizes; `retry` looks again at those that failed. `watch` is called
        with the photos as they are seen, and how many there will be. `on` is where to look at them,
        "ray" or "ray:ADDRESS": see cluster.py; they are written here, in the same order. Whoever
        interrupts it loses a batch of photos, which the next run looks at.
        """
        photos = list(dict.fromkeys(os.path.abspath(photo) for photo in photos))
        with where.writing():
            changes = changes_of(where, photos, within=within, verify=verify, retry=retry)
            told = IndexingReport(unchanged=changes.unchanged)
            carried = where.carry(changes.moved)
            told.moved = len(carried)
            told.gone = len(set(changes.gone) - set(changes.new))
            lost = changes.moved.keys() - carried  # two changed names, and one was written first
            where.remove([*changes.gone, *lost])
            new = [*changes.new, *sorted(lost)]
            seen: Iterable[IndexedPhoto] = chain.from_iterable(distribute(self.look, new, on=on))
            keep(watch(seen, len(new)) if watch else seen, where, told)
            where.optimize()
        return told

    def look(self, photos: Iterable[str]) -> Iterator[IndexedPhoto]:
        """Each photo as an index keeps it, in order: nothing but the photo decides what is seen."""
        files: list[tuple[str, int, int]] = []

        def noted() -> Iterator[str]:
            for photo in photos:
                files.append((photo, *_file(photo)))  # before it is read: a later change is seen
                yield photo

        for portrait in self.faces(noted()):
            yield self._seen(portrait, *files.pop(0))

    def _seen(
        self, found: Portrait | Skipped, photo: str, size: int, modified: int
    ) -> IndexedPhoto:
        if isinstance(found, Skipped):
            digest = _digest(photo, Limits())
            return IndexedPhoto(photo, digest, size, modified, code=found.code, reason=found.reason)
        seen = IndexedPhoto(photo, found.photo.digest, size, modified)
        try:
            found.face_index(None)
        except NoFaceError as error:
            return replace(seen, code=error.code, reason=error.reason)
        day = date_of(photo, found.photo.day, {})
        return replace(seen, taken=day, faces=self._seen_faces(found))

    def _seen_faces(self, portrait: Portrait) -> tuple[IndexedFace, ...]:
        vectors = self.embedder.embed(portrait.chips)
        frame = self._identify.frame
        identities = self._identify.embed(crop_faces(portrait.photo.pixels, portrait.faces, frame))
        searched = self.comparable(vectors)
        return tuple(
            IndexedFace(
                subject=portrait.subject(at),
                landmarks=np.asarray(face.landmarks, np.float32) / np.float32(portrait.photo.scale),
                warnings=tuple(face_warnings(portrait, at)),
                sharpness=sharpness(portrait.chips[at]),
                vector=vectors[at],
                identity=identities[at],
                comparable=searched[at],
            )
            for at, face in enumerate(portrait.faces)
        )

    def comparable(self, vectors: Vectors) -> Vectors:
        """What likeness is searched by, (N, K) unit rows."""
        model = self._model_of_space
        if model is None:
            return unit_rows(vectors)
        return np.asarray(comparable(vectors, model.mean, model.transform), np.float32)

    @property
    def _model_of_space(self) -> ResemblanceModel | None:
        return model_for(self.embedder.space)

    @cached_property
    def _identify(self) -> Embedder:
        return load_embedder(IDENTITY)


def keep(seen: Iterable[IndexedPhoto], where: Index, told: IndexingReport) -> None:
    """Write photos that the index does not hold yet, in batches, and count them in `told`."""
    batch: list[IndexedPhoto] = []
    try:
        for number, each in enumerate(seen, start=1):
            batch.append(each)
            if len(batch) == _BATCH:
                _commit(batch, where, told)
                batch = []
            if number % (_BATCH * _COMMITS_PER_OPTIMIZE) == 0:
                where.optimize()
    finally:  # whoever stops it keeps what is done
        _commit(batch, where, told)


def _commit(batch: Sequence[IndexedPhoto], where: Index, told: IndexingReport) -> None:
    refused = {each.photo: why for each in batch if (why := _refused(each))}
    kept = [each for each in batch if each.photo not in refused]
    where.add(kept)
    told.skipped += refused.values()
    for each in kept:
        _count(each, told)


def changes_of(
    where: Index,
    photos: Sequence[str],
    *,
    within: Collection[str] = (),
    verify: bool = False,
    retry: bool = False,
) -> Changes:
    """What has changed among photos, absolute paths, since the index saw them; see `index`."""
    files = {photo: _file(photo) for photo in photos}
    folders = tuple(os.path.join(os.path.abspath(each), "") for each in within)
    fresh: set[str] = set()
    gone: set[str] = set()
    for known in where.known():
        photo = known.photo
        if photo not in files:
            if photo.startswith(folders) and not os.path.exists(photo):
                gone.add(photo)
        elif _is_fresh(known, files[photo], verify) and not (known.failed and retry):
            fresh.add(photo)
        else:
            gone.add(photo)
    fresh -= gone  # one that died while writing left both: looked at anew
    changed = [photo for photo in files if photo not in fresh]
    moved = _moved(where, {photo: files[photo] for photo in changed}, retry)
    return Changes(
        new=tuple(photo for photo in changed if photo not in moved),
        moved=moved,
        gone=tuple(sorted(gone - moved.keys())),
        unchanged=len(fresh),
    )


def differences(where: Index, *, verify: bool = False) -> Iterator[tuple[str, str]]:
    """Photos of an index whose files are not what they were, each with "missing" or "changed"."""
    for known in where.known():
        file = _file(known.photo)
        if file == (-1, -1):
            yield known.photo, "missing"
        elif not _is_fresh(known, file, verify):
            yield known.photo, "changed"


def unknown(where: Index, photos: Sequence[str | os.PathLike[str]]) -> list[str | os.PathLike[str]]:
    """Those of the photos and folders that are neither there nor, by name, in an index."""
    known = [each.photo for each in where.known()]

    def is_known(name: str) -> bool:
        return any(each == name or each.startswith(os.path.join(name, "")) for each in known)

    return [
        each for each in photos if not os.path.exists(each) and not is_known(os.path.abspath(each))
    ]


def forget(where: Index, photos: Sequence[str | os.PathLike[str]]) -> int:
    """Take photos, or all of some folders, out of an index for good; gives the faces gone.

    Rows go by the photos' names, whether or not there still are files, and by their content.
    """
    names = {os.path.abspath(photo) for photo in photos}
    folders = tuple(os.path.join(name, "") for name in names)
    theirs = {
        known.photo for known in where.known() if known.photo in names or
        known.photo.startswith(folders)
    }  # fmt: skip
    files = [file for photo in photos if os.path.exists(photo) for file in photos_in(photo)]
    with where.writing():
        return where.forget(theirs, {_digest(file) for file in files} - {""})


def _is_fresh(known: PhotoRecord, file: tuple[int, int], verify: bool) -> bool:
    if file != (known.bytes, known.modified):
        return False
    return not verify or _digest(known.photo) == known.digest


def _moved(where: Index, files: dict[str, tuple[int, int]], retry: bool) -> dict[str, PhotoRecord]:
    """Those of the files whose content the index holds. Only files of a known size are read."""
    sizes = {size for size, _ in files.values()}
    digests: dict[int, set[str]] = {}
    if files:
        for known in where.known():
            if known.bytes in sizes and known.digest and not (known.failed and retry):
                digests.setdefault(known.bytes, set()).add(known.digest)
    moved = {}
    for photo, (size, modified) in files.items():
        if size not in digests or not _is_text(photo):
            continue
        if (digest := _digest(photo)) in digests[size]:
            moved[photo] = PhotoRecord(photo, digest, size, modified, failed=False)
    return moved


def _file(photo: str) -> tuple[int, int]:
    """Size and time of a file, in bytes and nanoseconds; -1 where there is none."""
    try:
        status = os.stat(photo)
    except (OSError, ValueError):  # ValueError: a null character in the name
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _digest(photo: str, limits: Limits | None = None) -> str:
    try:
        return photo_digest(photo, limits=limits)
    except PhotoError:
        return ""


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refused(seen: IndexedPhoto) -> Skipped | None:
    """Why a photo cannot be kept: there is no file, or its name cannot be written."""
    if not _is_text(seen.photo):
        return Skipped(seen.photo, "name", "its name is no text: rename it")
    return Skipped(seen.photo, seen.code, seen.reason) if seen.bytes < 0 else None


def _count(seen: IndexedPhoto, told: IndexingReport) -> None:
    told.looked_at += 1
    told.faces += len(seen.faces)
    if not seen.faces:
        told.failed[seen.code] = told.failed.get(seen.code, 0) + 1

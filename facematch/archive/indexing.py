"""Photos into an index of faces.

A second run searches only the photos that are new or have changed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

import numpy as np

from facematch.archive.changes import IndexingOptions, changes_of, digest_of, file_state, is_text
from facematch.archive.index import Index, searched_vectors
from facematch.archive.records import IndexedFace, IndexedPhoto
from facematch.detection.alignment import crop_faces
from facematch.detection.quality import face_warnings, sharpness
from facematch.embedding.photographs import embed_with_warnings
from facematch.engine import Engine
from facematch.enrolment.gallery import faces
from facematch.errors import NoFaceError
from facematch.photos.dates import date_of
from facematch.photos.limits import Limits
from facematch.runtime.distributed import distribute
from facematch.types import Portrait, Skipped

PHOTOS_PER_COMMIT = 64  # a run that dies loses at most these
_COMMITS_PER_OPTIMIZE = 256  # each commit adds a file that lists all earlier ones


@dataclass(slots=True)
class IndexingReport:
    """What a run did, in photos; `faces` are those it found, `failed` why photos gave none."""

    searched: int = 0
    faces: int = 0
    moved: int = 0
    gone: int = 0
    unchanged: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)


OnIndexingProgress = Callable[[Iterable[IndexedPhoto], int], Iterable[IndexedPhoto]]


def engine_identity(engine: Engine) -> dict[str, str]:
    """All that decides what an index holds of a photo: two that differ never share an index."""
    weights = "".join(engine.weight_digests)
    return {
        "detector": engine.detector.name,
        "embedder": engine.embedder.space,
        "resemblance": engine.names.resemblance or "none",
        "min-face": "5 %" if engine.min_face is None else f"{engine.min_face:g}",
        "weights": hashlib.sha256(weights.encode()).hexdigest()[:8],
    }


def open_index(engine: Engine, place: str | os.PathLike[str], *, make: bool = False) -> Index:
    """The index of this engine in that place; with `make`, a new one where there is none.

    Raises ArchiveError where there is none, or where another engine made it.
    """
    if not make:
        return Index(place, engine_identity(engine))
    vector, identity = (
        int(embedder.embed(np.empty((0, *embedder.frame.shape), np.uint8)).shape[1])
        for embedder in (engine.embedder, engine.identity_embedder)
    )
    model = engine.resemblance
    comparable = vector if model is None else model.transform.shape[1]
    return Index.make(place, engine_identity(engine), (vector, identity, comparable))


def index_photos(
    engine: Engine,
    photos: Sequence[str],
    index: Index,
    *,
    options: IndexingOptions | None = None,
    on_progress: OnIndexingProgress | None = None,
    on: str | None = None,
) -> IndexingReport:
    """Bring an index up to date with some photos; whatever else it holds stays.

    `on_progress` is given the photos as they are searched, and how many there will be; it gives
    them on. `on` says where to search, "ray" or "ray:ADDRESS"; this process writes, in the same
    order. A run that is interrupted loses at most one batch of photos, which the next run searches.
    """
    options = IndexingOptions() if options is None else options
    photos = list(dict.fromkeys(os.path.abspath(photo) for photo in photos))
    with index.writing():
        changes = changes_of(index, photos, options)
        report = IndexingReport(unchanged=changes.unchanged)
        carried = index.carry(changes.moved)
        report.moved = len(carried)
        report.gone = len(set(changes.gone) - set(changes.new))
        lost = changes.moved.keys() - carried  # two changed names, and one was written first
        index.remove([*changes.gone, *lost])
        new = [*changes.new, *sorted(lost)]
        searched: Iterable[IndexedPhoto] = chain.from_iterable(
            distribute(partial(search_photos, engine), new, on=on)
        )
        write_photos(on_progress(searched, len(new)) if on_progress else searched, index, report)
        index.optimize()
    return report


def search_photos(engine: Engine, photos: Iterable[str]) -> Iterator[IndexedPhoto]:
    """Each photo as an index holds it, in order; nothing but the photo decides what is found."""
    files: list[tuple[str, int, int]] = []

    def with_files() -> Iterator[str]:
        for photo in photos:
            files.append(
                (photo, *file_state(photo))
            )  # before it is read: a later change is noticed
            yield photo

    for found in faces(engine, with_files()):
        yield _indexed_photo(engine, found, *files.pop(0))


def _indexed_photo(
    engine: Engine, found: Portrait | Skipped, photo: str, size: int, modified: int
) -> IndexedPhoto:
    if isinstance(found, Skipped):
        digest = digest_of(photo, Limits())
        return IndexedPhoto(photo, digest, size, modified, code=found.code, reason=found.reason)
    indexed = IndexedPhoto(photo, found.photo.digest, size, modified)
    try:
        found.face_index(None)
    except NoFaceError as error:
        return replace(indexed, code=error.code, reason=error.reason)
    day = date_of(photo, found.photo.day, {})
    return replace(indexed, taken=day, faces=_indexed_faces(engine, found))


def _indexed_faces(engine: Engine, portrait: Portrait) -> tuple[IndexedFace, ...]:
    identify = engine.identity_embedder
    vectors, warnings = embed_with_warnings(engine.embedder, portrait.chips)
    chips = crop_faces(portrait.photo.pixels, portrait.faces, identify.frame)
    identities = identify.embed(chips)
    comparable = searched_vectors(engine.resemblance, vectors)
    return tuple(
        IndexedFace(
            subject=portrait.subject(row),
            landmarks=np.asarray(face.landmarks, np.float32) / np.float32(portrait.photo.scale),
            warnings=(*face_warnings(portrait, row), *warnings[row]),
            sharpness=sharpness(portrait.chips[row]),
            vector=vectors[row],
            identity=identities[row],
            comparable=comparable[row],
        )
        for row, face in enumerate(portrait.faces)
    )


def write_photos(photos: Iterable[IndexedPhoto], index: Index, report: IndexingReport) -> None:
    """Write photos that the index does not hold yet, in batches, and count them in `report`."""
    batch: list[IndexedPhoto] = []
    try:
        for number, photo in enumerate(photos, start=1):
            batch.append(photo)
            if len(batch) == PHOTOS_PER_COMMIT:
                _commit(batch, index, report)
                batch = []
            if number % (PHOTOS_PER_COMMIT * _COMMITS_PER_OPTIMIZE) == 0:
                index.optimize()
    finally:  # a run that is stopped keeps what is done
        _commit(batch, index, report)


def _commit(batch: Sequence[IndexedPhoto], index: Index, report: IndexingReport) -> None:
    refused = {photo.photo: why for photo in batch if (why := _refused(photo))}
    kept = [photo for photo in batch if photo.photo not in refused]
    index.add(kept)
    report.skipped += refused.values()
    for photo in kept:
        report.searched += 1
        report.faces += len(photo.faces)
        if not photo.faces:
            report.failed[photo.code] = report.failed.get(photo.code, 0) + 1


def _refused(seen: IndexedPhoto) -> Skipped | None:
    """Why a photo cannot be kept: there is no file, or its name cannot be written."""
    if not is_text(seen.photo):
        return Skipped(seen.photo, "name", "its name is no text: rename it")
    return Skipped(seen.photo, seen.code, seen.reason) if seen.bytes < 0 else None

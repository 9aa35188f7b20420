"""Many photos to a Gallery: read ahead, find faces, embed in batches, with what a store knows."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TypeVar

import numpy as np

from facematch.detection.largest import LargestFirst
from facematch.detection.quality import face_warnings
from facematch.embedding.photographs import embed_with_warnings
from facematch.engine import Engine
from facematch.errors import NoFaceError, OptionError, PhotoError
from facematch.photos.given import is_path, several
from facematch.photos.reading import photo_digest
from facematch.runtime.distributed import distribute
from facematch.runtime.threads import cores, take_threads
from facematch.types import (
    Gallery,
    Photo,
    PhotoLike,
    PhotosLike,
    Pixels,
    Portrait,
    Skipped,
    StoredFace,
    Subject,
    Vectors,
    unit_rows,
)

T = TypeVar("T")
R = TypeVar("R")

_READING_THREADS = 2  # each keeps one photo ready: reduced, most have 12 MB
_MOST_SEARCHES = 4  # photos searched at a time; each takes up to 250 MB
CHIPS_PER_BATCH = 32  # chips embedded at a time

_Entry = tuple[str, StoredFace | Skipped]  # a photo's label, and its largest face


def faces(
    engine: Engine, photos: PhotosLike, *, largest: bool = False
) -> Iterator[Portrait | Skipped]:
    """The faces in each photo, in order; a photo that cannot be read is Skipped.

    With `largest`, only the largest face of each photo and those that compete with it, see
    `Engine.find_largest`. Two threads decode ahead, two photos each and no more, and a few photos
    are searched at a time, so memory stays bounded. The engine's store, if there is one, keeps
    where the faces are. Raises CacheError for a file that is no cache.
    """
    find = partial(engine.find_largest if largest else engine.find_faces, keep=True)

    def search(read: Photo | Skipped) -> Portrait | Skipped:
        return read if isinstance(read, Skipped) else _find_or_skip(find, read)

    with _store_closed_after(engine):
        read = _ahead(several(photos), partial(_read_or_skip, engine), _READING_THREADS)
        for found in _searched(engine, read, search):
            yield found
            _tell(engine, found.photo if isinstance(found, Skipped) else found.photo.label)


def _tell(engine: Engine, photo: str) -> None:
    """Call the engine's `progress` with the label of a photo that is done."""
    if engine.progress is not None:
        engine.progress(photo)


def embed(engine: Engine, portraits: Iterable[Portrait]) -> Vectors:
    """A vector for every face of every portrait, in order, embedded in batches.

    Shapes: N faces in all -> (N, D) float32, not unit. N may be 0.
    """
    no_chips = np.empty((0, *engine.embedder.frame.shape), np.uint8)
    chips = (chip for portrait in portraits for chip in portrait.chips)
    vectors = [engine.embedder.embed(no_chips)]
    while batch := list(islice(chips, CHIPS_PER_BATCH)):
        vectors.append(engine.embedder.embed(np.stack(batch)))
    return np.concatenate(vectors)


def gallery(engine: Engine, photos: PhotosLike, *, on: str | None = None) -> Gallery:
    """The largest face of each photo, embedded in batches across photos.

    Photos that cannot be read or show no face are in `skipped`; the rest goes on. `on` says where
    to work, "ray" or "ray:ADDRESS". Raises CacheError where the engine's store is no cache,
    OptionError for a store together with `on`, ClusterError where there is no cluster.
    """
    parts = list(galleries(engine, photos, on=on))
    return Gallery.joined(parts) if parts else _as_gallery(engine, [])


def galleries(engine: Engine, photos: PhotosLike, *, on: str | None = None) -> Iterator[Gallery]:
    """As `gallery`, some photos at a time: each part comes as soon as it is embedded and stored.

    So a long run can write what is done, and hold no more. Raises what `gallery` raises.
    """
    if on is None:
        yield from map(partial(_as_gallery, engine), _entries(engine, photos))
        return
    if engine.store is not None:
        raise OptionError("a cluster searches every photo again: name no cache and no index")
    for part in distribute(partial(gallery, engine), several(photos), on=on):
        for photo in [*part.labels, *(each.photo for each in part.skipped)]:
            _tell(engine, photo)
        yield part


def largest_face(found: Portrait | Skipped) -> tuple[Portrait, int] | Skipped:
    """A portrait with the index of its largest face, or why there is none."""
    if isinstance(found, Skipped):
        return found
    try:
        return found, found.face_index(None)
    except NoFaceError as error:
        return Skipped.because(error)


@contextmanager
def _store_closed_after(engine: Engine) -> Iterator[None]:
    try:
        yield
    finally:
        if engine.store is not None:
            engine.store.close()


@dataclass(frozen=True, slots=True, eq=False)
class _LargestFace:
    """The largest face of a photo: known, or just found, then its chip is still to be embedded."""

    photo: str
    digest: str
    face: StoredFace
    is_new: bool = False
    chip: Pixels | None = None


def _entries(engine: Engine, photos: PhotosLike) -> Iterator[list[_Entry]]:
    """The largest face of each photo, a batch at a time; the store keeps them."""
    with _store_closed_after(engine):
        found = _largest_faces(engine, photos)
        while batch := list(islice(found, CHIPS_PER_BATCH)):
            yield _embedded(engine, batch)


def _largest_faces(engine: Engine, photos: PhotosLike) -> Iterator[_LargestFace | Skipped]:
    """The largest face of each photo, from the store or by a search; or why there is none."""

    def search(read: Photo | Skipped | _LargestFace) -> _LargestFace | Skipped:
        found = _find_or_skip(engine.find_largest, read) if isinstance(read, Photo) else read
        return _largest(found) if isinstance(found, Portrait) else found

    read = _ahead(several(photos), partial(_look_up_or_read, engine), _READING_THREADS)
    for found in _searched(engine, read, search):
        yield found
        _tell(engine, found.photo)


def _largest(portrait: Portrait) -> _LargestFace:
    label, digest = portrait.photo.label, portrait.photo.digest
    try:
        index = portrait.face_index(None)
    except NoFaceError as error:
        return _LargestFace(label, digest, StoredFace(reason=error.reason), is_new=True)
    subject = portrait.subject(index)
    face = StoredFace(
        box=subject.box,
        confidence=subject.confidence,
        faces_found=subject.faces_found,
        warnings=tuple(face_warnings(portrait, index)),
    )
    return _LargestFace(label, digest, face, is_new=True, chip=portrait.chips[index])


def _embedded(engine: Engine, batch: Sequence[_LargestFace | Skipped]) -> list[_Entry]:
    """A batch with its new chips embedded at once; the store keeps what is new."""
    chips = [
        face.chip for face in batch if isinstance(face, _LargestFace) and face.chip is not None
    ]
    # A store keeps the warnings that hold without a cohort, too.
    both = embed_with_warnings(engine.embedder, np.stack(chips)) if chips else ((), ())
    embedded = zip(*both, strict=True)
    entries: list[_Entry] = []
    for found in batch:
        if isinstance(found, Skipped):
            entries.append((found.photo, found))
            continue
        face = found.face
        if found.chip is not None:
            vector, more = next(embedded)
            face = replace(face, vector=vector, warnings=(*face.warnings, *more))
        if engine.store is not None and found.is_new and found.digest:
            engine.store.put_largest(found.digest, face)
        entries.append((found.photo, face))
    return entries


def _as_gallery(engine: Engine, entries: Sequence[_Entry]) -> Gallery:
    usable, skipped = [], []
    for photo, face in entries:
        if isinstance(face, Skipped):
            skipped.append(face)
        elif face.vector is None:
            skipped.append(Skipped(photo, NoFaceError.code, face.reason))
        else:
            usable.append((photo, face, face.vector))
    subjects = tuple(
        Subject(photo, face.box, face.confidence, face=1, faces_found=face.faces_found)
        for photo, face, _ in usable
    )
    vectors = np.stack([vector for *_, vector in usable]) if usable else embed(engine, [])
    warnings = tuple(engine.applicable(face.warnings) for _, face, _ in usable)
    space = engine.embedder.space
    return Gallery(subjects, unit_rows(vectors), space, warnings, tuple(skipped))


def _find_or_skip(find: Callable[[Photo], Portrait], photo: Photo) -> Portrait | Skipped:
    try:
        return find(photo)
    except OptionError as error:  # the smallest face is too small for this photo
        return Skipped(photo.label, "option", str(error))


def _look_up_or_read(engine: Engine, photo: PhotoLike) -> Photo | Skipped | _LargestFace:
    """What the store knows of a photo, else the photo itself."""
    if engine.store is None or not is_path(photo):
        return _read_or_skip(engine, photo)
    try:
        digest = photo_digest(photo, limits=engine.limits)
    except PhotoError as error:
        return Skipped.because(error)
    face = engine.store.largest(digest)
    if face is None:
        return _read_or_skip(engine, photo)
    return _LargestFace(os.fsdecode(photo), digest, face)


def _read_or_skip(engine: Engine, photo: PhotoLike) -> Photo | Skipped:
    try:
        return engine.read(photo)
    except PhotoError as error:
        return Skipped.because(error)


def _searched(engine: Engine, read: Iterator[T], search: Callable[[T], R]) -> Iterator[R]:
    """What `search` gives for what was read, in order.

    Where the detector allows it, a few photos are searched at a time: cores that share the work of
    one photo wait for each other, and half of the second core's time would be lost.
    """
    searches = min(cores(), _MOST_SEARCHES) if isinstance(engine.detector, LargestFirst) else 1
    if searches == 1:
        return map(search, read)
    return _ahead(read, search, searches, partial(take_threads, cores() // searches))


def _ahead(
    items: Iterable[T],
    work: Callable[[T], R],
    threads: int,
    begin: Callable[[], None] | None = None,
) -> Iterator[R]:
    """What `work` gives for each item, in order; so many threads work a few items ahead.

    Each thread calls `begin` first.
    """
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, "facematch-photos", begin) as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

"""A photo that was dropped, and its faces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from facematch.app.uploads import MOST_BYTES
from facematch.detection.alignment import recrop
from facematch.engine import Engine
from facematch.errors import NoFaceError, OptionError, PhotoError, PhotoTooLargeError
from facematch.types import Photo, Portrait, Vectors
from facematch.video.containers import HEAD_BYTES, is_clip
from facematch.video.reader import ClipLimits
from facematch.video.search import best_portraits

MOST_CLIP_BYTES = 256 * 2**20
_KEPT_SIDE = 2000  # pixels of the long side: enough for the portraits of a card
_MOST_FACES = 40  # of a photo
_MOST_PEOPLE = 12  # of a clip
_CLIP_LIMITS = ClipLimits(max_bytes=MOST_CLIP_BYTES, max_seconds=600)
_NOBODY_IN_CLIP = "no-face-in-clip"


@dataclass(frozen=True, slots=True, eq=False)
class FoundPhoto:
    """A photo and what was found in it.

    `identities` (N, E) tell people apart, one row for each face. `portrait` is None where the file
    cannot be used, for the reason with that `code`. `clip` is the sha256 of the clip that the photo
    is a frame of, "" for a photo.
    """

    label: str
    portrait: Portrait | None
    identities: Vectors
    code: str = ""
    clip: str = ""


def search_file(engine: Engine, label: str, data: bytes) -> list[FoundPhoto]:
    """The photo in a file's bytes; of a clip, one frame for each person, and at least one entry."""
    if not is_clip(data[:HEAD_BYTES]):
        if len(data) > MOST_BYTES:
            return [_unusable(label, PhotoTooLargeError.code)]
        return [search_bytes(engine, label, data)]
    try:
        return list(_people_in_clip(engine, label, data))
    except NoFaceError:
        return [_unusable(label, _NOBODY_IN_CLIP)]
    except PhotoError as error:
        return [_unusable(label, error.code)]


def _people_in_clip(engine: Engine, label: str, data: bytes) -> Iterator[FoundPhoto]:
    digest = hashlib.sha256(data).hexdigest()
    for portrait in best_portraits(engine, label, data, _CLIP_LIMITS)[:_MOST_PEOPLE]:
        yield FoundPhoto(
            label=portrait.photo.label,
            portrait=_shrunk_portrait(portrait),
            identities=_identities(engine, portrait),
            clip=digest,
        )


def search_bytes(engine: Engine, label: str, data: bytes) -> FoundPhoto:
    """The faces of a photo in a file's bytes."""
    try:
        photo = engine.decode(label, data)
    except PhotoError as error:
        return _unusable(label, error.code)
    return search_photo(engine, photo)


def turn_photo(engine: Engine, found: FoundPhoto) -> FoundPhoto:
    """The photo turned right by a quarter and searched again."""
    if found.portrait is None:
        return found
    photo = found.portrait.photo
    pixels = np.ascontiguousarray(np.rot90(photo.pixels, -1))
    return replace(search_photo(engine, replace(photo, pixels=pixels)), clip=found.clip)


def search_photo(engine: Engine, photo: Photo) -> FoundPhoto:
    """The largest faces of a photo."""
    try:
        portrait = engine.find_faces(photo)
    except OptionError:  # the photo is smaller than the smallest face to find
        return _unusable(photo.label, NoFaceError.code)
    few = replace(portrait, faces=portrait.faces[:_MOST_FACES], chips=portrait.chips[:_MOST_FACES])
    return FoundPhoto(
        label=photo.label,
        portrait=_shrunk_portrait(few),
        identities=_identities(engine, few),
        code="" if few.faces else NoFaceError.code,
    )


def _identities(engine: Engine, portrait: Portrait) -> Vectors:
    identify = engine.identity_embedder
    return identify.embed(recrop(portrait.chips, engine.embedder.frame, identify.frame))


def _unusable(label: str, code: str) -> FoundPhoto:
    return FoundPhoto(label, None, np.empty((0, 0), np.float32), code)


def _shrunk_portrait(portrait: Portrait) -> Portrait:
    """The portrait with a smaller photo: its chips were cut from the large one already."""
    import cv2

    photo = portrait.photo
    height, width = photo.pixels.shape[:2]
    share = _KEPT_SIDE / max(height, width)
    if share >= 1:
        return portrait
    size = (max(round(width * share), 1), max(round(height * share), 1))
    pixels = np.asarray(cv2.resize(photo.pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    faces = tuple(
        replace(
            face,
            box=tuple(share * side for side in face.box),
            landmarks=None if face.landmarks is None else face.landmarks * np.float32(share),
        )
        for face in portrait.faces
    )
    smaller = replace(photo, pixels=pixels, scale=photo.scale * share)
    return replace(portrait, photo=smaller, faces=faces)

"""A photo that was dropped, and its faces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from facematch.detection.alignment import recrop
from facematch.detection.boxes import overlap
from facematch.engine import Engine
from facematch.errors import NoFaceError, OptionError, PhotoError
from facematch.types import Face, Photo, Portrait, Vectors
from facematch.video.containers import HEAD_BYTES, is_clip
from facematch.video.reader import ClipLimits
from facematch.video.search import best_portraits

MOST_CLIP_BYTES = 256 * 2**20
_KEPT_SIDE = 2000  # pixels of the long side: enough for the portraits of a card
_MOST_FACES = 40  # of a photo
_MOST_PEOPLE = 12  # of a clip
_CLIP_LIMITS = ClipLimits(max_bytes=MOST_CLIP_BYTES, max_seconds=600)
_SAME_FACE_OVERLAP = 0.3  # of a face's boxes, before and after its frame is turned
_NOBODY_IN_CLIP = "no-face-in-clip"


@dataclass(frozen=True, slots=True, eq=False)
class FoundPhoto:
    """A photo and what was found in it.

    `identities` (N, E) tell people apart, one row for each face. `portrait` is None where the file
    cannot be used, for the reason with that `code`. `digest` is the sha256 of the file; `clip` is
    the same for the frame of a clip, "" for a photo.
    """

    label: str
    portrait: Portrait | None
    identities: Vectors
    code: str = ""
    digest: str = ""
    clip: str = ""


def digest_of(data: bytes) -> str:
    """The sha256 of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def search_file(engine: Engine, label: str, data: bytes, digest: str) -> list[FoundPhoto]:
    """The photo in a file's bytes; of a clip, one frame for each person, and at least one entry.

    `digest` is what `digest_of` gives for the bytes.
    """
    if not is_clip(data[:HEAD_BYTES]):
        return [replace(search_bytes(engine, label, data), digest=digest)]
    try:
        return list(_people_in_clip(engine, label, data, digest))
    except NoFaceError:
        return [_unusable(label, _NOBODY_IN_CLIP)]
    except PhotoError as error:
        return [_unusable(label, error.code)]


def _people_in_clip(engine: Engine, label: str, data: bytes, digest: str) -> Iterator[FoundPhoto]:
    for portrait in best_portraits(engine, label, data, _CLIP_LIMITS, most=_MOST_PEOPLE):
        yield FoundPhoto(
            label=portrait.photo.label,
            portrait=_shrunk_portrait(portrait),
            identities=_identities(engine, portrait),
            digest=digest,
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
    """The photo turned right by a quarter and searched again; of a clip's frame, its one person."""
    if found.portrait is None:
        return found
    photo = found.portrait.photo
    turned = replace(photo, pixels=np.ascontiguousarray(np.rot90(photo.pixels, -1)))
    if not found.clip:
        return replace(search_photo(engine, turned), digest=found.digest)
    portrait = _turned_face(engine, turned, found.portrait.faces[0])
    return replace(found, portrait=portrait, identities=_identities(engine, portrait))


def _turned_face(engine: Engine, turned: Photo, face: Face) -> Portrait:
    """The face that is found where a face was before its frame was turned; that one if none is."""
    width = turned.pixels.shape[1]
    left, top, right, bottom = face.box
    same = Face((width - bottom, left, width - top, right), face.confidence)
    faces = engine.find_faces(turned).faces
    nearest = max(faces, key=lambda each: overlap(each.box, same.box), default=same)
    if overlap(nearest.box, same.box) < _SAME_FACE_OVERLAP:
        nearest = same
    return engine.portrait(turned, [Face(nearest.box, nearest.confidence)])


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

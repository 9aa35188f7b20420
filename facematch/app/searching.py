"""A photo that was dropped: its faces, turned upright where they are not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from facematch.detection.alignment import recrop
from facematch.engine import Engine
from facematch.errors import NoFaceError, OptionError, PhotoError
from facematch.types import Photo, Portrait, Vectors

_KEPT_SIDE = 2000  # pixels of the long side: enough for the portraits of a card
_QUARTERS = (0, 1, 3, 2)  # quarter turns, in the order they are tried where no face is found
_MOST_FACES = 40  # of a photo


@dataclass(frozen=True, slots=True, eq=False)
class FoundPhoto:
    """A photo and what was found in it.

    `identities` (N, E) tell people apart, one row for each face. `portrait` is None where the file
    cannot be used, for the reason with that `code`. `turned` says that the program turned it.
    """

    label: str
    portrait: Portrait | None
    identities: Vectors
    code: str = ""
    turned: bool = False


def search_bytes(engine: Engine, label: str, data: bytes) -> FoundPhoto:
    """The faces of a photo in a file's bytes; turned where only that shows any."""
    try:
        photo = engine.decode(label, data)
    except PhotoError as error:
        return _unusable(label, error.code)
    return search_photo(engine, photo, _QUARTERS)


def turn_photo(engine: Engine, found: FoundPhoto) -> FoundPhoto:
    """The photo turned right by a quarter and searched again."""
    if found.portrait is None:
        return found
    return search_photo(engine, turned_right(found.portrait.photo, 1), (0,))


def search_photo(engine: Engine, photo: Photo, quarters: tuple[int, ...]) -> FoundPhoto:
    """The faces of the first of these turns that shows any; of the first turn if none does."""
    try:
        portraits = list(_first_with_faces(engine, photo, quarters))
    except OptionError:  # the photo is smaller than the smallest face to find
        return _unusable(photo.label, NoFaceError.code)
    portrait = portraits[-1] if portraits[-1].faces else portraits[0]
    few = replace(portrait, faces=portrait.faces[:_MOST_FACES], chips=portrait.chips[:_MOST_FACES])
    return FoundPhoto(
        label=photo.label,
        portrait=_shrunk_portrait(few),
        identities=_identities(engine, few),
        code="" if few.faces else NoFaceError.code,
        turned=portrait is not portraits[0],
    )


def turned_right(photo: Photo, quarters: int) -> Photo:
    """The photo turned right by so many quarters."""
    return replace(photo, pixels=np.ascontiguousarray(np.rot90(photo.pixels, -quarters)))


def _first_with_faces(
    engine: Engine, photo: Photo, quarters: tuple[int, ...]
) -> Iterator[Portrait]:
    """What each turn shows, up to the first one with a face."""
    for turn in quarters:
        portrait = engine.find_faces(turned_right(photo, turn) if turn else photo)
        yield portrait
        if portrait.faces:
            return


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

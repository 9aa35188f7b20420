"""Photos as people give them: paths and folders, bytes, open files, pictures, arrays."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO, TypeGuard, cast

import numpy as np
from PIL import Image

from facematch.errors import OptionError, PhotoError, UnreadablePhotoError
from facematch.photos.colour import rgb_pixels
from facematch.photos.exif import read_exif
from facematch.photos.files import opened
from facematch.photos.limits import Limits, check_pixels
from facematch.photos.listing import list_photos
from facematch.photos.orientation import upright
from facematch.types import Photo, PhotoLike, PhotosLike, photo_array, refuse_photo

_BYTES = bytes | bytearray | memoryview


def is_path(photo: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether a photo is given as the path of a file."""
    return isinstance(photo, str | os.PathLike)


def several(photos: PhotosLike) -> Iterator[PhotoLike]:
    """Photos one by one: a single photo is one, a folder is all its photos.

    An array (N, H, W, 3) is N photos. Raises MissingPhotoError for a folder without photos; among
    others such a folder is given as it is, and reading it says why it is left out.
    """
    is_single = _is_single(photos)
    for photo in cast("Iterable[PhotoLike]", [photos] if is_single else photos):
        if is_path(photo) and os.path.isdir(photo):
            yield from list_photos(photo) if is_single else _photos_or_folder(photo)
        else:
            yield photo


def _photos_or_folder(folder: str | os.PathLike[str]) -> Sequence[PhotoLike]:
    try:
        return list_photos(folder)
    except PhotoError:
        return [folder]


def photo_in_memory(
    photo: PhotoLike, decode: Callable[[str, bytes], Photo], limits: Limits
) -> Photo:
    """The photo in bytes, an open file, a picture or an array; a Photo as it is.

    `decode` decodes the bytes of a file, under a label. An open file is read from its start, where
    it can seek. Raises OptionError for what is none of these, and a PhotoError as for a file.
    """
    if isinstance(photo, Photo):
        return photo
    if isinstance(photo, _BYTES):
        return _from_bytes(bytes(photo), "", decode)
    if isinstance(photo, Image.Image):
        return _from_picture(photo, limits)
    if hasattr(photo, "read"):
        return _from_open_file(cast("BinaryIO", photo), decode, limits)
    return Photo.from_rgb(photo_array(photo))


def check_files(photos: Iterable[PhotoLike]) -> None:
    """Raise the PhotoError of the first file that cannot be opened: called before any work.

    Photos in memory are not decoded. Raises OptionError for what is no photo.
    """
    for photo in photos:
        if is_path(photo):
            with opened(os.fsdecode(photo)):
                pass
        elif isinstance(photo, np.ndarray):
            photo_array(photo)
        elif not _is_photo(photo):
            refuse_photo(f"a {type(photo).__name__}")


def _is_single(photos: object) -> bool:
    """Whether this is one photo, and not several."""
    if isinstance(photos, np.ndarray):
        return photos.ndim != 4
    return is_path(photos) or _is_photo(photos) or not isinstance(photos, Iterable)


def _is_photo(given: object) -> bool:
    """Whether this is a photo in memory, arrays left out."""
    return isinstance(given, Photo | Image.Image | _BYTES) or hasattr(given, "read")


def _from_bytes(data: bytes, label: str, decode: Callable[[str, bytes], Photo]) -> Photo:
    """The photo in the bytes of a file; without a label, its checksum tells it from others."""
    return decode(label or f"{len(data):,} bytes ({zlib.crc32(data):08x})", data)


def _from_open_file(file: BinaryIO, decode: Callable[[str, bytes], Photo], limits: Limits) -> Photo:
    name = getattr(file, "name", "")
    label = os.fsdecode(name) if isinstance(name, str | bytes) else ""
    if isinstance(file, io.TextIOBase):
        raise OptionError(f"{label or 'the file'} is open as text: open it with open(path, 'rb')")
    try:
        if hasattr(file, "seekable") and file.seekable():
            file.seek(0)
        data = file.read(limits.max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise UnreadablePhotoError(
            label or "the open file", f"cannot be read ({error}): open it again"
        ) from error
    if not isinstance(data, bytes):
        raise OptionError(f"{label or 'the file'} gives no bytes: open it with open(path, 'rb')")
    return _from_bytes(data, label, decode)


def _from_picture(picture: Image.Image, limits: Limits) -> Photo:
    """A picture of Pillow, turned as its EXIF says, with the date there."""
    label = str(getattr(picture, "filename", "") or "")
    check_pixels(label or "the picture", picture.size, limits.max_pixels)
    block = picture.info.get("exif", b"")
    exif = read_exif(block if isinstance(block, bytes) else b"")
    try:
        pixels = upright(rgb_pixels(picture), exif.orientation)
    except Exception as error:  # as for files: Pillow raises nearly anything on damaged bytes
        why = " ".join(str(error).split())[:80] or type(error).__name__
        raise UnreadablePhotoError(
            label or "the picture", f"cannot be decoded ({why}): open it again"
        ) from error
    return replace(Photo.from_rgb(pixels, label), taken=exif.taken)

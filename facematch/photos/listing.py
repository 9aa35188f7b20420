"""The photos in a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from facematch.errors import MissingPhotoError, UnreadablePhotoError

_PHOTO_ENDINGS = (
    ".jpg .jpeg .jpe .jif .jfi .jfif .mpo .png .apng .webp .tif .tiff .bmp .gif .avif .avifs .heic "
    ".heics .heif .heifs .hif"
)
# Small copies that a Synology keeps, its wastebasket, and what a Mac adds to a zip.
_FOLDERS_OF_PROGRAMS = frozenset({"@eadir", "#recycle", "__macosx"})


def list_photos(path: str | os.PathLike[str]) -> list[str]:
    """The photos in a folder and its subfolders, sorted by path. Any other path: that path alone.

    In a folder, the ending of the name decides what is a photo. Hidden files, hidden folders and
    folders in which other programs keep copies are skipped. Links to folders are not followed, so
    that no loop can arise.

    Raises MissingPhotoError for a folder without photos, UnreadablePhotoError for a folder that the
    system does not let us read.
    """
    photos = photos_in(path)
    if not photos:
        label = os.fsdecode(path)
        raise MissingPhotoError(label, f"holds no photo: no name ends in {_PHOTO_ENDINGS}")
    return photos


def photos_in(path: str | os.PathLike[str]) -> list[str]:
    """As `list_photos`, but an empty list for a folder without photos."""
    label = os.fsdecode(path)
    if not os.path.isdir(label):
        return [label]
    endings, photos = frozenset(_PHOTO_ENDINGS.split()), []
    for folder, subfolders, files in os.walk(label, onerror=_refuse_folder):
        subfolders[:] = [
            name
            for name in subfolders
            if not name.startswith(".") and name.lower() not in _FOLDERS_OF_PROGRAMS
        ]
        photos += [
            str(Path(folder, name))
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in endings
        ]
    return sorted(photos, key=lambda file: file.split(os.sep))


def _refuse_folder(error: OSError) -> NoReturn:
    raise UnreadablePhotoError(
        os.fsdecode(error.filename),
        f"the system does not let this folder be read ({error.strerror}): check its permissions",
    ) from error

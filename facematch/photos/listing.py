"""The photos that a path stands for, and what is passed over in folders."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from facematch.errors import MissingPhotoError, PhotoError, UnreadablePhotoError
from facematch.photos.files import opened
from facematch.photos.formats import photo_format
from facematch.photos.raw import RAW_ENDINGS, is_raw

# All endings and names here are in lower case.
_PHOTO_ENDINGS = (
    ".jpg .jpeg .jpe .jif .jfi .jfif .jps .mpo .png .apng .webp .tif .tiff .bmp .dib .gif .avif "
    ".avifs .heic .heics .heif .heifs .hif"
)
_CLIP_ENDINGS = (
    ".mp4 .m4v .mov .qt .avi .mkv .webm .mpg .mpeg .mpe .m2v .mts .m2ts .wmv .asf .flv .f4v .3gp "
    ".3g2 .ogv .vob .dv .insv .lrv .mod .tod"
)
# Small copies and wastebaskets that other programs keep: of Synology and QNAP, Windows, a Mac,
# Lightroom, Capture One, and photo managers.
_FOLDERS_OF_PROGRAMS = frozenset({
    "@eadir", "@tmp", "@recycle", "#recycle", "#snapshot", "@__thumb", "$recycle.bin", "recycler",
    "system volume information", "lost+found", "__macosx", "captureone", "thumbs", "thumbnails",
    "derivatives", "_vti_cnf",
})  # fmt: skip
_FOLDER_ENDINGS_OF_PROGRAMS = (".lrdata", ".lrcat-data", ".cocatalogdb")
_FILES_OF_PROGRAMS = frozenset({
    "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini", "folder.htt",
    "zbthumbnail.info", "icon\r",
})  # fmt: skip
_FILE_STARTS_OF_PROGRAMS = ("._", "synofile_thumb")
# Backups that editors keep beside a photo, and downloads that are not complete.
_FILE_ENDINGS_OF_PROGRAMS = ("_original", "~", ".bak", ".tmp", ".part", ".partial", ".crdownload")
_FIRST_BYTES = 272  # with the brands of an ISO file

# Why something in a folder is passed over, for one and for several.
_REASONS = {
    "raw": ("raw file (export it as JPEG)", "raw files (export them as JPEG)"),
    "clip": ("clip", "clips"),
    "other": ("file that is no photo", "files that are no photos"),
    "program": ("file or folder of other programs", "files or folders of other programs"),
    "hidden": ("hidden file or folder", "hidden files or folders"),
}


@dataclass(frozen=True, slots=True)
class Listing:
    """The photos that a path stands for; `passed_over` counts the rest by reason.

    The reasons are "raw", "clip", "other", "program" and "hidden". A folder that is passed over
    counts once, whatever is in it.
    """

    photos: list[str]
    passed_over: Mapping[str, int] = field(default_factory=dict)


def passed_over_words(counts: Mapping[str, int]) -> str:
    """How many files were passed over and why: "3 clips, 1 hidden file or folder"."""
    return ", ".join(
        f"{counts[reason]:,} {one if counts[reason] == 1 else several}"
        for reason, (one, several) in _REASONS.items()
        if counts.get(reason)
    )


def list_photos(path: str | os.PathLike[str]) -> list[str]:
    """The photos of `list_folder`. Raises MissingPhotoError for a folder without photos too."""
    return some_photos(path, list_folder(path)).photos


def some_photos(path: str | os.PathLike[str], listing: Listing) -> Listing:
    """The listing of a path. Raises MissingPhotoError where it has no photo."""
    if not listing.photos:
        words = passed_over_words(listing.passed_over)
        passed_over = f", but {words}" if words else ""
        raise MissingPhotoError(
            os.fsdecode(path), f"holds no photo{passed_over}: name a folder with photos in it"
        )
    return listing


def list_folder(path: str | os.PathLike[str]) -> Listing:
    """The photos in a folder and its subfolders, sorted by path. Any other path: that path alone.

    In a folder, a file is a photo by the ending of its name, or else by its first bytes. Hidden
    files, hidden folders, and what other programs keep are passed over. Links to folders are not
    followed, so that no loop can arise.

    Raises UnreadablePhotoError for a folder that the system does not let us read.
    """
    label = os.fsdecode(path)
    if not os.path.isdir(label):
        return Listing([label])
    photos: list[str] = []
    counts: Counter[str] = Counter()
    for folder, subfolders, files in os.walk(label, onerror=_refuse_folder):
        reasons = {name: _folder_reason(name) for name in subfolders}
        counts.update(reason for reason in reasons.values() if reason)
        subfolders[:] = [name for name in subfolders if not reasons[name]]
        place = str(Path(folder))
        place = "" if place == os.curdir else place
        for name in files:
            file = os.path.join(place, name)
            if reason := _file_reason(file, name.lower()):
                counts[reason] += 1
            else:
                photos.append(file)
    return Listing(sorted(photos, key=lambda file: file.split(os.sep)), counts)


def _folder_reason(name: str) -> str:
    """Why a folder is passed over; "" where it is not."""
    lower = name.lower()
    if lower in _FOLDERS_OF_PROGRAMS or lower.endswith(_FOLDER_ENDINGS_OF_PROGRAMS):
        return "program"
    return "hidden" if name.startswith(".") else ""


_ENDINGS = frozenset(_PHOTO_ENDINGS.split())
_REASON_BY_ENDING = {
    **dict.fromkeys(RAW_ENDINGS.split(), "raw"),
    **dict.fromkeys(_CLIP_ENDINGS.split(), "clip"),
}


def _file_reason(file: str, name: str) -> str:
    """Why a file, its name in lower case, is passed over; "" for a photo."""
    if name in _FILES_OF_PROGRAMS or name.startswith(_FILE_STARTS_OF_PROGRAMS):
        return "program"
    if name.endswith(_FILE_ENDINGS_OF_PROGRAMS):
        return "program"
    if name.startswith("."):
        return "hidden"
    ending = os.path.splitext(name)[1]
    if ending in _ENDINGS:
        return ""
    return _REASON_BY_ENDING.get(ending) or _content_reason(file)


def _content_reason(file: str) -> str:
    """Why a file is passed over by its first bytes; "" for a photo."""
    try:
        with opened(file) as (content, _):
            start = content.read(_FIRST_BYTES)
    except PhotoError:  # a pipe, or a file that may not be read
        return "other"
    if is_raw(start):
        return "raw"
    return "" if photo_format(start) else "other"


def _refuse_folder(error: OSError) -> NoReturn:
    raise UnreadablePhotoError(
        os.fsdecode(error.filename),
        f"the system does not let this folder be read ({error.strerror}): check its permissions",
    ) from error

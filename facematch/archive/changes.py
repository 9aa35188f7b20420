"""What has changed among photos since an index was filled, and what leaves it for good.

A file counts as unchanged while its time and size are the same, unless its content is compared too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from facematch.archive.index import Index
from facematch.archive.records import PhotoRecord
from facematch.errors import PhotoError
from facematch.photos.limits import Limits
from facematch.photos.listing import list_folder
from facematch.photos.reading import photo_digest


@dataclass(frozen=True, slots=True)
class IndexingOptions:
    """What a run does with photos that the index holds already.

    `within` are folders: photos in them whose files are gone are taken out. `verify` compares
    contents, not times and sizes; `retry` searches again the photos that failed.
    """

    within: tuple[str, ...] = ()
    verify: bool = False
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed among some photos since an index was filled.

    `new` must be searched. `moved` have the content of a photo that the index holds: renamed,
    copied, or only written again. `gone` are out of date: deleted files, or files in `new` again.
    """

    new: tuple[str, ...]
    moved: dict[str, PhotoRecord]
    gone: tuple[str, ...]
    unchanged: int


def changes_of(index: Index, photos: Sequence[str], options: IndexingOptions) -> Changes:
    """What has changed among photos, absolute paths, since the index was filled."""
    files = {photo: file_state(photo) for photo in photos}
    folders = tuple(os.path.join(os.path.abspath(each), "") for each in options.within)
    fresh: set[str] = set()
    gone: set[str] = set()
    for known in index.known():
        photo = known.photo
        if photo not in files:
            if photo.startswith(folders) and not os.path.exists(photo):
                gone.add(photo)
        elif _is_fresh(known, files[photo], options.verify) and not (
            known.failed and options.retry
        ):
            fresh.add(photo)
        else:
            gone.add(photo)
    fresh -= gone  # a run that died while writing left both: search the photo again
    changed = [photo for photo in files if photo not in fresh]
    moved = _moved(index, {photo: files[photo] for photo in changed}, options.retry)
    return Changes(
        new=tuple(photo for photo in changed if photo not in moved),
        moved=moved,
        gone=tuple(sorted(gone - moved.keys())),
        unchanged=len(fresh),
    )


def differences(index: Index, *, verify: bool = False) -> Iterator[tuple[str, str]]:
    """Photos of an index whose files are not what they were, each with "missing" or "changed"."""
    for known in index.known():
        file = file_state(known.photo)
        if file == (-1, -1):
            yield known.photo, "missing"
        elif not _is_fresh(known, file, verify):
            yield known.photo, "changed"


def unknown_names(
    index: Index, photos: Sequence[str | os.PathLike[str]]
) -> list[str | os.PathLike[str]]:
    """Those of the photos and folders that are neither there nor, by name, in an index."""
    known = [each.photo for each in index.known()]

    def is_known(name: str) -> bool:
        return any(each == name or each.startswith(os.path.join(name, "")) for each in known)

    return [
        each for each in photos if not os.path.exists(each) and not is_known(os.path.abspath(each))
    ]


def forget_photos(index: Index, photos: Sequence[str | os.PathLike[str]]) -> int:
    """Take photos, or all of some folders, out of an index for good; gives the faces gone.

    Rows go by the photos' names, whether or not there still are files, and by their content.
    """
    names = {os.path.abspath(photo) for photo in photos}
    folders = tuple(os.path.join(name, "") for name in names)
    theirs = {
        known.photo for known in index.known() if known.photo in names or
        known.photo.startswith(folders)
    }  # fmt: skip
    files = [
        file for photo in photos if os.path.exists(photo) for file in list_folder(photo).photos
    ]
    with index.writing():
        return index.forget(theirs, {digest_of(file) for file in files} - {""})


def _is_fresh(known: PhotoRecord, file: tuple[int, int], verify: bool) -> bool:
    if file != (known.bytes, known.modified):
        return False
    return not verify or digest_of(known.photo) == known.digest


def _moved(index: Index, files: dict[str, tuple[int, int]], retry: bool) -> dict[str, PhotoRecord]:
    """Those of the files whose content the index holds. Only files of a known size are read."""
    sizes = {size for size, _ in files.values()}
    digests: dict[int, set[str]] = {}
    if files:
        for known in index.known():
            if known.bytes in sizes and known.digest and not (known.failed and retry):
                digests.setdefault(known.bytes, set()).add(known.digest)
    moved = {}
    for photo, (size, modified) in files.items():
        if size not in digests or not is_text(photo):
            continue
        if (digest := digest_of(photo)) in digests[size]:
            moved[photo] = PhotoRecord(photo, digest, size, modified, failed=False)
    return moved


def file_state(photo: str) -> tuple[int, int]:
    """Size and time of a file, in bytes and nanoseconds; -1 where there is none."""
    try:
        status = os.stat(photo)
    except (OSError, ValueError):  # ValueError: a null character in the name
        return -1, -1
    # An index has 64 bits for the nanoseconds, 1677 to 2262; other times are counted round.
    return status.st_size, (status.st_mtime_ns + 2**63) % 2**64 - 2**63


def digest_of(photo: str, limits: Limits | None = None) -> str:
    """The sha256 of a photo's file, "" where it cannot be read."""
    try:
        return photo_digest(photo, limits=limits)
    except PhotoError:
        return ""


def is_text(name: str) -> bool:
    """Whether a file's name can be written as UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

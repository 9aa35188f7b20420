"""The orientation and the date in a photo's EXIF block."""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from facematch.photos.tiff import (
    TiffEntry,
    TiffLayout,
    entries_by_tag,
    first_directory,
    integers,
    tiff_layout,
)

_ORIENTATION_TAG = 0x0112
_DATE_TIME_TAG, _EXIF_DIRECTORY_TAG = 0x0132, 0x8769
_DATE_TIME_ORIGINAL_TAG, _DATE_TIME_DIGITIZED_TAG = 0x9003, 0x9004
_MOST_ENTRIES = 65_535  # of a directory in EXIF, which counts them in 16 bits


@dataclass(frozen=True, slots=True)
class Exif:
    """What facematch reads of EXIF. The defaults stand for a photo without EXIF.

    `orientation` is 1 to 8, None where none is written.
    """

    orientation: int | None = None
    taken: datetime | None = None


def read_exif(block: bytes) -> Exif:
    """The orientation and the date in an EXIF block. Of a damaged block, what can be read."""
    block = re.sub(rb"\A(Exif\0\0){1,2}", b"", block, count=1)
    layout = tiff_layout(block)
    if layout is None:
        return Exif()
    with suppress(struct.error):
        tags = entries_by_tag(block, layout, first_directory(block, layout), _MOST_ENTRIES)
        more: dict[int, TiffEntry] = {}
        if _EXIF_DIRECTORY_TAG in tags:
            for offset in integers(block, layout, tags[_EXIF_DIRECTORY_TAG]):
                more = entries_by_tag(block, layout, offset, _MOST_ENTRIES)
        written = (
            _text(block, entry)
            for entry in (
                more.get(_DATE_TIME_ORIGINAL_TAG),
                more.get(_DATE_TIME_DIGITIZED_TAG),
                tags.get(_DATE_TIME_TAG),
            )
        )
        # The first date written decides. One without a day, 1975:00:00, must not be replaced by the
        # day on which the file was last changed.
        first = next((text for text in written if any(map(str.isdigit, text))), "")
        return Exif(_orientation(block, layout, tags.get(_ORIENTATION_TAG)), _parsed(first))
    return Exif()


def _orientation(block: bytes, layout: TiffLayout, entry: TiffEntry | None) -> int | None:
    """The number, of whatever integer type: cameras write SHORT, programs others too."""
    numbers = [] if entry is None else integers(block, layout, entry)
    return numbers[0] if numbers and 1 <= numbers[0] <= 8 else None


def _text(block: bytes, entry: TiffEntry | None) -> str:
    if entry is None:
        return ""
    return block[entry.place : entry.place + 19].decode("ascii", "replace")


def _parsed(text: str) -> datetime | None:
    with suppress(ValueError):  # cameras without a clock write 0000:00:00
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S")
    return None

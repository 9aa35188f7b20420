"""The orientation and the date in a photo's EXIF block."""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from facematch.types import Pixels

ORIENTATION_TAG = 0x0112
_DATE_TIME_TAG, _EXIF_DIRECTORY_TAG = 0x0132, 0x8769
_DATE_TIME_ORIGINAL_TAG, _DATE_TIME_DIGITIZED_TAG = 0x9003, 0x9004

# EXIF orientation -> (swap rows and columns?, step through the rows, step through the columns).
_STEPS_BY_ORIENTATION = {
    1: (False, 1, 1),
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, 1, -1),
    7: (True, -1, -1),
    8: (True, -1, 1),
}


@dataclass(frozen=True, slots=True)
class Exif:
    """What facematch reads of EXIF. The defaults stand for a photo without EXIF."""

    orientation: int = 1
    taken: datetime | None = None


def read_exif(block: Any) -> Exif:
    """The orientation and the date in an EXIF block. Of a damaged block, what can be read."""
    if not isinstance(block, bytes):
        return Exif()
    block = re.sub(rb"\A(Exif\0\0){1,2}", b"", block, count=1)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return Exif()
    tags = _read_directory(block, order, struct.unpack_from(f"{order}I", block, 4)[0])
    offset = tags.get(_EXIF_DIRECTORY_TAG)
    more = {} if offset is None else _read_directory(block, order, offset)
    written = (
        _text_at(block, offset)
        for offset in (
            more.get(_DATE_TIME_ORIGINAL_TAG),
            more.get(_DATE_TIME_DIGITIZED_TAG),
            tags.get(_DATE_TIME_TAG),
        )
    )
    # The first date written decides. One without a day, 1975:00:00, must not be replaced by the
    # day on which the file was last changed.
    first = next((text for text in written if any(map(str.isdigit, text))), "")
    return Exif(orientation=tags.get(ORIENTATION_TAG, 1), taken=_parsed(first))


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """The pixels turned and mirrored as EXIF says. An unknown orientation changes nothing."""
    swap, rows, columns = _STEPS_BY_ORIENTATION.get(orientation, _STEPS_BY_ORIENTATION[1])
    if swap:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels[::rows, ::columns])


def _read_directory(block: bytes, order: str, offset: int) -> dict[int, int]:
    """Tag -> its number; for a text, the offset of the text. Stops where an entry is cut off."""
    values: dict[int, int] = {}
    with suppress(struct.error):
        (count,) = struct.unpack_from(f"{order}H", block, offset)
        for start in range(offset + 2, offset + 2 + 12 * count, 12):
            tag, type_, _, number = struct.unpack_from(f"{order}HHI4s", block, start)
            is_short = type_ == 3
            values[tag] = struct.unpack_from(order + ("H" if is_short else "I"), number)[0]
    return values


def _text_at(block: bytes, offset: int | None) -> str:
    return "" if offset is None else block[offset : offset + 19].decode("ascii", "replace")


def _parsed(text: str) -> datetime | None:
    with suppress(ValueError):  # cameras without a clock write 0000:00:00
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S")
    return None

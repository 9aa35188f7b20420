"""The directories of a TIFF, which an EXIF block has too: entries, and the numbers in them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

BYTES_OF_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8,
                 13: 4, 16: 8, 17: 8, 18: 8}  # fmt: skip
# BYTE, SHORT, LONG, the signed ones, IFD, and those of 64 bits.
_CODE_OF_INTEGER = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q",
                    18: "Q"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TiffLayout:
    """How a TIFF writes an offset, a count of entries, and an entry."""

    order: str
    first: int  # the byte where the offset of the first directory lies
    offset: str
    entries: str
    head: str  # of an entry: tag, type, count; then comes a value, or its offset
    entry: int  # bytes of a whole entry


@dataclass(frozen=True, slots=True)
class TiffEntry:
    """One entry of a directory; `place` is the byte of `data` where its value begins."""

    tag: int
    type: int
    count: int
    place: int


def tiff_layout(data: bytes) -> TiffLayout | None:
    """The layout of a TIFF or an EXIF block by its first bytes; None for anything else."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return None
    match struct.unpack_from(order + "H", data, 2)[0]:
        case 42:
            return TiffLayout(order, 4, order + "I", order + "H", order + "HHI", 12)
        case 43:  # with 64-bit offsets
            return TiffLayout(order, 8, order + "Q", order + "Q", order + "HHQ", 20)
    return None


def first_directory(data: bytes, layout: TiffLayout) -> int:
    """The byte where the first directory begins. Raises struct.error where that is cut off."""
    return int(struct.unpack_from(layout.offset, data, layout.first)[0])


def entry_count(data: bytes, layout: TiffLayout, directory: int) -> int:
    """How many entries a directory says it has. Raises struct.error where that is cut off."""
    if directory > len(data):  # struct cannot take just any offset
        raise struct.error("the directory lies behind the file")
    return int(struct.unpack_from(layout.entries, data, directory)[0])


def following_directory(data: bytes, layout: TiffLayout, directory: int) -> int:
    """The byte where the next directory begins, 0 for none. Raises struct.error if cut off."""
    count = entry_count(data, layout, directory)
    end = directory + struct.calcsize(layout.entries) + layout.entry * count
    if end > len(data):
        raise struct.error("the directory ends behind the file")
    return int(struct.unpack_from(layout.offset, data, end)[0])


def read_entries(data: bytes, layout: TiffLayout, directory: int) -> Iterator[TiffEntry]:
    """The entries of a directory. Raises struct.error where one is cut off."""
    start = directory + struct.calcsize(layout.entries)
    head = struct.calcsize(layout.head)
    for _ in range(entry_count(data, layout, directory)):
        tag, type_, count = struct.unpack_from(layout.head, data, start)
        place = start + head
        if BYTES_OF_TYPE.get(type_, 1) * count > layout.entry - head:
            (place,) = struct.unpack_from(layout.offset, data, place)
        yield TiffEntry(tag, type_, count, place)
        start += layout.entry


def entries_by_tag(
    data: bytes, layout: TiffLayout, directory: int, most: int
) -> dict[int, TiffEntry]:
    """The first `most` entries of a directory by tag, up to one that is cut off."""
    entries: dict[int, TiffEntry] = {}
    with suppress(struct.error):
        for entry in islice(read_entries(data, layout, directory), most):
            entries[entry.tag] = entry
    return entries


def integers(data: bytes, layout: TiffLayout, entry: TiffEntry, most: int = 1) -> list[int]:
    """The first `most` numbers of an entry of integers; [] for other types and where cut off.

    An entry that says it has none has one: some programs write 0 for 1.
    """
    code = _CODE_OF_INTEGER.get(entry.type)
    if code is None:
        return []
    count = min(max(entry.count, 1), most)
    if entry.place + count * struct.calcsize(code) > len(data):
        return []
    return list(struct.unpack_from(f"{layout.order}{count}{code}", data, entry.place))

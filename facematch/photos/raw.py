"""Raw files of cameras, which hold what the sensor measured and a thumbnail.

Many are TIFFs whose first picture is the thumbnail: read as TIFFs, they would be scored by it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress

from facematch.photos.tiff import (
    TiffEntry,
    TiffLayout,
    entries_by_tag,
    first_directory,
    following_directory,
    integers,
    tiff_layout,
)

RAW_ENDINGS = (
    ".3fr .ari .arw .cr2 .cr3 .crw .dcr .dng .erf .fff .gpr .iiq .kdc .mef .mos .mrw .nef .nrw "
    ".orf .pef .raf .raw .rw2 .rwl .sr2 .srf .srw .x3f"
)
_FIRST_BYTES = (
    b"IIU\0",  # Panasonic and Leica
    b"IIRO", b"IIRS", b"MMOR",  # Olympus
    b"FUJIFILMCCD-RAW",
    b"II\x1a\0\0\0HEAPCCDR",  # Canon's CRW
    b"\0MRM",  # Minolta
    b"FOVb",  # Sigma
)  # fmt: skip
_BEHIND_TIFF_HEADER = (b"CR\2\0", b"IIII", b"MMMM")  # Canon's CR2, Phase One
# Tags of TIFF/EP and DNG, and values that no picture to look at has.
_SUBFILE_TYPE, _COMPRESSION, _PHOTOMETRIC, _SUB_DIRECTORIES = 254, 259, 262, 330
_TAGS_OF_SENSORS = frozenset({33421, 33422, 50706})  # the pattern of colours; DNGVersion
_PHOTOMETRICS_OF_SENSORS = frozenset({32803, 34892})  # colour filter array, linear raw
_COMPRESSIONS_OF_SENSORS = frozenset({32767, 32769, 32770, 34713, 65000, 65535})
_MOST_DIRECTORIES = 32
_MOST_ENTRIES = 1_000  # of one directory


def is_raw(data: bytes) -> bool:
    """Whether the content is a raw file; for a TIFF, all of it is needed to tell."""
    if data.startswith(_FIRST_BYTES) or data[4:12] == b"ftypcrx ":
        return True
    layout = tiff_layout(data)
    if layout is None:
        return False
    if data.startswith(_BEHIND_TIFF_HEADER, 8):
        return True
    return any(_is_of_sensor(data, layout, tags) for tags in _directories(data, layout))


def _is_of_sensor(data: bytes, layout: TiffLayout, tags: dict[int, TiffEntry]) -> bool:
    def number(tag: int) -> int | None:
        return next(iter(integers(data, layout, tags[tag])), None) if tag in tags else None

    # A reduced picture before the others, which are within it, is how cameras write a thumbnail.
    is_thumbnail = _SUB_DIRECTORIES in tags and (number(_SUBFILE_TYPE) or 0) & 1 == 1
    return (
        is_thumbnail
        or not _TAGS_OF_SENSORS.isdisjoint(tags)
        or number(_PHOTOMETRIC) in _PHOTOMETRICS_OF_SENSORS
        or number(_COMPRESSION) in _COMPRESSIONS_OF_SENSORS
    )


def _directories(data: bytes, layout: TiffLayout) -> Iterator[dict[int, TiffEntry]]:
    """The entries of each directory by tag, the first ones and those within them."""
    try:
        waiting = [first_directory(data, layout)]
    except struct.error:
        return
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_DIRECTORIES:
        place = waiting.pop(0)
        if not place or place in seen:
            continue
        seen.add(place)
        tags = entries_by_tag(data, layout, place, _MOST_ENTRIES)
        with suppress(struct.error):
            waiting.append(following_directory(data, layout, place))
        if _SUB_DIRECTORIES in tags:
            waiting += integers(data, layout, tags[_SUB_DIRECTORIES], _MOST_DIRECTORIES)
        yield tags

"""Grey TIFFs of 10, 12 or 14 bits a pixel, of film scanners. Pillow reads some of 12 bits only."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.photos.tiff import (
    TiffEntry,
    TiffLayout,
    entries_by_tag,
    first_directory,
    integers,
    tiff_layout,
)
from facematch.types import Pixels

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_OFFSETS, _SAMPLES, _ROWS_PER_STRIP = 273, 277, 278
_MOST_ENTRIES = 4096
_PIXELS_AT_A_TIME = 2**16  # each takes 32 bytes on the way


@dataclass(frozen=True, slots=True, eq=False)
class PackedGrey:
    """A grey picture whose pixels lie bit behind bit, each row from a whole byte on.

    `strips` are the bytes where its strips of `rows` rows begin. `is_negative` says that 0 is
    white.
    """

    data: bytes
    size: tuple[int, int]
    bits: int
    rows: int
    strips: tuple[int, ...]
    is_negative: bool

    def pixels(self) -> Pixels:
        """The pixels as RGB, (H, W, 3). Raises EOFError where the file ends before they do."""
        width, height = self.size
        row_bytes = -(-width * self.bits // 8)
        pixels = np.empty((height, width, 3), np.uint8)
        step = max(_PIXELS_AT_A_TIME // width, 1)
        for strip, top in enumerate(range(0, height, self.rows)):
            if strip >= len(self.strips):
                raise EOFError("pixels are missing")
            bottom = min(top + self.rows, height)
            for first in range(top, bottom, step):
                last = min(first + step, bottom)
                start = self.strips[strip] + (first - top) * row_bytes
                packed = self.data[start : start + (last - first) * row_bytes]
                if len(packed) < (last - first) * row_bytes:
                    raise EOFError("pixels are missing")
                pixels[first:last] = self._unpacked(packed, row_bytes)[:, :, np.newaxis]
        return np.subtract(255, pixels, out=pixels) if self.is_negative else pixels

    def _unpacked(self, packed: bytes, row_bytes: int) -> NDArray[np.uint8]:
        width, unused = self.size[0], 16 - self.bits
        rows = np.frombuffer(packed, np.uint8).reshape(-1, row_bytes)
        ones = np.unpackbits(rows, axis=1, count=width * self.bits)
        of_pixels = np.pad(ones.reshape(len(rows), width, self.bits), ((0, 0), (0, 0), (unused, 0)))
        values = np.packbits(of_pixels, axis=2).view(">u2")[:, :, 0]
        return np.asarray(np.rint(values * (255 / (2**self.bits - 1))), np.uint8)


def packed_grey(data: bytes) -> PackedGrey | None:
    """The picture in an uncompressed TIFF of 10, 12 or 14 bits of grey; None for other files."""
    layout = tiff_layout(data)
    if layout is None:
        return None
    try:
        entries = entries_by_tag(data, layout, first_directory(data, layout), _MOST_ENTRIES)
    except struct.error:
        return None

    def number(tag: int, missing: int) -> int:
        found = integers(data, layout, entries[tag]) if tag in entries else []
        return found[0] if found else missing

    width, height, bits = number(_WIDTH, 0), number(_HEIGHT, 0), number(_BITS, 1)
    if _OFFSETS not in entries:  # it has tiles
        return None
    plain = [number(tag, 1) for tag in (_COMPRESSION, _FILL_ORDER, _SAMPLES)] == [1, 1, 1]
    photometric = number(_PHOTOMETRIC, -1)
    if bits not in (10, 12, 14) or not plain or photometric not in (0, 1) or min(width, height) < 1:
        return None
    rows = min(max(number(_ROWS_PER_STRIP, height), 1), height)
    strips = _strips(data, layout, entries.get(_OFFSETS), -(-height // rows))
    return PackedGrey(data, (width, height), bits, rows, strips, photometric == 0)


def _strips(
    data: bytes, layout: TiffLayout, entry: TiffEntry | None, count: int
) -> tuple[int, ...]:
    """Where the strips begin, of those that the file tells."""
    told = [] if entry is None else integers(data, layout, entry, min(count, entry.count))
    return tuple(told)

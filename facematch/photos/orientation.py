"""How a photo is turned upright: its orientation in EXIF or XMP, wherever its format keeps them.

A format has several places for both. EXIF wins over XMP, and the first place that holds an
orientation decides. AVIF and HEIC turn by a box of their own: pillow-heif turns the pixels, and
Pillow reports the turn of an AVIF as its EXIF. There, XMP says nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from facematch.photos.exif import Exif, read_exif
from facematch.photos.xmp import xmp_orientation
from facematch.types import Pixels

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
_FORMATS_WITH_XMP_TURN = frozenset({"JPEG", "PNG", "WebP", "TIFF"})
_RAW_PROFILES = ("exif", "APP1", "xmp")  # of a PNG: "Raw profile type exif"
_MOST_PROFILE = 2**22  # letters of a raw profile, two for each byte
_PROFILE_HEAD = re.compile(r"\s*\S{1,20}\s+\d{1,10}\s")  # the type again, and the number of bytes
_XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"  # before the XMP in an APP1 segment


def upright(pixels: Pixels, orientation: int | None) -> Pixels:
    """The pixels turned and mirrored as the orientation says; None changes nothing."""
    swap, rows, columns = _STEPS_BY_ORIENTATION[orientation or 1]
    if swap:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels[::rows, ::columns])


def read_metadata(kind: str, data: bytes, info: Mapping[Any, Any]) -> Exif:
    """The orientation and the date of a photo, each from the first place that holds it.

    `data` is its file, `info` what Pillow collected from it. What is damaged counts as absent.
    """
    found = [read_exif(block) for block in _exif_blocks(kind, data, info)]
    orientation = next((each.orientation for each in found if each.orientation), None)
    if orientation is None and kind in _FORMATS_WITH_XMP_TURN:
        turns = map(xmp_orientation, _xmp_packets(info))
        orientation = next((turn for turn in turns if turn), None)
    taken = next((each.taken for each in found if each.taken), None)
    return Exif(orientation, taken)


def _exif_blocks(kind: str, data: bytes, info: Mapping[Any, Any]) -> Iterator[bytes]:
    if kind == "TIFF":  # an EXIF block is a TIFF without a picture
        yield data
    elif isinstance(block := info.get("exif"), bytes):
        yield block
    yield from _raw_profiles(info)


def _xmp_packets(info: Mapping[Any, Any]) -> Iterator[bytes]:
    if isinstance(packet := info.get("xmp"), bytes):
        yield packet
    for profile in _raw_profiles(info):
        yield profile.removeprefix(_XMP_NAME)


def _raw_profiles(info: Mapping[Any, Any]) -> Iterator[bytes]:
    """The profiles that ImageMagick writes into a PNG's text as hexadecimal digits."""
    for kind in _RAW_PROFILES:
        text = info.get(f"Raw profile type {kind}")
        if isinstance(text, str) and len(text) <= _MOST_PROFILE:
            digits = _PROFILE_HEAD.sub("", text, count=1)
            pairs = re.match(r"(?:[0-9A-Fa-f]{2})*", "".join(digits.split()))
            yield bytes.fromhex(pairs[0] if pairs else "")

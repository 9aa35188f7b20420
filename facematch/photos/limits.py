"""What a photo may hold, and what its file says of itself before a decoder is trusted with it.

A few bytes can ask for gigabytes or for minutes: of pixels, of frames, or of headers that Pillow
would collect. All of it is read off the file here, in bounded time, and refused by PhotoTooLarge.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from facematch.errors import PhotoTooLargeError

# In these formats Pillow compares the size with its process-wide MAX_IMAGE_PIXELS while it decodes,
# and warns above this, its default. Silencing a warning is not thread-safe before Python 3.14.
_PILLOW_CHECKS = frozenset({"TIFF", "GIF"})
_PILLOW_WARNS_ABOVE = 89_478_485

# Bytes of memory for each pixel, the file apart: Pillow's picture, ours, and what decoders hold
# beside them. Measured over modes and options of 24 megapixels; of a JPEG the pixels decoded count.
_BYTES_A_PIXEL = {
    "JPEG": 7.2,
    "PNG": 7.2,
    "WebP": 16.1,
    "TIFF": 12.1,
    "BMP": 7.2,
    "GIF": 7.2,
    "AVIF": 11.0,
    "HEIC": 13.0,
}
_BYTES_A_COEFFICIENT = 2  # where libjpeg keeps a JPEG whole: one for each pixel and colour

# What honest files stay far below. Pillow handles each part in Python, some by adding to what it
# has: many small ones take it minutes.
_MOST_PARTS = 1_000  # segments of a JPEG, chunks of a PNG but its pixels, entries of a TIFF
_MOST_CHUNKS = 100_000  # of a PNG, those of its pixels included
_MOST_EXIF = 2**20  # bytes of a JPEG's EXIF; a segment holds 64 KB, and some cameras use a few
_MOST_BEFORE_FRAME = 2**20  # bytes of a GIF before its first frame
_MOST_BLOCKS = 2_000_000  # of a GIF, of up to 255 bytes each
_MOST_NUMBERS = 2**20  # of a TIFF's entry; where its strips lie takes a number each
_MOST_SCANNED = 10**10  # pixels of a JPEG, over all its scans; a progressive one has about ten
_MOST_PACKED_BMP = 2_000_000  # pixels; Pillow unpacks these in Python
# Markers of a JPEG without a length behind them: fill, TEM, restarts, start and end.
_BARE_MARKERS = frozenset([0x00, 0x01, *range(0xD0, 0xDA)])
_FRAMES_OF_JPEG = frozenset([*range(0xC0, 0xD0)]) - {0xC4, 0xC8, 0xCC}
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
               16: 8, 17: 8, 18: 8}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may hold and cost; all but `max_seconds` are checked before a pixel is decoded.

    `max_seconds` holds where photos are decoded in processes of their own.
    """

    max_bytes: int = 256 * 2**20  # a 45-megapixel TIFF of 16 bits a channel just fits
    max_pixels: int = 200_000_000  # the largest phone photo, 16,320 x 12,240
    max_frames: int = 1000  # only the first is decoded; more is a film, not a photo
    max_header: int = 32 * 2**20  # bytes of EXIF, colour profile and text together
    max_memory: int = 900 * 10**6  # bytes that decoding may take; Python holds 40 MB beside them
    max_seconds: float = 30.0  # from the file to the pixels


def check_header(label: str, kind: str, data: bytes, limits: Limits) -> None:
    """Look through a file that a reader of its kind is about to open.

    Raises PhotoTooLargeError; for a TIFF without a whole directory, EOFError or struct.error.
    """
    match kind:
        case "JPEG":
            _check_jpeg(label, data, limits)
        case "PNG":
            _check_png(label, data, limits)
        case "WebP":  # its reader takes memory for the whole canvas on opening
            if size := _webp_size(data):
                check_size(label, kind, size, limits, len(data))
        case "GIF":
            size, frames = _gif_size_and_frames(label, data, limits.max_frames)
            check_size(label, kind, size, limits, len(data))
            check_frames(label, frames, limits)
        case "TIFF":
            check_frames(label, _tiff_frames(data, limits.max_frames), limits)
            _check_tiff(label, data, limits)
        case "BMP":
            _check_bmp(label, data)


def check_size(label: str, kind: str, size: tuple[int, int], limits: Limits, file: int) -> None:
    """Raise PhotoTooLargeError for too many pixels, or for more memory than they may take.

    `file` is how many bytes are held already. Of a JPEG the memory depends on more than its size.
    """
    width, height = size
    most = limits.max_pixels
    if kind in _PILLOW_CHECKS:
        most = min(most, _PILLOW_WARNS_ABOVE)
    if width * height > most:
        of = f" of a {kind}" if most < limits.max_pixels else ""
        advice = "save it as JPEG or PNG" if of else "scale it down, or raise max_pixels"
        raise PhotoTooLargeError(
            label,
            f"has {width * height:,} pixels ({width}x{height}), over the limit of {most:,}{of}: "
            f"{advice}",
        )
    if kind != "JPEG":
        _check_memory(label, file + int(width * height * _BYTES_A_PIXEL[kind]), limits)


def check_jpeg_memory(
    label: str, data: bytes, size: tuple[int, int], decoded: tuple[int, int], limits: Limits
) -> None:
    """Raise PhotoTooLargeError where a JPEG of that size, so many pixels of it decoded, takes much.

    Progressive ones, and those with a scan for each colour, are kept whole, and gone over for each
    scan, however small they are decoded.
    """
    pixels = size[0] * size[1]
    needed = len(data) + int(decoded[0] * decoded[1] * _BYTES_A_PIXEL["JPEG"])
    is_whole, colours, start = _jpeg_frame(data)
    if is_whole:
        needed += pixels * colours * _BYTES_A_COEFFICIENT
    _check_memory(label, needed, limits)
    scans = data.count(b"\xff\xda", start)
    if scans > 1 and scans * pixels > _MOST_SCANNED:
        raise PhotoTooLargeError(
            label, f"is written in {scans:,} layers, which takes too long: save it anew as JPEG"
        )


def check_frames(label: str, frames: int, limits: Limits) -> None:
    """Raise PhotoTooLargeError for more frames than a photo has."""
    if frames > limits.max_frames:
        raise PhotoTooLargeError(
            label,
            f"has more than {limits.max_frames:,} frames: save one of them as JPEG, "
            "or raise max_frames",
        )


def _check_memory(label: str, needed: int, limits: Limits) -> None:
    if needed > limits.max_memory:
        raise PhotoTooLargeError(
            label,
            f"takes {needed / 1e6:,.0f} MB of memory to decode, over the limit of "
            f"{limits.max_memory / 1e6:,.0f} MB: scale it down, or raise max_memory",
        )


def _check_parts(label: str, kind: str, parts: int, most: int) -> None:
    if parts > most:
        raise PhotoTooLargeError(
            label, f"the {kind} is in more than {most:,} parts: save it anew as JPEG"
        )


def _check_before_picture(label: str, size: int, most: int, raising: str = "") -> None:
    if size > most:
        advice = f", or raise {raising}" if raising else ""
        raise PhotoTooLargeError(
            label,
            f"holds {size:,} bytes of EXIF, colour profile or text, over the limit of {most:,}: "
            f"save it without them{advice}",
        )


# --- JPEG ---


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment's content, up to the first scan, as Pillow sees them.

    Bytes between segments are segments of marker 0, so that nothing is gone over for free.
    """
    at = 2
    while (marker_at := data.find(b"\xff", at)) >= 0:
        if marker_at > at:
            yield 0, at, marker_at
        at = marker_at + 1
        marker = data[at] if at < len(data) else 0xD9
        if marker == 0xFF or marker in _BARE_MARKERS:  # a fill byte may begin the next marker
            yield marker, at, at
            at += marker != 0xFF
            continue
        end = at + 1 + int.from_bytes(data[at + 1 : at + 3], "big")
        yield marker, at + 3, end
        if marker == 0xDA:
            return
        at = max(end, at + 3)


def _check_jpeg(label: str, data: bytes, limits: Limits) -> None:
    slow = 0  # bytes of EXIF, which Pillow adds up, and between segments, which it reads singly
    for parts, (marker, start, end) in enumerate(_segments(data), start=1):
        _check_parts(label, "JPEG", parts, _MOST_PARTS)
        if not marker or (marker == 0xE1 and data[start : start + 4] == b"Exif"):
            slow += end - start
        _check_before_picture(label, end, limits.max_header, "max_header")
        _check_before_picture(label, slow, _MOST_EXIF)


def _jpeg_frame(data: bytes) -> tuple[bool, int, int]:
    """Whether a JPEG is kept whole until decoded, its colours, and where its first scan begins."""
    is_progressive, colours, first, scanned = False, 3, 0, 3
    for marker, start, _ in _segments(data):
        if marker in _FRAMES_OF_JPEG:
            is_progressive, colours = marker & 3 == 2, min([*data[start + 5 : start + 6], 4])
        elif marker == 0xDA:
            first, scanned = start - 4, min([*data[start : start + 1], 4])
    return is_progressive or scanned < colours, colours, first


# --- PNG ---


def _check_png(label: str, data: bytes, limits: Limits) -> None:
    at, parts, header = 8, 0, 0
    for chunks in range(1, _MOST_CHUNKS + 2):
        name, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4], "big")
        if not name or name == b"IEND":
            return
        if name not in (b"IDAT", b"fdAT", b"fcTL"):
            parts, header = parts + 1, header + end - at
        _check_parts(label, "PNG", parts, _MOST_PARTS)
        _check_parts(label, "PNG", chunks, _MOST_CHUNKS)
        _check_before_picture(label, min(header, len(data)), limits.max_header, "max_header")
        at = end


# --- WebP ---


def _webp_size(data: bytes) -> tuple[int, int] | None:
    chunk = data[12:16]
    if chunk == b"VP8X":
        wide, high = (int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return wide + 1, high + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        wide, high = (int.from_bytes(data[at : at + 2], "little") for at in (26, 28))
        return wide & 0x3FFF, high & 0x3FFF
    return None


# --- GIF ---


def _gif_size_and_frames(label: str, data: bytes, most: int) -> tuple[tuple[int, int], int]:
    """The canvas, with the first frame where it juts out, and the frames, up to `most` + 1.

    What follows the first frame is walked over while it makes sense: nothing of it is decoded.
    """
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = start = 13 + _palette_bytes(flags)
    frames, left = 0, _MOST_BLOCKS
    while frames <= most and at + 10 < len(data) and data[at] != 0x3B and left:  # the trailer
        if data[at] == 0x2C:  # a frame
            x, y, wide, high, flags = struct.unpack_from("<HHHHB", data, at + 1)
            if not frames:
                width, height = max(width, x + wide), max(height, y + high)
            frames += 1
            at, left = _after_blocks(data, at + 11 + _palette_bytes(flags), left)
        elif data[at] == 0x21:  # an extension
            at, left = _after_blocks(data, at + 2, left)
        elif frames:
            break
        else:
            at += 1
        if not frames:
            _check_before_picture(label, at - start, _MOST_BEFORE_FRAME)
    if not left:
        _check_parts(label, "GIF", _MOST_BLOCKS + 1, _MOST_BLOCKS)
    return (width, height), frames


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int, left: int) -> tuple[int, int]:
    """Where a row of blocks ends, and how many more may be walked over."""
    while at < len(data) and data[at] and left:
        at += data[at] + 1
        left -= 1
    return at + 1, left


# --- TIFF ---


@dataclass(frozen=True, slots=True)
class _TiffLayout:
    """How a TIFF writes an offset, a count of entries, and the head of an entry."""

    order: str
    first: int  # where the offset of the first directory lies
    offset: str
    entries: str
    head: str  # tag, type, count; then a value, or its offset
    entry: int  # bytes of it all

    @property
    def value(self) -> int:
        """Where in an entry its value lies."""
        return struct.calcsize(self.head)


def _tiff_layout(data: bytes) -> _TiffLayout:
    order = "<" if data[:2] == b"II" else ">"
    if 43 in data[2:4]:  # with 64-bit offsets
        return _TiffLayout(order, 8, order + "Q", order + "Q", order + "HHQ", 20)
    return _TiffLayout(order, 4, order + "I", order + "H", order + "HHI", 12)


def _tiff_frames(data: bytes, most: int) -> int:
    """The directories of a TIFF, up to `most` + 1; EOFError if the first is not all there.

    A chain that breaks later ends there: only the first picture is read.
    """
    layout = _tiff_layout(data)
    (at,) = struct.unpack_from(layout.offset, data, layout.first)
    seen: set[int] = set()
    while at and at not in seen and len(seen) <= most:
        try:
            (count,) = struct.unpack_from(layout.entries, data, at)
            end = at + struct.calcsize(layout.entries) + layout.entry * count
            (following,) = struct.unpack_from(layout.offset, data, end)
        except (struct.error, OverflowError) as error:
            if not seen:
                raise EOFError("the first directory is not all there") from error
            break
        seen.add(at)
        at = following
    return len(seen)


def _check_tiff(label: str, data: bytes, limits: Limits) -> None:
    """The first directory: entries that share bytes could ask for thousands of times the file."""
    layout = _tiff_layout(data)
    (at,) = struct.unpack_from(layout.offset, data, layout.first)
    (count,) = struct.unpack_from(layout.entries, data, at)
    _check_parts(label, "TIFF", count, _MOST_PARTS)
    start, held, tile = at + struct.calcsize(layout.entries), 0, {}
    for entry in range(start, start + layout.entry * count, layout.entry):
        tag, type_, number = struct.unpack_from(layout.head, data, entry)
        size = _TIFF_SIZES.get(type_, 0)
        held += size * number
        if size > 1:
            _check_parts(label, "TIFF", number, _MOST_NUMBERS)
        if tag in (322, 323) and number == 1:  # width and height of a tile
            value = layout.order + ("H" if type_ == 3 else "I")
            (tile[tag],) = struct.unpack_from(value, data, entry + layout.value)
    _check_before_picture(label, held, len(data))
    if len(tile) == 2:
        check_size(label, "TIFF", (tile[322], tile[323]), limits, len(data))


# --- BMP ---


def _check_bmp(label: str, data: bytes) -> None:
    if int.from_bytes(data[14:18], "little") < 40 or data[30:34] not in (b"\1\0\0\0", b"\2\0\0\0"):
        return
    width, height = struct.unpack_from("<ii", data, 18)
    if abs(width * height) > _MOST_PACKED_BMP:
        raise PhotoTooLargeError(
            label, f"is a packed BMP of {width}x{height}, which takes too long: save it as PNG"
        )

"""Checks of a photo's file, format by format, before a decoder opens it.

A few bytes can ask a decoder for gigabytes or for minutes: with a huge size, with many frames, or
with headers that Pillow collects. This module reads all of that from the file itself, in bounded
time, and raises PhotoTooLargeError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from facematch.errors import PhotoTooLargeError
from facematch.photos.limits import (
    BYTES_PER_PIXEL,
    Limits,
    check_frames,
    check_memory,
    check_metadata,
    check_parts,
    check_size,
)
from facematch.photos.tiff import (
    BYTES_OF_TYPE,
    TiffLayout,
    entry_count,
    first_directory,
    following_directory,
    integers,
    read_entries,
    tiff_layout,
)

# Honest files stay far below these numbers. Pillow handles each part in Python and adds some parts
# to what it has: many small parts take it minutes.
_MOST_PARTS = 1_000  # segments of a JPEG, chunks of a PNG without its pixels, entries of a TIFF
_MOST_PNG_CHUNKS = 100_000  # with the chunks of its pixels
_MOST_JPEG_EXIF = 2**20  # bytes; a segment holds 64 KB, and some cameras use a few
_MOST_BEFORE_GIF_FRAME = 2**20  # bytes before the first frame
_MOST_GIF_BLOCKS = 2_000_000  # of up to 255 bytes each
_MOST_NUMBERS_OF_ENTRY = 2**20  # of a TIFF's entry; the places of its strips take one number each
_MOST_SCANNED_PIXELS = 10**10  # of a JPEG, over all its scans; a progressive JPEG has about ten
_MOST_PACKED_BMP_PIXELS = 2_000_000  # Pillow unpacks these in Python
_BYTES_PER_COEFFICIENT = 2  # libjpeg keeps one for each pixel and colour of a progressive JPEG
# Markers of a JPEG without a length behind them: fill, TEM, restarts, start and end.
_MARKERS_WITHOUT_LENGTH = frozenset([0x00, 0x01, *range(0xD0, 0xDA)])
_JPEG_FRAME_MARKERS = frozenset([*range(0xC0, 0xD0)]) - {0xC4, 0xC8, 0xCC}


def check_header(label: str, kind: str, data: bytes, limits: Limits) -> None:
    """Check a file of that format before its reader opens it.

    Raises PhotoTooLargeError. For a TIFF without a whole directory: EOFError or struct.error.
    """
    match kind:
        case "JPEG":
            _check_jpeg(label, data, limits)
        case "PNG":
            _check_png(label, data, limits)
        case "WebP":  # its reader allocates the whole canvas when it opens the file
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


# --- JPEG ---


def check_jpeg_memory(
    label: str, data: bytes, size: tuple[int, int], decoded: tuple[int, int], limits: Limits
) -> None:
    """Raise PhotoTooLargeError where a JPEG takes too much memory or time.

    `size` is its full size, `decoded` the size it is decoded at. libjpeg keeps the whole picture of
    a progressive JPEG, and of one with a scan for each colour, and goes over it once for each scan,
    however small it decodes it.
    """
    pixels = size[0] * size[1]
    needed = len(data) + int(decoded[0] * decoded[1] * BYTES_PER_PIXEL["JPEG"])
    is_kept_whole, colours, start = _jpeg_frame(data)
    if is_kept_whole:
        needed += pixels * colours * _BYTES_PER_COEFFICIENT
    check_memory(label, needed, limits)
    scans = data.count(b"\xff\xda", start)
    if scans > 1 and scans * pixels > _MOST_SCANNED_PIXELS:
        raise PhotoTooLargeError(
            label, f"is written in {scans:,} layers, which takes too long: save it again as JPEG"
        )


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment's content up to the first scan, as Pillow reads them.

    Bytes between segments count as segments with marker 0, because Pillow goes over them too.
    """
    position = 2
    while (marker_at := data.find(b"\xff", position)) >= 0:
        if marker_at > position:
            yield 0, position, marker_at
        position = marker_at + 1
        marker = data[position] if position < len(data) else 0xD9
        # A fill byte, 0xFF, may begin the next marker.
        if marker == 0xFF or marker in _MARKERS_WITHOUT_LENGTH:
            yield marker, position, position
            position += marker != 0xFF
            continue
        end = position + 1 + int.from_bytes(data[position + 1 : position + 3], "big")
        yield marker, position + 3, end
        if marker == 0xDA:
            return
        position = max(end, position + 3)


def _check_jpeg(label: str, data: bytes, limits: Limits) -> None:
    # Bytes that are slow to read: Pillow joins the EXIF segments, and reads single bytes between
    # segments.
    slow = 0
    for parts, (marker, start, end) in enumerate(_segments(data), start=1):
        check_parts(label, "JPEG", parts, _MOST_PARTS)
        if not marker or (marker == 0xE1 and data[start : start + 4] == b"Exif"):
            slow += end - start
        check_metadata(label, end, limits.max_header, "max_header")
        check_metadata(label, slow, _MOST_JPEG_EXIF)


def _jpeg_frame(data: bytes) -> tuple[bool, int, int]:
    """Whether libjpeg keeps the whole picture, the number of colours, and where the scan begins."""
    is_progressive, colours, scan_start, scanned = False, 3, 0, 3
    for marker, start, _ in _segments(data):
        if marker in _JPEG_FRAME_MARKERS:
            is_progressive, colours = marker & 3 == 2, min([*data[start + 5 : start + 6], 4])
        elif marker == 0xDA:
            scan_start, scanned = start - 4, min([*data[start : start + 1], 4])
    return is_progressive or scanned < colours, colours, scan_start


# --- PNG ---


def _check_png(label: str, data: bytes, limits: Limits) -> None:
    position, parts, header = 8, 0, 0
    for chunks in range(1, _MOST_PNG_CHUNKS + 2):
        name = data[position + 4 : position + 8]
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if not name or name == b"IEND":
            return
        if name not in (b"IDAT", b"fdAT", b"fcTL"):
            parts, header = parts + 1, header + end - position
        check_parts(label, "PNG", parts, _MOST_PARTS)
        check_parts(label, "PNG", chunks, _MOST_PNG_CHUNKS)
        check_metadata(label, min(header, len(data)), limits.max_header, "max_header")
        position = end


# --- WebP ---


def _webp_size(data: bytes) -> tuple[int, int] | None:
    chunk = data[12:16]
    if chunk == b"VP8X":
        width, height = (int.from_bytes(data[start : start + 3], "little") for start in (24, 27))
        return width + 1, height + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        width, height = (int.from_bytes(data[start : start + 2], "little") for start in (26, 28))
        return width & 0x3FFF, height & 0x3FFF
    return None


# --- GIF ---


def _gif_size_and_frames(label: str, data: bytes, most: int) -> tuple[tuple[int, int], int]:
    """The size of the canvas, and the number of frames, counted up to `most` + 1.

    The canvas grows where the first frame exceeds it. Nothing is decoded; counting ends where the
    bytes after the first frame make no sense.
    """
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = start = 13 + _palette_bytes(flags)
    frames, left = 0, _MOST_GIF_BLOCKS
    # 0x3B is the trailer.
    while frames <= most and position + 10 < len(data) and data[position] != 0x3B and left:
        if data[position] == 0x2C:  # a frame
            x, y, wide, high, flags = struct.unpack_from("<HHHHB", data, position + 1)
            if not frames:
                width, height = max(width, x + wide), max(height, y + high)
            frames += 1
            position, left = _after_blocks(data, position + 11 + _palette_bytes(flags), left)
        elif data[position] == 0x21:  # an extension
            position, left = _after_blocks(data, position + 2, left)
        elif frames:
            break
        else:
            position += 1
        if not frames:
            check_metadata(label, position - start, _MOST_BEFORE_GIF_FRAME)
    if not left:
        check_parts(label, "GIF", _MOST_GIF_BLOCKS + 1, _MOST_GIF_BLOCKS)
    return (width, height), frames


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(data: bytes, position: int, left: int) -> tuple[int, int]:
    """The byte behind a row of blocks, and how many of the `left` blocks are left."""
    while position < len(data) and data[position] and left:
        position += data[position] + 1
        left -= 1
    return position + 1, left


# --- TIFF ---


def _tiff_frames(data: bytes, most: int) -> int:
    """The number of a TIFF's directories, counted up to `most` + 1.

    Raises EOFError where the first is cut off. A chain that breaks later ends there, because only
    the first picture is read.
    """
    layout = _layout(data)
    directory = first_directory(data, layout)
    counted: set[int] = set()
    while directory and directory not in counted and len(counted) <= most:
        try:
            following = following_directory(data, layout, directory)
        except struct.error as error:
            if not counted:
                raise EOFError("the first directory is cut off") from error
            break
        counted.add(directory)
        directory = following
    return len(counted)


def _check_tiff(label: str, data: bytes, limits: Limits) -> None:
    """Check the first directory. Entries that share bytes could ask for many times the file."""
    layout = _layout(data)
    directory = first_directory(data, layout)
    check_parts(label, "TIFF", entry_count(data, layout, directory), _MOST_PARTS)
    asked, tile = 0, {}
    for entry in read_entries(data, layout, directory):
        size = BYTES_OF_TYPE.get(entry.type, 0)
        asked += size * entry.count
        if size > 1:
            check_parts(label, "TIFF", entry.count, _MOST_NUMBERS_OF_ENTRY)
        if entry.tag in (322, 323) and (side := integers(data, layout, entry)):
            tile[entry.tag] = side[0]  # width and height of a tile
    check_metadata(label, asked, len(data))
    if len(tile) == 2:
        check_size(label, "TIFF", (tile[322], tile[323]), limits, len(data))


def _layout(data: bytes) -> TiffLayout:
    layout = tiff_layout(data)
    if layout is None:
        raise EOFError("the header is cut off")
    return layout


# --- BMP ---


def _check_bmp(label: str, data: bytes) -> None:
    if int.from_bytes(data[14:18], "little") < 40 or data[30:34] not in (b"\1\0\0\0", b"\2\0\0\0"):
        return
    width, height = struct.unpack_from("<ii", data, 18)
    if abs(width * height) > _MOST_PACKED_BMP_PIXELS:
        raise PhotoTooLargeError(
            label, f"is a packed BMP of {width}x{height}, which takes too long: save it as PNG"
        )

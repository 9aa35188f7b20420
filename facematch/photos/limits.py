"""What a photo's file may hold and cost, and the checks of sizes that every format shares."""

from __future__ import annotations

from dataclasses import dataclass

from facematch.errors import PhotoTooLargeError

# While Pillow decodes these formats, it compares the size with its process-wide MAX_IMAGE_PIXELS,
# and warns above this number, its default. Before Python 3.14, silencing a warning is not
# thread-safe.
_FORMATS_PILLOW_CHECKS = frozenset({"TIFF", "GIF"})
_PILLOW_WARNS_ABOVE = 89_478_485  # pixels

# Bytes of memory for each pixel, without the file itself: Pillow's picture, our copy, and what the
# decoders allocate. Measured over the modes and options of pictures of 24 megapixels. For a JPEG,
# the pixels that are decoded count.
BYTES_PER_PIXEL = {
    "JPEG": 7.2,
    "PNG": 7.2,
    "WebP": 16.1,
    "TIFF": 12.1,
    "BMP": 7.2,
    "GIF": 7.2,
    "AVIF": 11.0,
    "HEIC": 13.0,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may hold and cost. All but `max_seconds` are checked before a pixel is decoded.

    `max_seconds` applies where photos are decoded in separate processes.
    """

    max_bytes: int = 256 * 2**20  # a 45-megapixel TIFF with 16 bits a channel just fits
    max_pixels: int = 200_000_000  # the largest phone photo: 16,320 x 12,240
    max_frames: int = 1000  # a file with more is a film; only the first frame is decoded
    max_header: int = 32 * 2**20  # bytes of EXIF, colour profile and text together
    max_memory: int = 900 * 10**6  # bytes that decoding may take; Python itself takes 40 MB more
    max_seconds: float = 30.0  # from the file to the pixels


def check_size(label: str, kind: str, size: tuple[int, int], limits: Limits, file: int) -> None:
    """Raise PhotoTooLargeError for too many pixels, or where decoding them takes too much memory.

    `file` is the size of the file in bytes, which are in memory already. The memory of a JPEG
    depends on more than its size: `headers.check_jpeg_memory` checks it.
    """
    width, height = size
    most = limits.max_pixels
    if kind in _FORMATS_PILLOW_CHECKS:
        most = min(most, _PILLOW_WARNS_ABOVE)
    of = f" of a {kind}" if most < limits.max_pixels else ""
    check_pixels(label, size, most, of)
    if kind != "JPEG":
        check_memory(label, file + int(width * height * BYTES_PER_PIXEL[kind]), limits)


def check_pixels(label: str, size: tuple[int, int], most: int, of: str = "") -> None:
    """Raise PhotoTooLargeError for more pixels than `most`; `of` says what has that limit."""
    width, height = size
    if width * height > most:
        advice = "save it as JPEG or PNG" if of else "scale it down, or raise max_pixels"
        raise PhotoTooLargeError(
            label,
            f"has {width * height:,} pixels ({width}x{height}), over the limit of {most:,}{of}: "
            f"{advice}",
        )


def check_frames(label: str, frames: int, limits: Limits) -> None:
    """Raise PhotoTooLargeError for more frames than a photo has."""
    if frames > limits.max_frames:
        raise PhotoTooLargeError(
            label,
            f"has more than {limits.max_frames:,} frames: save one of them as JPEG, "
            "or raise max_frames",
        )


def check_memory(label: str, needed: int, limits: Limits) -> None:
    """Raise PhotoTooLargeError where decoding needs more bytes of memory than the limit."""
    if needed > limits.max_memory:
        raise PhotoTooLargeError(
            label,
            f"takes {needed / 1e6:,.0f} MB of memory to decode, over the limit of "
            f"{limits.max_memory / 1e6:,.0f} MB: scale it down, or raise max_memory",
        )


def check_parts(label: str, kind: str, parts: int, most: int) -> None:
    """Raise PhotoTooLargeError for a file of more parts than an honest file has."""
    if parts > most:
        raise PhotoTooLargeError(
            label, f"the {kind} is in more than {most:,} parts: save it again as JPEG"
        )


def check_metadata(label: str, size: int, most: int, option: str = "") -> None:
    """Raise PhotoTooLargeError for too many bytes before the picture.

    `option` names the limit that a user can raise, where there is one.
    """
    if size > most:
        advice = f", or raise {option}" if option else ""
        raise PhotoTooLargeError(
            label,
            f"holds {size:,} bytes of EXIF, colour profile or text, over the limit of {most:,}: "
            f"save it without them{advice}",
        )

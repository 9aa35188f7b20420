"""From a file to an upright RGB Photo, within limits.

Pillow and pillow-heif decode. This module checks the limits before pixels are decoded, and raises
every failure of a decoder as a PhotoError.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

from PIL import Image, ImageFile

from facematch.errors import (
    NotAnImageError,
    PhotoError,
    PhotoTooLargeError,
    RawPhotoError,
    TruncatedPhotoError,
    UnreadablePhotoError,
    UnsupportedPhotoError,
)
from facematch.photos.colour import rgb_pixels
from facematch.photos.exif import Exif
from facematch.photos.files import opened
from facematch.photos.formats import (
    READER_BY_FORMAT,
    is_cut_off,
    is_unsupported,
    jpeg_ends,
    open_image,
    photo_format,
    reader_class,
)
from facematch.photos.given import is_path, photo_in_memory
from facematch.photos.headers import check_header, check_jpeg_memory
from facematch.photos.limits import Limits, check_frames, check_size
from facematch.photos.orientation import read_metadata, upright
from facematch.photos.packed import packed_grey
from facematch.photos.raw import is_raw
from facematch.types import Photo, PhotoLike, Pixels

_PHOTO_LIMITS = Limits()


def read_photo(
    photo: PhotoLike,
    *,
    min_side: int | None = None,
    limits: Limits = _PHOTO_LIMITS,
) -> Photo:
    """Decode a photograph: upright, RGB, within limits.

    It is given as a path, the bytes of a file, an open file, a PIL image, an RGB array (H, W, 3)
    of uint8, or as a Photo. Opens JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF and HEIC. The content
    decides the format, never the name. Of several frames, the first is decoded. Transparent pixels
    become white, and 16 bits become 8.

    `min_side`: decode a JPEG at 1/2, 1/4 or 1/8 of its size, the smallest whose long side has at
    least this many pixels. That is several times faster. None, or another format: full size.

    Raises a PhotoError: missing, not an image, truncated, too large or unreadable. Raises
    OptionError for what is no photo.
    """
    if not is_path(photo):
        decode = partial(decode_photo, min_side=min_side, limits=limits)
        return photo_in_memory(photo, decode, limits)
    label = os.fsdecode(photo)
    data = _read_bytes(label, limits.max_bytes)
    return replace(decode_photo(label, data, min_side=min_side, limits=limits), path=Path(label))


def decode_photo(
    label: str,
    data: bytes,
    *,
    min_side: int | None = None,
    limits: Limits = _PHOTO_LIMITS,
) -> Photo:
    """As `read_photo`, from the bytes of a file; `label` names them in errors."""
    _check_bytes(label, len(data), limits.max_bytes)
    if is_raw(data):
        raise RawPhotoError(
            label, "is a raw file of a camera: export it as JPEG with the program that opens it"
        )
    kind = photo_format(data)
    if kind is None:
        known = ", ".join(READER_BY_FORMAT)
        raise NotAnImageError(label, f"is in no format facematch opens ({known}): save it as JPEG")
    reader_class(kind)  # imported outside `try`: a broken installation is not the photo's fault
    try:
        pixels, scale, exif = _decode_picture(label, kind, data, min_side, limits)
        pixels = upright(pixels, exif.orientation)  # Pillow's own copy is freed by now
    except PhotoError:
        raise
    except Exception as error:
        # On hostile bytes Pillow raises nearly anything: OSError, SyntaxError, ValueError,
        # struct.error, KeyError, MemoryError and more. All of it is caught here and nowhere else.
        # KeyboardInterrupt and SystemExit are no Exception and pass.
        _refuse_picture(label, kind, data, error)
    return Photo(
        label=label,
        pixels=pixels,
        taken=exif.taken,
        scale=scale,
        digest=hashlib.sha256(data).hexdigest(),
    )


def photo_digest(path: str | os.PathLike[str], *, limits: Limits | None = _PHOTO_LIMITS) -> str:
    """The sha256 of a photo's file in hexadecimal digits, the same as `Photo.digest`.

    `limits` None: the file may have any size, and may be empty.
    Raises a PhotoError where the file cannot be read or is too large.
    """
    label = os.fsdecode(path)
    if limits is None:
        with opened(label) as (file, _):
            return hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(_read_bytes(label, limits.max_bytes)).hexdigest()


def _read_bytes(label: str, max_bytes: int) -> bytes:
    with opened(label) as (file, size):
        _check_bytes(label, size, max_bytes, or_empty=True)
        data = file.read(size)
    _check_bytes(label, len(data), max_bytes)
    return data


def _check_bytes(label: str, size: int, most: int, *, or_empty: bool = False) -> None:
    """Raise a PhotoError for a file of too many bytes, or of none."""
    if size > most:
        raise PhotoTooLargeError(
            label,
            f"has {size:,} bytes, over the limit of {most:,}: save it as JPEG, or raise max_bytes",
        )
    if not size and not or_empty:
        raise NotAnImageError(label, "is empty (0 bytes): copy or download it again")


def _decode_picture(
    label: str, kind: str, data: bytes, min_side: int | None, limits: Limits
) -> tuple[Pixels, float, Exif]:
    """The pixels as stored, the share of the full size that was decoded, and the EXIF."""
    check_header(label, kind, data, limits)
    ends = jpeg_ends(data) if kind == "JPEG" else []
    # The zeros behind a JPEG that was cut off pass for pixels.
    if not ends or not data.endswith(b"\0"):
        try:
            return _decode_checked(label, kind, data, min_side, limits)
        except OSError:
            if not ends:
                raise
    pictures = (_decode_checked(label, kind, each, min_side, limits) for each in ends)
    first = zlib.crc32(next(pictures)[0].data)
    last = next(pictures)
    if zlib.crc32(last[0].data) != first:
        raise EOFError("pixels are missing before the end marker")
    return last


def _decode_checked(
    label: str, kind: str, data: bytes, min_side: int | None, limits: Limits
) -> tuple[Pixels, float, Exif]:
    """As `_decode_picture`, of a file whose header was checked."""
    if kind == "TIFF" and (grey := packed_grey(data)) is not None:
        check_size(label, kind, grey.size, limits, len(data))
        return grey.pixels(), 1.0, read_metadata(kind, data, {})
    image = open_image(kind, data)
    size = image.size
    check_size(label, kind, size, limits, len(data))
    if kind in ("PNG", "WebP", "AVIF", "HEIC"):  # their headers state the number of frames
        check_frames(label, getattr(image, "n_frames", 1), limits)
    scale = 1.0
    if kind == "JPEG":
        scale = _reduce(image, min_side)
        check_jpeg_memory(label, data, size, image.size, limits)
    pixels = rgb_pixels(image)
    return pixels, scale, read_metadata(kind, data, image.info)


def _reduce(image: ImageFile.ImageFile, min_side: int | None) -> float:
    """Have a JPEG decoded smaller. Gives its new long side divided by its full one."""
    width, height = image.size
    if min_side is None:
        return 1.0
    for divisor in (8, 4, 2):
        if -(-max(width, height) // divisor) >= min_side:
            image.draft(None, (max(width // divisor, 1), max(height // divisor, 1)))
            break
    return max(image.size) / max(width, height)


def _refuse_picture(label: str, kind: str, data: bytes, error: Exception) -> NoReturn:
    """Raise the PhotoError that explains a decoder's error."""
    if isinstance(error, MemoryError):
        raise PhotoTooLargeError(label, "needs more memory than there is: scale it down") from error
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        raise PhotoTooLargeError(
            label, "is over Pillow's own limit, Image.MAX_IMAGE_PIXELS: scale it down"
        ) from error
    why = " ".join(str(error).split())[:80] or type(error).__name__
    if isinstance(error, EOFError | struct.error) or is_cut_off(kind, data, str(error)):
        raise TruncatedPhotoError(
            label, "the file ends before the picture does: copy or download it again"
        ) from error
    if is_unsupported(kind, error):
        raise UnsupportedPhotoError(
            label,
            f"is a {kind} of a kind that facematch does not read ({why}): save it as JPEG, or as "
            "PNG with 8 or 16 bits",
        ) from error
    raise UnreadablePhotoError(
        label, f"the {kind} is damaged ({why}): copy it again, or save it again as JPEG"
    ) from error

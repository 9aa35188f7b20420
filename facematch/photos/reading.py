"""From a file to an upright RGB Photo, within bounds.

Pillow and pillow-heif decode. This module decides which of their readers may open a file, checks
the limits before pixels are decoded, and turns whatever goes wrong into a PhotoError.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import struct
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from facematch.errors import (
    MissingPhotoError,
    NotAnImageError,
    PhotoError,
    PhotoTooLargeError,
    TruncatedPhotoError,
    UnreadablePhotoError,
)
from facematch.photos.files import opened
from facematch.photos.limits import (
    Limits,
    check_frames,
    check_header,
    check_jpeg_memory,
    check_size,
)
from facematch.types import Photo, Pixels

# Pillow's reader of each format. They are called directly: Image.open would import every plugin
# for some formats, and would warn of, or refuse, large photos by a process-wide setting.
_READERS = {
    "JPEG": "PIL.JpegImagePlugin:JpegImageFile",  # of an MPO it sees the first picture only
    "PNG": "PIL.PngImagePlugin:PngImageFile",
    "WebP": "PIL.WebPImagePlugin:WebPImageFile",
    "TIFF": "PIL.TiffImagePlugin:TiffImageFile",
    "BMP": "PIL.BmpImagePlugin:BmpImageFile",
    "GIF": "PIL.GifImagePlugin:GifImageFile",
    "AVIF": "PIL.AvifImagePlugin:AvifImageFile",
    "HEIC": "pillow_heif:HeifImageFile",
}
_ENDINGS = (
    ".jpg .jpeg .jpe .jfif .mpo .png .webp .tif .tiff .bmp .gif .avif .heic .heif"  # of file names
)
_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # with 64-bit offsets
    (b"MM\0+", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
)
_BMP_HEADER = 124  # bytes in the longest header a BMP can have, which it states after its first 14
_HEIF_BRANDS = frozenset(b"heic heix heim heis hevc hevx hevm hevs mif1 msf1".split())
_AVIF_BRANDS = frozenset(b"avif avis".split())

_ORIENTATION, _DATE_TIME, _EXIF_DIRECTORY, _DATE_TIME_ORIGINAL = 0x0112, 0x0132, 0x8769, 0x9003
# EXIF orientation -> swap rows and columns?, then the steps through rows and through columns.
_TURNS = {
    1: (False, 1, 1),
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, 1, -1),
    7: (True, -1, -1),
    8: (True, -1, 1),
}
# Pixels made RGB at a time: no second full-size picture in memory, and far below the size at which
# Image.crop looks at MAX_IMAGE_PIXELS.
_STRIP = 2**16


@dataclass(frozen=True, slots=True)
class _Exif:
    orientation: int = 1
    taken: datetime | None = None


_DEFAULT_LIMITS = Limits()


def read_photo(
    path: str | os.PathLike[str],
    *,
    min_side: int | None = None,
    limits: Limits = _DEFAULT_LIMITS,
) -> Photo:
    """Decode a photograph: upright, RGB, bounded.

    Opens JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF and HEIC, told apart by content, never by name.
    Of several frames the first is decoded. What is transparent becomes white, 16 bits become 8.

    `min_side`: decode a JPEG at 1/2, 1/4 or 1/8 as long as its long side keeps this many pixels,
    which is several times faster; None, and every other format: full size.

    Raises a PhotoError: missing, not an image, truncated, too large or unreadable.
    """
    label = os.fsdecode(path)
    data = _read_bytes(label, limits.max_bytes)
    kind = _kind(data)
    if kind is None:
        raise NotAnImageError(
            label, f"is in no format facematch opens ({', '.join(_READERS)}): save it as JPEG"
        )
    _reader(kind)  # imported here: a broken installation is not the photo's fault
    try:
        pixels, scale, exif = _decode(label, kind, data, min_side, limits)
        pixels = _upright(pixels, exif.orientation)  # Pillow's own copy is freed by now
    except PhotoError:
        raise
    except Exception as error:
        # On hostile bytes Pillow raises nearly anything: OSError, SyntaxError, ValueError,
        # struct.error, KeyError, MemoryError, ... This is the one border where it enters.
        # KeyboardInterrupt and SystemExit are no Exception and pass.
        _refuse(label, kind, data, error)
    return Photo(
        label=label,
        pixels=pixels,
        path=Path(label),
        taken=exif.taken,
        scale=scale,
        digest=hashlib.sha256(data).hexdigest(),
    )


def list_photos(path: str | os.PathLike[str]) -> list[str]:
    """The photos in a folder and the folders in it, by name; any other path as it is.

    In a folder the name's ending decides what is a photo; hidden files and folders are left out,
    and links to folders, so that none leads in a circle. Raises MissingPhotoError for a folder
    without any, UnreadablePhotoError for a folder in it that may not be read.
    """
    found = photos_in(path)
    if not found:
        label = os.fsdecode(path)
        raise MissingPhotoError(label, f"holds no photo: none ends in {_ENDINGS}")
    return found


def photos_in(path: str | os.PathLike[str]) -> list[str]:
    """As `list_photos`, of a folder without any none."""
    label = os.fsdecode(path)
    if not os.path.isdir(label):
        return [label]
    endings, found = frozenset(_ENDINGS.split()), []
    for folder, folders, files in os.walk(label, onerror=_refuse_folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            str(Path(folder, name))
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in endings
        ]
    return sorted(found, key=lambda file: file.split(os.sep))


def _refuse_folder(error: OSError) -> NoReturn:
    raise UnreadablePhotoError(
        os.fsdecode(error.filename),
        f"the system does not let this folder be read ({error.strerror}): check its permissions",
    ) from error


def photo_digest(path: str | os.PathLike[str], *, limits: Limits | None = _DEFAULT_LIMITS) -> str:
    """The sha256 of a photo's file, in hexadecimal digits, as `Photo.digest` has it.

    `limits` None: of a file of any size, an empty one too.
    Raises a PhotoError where the file cannot be read or is too large.
    """
    label = os.fsdecode(path)
    if limits is None:
        with opened(label) as (file, _):
            return hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(_read_bytes(label, limits.max_bytes)).hexdigest()


# --- the file ---


def _read_bytes(label: str, max_bytes: int) -> bytes:
    with opened(label) as (file, size):
        if size > max_bytes:
            raise PhotoTooLargeError(
                label,
                f"has {size:,} bytes, over the limit of {max_bytes:,}: "
                "save it as JPEG, or raise max_bytes",
            )
        data = file.read(size)
    if not data:
        raise NotAnImageError(label, "is empty (0 bytes): copy or download it again")
    return data


def _kind(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        return _kind_by_brand(data)
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") > _BMP_HEADER:
        return None  # a text that happens to start so
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)


def _kind_by_brand(data: bytes) -> str | None:
    # The major brand, its version, then the compatible brands. Both formats may lead with mif1.
    end = min(int.from_bytes(data[:4], "big"), 256)
    major = data[8:12]
    brands = {major} | {data[at : at + 4] for at in range(16, end, 4)}
    if major not in _HEIF_BRANDS | _AVIF_BRANDS:
        return None  # a film, say
    return "AVIF" if brands & _AVIF_BRANDS else "HEIC"


# --- the picture ---


def _decode(
    label: str, kind: str, data: bytes, min_side: int | None, limits: Limits
) -> tuple[Pixels, float, _Exif]:
    check_header(label, kind, data, limits)
    image = _opened(kind, data)
    size = image.size
    check_size(label, kind, size, limits, len(data))
    if kind in ("PNG", "WebP", "AVIF", "HEIC"):  # whose headers say how many
        check_frames(label, getattr(image, "n_frames", 1), limits)
    scale = 1.0
    if kind == "JPEG":
        scale = _reduce(image, min_side)
        check_jpeg_memory(label, data, size, image.size, limits)
    pixels = _rgb(image)
    if kind == "TIFF":  # Pillow has turned it; so has pillow-heif, which sets its EXIF to 1
        return pixels, scale, _Exif(taken=_exif(data).taken)
    return pixels, scale, _exif(image.info.get("exif"))


class _ExifUnread:
    """Mixed into Pillow's readers: only what they need of EXIF themselves.

    Reading EXIF, Pillow warns where it is broken, which raises where warnings are errors, and
    imports the TIFF reader. `_exif` does neither.
    """

    def getexif(self) -> Image.Exif:
        exif = Image.Exif()
        exif[_ORIENTATION] = getattr(self, "tag_v2", {}).get(_ORIENTATION, 1)
        return exif


@cache
def _reader(kind: str) -> type[ImageFile.ImageFile]:
    module, name = _READERS[kind].split(":")
    reader = getattr(import_module(module), name)
    return cast("type[ImageFile.ImageFile]", type(name, (_ExifUnread, reader), {}))


def _opened(kind: str, data: bytes) -> ImageFile.ImageFile:
    try:
        return _reader(kind)(io.BytesIO(data))
    except Exception:
        if kind != "AVIF":
            raise
        # Pillow refuses an AVIF for its EXIF alone: try once more with that item made unknown.
        return _reader(kind)(io.BytesIO(re.sub(rb"(?s)(infe.{8})Exif", rb"\1skip", data)))


def _reduce(image: ImageFile.ImageFile, min_side: int | None) -> float:
    """Ask for a smaller picture; gives its long side over the original one."""
    width, height = image.size
    if min_side is None:
        return 1.0
    for part in (8, 4, 2):
        if -(-max(width, height) // part) >= min_side:
            image.draft(None, (max(width // part, 1), max(height // part, 1)))
            break
    return max(image.size) / max(width, height)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    swap, rows, columns = _TURNS.get(orientation, _TURNS[1])
    if swap:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels[::rows, ::columns])


# --- colour ---


def _rgb(image: Image.Image) -> Pixels:
    """The picture in RGB, Pixels of its own memory.

    Colour profiles are left alone: phones write Display P3, whose colours are a little dull when
    read as sRGB. An embedder hardly sees it, while converting takes time and parses more of a
    file that may be hostile.
    """
    image.load()
    white = _white(image)
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        pixels[top : top + rows] = _eight_bits(strip, white) if white else _flat(strip)
    return pixels


def _white(image: Image.Image) -> float | None:
    """The value that is white in a grey picture of more than 8 bits; None for any other.

    "I" (32-bit integers) and "F" (floats) do not say: white is the first of 1 (floats only), 255
    and 65535 that no pixel exceeds, else the largest pixel.
    """
    if image.mode.startswith("I;16"):
        return 65535.0
    if image.mode not in ("I", "F"):
        return None
    values = np.asarray(image)
    most = float(np.max(values, where=np.isfinite(values), initial=0))
    whites = (255.0, 65535.0) if image.mode == "I" else (1.0, 255.0, 65535.0)
    return next((white for white in whites if most <= white), most)


def _eight_bits(strip: Image.Image, white: float) -> NDArray[np.uint8]:
    """Grey of many bits, scaled rather than clipped: Pillow makes 300 of 65535 white."""
    values = np.asarray(strip).astype(np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=white, neginf=0.0).clip(0, white)
    return np.rint(values * (255 / white)).astype(np.uint8)[:, :, np.newaxis]


def _flat(strip: Image.Image) -> NDArray[np.uint8]:
    if strip.mode == "La":  # Pillow turns it into LA and nothing else
        strip = strip.convert("LA")
    if strip.has_transparency_data:
        clear = strip.convert("RGBA")
        strip = Image.new("RGB", strip.size, "white")
        strip.paste(clear, mask=clear)
    return np.asarray(strip.convert("RGB"))


# --- EXIF ---


def _exif(block: Any) -> _Exif:
    """The orientation and the date in an EXIF block; of a broken block, what can be read."""
    if not isinstance(block, bytes):
        return _Exif()
    block = re.sub(rb"\A(Exif\0\0){1,2}", b"", block, count=1)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return _Exif()
    tags = _directory(block, order, struct.unpack_from(f"{order}I", block, 4)[0])
    within = tags.get(_EXIF_DIRECTORY)
    more = {} if within is None else _directory(block, order, within)
    original = _date(block, more.get(_DATE_TIME_ORIGINAL))
    return _Exif(tags.get(_ORIENTATION, 1), original or _date(block, tags.get(_DATE_TIME)))


def _directory(block: bytes, order: str, offset: int) -> dict[int, int]:
    """Tag -> its number, or for text where in the block it starts; entries up to the first gap."""
    values: dict[int, int] = {}
    with suppress(struct.error):
        (count,) = struct.unpack_from(f"{order}H", block, offset)
        for at in range(offset + 2, offset + 2 + 12 * count, 12):
            tag, type_, _, number = struct.unpack_from(f"{order}HHI4s", block, at)
            short = type_ == 3
            values[tag] = struct.unpack_from(order + ("H" if short else "I"), number)[0]
    return values


def _date(block: bytes, offset: int | None) -> datetime | None:
    if offset is None:
        return None
    with suppress(ValueError):  # also what decode raises; cameras without a clock write 0000
        return datetime.strptime(block[offset : offset + 19].decode("ascii"), "%Y:%m:%d %H:%M:%S")
    return None


# --- what went wrong ---


def _refuse(label: str, kind: str, data: bytes, error: Exception) -> NoReturn:
    if isinstance(error, MemoryError):
        raise PhotoTooLargeError(label, "needs more memory than there is: scale it down") from error
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        raise PhotoTooLargeError(
            label, "is over Pillow's own limit, Image.MAX_IMAGE_PIXELS: scale it down"
        ) from error
    if isinstance(error, EOFError | struct.error) or _ends_early(kind, data, str(error)):
        raise TruncatedPhotoError(
            label, "the file ends before the picture does: copy or download it again"
        ) from error
    why = " ".join(str(error).split())[:80] or type(error).__name__
    raise UnreadablePhotoError(
        label, f"the {kind} is damaged ({why}): copy it again, or save it anew as JPEG"
    ) from error


def _ends_early(kind: str, data: bytes, message: str) -> bool:
    """Whether a file that failed to decode looks cut off. A whole file is never asked."""
    if "truncated" in message.lower():
        return True
    match kind:
        case "JPEG":
            return not data.rstrip(b"\0").endswith(b"\xff\xd9")
        case "PNG":
            return b"IEND" not in data[-64:]
        case "GIF":
            return not data.rstrip(b"\0").endswith(b";")
        case "WebP":
            return int.from_bytes(data[4:8], "little") + 8 > len(data)
        case "BMP":
            return int.from_bytes(data[2:6], "little") > len(data)
        case "AVIF" | "HEIC":
            return b"mdat" not in data or _boxes_end(data) > len(data)
        case _:
            return False


def _boxes_end(data: bytes) -> int:
    """Where the last box of an ISO file says it ends; past the file if that was cut."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:  # a 64-bit size follows
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:  # 0: up to the end of the file
            return len(data)
        at += size
    return at

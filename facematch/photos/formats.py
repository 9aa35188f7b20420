"""The image formats that facematch opens: how to recognise a file, and which reader opens it.

A file's content decides its format, never its name.
"""

from __future__ import annotations

import io
import re
from functools import cache
from importlib import import_module
from typing import cast

from PIL import Image, ImageFile

# Pillow's reader of each format. facematch calls the readers directly: for some formats Image.open
# imports every plugin, and it warns of large photos, or refuses them, by a process-wide setting.
READER_BY_FORMAT = {
    "JPEG": "PIL.JpegImagePlugin:JpegImageFile",  # opens only the first picture of an MPO file
    "PNG": "PIL.PngImagePlugin:PngImageFile",
    "WebP": "PIL.WebPImagePlugin:WebPImageFile",
    "TIFF": "PIL.TiffImagePlugin:TiffImageFile",
    "BMP": "PIL.BmpImagePlugin:BmpImageFile",
    "GIF": "PIL.GifImagePlugin:GifImageFile",
    "AVIF": "PIL.AvifImagePlugin:AvifImageFile",
    "HEIC": "pillow_heif:HeifImageFile",
}
_FORMAT_BY_FIRST_BYTES = (
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
_LONGEST_BMP_HEADER = 124  # bytes; a BMP states its header's length after its first 14 bytes
_HEIF_BRANDS = frozenset(b"heic heix heim heis hevc hevx hevm hevs mif1 msf1".split())
_AVIF_BRANDS = frozenset(b"avif avis".split())
# What readers say of a sound file that they cannot read.
_UNSUPPORTED = re.compile(
    r"unsupported|not (yet )?supported|unknown pixel mode|cannot handle", re.I
)
_JPEG_END = b"\xff\xd9"
_FILLINGS = (b"\x00", b"\x55")  # as pixels, these bytes look different
_FILLED_BYTES = 512


def photo_format(data: bytes) -> str | None:
    """The format of a file's content, a key of READER_BY_FORMAT; None for any other content."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        return _format_by_brand(data)
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") > _LONGEST_BMP_HEADER:
        return None  # a text that starts with BM
    return next((kind for first, kind in _FORMAT_BY_FIRST_BYTES if data.startswith(first)), None)


def _format_by_brand(data: bytes) -> str | None:
    # The major brand, its version, then the compatible brands. AVIF and HEIC can both start with
    # the major brand mif1.
    end = min(int.from_bytes(data[:4], "big"), 256)
    major = data[8:12]
    brands = {major} | {data[start : start + 4] for start in range(16, end, 4)}
    if major not in _HEIF_BRANDS | _AVIF_BRANDS:
        return None  # for example a film
    return "AVIF" if brands & _AVIF_BRANDS else "HEIC"


class _AsStored(ImageFile.ImageFile):
    """Mixed into Pillow's readers: they neither read EXIF nor turn the picture.

    When Pillow reads EXIF it imports the TIFF reader, and it warns about damaged EXIF, which raises
    where warnings are errors. It also turns a TIFF by an orientation of one type only.
    `orientation.read_metadata` does better.
    """

    def getexif(self) -> Image.Exif:
        return Image.Exif()

    def load_end(self) -> None:
        super().load_end()
        self._size = self.im.size  # Pillow's reader of TIFFs announces that of the turned picture


@cache
def reader_class(kind: str) -> type[ImageFile.ImageFile]:
    """The class that opens files of a format. Imports the package that decodes it."""
    module, name = READER_BY_FORMAT[kind].split(":")
    reader = getattr(import_module(module), name)
    return cast("type[ImageFile.ImageFile]", type(name, (_AsStored, reader), {}))


def open_image(kind: str, data: bytes) -> ImageFile.ImageFile:
    """The picture of that format, its pixels not decoded yet. Raises whatever its reader raises."""
    try:
        return reader_class(kind)(io.BytesIO(data))
    except Exception:
        if kind != "AVIF":
            raise
        # Pillow refuses an AVIF for damaged EXIF alone. Try again with that item renamed.
        return reader_class(kind)(io.BytesIO(re.sub(rb"(?s)(infe.{8})Exif", rb"\1skip", data)))


def jpeg_ends(data: bytes) -> list[bytes]:
    """A JPEG without its end marker, twice: some bytes, which differ, and an end marker added.

    Where only the marker was missing, the bytes lie behind the last pixel, and both show the same
    picture. A JPEG that is cut off shows two pictures. [] for a JPEG with its end marker.
    """
    end = len(data.rstrip(b"\0"))
    if data.endswith(_JPEG_END, 0, end):
        return []
    # FF is half of the end marker, or a pixel's, which a 0 follows: with a 0 it may be either.
    pixels = data[:end] + b"\0" * data.endswith(b"\xff", 0, end)
    return [pixels + filling * _FILLED_BYTES + _JPEG_END for filling in _FILLINGS]


def is_unsupported(kind: str, error: Exception) -> bool:
    """Whether a reader failed with that error because it does not know such files."""
    is_unknown_compression = kind == "TIFF" and isinstance(error.__cause__, KeyError)  # in a table
    return is_unknown_compression or bool(_UNSUPPORTED.search(str(error)))


def is_cut_off(kind: str, data: bytes, message: str) -> bool:
    """Whether a file that failed to decode with that message ends too early."""
    if "truncated" in message.lower():
        return True
    match kind:
        case "JPEG":
            return bool(jpeg_ends(data))
        case "PNG":
            return b"IEND" not in data[-64:]
        case "GIF":
            return not data.rstrip(b"\0").endswith(b";")
        case "WebP":
            return int.from_bytes(data[4:8], "little") + 8 > len(data)
        case "BMP":
            return int.from_bytes(data[2:6], "little") > len(data)
        case "AVIF" | "HEIC":
            return b"mdat" not in data or _end_of_boxes(data) > len(data)
        case _:
            return False


def _end_of_boxes(data: bytes) -> int:
    """The byte where the last box of an ISO file should end; behind the file if it is cut off."""
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        if size == 1:  # a 64-bit size follows
            size = int.from_bytes(data[position + 8 : position + 16], "big")
        if size < 8:  # 0: the box lasts to the end of the file
            return len(data)
        position += size
    return position

"""Writes the pictures that tests/photos/test_photos.py reads: painted, never photographed."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image
from PIL.PngImagePlugin import PngInfo

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 30), (30, 30, 220), (220, 220, 30)
QUADRANTS = (RED, GREEN, BLUE, YELLOW)  # top left, top right, bottom left, bottom right

# How an upright picture is stored so that a viewer that obeys the orientation shows it upright.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
# Pillow's name of each format, and what makes it lossless or nearly.
PILLOW: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    "mpo": ("MPO", {"quality": 95, "subsampling": 0}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {"lossless": True}),
    "tiff": ("TIFF", {}),
    "tiff-lzw": ("TIFF", {"compression": "tiff_lzw"}),
    "bmp": ("BMP", {}),
    "gif": ("GIF", {}),
    "avif": ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
}
FORMATS = (*PILLOW, "heic")


def quadrants(width: int = 96, height: int = 64) -> Image.Image:
    """Give an upright picture whose four quarters are red, green, blue and yellow."""
    image = Image.new("RGB", (width, height))
    half = (width // 2, height // 2)
    for n, colour in enumerate(QUADRANTS):
        image.paste(colour, (n % 2 * half[0], n // 2 * half[1], width, height))
    return image


def corners(pixels: np.ndarray) -> list[tuple[int, ...]]:
    """Give the colour in the middle of each quarter, in the order of QUADRANTS."""
    height, width = pixels.shape[:2]
    rows, columns = (height // 4, height * 3 // 4), (width // 4, width * 3 // 4)
    return [tuple(int(c) for c in pixels[y, x]) for y in rows for x in columns]


def encode(image: Image.Image, format_: str, **options: Any) -> bytes:
    """Give the bytes of a file in one of FORMATS."""
    file = io.BytesIO()
    if format_ == "heic":
        pillow_heif.from_pillow(image).save(file, quality=-1, chroma=444, **options)
    else:
        name, defaults = PILLOW[format_]
        image.save(file, name, **{**defaults, **options})
    return file.getvalue()


def oriented(format_: str, orientation: int, **size: int) -> bytes:
    """Give the quadrants, stored turned and tagged with that orientation."""
    image = quadrants(**size)
    if orientation in STORED:
        image = image.transpose(STORED[orientation])
    return encode(image, format_, exif=exif(orientation=orientation))


def exif(
    *,
    orientation: int | None = None,
    date: str | None = None,
    original: str | None = None,
    digitized: str | None = None,
) -> bytes:
    """Give an EXIF block as Pillow writes it."""
    tags = Image.Exif()
    if orientation is not None:
        tags[0x0112] = orientation
    if date is not None:
        tags[0x0132] = date
    if original is not None:
        tags.get_ifd(0x8769)[0x9003] = original
    if digitized is not None:
        tags.get_ifd(0x8769)[0x9004] = digitized
    return tags.tobytes()


def with_exif(jpeg: bytes, block: bytes) -> bytes:
    """Give the JPEG with this as its only header, as cameras write it: EXIF and no JFIF."""
    assert jpeg[2:4] == b"\xff\xe0", "Pillow writes JFIF first"
    rest = jpeg[4 + int.from_bytes(jpeg[4:6], "big") :]
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + rest


def chunk(name: bytes, content: bytes) -> bytes:
    """Give a PNG chunk."""
    return struct.pack(">I", len(content)) + name + content + crc(name + content)


def crc(content: bytes) -> bytes:
    """Give the checksum at the end of a PNG chunk."""
    return struct.pack(">I", zlib.crc32(content))


def bare_png(width: int, height: int, bits: int, colour: int, rows: bytes) -> bytes:
    """Give a PNG of rows made by hand: black 20,000 x 20,000 pixels take 50 kB."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def black_png(width: int, height: int) -> bytes:
    """Give a black PNG of one bit a pixel."""
    return bare_png(width, height, 1, 0, bytes(height * (1 + (width + 7) // 8)))


def frames(format_: str, count: int) -> bytes:
    """Give an animation whose first frame is red and whose others are not."""
    size = (16, 8)
    rest = [Image.new("RGB", size, (0, 0, 100 + n)) for n in range(count - 1)]
    first = Image.new("RGB", size, RED)
    return encode(first, format_, save_all=True, append_images=rest)


def exif_of_type(
    order: str, type_: int, orientation: int, *, big: bool = False, count: int = 1
) -> bytes:
    """Give an EXIF block whose orientation is a number of a TIFF type, in an order of bytes."""
    code = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q"}[type_]
    value = struct.pack(order + code, orientation).ljust(8 if big else 4, b"\0")
    mark = b"II" if order == "<" else b"MM"
    if big:
        head = struct.pack(order + "HHHQQ", 43, 8, 0, 16, 1)
        return mark + head + struct.pack(order + "HHQ", 0x0112, type_, count) + value + bytes(8)
    head = struct.pack(order + "HIH", 42, 8, 1)
    return mark + head + struct.pack(order + "HHI", 0x0112, type_, count) + value + bytes(4)


def raw_profile(kind: str, content: bytes) -> str:
    """Give the text that ImageMagick writes for a profile of that kind."""
    digits = content.hex()
    lines = [digits[start : start + 72] for start in range(0, len(digits), 72)]
    return "\n".join(["", kind, f"{len(content):8}", *lines, ""])


def png_with_text(image: Image.Image, key: str, text: str, form: str = "zTXt") -> bytes:
    """Give the image as a PNG with a text in a chunk of the form tEXt, zTXt, iTXt."""
    info = PngInfo()
    if form == "iTXt":
        info.add_itxt(key, text)
    else:
        info.add_text(key, text, zip=form == "zTXt")
    return encode(image, "png", pnginfo=info)


def xmp(orientation: object, *, form: str = "attribute", prefix: str = "tiff") -> str:
    """Give an XMP packet with an orientation, as an attribute or an element."""
    attribute = f' {prefix}:Orientation="{orientation}"' if form == "attribute" else ""
    element = f"<{prefix}:Orientation>{orientation}</{prefix}:Orientation>" * (form == "element")
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:{prefix}="http://ns.adobe.com/tiff/1.0/"{attribute}>'
        f'{element}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )


def tiff(
    tags: dict[int, tuple[int, int]], content: bytes = b"", *, order: str = "<", magic: bytes = b""
) -> bytes:
    """Give a TIFF of one directory of SHORTs (3) and LONGs (4), tag -> (type, number).

    `content` begins at byte 8, or behind `magic`, which comes at byte 8.
    """
    entries = b""
    for tag, (type_, number) in sorted(tags.items()):
        code = "HH" if type_ == 3 else "I"
        value = struct.pack(order + code, *([number, 0] if type_ == 3 else [number]))
        entries += struct.pack(order + "HHI", tag, type_, 1) + value
    content = magic + content
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8 + len(content))
    return head + content + struct.pack(order + "H", len(tags)) + entries + bytes(4)


def grey_tiff(
    values: np.ndarray, bits: int, *, order: str = "<", white_is_zero: bool = False
) -> bytes:
    """Give a grey TIFF, its values of 0 to 1 packed into so many bits each."""
    most = 2**bits - 1
    numbers = np.rint(np.asarray(values) * most).astype(np.uint32)
    if white_is_zero:
        numbers = most - numbers
    height, width = numbers.shape
    if bits == 16:
        packed = numbers.astype(order + "u2").tobytes()
    else:
        ones = numbers[:, :, np.newaxis] >> np.arange(bits - 1, -1, -1, dtype=np.uint32) & 1
        packed = np.packbits(ones.astype(np.uint8).reshape(height, -1), axis=1).tobytes()
    shorts = {256: width, 257: height, 258: bits, 259: 1, 262: int(not white_is_zero), 277: 1}
    tags = {tag: (3, number) for tag, number in shorts.items()}
    tags |= {273: (4, 8), 278: (3, height), 279: (4, len(packed))}
    return tiff(tags, packed, order=order)

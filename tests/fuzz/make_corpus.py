"""Hostile photos, made by hand; real encodings, and random mutations of them.

    python tests/fuzz/make_corpus.py FOLDER [--mutations N]

All are drawn, none is a photograph. The same seed and the same encoders make the same files.
"""

from __future__ import annotations

import argparse
import random
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

REPOSITORY = Path(__file__).parent.parent.parent
sys.path.insert(0, str(REPOSITORY / "tests"))

from helpers.make_photos import (  # noqa: E402
    FORMATS,
    bare_png,
    black_png,
    chunk,
    encode,
    exif,
    frames,
    grey_tiff,
    png_with_text,
    quadrants,
    raw_profile,
    tiff,
    with_exif,
    xmp,
)

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TAKEN = exif(orientation=6, date="2021:02:03 04:05:06", original="2020:01:02 03:04:05")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mutations", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, content in [*hostile(), *bombs(), *mutations(options.mutations)]:
        (options.folder / name).write_bytes(content)


# --- real encodings ---


def real() -> Iterator[tuple[str, bytes]]:
    """Small encodings of every kind that facematch opens."""
    small, face = quadrants(48, 32), drawn_face(120, 150)
    for format_ in FORMATS:
        yield format_, encode(small, format_)
        yield f"{format_} of a face", encode(face, format_)
    yield "jpeg with EXIF", with_exif(encode(face, "jpeg"), _TAKEN)
    yield "progressive jpeg", encode(face, "jpeg", progressive=True)
    yield "CMYK jpeg", encode(face.convert("CMYK"), "jpeg")
    yield "grey jpeg", encode(face.convert("L"), "jpeg")
    for mode in ("1", "L", "LA", "P", "I;16", "RGBA"):
        image = Image.new(mode, (48, 32), 9999) if mode == "I;16" else face.convert(mode)
        yield f"{mode} png", encode(image, "png")
    yield "png with text", encode(face, "png", exif=_TAKEN, icc_profile=bytes(3000))
    yield "lossy webp with alpha", encode(face.convert("RGBA"), "webp", lossless=False)
    yield "webp with EXIF", encode(face, "webp", exif=_TAKEN)
    yield "avif with EXIF", encode(face.convert("RGBA"), "avif", exif=_TAKEN)
    yield "heic with EXIF", encode(face, "heic", exif=_TAKEN)
    for packing in ("tiff_deflate", "jpeg", "packbits", "group4"):
        image = face.convert("1") if packing == "group4" else face
        yield f"{packing} tiff", encode(image, "tiff", compression=packing)
    yield "tiff with 64-bit offsets", encode(face, "tiff", big_tiff=True)
    yield "CMYK tiff", encode(face.convert("CMYK"), "tiff")
    yield "float tiff", encode(face.convert("F"), "tiff")
    profile = raw_profile("exif", b"Exif\0\0" + _TAKEN)
    yield "png with a raw profile", png_with_text(face, "Raw profile type exif", profile)
    packet = xmp(6)
    yield "png with XMP", png_with_text(face, "XML:com.adobe.xmp", packet, "iTXt")
    yield "jpeg with XMP", encode(face, "jpeg", xmp=packet.encode())
    yield "webp with XMP", encode(face, "webp", xmp=packet.encode())
    yield "tiff with XMP", encode(face, "tiff", tiffinfo={700: packet.encode(), 274: 6})
    light = np.asarray(face.convert("L")) / 255
    yield "tiff of 12 bits", grey_tiff(light, 12)
    thumbnail = {256: (3, 4), 257: (3, 4), 258: (3, 8), 262: (3, 1), 273: (4, 8), 279: (4, 16)}
    sensor = tiff({256: (3, 6000), 262: (3, 32803), 330: (4, 8)})[8:]
    yield "raw tiff", tiff(thumbnail | {330: (4, 24)}, bytes(16) + sensor)
    yield "jpeg without an end", encode(face, "jpeg")[:-2]
    for format_ in ("gif", "webp", "tiff", "png", "avif"):
        yield f"animated {format_}", frames(format_, 4)


def drawn_face(width: int, height: int) -> Image.Image:
    """The drawn father."""
    with Image.open(REPOSITORY / "samples" / "father.png") as image:
        return image.convert("RGB").resize((width, height))


# --- mutations ---


def mutations(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """So many real encodings, each damaged at random."""
    return mutations_of(list(real()), count, seed)


def mutations_of(
    seeds: Sequence[tuple[str, bytes]], count: int, seed: int
) -> Iterator[tuple[str, bytes]]:
    """So many of these files, each damaged at random."""
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        name, content = rng.choice(seeds)
        yield f"mutation {number} of {name}", damaged(content, rng)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The file with one to three things wrong with it."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        rng.choice(_DAMAGES)(changed, rng)
    return bytes(changed)


def _flip(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 16)):
        content[_place(content, rng)] ^= 1 << rng.randrange(8)


def _set_byte(content: bytearray, rng: random.Random) -> None:
    content[_place(content, rng)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _set_number(content: bytearray, rng: random.Random) -> None:
    """A size, a count or an offset that is another, most often somewhere in the headers."""
    code = rng.choice(("<H", ">H", "<I", ">I"))
    most = 256 ** struct.calcsize(code) - 1
    value = rng.choice((0, 1, most, most // 2, most // 2 + 1, 65_535, 10_000, rng.randint(0, most)))
    at = _place(content, rng)
    content[at : at + struct.calcsize(code)] = struct.pack(code, min(value, most))


def _cut(content: bytearray, rng: random.Random) -> None:
    del content[_place(content, rng) :]


def _remove(content: bytearray, rng: random.Random) -> None:
    at = _place(content, rng)
    del content[at : at + rng.randint(1, 64)]


def _repeat(content: bytearray, rng: random.Random) -> None:
    at = _place(content, rng)
    content[at:at] = content[at : at + rng.randint(1, 512)] * rng.randint(1, 8)


def _insert(content: bytearray, rng: random.Random) -> None:
    at = _place(content, rng)
    content[at:at] = rng.randbytes(rng.randint(1, 64))


def _move(content: bytearray, rng: random.Random) -> None:
    size = rng.randint(1, 256)
    taken, at = _place(content, rng), _place(content, rng)
    content[at : at + size] = content[taken : taken + size]


_DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip, _flip, _set_byte, _set_number, _set_number, _cut, _remove, _repeat, _insert, _move,
)  # fmt: skip


def _place(content: bytearray, rng: random.Random) -> int:
    """Anywhere, half of the time among the first 200 bytes. An empty file gets a byte."""
    content or content.append(0)
    most = min(200, len(content)) if rng.random() < 0.5 else len(content)
    return rng.randrange(most)


# --- hostile by hand ---


def hostile() -> Iterator[tuple[str, bytes]]:
    """Files of every kind of malice that cost little to refuse."""
    yield from _cut_everywhere()
    yield from _wrong_magic()
    yield from _odd_sizes()
    yield from _loops()
    yield from _oversized_headers()
    yield from _many_parts()
    yield from _circles()


def _cut_everywhere() -> Iterator[tuple[str, bytes]]:
    """Every format, cut at every kilobyte."""
    for format_ in FORMATS:
        content = encode(drawn_face(240, 300), format_)
        for length in range(0, len(content), 1024):
            yield f"{format_} of {length} bytes", content[:length]


def _wrong_magic() -> Iterator[tuple[str, bytes]]:
    """The first bytes of one format before the rest of another."""
    whole = {format_: encode(quadrants(), format_) for format_ in FORMATS}
    for one, head in whole.items():
        for other, body in whole.items():
            if one != other:
                yield f"{other} that begins as {one}", head[:16] + body[16:]


def _odd_sizes() -> Iterator[tuple[str, bytes]]:
    for width, height in ((0, 0), (0, 1), (1, 0), (1, 1), (65_535, 1), (1, 65_535)):
        yield f"png of {width}x{height}", bare_png(width, height, 8, 0, bytes(height * (1 + width)))
        if width * height:
            image = Image.new("RGB", (min(width, 65_500), min(height, 65_500)), "red")
            for format_ in ("jpeg", "bmp", "gif", "tiff"):
                yield f"{format_} of {width}x{height}", encode(image, format_)
    jpeg, gif = encode(quadrants(), "jpeg"), encode(quadrants(), "gif")
    at = jpeg.index(b"\xff\xc0") + 5
    for height, width in ((0, 0), (0, 5), (5, 0), (65_535, 65_535), (65_535, 1)):
        size = struct.pack(">HH", height, width)
        yield f"jpeg said to be {width}x{height}", jpeg[:at] + size + jpeg[at + 4 :]
        size = struct.pack("<HH", width, height)
        yield f"gif said to be {width}x{height}", gif[:6] + size + gif[10:]
    for bits in (1, 2, 4, 8, 16, 3, 0, 255):
        for colour in (0, 2, 3, 4, 6, 7):
            yield f"png of {bits} bits, kind {colour}", bare_png(4, 4, bits, colour, bytes(200))
    bmp = encode(quadrants(), "bmp")
    for width, height in ((-96, 64), (96, -64), (2**31 - 1, 2**31 - 1), (-(2**31), -(2**31))):
        yield f"bmp of {width}x{height}", bmp[:18] + struct.pack("<ii", width, height) + bmp[26:]


def _loops() -> Iterator[tuple[str, bytes]]:
    """Directories that refer to themselves or to each other."""
    jpeg = encode(quadrants(), "jpeg")
    for order, mark in (("<", b"II*\0"), (">", b"MM\0*")):
        pointer = struct.pack(order + "HHII", 0x8769, 4, 1, 8)
        here = mark + struct.pack(order + "IH", 8, 1) + pointer + struct.pack(order + "I", 8)
        yield f"jpeg with a loop of EXIF {mark[:2]}", with_exif(jpeg, b"Exif\0\0" + here)
        wide = mark + struct.pack(order + "IH", 8, 65_535) + pointer * 5000
        yield (
            f"jpeg with EXIF of 65,535 entries {mark[:2]}",
            with_exif(jpeg, b"Exif\0\0" + wide[:60_000]),
        )
        yield f"tiff with a loop {mark[:2]}", here
    tiff = bytearray(encode(quadrants(), "tiff"))
    (at,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, at)
    struct.pack_into("<I", tiff, at + 2 + 12 * count, at)
    yield "tiff whose next picture is itself", bytes(tiff)


def _oversized_headers() -> Iterator[tuple[str, bytes]]:
    """Text, profiles and EXIF that are, or unpack to, far more than a photo needs."""
    whole = encode(quadrants(), "png")
    head, rest = whole[:33], whole[33:]
    zeros = zlib.compress(bytes(200_000_000), 9)
    for name, content in (
        ("zTXt", b"a\0\0" + zeros),
        ("iTXt", b"a\0\1\0\0\0" + zeros),
        ("iCCP", b"a\0\0" + zeros),
        ("tEXt", b"a\0" + bytes(40_000_000)),
        ("eXIf", bytes(40_000_000)),
    ):
        yield f"png with a {name} of 200 MB", head + chunk(name.encode(), content) + rest
    many = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1_000_000))) * 1500
    yield "png with 1,500 profiles", head + many + rest
    jpeg = encode(quadrants(), "jpeg")
    full = bytes(65_500)
    for name, segment, count in (
        ("EXIF", b"\xff\xe1" + b"Exif\0\0" + full, 500),
        ("profiles", b"\xff\xe2" + b"ICC_PROFILE\0\1\xff" + full, 255),
        ("XMP", b"\xff\xe1" + b"http://ns.adobe.com/xap/1.0/\0" + full, 600),
        ("photoshop", b"\xff\xed" + b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\0" * 5000, 200),
    ):
        body = segment[2:]
        segments = (segment[:2] + struct.pack(">H", len(body) + 2) + body) * count
        yield f"jpeg with {count} segments of {name}", jpeg[:2] + segments + jpeg[2:]
    yield from _hostile_xmp()
    gif = encode(quadrants(), "gif")
    start = 13 + 3 * 2 ** ((gif[10] & 7) + 1) if gif[10] & 0x80 else 13
    comment = b"!\xfe" + (b"\xff" + b"a" * 255) * 60_000 + b"\0"
    yield "gif with a comment of 15 MB", gif[:start] + comment + gif[start:]


def _hostile_xmp() -> Iterator[tuple[str, bytes]]:
    """XMP that is deep, wide, long, or defines entities; profiles of nothing but digits."""
    laughs = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(12))
    packets = {
        "deep XMP": "<a>" * 5_000_000,
        "XMP of many attributes": "<a " + " ".join(f"b{n}='c'" for n in range(1_000_000)),
        "XMP of many elements": "<a>" + "<b/>" * 4_000_000,
        "XMP of one long comment": "<!--" + "-a" * 8_000_000,
        "XMP with entities": f'<!DOCTYPE x [<!ENTITY a0 "6">{laughs}]><x>&a12;</x>',
    }
    for name, packet in packets.items():
        yield f"png with {name}", png_with_text(quadrants(), "XML:com.adobe.xmp", packet, "iTXt")
        yield f"webp with {name}", encode(quadrants(), "webp", xmp=packet.encode())
    for digits in ("\n" * 15_000_000, "\nexif\n 9\n" + "4 5\n" * 4_000_000):
        text = png_with_text(quadrants(), "Raw profile type exif", digits, "tEXt")
        yield f"png with a raw profile that begins {digits[:3]!r}", text


def _many_parts() -> Iterator[tuple[str, bytes]]:
    """Parts so small and so many that going over them takes minutes."""
    whole = encode(quadrants(), "png")
    for name, count in ((b"tEXt", 1_000_000), (b"IDAT", 1_000_000), (b"prVt", 1_000_000)):
        small = chunk(name, b"a\0b" if name == b"tEXt" else b"")
        yield f"png of {count:,} {name.decode()}", whole[:33] + small * count + whole[33:]
    jpeg = encode(quadrants(), "jpeg")
    for name, part, count in (
        ("EXIF", b"\xff\xe1\0\x0aExif\0\0..", 1_000_000),
        ("comments", b"\xff\xfe\0\2", 3_000_000),
        ("bytes between segments", b"\0", 30_000_000),
        ("fill bytes", b"\xff", 30_000_000),
        ("restarts", b"\xff\xd0", 10_000_000),
    ):
        yield f"jpeg of {count:,} {name}", jpeg[:20] + part * count + jpeg[20:]
    yield "progressive jpeg of 20,000 scans", _scans(quadrants(4000, 3000), 20_000)
    gif = encode(quadrants(), "gif")
    for name, part, count in (
        ("comments", b"!\xfe\1a\0", 2_000_000),
        ("blocks", b"!\xfe" + b"\1a" * 10_000_000 + b"\0", 1),
        ("bytes between blocks", b"\1", 20_000_000),
    ):
        yield f"gif of {count:,} {name}", gif[:13] + part * count + gif[13:]
        yield f"gif with {count:,} {name} behind", gif[:-1] + part * count + b";"
    yield from _tiffs()
    pixels = b"\1\0" * 1_950_000
    header = struct.pack("<IiiHHIIiiII", 40, 1000, 1950, 1, 8, 1, len(pixels), 0, 0, 256, 0)
    rle = b"BM" + struct.pack("<IHHI", 54 + 1024 + len(pixels), 0, 0, 1078) + header + bytes(1024)
    yield "bmp of runs of one pixel", rle + pixels
    wide = header[:4] + struct.pack("<ii", 14_000, 14_000) + header[12:]
    yield "bmp of runs, 14,000 wide", rle[:14] + wide + bytes(1024) + pixels


def _scans(image: Image.Image, count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    jpeg = encode(image, "jpeg", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * count + jpeg[-2:]


def _tiffs() -> Iterator[tuple[str, bytes]]:
    def tiff(entries: list[tuple[int, int, int, int]], more: bytes = b"") -> bytes:
        body = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
        return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4) + more

    plain = [(256, 3, 1, 16), (257, 3, 1, 16), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    plain += [(273, 4, 1, 0), (277, 3, 1, 1), (278, 3, 1, 16), (279, 4, 1, 256)]
    yield (
        "tiff whose entries share bytes",
        tiff(plain + [(tag, 7, 500_000, 8) for tag in range(40_000, 42_000 - 10)], bytes(600_000)),
    )
    yield "tiff of 60,000 entries", tiff(plain + [(tag, 3, 1, 0) for tag in range(400, 60_400)])
    many = [(273, 4, 8_000_000, 200), (279, 4, 8_000_000, 200)]
    less = [entry for entry in plain if entry[0] not in (273, 279)]
    yield "tiff of 8,000,000 strips", tiff(less + many, bytes(65_000_000))
    for side in (20_000, 60_000, 2**31 - 1):
        tiles = [(322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, 300), (325, 4, 1, 1000)]
        packed = [entry if entry[0] != 259 else (259, 3, 1, 8) for entry in less]
        yield (
            f"tiff of a tile of {side}",
            tiff(packed + tiles, bytes(200) + zlib.compress(bytes(9))),
        )


def _circles() -> Iterator[tuple[str, bytes]]:
    """Directories within directories that lead back, or to thousands of others."""
    plain = {256: (3, 4), 257: (3, 4), 258: (3, 8), 262: (3, 1), 273: (4, 8), 279: (4, 16)}
    yield "tiff within itself", tiff(plain | {330: (4, 24)}, bytes(16))
    whole = bytearray(tiff(plain | {330: (4, 24)}, bytes(16) + struct.pack("<I", 8) * 200_000))
    at = whole.index(struct.pack("<HHI", 330, 4, 1))
    struct.pack_into("<I", whole, at + 4, 200_000)
    yield "tiff with 200,000 directories within", bytes(whole)
    entry = struct.pack("<HHII", 330, 4, 1, 8)
    yield "tiff of 65,535 directories within", b"II*\0\x08\0\0\0\xff\xff" + entry * 65_535


def bombs() -> Iterator[tuple[str, bytes]]:
    """Pictures of many pixels in a few bytes: just over the limits, and just below them."""
    yield "bomb over.png", black_png(20_000, 20_000)
    yield "bomb below.png", black_png(12_900, 9_600)
    yield "bomb of colour.png", encode(Image.new("RGB", (12_900, 9_600)), "png")
    yield (
        "bomb with a clear colour.png",
        encode(Image.new("RGB", (12_900, 9_600)), "png", transparency=(0, 0, 0)),
    )
    yield "bomb over.gif", encode(Image.new("L", (10_000, 9_000)), "gif")
    yield "bomb below.gif", encode(Image.new("L", (9_400, 9_400)), "gif")
    for packing in ("tiff_deflate", "tiff_lzw", "jpeg", "packbits"):
        image = Image.new("RGB", (8_600, 8_600))
        yield f"bomb {packing}.tiff", encode(image, "tiff", compression=packing)
    yield (
        "bomb of floats.tiff",
        encode(Image.new("F", (8_600, 8_600)), "tiff", compression="tiff_deflate"),
    )
    flat = Image.new("RGB", (7_400, 7_500), "blue")
    yield "bomb lossless.webp", encode(flat, "webp", lossless=True, method=0, quality=0)
    yield "bomb lossy.webp", encode(flat, "webp", lossless=False, method=0)
    largest = Image.new("RGB", (16_383, 16_383))
    yield "bomb over.webp", encode(largest, "webp", lossless=True, method=0, quality=0)
    yield "bomb.jpeg", encode(Image.new("L", (65_000, 3_000)), "jpeg")
    yield "bomb of colour.jpeg", encode(Image.new("RGB", (12_900, 9_600)), "jpeg")
    yield (
        "bomb progressive.jpeg",
        encode(Image.new("RGB", (8_000, 8_400)), "jpeg", progressive=True),
    )
    yield "bomb.bmp", _bmp_bomb(16_000, 12_000)
    yield "bomb.avif", _claiming(encode(quadrants(), "avif"), 14_000, 14_000)
    yield "bomb.heic", _claiming(encode(quadrants(), "heic"), 14_000, 14_000)
    yield "bomb true.avif", encode(Image.new("L", (8_000, 8_000)), "avif", speed=10)


def _bmp_bomb(width: int, height: int) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 1, 0, 0, 0, 0, 2, 0)
    return b"BM" + struct.pack("<IHHI", 62, 0, 0, 62) + header + bytes(8)


def _claiming(content: bytes, width: int, height: int) -> bytes:
    """The file with another size in its box of sizes."""
    at = content.index(b"ispe") + 8
    return content[:at] + struct.pack(">II", width, height) + content[at + 8 :]


if __name__ == "__main__":
    main()

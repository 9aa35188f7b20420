"""Every place that tells how a photo is turned, read once and within bounds."""

from __future__ import annotations

import struct
import time
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from helpers.make_photos import (
    QUADRANTS,
    STORED,
    chunk,
    corners,
    encode,
    exif,
    exif_of_type,
    png_with_text,
    quadrants,
    raw_profile,
    with_exif,
    xmp,
)
from PIL import Image

from facematch.photos.reading import read_photo
from facematch.photos.xmp import xmp_orientation
from facematch.types import Photo

TURNED = quadrants().transpose(STORED[6])
XMP_FORMATS = ("jpeg", "png", "webp", "tiff")


def read(folder: Path, content: bytes) -> Photo:
    (folder / "photo").write_bytes(content)
    return read_photo(folder / "photo")


def is_upright(photo: Photo) -> bool:
    wanted = zip(corners(photo.pixels), QUADRANTS, strict=True)
    alike = all(abs(a - b) <= 12 for one, two in wanted for a, b in zip(one, two, strict=True))
    return photo.pixels.shape == (64, 96, 3) and alike


def encoded(format_: str, image: Image.Image, packet: str, **options: Any) -> bytes:
    """Give the image with that XMP packet, where its format keeps it."""
    if format_ == "png":
        return png_with_text(image, "XML:com.adobe.xmp", packet, "iTXt")
    if format_ == "tiff":
        tags = {700: packet.encode()} | ({274: turn} if (turn := options.get("turn")) else {})
        return encode(image, "tiff", tiffinfo=tags)
    if turn := options.pop("turn", None):
        options["exif"] = exif(orientation=turn)
    return encode(image, format_, xmp=packet.encode(), **options)


# --- EXIF ---


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("type_", [1, 3, 4, 6, 8, 9])
def test_an_orientation_of_any_integer_type_is_read(tmp_path: Path, order: str, type_: int) -> None:
    block = exif_of_type(order, type_, 6)
    assert is_upright(read(tmp_path, with_exif(encode(TURNED, "jpeg"), b"Exif\0\0" + block)))
    png = encode(TURNED, "png")
    assert is_upright(read(tmp_path, png[:33] + chunk(b"eXIf", block) + png[33:]))


def test_exif_with_64_bit_offsets_and_a_count_of_0_are_read(tmp_path: Path) -> None:
    for block in (exif_of_type("<", 16, 6, big=True), exif_of_type(">", 3, 6, count=0)):
        assert is_upright(read(tmp_path, with_exif(encode(TURNED, "jpeg"), b"Exif\0\0" + block)))


@pytest.mark.parametrize("type_", [1, 3, 4, 6, 8, 9])
@pytest.mark.parametrize("packing", [None, "tiff_lzw"])
def test_a_tiff_is_turned_once_whatever_the_type_of_its_orientation(
    tmp_path: Path, type_: int, packing: str | None
) -> None:
    options = {"compression": packing} if packing else {}
    tiff = encode(TURNED, "tiff", exif=exif(orientation=6), **options)
    entry = struct.pack("<HHII", 0x0112, 3, 1, 6)
    assert tiff.count(entry) == 1
    other = tiff.replace(entry, struct.pack("<HHII", 0x0112, type_, 1, 6))
    assert is_upright(read(tmp_path, other))


def test_a_tiff_with_64_bit_offsets_is_turned(tmp_path: Path) -> None:
    tiff = encode(TURNED, "tiff", exif=exif(orientation=6), big_tiff=True)
    assert tiff[:4] == b"II+\0"
    assert is_upright(read(tmp_path, tiff))


# --- PNG's raw profiles ---


@pytest.mark.parametrize("form", ["tEXt", "zTXt", "iTXt"])
@pytest.mark.parametrize("kind", ["exif", "APP1"])
def test_a_png_is_turned_by_the_exif_in_its_text(tmp_path: Path, kind: str, form: str) -> None:
    block = b"Exif\0\0" + exif(orientation=6, original="2020:01:02 03:04:05")
    text = raw_profile(kind, block)
    photo = read(tmp_path, png_with_text(TURNED, f"Raw profile type {kind}", text, form))
    assert is_upright(photo)
    assert photo.taken == datetime(2020, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("kind", "name"), [("xmp", b""), ("APP1", b"http://ns.adobe.com/xap/1.0/\0")]
)
def test_a_png_is_turned_by_the_xmp_in_its_raw_profile(
    tmp_path: Path, kind: str, name: bytes
) -> None:
    text = raw_profile(kind, name + xmp(6).encode())
    assert is_upright(read(tmp_path, png_with_text(TURNED, f"Raw profile type {kind}", text)))


@pytest.mark.parametrize(
    "text", ["", "\nexif\n", "\nexif\n  20\nzz", "\nexif\n 3\n457", "\nexif\n 6\n457869660000"]
)
def test_a_damaged_raw_profile_turns_nothing(tmp_path: Path, text: str) -> None:
    assert is_upright(read(tmp_path, png_with_text(quadrants(), "Raw profile type exif", text)))


def test_a_pngs_own_exif_wins_over_its_text_and_its_text_over_xmp(tmp_path: Path) -> None:
    text = raw_profile("exif", exif(orientation=6))
    png = png_with_text(quadrants(), "Raw profile type exif", text)
    own = chunk(b"eXIf", exif(orientation=1))
    assert is_upright(read(tmp_path, png[:33] + own + png[33:]))
    packet = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(3).encode()
    png = png_with_text(TURNED, "Raw profile type exif", text)
    assert is_upright(read(tmp_path, png[:33] + chunk(b"iTXt", packet) + png[33:]))


# --- XMP ---


@pytest.mark.parametrize("form", ["attribute", "element"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", XMP_FORMATS)
def test_a_photo_is_turned_by_its_xmp(
    tmp_path: Path, format_: str, orientation: int, form: str
) -> None:
    image = quadrants()
    if orientation in STORED:
        image = image.transpose(STORED[orientation])
    content = encoded(format_, image, xmp(orientation, form=form))
    assert is_upright(read(tmp_path, content))


@pytest.mark.parametrize("format_", ["jpeg", "webp", "tiff"])
def test_exif_wins_over_xmp(tmp_path: Path, format_: str) -> None:
    assert is_upright(read(tmp_path, encoded(format_, quadrants(), xmp(6), turn=1)))
    assert is_upright(read(tmp_path, encoded(format_, TURNED, xmp(3), turn=6)))


@pytest.mark.parametrize("orientation", [None, 0, 9])
def test_xmp_decides_where_exif_has_no_orientation_that_exists(
    tmp_path: Path, orientation: int | None
) -> None:
    block = exif(orientation=orientation, date="2021:02:03 04:05:06")
    assert is_upright(read(tmp_path, encoded("jpeg", TURNED, xmp(6), exif=block)))


@pytest.mark.parametrize("format_", ["avif", "heic"])
@pytest.mark.parametrize("turned_by_box", [False, True])
def test_an_avif_or_a_heic_turns_by_its_own_box_alone(
    tmp_path: Path, format_: str, turned_by_box: bool
) -> None:
    image, options = quadrants(), {}
    if turned_by_box:
        image, options = TURNED, {"exif": exif(orientation=6)}
    content = encode(image, format_, xmp=xmp(1).encode(), **options)
    assert content.count(b"irot") == int(turned_by_box)
    assert content.count(b'tiff:Orientation="1"') == 1
    content = content.replace(b'tiff:Orientation="1"', b'tiff:Orientation="6"')
    assert is_upright(read(tmp_path, content))


@pytest.mark.parametrize("format_", ["avif", "heic"])
def test_the_exif_of_an_avif_or_a_heic_without_a_box_turns_nothing(
    tmp_path: Path, format_: str
) -> None:
    block = exif_of_type(">", 3, 6)
    other = block.replace(b"\x01\x12", b"\x01\x1f")  # writers turn by the box and take the tag out
    content = encode(quadrants(), format_, exif=other)
    assert content.count(other) == 1
    assert b"irot" not in content
    turned = content.replace(other, block)
    assert is_upright(read(tmp_path, turned))


def test_xmp_is_read_whatever_its_prefixes_and_its_encoding() -> None:
    assert xmp_orientation(xmp(6, prefix="t").encode()) == 6
    assert xmp_orientation(xmp(" 8\n", form="element").encode()) == 8
    assert xmp_orientation(xmp(3).encode("utf-16")) == 3
    assert xmp_orientation(b"\n" + xmp(5).encode() + bytes(500)) == 5
    whole = xmp(6).encode()
    assert xmp_orientation(whole[: whole.index(b"</rdf:Description")]) == 6


@pytest.mark.parametrize("value", ["", "0", "9", "six", "6.0", "66", "6 6", "-6"])
@pytest.mark.parametrize("form", ["attribute", "element"])
def test_an_orientation_that_does_not_exist_in_xmp_is_none(value: str, form: str) -> None:
    assert xmp_orientation(xmp(value, form=form).encode()) is None


def test_the_orientation_of_another_picture_in_xmp_is_not_taken() -> None:
    inner = '<xmpMM:From xmlns:xmpMM="m" tiff:Orientation="6"/>'
    packet = xmp(3, form="element").replace("<tiff:Orientation>3", f"{inner}<tiff:Orientation>3")
    assert xmp_orientation(packet.encode()) == 3


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"<",
        b"\xff\xfe<",
        b"<?xml version='1.0' encoding='klingon'?><a/>",
        b"<a>" * 300_000,
        b"<a" + b" b='c'" * 100_000,
        bytes(10_000_000),
        xmp(6).replace("<x:", "<!--" + "-" * 2_000_000 + "--><x:", 1).encode(),
    ],
)
def test_hostile_xmp_turns_nothing_and_takes_no_time(packet: bytes) -> None:
    start = time.process_time()
    assert xmp_orientation(packet) is None
    assert time.process_time() - start < 5


def test_xmp_that_declares_entities_is_not_read() -> None:
    laughs = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(20))
    packet = xmp("&a20;", form="element")
    inside = packet[packet.index("<x:") :]
    assert xmp_orientation(f'<!DOCTYPE x [<!ENTITY a0 "6">{laughs}]>{inside}'.encode()) is None
    outer = '<!DOCTYPE x [<!ENTITY a20 SYSTEM "file:///etc/passwd">]>'
    assert xmp_orientation(f"{outer}{inside}".encode()) is None
    known = inside.replace("&a20;", "6")
    assert xmp_orientation(f"<!DOCTYPE x>{known}".encode()) is None


def test_a_raw_profile_that_unpacks_to_far_more_is_refused_or_passed_over(tmp_path: Path) -> None:
    png = encode(quadrants(), "png")
    bomb = b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 9\n" + b"4" * 900_000)
    assert is_upright(read(tmp_path, png[:33] + chunk(b"zTXt", bomb) + png[33:]))
    long = b"Raw profile type exif\0\nexif\n 9\n" + b"45" * 3_000_000
    assert is_upright(read(tmp_path, png[:33] + chunk(b"tEXt", long) + png[33:]))

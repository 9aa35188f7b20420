"""Files that say of themselves what their pixels do not: bits, sensors, ends."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from helpers.make_photos import (
    QUADRANTS,
    corners,
    encode,
    exif,
    grey_tiff,
    quadrants,
    tiff,
    with_exif,
)
from PIL import Image

from facematch.errors import (
    PhotoTooLargeError,
    RawPhotoError,
    TruncatedPhotoError,
    UnreadablePhotoError,
    UnsupportedPhotoError,
)
from facematch.photos.reading import decode_photo, read_photo
from facematch.types import Photo

RAMP = np.tile(np.linspace(0, 1, 64), (16, 1))


def read(folder: Path, content: bytes, **options: int) -> Photo:
    (folder / "photo").write_bytes(content)
    return read_photo(folder / "photo", **options)  # type: ignore[arg-type]


# --- bits ---


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_grey_of_any_bits_is_as_bright_as_its_8_bit_twin(
    tmp_path: Path, bits: int, order: str
) -> None:
    photo = read(tmp_path, grey_tiff(RAMP, bits, order=order))
    np.testing.assert_allclose(photo.pixels[:, :, 0], 255 * RAMP, atol=1)


@pytest.mark.parametrize("bits", [8, 10, 14, 16])
def test_grey_whose_white_is_0_is_no_negative(tmp_path: Path, bits: int) -> None:
    photo = read(tmp_path, grey_tiff(RAMP, bits, white_is_zero=True))
    np.testing.assert_allclose(photo.pixels[:, :, 0], 255 * RAMP, atol=1)


@pytest.mark.parametrize("bits", [10, 14])
def test_grey_in_strips_is_read_row_by_row(tmp_path: Path, bits: int) -> None:
    picture = np.random.default_rng(0).random((301, 253))  # rows end within a byte
    packed = grey_tiff(picture, bits)
    row_bytes = -(-253 * bits // 8)
    offsets = [8 + start * row_bytes for start in range(0, 301, 100)]
    body = packed[8 : 8 + 301 * row_bytes]
    tags = {256: (3, 253), 257: (3, 301), 258: (3, bits), 259: (3, 1), 262: (3, 1), 278: (3, 100)}
    content = bytearray(tiff(tags | {273: (4, 8 + len(body))}, body + struct.pack("<4I", *offsets)))
    entry = content.index(struct.pack("<HHI", 273, 4, 1))
    content[entry : entry + 8] = struct.pack("<HHI", 273, 4, 4)
    photo = read(tmp_path, bytes(content))
    np.testing.assert_allclose(photo.pixels[:, :, 0], 255 * picture, atol=1)


@pytest.mark.parametrize("bits", [10, 14])
def test_grey_whose_pixels_are_missing_is_called_truncated(tmp_path: Path, bits: int) -> None:
    content = grey_tiff(RAMP, bits)
    offset = struct.pack("<HHII", 273, 4, 1, 8)
    assert content.count(offset) == 1
    for start in (500, 2**31, 2**32 - 1):
        moved = content.replace(offset, struct.pack("<HHII", 273, 4, 1, start))
        with pytest.raises(TruncatedPhotoError):
            read(tmp_path, moved)


def test_a_grey_tiff_of_10_bits_keeps_the_limits(tmp_path: Path) -> None:
    content = grey_tiff(RAMP, 10)
    height = struct.pack("<HHIHH", 257, 3, 1, 16, 0)
    assert content.count(height) == 1
    with pytest.raises(PhotoTooLargeError):
        read(tmp_path, content.replace(height, struct.pack("<HHII", 257, 4, 1, 2**31)))


def test_a_grey_tiff_that_claims_many_strips_takes_no_memory_for_them(tmp_path: Path) -> None:
    tags = {256: (3, 2), 257: (4, 2**26), 258: (3, 12), 259: (3, 1), 262: (3, 1), 278: (3, 1)}
    tracemalloc.start()
    with pytest.raises(PhotoTooLargeError):
        read(tmp_path, tiff(tags | {273: (4, 8)}, bytes(8)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**24


@pytest.mark.parametrize("bits", [6])
def test_a_kind_of_pixels_that_is_not_read_is_called_so(tmp_path: Path, bits: int) -> None:
    with pytest.raises(
        UnsupportedPhotoError,
        match=r"is a TIFF of a kind .* \(unknown pixel mode\): save it as JPEG, or as PNG with 8",
    ):
        read(tmp_path, grey_tiff(RAMP, bits))


def test_a_compression_that_is_not_read_is_called_so(tmp_path: Path) -> None:
    content = encode(quadrants(), "tiff")
    entry = struct.pack("<HHIHH", 259, 3, 1, 1, 0)
    assert content.count(entry) == 1
    jpeg_2000 = content.replace(entry, struct.pack("<HHIHH", 259, 3, 1, 34712, 0))
    with pytest.raises(UnsupportedPhotoError, match="34712"):
        read(tmp_path, jpeg_2000)


def test_a_jpeg_of_12_bits_and_a_bmp_of_2_are_called_unsupported(tmp_path: Path) -> None:
    jpeg = bytearray(encode(quadrants(), "jpeg"))
    jpeg[jpeg.index(b"\xff\xc0") + 4] = 12
    bmp = bytearray(encode(quadrants(), "bmp"))
    bmp[28] = 2
    for content in (jpeg, bmp):
        with pytest.raises(UnsupportedPhotoError):
            read(tmp_path, bytes(content))


# --- raw files ---

# What a thumbnail's directory says, a picture that Pillow reads.
_THUMBNAIL = {256: (3, 4), 257: (3, 4), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 8),
              277: (3, 1), 278: (3, 4), 279: (4, 16)}  # fmt: skip


def with_subdirectory(sensor: dict[int, tuple[int, int]], *, order: str = "<") -> bytes:
    """Give a TIFF of a thumbnail, whose SubIFD has these tags."""
    inner = tiff(sensor, order=order)[8:]
    return tiff(_THUMBNAIL | {330: (4, 24)}, bytes(16) + inner, order=order)


RAW = {
    "DNG": tiff(_THUMBNAIL | {50706: (4, 0x00000401)}, bytes(16)),
    "DNG of big end": tiff(_THUMBNAIL | {50706: (4, 0x01040000)}, bytes(16), order=">"),
    "NEF": with_subdirectory({256: (3, 6000), 262: (3, 32803)}, order=">"),
    "ARW": with_subdirectory({259: (3, 32767), 262: (3, 32803)}),
    "linear": with_subdirectory({262: (3, 34892)}),
    "NEF without its picture": with_subdirectory({259: (3, 34713)}, order=">"),
    "thumbnail first": tiff(_THUMBNAIL | {254: (4, 1), 330: (4, 24)}, bytes(16)),
    "PEF": tiff({256: (3, 4), 257: (3, 4), 259: (3, 65535), 262: (3, 32803)}),
    "CR2": tiff(_THUMBNAIL, bytes(16), magic=b"CR\2\0\0\0\0\0"),
    "CR3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(64),
    "RW2": b"IIU\0\x18\0\0\0" + bytes(64),
    "ORF": b"IIRO\x08\0\0\0" + bytes(64),
    "ORF of old": b"MMOR\0\0\0\x08" + bytes(64),
    "RAF": b"FUJIFILMCCD-RAW 0201FF159501" + bytes(64),
    "CRW": b"II\x1a\0\0\0HEAPCCDR" + bytes(64),
    "X3F": b"FOVb" + bytes(64),
    "MRW": b"\0MRM" + bytes(64),
}


@pytest.mark.parametrize("name", RAW)
def test_a_raw_file_is_refused_by_its_content(tmp_path: Path, name: str) -> None:
    with pytest.raises(RawPhotoError, match="is a raw file of a camera: export it as JPEG"):
        decode_photo("holiday.jpg", RAW[name])


def test_a_thumbnail_alone_and_other_tiffs_are_photos(tmp_path: Path) -> None:
    assert read(tmp_path, tiff(_THUMBNAIL, bytes(16))).pixels.shape == (4, 4, 3)
    pyramid = with_subdirectory({254: (4, 1), 256: (3, 2), 257: (3, 2), 262: (3, 1)})
    assert read(tmp_path, pyramid).pixels.shape == (4, 4, 3)
    more = {"save_all": True, "append_images": [quadrants()]}
    assert read(tmp_path, encode(quadrants(), "tiff", **more)).pixels.shape == (64, 96, 3)
    edited = with_exif(encode(quadrants(), "jpeg"), b"Exif\0\0" + RAW["DNG"])
    assert read(tmp_path, edited).pixels.shape == (64, 96, 3)


def test_directories_in_a_circle_are_followed_once() -> None:
    circle = tiff(_THUMBNAIL | {330: (4, 8 + 16)}, bytes(16))
    assert decode_photo("a.tif", circle).pixels.shape == (4, 4, 3)


# --- ends ---


def photograph(width: int = 160, height: int = 120) -> Image.Image:
    noise = np.random.default_rng(2).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


ENCODINGS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "flat": {"quality": 20},
}


@pytest.mark.parametrize("options", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("padding", [b"", bytes(100)])
@pytest.mark.parametrize("min_side", [None, 40])
def test_a_jpeg_that_lacks_its_end_marker_alone_is_read(
    tmp_path: Path, options: dict[str, int], padding: bytes, min_side: int | None
) -> None:
    content = encode(photograph(), "jpeg", **options)
    assert content.endswith(b"\xff\xd9")
    whole = read(tmp_path, content, min_side=min_side)
    for lost in (1, 2):
        found = read(tmp_path, content[:-lost] + padding, min_side=min_side)
        np.testing.assert_array_equal(found.pixels, whole.pixels)
        assert found.digest != whole.digest


@pytest.mark.parametrize("options", ENCODINGS.values(), ids=ENCODINGS)
def test_a_jpeg_that_lacks_pixels_too_is_truncated(tmp_path: Path, options: dict[str, int]) -> None:
    content = encode(photograph(), "jpeg", **options)
    for lost in (8, 16, 64, len(content) // 4, len(content) // 2):
        for padding in (b"", bytes(1000), b"\xff" * 1000):
            with pytest.raises(TruncatedPhotoError, match="ends before the picture does"):
                read(tmp_path, content[:-lost] + padding)


def test_a_jpeg_without_an_end_is_upright(tmp_path: Path) -> None:
    turned = encode(quadrants().transpose(Image.Transpose.ROTATE_90), "jpeg")
    content = with_exif(turned, exif(orientation=6))
    found = corners(read(tmp_path, content[:-2]).pixels)
    np.testing.assert_allclose(found, QUADRANTS, atol=12)


def test_other_damage_keeps_its_name(tmp_path: Path) -> None:
    png = bytearray(encode(quadrants(), "png"))
    png[20] ^= 1
    with pytest.raises(UnreadablePhotoError, match="is damaged"):
        read(tmp_path, bytes(png))

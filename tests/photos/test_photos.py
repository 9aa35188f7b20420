from __future__ import annotations

import hashlib
import os
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from helpers.make_photos import (
    FORMATS,
    QUADRANTS,
    RED,
    bare_png,
    black_png,
    chunk,
    corners,
    encode,
    exif,
    frames,
    oriented,
    quadrants,
    with_exif,
)
from helpers.places import REPOSITORY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from facematch.errors import (
    MissingPhotoError,
    NotAnImageError,
    PhotoError,
    PhotoTooLargeError,
    TruncatedPhotoError,
    UnreadablePhotoError,
)
from facematch.photos.limits import Limits
from facematch.photos.reading import read_photo
from facematch.types import Photo

TURNED_FORMATS = ("jpeg", "mpo", "png", "webp", "tiff", "tiff-lzw", "avif", "heic")
STATUS = Path("/proc/self/status")
posix = pytest.mark.skipif(os.name != "posix", reason="pipes in the file system are POSIX")


def read(folder: Path, content: bytes, name: str = "photo", **options: object) -> Photo:
    path = folder / name
    path.write_bytes(content)
    return read_photo(path, **options)  # type: ignore[arg-type]


def is_close(found: object, wanted: object, tolerance: int = 12) -> bool:
    return bool(np.all(np.abs(np.subtract(found, wanted, dtype=int)) <= tolerance))


# --- formats ---


@pytest.mark.parametrize("format_", FORMATS)
def test_a_photo_of_each_format_is_read_whatever_its_name(tmp_path, format_):
    photo = read(tmp_path, encode(quadrants(), format_), name="photo.txt")
    assert photo.pixels.shape == (64, 96, 3)
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.flags.c_contiguous
    assert photo.pixels.flags.writeable
    assert is_close(corners(photo.pixels), QUADRANTS)


def test_a_png_named_jpg_is_read(tmp_path):
    assert read(tmp_path, encode(quadrants(), "png"), name="a.jpg").pixels.shape == (64, 96, 3)


@pytest.mark.parametrize(
    "content",
    [
        b"Dear Sir,\n",
        b"BM, she wrote, is a museum.\n",
        b"\0",
        b"%PDF-1.7\n",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"\0\0\0\x14ftypisom\0\0\2\0mp41" + bytes(64),
        b"\0\0\0\x14ftypqt  \0\0\2\0heic" + bytes(64),
        b"P6 2 2 255 123456789012",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"8BPS" + bytes(64),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
    ],
)
def test_what_is_no_photo_is_refused_whatever_its_name(tmp_path, content):
    with pytest.raises(NotAnImageError, match=r"a\.jpg: is in no format facematch opens \(JPEG"):
        read(tmp_path, content, name="a.jpg")


def test_text_that_starts_like_a_gif_is_refused(tmp_path):
    with pytest.raises(PhotoError, match=r"photo: (the file ends|has .* pixels)"):
        read(tmp_path, b"GIF89a is how GIFs start")


@pytest.mark.parametrize("format_", ["gif", "webp", "tiff", "png", "avif"])
def test_of_several_frames_the_first_is_read(tmp_path, format_):
    photo = read(tmp_path, frames(format_, 3))
    assert photo.pixels.shape == (8, 16, 3)
    assert is_close(photo.pixels, RED)


def test_a_gif_is_as_large_as_its_first_frame_where_that_juts_out(tmp_path):
    gif = bytearray(encode(quadrants(), "gif"))
    gif[6:10] = struct.pack("<HH", 10, 10)
    assert read(tmp_path, bytes(gif)).pixels.shape == (64, 96, 3)


def test_an_mif1_file_is_told_apart_by_its_other_brands(tmp_path):
    for format_ in ("avif", "heic"):
        content = encode(quadrants(), format_)
        changed = content[:8] + b"mif1" + content[12:]
        assert is_close(corners(read(tmp_path, changed).pixels), QUADRANTS)


@pytest.mark.parametrize("format_", ["png", "bmp", "jpeg"])
def test_one_pixel_is_a_photo(tmp_path, format_):
    photo = read(tmp_path, encode(Image.new("RGB", (1, 1), RED), format_), min_side=1)
    assert photo.pixels.shape == (1, 1, 3)
    assert photo.scale == 1.0
    assert is_close(photo.pixels, RED)


@pytest.mark.parametrize(("width", "height"), [(0, 0), (0, 5), (5, 0)])
def test_no_pixels_are_no_photo(tmp_path, width, height):
    with pytest.raises(UnreadablePhotoError, match="the PNG is damaged"):
        read(tmp_path, bare_png(width, height, 8, 0, b""))


def test_many_strips_are_put_together_in_order(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (1501, 301, 3), np.uint8)
    found = read(tmp_path, encode(Image.fromarray(pixels), "png")).pixels
    np.testing.assert_array_equal(found, pixels)


# --- upright ---


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", TURNED_FORMATS)
def test_every_orientation_is_turned_upright_once(tmp_path, format_, orientation):
    photo = read(tmp_path, oriented(format_, orientation))
    assert photo.pixels.shape == (64, 96, 3)
    assert photo.pixels.flags.c_contiguous
    assert is_close(corners(photo.pixels), QUADRANTS)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path, orientation):
    content = with_exif(encode(quadrants(), "jpeg"), exif(orientation=orientation))
    assert is_close(corners(read(tmp_path, content).pixels), QUADRANTS)


def test_a_heic_turned_by_its_box_is_not_turned_again_by_its_exif(tmp_path):
    content = oriented("heic", 6)
    assert content.count(b"irot") == 1, "the writer no longer turns by box"
    assert is_close(corners(read(tmp_path, content).pixels), QUADRANTS)


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_is_read_in_both_byte_orders(tmp_path, order):
    head = {"<": b"II*\0", ">": b"MM\0*"}[order]
    block = head + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    turned = encode(quadrants().transpose(Image.Transpose.ROTATE_90), "jpeg")
    photo = read(tmp_path, with_exif(turned, b"Exif\0\0" + block))
    assert is_close(corners(photo.pixels), QUADRANTS)


# --- reduced scale ---


@pytest.mark.parametrize(
    ("min_side", "width"),
    [(None, 800), (5000, 800), (801, 800), (401, 800), (400, 400), (201, 400), (200, 200),
     (101, 200), (100, 100), (1, 100)],
)  # fmt: skip
def test_a_jpeg_is_reduced_while_its_long_side_keeps_enough(tmp_path, min_side, width):
    photo = read(tmp_path, encode(quadrants(800, 600), "jpeg"), min_side=min_side)
    assert photo.pixels.shape == (width * 3 // 4, width, 3)
    assert photo.scale == width / 800


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_photo_is_upright_and_knows_its_scale(tmp_path, orientation):
    content = oriented("jpeg", orientation, width=800, height=600)
    photo = read(tmp_path, content, min_side=200)
    assert photo.pixels.shape == (150, 200, 3)
    assert photo.scale == 0.25
    assert is_close(corners(photo.pixels), QUADRANTS)


def test_a_scale_counts_the_pixels_there_are(tmp_path):
    photo = read(tmp_path, encode(quadrants(801, 601), "jpeg"), min_side=101)
    assert photo.pixels.shape == (76, 101, 3)
    assert photo.scale == 101 / 801


def test_a_thin_jpeg_can_be_reduced(tmp_path):
    photo = read(tmp_path, encode(quadrants(3, 900), "jpeg"), min_side=100)
    assert photo.scale == max(photo.pixels.shape) / 900
    assert max(photo.pixels.shape) >= 100


@pytest.mark.parametrize("format_", sorted(set(FORMATS) - {"jpeg", "mpo"}))
def test_other_formats_are_read_in_full_size(tmp_path, format_):
    photo = read(tmp_path, encode(quadrants(), format_), min_side=1)
    assert (photo.pixels.shape, photo.scale) == ((64, 96, 3), 1.0)


def test_a_heic_is_not_replaced_by_its_thumbnail(tmp_path):
    content = encode(quadrants(640, 480), "heic", thumbnails=[160])
    assert read(tmp_path, content, min_side=100).pixels.shape == (480, 640, 3)


# --- colour ---

SHADE = (200, 120, 40)
GREY = 121  # of SHADE, or so


def see(folder: Path, image: Image.Image, format_: str, **options: object) -> list[int]:
    pixels = read(folder, encode(image, format_, **options)).pixels
    assert pixels.shape == (*image.size[::-1], 3)
    return [int(c) for c in pixels[3, 5]]


@pytest.mark.parametrize(
    ("mode", "format_"),
    [("RGB", "png"), ("RGBA", "png"), ("RGBA", "webp"), ("RGBA", "tiff"), ("RGBA", "heic"),
     ("RGBA", "avif"), ("RGBX", "tiff"), ("CMYK", "tiff"), ("CMYK", "jpeg"), ("YCbCr", "jpeg"),
     ("YCbCr", "tiff"), ("LAB", "tiff"), ("P", "png"), ("P", "gif"), ("P", "bmp"),
     ("P", "tiff")],
)  # fmt: skip
def test_colours_survive_every_mode(tmp_path, mode, format_):
    image = Image.new("RGB", (16, 8), SHADE)
    if mode == "LAB":
        image = Image.new("LAB", (16, 8), (149, 153, 181))  # SHADE, by ImageCms
    elif mode == "P":
        image = image.quantize(4)
    else:
        image = image.convert(mode)
    assert is_close(see(tmp_path, image, format_), SHADE)


@pytest.mark.parametrize(
    ("mode", "format_"),
    [("L", "png"), ("L", "jpeg"), ("L", "tiff"), ("L", "gif"), ("L", "bmp"), ("LA", "png"),
     ("LA", "tiff"), ("L", "avif"), ("L", "heic")],
)  # fmt: skip
def test_grey_survives_every_mode(tmp_path, mode, format_):
    image = Image.new("L", (16, 8), GREY).convert(mode)
    assert is_close(see(tmp_path, image, format_), [GREY] * 3, tolerance=4)


@pytest.mark.parametrize("format_", ["png", "tiff", "bmp"])
def test_one_bit_is_black_and_white(tmp_path, format_):
    image = Image.new("1", (16, 8), 1)
    image.paste(0, (0, 0, 16, 2))
    pixels = read(tmp_path, encode(image, format_)).pixels
    assert pixels[0].max() == 0
    assert pixels[3].min() == 255


def clear(mode: str) -> tuple[Image.Image, dict[str, object]]:
    """Give a red picture that is half clear (P: all clear), and how to save it."""
    if mode == "P":
        return Image.new("RGB", (16, 8), RED).quantize(2), {"transparency": 0}
    if mode == "P with alphas":
        return Image.new("RGB", (16, 8), RED).quantize(2), {"transparency": b"\x80\xff"}
    if mode == "LA":
        return Image.new("LA", (16, 8), (100, 128)), {}
    if mode == "L":
        return Image.new("L", (16, 8), 100), {"transparency": 100}
    if mode == "RGB":
        return Image.new("RGB", (16, 8), RED), {"transparency": RED}
    return Image.new("RGBA", (16, 8), (*RED, 128)), {}


@pytest.mark.parametrize(
    ("mode", "format_", "wanted"),
    [("RGBA", "png", (237, 142, 142)), ("RGBA", "webp", (237, 142, 142)),
     ("RGBA", "tiff", (237, 142, 142)), ("RGBA", "heic", (237, 142, 142)),
     ("RGBA", "avif", (237, 142, 142)), ("P with alphas", "png", (237, 142, 142)),
     ("LA", "png", (177, 177, 177)), ("P", "png", (255, 255, 255)), ("P", "gif", (255, 255, 255)),
     ("L", "png", (255, 255, 255)), ("RGB", "png", (255, 255, 255))],
)  # fmt: skip
def test_what_is_clear_becomes_white(tmp_path, mode, format_, wanted):
    image, options = clear(mode)
    assert is_close(see(tmp_path, image, format_, **options), wanted, tolerance=3)


def premultiplied_tiff(mode: str, value: tuple[int, ...]) -> bytes:
    alpha = {"LA": 1, "RGBA": 3}[mode]
    tiff = encode(Image.new(mode, (16, 8), value), "tiff")
    extra = struct.pack("<HHIHH", 338, 3, 1, 2, 0)  # unassociated alpha ...
    assert tiff.count(extra) == 1, alpha
    return tiff.replace(extra, struct.pack("<HHIHH", 338, 3, 1, 1, 0))  # ... made associated


@pytest.mark.parametrize(
    ("mode", "value", "wanted"),
    [("RGBA", (110, 15, 15, 128), (237, 142, 142)), ("LA", (50, 128), (177, 177, 177))],
)
def test_premultiplied_alpha_becomes_white_too(tmp_path, mode, value, wanted):
    photo = read(tmp_path, premultiplied_tiff(mode, value))
    assert is_close(photo.pixels, wanted, tolerance=4)


SIXTEEN = np.array([[0, 256, 257, 300, 32768, 65535]], np.uint16)
EIGHT = [0, 1, 1, 1, 128, 255]


@pytest.mark.parametrize("format_", ["png", "tiff", "tiff-lzw"])
def test_sixteen_bits_of_grey_are_scaled_not_clipped(tmp_path, format_):
    photo = read(tmp_path, encode(Image.fromarray(SIXTEEN), format_))
    np.testing.assert_array_equal(photo.pixels[0], np.repeat(EIGHT, 3).reshape(6, 3))


def test_sixteen_bits_of_grey_are_scaled_in_the_other_byte_order(tmp_path):
    image = Image.frombytes("I;16B", (6, 1), SIXTEEN.astype(">u2").tobytes())
    photo = read(tmp_path, encode(image, "tiff"))
    assert list(photo.pixels[0, :, 0]) == EIGHT


def test_sixteen_bits_of_colour_are_scaled(tmp_path):
    rows = b"\0" + struct.pack(">6H", 0, 32768, 65535, 51400, 30840, 10280)
    photo = read(tmp_path, bare_png(2, 1, 16, 2, rows))
    assert is_close(photo.pixels[0], [(0, 128, 255), SHADE], tolerance=1)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (np.array([[0, 100, 255]], np.int32), [0, 100, 255]),
        (np.array([[-5000, 100, 300]], np.int32), [0, 0, 1]),
        (np.array([[0, 1, 1]], np.int32), [0, 1, 1]),
        (np.array([[0, 32768, 65535]], np.int32), [0, 128, 255]),
        (np.array([[0, 500_000, 1_000_000]], np.int32), [0, 128, 255]),
        (np.array([[0, 0, 0]], np.int32), [0, 0, 0]),
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[0, 100, 255]], np.float32), [0, 100, 255]),
        (np.array([[0, 32768, 65535]], np.float32), [0, 128, 255]),
        (np.array([[0, 5e8, 1e9]], np.float32), [0, 128, 255]),
        (np.array([[np.nan, -np.inf, np.inf]], np.float32), [0, 0, 255]),
        (np.array([[np.inf, 0.5, np.nan]], np.float32), [255, 128, 0]),
    ],
)
def test_wide_numbers_are_scaled_by_the_white_that_holds_them(tmp_path, values, wanted):
    photo = read(tmp_path, encode(Image.fromarray(values), "tiff"))
    assert list(photo.pixels[0, :, 0]) == wanted


def test_a_colour_profile_changes_nothing(tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    image = Image.new("RGB", (16, 8), SHADE)
    assert see(tmp_path, image, "png", icc_profile=profile) == list(SHADE)


# --- what comes along ---


def test_a_photo_knows_its_file(tmp_path):
    content = encode(quadrants(), "jpeg")
    photo = read(tmp_path, content, name="Zoë 子供.jpg")
    assert photo.label == str(tmp_path / "Zoë 子供.jpg")
    assert photo.path == tmp_path / "Zoë 子供.jpg"
    assert photo.digest == hashlib.sha256(content).hexdigest()
    assert photo.scale == 1.0
    assert photo.taken is None


def test_a_path_may_be_text_or_a_path(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(encode(quadrants(), "png"))
    monkeypatch.chdir(tmp_path)
    assert read_photo("a.png").label == "a.png"
    assert read_photo("./a.png").label == "./a.png"
    assert read_photo(Path("a.png")).path == Path("a.png")


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "tiff", "avif", "heic"])
@pytest.mark.parametrize(
    ("block", "taken"),
    [
        ({}, None),
        ({"date": "2021:02:03 04:05:06"}, datetime(2021, 2, 3, 4, 5, 6)),
        ({"original": "2020:01:02 03:04:05"}, datetime(2020, 1, 2, 3, 4, 5)),
        (
            {"date": "2021:02:03 04:05:06", "original": "2020:01:02 03:04:05"},
            datetime(2020, 1, 2, 3, 4, 5),
        ),
        (
            {"date": "2021:02:03 04:05:06", "original": "    :  :     :  :  "},
            datetime(2021, 2, 3, 4, 5, 6),
        ),
        ({"digitized": "2002:02:03 04:05:06"}, datetime(2002, 2, 3, 4, 5, 6)),
        (
            {"date": "2021:02:03 04:05:06", "digitized": "2002:02:03 04:05:06"},
            datetime(2002, 2, 3, 4, 5, 6),
        ),
        (
            {"original": "2001:01:02 00:00:00", "digitized": "2002:02:03 04:05:06"},
            datetime(2001, 1, 2),
        ),
        # Whoever wrote this did not know the day; the file was changed in 2021.
        ({"date": "2021:02:03 04:05:06", "original": "0000:00:00 00:00:00"}, None),
        ({"date": "2021:02:03 04:05:06", "original": "1975:00:00 00:00:00"}, None),
        ({"date": "yesterday, at tea"}, None),
        ({"date": "    :  :     :  :  "}, None),
        ({"date": "2021:13:41 04:05:06"}, None),
        ({"date": "2021"}, None),
    ],
)
def test_a_photo_knows_when_it_was_taken(tmp_path, format_, block, taken):
    photo = read(tmp_path, encode(quadrants(), format_, exif=exif(orientation=1, **block)))
    assert photo.taken == taken


WHOLE = exif(orientation=6, date="2021:02:03 04:05:06", original="2020:01:02 03:04:05")


@pytest.mark.parametrize("length", range(0, len(WHOLE), 5))
def test_exif_cut_anywhere_does_no_harm(tmp_path, length):
    photo = read(tmp_path, with_exif(encode(quadrants(), "jpeg"), WHOLE[:length]))
    assert sorted(photo.pixels.shape) == [3, 64, 96]


@pytest.mark.parametrize(
    "block",
    [
        b"garbage",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\1\0\x69\x87\4\0\1\0\0\0\x08\0\0\0\0\0\0\0",  # a directory within itself
        b"II*\0\x08\0\0\0\1\0\x32\1\2\0\x14\0\0\0\xff\xff\xff\xff\0\0\0\0",
        b"II*\0\x08\0\0\0\1\0\x32\1\2\0\x14\0\0\0\x08\0\0\0\0\0\0\0" + b"\xe9" * 20,
    ],
)
@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "avif", "heic"])
def test_broken_exif_does_no_harm(tmp_path, format_, block):
    placeholder = b"II*\0\x08\0\0\0" + bytes(46)
    block = block.ljust(len(placeholder), b"\0")
    content = encode(quadrants(), format_, exif=b"Exif\0\0" + placeholder)
    assert content.count(placeholder) == 1
    content = content.replace(placeholder, block)
    if format_ == "png":  # whose chunks have checksums
        at = content.index(b"eXIf") + 4
        size = int.from_bytes(content[at - 8 : at - 4], "big")
        mended = chunk(b"eXIf", content[at : at + size])
        content = content[: at - 8] + mended + content[at + size + 4 :]
    photo = read(tmp_path, content)
    assert photo.taken is None
    assert is_close(corners(photo.pixels), QUADRANTS)


def test_a_tiff_with_a_broken_exif_directory_is_read(tmp_path):
    whole = exif(orientation=1, original="2020:01:02 03:04:05")
    content = encode(quadrants(), "tiff", exif=whole)
    at = content.index(struct.pack("<HHI", 0x8769, 4, 1)) + 8
    photo = read(tmp_path, content[:at] + b"\xff\xff\xff\x7f" + content[at + 4 :])
    assert photo.taken is None
    assert is_close(corners(photo.pixels), QUADRANTS)


# --- limits ---


def test_a_png_of_400_megapixels_is_refused_undecoded(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    path.write_bytes(black_png(20_000, 20_000))
    assert path.stat().st_size < 60_000
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(
        PhotoTooLargeError,
        match=r"bomb\.png: has 400,000,000 pixels \(20000x20000\), over the limit of 200,000,000: ",
    ):
        read_photo(path)


@pytest.mark.skipif(not STATUS.exists(), reason="the peak is read from /proc, which Linux has")
@pytest.mark.parametrize("format_", ["png", "webp", "gif"])
def test_a_bomb_takes_no_memory(tmp_path, format_):
    path = tmp_path / "bomb"
    path.write_bytes(bomb(format_))
    code = (
        "import re, sys\n"
        "from facematch.errors import PhotoTooLargeError\n"
        "from facematch.photos.reading import read_photo\n"
        "from pathlib import Path\n"
        "status = Path('/proc/self/status')\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s*(\\d+) kB', status.read_text())[1])\n"
        "before = peak()\n"
        "try: read_photo(sys.argv[1])\n"
        "except PhotoTooLargeError: print(peak() - before)\n"
    )
    root = REPOSITORY
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(path)],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert int(done.stdout) < 30_000, "kB more than before; the file takes 50"


def bomb(format_: str) -> bytes:
    if format_ == "png":
        return black_png(20_000, 20_000)
    options = {"exif": exif(orientation=1)} if format_ == "webp" else {}
    content = bytearray(encode(quadrants(), format_, **options))
    if format_ == "webp":
        assert content[12:16] == b"VP8X"
        content[24:30] = b"\xfe\x3f\0" * 2
    else:
        content[6:10] = b"\xff\xff" * 2
    return bytes(content)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_photo_with_one_pixel_too_many_is_refused_undecoded(tmp_path, format_, monkeypatch):
    content = encode(quadrants(), format_)
    assert read(tmp_path, content, limits=Limits(max_pixels=64 * 96)).scale == 1.0

    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(
        PhotoTooLargeError, match=r"6,144 pixels \(96x64\), over the limit of 6,143"
    ):
        read(tmp_path, content, limits=Limits(max_pixels=64 * 96 - 1))


@pytest.mark.parametrize("juts_out", [True, False])
def test_the_size_of_a_gif_is_known_before_it_is_opened(tmp_path, juts_out, monkeypatch):
    from PIL import GifImagePlugin

    content = bytearray(encode(quadrants(), "gif"))
    if juts_out:
        content[6:10] = struct.pack("<HH", 10, 10)
    monkeypatch.setattr(GifImagePlugin.GifImageFile, "_open", lambda self: pytest.fail("opened"))
    with pytest.raises(PhotoTooLargeError, match="6,144 pixels"):
        read(tmp_path, bytes(content), limits=Limits(max_pixels=6143))


@pytest.mark.parametrize("lossless", [True, False])
def test_the_size_of_every_webp_is_known_before_it_is_opened(tmp_path, lossless, monkeypatch):
    from PIL import WebPImagePlugin

    content = encode(quadrants(), "webp", lossless=lossless)
    monkeypatch.setattr(WebPImagePlugin.WebPImageFile, "_open", lambda self: pytest.fail("opened"))
    with pytest.raises(PhotoTooLargeError, match="6,144 pixels"):
        read(tmp_path, content, limits=Limits(max_pixels=6143))


def test_the_limit_holds_before_a_jpeg_is_reduced(tmp_path):
    with pytest.raises(PhotoTooLargeError, match="480,000 pixels"):
        read(tmp_path, encode(quadrants(800, 600), "jpeg"), min_side=1, limits=Limits(max_pixels=9))


def test_a_photo_of_108_megapixels_is_read_without_a_warning(tmp_path):
    content = encode(Image.new("L", (12_000, 9_000), GREY), "jpeg")
    photo = read(tmp_path, content, min_side=1500)
    assert photo.pixels.shape == (1125, 1500, 3)
    assert photo.scale == 0.125


@pytest.mark.parametrize("format_", ["jpeg", "png", "bmp", "avif", "heic"])
def test_pillows_process_wide_limit_is_neither_asked_nor_changed(tmp_path, format_, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 70_000)
    assert read(tmp_path, encode(quadrants(640, 480), format_)).pixels.shape == (480, 640, 3)
    assert Image.MAX_IMAGE_PIXELS == 70_000


@pytest.mark.parametrize("format_", ["webp", "tiff"])
def test_pillows_process_wide_limit_is_a_photo_too_large_where_it_strikes(
    tmp_path, format_, monkeypatch
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(PhotoTooLargeError, match="over Pillow's own limit"):
        read(tmp_path, encode(quadrants(), format_))


@pytest.mark.parametrize("format_", ["tiff", "gif"])
def test_what_pillow_would_warn_of_is_refused_first(tmp_path, format_):
    content = bytearray(encode(quadrants(), format_))
    if format_ == "gif":
        content[6:10] = struct.pack("<HH", 10_000, 9_000)
    else:
        for tag, value in ((256, 10_000), (257, 9_000)):
            at = content.index(struct.pack("<HHI", tag, 4, 1)) + 8
            content[at : at + 4] = struct.pack("<I", value)
    with pytest.raises(PhotoTooLargeError, match=f"of a {format_.upper()}: save it as JPEG or PNG"):
        read(tmp_path, bytes(content))


def test_a_file_with_one_byte_too_many_is_refused_unread(tmp_path):
    content = encode(quadrants(), "png")
    size = len(content)
    assert read(tmp_path, content, limits=Limits(max_bytes=size)).scale == 1.0
    with pytest.raises(PhotoTooLargeError, match=f"has {size} bytes, over the limit of {size - 1}"):
        read(tmp_path, content, limits=Limits(max_bytes=size - 1))


@posix
def test_a_huge_hole_of_a_file_is_refused_at_once(tmp_path):
    path = tmp_path / "hole.jpg"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(PhotoTooLargeError, match="has 1,099,511,627,776 bytes"):
        read_photo(path)


@pytest.mark.parametrize("format_", ["gif", "webp", "tiff", "png", "avif"])
def test_a_film_is_refused(tmp_path, format_):
    content = frames(format_, 6)
    assert is_close(read(tmp_path, content, limits=Limits(max_frames=6)).pixels, RED)
    with pytest.raises(PhotoTooLargeError, match="has more than 5 frames: save one of them"):
        read(tmp_path, content, limits=Limits(max_frames=5))


def test_a_heic_of_many_pictures_is_refused(tmp_path):
    import pillow_heif

    many = pillow_heif.from_pillow(quadrants())
    many.add_from_pillow(quadrants())
    many.save(tmp_path / "a.heic")
    assert is_close(corners(read_photo(tmp_path / "a.heic").pixels), QUADRANTS)
    with pytest.raises(PhotoTooLargeError, match="has more than 1 frames"):
        read_photo(tmp_path / "a.heic", limits=Limits(max_frames=1))


def test_a_tiff_whose_directories_go_round_is_read(tmp_path):
    tiff = bytearray(encode(quadrants(), "tiff"))
    (at,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, at)
    tiff[at + 2 + 12 * count : at + 6 + 12 * count] = struct.pack("<I", at)
    assert is_close(corners(read(tmp_path, bytes(tiff)).pixels), QUADRANTS)


@pytest.mark.parametrize("following", [2**40, 2**64 - 1])
def test_a_tiff_whose_later_directories_are_lost_is_read(tmp_path, following):
    tiff = bytearray(encode(quadrants(), "tiff", big_tiff=True))
    (at,) = struct.unpack_from("<Q", tiff, 8)
    (count,) = struct.unpack_from("<Q", tiff, at)
    struct.pack_into("<Q", tiff, at + 8 + 20 * count, following)
    assert is_close(corners(read(tmp_path, bytes(tiff)).pixels), QUADRANTS)


def test_a_tiff_with_64_bit_offsets_is_read_and_counted(tmp_path):
    more = {"save_all": True, "append_images": [quadrants(), quadrants()]}
    content = encode(quadrants(), "tiff", big_tiff=True, **more)
    assert content[:4] == b"II+\0"
    photo = read(tmp_path, content, limits=Limits(max_frames=3))
    assert is_close(corners(photo.pixels), QUADRANTS)
    with pytest.raises(PhotoTooLargeError, match="has more than 2 frames"):
        read(tmp_path, content, limits=Limits(max_frames=2))


# --- what cannot be read ---


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("kept", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_photo_cut_short_is_called_truncated(tmp_path, format_, kept):
    noise = np.random.default_rng(2).integers(0, 256, (120, 160, 3), np.uint8)
    content = encode(Image.fromarray(noise), format_)
    with pytest.raises(TruncatedPhotoError, match="photo: the file ends before the picture does: "):
        read(tmp_path, content[: int(len(content) * kept)])


# The plain end of a TIFF is only padding to one row, and libtiff says nothing of an early end.
@pytest.mark.slow
@pytest.mark.parametrize("format_", sorted(set(FORMATS) - {"tiff-lzw"}))
def test_a_photo_cut_anywhere_is_called_truncated_or_read(tmp_path, format_):
    content = encode(quadrants(24, 16), format_)
    for length in range(16, len(content), 1 + len(content) // 200):
        with suppress(TruncatedPhotoError):
            assert read(tmp_path, content[:length]).pixels.shape == (16, 24, 3), length


def test_a_cut_photo_fails_reduced_too(tmp_path):
    content = encode(quadrants(800, 600), "jpeg")
    with pytest.raises(TruncatedPhotoError, match="ends before the picture does"):
        read(tmp_path, content[: len(content) // 2], min_side=100)


def test_a_gif_cut_after_its_first_frame_is_read(tmp_path):
    content = frames("gif", 4)
    assert is_close(read(tmp_path, content[:-20]).pixels, RED)


# A raw BMP or TIFF has nothing to find damage by, and libde265 hides what is damaged in a HEIC.
@pytest.mark.parametrize("format_", sorted(set(FORMATS) - {"bmp", "tiff", "heic"}))
def test_a_damaged_photo_is_called_damaged(tmp_path, format_):
    content = bytearray(encode(quadrants(), format_))
    hurt = {"jpeg": 160, "mpo": 160, "png": 45, "gif": 13}.get(format_, len(content) // 2)
    content[hurt : len(content) - 8] = b"\xff" * (len(content) - 8 - hurt)
    with pytest.raises(PhotoError, match=r"photo: the .* (is damaged|ends before)") as caught:
        read(tmp_path, bytes(content))
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_damage_names_the_format_and_the_reason(tmp_path):
    content = bytearray(encode(quadrants(), "png"))
    content[20] ^= 1  # within the header, whose checksum is then wrong
    with pytest.raises(UnreadablePhotoError, match=r"photo: the PNG is damaged \(.+\): copy it"):
        read(tmp_path, bytes(content))


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(NotAnImageError, match=r"a\.jpg: is empty \(0 bytes\)"):
        read(tmp_path, b"", name="a.jpg")


@pytest.mark.parametrize("name", ["no.jpg", "no/such/folder.jpg", "a\0b.jpg"])
def test_a_missing_file_is_missing(tmp_path, name):
    with pytest.raises(MissingPhotoError, match="there is no such file: check the name"):
        read_photo(tmp_path / name)


def test_a_path_through_a_file_is_missing(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(MissingPhotoError, match="there is no such file"):
        read_photo(tmp_path / "a.jpg" / "b.jpg")


def test_a_folder_is_missing(tmp_path):
    with pytest.raises(MissingPhotoError, match="is a folder: name a photo in it"):
        read_photo(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read every file")
def test_a_file_one_may_not_read_is_unreadable(tmp_path):
    path = tmp_path / "a.jpg"
    path.touch(mode=0o000)
    with pytest.raises(UnreadablePhotoError, match=r"does not let it be read \(Permission denied"):
        read_photo(path)


@pytest.mark.parametrize(
    ("refusal", "why"),
    [(PermissionError(13, "Permission denied"), "Permission denied"), (OSError(), "OSError")],
)
def test_a_refusal_of_the_system_is_unreadable(tmp_path, monkeypatch, refusal, why):
    def refuse(*_: object) -> int:
        raise refusal

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UnreadablePhotoError, match=rf"does not let it be read \({why}\)"):
        read_photo(tmp_path / "a.jpg")


@posix
def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UnreadablePhotoError, match="is not a regular file"):
        read_photo(tmp_path / "pipe.jpg")


@posix
def test_a_device_and_a_socket_are_refused(tmp_path, monkeypatch):
    with pytest.raises(UnreadablePhotoError, match="is not a regular file"):
        read_photo("/dev/zero")
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as door:
        door.bind("door.jpg")
        with pytest.raises(UnreadablePhotoError, match="the system does not let it be read"):
            read_photo("door.jpg")


@pytest.mark.parametrize(
    ("raised", "wanted", "message"),
    [
        (MemoryError(), PhotoTooLargeError, "more memory than there is"),
        (RecursionError("deep"), UnreadablePhotoError, r"damaged \(deep\)"),
        (AttributeError(), UnreadablePhotoError, r"damaged \(AttributeError\)"),
        (KeyError("a\nb"), UnreadablePhotoError, "damaged"),
        (OSError("two\nlines"), UnreadablePhotoError, r"damaged \(two lines\)"),
        (struct.error("short"), TruncatedPhotoError, "ends before"),
        (Image.DecompressionBombError("x"), PhotoTooLargeError, "Pillow's own limit"),
    ],
)
def test_whatever_pillow_raises_becomes_a_photo_error(
    tmp_path, monkeypatch, raised, wanted, message
):
    def fail(self: object) -> None:
        raise raised

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(wanted, match=message) as caught:
        read(tmp_path, encode(quadrants(), "png"))
    assert caught.value.__cause__ is raised


def test_stopping_the_program_is_not_a_photo_error(tmp_path, monkeypatch):
    def stop(self: object) -> None:
        raise KeyboardInterrupt("enough")

    monkeypatch.setattr(ImageFile.ImageFile, "load", stop)
    with pytest.raises(KeyboardInterrupt, match="enough"):
        read(tmp_path, encode(quadrants(), "png"))


SEEDS = [encode(quadrants(24, 16), format_) for format_ in FORMATS]
SEEDS += [with_exif(SEEDS[0], WHOLE), frames("gif", 3), frames("tiff", 3), frames("png", 3)]


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_a_changed_photo_is_read_or_refused_and_nothing_else(tmp_path, data):
    content = bytearray(data.draw(st.sampled_from(SEEDS)))
    places = st.integers(0, len(content) - 1)
    for at, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=12)):
        content[at] = value
    length = data.draw(st.one_of(st.just(len(content)), places))
    with suppress(PhotoError):
        photo = read(tmp_path, bytes(content[:length]), limits=Limits(max_pixels=1_000_000))
        assert photo.pixels.ndim == 3
        assert photo.pixels.dtype == np.uint8


def test_reading_a_jpeg_imports_no_other_reader(tmp_path):
    (tmp_path / "a.jpg").write_bytes(with_exif(encode(quadrants(), "jpeg"), WHOLE))
    code = (
        "import sys\n"
        "from facematch.photos.reading import read_photo\n"
        "assert read_photo(sys.argv[1]).taken\n"
        "print([m for m in sys.modules if m.endswith('ImagePlugin') or m == 'pillow_heif'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.jpg")],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "['PIL.JpegImagePlugin']\n"

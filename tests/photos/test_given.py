"""Photos given as paths, bytes, open files, pictures and arrays, wherever the library takes one."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.command import run
from helpers.made_up import noise
from helpers.matchers import matcher, own
from helpers.places import SAMPLES
from PIL import Image

from facematch import FaceMatcher, Limits, Photo, PhotoError, read_photo
from facematch.errors import (
    MissingPhotoError,
    NotAnImageError,
    OptionError,
    PhotoTooLargeError,
    UnknownBackendError,
    UnreadablePhotoError,
)
from facematch.types import Skipped

FATHER, SON = SAMPLES / "father.png", SAMPLES / "son.png"
TAKEN = r"is no photo: give a path, the bytes of a file, an open file, a PIL image or an RGB array"


def ways(path: Path) -> dict[str, Any]:
    """One photo in every way that it can be given."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    return {
        "path": path,
        "text": str(path),
        "bytes": path.read_bytes(),
        "bytearray": bytearray(path.read_bytes()),
        "open file": io.BytesIO(path.read_bytes()),
        "picture": Image.open(io.BytesIO(path.read_bytes())),
        "RGB": pixels,
        "BGR": Photo.from_bgr(cv2.imread(str(path))),
        "Photo": read_photo(path),
    }


@pytest.mark.parametrize("way", ways(SON))
def test_a_photo_has_the_same_pixels_however_it_is_given(way: str) -> None:
    expected = read_photo(SON).pixels
    given = ways(SON)[way]
    np.testing.assert_array_equal(read_photo(given).pixels, expected)
    np.testing.assert_array_equal(own().find_faces(given).photo.pixels, expected)


def test_a_score_is_the_same_however_photos_are_given() -> None:
    expected = matcher.score(FATHER, SON)
    given = matcher.score(FATHER.read_bytes(), np.asarray(Image.open(SON).convert("RGB")))
    assert given.cosine == expected.cosine
    assert given.score == expected.score


def test_a_gallery_takes_photos_in_every_way() -> None:
    found = own().gallery(ways(SON).values())
    assert len(found.subjects) == len(ways(SON))
    assert not found.skipped
    assert len(set(map(bytes, found.vectors))) == 1


def test_a_single_photo_is_one_photo_and_a_stack_is_several() -> None:
    for given in ways(SON).values():
        assert len(own().gallery(given).subjects) == 1
    assert len(own().gallery(np.stack([noise(90, 90), noise(90, 90, seed=1)])).subjects) == 2


def test_photos_in_memory_are_named_apart() -> None:
    found = own().gallery([noise(90, 90), noise(90, 90, seed=1), FATHER.read_bytes()])
    assert len(set(found.labels)) == 3
    assert found.labels[0].startswith("array 90x90 (")
    assert re.fullmatch(r"[\d,]+ bytes \(\w{8}\)", found.labels[2])


def test_an_open_file_can_be_read_again_and_has_its_name() -> None:
    with FATHER.open("rb") as file:
        first, second = read_photo(file), read_photo(file)
    assert first.label == second.label == str(FATHER)
    assert first.digest == read_photo(FATHER).digest
    with pytest.raises(UnreadablePhotoError, match=r"father\.png: cannot be read .*: open it"):
        read_photo(file)


def test_a_file_open_as_text_is_told_so() -> None:
    with (
        (SAMPLES / "README.md").open(encoding="utf-8") as file,
        pytest.raises(OptionError, match=r"README\.md is open as text: open it with open\(path"),
    ):
        matcher.score(file, SON)  # type: ignore[arg-type]


def test_a_picture_is_turned_as_its_exif_says_and_dated() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x0132] = 6, "2018:05:16 10:15:30"
    file = io.BytesIO()
    Image.fromarray(noise(40, 60)).save(file, "JPEG", exif=exif)
    photo = read_photo(Image.open(file))
    assert photo.pixels.shape == (60, 40, 3)
    assert str(photo.day) == "2018-05-16"


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (None, "a NoneType"),
        (5, "a int"),
        (noise(90, 90) / 255, r"an array of shape \(90, 90, 3\) and dtype float64"),
        (noise(90, 90)[:, :, 0], r"an array of shape \(90, 90\) and dtype uint8"),
        (np.zeros((90, 90, 4), np.uint8), r"an array of shape \(90, 90, 4\)"),
        (np.zeros((0, 90, 3), np.uint8), r"an array of shape \(0, 90, 3\)"),
    ],
)
def test_anything_else_is_refused_with_what_is_taken(given: Any, what: str) -> None:
    for call in (
        lambda: matcher.score(given, SON),
        lambda: matcher.explain(FATHER, given),
        lambda: matcher.find_faces(given),
        lambda: matcher.gallery(given),
        lambda: list(matcher.faces([SON, given])),
        lambda: matcher.family({"dad": [given]}, {"son": SON}),
        lambda: read_photo(given),
    ):
        with pytest.raises(OptionError, match=f"{what}.* {TAKEN}"):
            call()
    with pytest.raises(OptionError, match=TAKEN):
        Photo.from_bgr(given)


def test_damaged_photos_in_memory_are_photo_errors() -> None:
    with pytest.raises(NotAnImageError, match="is in no format facematch opens"):
        matcher.find_faces(b"no picture")
    (skipped,) = own().faces([b"no picture"])
    assert isinstance(skipped, Skipped)
    cut = Image.open(io.BytesIO(FATHER.read_bytes()[:2000]))
    with pytest.raises(UnreadablePhotoError, match="the picture: cannot be decoded"):
        matcher.find_faces(cut)
    small = FaceMatcher(limits=Limits(max_pixels=100, max_bytes=100))
    for given in (Image.fromarray(noise(90, 90)), SON.read_bytes(), io.BytesIO(SON.read_bytes())):
        with pytest.raises(PhotoTooLargeError, match="over the limit of 100"):
            small.find_faces(given)


def test_a_worker_process_decodes_bytes_and_open_files() -> None:
    isolated = FaceMatcher(isolate=True)
    for given in (SON, SON.read_bytes(), io.BytesIO(SON.read_bytes())):
        np.testing.assert_array_equal(isolated.engine.read(given).pixels, read_photo(SON).pixels)


def test_a_folder_of_a_person_is_all_its_photos(tmp_path: Path) -> None:
    for name in ("father.png", "father-2.png"):
        (tmp_path / name).write_bytes((SAMPLES / name).read_bytes())
    children = {"son": SON}
    by_folder = matcher.family({"dad": tmp_path}, children)
    listed = matcher.family({"dad": sorted(tmp_path.iterdir())}, children)
    assert by_folder.photos == {"dad": 2, "son": 1}
    assert by_folder.likenesses == listed.likenesses
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingPhotoError, match="empty: holds no photo: name a folder with"):
        matcher.family({"dad": tmp_path / "empty"}, children)


def test_every_result_takes_photos_in_memory() -> None:
    parents, child = {"dad": FATHER.read_bytes()}, {"son": np.asarray(read_photo(SON).pixels)}
    assert matcher.card(parents, child).likeness.parent == "dad"
    assert "dad" in matcher.report(parents, child)
    with (SAMPLES / "years" / "2016-06-01.jpg").open("rb") as dated:
        assert matcher.timeline(parents, {"kid": dated}).taken[0].year == 2016
    assert matcher.find(child, [Image.fromarray(read_photo(FATHER).pixels)]).faces == 1


def test_people_without_names_are_refused() -> None:
    for method in (matcher.family, matcher.card, matcher.timeline, matcher.report):
        with pytest.raises(OptionError, match=r"names with photos, \{'mum': 'mum.jpg'\}, not as"):
            method("mum.jpg", {"son": SON})  # type: ignore[arg-type, operator]


def test_what_is_no_gallery_is_refused_at_once() -> None:
    gallery = own().gallery([noise(90, 90)])
    advice = "make one of photos with FaceMatcher.gallery, or compare two photos with"
    for sides in (("mum.jpg", gallery), (gallery, SON), ([FATHER], gallery)):
        with pytest.raises(
            OptionError, match=f"galleries are compared, and a .* is none: {advice}"
        ):
            matcher.match(*sides)  # type: ignore[arg-type]
        with pytest.raises(OptionError, match=advice):
            matcher.match_pairs(*sides)  # type: ignore[arg-type]


def test_what_is_no_embedder_is_refused_at_once() -> None:
    with pytest.raises(UnknownBackendError, match="no embedder called 'arcface'; there are: dlib"):
        FaceMatcher(embedder="arcface")
    with pytest.raises(OptionError, match="a int does not embed faces: give a registered name"):
        FaceMatcher(embedder=5)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="does not detect faces: give a registered name"):
        FaceMatcher(detector=dict)  # type: ignore[arg-type]


def test_only_the_command_line_speaks_of_options(tmp_path: Path) -> None:
    warning = "4 faces, the largest was taken; {} chooses"
    pair = SAMPLES / "group.jpg", SON
    assert any(warning.format("parent_face") in each for each in matcher.score(*pair).warnings)
    told = run("score", *pair, "--min-face", 60).stdout
    assert warning.format("--parent-face") in " ".join(told.split())
    Image.fromarray(noise(300, 400)).save(tmp_path / "noise.png")
    with pytest.raises(PhotoError, match="try min_face=10, crop"):
        matcher.score(tmp_path / "noise.png", SON)
    assert "try --min-face 10, crop" in run("score", tmp_path / "noise.png", SON).stderr


def test_among_others_a_folder_without_photos_is_left_out_with_its_reason(tmp_path: Path) -> None:
    empty = tmp_path / "holiday.jpg"
    empty.mkdir()
    found = matcher.gallery([SAMPLES / "son.png", empty])
    assert found.labels == (str(SAMPLES / "son.png"),)
    assert [each.photo for each in found.skipped] == [str(empty)]
    with pytest.raises(MissingPhotoError, match="holds no photo"):
        matcher.gallery(empty)

"""The functions of face_recognition: shapes, orders and defaults as there, encodings as dlib's."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.places import SAMPLES, shared_file

import facematch.compat.face_recognition as face_recognition
from facematch.errors import MissingPhotoError, NotAnImageError, OptionError
from facematch.types import Pixels
from facematch.weights.catalogue import weight_file
from facematch.weights.files import weights_path

FATHER = SAMPLES / "father.png"


@pytest.fixture(autouse=True)
def _told_of_hog() -> None:
    """A test is warned of the missing HOG detector only where it asks for that."""
    with warnings.catch_warnings(action="ignore"):
        face_recognition._tell_that_hog_is_cnn()


@pytest.fixture(scope="module")
def father() -> Pixels:
    return face_recognition.load_image_file(FATHER)


@pytest.fixture(scope="module")
def group() -> Pixels:
    return face_recognition.load_image_file(SAMPLES / "group.jpg")


@pytest.fixture
def hog_untold() -> Iterator[None]:
    face_recognition._tell_that_hog_is_cnn.cache_clear()
    yield
    face_recognition._tell_that_hog_is_cnn.cache_clear()


def test_a_photo_is_loaded_in_colour_and_in_grey(father: Pixels) -> None:
    grey = face_recognition.load_image_file(str(FATHER), mode="L")
    assert (father.dtype, father.ndim, father.shape[2]) == (np.uint8, 3, 3)
    assert (grey.dtype, grey.shape) == (np.uint8, father.shape[:2])
    assert father.flags.writeable
    assert grey.flags.writeable


def test_an_open_file_is_loaded_like_its_path(father: Pixels) -> None:
    with FATHER.open("rb") as file:
        np.testing.assert_array_equal(face_recognition.load_image_file(file), father)


def test_a_file_that_is_no_photo_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "words.jpg").write_bytes(b"words")
    with pytest.raises(NotAnImageError, match=r"words\.jpg"):
        face_recognition.load_image_file(tmp_path / "words.jpg")
    with (tmp_path / "words.jpg").open("rb") as file, pytest.raises(NotAnImageError, match="words"):
        face_recognition.load_image_file(file)
    with pytest.raises(MissingPhotoError, match=r"none\.jpg"):
        face_recognition.load_image_file(tmp_path / "none.jpg")


def test_locations_are_whole_numbers_from_the_top_clockwise(group: Pixels) -> None:
    found = face_recognition.face_locations(group)
    assert isinstance(found, list)
    assert len(found) == 4
    for location in found:
        assert isinstance(location, tuple)
        assert [type(side) for side in location] == [int] * 4
        top, right, bottom, left = location
        assert 0 <= top < bottom <= group.shape[0]
        assert 0 <= left < right <= group.shape[1]


@pytest.mark.parametrize("name", ["obama_and_biden.jpg", "two_people.jpg"])
def test_photographs_have_the_same_shapes_and_orders(name: str) -> None:
    photo = face_recognition.load_image_file(shared_file("photos", "people", name))
    found = face_recognition.face_locations(photo, 0, "cnn")[:2]  # a third one is no face
    landmarks = face_recognition.face_landmarks(photo, found, "small")
    encodings = face_recognition.face_encodings(photo, found)
    assert [each.shape for each in encodings] == [(128,)] * 2
    for (top, right, bottom, left), each in zip(found, landmarks, strict=True):
        ((x, y),) = each["nose_tip"]
        assert left < each["left_eye"][0][0] < x < each["right_eye"][0][0] < right
        assert top < each["left_eye"][0][1] < y < bottom
    assert face_recognition.face_distance(encodings[:1], encodings[1])[0] > 0.6


def test_no_face_gives_an_empty_list() -> None:
    blank = np.full((100, 100, 3), 127, np.uint8)
    assert face_recognition.face_locations(blank) == []
    assert face_recognition.face_encodings(blank) == []
    assert face_recognition.face_landmarks(blank, model="small") == []


@pytest.mark.parametrize("side", ["top", "right", "bottom", "left"])
def test_locations_end_where_the_image_ends(side: str, father: Pixels) -> None:
    ((top, right, bottom, left),) = face_recognition.face_locations(father, 0)
    width, height = right - left, bottom - top
    cut = {
        "top": father[top + height // 5 :],
        "right": father[:, : right - width // 10],
        "bottom": father[: bottom - height // 3],
        "left": father[:, left + width // 5 :],
    }[side]
    ((top, right, bottom, left),) = face_recognition.face_locations(cut, 0)
    ends = {"top": top, "right": right, "bottom": bottom, "left": left}
    assert ends[side] == {"right": cut.shape[1], "bottom": cut.shape[0]}.get(side, 0)


def test_grey_images_are_searched_too(father: Pixels) -> None:
    grey = face_recognition.load_image_file(FATHER, "L")
    ((top, right, bottom, left),) = found = face_recognition.face_locations(grey)
    ((_, _, other_bottom, other_left),) = face_recognition.face_locations(father)
    assert abs(bottom - other_bottom) < (bottom - top) / 4
    assert abs(left - other_left) < (right - left) / 4
    assert len(face_recognition.face_encodings(grey, found)) == 1


def test_upsampling_finds_smaller_faces(group: Pixels) -> None:
    import cv2

    sides = [bottom - top for top, _, bottom, _ in face_recognition.face_locations(group)]
    scale = 55 / max(sides)
    size = round(group.shape[1] * scale), round(group.shape[0] * scale)
    small = np.asarray(cv2.resize(group, size, interpolation=cv2.INTER_AREA), np.uint8)
    assert face_recognition.face_locations(small, 0) == []
    assert face_recognition.face_locations(small, number_of_times_to_upsample=1) != []


def test_a_batch_gives_what_each_image_gives(father: Pixels, group: Pixels) -> None:
    found = face_recognition.batch_face_locations([father, group], 1, batch_size=2)
    assert found == [face_recognition.face_locations(img, 1, "cnn") for img in (father, group)]
    assert face_recognition.batch_face_locations([]) == []


def test_five_landmarks_have_names(father: Pixels) -> None:
    (landmarks,) = face_recognition.face_landmarks(father, model="small")
    assert {name: len(points) for name, points in landmarks.items()} == {
        "nose_tip": 1,
        "left_eye": 2,
        "right_eye": 2,
    }
    points = [point for each in landmarks.values() for point in each]
    assert all(isinstance(point, tuple) and type(point[0]) is int for point in points)
    (left_outer, left_inner), (right_outer, right_inner) = (
        landmarks["left_eye"],
        landmarks["right_eye"],
    )
    assert left_outer[0] < left_inner[0] < right_inner[0] < right_outer[0]
    assert landmarks["nose_tip"][0][1] > left_inner[1]


def test_the_68_landmarks_are_refused_with_the_reason(father: Pixels) -> None:
    with pytest.raises(OptionError, match=r"bars commercial use.*model='small'"):
        face_recognition.face_landmarks(father)
    with pytest.raises(OptionError, match="bars commercial use"):
        face_recognition.face_encodings(father, model="large")


def test_encodings_are_128_numbers_each(group: Pixels) -> None:
    encodings = face_recognition.face_encodings(group)
    assert isinstance(encodings, list)
    assert [(each.shape, each.dtype) for each in encodings] == [((128,), np.float64)] * 4
    known = face_recognition.face_locations(group)
    in_known = face_recognition.face_encodings(group, known[1:2])
    np.testing.assert_allclose(in_known, encodings[1:2], atol=1e-6)
    assert face_recognition.face_encodings(group, []) == []


def test_one_person_is_within_the_tolerance_and_another_is_not() -> None:
    names = ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg")
    photos = [
        face_recognition.load_image_file(shared_file("photos", "people", name)) for name in names
    ]
    found = face_recognition.batch_face_locations(photos, 0)
    one, *others = (
        face_recognition.face_encodings(photo, locations)[0]
        for photo, locations in zip(photos, found, strict=True)
    )
    assert face_recognition.compare_faces(others, one) == [True, True, False]
    assert face_recognition.compare_faces(others, one, tolerance=0.1) == [False] * 3


def test_distances_are_euclidean() -> None:
    one = np.zeros(128)
    distances = face_recognition.face_distance([one + 1, one], one)
    assert isinstance(distances, np.ndarray)
    np.testing.assert_allclose(distances, [np.sqrt(128), 0])


@pytest.mark.parametrize("nobody", [[], np.array([])])
def test_nobody_to_compare_gives_nothing(nobody: Any) -> None:
    distances = face_recognition.face_distance(nobody, np.zeros(128))
    assert (type(distances), distances.shape) == (np.ndarray, (0,))
    assert face_recognition.compare_faces(nobody, np.zeros(128)) == []


def test_hog_is_told_once_at_the_line_that_asked(father: Pixels, hog_untold: None) -> None:
    with warnings.catch_warnings(record=True, action="always") as told:
        face_recognition.face_locations(father, model="cnn")
        assert told == []
        face_recognition.face_locations(father)
        face_recognition.face_encodings(father)
    (warning,) = told
    assert "no HOG detector" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize("function", ["face_encodings", "face_landmarks"])
def test_hog_is_told_by_whatever_searches(function: str, father: Pixels, hog_untold: None) -> None:
    with pytest.warns(UserWarning, match="model='cnn'") as told:
        getattr(face_recognition, function)(father, model="small")
    assert told[0].filename == __file__


@pytest.mark.parametrize(
    "img",
    [
        np.zeros((9, 9, 3)),
        np.zeros((9, 9, 4), np.uint8),
        np.zeros((0, 9, 3), np.uint8),
        np.zeros(9, np.uint8),
        "father.png",
        None,
    ],
)
def test_what_is_no_image_is_told_with_what_is_one(img: Any) -> None:
    for ask in (face_recognition.face_locations, face_recognition.face_encodings):
        with pytest.raises(OptionError, match=r"uint8, RGB \(H, W, 3\).*load_image_file"):
            ask(img)


def test_options_that_make_no_sense_are_told(father: Pixels) -> None:
    with pytest.raises(OptionError, match="no mode 'RGBA': there are 'RGB' and 'L'"):
        face_recognition.load_image_file(FATHER, mode="RGBA")
    with pytest.raises(OptionError, match="no detector model 'dog': there are 'hog' and 'cnn'"):
        face_recognition.face_locations(father, model="dog")
    with pytest.raises(OptionError, match="no landmark model 'tiny'"):
        face_recognition.face_landmarks(father, model="tiny")
    with pytest.raises(OptionError, match="upsampled -1 times"):
        face_recognition.face_locations(father, -1)
    with pytest.raises(OptionError, match="upsampled 9 times: try number_of_times_to_upsample=0"):
        face_recognition.face_locations(father, 9)
    with pytest.raises(OptionError, match=r"\(90, 10, 20, 80\) is no \(top, right, bottom, left"):
        face_recognition.face_encodings(father, [(90, 10, 20, 80)])


def test_jitters_give_one_mean_that_is_the_same_each_time(father: Pixels) -> None:
    known = face_recognition.face_locations(father)
    (plain,) = face_recognition.face_encodings(father, known)
    (mean,) = face_recognition.face_encodings(father, known, num_jitters=5)
    (again,) = face_recognition.face_encodings(father, known, num_jitters=5)
    np.testing.assert_array_equal(mean, again)
    assert 0 < np.linalg.norm(mean - plain) < 0.3


def test_faces_in_given_boxes_have_the_landmarks_and_encodings_of_dlib(group: Pixels) -> None:
    dlib = pytest.importorskip("dlib", reason="dlib-bin, of the extra [test], has no wheel here")
    predictor = dlib.shape_predictor(str(weights_path(weight_file("dlib-landmarks"))))
    encoder = dlib.face_recognition_model_v1(str(weights_path(weight_file("dlib-resnet"))))
    known = face_recognition.face_locations(group)
    shapes = [
        predictor(group, dlib.rectangle(left, top, right, bottom))
        for top, right, bottom, left in known
    ]
    landmarks = face_recognition.face_landmarks(group, known, "small")
    for each, shape in zip(landmarks, shapes, strict=True):
        points = [*each["right_eye"], *each["left_eye"], *each["nose_tip"]]
        assert points == [(part.x, part.y) for part in shape.parts()]
    (plain,) = face_recognition.face_encodings(group, known[:1])
    (mean,) = face_recognition.face_encodings(group, known[:1], num_jitters=10)
    theirs = np.array(encoder.compute_face_descriptor(group, shapes[0], 1))
    assert np.linalg.norm(plain - theirs) < 0.02
    theirs = np.array(encoder.compute_face_descriptor(group, shapes[0], 10))
    assert np.linalg.norm(mean - theirs) < 0.75 * np.linalg.norm(plain - theirs)


def test_its_import_needs_no_dlib_and_starts_no_network() -> None:
    code = (
        "import sys, facematch.compat.face_recognition as each\n"
        "print(sorted({'dlib', 'face_recognition', 'onnxruntime', 'cv2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.made_up import noise, photos, somebody
from helpers.matchers import matcher
from helpers.places import SAMPLES

from facematch.detection.alignment import dlib_frame
from facematch.detection.quality import (
    clearness,
    is_same_picture,
    quality_warnings,
    sharpness,
    turn,
)
from facematch.enrolment.people import enrol_people
from facematch.photos.reading import read_photo
from facematch.types import Face, Photo, Points, Portrait

FRONT: Points = dlib_frame().template


def turned(by: float) -> Points:
    """The mean face, its nose moved along the line of the eyes by that share of their distance."""
    points = FRONT.copy()
    points[4] += by * (points[:2].mean(axis=0) - points[2:4].mean(axis=0))
    return points


def face(side: float, landmarks: Points = FRONT) -> Face:
    return Face((0, 0, side, side), 1.0, landmarks)


def test_a_good_face_is_not_warned_of() -> None:
    assert quality_warnings(face(200), noise(150, 150)) == []


def test_a_small_face_is_small_by_the_pixels_of_its_file() -> None:
    chip = noise(150, 150)
    assert "small (40 pixels)" in quality_warnings(face(40), chip)[0]
    assert quality_warnings(face(40), chip, scale=0.5) == []
    assert "small (50 pixels)" in quality_warnings(face(100), chip, scale=2)[0]


def test_a_blurred_face_is_warned_of() -> None:
    ramp = np.repeat(np.arange(150, dtype=np.uint8)[:, None, None], 150, axis=1).repeat(3, axis=2)
    assert "blurred" in quality_warnings(face(200), ramp)[0]


def portrait_of(landmarks: Points, chip: np.ndarray) -> Portrait:
    """A photo of 320 pixels with one face."""
    return Portrait(Photo("a.jpg", noise(320, 320)), (face(100, landmarks),), chip[np.newaxis])


def test_a_sharper_face_is_clearer_and_a_cut_one_is_not_clear() -> None:
    middle, border = FRONT + 85, FRONT + np.array([85, -60], np.float32)
    sharp = noise(150, 150)
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 2), np.uint8)
    assert clearness(portrait_of(middle, sharp), 0) > clearness(portrait_of(middle, blurred), 0) > 0
    assert clearness(portrait_of(border, sharp), 0) == 0


def test_the_clearest_photo_of_somebody_is_shown() -> None:
    person = somebody("ann", np.eye(3))
    person = replace(
        person,
        portraits=np.arange(3, dtype=np.uint8).repeat(192).reshape(3, 8, 8, 3),
        clearness=np.array([0.2, 0.5, 0.7]),
    )
    assert (person.portrait[0, 0, 0], person.shown) == (2, "ann-2.jpg")
    warned = replace(person.gallery, warnings=((), (), ("the face is small",)))
    assert replace(person, gallery=warned).shown == "ann-1.jpg"
    all_warned = replace(person.gallery, warnings=(("small",),) * 3)
    assert replace(person, gallery=all_warned).shown == "ann-2.jpg"


def test_each_photo_of_somebody_is_kept_with_its_clearness() -> None:
    (person,), _ = enrol_people(matcher.engine, {"father": photos("father")})
    assert person.clearness.shape == (2,)
    assert (person.clearness > 0).all()
    assert person.squares.shape == (2, 3)
    assert person.shown == photos("father")[int(person.clearness.argmax())]


def test_a_flat_chip_has_no_sharpness() -> None:
    assert sharpness(np.full((150, 150, 3), 7, np.uint8)) == 0


@pytest.mark.parametrize(("by", "warned"), [(0, False), (0.1, False), (0.3, True), (-0.3, True)])
def test_a_face_turned_away_is_warned_of(by: float, warned: bool) -> None:
    warnings = quality_warnings(face(200, turned(by)), noise(150, 150))
    assert any("turned to the side" in warning for warning in warnings) is warned


@pytest.mark.parametrize(("rows", "warned"), [(0, False), (15, False), (40, True)])
def test_a_face_cut_off_by_the_edge_is_warned_of(rows: int, warned: bool) -> None:
    chip = np.maximum(noise(150, 150), 1)
    chip[150 - rows :] = 0
    warnings = quality_warnings(face(200), chip)
    assert any("cut off by the photo's edge" in warning for warning in warnings) is warned


def test_turn_does_not_depend_on_size_place_or_tilt() -> None:
    points = turned(0.3)
    tilted = points @ np.array([[0.6, -0.8], [0.8, 0.6]], np.float32) * 3 + 100
    assert turn(tilted) == pytest.approx(turn(points), abs=1e-4)


def test_eyes_in_one_place_count_as_turned_away() -> None:
    assert turn(np.ones((5, 2), np.float32)) == 0.5


def test_a_picture_saved_anew_is_the_same_and_another_is_not() -> None:
    import cv2

    father, son = (read_photo(SAMPLES / f"{name}.png").pixels for name in ("father", "son"))
    smaller = np.asarray(cv2.resize(father, None, fx=0.5, fy=0.5), np.uint8)
    packed = cv2.imdecode(cv2.imencode(".jpg", father, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 1)
    lighter = np.clip(father * 1.1 + 10, 0, 255).astype(np.uint8)
    for copy in (father, smaller, np.asarray(packed, np.uint8), lighter):
        assert is_same_picture(father, copy)
        assert is_same_picture(father, copy[:, ::-1])
    assert not is_same_picture(father, son)

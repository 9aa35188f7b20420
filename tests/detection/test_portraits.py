from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.made_up import noise
from helpers.places import SAMPLES

from facematch.detection.portraits import (
    is_cut,
    portrait_frame,
    portrait_squares,
    portraits,
)
from facematch.matcher import FaceMatcher
from facematch.types import Face, Photo, Pixels

FRAME = 200  # pixels
# How far a photo of 240 reaches beyond the frame on the left and the top; below 0 it ends before.
BORDERS = [(-34, 20), (74, 20), (20, -34), (20, 64), (-24, -24), (64, -24), (-24, 64), (64, 64)]


def face_at(x: float, y: float) -> Face:
    """A face whose frame of 200 begins at this place of its photo."""
    landmarks = portrait_frame(FRAME).template + np.array([x, y], np.float32)
    box = (x + 52.0, y + 64.0, x + 148.0, y + 160.0)
    return Face(box, 1.0, landmarks)


def is_rough(picture: Pixels) -> np.ndarray:
    return np.abs(np.diff(picture.astype(int), axis=1)).max(axis=2) > 12


def waves(side: int) -> Pixels:
    """Waves along both axes, 20 pixels long: a blur of them is grey."""
    x, y = np.mgrid[:side, :side] * (2 * np.pi / 20)
    grey = 128 + 50 * np.sin(x) + 50 * np.sin(y)
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2).astype(np.uint8)


def test_a_portrait_is_upright_and_larger_than_the_chip_shows() -> None:
    tilted = np.asarray(cv2.imread(str(SAMPLES / "father-2.png"))[:, :, ::-1], np.uint8)
    face = FaceMatcher().find_faces(SAMPLES / "father-2.png").faces[0]
    (shown,) = portraits(tilted, [face], 200)
    again = FaceMatcher().find_faces(Photo("portrait", shown)).faces[0]
    eyes = np.asarray(again.landmarks)[:4].reshape(2, 2, 2).mean(axis=1)
    assert abs(eyes[0, 1] - eyes[1, 1]) < 4
    assert 60 < again.box[2] - again.box[0] < 130


def test_a_portrait_is_the_same_of_a_photo_twice_as_large() -> None:
    small = np.asarray(cv2.imread(str(SAMPLES / "son.png"))[:, :, ::-1], np.uint8)
    large = np.asarray(cv2.resize(small, None, fx=4, fy=4), np.uint8)
    face = FaceMatcher().find_faces(SAMPLES / "son.png").faces[0]
    far = replace(face, landmarks=np.asarray(face.landmarks) * 4)
    one, other = portraits(small, [face], 120)[0], portraits(large, [far], 120)[0]
    assert np.abs(one.astype(int) - other).mean() < 3


@pytest.mark.parametrize(("x", "y"), BORDERS)
def test_a_portrait_ends_where_its_photo_does(x: int, y: int) -> None:
    """The photo is noise: where a portrait is filled, it is smooth."""
    photo, face = noise(240, 240), face_at(x, y)
    ((left, top, side),) = portrait_squares(photo.shape, [face])
    assert 0.7 < side < 1
    for start, end in ((x + FRAME * left, 240), (y + FRAME * top, 240)):
        assert -0.01 <= start < start + FRAME * side <= end + 0.01
    assert not is_cut(photo.shape, face)
    (shown,) = portraits(photo, [face], FRAME)
    assert cv2.blur(is_rough(shown).astype(float), (25, 25)).min() > 0.5


def test_a_portrait_shows_its_whole_frame_where_the_photo_does() -> None:
    photo, face = noise(240, 240), face_at(20, 20)
    np.testing.assert_array_equal(portrait_squares(photo.shape, [face]), [[0, 0, 1]])
    (shown,) = portraits(photo, [face], FRAME)
    np.testing.assert_array_equal(shown, photo[20:220, 20:220])


@pytest.mark.parametrize(("x", "y"), [(-90, 20), (130, 20), (20, -110), (20, 120), (-80, -90)])
def test_a_cut_face_fades_out_without_a_seam_or_a_second_pair_of_eyes(x: int, y: int) -> None:
    face = face_at(x, y)
    assert is_cut((240, 240, 3), face)
    (shown,) = portraits(waves(240), [face], FRAME)
    steps = [np.abs(np.diff(shown.astype(int), axis=axis)).max() for axis in (0, 1)]
    assert max(steps) < 24  # the waves alone have 16; a seam has 60
    rough = is_rough(portraits(noise(240, 240), [face], FRAME)[0])
    assert rough.any()
    square = portrait_squares((240, 240, 3), [face])[0]
    beyond = {
        (-90, 20): rough[:, :10], (130, 20): rough[:, -10:], (20, -110): rough[:10],
        (20, 120): rough[-10:], (-80, -90): rough[:10, :10],
    }  # fmt: skip
    assert square[2] >= 0.58
    assert not beyond[x, y].any()


def test_a_lying_face_is_shown_upright_within_its_photo() -> None:
    photo, face = noise(240, 240), face_at(20, 20)
    middle = np.array([120, 120], np.float32)
    turn = np.array([[0.8, 0.6], [-0.6, 0.8]], np.float32)
    lying = replace(face, landmarks=(np.asarray(face.landmarks) - middle) @ turn + middle)
    assert portrait_squares(photo.shape, [lying])[0, 2] < 0.9
    (shown,) = portraits(photo, [lying], FRAME)
    assert cv2.blur(is_rough(shown).astype(float), (25, 25)).min() > 0.4

from __future__ import annotations

import cv2
import numpy as np
import pytest
from helpers.made_up import noise
from helpers.places import SAMPLES
from hypothesis import given
from hypothesis import strategies as st

from facematch.detection.alignment import (
    crop_faces,
    dlib_frame,
    recrop,
    similarity_transform,
)
from facematch.detection.landmarks import LandmarkLocator
from facematch.matcher import FaceMatcher
from facematch.photos.reading import read_photo
from facematch.types import Face, Frame

frame = dlib_frame()


@given(st.floats(0.2, 5), st.floats(-3, 3), st.floats(-500, 500), st.floats(-500, 500))
def test_a_similarity_transform_is_found_again(
    scale: float, angle: float, x: float, y: float
) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    true = np.column_stack([turn, [x, y]])
    after = frame.template @ turn.T + [x, y]
    np.testing.assert_allclose(
        similarity_transform(frame.template, after.astype(np.float64)), true, atol=1e-3
    )


def test_a_face_already_in_place_is_copied_half_a_pixel_off_as_dlib_does_it() -> None:
    pixels = noise(150, 150)
    (chip,) = crop_faces(pixels, [Face((0, 0, 150, 150), 1.0, frame.template)], frame)
    rows = pixels[1:].astype(float) + pixels[:-1]
    four = (rows[:, 1:] + rows[:, :-1]) / 4
    assert np.abs(chip[:-1, :-1] - four).max() <= 4  # OpenCV before 5 places pixels to 1/32


@pytest.mark.parametrize("scale", [0.5, 1, 2, 5])
@pytest.mark.parametrize("angle", [0, 90, 180])
def test_a_chip_does_not_depend_on_size_or_turn(scale: float, angle: int) -> None:

    photo = read_photo(SAMPLES / "father.png").pixels
    box = (108.0, 172.0, 328.0, 392.0)
    landmarks = LandmarkLocator().locate(photo, [box])[0]
    (upright,) = crop_faces(photo, [Face(box, 1.0, landmarks)], frame)
    matrix = cv2.getRotationMatrix2D((240, 300), angle, scale)
    matrix[:, 2] += np.array([600, 600]) * scale - [240, 300]
    side = int(1200 * scale)
    turned = np.asarray(cv2.warpAffine(photo, matrix, (side, side)), np.uint8)
    moved = (np.column_stack([landmarks, np.ones(5)]) @ matrix.T).astype(np.float32)
    (chip,) = crop_faces(turned, [Face(box, 1.0, moved)], frame)
    assert np.abs(chip[30:120, 30:120].astype(float) - upright[30:120, 30:120]).mean() < 6


def test_a_chip_cut_again_shows_what_one_cut_from_the_photo_does() -> None:
    found = FaceMatcher().find_faces(SAMPLES / "father.png")
    wide = Frame(90, dlib_frame(90, padding=0.4).template)
    chips = recrop(found.chips, dlib_frame(), wide)
    expected = crop_faces(found.photo.pixels, found.faces, wide)
    assert chips.shape == (1, 90, 90, 3)
    inner = np.s_[:, 12:-12, 12:-12]  # the first chip ends there
    apart = np.abs(chips[inner].astype(float) - expected[inner])
    assert apart.mean() < 6
    assert np.abs(chips[inner].astype(float)[:, :, ::-1] - expected[inner]).mean() > 10
    assert (chips[:, 0] > 0).any()
    np.testing.assert_array_equal(recrop(found.chips, dlib_frame(), dlib_frame()), found.chips)


def test_no_face_gives_no_chip() -> None:
    assert crop_faces(noise(10, 10), [], frame).shape == (0, 150, 150, 3)


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (40, 3)])
def test_a_face_far_outside_or_of_a_tiny_photo_is_black_not_an_error(
    shape: tuple[int, int],
) -> None:
    for shift in (0, 10_000, -10_000):
        face = Face((0, 0, 1, 1), 1.0, frame.template * 30 + np.float32(shift))
        (chip,) = crop_faces(noise(*shape), [face], frame)
        assert chip.shape == (150, 150, 3)
        assert shift == 0 or not chip.any()


def test_a_face_without_landmarks_is_refused() -> None:
    with pytest.raises(ValueError, match="locate them first"):
        crop_faces(noise(9, 9), [Face((0, 0, 9, 9), 1.0)], frame)


def test_landmarks_follow_the_box_into_a_larger_photo() -> None:
    photo = read_photo(SAMPLES / "mother.png").pixels
    box = (108.0, 172.0, 328.0, 392.0)
    framed = np.pad(photo, ((100, 50), (70, 30), (0, 0)))
    moved = (box[0] + 70, box[1] + 100, box[2] + 70, box[3] + 100)
    locate = LandmarkLocator().locate
    expected = np.add(locate(photo, [box]), [70, 100])
    np.testing.assert_array_equal(locate(framed, [moved]), expected)


def test_boxes_are_located_together_as_they_are_alone() -> None:
    photo = read_photo(SAMPLES / "group.jpg").pixels
    boxes = [(641.0, 479.0, 764.0, 602.0), (413.0, 459.0, 560.0, 607.0), (-50.0, -50.0, 20.0, 20.0)]
    locate = LandmarkLocator().locate
    together = locate(photo, boxes)
    assert together.shape == (3, 5, 2)
    np.testing.assert_array_equal(together, np.concatenate([locate(photo, [b]) for b in boxes]))
    assert locate(photo, []).shape == (0, 5, 2)


def test_landmarks_lie_where_they_are_named() -> None:
    photo = read_photo(SAMPLES / "father.png").pixels
    (points,) = LandmarkLocator().locate(photo, [(108.0, 172.0, 328.0, 392.0)])
    outer_right, inner_right, outer_left, inner_left, nose = points
    assert outer_left[0] < inner_left[0] < nose[0] < inner_right[0] < outer_right[0]
    assert nose[1] > max(outer_left[1], outer_right[1])

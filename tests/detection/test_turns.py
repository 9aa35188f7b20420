"""Faces that lie on their side: turned until their landmarks fit, or told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.made_up import noise
from helpers.matchers import matcher
from helpers.places import SAMPLES, SHARED
from numpy.typing import NDArray

from facematch.detection.alignment import crop_faces
from facematch.detection.quality import quality_warnings
from facematch.detection.turns import UNFITTING, locate_at_any_angle, search_turned
from facematch.types import Face, Photo, Pixels, Vectors

ENGINE = matcher.engine
PEOPLE = ("father", "mother", "son", "daughter")


def turned(pixels: Pixels, degrees: float) -> tuple[Pixels, NDArray[np.float64]]:
    """The whole photo turned about its middle, and the transform to it."""
    height, width = pixels.shape[:2]
    angle = np.deg2rad(degrees)
    cosine, sine = abs(np.cos(angle)), abs(np.sin(angle))
    size = round(height * sine + width * cosine), round(height * cosine + width * sine)
    there = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    there[:, 2] += [(size[0] - width) / 2, (size[1] - height) / 2]
    return np.asarray(cv2.warpAffine(pixels, there, size), np.uint8), np.asarray(there)


def box_around(face: Face, there: NDArray[np.float64]) -> Face:
    """The face's box about its middle in the turned photo: detectors know upright boxes only."""
    x_min, y_min, x_max, y_max = face.box
    x, y = there @ [(x_min + x_max) / 2, (y_min + y_max) / 2, 1]
    half = (x_max - x_min) / 2
    return Face((x - half, y - half, x + half, y + half), face.confidence)


def embedded(pixels: Pixels, face: Face, landmarks: Any) -> Vectors:
    chips = crop_faces(pixels, [replace(face, landmarks=landmarks)], ENGINE.embedder.frame)
    vector = ENGINE.embedder.embed(chips)[0]
    return np.asarray(vector / np.linalg.norm(vector))


@pytest.mark.parametrize("name", PEOPLE)
def test_an_upright_face_keeps_its_landmarks(name: str) -> None:
    pixels = ENGINE.read(SAMPLES / f"{name}.png").pixels
    boxes = [face.box for face in ENGINE.detector.detect(pixels)]
    landmarks, spreads = locate_at_any_angle(ENGINE.landmarks, pixels, boxes)
    np.testing.assert_array_equal(landmarks, ENGINE.landmarks.locate(pixels, boxes))
    assert spreads.max() < UNFITTING


def test_no_box_has_no_landmarks() -> None:
    landmarks, spreads = locate_at_any_angle(ENGINE.landmarks, noise(90, 90), [])
    assert landmarks.shape == (0, 5, 2)
    assert spreads.shape == (0,)


@pytest.mark.parametrize("degrees", [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330])
@pytest.mark.parametrize("name", ["father", "daughter"])
def test_a_face_turned_by_any_angle_has_the_vector_of_the_upright_one(
    name: str, degrees: int
) -> None:
    portrait = ENGINE.find_largest(ENGINE.read(SAMPLES / f"{name}.png"))
    pixels, there = turned(portrait.photo.pixels, degrees)
    face = box_around(portrait.faces[0], there)
    (landmarks,), (spread,) = locate_at_any_angle(ENGINE.landmarks, pixels, [face.box])
    upright = embedded(portrait.photo.pixels, face, portrait.faces[0].landmarks)
    assert spread < UNFITTING
    assert embedded(pixels, face, landmarks) @ upright > 0.9


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_that_lies_on_its_side_scores_as_the_upright_one(quarters: int) -> None:
    photo = ENGINE.read(SAMPLES / "son.png")
    on_its_side = Photo("scan.png", np.ascontiguousarray(np.rot90(photo.pixels, quarters)))
    match = matcher.score(SAMPLES / "father.png", on_its_side)
    upright = matcher.score(SAMPLES / "father.png", photo)
    assert match.cosine == pytest.approx(upright.cosine, abs=0.03)
    for search in (ENGINE.find_largest, ENGINE.find_faces):
        assert search(on_its_side).faces[0].landmark_spread < UNFITTING


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_box_in_a_turned_photo_comes_back_to_its_place(quarters: int) -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[5:15, 20:35] = 200

    def search(pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        rows, columns = np.nonzero(pixels[..., 0])
        is_turned = pixels[0, 0, 1] == 7
        box = (columns.min(), rows.min(), columns.max(), rows.max())
        return [Face(tuple(float(side) for side in box), 1.0)] if is_turned else []

    marked = pixels.copy()
    corner = np.rot90(marked, quarters)[0, 0]  # a view: only this turn finds a face
    corner[1] = 7
    (found,) = search_turned(search, marked, min_face=None)
    assert found.box == (20, 5, 34, 14)


def test_a_photo_without_a_face_is_searched_at_every_quarter_and_has_none() -> None:
    calls: list[tuple[int, ...]] = []

    def search(pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        assert min_face == 200  # twice the default
        calls.append(pixels.shape[:2])
        return []

    assert search_turned(search, np.zeros((1000, 2000, 3), np.uint8), min_face=None) == []
    assert calls == [(2000, 1000), (2000, 1000), (1000, 2000)]


def test_landmarks_that_fit_nowhere_are_told() -> None:
    pixels = noise(300, 300)
    (landmarks,), (spread,) = locate_at_any_angle(ENGINE.landmarks, pixels, [(80, 80, 220, 220)])
    face = Face((80, 80, 220, 220), 1.0, landmarks, float(spread))
    (chip,) = crop_faces(pixels, [face], ENGINE.embedder.frame)
    assert any("could not be located surely" in each for each in quality_warnings(face, chip))
    sure = replace(face, landmark_spread=0.005)
    assert not any("located surely" in each for each in quality_warnings(sure, chip))


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [30, 60, 90, 120, 180, 270, 300])
def test_photographs_turned_by_any_angle_are_aligned_or_told(degrees: int) -> None:
    photos = sorted(Path(SHARED, "photos").rglob("*.jp*g"))
    if not photos:
        pytest.skip("photographs under $FACEMATCH_SHARED/photos are needed")
    silent = count = 0
    for path in photos:
        upright = ENGINE.find_largest(ENGINE.read(path))
        if not upright.faces:
            continue
        pixels, there = turned(upright.photo.pixels, degrees)
        face = box_around(upright.faces[0], there)
        (landmarks,), (spread,) = locate_at_any_angle(ENGINE.landmarks, pixels, [face.box])
        vector = embedded(upright.photo.pixels, face, upright.faces[0].landmarks)
        count += 1
        is_told = spread > UNFITTING or (upright.faces[0].landmark_spread or 0) > UNFITTING
        silent += not is_told and embedded(pixels, face, landmarks) @ vector <= 0.9
    assert count > 20
    assert silent <= 0.03 * count

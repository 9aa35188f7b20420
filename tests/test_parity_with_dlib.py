"""The default engine held against dlib itself, on the photographs beside the project."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.places import SAMPLES, SHARED, shared_file
from numpy.typing import NDArray

from facematch.detection.alignment import crop_faces, dlib_frame
from facematch.detection.boxes import overlap
from facematch.detection.landmarks import LandmarkLocator
from facematch.detection.mmod import MmodDetector
from facematch.embedding.dlib_resnet import DlibResNetEmbedder
from facematch.photos.reading import read_photo
from facematch.types import Box, Chips, Face, Pixels
from facematch.weights.catalogue import weight_file
from facematch.weights.files import weights_path

dlib = pytest.importorskip("dlib", reason="dlib-bin, of the extra [test], has no wheel here")

PHOTOS = sorted(
    path for path in (SHARED / "photos").rglob("*") if path.suffix in {".jpg", ".jpeg", ".png"}
)
BOXES: dict[str, list[list[float]]] = json.loads(
    (Path(__file__).parent / "helpers" / "boxes.json").read_text()
)
photos = pytest.mark.parametrize(
    "path",
    [  # one of four is enough for a fast run
        path if number % 4 == 0 else pytest.param(path, marks=pytest.mark.slow)
        for number, path in enumerate(PHOTOS)
    ]
    or [pytest.param(None, marks=pytest.mark.skip("no photos/ in FACEMATCH_SHARED, beside it"))],
    ids=lambda path: path.name if path else "none",
)

detector = MmodDetector()
locator = LandmarkLocator()
embedder = DlibResNetEmbedder()


@pytest.fixture(scope="module")
def predictor() -> Any:
    return dlib.shape_predictor(str(weights_path(weight_file("dlib-landmarks"))))


@pytest.fixture(scope="module")
def encoder() -> Any:
    return dlib.face_recognition_model_v1(str(weights_path(weight_file("dlib-resnet"))))


def dlib_found(pixels: Pixels) -> list[tuple[Box, float]]:
    """What dlib's CNN detector finds, from the file that make_boxes.py writes."""
    found = BOXES[hashlib.sha256(pixels.tobytes()).hexdigest()]
    return [((left, top, right, bottom), sure) for left, top, right, bottom, sure in found]


def our_chips(pixels: Pixels, boxes: list[Box]) -> tuple[NDArray[np.float32], Chips]:
    points = locator.locate(pixels, boxes)
    faces = [Face(box, 1.0, landmarks) for box, landmarks in zip(boxes, points, strict=True)]
    return points, crop_faces(pixels, faces, dlib_frame())


def dlib_chips(predictor: Any, pixels: Pixels, boxes: list[Box]) -> tuple[Any, Any]:
    shapes = [predictor(pixels, dlib.rectangle(*map(int, box))) for box in boxes]
    points = [[(part.x, part.y) for part in shape.parts()] for shape in shapes]
    chips = [dlib.get_face_chip(pixels, shape, size=150, padding=0.25) for shape in shapes]
    return np.array(points).reshape(-1, 5, 2), np.array(chips, np.uint8).reshape(-1, 150, 150, 3)


@photos
def test_the_detector_finds_the_faces_that_dlib_finds(path: Path) -> None:
    pixels = read_photo(path).pixels
    ours = [(face.box, face.confidence) for face in detector.detect(pixels, min_face=80)]
    theirs = dlib_found(pixels)
    for some, others in ((ours, theirs), (theirs, ours)):
        for box, confidence in some:
            if confidence > 0.2:
                assert max((overlap(box, other) for other, _ in others), default=0) > 0.7


@photos
def test_landmarks_chips_and_vectors_are_those_of_dlib(
    path: Path, predictor: Any, encoder: Any
) -> None:
    pixels = read_photo(path).pixels
    boxes = [box for box, _ in dlib_found(pixels)]
    points, chips = our_chips(pixels, boxes)
    true_points, true_chips = dlib_chips(predictor, pixels, boxes)
    assert np.abs(points - true_points).max(initial=0) <= 0.5
    ours = embedder.embed(chips)
    true = np.array([encoder.compute_face_descriptor(chip) for chip in true_chips])
    true = true.reshape(-1, 128)
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(true, axis=1)
    assert ((ours * true).sum(axis=1) / lengths).min(initial=1) >= 0.999
    assert np.abs(embedder.embed(true_chips) - true).max(initial=0) <= 1e-5


def test_drawn_faces_are_embedded_as_dlib_embeds_them(predictor: Any, encoder: Any) -> None:
    pixels = read_photo(SAMPLES / "group.jpg").pixels
    boxes = [tuple(map(float, map(round, face.box))) for face in detector.detect(pixels)]
    points, chips = our_chips(pixels, boxes)
    true_points, true_chips = dlib_chips(predictor, pixels, boxes)
    assert len(boxes) == 4
    np.testing.assert_array_equal(points, true_points)
    assert np.abs(chips.astype(int) - true_chips).max() <= 2
    true = np.array([encoder.compute_face_descriptor(chip) for chip in true_chips])
    np.testing.assert_allclose(embedder.embed(true_chips), true, atol=1e-5)


@pytest.mark.slow
def test_small_faces_are_found_as_dlib_finds_them_in_the_enlarged_photo() -> None:
    import cv2

    reference = dlib.cnn_face_detection_model_v1(str(weights_path(weight_file("dlib-mmod"))))
    path = shared_file("photos", "groups", "2008_002470.jpg")
    pixels = read_photo(path).pixels
    height, width = pixels.shape[:2]
    doubled = np.asarray(cv2.resize(pixels, (2 * width, 2 * height)), np.uint8)
    theirs = [
        tuple(side / 2 for side in (box.left(), box.top(), box.right(), box.bottom()))
        for box in (found.rect for found in reference(doubled) if found.confidence > 0.2)
    ]
    ours = [face.box for face in detector.detect(pixels, min_face=40) if face.confidence > 0.2]
    assert len(ours) == len(theirs) > 0
    assert all(max(overlap(box, other) for other in theirs) > 0.7 for box in ours)

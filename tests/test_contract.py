"""What every registered back-end must do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.made_up import noise
from helpers.places import SAMPLES, installed

from facematch.detection.registry import DETECTORS, load_detector
from facematch.embedding.registry import EMBEDDERS, load_embedder
from facematch.errors import EmbeddingError, MissingExtraError
from facematch.matcher import FaceMatcher
from facematch.photos.reading import read_photo
from facematch.types import Detector, Embedder, Pixels

# The whole picture is a face to these: tests/test_whole.py has theirs.
SEARCHING = [name for name in DETECTORS if not name.startswith("whole")]


@pytest.fixture(params=SEARCHING)
def detector(request: pytest.FixtureRequest) -> Detector:
    if request.param == "yunet":
        installed("yunet", "face_detection_yunet_2023mar.onnx")
    return usable(load_detector(request.param))


@pytest.fixture(params=[*EMBEDDERS, "kin+mobilefacenet"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    if "mobilefacenet" in request.param:
        installed("mobilefacenet", "MobileFaceNet.onnx")
    return usable(load_embedder(request.param))


def usable(backend: Any) -> Any:
    """The back-end, once it has run; skips where its package is not installed."""
    try:
        if hasattr(backend, "detect"):
            backend.detect(np.zeros((90, 90, 3), np.uint8))
        else:
            side = backend.frame.size
            backend.embed(np.zeros((1, side, side, 3), np.uint8))
    except MissingExtraError as error:
        pytest.skip(str(error))
    return backend


@pytest.fixture(scope="module")
def group() -> Pixels:
    return read_photo(SAMPLES / "group.jpg").pixels


def test_a_detector_finds_the_drawn_family_best_first(detector: Detector, group: Pixels) -> None:
    faces = detector.detect(group)
    confidences = [face.confidence for face in faces]
    assert len(faces) == 4
    assert confidences == sorted(confidences, reverse=True)
    for face in faces:
        x_min, y_min, x_max, y_max = face.box
        assert x_min < x_max
        assert y_min < y_max
        assert all(isinstance(side, float | int) for side in face.box)


@pytest.mark.searches_anew
def test_a_detector_agrees_with_itself_and_leaves_the_photo_alone(
    detector: Detector, group: Pixels
) -> None:
    before = group.copy()
    first, second = detector.detect(group), detector.detect(group)
    assert [face.box for face in first] == [face.box for face in second]
    np.testing.assert_array_equal(group, before)


def test_a_detector_finds_nothing_in_noise(detector: Detector) -> None:
    assert detector.detect(noise(240, 320)) == []


def test_a_detector_takes_the_smallest_photos(detector: Detector) -> None:
    for shape in ((1, 1), (1, 200), (200, 1)):
        assert detector.detect(noise(*shape)) == []


def test_a_detector_takes_a_view_of_a_larger_photo(detector: Detector, group: Pixels) -> None:
    assert len(detector.detect(group[:, ::-1])) == 4


def test_boxes_of_all_detectors_frame_the_same_faces(detector: Detector) -> None:
    matcher = FaceMatcher(detector=detector)
    reference = FaceMatcher()
    for name in ("father.png", "mother.png"):
        found = matcher.find_faces(SAMPLES / name)
        expected = reference.find_faces(SAMPLES / name)
        vectors = reference.engine.embedder.embed(np.concatenate([found.chips, expected.chips]))
        one, other = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        assert one @ other > 0.98


def test_an_embedder_gives_one_vector_a_chip(embedder: Embedder) -> None:
    side = embedder.frame.size
    for count in (0, 1, 3):
        chips = np.stack([noise(side, side, seed) for seed in range(3)])[:count]
        vectors = embedder.embed(chips)
        assert vectors.dtype == np.float32
        assert vectors.shape == (count, embedder.embed(chips[:0]).shape[1])


def test_an_embedder_gives_a_chip_the_same_vector_in_any_company(embedder: Embedder) -> None:
    side = embedder.frame.size
    chips = np.stack([noise(side, side, seed) for seed in range(35)])
    alone = np.concatenate([embedder.embed(chips[at : at + 1]) for at in (0, 34)])
    np.testing.assert_allclose(embedder.embed(chips)[[0, 34]], alone, atol=1e-5)


def test_an_embedder_refuses_chips_of_another_kind(embedder: Embedder) -> None:
    side = embedder.frame.size
    for wrong in (
        np.zeros((1, side + 1, side, 3), np.uint8),
        np.zeros((1, side, side, 3), np.float32),
        np.zeros((side, side, 3), np.uint8),
    ):
        with pytest.raises(EmbeddingError, match="chips must be"):
            embedder.embed(wrong)


def test_a_template_lies_inside_its_frame(embedder: Embedder) -> None:
    frame = embedder.frame
    assert frame.template.shape == (5, 2)
    assert (frame.template > 0).all()
    assert (frame.template < frame.size).all()

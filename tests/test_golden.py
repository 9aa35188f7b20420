"""Each stage on the golden input of its own: the one that fails first names what has changed.

What a library's other version changes, every version of it shows; a bug of ours shows with the very
versions that the file was made with. `make_golden.py` makes the file anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from helpers.make_golden import EMBEDDERS, GOLDEN, PHOTOS, SAMPLES, versions
from helpers.places import REPOSITORY
from numpy.typing import NDArray

from facematch import FaceMatcher
from facematch.detection.alignment import crop_faces
from facematch.detection.landmarks import LandmarkLocator
from facematch.detection.registry import load_detector
from facematch.embedding.registry import load_embedder
from facematch.errors import EmbeddingError
from facematch.scoring.cosine import cosine_matrix, cosine_matrix_in_full
from facematch.scoring.resemblance import model_for
from facematch.types import Face, Photo, unit_rows

IN_PHOTO = (slice(0, 1), slice(1, 2), slice(2, 6))  # which faces are in which photo


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN, allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def photos() -> list[Photo]:
    return [FaceMatcher().engine.read(SAMPLES / name) for name in PHOTOS]


@pytest.fixture
def told(golden: dict[str, NDArray[Any]]) -> str:
    """What a failure says."""
    return f"made with {json.loads(str(golden['made_with']))}; this is {versions()}"


def test_photos_are_decoded_as_they_were(
    golden: dict[str, NDArray[Any]], photos: list[Photo], told: str
) -> None:
    colours = np.array([photo.pixels.mean(axis=(0, 1)) for photo in photos])
    np.testing.assert_allclose(colours, golden["colours"], atol=0.02, err_msg=told)


def test_faces_are_found_where_they_were(
    golden: dict[str, NDArray[Any]], photos: list[Photo], told: str
) -> None:
    detector = load_detector("mmod")
    for photo, rows in zip(photos, IN_PHOTO, strict=True):
        found = sorted(detector.detect(photo.pixels), key=lambda face: face.area, reverse=True)
        boxes = np.array([face.box for face in found])
        np.testing.assert_allclose(boxes, golden["boxes"][rows], atol=0.5, err_msg=told)
        sure = [face.confidence for face in found]
        np.testing.assert_allclose(sure, golden["confidences"][rows], atol=1e-3, err_msg=told)


def test_landmarks_lie_where_they_did(
    golden: dict[str, NDArray[Any]], photos: list[Photo], told: str
) -> None:
    for photo, rows in zip(photos, IN_PHOTO, strict=True):
        boxes = [tuple(box) for box in golden["boxes"][rows].tolist()]
        points = LandmarkLocator().locate(photo.pixels, boxes)
        np.testing.assert_allclose(points, golden["landmarks"][rows], atol=0.1, err_msg=told)


def test_chips_are_cut_as_they_were(
    golden: dict[str, NDArray[Any]], photos: list[Photo], told: str
) -> None:
    frame = load_embedder("kin").frame
    for photo, rows in zip(photos, IN_PHOTO, strict=True):
        faces = [
            Face(tuple(box), 1.0, points)
            for box, points in zip(
                golden["boxes"][rows].tolist(), golden["landmarks"][rows], strict=True
            )
        ]
        chips = crop_faces(photo.pixels, faces, frame).astype(int)
        apart = np.abs(chips - golden["chips"][rows])
        # OpenCV 4.10 and 5.0 differ by up to 3 in 2 values of 1,000.
        assert apart.max() <= 3, told
        assert (apart > 1).mean() < 0.005, told


@pytest.mark.parametrize("name", EMBEDDERS)
def test_vectors_point_where_they_did(
    golden: dict[str, NDArray[Any]], name: str, told: str
) -> None:
    found = unit_rows(load_embedder(name).embed(golden["chips"]))
    cosines = np.einsum("nd,nd->n", found, unit_rows(golden[f"{name} vectors"]))
    assert cosines.min() > 1 - 1e-5, told


@pytest.mark.parametrize("name", EMBEDDERS)
def test_scores_are_what_they_were(golden: dict[str, NDArray[Any]], name: str, told: str) -> None:
    model = model_for(load_embedder(name).space)
    assert model is not None
    rows = unit_rows(golden[f"{name} vectors"])
    scores, ratios = model.compare(rows, rows)
    np.testing.assert_allclose(scores, golden[f"{name} scores"], atol=0.01, err_msg=told)
    np.testing.assert_allclose(ratios, golden[f"{name} ratios"], rtol=1e-3, err_msg=told)


def test_all_stages_together_agree_to_a_tenth_of_a_point(
    golden: dict[str, NDArray[Any]], told: str
) -> None:
    found = FaceMatcher().gallery(SAMPLES / name for name in PHOTOS)
    model = model_for(found.space)
    assert model is not None
    scores, _ = model.compare(found.vectors, found.vectors)
    expected = golden["kin scores"][:3, :3]  # the largest face of the group is its first
    np.testing.assert_allclose(scores, expected, atol=0.1, err_msg=told)


# --- the same bits, however it is done ---


@pytest.mark.parametrize("name", EMBEDDERS)
def test_a_chip_gives_the_same_bits_in_any_batch(
    golden: dict[str, NDArray[Any]], name: str
) -> None:
    embedder, chips = load_embedder(name), golden["chips"]
    whole = embedder.embed(chips)
    for size in (1, 2, 5):
        parts = [embedder.embed(chips[at : at + size]) for at in range(0, len(chips), size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(embedder.embed(chips[::-1])[::-1], whole)


def test_two_rows_give_the_same_cosine_whatever_else_is_compared() -> None:
    rows = np.random.default_rng(0).normal(size=(700, 192)).astype(np.float32)
    whole = cosine_matrix_in_full(rows, rows[:50])
    for some in (slice(0, 1), slice(3, 20), slice(100, 611)):
        np.testing.assert_array_equal(cosine_matrix_in_full(rows[some], rows[:50]), whole[some])
    np.testing.assert_array_equal(cosine_matrix_in_full(rows, rows[7:8]), whole[:, 7:8])
    np.testing.assert_allclose(whole, cosine_matrix(rows, rows[:50]), atol=1e-6)
    with pytest.raises(EmbeddingError, match="all zeros"):
        cosine_matrix_in_full(np.zeros((1, 4), np.float32), rows[:1, :4])


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are chosen so on Linux")
def test_one_core_gives_the_same_bits_as_all() -> None:
    code = (
        "import os, sys; os.sched_setaffinity(0, {int(core) for core in sys.argv[1:]}); "
        "import hashlib; from facematch import FaceMatcher; m = FaceMatcher(min_face=60); "
        "g = m.gallery(f'samples/{n}.png' for n in ('father', 'mother', 'son', 'daughter')); "
        "c = next(m.match(g, g)); "
        "print([hashlib.sha256(a.tobytes()).hexdigest() for a in "
        "(g.vectors, c.cosines, c.scores, c.likelihood_ratios)])"
    )
    cores = sorted(os.sched_getaffinity(0))
    unbounded = {name: value for name, value in os.environ.items() if name != "FACEMATCH_THREADS"}
    printed = {
        subprocess.run(
            [sys.executable, "-c", code, *map(str, some)],
            capture_output=True, text=True, check=True, cwd=REPOSITORY, env=unbounded,
        ).stdout
        for some in (cores[:1], cores)
    }  # fmt: skip
    assert len(printed) == 1

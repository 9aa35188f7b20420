from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.made_up import somebody
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.errors import EmbeddingError
from facematch.scoring import best, matching
from facematch.scoring import cosine as similarity
from facematch.scoring.best import BestParents
from facematch.scoring.cosine import cosine_matrix_in_full
from facematch.scoring.matching import match, match_pairs
from facematch.scoring.people import likeness
from facematch.scoring.resemblance import ResemblanceModel, comparable, model_for
from facematch.scoring.strata import AGE_BANDS
from facematch.types import Comparison, Gallery, Subject, unit_rows

SPACE = "dlib-resnet"


def gallery(vectors: NDArray[Any], space: str = SPACE, *, photos: Any = None) -> Gallery:
    subjects = tuple(Subject(str(i), (0, 0, 9, 9), 1, 1, 1) for i in range(len(vectors)))
    return Gallery(subjects, unit_rows(vectors), space, photos=photos)


def people(count: int, seed: int, kind: str) -> Gallery:
    """Vectors of so many people: near scores, or above the last knot, or below the first."""
    rng = np.random.default_rng(seed)
    model = shipped()
    spread = {"faces": 0.05, "alike": 1e-4, "isotropic": 10, "twins": 0.05, "single": 0.05}[kind]
    vectors = model.mean + rng.normal(0, spread, (count, len(model.mean)))
    if kind == "twins":  # every vector several times, in any order
        vectors = vectors[rng.integers(0, max(count // 4, 1), count)]
    photos = None if kind == "single" else rng.integers(1, 6, count)
    return gallery(vectors, photos=photos)


def shipped() -> ResemblanceModel:
    model = model_for(SPACE)
    assert model is not None
    return model


def joined(parts: list[Comparison]) -> dict[str, NDArray[Any]]:
    names = ("parents", "children", "cosines", "scores", "likelihood_ratios", "z_scores")
    return {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}


def searched_and_full(
    parents: Gallery, children: Gallery, top: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """What `match` gives by a search, and by sorting the full matrix."""
    monkeypatch.setattr(matching, "_SEARCHED_SHARE", 1e9)
    searched = joined(list(match(parents, children, top=top)))
    monkeypatch.setattr(matching, "_SEARCHED_SHARE", 0)
    return searched, joined(list(match(parents, children, top=top)))


@pytest.fixture
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles, parts and threads as large galleries have them, in small ones."""
    for module, name, value in (
        (similarity, "_TILE_ROWS", 7), (similarity, "_TILE_COLUMNS", 16),
        (similarity, "_NO_THREADS", 100), (best, "_PARENTS_PREPARED", 33),
        (best, "_EXACT_PAIRS", 50), (matching, "_CHILDREN_AT_A_TIME", 9),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)


small_parts = pytest.mark.usefixtures("_small_parts")
KINDS = ("faces", "alike", "isotropic", "twins", "single")


@small_parts
@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(1, 90), st.integers(1, 20), st.integers(1, 100), st.integers(0, 99))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=12
)
def test_a_search_gives_what_the_full_matrix_gives(
    kind: str, parents: int, children: int, top: int, seed: int
) -> None:
    sides = people(parents, seed, kind), people(children, seed + 1, kind)
    with pytest.MonkeyPatch.context() as patch:
        searched, full = searched_and_full(*sides, top, patch)
    for name, values in full.items():
        assert searched[name].dtype == values.dtype
        np.testing.assert_allclose(searched[name], values, rtol=1e-6, err_msg=name)


@small_parts
@given(st.integers(1, 90), st.integers(1, 20), st.integers(1, 100), st.integers(0, 99))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25
)
def test_without_a_model_the_cosine_ranks(parents: int, children: int, top: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Rows of -1, 1 and 2 have many equal cosines, exact or not.
    rows, columns = (rng.choice([-1, 1, 2], (count, 5)) for count in (parents, children))
    with pytest.MonkeyPatch.context() as patch:
        searched, full = searched_and_full(gallery(rows, "x"), gallery(columns, "x"), top, patch)
    # Cosines that differ by less than 1e-12 are ties, of which either may come first.
    np.testing.assert_allclose(searched["cosines"], full["cosines"], atol=1e-12)
    matrix = cosine_matrix_in_full(rows, columns)
    cosines = matrix[searched["parents"], searched["children"]]
    np.testing.assert_allclose(searched["cosines"], cosines, atol=1e-12)
    found = set(zip(searched["children"].tolist(), searched["parents"].tolist(), strict=True))
    assert len(found) == min(top, parents) * children
    assert np.isnan(searched["scores"]).all()


def test_the_cosine_ranks_where_scores_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # The last knot lies below, the first above, all z-scores of these pairs.
    for z in (-50, 50):
        knots = np.array([z, z + 0.1], np.float32)
        ends = replace(shipped(), distances=knots, scores=np.array([0.1, 99.9], np.float32))
        monkeypatch.setattr(matching, "model_for", lambda _, ends=ends: ends)
        parents, children = people(60, 0, "faces"), people(8, 1, "faces")
        searched, full = searched_and_full(parents, children, 5, monkeypatch)
        assert set(searched["scores"].tolist()) == {np.float32(99.9 if z < 0 else 0.1)}
        for name, values in full.items():
            np.testing.assert_array_equal(searched[name], values, err_msg=name)
        falling = searched["cosines"].reshape(8, 5)
        assert (np.diff(falling, axis=1) <= 0).all()


def test_the_same_face_many_times_comes_by_number() -> None:
    children = people(3, 1, "single")
    one = people(1, 0, "single").vectors
    found = joined(list(match(gallery(np.repeat(one, 70, axis=0)), children, top=5)))
    assert found["parents"].tolist() == [0, 1, 2, 3, 4] * 3


def test_parents_may_come_in_parts() -> None:
    parents, children = people(300, 0, "faces"), people(20, 1, "faces")
    (whole,) = match(parents, children, top=9)
    found = BestParents(shipped(), children.vectors, children.counts, 9)
    for start, stop in ((0, 4), (4, 4), (4, 150), (150, 300)):
        found.add(parents.vectors[start:stop], parents.counts[start:stop])
    assert found.added == 300
    for name, values in joined([whole]).items():
        np.testing.assert_array_equal(joined([found.comparison()])[name], values)


def test_nobody_is_found_among_nobody() -> None:
    found = BestParents(shipped(), people(3, 0, "faces").vectors, np.ones(3, np.int64), 5)
    assert found.comparison().parents.tolist() == []
    found.add(people(2, 1, "faces").vectors, np.ones(2, np.int64))
    assert found.comparison(start=7).children.tolist() == [7, 7, 8, 8, 9, 9]


@given(st.floats(-20, 20), st.integers(0, 60))
def test_no_z_score_below_the_bound_reaches_a_score(z: float, steps: int) -> None:
    model = shipped()
    scores, _ = model.calibrate(np.array([z]))
    bound = model.least_z_score(scores)
    assert bound[0] <= z
    if np.isfinite(bound[0]):
        below, _ = model.calibrate(bound - 10.0**-steps)
        assert below[0] < scores[0] or steps > 5


def test_a_correction_is_undone() -> None:
    z, inverse = np.linspace(-4, 4, 9), np.linspace(0.1, 1, 9)
    model = shipped()
    corrected = model.correct_for_averaging(z, inverse)
    np.testing.assert_allclose(model.undo_correction(corrected, inverse), z, atol=1e-12)


def test_galleries_of_two_embedders_are_refused() -> None:
    with pytest.raises(EmbeddingError, match="embed both with the same embedder"):
        next(match(gallery(np.eye(3), "x"), gallery(np.eye(3), "y")))


@pytest.mark.parametrize(("band", "young"), [(0, True), (6, False)])
def test_two_young_children_have_a_score_and_no_ratio_in_every_comparison(
    band: int, young: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sure = np.where(np.arange(len(AGE_BANDS)) == band, 100, 0).astype(np.float32)
    model = replace(shipped(), age_axes=shipped().age_axes * 0, age_offsets=sure)
    parents, children = people(9, 1, "faces"), people(9, 2, "faces")
    pairs = match_pairs(parents, children, model=model)
    found = [{name: getattr(pairs, name) for name in ("scores", "likelihood_ratios")}]
    for share in (1e9, 0):  # by search, and by the full matrix
        monkeypatch.setattr(matching, "_SEARCHED_SHARE", share)
        found.append(joined(list(match(parents, children, top=2, model=model))))
    for values in found:
        assert np.isfinite(values["scores"]).all()
        assert (np.isnan(values["likelihood_ratios"]) == young).all()
    dad, kid = somebody("dad", parents.vectors), somebody("kid", children.vectors)
    assert (likeness(model, (dad, kid)).likelihood_ratio is None) is young
    assert (likeness(model, (dad, kid)).likelihood_ratio_interval is None) is young


def test_an_adult_and_a_young_child_have_a_ratio() -> None:
    parents, children = people(40, 1, "faces"), people(40, 2, "faces")
    # A model that takes half of the faces for babies and the others for adults.
    axes, offsets = np.zeros_like(shipped().age_axes), np.zeros_like(shipped().age_offsets)
    rows = comparable(parents.vectors, shipped().mean, shipped().transform)
    axes[0, -1], offsets[0] = 1e5, -1e5 * np.median(rows[:, -1])
    model = replace(shipped(), age_axes=axes, age_offsets=offsets)
    one, other = (model.young(each.vectors) for each in (parents, children))
    ratios = model.compare(parents.vectors, children.vectors)[1]
    np.testing.assert_array_equal(np.isnan(ratios), one[:, np.newaxis] & other)
    assert 0 < np.isnan(ratios).sum() < ratios.size

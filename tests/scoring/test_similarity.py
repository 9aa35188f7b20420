from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from facematch import types
from facematch.errors import EmbeddingError
from facematch.scoring import cosine as similarity
from facematch.scoring.cosine import (
    TIE,
    cosine_blocks,
    cosine_histogram,
    cosine_matrix,
    cosine_pairs,
    count_above,
    top_k,
)
from facematch.types import unit_rows

vectors = arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.just(4)),
    elements=st.floats(-(2.0**60), 2.0**60, width=32),
).filter(lambda rows: bool((np.abs(rows).max(axis=1) > 2.0**-60).all()))


@given(vectors)
def test_unit_rows_have_length_one(rows: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(np.linalg.norm(unit_rows(rows), axis=1), 1, atol=1e-6)


@given(vectors, vectors)
def test_cosines_lie_between_minus_one_and_one(
    parents: NDArray[np.float32], children: NDArray[np.float32]
) -> None:
    scores = cosine_matrix(parents, children)
    assert scores.shape == (len(parents), len(children))
    assert scores.dtype == np.float32
    assert np.abs(scores).max() <= 1


@given(vectors)
def test_a_face_looks_most_like_itself(rows: NDArray[np.float32]) -> None:
    scores = cosine_matrix(rows, rows)
    np.testing.assert_allclose(np.diag(scores), 1, atol=1e-6)
    assert (scores.max(axis=1) <= np.diag(scores) + 1e-6).all()


@given(vectors, st.floats(1e-3, 1e3))
def test_length_does_not_matter(rows: NDArray[np.float32], factor: float) -> None:
    np.testing.assert_allclose(
        cosine_matrix(rows, rows), cosine_matrix(rows * np.float32(factor), rows), atol=1e-5
    )


def test_parents_are_rows_and_children_columns() -> None:
    parents, children = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)[:2]
    np.testing.assert_array_equal(cosine_matrix(parents, children), np.eye(3)[:, :2])


@pytest.mark.parametrize(("parents", "children"), [(0, 0), (0, 2), (2, 0)])
def test_none_at_all_gives_an_empty_matrix(parents: int, children: int) -> None:
    assert cosine_matrix(np.ones((parents, 4)), np.ones((children, 4))).shape == (parents, children)


def test_a_float16_row_does_not_overflow() -> None:
    rows = np.full((1, 1024), 20, np.float16)
    np.testing.assert_allclose(unit_rows(rows), 1 / 32, rtol=1e-6)


@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_a_row_without_direction_is_named(value: float) -> None:
    rows = np.ones((3, 4))
    rows[1] = value
    with pytest.raises(EmbeddingError, match="rows 1 are all zeros or not finite"):
        unit_rows(rows)


@pytest.mark.usefixtures("_small_tiles")
def test_a_row_without_direction_is_named_by_its_place_among_all() -> None:
    children = np.ones((60, 4))
    children[41] = 0
    with pytest.raises(EmbeddingError, match="rows 41 are"):
        cosine_matrix(np.ones((1, 4)), children)


def test_vectors_of_other_dimensions_are_refused() -> None:
    with pytest.raises(EmbeddingError, match="parents have 4 dimensions, children 5"):
        cosine_matrix(np.ones((1, 4)), np.ones((1, 5)))
    with pytest.raises(EmbeddingError, match=r"must have shape \(N, D\)"):
        unit_rows(np.ones(4))


def whole(count: int, seed: int, dimensions: int = 4) -> NDArray[np.float64]:
    """Rows of -1, 0 and 1 with many ties, none of them zero."""
    rows = np.random.default_rng(seed).integers(-1, 2, (count, dimensions)).astype(np.float64)
    rows[~rows.any(axis=1)] = 1
    return rows


def exact(parents: NDArray[np.float64], children: NDArray[np.float64]) -> NDArray[np.float64]:
    """The definition, in float64."""
    parents = parents / np.linalg.norm(parents, axis=1, keepdims=True)
    children = children / np.linalg.norm(children, axis=1, keepdims=True)
    return parents @ children.T


@pytest.fixture
def _small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles, parts and threads as large problems have them, in small ones."""
    for name, value in (
        ("_TILE_ROWS", 7), ("_TILE_COLUMNS", 16), ("_STRIP_ROWS", 5), ("_UNIT_BYTES", 64 * 16),
        ("_NO_THREADS", 100), ("_NORM_ROWS", 9),
    ):  # fmt: skip
        monkeypatch.setattr(similarity, name, value)
    monkeypatch.setattr(types, "_NORM_ROWS", 9)


small_tiles = pytest.mark.usefixtures("_small_tiles")


@pytest.mark.parametrize("dimensions", [3, 128, 512])
def test_cosines_are_those_of_the_definition(dimensions: int) -> None:
    rng = np.random.default_rng(0)
    parents, children = rng.normal(size=(700, dimensions)), rng.normal(size=(4001, dimensions))
    children[:700] = parents * 3
    scores = cosine_matrix(parents, children)
    assert np.abs(scores - exact(parents, children)).max() < TIE
    assert scores.max() <= 1
    np.testing.assert_allclose(np.diag(scores), 1, atol=1e-6)


@small_tiles
def test_the_size_of_tiles_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    parents, children = rng.normal(size=(60, 32)), rng.normal(size=(90, 32))
    small = cosine_matrix(parents, children)
    np.testing.assert_allclose(small, exact(parents, children), atol=TIE)


def test_pairs_are_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    parents, children = rng.normal(size=(50, 16)), rng.normal(size=(50, 16))
    diagonal = np.diag(cosine_matrix(parents, children))
    np.testing.assert_allclose(cosine_pairs(parents, children), diagonal, atol=TIE)
    assert cosine_pairs(parents[:0], children[:0]).shape == (0,)
    with pytest.raises(EmbeddingError, match="50 parents and 49 children are no pairs"):
        cosine_pairs(parents, children[:49])


@pytest.mark.parametrize("memory", [1, 700, 10**9])
def test_blocks_make_up_the_matrix_within_their_memory(memory: int) -> None:
    parents, children = whole(23, 0), whole(31, 1)
    blocks = list(cosine_blocks(parents, children, memory=memory))
    assert all(block.nbytes <= max(memory, 4 * 31) for _, block in blocks)
    assert [row for rows, _ in blocks for row in range(23)[rows]] == list(range(23))
    np.testing.assert_allclose(
        np.concatenate([block for _, block in blocks]), cosine_matrix(parents, children), atol=TIE
    )


@small_tiles
@given(st.integers(0, 40), st.integers(0, 90), st.integers(0, 100), st.integers(0, 99))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_best_are_those_of_a_stable_sort(
    parents: int, children: int, k: int, seed: int
) -> None:
    some, others = whole(parents, seed), whole(children, seed + 1)
    scores = np.round(exact(some, others), 5)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    indices, best = top_k(some, others, k)
    assert indices.shape == best.shape == (parents, min(k, children))
    np.testing.assert_allclose(best, np.take_along_axis(scores, indices, 1), atol=1e-5)
    np.testing.assert_allclose(best, np.take_along_axis(scores, expected, 1), atol=1e-5)
    assert (np.diff(best, axis=1) <= 0).all()
    assert all(len(set(row)) == len(row) for row in indices.tolist())


@small_tiles
@pytest.mark.parametrize("dimensions", [8, 192])
def test_identical_rows_are_ties_in_any_block(dimensions: int) -> None:
    rng = np.random.default_rng(0)
    parents, children = rng.normal(size=(45, dimensions)), rng.normal(size=(60, dimensions))
    children[30:] = children[:30]  # in other tiles, where their cosines may have other last bits
    indices, best = top_k(parents, children, 5)
    cosines = exact(parents, children)
    expected = -np.sort(-cosines, axis=1)[:, :5]
    np.testing.assert_allclose(best, expected, atol=TIE)
    np.testing.assert_allclose(np.take_along_axis(cosines, indices, 1), expected, atol=2 * TIE)
    assert all(len(set(row)) == 5 for row in indices.tolist())


@small_tiles
def test_equal_cosines_go_to_the_first() -> None:
    same = np.ones((70, 4))
    indices, _ = top_k(same[:9], same, 5)
    np.testing.assert_array_equal(indices, np.tile(np.arange(5), (9, 1)))


def test_the_best_of_many_are_found_by_threads() -> None:
    rng = np.random.default_rng(0)
    parents, children = rng.normal(size=(900, 16)), rng.normal(size=(5000, 16))
    indices, _ = top_k(parents, children, 10)
    scores = exact(parents, children)
    found = np.take_along_axis(scores, indices, 1)
    expected = -np.sort(-scores, axis=1)[:, :10]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_negative_number_of_best_is_refused() -> None:
    with pytest.raises(ValueError, match="k must be 0 or more"):
        top_k(np.ones((1, 2)), np.ones((1, 2)), -1)


@small_tiles
def test_pairs_above_a_threshold_are_counted() -> None:
    parents, children = whole(40, 0), whole(50, 1)
    scores = cosine_matrix(parents, children)
    limits = np.array([-2, -0.9, 0.1, 0.99, 1])
    counted = count_above(parents, children, limits)
    np.testing.assert_array_equal(counted, [(scores > limit).sum() for limit in limits])
    assert count_above(parents[:0], children, limits).tolist() == [0] * 5


@small_tiles
def test_a_histogram_holds_every_pair_once() -> None:
    parents, children = whole(40, 0), whole(50, 1)
    scores = cosine_matrix(parents, children).astype(np.float64)
    counted = cosine_histogram(parents, children, bins=7)
    expected, _ = np.histogram(scores, bins=7, range=(-1, 1))
    np.testing.assert_array_equal(counted, expected)
    assert cosine_histogram(parents, parents, bins=2000)[-1] >= 40


@pytest.mark.parametrize("kind", ["fortran", "strided", "float16", "int"])
def test_any_layout_and_type_of_numbers_is_taken(kind: str) -> None:
    rows = whole(30, 0)
    given_rows = {
        "fortran": np.asfortranarray(rows),
        "strided": np.repeat(rows, 2, axis=1)[:, ::2],
        "float16": rows.astype(np.float16),
        "int": rows.astype(np.int64),
    }[kind]
    np.testing.assert_allclose(cosine_matrix(given_rows, rows), exact(rows, rows), atol=1e-6)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from facematch.errors import EmbeddingError
from facematch.similarity import cosines, unit_rows

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
    scores = cosines(parents, children)
    assert scores.shape == (len(parents), len(children))
    assert scores.dtype == np.float32
    assert np.abs(scores).max() <= 1


@given(vectors)
def test_a_face_looks_most_like_itself(rows: NDArray[np.float32]) -> None:
    scores = cosines(rows, rows)
    np.testing.assert_allclose(np.diag(scores), 1, atol=1e-6)
    assert (scores.max(axis=1) <= np.diag(scores) + 1e-6).all()


@given(vectors, st.floats(1e-3, 1e3))
def test_length_does_not_matter(rows: NDArray[np.float32], factor: float) -> None:
    np.testing.assert_allclose(
        cosines(rows, rows), cosines(rows * np.float32(factor), rows), atol=1e-5
    )


def test_parents_are_rows_and_children_columns() -> None:
    parents, children = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)[:2]
    np.testing.assert_array_equal(cosines(parents, children), np.eye(3)[:, :2])


@pytest.mark.parametrize(("parents", "children"), [(0, 0), (0, 2), (2, 0)])
def test_none_at_all_gives_an_empty_matrix(parents: int, children: int) -> None:
    assert cosines(np.ones((parents, 4)), np.ones((children, 4))).shape == (parents, children)


def test_a_float16_row_does_not_overflow() -> None:
    rows = np.full((1, 1024), 20, np.float16)
    np.testing.assert_allclose(unit_rows(rows), 1 / 32, rtol=1e-6)


@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_a_row_without_direction_is_named(value: float) -> None:
    rows = np.ones((3, 4))
    rows[1] = value
    with pytest.raises(EmbeddingError, match="rows 1 are all zeros or not finite"):
        unit_rows(rows)


def test_vectors_of_other_dimensions_are_refused() -> None:
    with pytest.raises(EmbeddingError, match="parents have 4 dimensions, children 5"):
        cosines(np.ones((1, 4)), np.ones((1, 5)))
    with pytest.raises(EmbeddingError, match=r"must have shape \(N, D\)"):
        unit_rows(np.ones(4))

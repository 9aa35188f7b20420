from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.made_up import MODEL, crowd
from helpers.places import SAMPLES

from facematch.archive.index import Index, searched_vectors
from facematch.archive.records import IndexedFace, IndexedPhoto
from facematch.archive.search import match_index
from facematch.engine import open_engine
from facematch.scoring.matching import match
from facematch.types import Gallery, Subject, unit_rows

pytest.importorskip("lancedb", reason="needs the extra [archive]")

PEOPLE = 5000
CHILDREN = ("son.png", "daughter.png", "son-2.png")
ENGINE = open_engine()


def gallery(vectors: np.ndarray, labels: list[str]) -> Gallery:
    subjects = tuple(Subject(label, (0, 0, 9, 9), 1, 1, 1) for label in labels)
    return Gallery(subjects, unit_rows(vectors), "kin-1")


@pytest.fixture(scope="module")
def parents() -> Gallery:
    vectors = crowd(PEOPLE)
    vectors[4000:4100] = vectors[:100]  # twice in the index, in other batches
    return gallery(vectors, [f"/archive/{i}.jpg" for i in range(PEOPLE)])


@pytest.fixture
def index(tmp_path: Path, parents: Gallery) -> Index:
    searched = searched_vectors(MODEL, parents.vectors)
    sizes = parents.vectors.shape[1], 2, searched.shape[1]
    index = Index.make(tmp_path / "db", {"embedder": "kin-1"}, sizes)
    nothing = np.zeros((5, 2), np.float32), (), 1.0
    photos = [
        IndexedPhoto(
            subject.photo, f"{i:064x}", 1, 1,
            faces=(
                IndexedFace(
                    subject, *nothing, parents.vectors[i], np.ones(2, np.float32), searched[i]
                ),
            ),
        )
        for i, subject in enumerate(parents.subjects)
    ]  # fmt: skip
    for start in range(0, PEOPLE, 1000):
        index.add(photos[start : start + 1000])
    return index


def test_an_index_is_matched_as_a_gallery_is(parents: Gallery, index: Index) -> None:
    assert not index.is_large
    children = gallery(crowd(3, seed=1), [str(SAMPLES / name) for name in CHILDREN])
    (expected,) = match(parents, children, top=9)
    found, compared = match_index(ENGINE, index, children, top=9)
    assert found.labels == tuple(parents.labels[i] for i in expected.parents)
    np.testing.assert_array_equal(compared.parents, np.arange(27))
    np.testing.assert_array_equal(compared.children, expected.children)
    np.testing.assert_array_equal(compared.cosines, expected.cosines)
    np.testing.assert_array_equal(compared.scores, expected.scores)
    np.testing.assert_array_equal(compared.likelihood_ratios, expected.likelihood_ratios)
    np.testing.assert_array_equal(compared.z_scores, expected.z_scores)
    np.testing.assert_allclose(found.vectors, parents.vectors[expected.parents], atol=1e-6)


def test_no_children_find_nobody(index: Index) -> None:
    nobody = gallery(np.empty((0, 192), np.float32), [])
    found, compared = match_index(ENGINE, index, nobody)
    assert len(found.subjects) == len(compared.parents) == 0

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facematch.errors import EmbeddingError
from facematch.scoring.blocks import Wanted, summarise
from facematch.scoring.cosine import cosine_histogram, count_above, top_k


def saved(path: Path, vectors: np.ndarray) -> Path:
    np.save(path, vectors)
    return path


@pytest.mark.parametrize("step", [7, 20, 1000])
def test_blocks_say_what_the_whole_says(tmp_path: Path, step: int) -> None:
    rng = np.random.default_rng(0)
    parents, children = rng.standard_normal((45, 8)), rng.standard_normal((60, 8))
    children[50] = children[3]  # a tie between blocks: the first comes first
    files = saved(tmp_path / "p.npy", parents), saved(tmp_path / "c.npy", children)
    found = summarise(*files, Wanted(5, (0.1, 0.5), 40), step=step)
    indices, cosines = top_k(parents, children, 5)
    assert np.array_equal(found.indices, indices)
    assert np.allclose(found.cosines, cosines, atol=1e-6)
    assert np.array_equal(found.above, count_above(parents, children, np.array([0.1, 0.5])))
    assert np.array_equal(found.histogram, cosine_histogram(parents, children, 40))


def test_only_what_is_wanted_comes_back(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float16)
    file = saved(tmp_path / "v.npy", vectors)
    found = summarise(file, file, Wanted(k=1))
    assert found.indices.ravel().tolist() == list(range(6))  # each is nearest to itself
    assert found.above.size == found.histogram.size == 0
    nothing = summarise(saved(tmp_path / "none.npy", vectors[:0]), file, Wanted(k=9, bins=3))
    assert nothing.indices.shape == (0, 6)
    assert nothing.histogram.tolist() == [0, 0, 0]


def test_files_without_vectors_are_named(tmp_path: Path) -> None:
    good = saved(tmp_path / "good.npy", np.ones((3, 4), np.float32))
    (tmp_path / "text.npy").write_text("nothing")
    with pytest.raises(EmbeddingError, match=r"text\.npy is no \.npy file of vectors"):
        summarise(tmp_path / "text.npy", good, Wanted())
    with pytest.raises(EmbeddingError, match=r"flat\.npy holds float32 \(4,\), no vectors"):
        summarise(good, saved(tmp_path / "flat.npy", np.ones(4, np.float32)), Wanted())
    with pytest.raises(EmbeddingError, match="parents have 4 dimensions, children 5"):
        summarise(good, saved(tmp_path / "wide.npy", np.ones((3, 5), np.float32)), Wanted())

"""Galleries against galleries."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.made_up import noise
from helpers.matchers import FAMILY, matcher, own

from facematch.errors import EmbeddingError
from facematch.types import Gallery, Photo


def photos(count: int) -> list[Photo]:
    return [Photo(f"photo {seed}", noise(90, 90, seed)) for seed in range(count)]


def test_a_gallery_holds_what_single_scores_compare(family: Gallery) -> None:
    (comparison,) = matcher.match(family, family)
    assert family.labels == tuple(FAMILY)
    assert family.space == "kin-1"
    for parent, child, cosine, score, ratio in zip(
        comparison.parents, comparison.children, comparison.cosines, comparison.scores,
        comparison.likelihood_ratios, strict=True,
    ):  # fmt: skip
        if parent < child:
            alone = matcher.score(FAMILY[parent], FAMILY[child])
            assert cosine == pytest.approx(alone.cosine, abs=1e-5)
            assert score == pytest.approx(alone.score, abs=0.1)
            assert ratio == pytest.approx(alone.likelihood_ratio, rel=1e-3)


def test_pairs_are_the_same_as_in_the_matrix(family: Gallery) -> None:
    (every,) = matcher.match(family, family)
    same = every.parents == every.children
    pairs = matcher.match_pairs(family, family)
    np.testing.assert_allclose(pairs.cosines, every.cosines[same], atol=1e-6)
    np.testing.assert_allclose(pairs.scores, every.scores[same], atol=1e-3)
    np.testing.assert_allclose(pairs.likelihood_ratios, every.likelihood_ratios[same], rtol=1e-5)


def test_the_best_parents_of_a_child_come_first(family: Gallery) -> None:
    (best,) = matcher.match(family, family, top=2)
    assert best.children.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert best.parents[::2].tolist() == [0, 1, 2, 3]  # everyone looks most like themselves
    assert (best.cosines[::2] >= best.cosines[1::2]).all()


@pytest.mark.parametrize("most", [1, 7, 10**6])
def test_matches_come_in_parts_that_make_up_the_whole(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facematch.matcher._MOST_PAIRS", most)
    gallery = own((10, 10, 60, 60)).gallery(photos(5))
    parts = list(matcher.match(gallery, gallery))
    pairs = [pair for part in parts for pair in zip(part.parents, part.children, strict=True)]
    assert sorted(pairs) == [(i, j) for i in range(5) for j in range(5)]
    assert len(parts) == {1: 5, 7: 5, 10**6: 1}[most]
    assert np.isnan(parts[0].scores).all()


def test_no_photos_make_an_empty_gallery(family: Gallery) -> None:
    empty = matcher.gallery([])
    assert empty.vectors.shape == (0, 192)
    assert list(matcher.match(empty, empty)) == []
    (none,) = matcher.match(empty, family)
    assert none.cosines.shape == (0,)


def test_galleries_of_two_embedders_are_not_compared(family: Gallery) -> None:
    other = own((10, 10, 60, 60)).gallery(photos(2))
    with pytest.raises(EmbeddingError, match="kin-1 and colour cannot be compared"):
        next(matcher.match(family, other))

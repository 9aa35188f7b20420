from __future__ import annotations

import numpy as np
import pytest
from conftest import families_of_four

from facematch.errors import FacematchError
from facematch.training import resemblance
from facematch.training.kin import Kin, draw_pairs

pytest.importorskip("sklearn", reason="scikit-learn is of the extra [train]")

NAMES = np.array(["F0001"])
SIZE, INHERITED = 24, 8  # dimensions of the made-up embeddings; the first come from the parents


def made_up_families(
    count: int, seed: int = 0, *, likeness: float = 1.0, along: int = INHERITED
) -> Kin:
    """Families of two parents and two children, four photos each.

    Along the first dimensions a child is like its parents, along all others like nobody.
    """
    rng = np.random.default_rng(seed)
    parents = rng.normal(size=(count, 2, SIZE))
    children = rng.normal(size=(count, 2, SIZE))
    children[..., :along] *= 0.5
    children[..., :along] += likeness * parents.mean(axis=1, keepdims=True)[..., :along]
    people = np.concatenate([parents, children], axis=1).reshape(-1, SIZE)
    photos = people.repeat(4, axis=0) + rng.normal(0, 0.6, (16 * count, SIZE))
    return families_of_four(photos + 5)


def auc_among_strangers(weights: bool, monkeypatch: pytest.MonkeyPatch) -> float:
    """The ROC AUC on families not fitted; without weights every direction kept counts alike."""
    rng = np.random.default_rng(0)
    with monkeypatch.context() as patch:
        if not weights:
            patch.setattr(resemblance, "_agreement", lambda kin, people, seen: np.eye(SIZE))
        model = resemblance.fit_resemblance(made_up_families(100), "made-up", NAMES, rng)
    unseen = made_up_families(100, seed=1)
    pairs = draw_pairs(unseen, 4, np.random.default_rng(1))
    return resemblance.auc(resemblance.distances(model, unseen, pairs), pairs.kin)


def test_directions_in_which_children_are_like_parents_count_for_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_weights = auc_among_strangers(True, monkeypatch)
    assert with_weights > auc_among_strangers(False, monkeypatch) + 0.03


def test_scores_of_strangers_are_flat_for_families_not_fitted() -> None:
    rng = np.random.default_rng(0)
    model = resemblance.fit_resemblance(made_up_families(100), "made-up", NAMES, rng)
    unseen = made_up_families(100, seed=1)
    pairs = draw_pairs(unseen, 8, rng)
    scores, ratios = model.compare_pairs(
        unseen.vectors[pairs.parents], unseen.vectors[pairs.children]
    )
    tenths, _ = np.histogram(scores[~pairs.kin], np.arange(0, 101, 10))
    assert np.abs(tenths / tenths.sum() - 0.1).max() < 0.025
    assert np.median(ratios[pairs.kin]) > 1 > np.median(ratios[~pairs.kin])


def test_the_same_families_give_the_same_map_whatever_the_signs() -> None:
    mean, columns = resemblance.kin_map(made_up_families(40), 0.3)
    signs = np.where(np.arange(columns.shape[1]) % 2, -1, 1)
    np.testing.assert_array_equal(resemblance._signed(columns * signs), columns)
    again = resemblance.kin_map(made_up_families(40), 0.3)
    np.testing.assert_array_equal(again[0], mean)
    np.testing.assert_array_equal(again[1], columns)
    assert columns.shape[1] <= SIZE


def test_children_in_everything_unlike_their_parents_give_no_model() -> None:
    kin = made_up_families(80, likeness=-1.5, along=SIZE)
    with pytest.raises(FacematchError, match="have nothing in common"):
        resemblance.kin_map(kin, 0.3)

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.made_up import SIZE, labelled, made_up_families, pair_z_scores

from facematch.errors import FacematchError
from facematch.evaluation.kin import Kin, sample_pairs
from facematch.evaluation.metrics import auc
from facematch.scoring.resemblance import ResemblanceModel
from facematch.training import groups, kin_map, resemblance
from facematch.training.cohort import cohort_model
from facematch.training.evidence import choose_group_share

NAMES = np.array(["F0001"])


def auc_among_strangers(weights: bool, monkeypatch: pytest.MonkeyPatch) -> float:
    """The ROC AUC on families not fitted; without weights every direction kept counts alike."""
    rng = np.random.default_rng(0)
    with monkeypatch.context() as patch:
        if not weights:
            patch.setattr(kin_map, "_agreement", lambda kin, people, rows: np.eye(SIZE))
        fitted = made_up_families(100)
        model = resemblance.fit_resemblance(fitted, labelled(fitted), "made-up", NAMES, rng)
    unseen = made_up_families(100, seed=1)
    pairs = sample_pairs(unseen, 4, np.random.default_rng(1))
    return auc(pair_z_scores(model, unseen, pairs), pairs.kin)


@pytest.mark.slow
def test_directions_in_which_children_are_like_parents_count_for_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_weights = auc_among_strangers(True, monkeypatch)
    assert with_weights > auc_among_strangers(False, monkeypatch) + 0.03


@pytest.mark.slow
def test_scores_of_strangers_are_uniform_for_families_not_fitted() -> None:
    rng = np.random.default_rng(0)
    fitted = made_up_families(100)
    model = resemblance.fit_resemblance(fitted, labelled(fitted), "made-up", NAMES, rng)
    unseen = made_up_families(100, seed=1)
    pairs = sample_pairs(unseen, 8, rng)
    scores, ratios = model.compare_pairs(
        unseen.vectors[pairs.parents], unseen.vectors[pairs.children]
    )
    tenths, _ = np.histogram(scores[~pairs.kin], np.arange(0, 101, 10))
    assert np.abs(tenths / tenths.sum() - 0.1).max() < 0.025
    assert np.median(ratios[pairs.kin]) > 1 > np.median(ratios[~pairs.kin])


def test_the_same_families_give_the_same_map_whatever_the_signs() -> None:
    mean, columns = kin_map.kin_map(made_up_families(40), 0.3)
    signs = np.where(np.arange(columns.shape[1]) % 2, -1, 1)
    np.testing.assert_array_equal(kin_map._with_fixed_signs(columns * signs), columns)
    again = kin_map.kin_map(made_up_families(40), 0.3)
    np.testing.assert_array_equal(again[0], mean)
    np.testing.assert_array_equal(again[1], columns)
    assert columns.shape[1] <= SIZE


def test_children_in_everything_unlike_their_parents_give_no_model() -> None:
    kin = made_up_families(80, likeness=-1.5, along=SIZE)
    with pytest.raises(FacematchError, match="have nothing in common"):
        kin_map.kin_map(kin, 0.3)


def two_populations(often: int, rarely: int, seed: int = 0) -> Kin:
    """Families of two populations. Those of the second, the last ones, are like one another."""
    rng = np.random.default_rng(seed)
    kin = made_up_families(often + rarely, seed)
    rare = (kin.family[kin.person] >= often)[:, np.newaxis]
    z = np.where(np.arange(SIZE) % 2, 2.0, -2.0)
    vectors = np.where(rare, 0.6 * (kin.vectors - 5) + z, kin.vectors - 5) + rng.normal(0, 0.1)
    return replace(kin, vectors=vectors.astype(np.float32))


def strangers_mean(model: ResemblanceModel, often: int, rarely: int, share: float) -> list[float]:
    """Of distances of strangers within either population, the rarer last; among others than 0."""
    unseen = two_populations(often, rarely, seed=1)
    pairs = sample_pairs(unseen, 8, np.random.default_rng(0))
    rare = unseen.family[unseen.person] >= often
    shared = replace(model, group_share=np.array([share], np.float32))
    z = pair_z_scores(shared, unseen, pairs)
    one, other = rare[pairs.parents], rare[pairs.children]
    return [float(z[~pairs.kin & (one == each) & (other == each)].mean()) for each in (0, 1)]


def test_strangers_of_a_rare_population_score_evenly_against_their_own_group() -> None:
    model = cohort_model(two_populations(100, 20), "made-up")
    often, rarely = strangers_mean(model, 60, 60, share=0)
    assert rarely > often + 1.5
    often, rarely = strangers_mean(model, 60, 60, share=1)
    assert abs(often) < 0.2
    assert abs(rarely) < 0.2


def test_groups_are_found_without_labels_the_largest_first_and_the_same_again() -> None:
    kin = two_populations(90, 25)
    found = groups.find_groups(kin)
    sizes = found.of_people.sum(axis=0)
    assert sizes[0] >= sizes[1] >= sizes[2]
    assert sizes.sum() == pytest.approx(4 * 115)
    nearest = found.of_people.argmax(axis=1)
    rare = kin.family >= 90
    assert not set(nearest[rare]) & set(nearest[~rare])
    again = groups.find_groups(kin)
    np.testing.assert_array_equal(again.axes, found.axes)
    np.testing.assert_array_equal(again.offsets, found.offsets)


def test_a_group_of_few_people_is_as_wide_as_the_others_are() -> None:
    rng = np.random.default_rng(0)
    people = np.concatenate([rng.normal(size=(500, 3)), [[3, 3, 3], [3.1, 3, 3]]])
    nobody = np.zeros(502)
    belongs = np.stack([np.arange(502) < 500, np.arange(502) >= 500, nobody], axis=1).astype(float)
    means, covariances = groups.group_statistics(people, belongs)
    np.testing.assert_allclose(covariances[1], np.eye(3), atol=0.5)
    np.testing.assert_allclose(means[2], people.mean(axis=0))
    np.testing.assert_allclose(means[0], people[:500].mean(axis=0), atol=0.01)


class Part:
    """Stands in for `LeftOut`: its ROC AUC is greatest with a share of 0.4."""

    def auc_of_single_photos(self, share: float) -> float:
        return 0.8 - (share - 0.4) ** 2


def test_the_groups_share_is_the_one_that_tells_kin_best() -> None:
    lines: list[str] = []
    assert choose_group_share([Part(), Part()], lines.append) == pytest.approx(0.4)
    assert "0.4 taken" in lines[0]

"""Confidence intervals: against resampling, and the same in every command."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.made_up import MODEL, crowd, somebody
from helpers.matchers import matcher

from facematch.analyses.family import compare_family
from facematch.analyses.pair import Pair, compare_pair
from facematch.output.comparison import RESULTS, comparison_rows
from facematch.output.likeness import likeness_row
from facematch.output.match import rows
from facematch.scoring.intervals import (
    PHOTO_SPREAD,
    Intervals,
    intervals,
    neutral_score,
    z_interval,
)
from facematch.scoring.matching import match, match_pairs, pair_intervals
from facematch.scoring.resemblance import mean_inverse
from facematch.types import Gallery

assert MODEL is not None
ENDS = ("score_low", "score_high", "likelihood_ratio_low", "likelihood_ratio_high")
ONE_EACH = mean_inverse(1, 1)


def of(z: list[float], inverse: float = 1.0) -> Intervals:
    assert MODEL is not None
    return intervals(MODEL, np.array(z), np.array(inverse))


def test_intervals_are_what_resampling_gives() -> None:
    assert MODEL is not None
    rng = np.random.default_rng(0)
    slopes, intercepts = rng.choice(MODEL.log_ratio_draws.astype(np.float64), 200_000).T
    slopes += MODEL.log_ratio[0] - MODEL.log_ratio_draws[:, 0].mean()
    intercepts += MODEL.log_ratio[1] - MODEL.log_ratio_draws[:, 1].mean()
    for z in (-1.0, 0.0, 1.0):
        resampled = rng.normal(z, PHOTO_SPREAD / 2, len(slopes))
        scores, _ = MODEL.calibrate(resampled)
        ratios = np.exp(np.clip(slopes * resampled + intercepts, *MODEL.log_ratio[2:]))
        found = of([z], 1 / 4)
        expected = np.quantile(scores, [0.025, 0.975])
        np.testing.assert_allclose(found.scores[0], expected, rtol=0.03)
        expected = np.quantile(ratios, [0.025, 0.975])
        np.testing.assert_allclose(found.likelihood_ratios[0], expected, rtol=0.03)


def test_an_interval_holds_its_value_and_shrinks_with_more_photos() -> None:
    assert MODEL is not None
    z = np.linspace(-6, 6, 49)
    widths = []
    for photos in (1, 3, 10):
        ends = intervals(MODEL, z, mean_inverse(photos, photos))
        for values, (low, high) in zip(
            MODEL.calibrate(z), (ends.scores.T, ends.likelihood_ratios.T), strict=True
        ):
            assert (low <= values).all()
            assert (values <= high).all()
        widths.append(np.ptp(ends.scores, axis=1)[20:29])
    assert (widths[0] > widths[1]).all()
    assert (widths[1] > widths[2]).all()
    low, high = z_interval(0.5, mean_inverse(4, 4))
    assert high - low == pytest.approx(2 * 1.96 * PHOTO_SPREAD / 2, rel=1e-3)


def test_more_photos_of_either_count_alike() -> None:
    assert MODEL is not None
    one, other = (
        intervals(MODEL, np.array([0.5]), mean_inverse(*photos)).scores
        for photos in ((2, 7), (7, 2))
    )
    np.testing.assert_array_equal(one, other)


def test_a_pair_has_the_same_interval_in_any_batch() -> None:
    z = np.random.default_rng(0).normal(0, 1.5, 300)
    whole = of(z.tolist())
    for row in (0, 7, 299):
        assert of([float(z[row])]).of_pair(0) == whole.of_pair(row)
    assert of([]).scores.shape == (0, 2)


def test_every_command_says_the_same_of_a_pair() -> None:
    faces = crowd(2, seed=5)
    parent, child = (somebody(name, faces[[i]]) for i, name in enumerate(("dad", "kid")))
    vectors = np.concatenate([parent.gallery.vectors, child.gallery.vectors])
    chips = np.zeros((2, 150, 150, 3), np.uint8)
    subjects = parent.gallery.subjects[0], child.gallery.subjects[0]
    pair = Pair(chips, subjects, (), clear=False)
    (scored,) = rows(compare_pair(matcher.engine, pair, vectors))
    family = compare_family(matcher.engine, [parent], [child])
    (matched,) = comparison_rows(parent.gallery, [child.gallery], match)
    names = ("score", "likelihood_ratio", *ENDS)
    told = [{name: row[name] for name in names} for row in (scored, matched)]
    told.append({name: likeness_row(family.likenesses[0])[name] for name in names})
    assert told[0] == told[1] == told[2]
    assert told[0]["score_low"] <= told[0]["score"] <= told[0]["score_high"]


def test_people_of_several_photos_have_one_interval_in_family_and_match() -> None:
    faces = crowd(7, seed=6)
    parent, child = somebody("dad", faces[:3]), somebody("kid", faces[3:])
    likeness = compare_family(matcher.engine, [parent], [child]).likenesses[0]
    compared = match_pairs(parent.averaged, child.averaged)
    ends = pair_intervals(parent.averaged, child.averaged, compared)
    assert ends.of_pair(0) == (likeness.score_interval, likeness.likelihood_ratio_interval)


def test_the_best_parents_have_the_intervals_of_the_full_matrix() -> None:
    parents, children = (somebody(name, crowd(n, n)).gallery for name, n in (("p", 40), ("c", 3)))
    full = list(comparison_rows(parents, [children], match))
    by_names = {(row["parent"], row["child"]): row for row in full}
    best = list(comparison_rows(parents, [children], lambda *sides: match(*sides, top=2)))
    assert len(best) == 6
    assert all(row == by_names[row["parent"], row["child"]] for row in best)


def test_rows_are_rounded_as_python_rounds() -> None:
    sides = [somebody(name, crowd(30, seed)).gallery for seed, name in enumerate("pc")]
    (compared,) = match(*sides)
    for row, score, ratio in zip(
        comparison_rows(sides[0], [sides[1]], match),
        compared.scores.tolist(),
        compared.likelihood_ratios.tolist(),
        strict=True,
    ):
        assert (row["score"], row["likelihood_ratio"]) == (round(score, 3), round(ratio, 4))


def test_without_a_model_there_is_no_interval() -> None:
    known = somebody("p", crowd(2)).gallery
    other = replace(known, space="colour")
    (first, *_) = comparison_rows(other, [other], match)
    assert list(first)[2:] == list(RESULTS)
    assert [first[name] for name in ("score", "likelihood_ratio", *ENDS)] == [None] * 6
    assert first["cosine"] == 1
    assert json.dumps(first)


def test_an_empty_comparison_has_no_rows() -> None:
    nobody = Gallery((), np.empty((0, 192), np.float32), "kin-1")
    assert list(comparison_rows(nobody, [nobody], match)) == []


def test_the_neutral_score_is_that_of_a_ratio_of_one() -> None:
    assert MODEL is not None
    neutral = neutral_score(MODEL)
    assert neutral is not None
    z = np.interp(neutral, MODEL.scores, MODEL.distances)
    score, ratio = (float(values[0]) for values in MODEL.calibrate(np.array([z])))
    assert ratio == pytest.approx(1, abs=1e-3)
    assert score == pytest.approx(neutral, abs=1e-3)
    assert 50 < neutral < 100
    one_sided = MODEL.log_ratio.copy()
    one_sided[2] = 0.1
    assert neutral_score(replace(MODEL, log_ratio=one_sided)) is None

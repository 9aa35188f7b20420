from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.evaluation import metrics

RNG = np.random.default_rng(0)
PAIRS = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1, max_size=40)


def counted(pairs: list[tuple[int, bool]]) -> tuple[metrics.Floats, metrics.Labels, metrics.Counts]:
    """Values, which are of kin, and how often each counts."""
    values = np.array([float(value) for value, _ in pairs])
    kin = np.array([is_kin for _, is_kin in pairs])
    return values, kin, np.arange(len(pairs)) % 3


def drawn(count: int, gap: float) -> tuple[metrics.Floats, metrics.Labels]:
    """Half kin, half strangers, normal, `gap` standard deviations apart."""
    kin = np.arange(2 * count) < count
    return np.random.default_rng(1).normal(size=2 * count) + gap * kin, kin


def test_the_area_is_how_often_kin_are_more_alike_than_strangers() -> None:
    values, kin = np.array([3.0, 1.0, 2.0, 1.0]), np.array([True, True, False, False])
    assert metrics.auc(values, kin) == pytest.approx((2 + 0.5) / 4)
    assert np.isnan(metrics.auc(values, np.ones(4, bool)))


@settings(deadline=None)
@given(PAIRS)
def test_the_area_of_counted_pairs_is_that_of_pairs_repeated(pairs: list[tuple[int, bool]]) -> None:
    values, kin, counts = counted(pairs)
    expected = metrics.auc(values.repeat(counts), kin.repeat(counts))
    assert metrics.counted_auc(values, kin)(counts) == pytest.approx(expected, nan_ok=True)


@settings(deadline=None)
@given(PAIRS)
def test_costs_of_counted_pairs_are_those_of_pairs_repeated(pairs: list[tuple[int, bool]]) -> None:
    values, kin, counts = counted(pairs)
    several = values.repeat(counts), kin.repeat(counts)
    assert metrics.counted_cllr(values, kin)(counts) == pytest.approx(
        metrics.cllr(*several), nan_ok=True
    )
    assert metrics.counted_least_cllr(values, kin)(counts) == pytest.approx(
        metrics.least_cllr(*several), nan_ok=True
    )


@settings(deadline=None)
@given(st.lists(st.integers(0, 100), min_size=2, max_size=40))
def test_the_distance_of_counted_scores_is_that_of_scores_repeated(scores: list[int]) -> None:
    values, counts = np.array(scores, float), np.arange(len(scores)) % 3
    expected = metrics.ks_from_uniform(values.repeat(counts))
    assert metrics.counted_ks(values)(counts) == pytest.approx(expected)
    assert metrics.counted_mean(values)(counts) == pytest.approx(values.repeat(counts).mean())
    assert np.isnan(metrics.counted_ks(values)(np.zeros(len(values), int)))


def test_the_minimum_cost_is_that_of_scikit_learns_isotonic_regression() -> None:
    from sklearn.isotonic import IsotonicRegression

    values, kin = drawn(300, 1.0)
    values = values.round(1)  # some are equal
    chances = IsotonicRegression(y_min=0, y_max=1).fit_transform(values, kin.astype(float))
    with np.errstate(divide="ignore"):
        odds = np.log(chances) - np.log1p(-chances)
    assert metrics.least_cllr(values, kin) == pytest.approx(metrics.cllr(odds, kin))


def test_an_interval_holds_its_figure_though_resamples_are_biased() -> None:
    scores = np.linspace(0, 100, 200)
    resamples = list(metrics.resample_families(np.arange(200), np.random.default_rng(0)))
    found = metrics.estimate(metrics.counted_ks(scores), resamples, 200)
    least = min(metrics.counted_ks(scores)(counts) for counts in resamples)
    assert least > found.value  # a resample is never as even as the scores
    assert found.interval[0] <= found.value <= found.interval[1]
    assert found.interval[0] == 0


def test_a_face_in_many_pairs_widens_the_interval() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 20, 2000), rng.integers(20, 1020, 2000)
    scores = 10 * one + rng.normal(size=2000)
    mean = metrics.counted_mean(scores)
    by_faces = metrics.estimate(mean, metrics.resample_faces(rng, one, other), 2000).interval
    by_pairs = metrics.estimate(mean, metrics.resample_faces(rng, np.arange(2000)), 2000).interval
    assert by_faces[1] - by_faces[0] > 5 * (by_pairs[1] - by_pairs[0])


def test_random_labels_have_an_area_of_a_half_within_the_interval() -> None:
    values, families = RNG.normal(size=2000), np.repeat(np.arange(100).astype(str), 20)
    kin = RNG.random(2000) < 0.5
    low, high = metrics.auc_interval(values, kin, families, np.random.default_rng(0))
    assert low < 0.5 < high
    assert high - low < 0.1


def test_pairs_of_one_family_widen_the_interval() -> None:
    kin = np.tile([True, False], 500)
    values = np.repeat(RNG.normal(size=50), 20) * np.where(kin, 1, -1) + 0.1 * RNG.normal(size=1000)
    apart, together = (
        metrics.auc_interval(values, kin, families, np.random.default_rng(0))
        for families in (np.arange(1000).astype(str), np.repeat(np.arange(50).astype(str), 20))
    )
    assert together[1] - together[0] > 2 * (apart[1] - apart[0])


@settings(deadline=None)
@given(PAIRS)
def test_no_threshold_tells_more_pairs_right(pairs: list[tuple[int, bool]]) -> None:
    values = np.array([float(value) for value, _ in pairs])
    kin = np.array([is_kin for _, is_kin in pairs])
    right = ((values >= metrics.threshold(values, kin)) == kin).sum()
    assert right == max(((values >= limit) == kin).sum() for limit in [*values, np.inf])


def test_accuracy_is_measured_on_folds_that_did_not_set_the_threshold() -> None:
    values, kin = drawn(5000, 2.0)
    folds = np.arange(10_000) % 5
    assert metrics.accuracy(values, kin, folds) == pytest.approx(0.841, abs=0.01)  # Phi(1)
    one_fold_is_reversed = np.where(folds == 0, ~kin, kin)
    assert metrics.accuracy(values, one_fold_is_reversed, folds) < 0.75
    assert np.isnan(metrics.accuracy(values, kin, np.zeros(10_000, int)))


def test_true_accepts_are_counted_above_what_few_strangers_reach() -> None:
    values, kin = drawn(20_000, 2.0)
    rates = metrics.true_accepts(values, kin)
    assert rates["0.1"] == pytest.approx(0.764, abs=0.02)  # 1 - Phi(1.2816 - 2)
    assert rates["0.01"] == pytest.approx(0.372, abs=0.02)
    assert list(rates) == ["0.1", "0.01", "0.001"]


def test_likelihood_ratios_cost_nothing_when_sure_and_one_bit_when_silent() -> None:
    kin = np.array([True, False])
    assert metrics.cllr(np.array([50.0, -50.0]), kin) == pytest.approx(0, abs=1e-9)
    assert metrics.cllr(np.zeros(2), kin) == pytest.approx(1)
    assert metrics.cllr(np.array([-5.0, 5.0]), kin) > 5


def test_true_likelihood_ratios_cost_hardly_more_than_the_least() -> None:
    values, kin = drawn(20_000, 1.0)
    true = values - 0.5  # log N(x; 1, 1) / N(x; 0, 1)
    least = metrics.least_cllr(values, kin)
    assert least <= metrics.cllr(true, kin) < least + 0.01
    assert metrics.cllr(3 * true, kin) > least + 0.1


def test_even_scores_are_flat_and_others_are_not() -> None:
    even = np.linspace(0, 100, 1001)
    assert metrics.ks_from_uniform(even) < 0.002
    assert metrics.ks_from_uniform(even / 2) == pytest.approx(0.5, abs=0.01)

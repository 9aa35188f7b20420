from __future__ import annotations

import pytest

from facematch.scoring.wording import (
    is_undecided,
    neutral_words,
    posterior,
    ratio_words,
    support,
)


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.0, "no support either way"),
        (1.9, "no support either way"),
        (0.51, "no support either way"),
        (2.0, "slight support for kinship"),
        (0.5, "slight support against kinship"),
        (4.0, "moderate support for kinship"),
        (0.2, "moderate support against kinship"),
        (10.0, "strong support for kinship"),
    ],
)
def test_a_likelihood_ratio_has_words(ratio: float, words: str) -> None:
    assert support(ratio) == words


def test_a_posterior_follows_from_prior_and_ratio() -> None:
    assert posterior(1, 0.3) == pytest.approx(0.3)
    assert posterior(4, 0.5) == pytest.approx(0.8)
    assert posterior(0.25, 0.5) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("ratio", "interval", "words"),
    [
        (3.14, (1.2, 6.5), "3.1 (1.2 to 6.5)"),
        (8.5, (8.5, 8.5), "8.5 or more"),
        (8.5, (2.14, 8.5), "8.5 or more (at least 2.1)"),
        (0.1, (0.1, 0.1), "0.1 or less"),
        (0.1, (0.1, 0.5), "0.1 or less (at most 0.5)"),
    ],
)
def test_a_ratio_at_the_limit_of_its_data_says_so(
    ratio: float, interval: tuple[float, float], words: str
) -> None:
    assert ratio_words(ratio, interval) == words


def test_a_table_of_rounded_numbers_says_what_the_result_says() -> None:
    ratio, interval = 0.671949, (0.114996, 3.94996)
    rounded = (round(interval[0], 4), round(interval[1], 4))
    assert ratio_words(ratio, interval) == ratio_words(round(ratio, 4), rounded)


def test_the_neutral_score_is_said_where_there_is_one() -> None:
    assert neutral_words(72.3) == "72 is neutral: more speaks for kinship, less against it"
    assert neutral_words(None) == ""


def test_an_interval_around_the_neutral_score_leaves_it_open() -> None:
    assert is_undecided((36, 98), 72)
    assert not is_undecided((75, 98), 72)
    assert not is_undecided((10, 70), 72)
    assert not is_undecided(None, 72)
    assert not is_undecided((36, 98), None)

from __future__ import annotations

import pytest

from facematch.scoring.wording import posterior, support


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

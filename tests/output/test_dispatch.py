from __future__ import annotations

import json
from dataclasses import replace

import pytest
from helpers.made_up import photos
from helpers.matchers import matcher

from facematch import output, pictures
from facematch.output import likeness
from facematch.pictures import canvas
from facematch.scoring.wording import card_meaning, score_meaning


def test_the_faces_of_a_photo_are_rows_json_and_a_picture() -> None:
    portrait = matcher.find_faces(photos("father")[0])
    [row] = output.rows(portrait)
    told = json.loads(output.as_json(portrait))
    assert told["faces_found"] == 1
    assert told["faces"][0]["box"] == [row["x_min"], row["y_min"], row["x_max"], row["y_max"]]
    assert pictures.draw(portrait).shape == portrait.photo.pixels.shape


def test_a_match_is_one_row() -> None:
    drawn = matcher.score(photos("father")[0], photos("son")[0])
    match = replace(drawn, likelihood_ratio=2.0, likelihood_ratio_interval=(1.0, 4.0))
    [row] = output.rows(match)
    told = json.loads(output.as_json(match))
    assert row["score"] == told["score"]
    assert [row["likelihood_ratio_low"], row["likelihood_ratio_high"]] == (
        told["likelihood_ratio_interval"]
    )


def test_what_is_no_result_is_refused() -> None:
    for render in (output.as_json, output.table, lambda thing: list(output.rows(thing))):
        with pytest.raises(TypeError, match="int is no result; there are: Card, Clip, "):
            render(7)
    with pytest.raises(TypeError, match="int has no picture; there are: Card, Clip, "):
        pictures.draw(7)


def test_submodules_do_not_hide_the_functions() -> None:
    assert likeness.__name__ == "facematch.output.likeness"
    assert canvas.__name__ == "facematch.pictures.canvas"
    for function in (output.as_json, output.rows, output.table, pictures.draw):
        assert callable(function)


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (99.5, "over 99 of 100 unrelated people look less like this child"),
        (92.4, "92 of 100 unrelated people look less like this child"),
        (0.4, "almost all unrelated people look more like this child"),
    ],
)
def test_a_score_says_what_it_means(score: float, words: str) -> None:
    assert score_meaning(score) == words
    assert card_meaning(50, "Ann") == "50 of 100 strangers look less like Ann"

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn import written_words
from helpers.made_up import photos
from helpers.matchers import matcher
from helpers.places import SAMPLES
from PIL import Image

from facematch.analyses.card import Card
from facematch.errors import OptionError, UnreadablePhotoError
from facematch.output import as_json
from facematch.photos.listing import list_photos
from facematch.pictures import draw
from facematch.pictures.canvas import save_picture, text_width
from facematch.pictures.card import CARD_STYLES, split, swap


@pytest.fixture(scope="module")
def card() -> Card:
    years = list_photos(SAMPLES / "years")[:3]
    return matcher.card({"mother": photos("mother")}, {"daughter": years})


@pytest.mark.parametrize("style", CARD_STYLES)
def test_every_style_is_drawn(card: Card, style: str) -> None:
    light, dark = (draw(card, theme, style=style) for theme in ("light", "dark"))
    assert light.shape == dark.shape
    assert light.shape[1] == 1080
    assert light[2, 2].mean() > 200 > 60 > dark[2, 2].mean()


def test_a_style_that_is_none_is_refused(card: Card) -> None:
    with pytest.raises(OptionError, match="no style 'mosaic'; there are: pair, split"):
        draw(card, style="mosaic")


def test_the_halves_are_of_both(card: Card) -> None:
    one, other = card.parent.portrait, card.child.portrait
    both = split(one, other)
    assert np.array_equal(both[:, :300], one[:, :300])
    assert np.array_equal(both[:, 340:], other[:, 340:])


def test_a_swap_changes_the_face_and_nothing_around_it() -> None:
    rng = np.random.default_rng(0)
    parent, child = rng.integers(0, 256, (2, 200, 200, 3)).astype(np.uint8)
    landmarks = np.array([[140, 80], [115, 80], [60, 80], [85, 80], [100, 115]], np.float32)
    swapped = swap(parent, child, landmarks)
    assert np.array_equal(swapped[:20], child[:20])
    assert (swapped[100:120, 90:110] != child[100:120, 90:110]).mean() > 0.8


def test_a_card_writes_the_interval_below_every_score(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines(score: float, interval: tuple[float, float]) -> list[str]:
        likeness = replace(card.likeness, score=score, score_interval=interval)
        return written_words(monkeypatch, replace(card, likeness=likeness))

    assert {"78", "/100", "with other photos: 60 to 85"} <= set(lines(78.2, (60, 85)))
    sure = lines(99.8, (91, 99.9))
    assert {"over 99", "with other photos: 91 to over 99"} <= set(sure)
    assert "/100" not in sure
    assert "with other photos: over 99 too" in lines(99.8, (99.5, 99.9))


def test_a_card_is_told_to_a_program(card: Card) -> None:
    told = json.loads(as_json(card))
    assert list(told) == [
        "parent", "child", "score", "score_low", "score_high", "likelihood_ratio",
        "likelihood_ratio_low", "likelihood_ratio_high", "neutral_score", "meaning", "warnings",
        "skipped",
    ]  # fmt: skip
    assert told["meaning"] == "over 99 of 100 strangers look less like daughter"


def test_a_card_shows_one_of_each() -> None:
    with pytest.raises(OptionError, match="one parent and one child"):
        matcher.card({}, {"son": photos("son")})


def test_a_saved_picture_holds_no_metadata(card: Card, tmp_path: Path) -> None:
    for ending in ("png", "jpg", "webp"):
        path = save_picture(draw(card), tmp_path / "new" / f"card.{ending}")
        with Image.open(path) as opened:
            assert not opened.getexif()
            assert not {"exif", "xmp", "icc_profile", "comment"} & opened.info.keys()
    with pytest.raises(UnreadablePhotoError, match=r"end its name in \.png or \.jpg"):
        save_picture(draw(card), tmp_path / "card.bmp")


def test_names_too_long_for_their_place_are_cut(card: Card) -> None:
    long = matcher.card({"m" * 90: photos("mother")[:1]}, {"d" * 90: photos("daughter")[:1]})
    assert draw(long).shape[1] == 1080
    assert text_width("m" * 90, 44, bold=True) > 1080

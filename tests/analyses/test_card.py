from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.drawn import written_words
from helpers.made_up import photos
from helpers.matchers import matcher
from helpers.places import SAMPLES
from PIL import Image

from facematch.analyses.card import Card
from facematch.detection.portraits import portrait_frame
from facematch.errors import OptionError, UnreadablePhotoError
from facematch.output import as_json
from facematch.photos.listing import list_photos
from facematch.pictures import draw
from facematch.pictures.canvas import resized, save_picture
from facematch.pictures.card import CARD_STYLES, _aligned, blend, face_mask, split, swap
from facematch.pictures.letters import text_width


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


@pytest.mark.parametrize("mix", [swap, blend])
def test_a_mix_changes_the_face_and_nothing_around_it(mix: Any) -> None:
    rng = np.random.default_rng(0)
    parent, child = rng.integers(0, 256, (2, 200, 200, 3)).astype(np.uint8)
    landmarks = np.array([[140, 80], [115, 80], [60, 80], [85, 80], [100, 115]], np.float32)
    mixed = mix(parent, child, landmarks)
    around = np.ones((200, 200), bool)
    around[46:168, 44:156] = False  # ears, hair, jaw and collar
    assert np.array_equal(mixed[around], child[around])
    assert (mixed[100:120, 90:110] != child[100:120, 90:110]).mean() > 0.8


def test_a_mask_has_no_visible_edge() -> None:
    mask = face_mask(portrait_frame(200).template, (200, 200, 3))
    assert mask.shape == (200, 200, 1)
    assert mask.max() == 1
    assert max(np.abs(np.diff(mask, axis=axis)).max() for axis in (0, 1)) < 0.12


def test_faces_whose_portraits_show_different_squares_are_laid_on_one_another(card: Card) -> None:
    """The child is the parent in a closer crop: halves of both make the same picture."""
    whole = card.parent.portrait
    size, (left, top, side) = len(whole), (0.2, 0.25, 0.7)
    ends = [round(size * each) for each in (left, top, left + side, top + side)]
    closer = resized(whole[ends[1] : ends[3], ends[0] : ends[2]], size, size)
    child = replace(
        card.parent,
        portraits=np.stack([closer] * len(card.parent.portraits)),
        squares=np.tile([left, top, side], (len(card.parent.squares), 1)),
    )
    parent = replace(card.parent, squares=np.tile([0.0, 0.0, 1.0], (len(child.squares), 1)))
    one, other, landmarks = _aligned(replace(card, parent=parent, child=child))
    assert np.abs(one.astype(int) - other).mean() < 2
    expected = (portrait_frame(1).template - [left, top]) / side * size
    np.testing.assert_allclose(landmarks, expected, rtol=1e-5)


def test_a_strip_names_each_once(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    words = written_words(monkeypatch, card, style="strip")
    assert [words.count(name) for name in ("mother", "daughter")] == [1, 1]
    assert [word for word in words if word.startswith("20")] == [
        str(day) for day in sorted(day for day in card.child.taken if day)
    ]


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

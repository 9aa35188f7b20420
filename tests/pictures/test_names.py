"""Names in any script, and names that are no text, as old disks and zips have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.command import run
from helpers.drawn import written_words
from helpers.made_up import photos
from helpers.matchers import matcher
from helpers.places import SAMPLES
from PIL import Image, ImageDraw, ImageFont, features

from facematch.analyses.card import Card
from facematch.pictures import draw, letters
from facematch.pictures.letters import (
    MARK,
    MissingGlyphWarning,
    Run,
    base_path,
    draw_line,
    drawable,
    runs,
    text_width,
    undrawn_in,
    undrawn_words,
)
from facematch.types import Pixels

SERIF = base_path().with_name("DejaVuSerif.ttf")


@pytest.fixture(scope="module")
def card() -> Card:
    return matcher.card({"mother": photos("mother")[:1]}, {"son": photos("son")[:1]})


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the fonts that come with matplotlib."""
    monkeypatch.setattr(letters, "_FONT_OF", {})
    monkeypatch.setattr(letters, "system_fonts", lambda: ())


def line(words: str, *, bold: bool = False) -> Pixels:
    image = Image.new("RGB", (500, 60), "white")
    draw_line(image, words, (250, 30), 30, fill=(0, 0, 0), bold=bold)
    return np.asarray(image)


def test_bytes_that_are_no_text_are_drawn_as_a_mark() -> None:
    assert drawable("p\udce8re") == f"p{MARK}re"
    assert drawable("père\n妈") == f"père{MARK}妈"


def test_marks_of_direction_are_left_out_and_joiners_kept() -> None:
    assert drawable("\u2068נעמי\u2069\u200e") == "נעמי"
    assert drawable("👨\u200d👩") == "👨\u200d👩"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("妈妈", "爸爸"),
        ("बच्चा", "नमन"),
        ("김철수", "이영희"),
        ("👩", "👨"),
        ("محمد", "علی"),
        ("נעמי", "יעל"),
    ],
)
def test_a_name_in_any_script_is_drawn_or_told(one: str, other: str) -> None:
    for words in (one, other):
        for told in undrawn_words(undrawn_in([words])):
            assert "install" in told
    if not undrawn_in([one, other]):
        assert (line(one) != line(other)).any()
    assert (line(one) < 128).any()


def test_a_letter_that_the_first_font_lacks_is_taken_from_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(letters, "_FONT_OF", {})
    monkeypatch.setattr(letters, "_base_characters", lambda: frozenset(map(ord, "an d")))
    monkeypatch.setattr(letters, "system_fonts", lambda: (Path(__file__), SERIF))
    assert runs("and Ωψ\u0301 an") == [
        Run("and ", base_path()), Run("Ωψ\u0301", SERIF), Run(" an", base_path()),
    ]  # fmt: skip
    assert runs("") == []
    serif = ImageFont.truetype(SERIF, 30)
    assert text_width("Ω", 30) == pytest.approx(serif.getlength("Ω"))
    plain = Image.new("RGB", (500, 60), "white")
    above, below = letters.base_font(30).getmetrics()
    left = 250 - serif.getlength("Ω") / 2
    place = (left, 30 + (above - below) / 2)
    ImageDraw.Draw(plain).text(place, "Ω", (0, 0, 0), serif, "ls")
    np.testing.assert_array_equal(line("Ω"), np.asarray(plain))


@pytest.mark.usefixtures("no_fonts")
def test_a_character_without_a_font_is_drawn_as_a_mark_and_told_once_a_picture(card: Card) -> None:
    named = matcher.card({"妈妈": photos("mother")[:1]}, {"बच": photos("son")[:1]})
    with pytest.warns(MissingGlyphWarning) as given:
        drawn = draw(named)
    (told,) = (str(each.message) for each in given)
    assert told == (
        f"no font here has the characters च ब 妈: they are drawn as {MARK}; install a font that "
        "has them (Debian: fonts-noto-cjk fonts-noto-core)"
    )
    assert drawn.shape == draw(card).shape
    assert text_width("妈", 30) == text_width(MARK, 30)


def test_a_picture_whose_names_have_letters_warns_of_nothing(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "mother" in written_words(monkeypatch, card)  # warnings are errors here
    assert undrawn_words(undrawn_in(["José", "Ελένη", "Юля", "$5 _a"])) == []


def test_an_emoji_asks_for_its_own_font() -> None:
    assert "fonts-noto-color-emoji" in undrawn_words({"\U0001fae8"})[0]


@pytest.mark.skipif(not features.check("raqm"), reason="Pillow has no raqm here")
def test_letters_from_right_to_left_are_drawn_from_right_to_left() -> None:
    basic = ImageFont.truetype(base_path(), 30, layout_engine=ImageFont.Layout.BASIC)
    turned = Image.new("RGB", (500, 60), "white")
    above, below = basic.getmetrics()
    place = (250 - basic.getlength("בא and") / 2, 30 + (above - below) / 2)
    ImageDraw.Draw(turned).text(place, "בא and", (0, 0, 0), basic, "ls")
    apart = np.abs(line("אב and").astype(int) - np.asarray(turned)).mean()
    assert apart < np.abs(line("בא and").astype(int) - np.asarray(turned)).mean() / 2


def test_without_raqm_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "_has_raqm", lambda: False)
    (told,) = undrawn_words(undrawn_in(["נעמי", "Ann"]))
    assert "wrong order: Pillow finds no FriBiDi; install it" in told


def test_an_emoji_of_a_font_of_bitmaps_is_scaled_to_its_line() -> None:
    (run_of_emoji,) = runs("👩")
    if run_of_emoji.font is None or "Color" not in run_of_emoji.font.name:
        pytest.skip("needs a font of coloured emoji, such as Debian's fonts-noto-color-emoji")
    drawn = line("👩")
    inked = np.argwhere((drawn != 255).any(axis=2))
    assert (np.ptp(inked, axis=0) < 45).all()
    assert (np.ptp(inked, axis=0) > 20).all()
    assert np.ptp(drawn.astype(int), axis=2).max() > 60  # in colour


@pytest.mark.usefixtures("no_fonts")
def test_the_command_says_which_letters_no_font_has(tmp_path: Path) -> None:
    mother, son = (SAMPLES / f"{name}.png" for name in ("mother", "son"))
    shown = run("card", f"妈妈={mother}", f"son={son}", "--save", tmp_path / "card.png")
    assert shown.returncode == 0
    assert shown.stderr.count("no font here has the characters 妈") == 1

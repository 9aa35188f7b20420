"""The README's pictures are drawn again, and compared as an eye would: small and smoothed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.made_up import noise
from helpers.places import REPOSITORY, SAMPLES

from facematch.photos.reading import read_photo
from facematch.pictures.canvas import DARK, LIGHT, Sheet
from facematch.types import Pixels

sys.path.insert(0, str(SAMPLES))
import make_pictures

_TOLERANCE = 4.0  # of 255, on average over the picture


def apart(one: Pixels, other: Pixels) -> float:
    small = [cv2.resize(each, (96, 96), interpolation=cv2.INTER_AREA) for each in (one, other)]
    blurred = [cv2.GaussianBlur(each, (0, 0), 1.5).astype(float) for each in small]
    return float(np.abs(blurred[0] - blurred[1]).mean())


@pytest.fixture(scope="module")
def drawn() -> dict[str, Pixels]:
    return dict(make_pictures.pictures(make_pictures.drawn_matcher()))


def test_every_picture_of_the_readme_is_drawn_again(drawn: dict[str, Pixels]) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    kept = {path.stem: path for path in (SAMPLES / "pictures").iterdir()}
    assert kept.keys() == drawn.keys()
    shown = set(re.findall(r"samples/pictures/([\w-]+)\.jpg", readme))
    assert shown
    assert shown <= kept.keys()
    for name, picture in drawn.items():
        assert apart(picture, read_photo(kept[name]).pixels) < _TOLERANCE, name


def test_the_comparison_sees_another_picture(drawn: dict[str, Pixels]) -> None:
    assert apart(drawn["card"], drawn["card-split"]) > 2 * _TOLERANCE
    assert apart(drawn["family"], noise(400, 400)) > 2 * _TOLERANCE


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_words_are_read_on_every_ground(theme) -> None:
    def luminance(colour: tuple[int, int, int]) -> float:
        part = np.array(colour) / 255
        linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for ink in (theme.ink, theme.quiet, theme.accent, theme.second):
        for ground in (theme.ground, theme.panel):
            light, dark = sorted((luminance(ink), luminance(ground)), reverse=True)
            least = 3.0 if ink in (theme.accent, theme.second) else 4.5  # WCAG 2, large and small
            assert (light + 0.05) / (dark + 0.05) >= least


def test_words_wider_than_their_place_are_cut() -> None:
    sheet = Sheet(400, 100)
    sheet.write("W" * 80, (200, 50), 30, width=200)
    inked = np.flatnonzero((sheet.pixels() != LIGHT.ground).any(axis=(0, 2)))
    assert inked[0] >= 95
    assert inked[-1] <= 305
    assert Path(make_pictures.__file__).parent == SAMPLES

"""The frames of a clip that a person was scored by, in a strip, with what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facematch.pictures.canvas import THEMES, Sheet, resized
from facematch.types import Chips, Pixels

WIDTH = 1080  # pixels: as a phone shows it
MOST_STRIPS = 12  # people drawn; a sheet of them is no longer than 9,000 pixels
_EDGE, _GAP, _PADDING = 36, 14, 24
_ACROSS = 4  # portraits in a row
_TIME, _LINE, _VERDICT, _HEAD, _FOOT = 40, 56, 92, 110, 90


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """One person: `portraits` (N, S, S, 3) with the `times` they were seen at, and the verdicts.

    A verdict is three lines of words: the parent, the score, the likelihood ratio.
    """

    title: str
    seen: str
    portraits: Chips
    times: Sequence[str]
    verdicts: Sequence[tuple[str, str, str]]


def draw_strips(
    title: str, strips: Sequence[Strip], notice: str, *, theme: str = "light"
) -> Pixels:
    """A panel for each person, one below the other, up to 12; `notice` stands at the foot."""
    shown = strips[:MOST_STRIPS]
    heights = [_height(strip) for strip in shown]
    tall = _HEAD + sum(heights) + _GAP * len(heights) + _FOOT
    sheet = Sheet(WIDTH, tall, THEMES[theme])
    sheet.write(title, (_EDGE, _HEAD / 2), 40, bold=True, anchor="lm", width=WIDTH - 2 * _EDGE)
    top = _HEAD
    for strip, height in zip(shown, heights, strict=True):
        _draw(sheet, strip, top, height)
        top += height + _GAP
    left_out = len(strips) - len(shown)
    more = f"and {left_out} more, who were seen less often. " if left_out else ""
    half = _halves(more + notice)
    for row, words in enumerate(half):
        place = (_EDGE, top + 22 + 34 * row)
        quiet = sheet.theme.quiet
        sheet.write(words, place, 24, colour=quiet, anchor="lm", width=WIDTH - 2 * _EDGE)
    return sheet.pixels()


def _side() -> int:
    return (WIDTH - 2 * (_EDGE + _PADDING) - (_ACROSS - 1) * _GAP) // _ACROSS


def _rows(strip: Strip) -> int:
    return -(-len(strip.portraits) // _ACROSS)


def _height(strip: Strip) -> int:
    portraits = _rows(strip) * (_side() + _TIME)
    return 2 * _PADDING + _LINE + portraits + _VERDICT * len(strip.verdicts)


def _draw(sheet: Sheet, strip: Strip, top: int, height: int) -> None:
    left, right, side = _EDGE + _PADDING, WIDTH - _EDGE - _PADDING, _side()
    sheet.panel((_EDGE, top, WIDTH - _EDGE, top + height))
    y = top + _PADDING
    half = (right - left) / 2
    sheet.write(strip.title, (left, y + 20), 36, bold=True, anchor="lm", width=half)
    quiet = sheet.theme.quiet
    sheet.write(strip.seen, (right, y + 20), 26, colour=quiet, anchor="rm", width=half)
    y += _LINE
    for at, (portrait, time) in enumerate(zip(strip.portraits, strip.times, strict=True)):
        row, column = divmod(at, _ACROSS)
        x, place = left + column * (side + _GAP), y + row * (side + _TIME)
        sheet.paste(resized(portrait, side, side), (x, place), round_corners=10)
        sheet.write(time, (x + side / 2, place + side + 18), 22, colour=quiet)
    y += _rows(strip) * (side + _TIME)
    for parent, score, ratio in strip.verdicts:
        middle = left + 0.36 * (right - left)
        sheet.write(parent, (left, y + 26), 32, bold=True, anchor="lm", width=middle - left - 16)
        accent, wide = sheet.theme.accent, right - middle
        sheet.write(score, (middle, y + 26), 34, colour=accent, bold=True, anchor="lm", width=wide)
        sheet.write(ratio, (middle, y + 66), 24, anchor="lm", width=wide)
        y += _VERDICT


def _halves(words: str) -> tuple[str, str]:
    """Two lines about as long, broken between words."""
    middle = words.rfind(" ", 0, len(words) // 2 + 8)
    return words[:middle], words[middle + 1 :]

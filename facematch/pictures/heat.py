"""Two faces under a heat map, and a bar for each of their regions."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.output.report import signed
from facematch.pictures.canvas import LIGHT, Sheet, Theme, resized
from facematch.types import Chips, Pixels

_WIDTH, _MARGIN, _FACE = 1080, 24, 504
_TOP = 178  # where the faces begin
_BARS = _TOP + _FACE + 150  # where the bars' panel begins
_ROW = 84
_AXIS = (240, 700)  # from where to where bars reach
_STRONGEST = 0.8  # how much of a face's place the colour hides at most


@dataclass(frozen=True, slots=True)
class Bar:
    """A region's name, what covering it costs, the half width of its whisker, and what it means.

    `told` says whether that is sure enough for a full bar.
    """

    name: str
    value: float
    noise: float
    words: str
    told: bool


def draw_heat(
    faces: Chips,
    heat: NDArray[np.float32],
    bars: Sequence[Bar],
    *,
    title: str,
    unit: str,
    note: str,
    theme: Theme = LIGHT,
) -> Pixels:
    """The parent's face and the child's, coloured by what each place carries, over the bars.

    The theme's `accent` carries the likeness, its `second` speaks against it: orange and blue,
    which the colour-blind can tell. `note` stands at the foot. Shapes: (2, S, S, 3), (2, S, S).
    """
    lines = textwrap.wrap(note, 76)
    height = _BARS + _ROW * len(bars) + 96 + 32 * len(lines)
    sheet = Sheet(_WIDTH, height, theme)
    sheet.write("Where the likeness is", (_MARGIN, 50), 44, bold=True, anchor="lm")
    sheet.write(title, (_MARGIN, 100), 32, colour=theme.quiet, anchor="lm", width=1032)
    coloured = heat_over(faces, heat, _strongest(heat, bars), theme)
    for at, (face, role) in enumerate(zip(coloured, ("parent", "child"), strict=True)):
        left = _MARGIN + at * (_WIDTH - 2 * _MARGIN - _FACE)
        sheet.write(role, (left + _FACE / 2, _TOP - 28), 32)
        sheet.paste(resized(face, _FACE, _FACE), (left, _TOP), round_corners=14)
    _write_legend(sheet, _TOP + _FACE + 36)
    _draw_bars(sheet, bars, unit)
    for at, line in enumerate(lines):
        place = (_MARGIN, height - 32 * (len(lines) - at) - 4)
        sheet.write(line, place, 24, colour=theme.quiet, anchor="lm", width=1032)
    return sheet.pixels()


def heat_over(
    faces: Chips, heat: NDArray[np.float32], strongest: float, theme: Theme = LIGHT
) -> Chips:
    """The faces in grey, coloured by sign, the more the nearer to `strongest`. (2, S, S, 3)."""
    grey = faces.astype(np.float32).mean(axis=3, keepdims=True)
    signs = heat[..., np.newaxis] > 0
    colours = np.where(signs, np.array(theme.accent), np.array(theme.second))
    much = _STRONGEST * np.clip(np.abs(heat) / strongest, 0, 1)[..., np.newaxis]
    return np.asarray(np.rint(grey * (1 - much) + colours * much), np.uint8)


def _strongest(heat: NDArray[np.float32], bars: Sequence[Bar]) -> float:
    """What takes the full colour: the greatest, but no less than the noise of the bars."""
    least = max((bar.noise for bar in bars), default=0.0)
    return max(float(np.abs(heat).max()), least) or 1.0


def _write_legend(sheet: Sheet, y: int) -> None:
    theme = sheet.theme
    for x, colour, words in (
        (_MARGIN, theme.accent, "carries the likeness"),
        (_WIDTH // 2 + 12, theme.second, "speaks against it"),
    ):
        sheet.draw.rounded_rectangle((x, y - 14, x + 44, y + 14), 8, fill=colour)
        sheet.write(words, (x + 60, y), 30, anchor="lm")


def _draw_bars(sheet: Sheet, bars: Sequence[Bar], unit: str) -> None:
    """A panel with a row a bar, all on one axis, whose zero is marked."""
    theme, bottom = sheet.theme, _BARS + _ROW * len(bars)
    words = f"what covering it takes away, in {unit}" if unit != "cosine" else "drop of the cosine"
    sheet.write(words, (_MARGIN, _BARS - 44), 28, colour=theme.quiet, anchor="lm", width=1032)
    sheet.panel((_MARGIN, _BARS - 12, _WIDTH - _MARGIN, bottom + 12))
    low = min(0.0, *(bar.value - bar.noise for bar in bars))
    high = max(0.0, *(bar.value + bar.noise for bar in bars))
    step = (_AXIS[1] - _AXIS[0]) / ((high - low) or 1.0)

    def across(value: float) -> float:
        return _AXIS[0] + (value - low) * step

    for at, bar in enumerate(bars):
        _draw_bar(sheet, bar, _BARS + _ROW * at + _ROW // 2, (across(0), across(bar.value), step))
    zero = round(across(0))
    sheet.draw.line((zero, _BARS, zero, bottom), fill=theme.quiet, width=2)


def _draw_bar(sheet: Sheet, bar: Bar, y: int, ends: tuple[float, float, float]) -> None:
    """One row; `ends` are where its bar begins and ends, and the pixels a unit has."""
    theme = sheet.theme
    zero, end, step = ends
    colour = theme.accent if bar.value > 0 else theme.second
    sheet.write(bar.name, (_MARGIN + 20, y), 32, bold=bar.told, anchor="lm", width=180)
    box = (min(zero, end), y - 20, max(zero, end), y + 20)
    if bar.told:
        sheet.draw.rectangle(box, fill=colour)
    else:
        sheet.draw.rectangle(box, outline=colour, width=3)
    left, right = end - bar.noise * step, end + bar.noise * step
    sheet.draw.line((left, y, right, y), fill=theme.ink, width=3)
    for x in (left, right):
        sheet.draw.line((x, y - 10, x, y + 10), fill=theme.ink, width=3)
    value = f"{signed(bar.value)} ±{bar.noise:.2f}"
    sheet.write(value, (_AXIS[1] + 36, y - 17), 30, bold=bar.told, anchor="lm")
    sheet.write(bar.words, (_AXIS[1] + 36, y + 19), 26, colour=theme.quiet, anchor="lm", width=300)

"""Two faces under a heat map, and a bar for each of their regions."""

from __future__ import annotations

import textwrap

import numpy as np
from numpy.typing import NDArray

from facematch.analyses.explain import AGAINST, CARRIES, Explanation, RegionEffect
from facematch.pictures.canvas import LIGHT, THEMES, Colour, Sheet, Theme, resized
from facematch.scoring.wording import NO_PATERNITY_TEST, shown_score
from facematch.types import Chips, Pixels

# All in pixels.
_HEAT_WIDTH, _HEAT_MARGIN, _HEAT_FACE = 1080, 24, 504
_FACES_TOP = 178
_BARS_TOP = _FACES_TOP + _HEAT_FACE + 150
_BAR_ROW = 84
_BAR_AXIS = (240, 700)  # from where to where bars reach
_BARS_HEADING = "How much of the likeness goes when a part is covered"
_BARS_NOTE = "Thin lines: how far the ways to cover it disagree"
_STRONGEST_TINT = 0.8  # share of a pixel that the heat's colour takes at most


def draw(explanation: Explanation, theme: str = "light") -> Pixels:
    """The parent's face and the child's, coloured by what each place carries, over the bars.

    The theme's `accent` carries the likeness, its `second` speaks against it: orange and blue,
    which the colour-blind can tell. Shapes: (H, W, 3).
    """
    colours, effects = THEMES[theme], explanation.regions
    notice = textwrap.wrap(NO_PATERNITY_TEST, 76)
    height = _BARS_TOP + _BAR_ROW * len(effects) + 130 + 32 * len(notice)
    sheet = Sheet(_HEAT_WIDTH, height, colours)
    words = explanation.in_words
    heading, below = (_HEAT_MARGIN, 50), (_HEAT_MARGIN, 104)
    sheet.write(words[0].upper() + words[1:], heading, 48, bold=True, anchor="lm", width=1032)
    sheet.write(_score(explanation), below, 32, colour=colours.quiet, anchor="lm", width=1032)
    _draw_faces(sheet, explanation)
    _draw_legend(sheet, _FACES_TOP + _HEAT_FACE + 36)
    _draw_bars(sheet, explanation)
    for line, words in enumerate(notice):
        place = (_HEAT_MARGIN, height - 32 * (len(notice) - line) - 4)
        sheet.write(words, place, 24, colour=colours.quiet, anchor="lm", width=1032)
    return sheet.pixels()


def heat_over(
    faces: Chips, heat: NDArray[np.float32], strongest: float, theme: Theme = LIGHT
) -> Chips:
    """The faces in grey, coloured by the sign of the heat, fully where it reaches `strongest`.

    Shapes: (2, S, S, 3), (2, S, S) -> (2, S, S, 3).
    """
    grey = faces.astype(np.float32).mean(axis=3, keepdims=True)
    signs = heat[..., np.newaxis] > 0
    colours = np.where(signs, np.array(theme.accent), np.array(theme.second))
    tint = _STRONGEST_TINT * np.clip(np.abs(heat) / strongest, 0, 1)[..., np.newaxis]
    return np.asarray(np.rint(grey * (1 - tint) + colours * tint), np.uint8)


def _score(explanation: Explanation) -> str:
    what = "little likeness to explain" if explanation.little else "where the likeness is"
    score = explanation.match.score
    if score is None:
        return f"{what}, cosine {explanation.match.cosine:.2f}"
    return f"{what}, mini-me score {shown_score(score)} of 100"


def heat_faces(explanation: Explanation, theme: Theme = LIGHT) -> Chips:
    """The parent's face and the child's under the heat map, without words. (2, S, S, 3)."""
    heat = explanation.heat
    # Heat that is weaker than the noise of the regions does not take the full colour.
    noise = max((effect.noise for effect in explanation.regions), default=0.0)
    strongest = max(float(np.abs(heat).max()), noise) or 1.0
    return heat_over(explanation.chips, heat, strongest, theme)


def heat_legend(theme: Theme = LIGHT) -> tuple[tuple[Colour, str], tuple[Colour, str]]:
    """The colours of the heat map, and what each says."""
    return (theme.accent, CARRIES), (theme.second, AGAINST)


def _draw_faces(sheet: Sheet, explanation: Explanation) -> None:
    coloured = heat_faces(explanation, sheet.theme)
    step = _HEAT_WIDTH - 2 * _HEAT_MARGIN - _HEAT_FACE
    for side, (face, role) in enumerate(zip(coloured, ("parent", "child"), strict=True)):
        left = _HEAT_MARGIN + side * step
        sheet.write(role, (left + _HEAT_FACE / 2, _FACES_TOP - 28), 32)
        shown = resized(face, _HEAT_FACE, _HEAT_FACE)
        sheet.paste(shown, (left, _FACES_TOP), round_corners=14)


def _draw_legend(sheet: Sheet, y: int) -> None:
    places = (_HEAT_MARGIN, _HEAT_WIDTH // 2 + 12)
    for x, (colour, words) in zip(places, heat_legend(sheet.theme), strict=True):
        sheet.draw.rounded_rectangle((x, y - 14, x + 44, y + 14), 8, fill=colour)
        sheet.write(words, (x + 60, y), 30, anchor="lm")


def _draw_bars(sheet: Sheet, explanation: Explanation) -> None:
    """A panel with a row for each region, all on one axis with its zero marked."""
    theme, effects = sheet.theme, explanation.regions
    bottom = _BARS_TOP + _BAR_ROW * len(effects)
    heading, below = (_HEAT_MARGIN, _BARS_TOP - 44), (_HEAT_MARGIN, bottom + 44)
    for words, place in ((_BARS_HEADING, heading), (_BARS_NOTE, below)):
        sheet.write(words, place, 28, colour=theme.quiet, anchor="lm", width=1032)
    sheet.panel((_HEAT_MARGIN, _BARS_TOP - 12, _HEAT_WIDTH - _HEAT_MARGIN, bottom + 12))
    low = min(0.0, *(effect.drop - effect.noise for effect in effects))
    high = max(0.0, *(effect.drop + effect.noise for effect in effects))
    step = (_BAR_AXIS[1] - _BAR_AXIS[0]) / ((high - low) or 1.0)

    def across(value: float) -> float:
        return _BAR_AXIS[0] + (value - low) * step

    for row, effect in enumerate(effects):
        y = _BARS_TOP + _BAR_ROW * row + _BAR_ROW // 2
        _draw_bar(sheet, effect, y, (across(0), across(effect.drop), step))
    zero = round(across(0))
    sheet.draw.line((zero, _BARS_TOP, zero, bottom), fill=theme.quiet, width=2)


def _draw_bar(sheet: Sheet, effect: RegionEffect, y: int, ends: tuple[float, float, float]) -> None:
    """One row, a full bar where the effect is clear.

    `ends` are where its bar begins and ends, and the pixels of one unit.
    """
    theme, is_clear = sheet.theme, effect.is_clear
    zero, end, step = ends
    colour = theme.accent if effect.drop > 0 else theme.second
    sheet.write(effect.region, (_HEAT_MARGIN + 20, y), 32, bold=is_clear, anchor="lm", width=180)
    box = (min(zero, end), y - 20, max(zero, end), y + 20)
    if is_clear:
        sheet.draw.rectangle(box, fill=colour)
    else:
        sheet.draw.rectangle(box, outline=colour, width=3)
    left, right = end - effect.noise * step, end + effect.noise * step
    sheet.draw.line((left, y, right, y), fill=theme.ink, width=3)
    for x in (left, right):
        sheet.draw.line((x, y - 10, x, y + 10), fill=theme.ink, width=3)
    beside = (_BAR_AXIS[1] + 36, y)
    sheet.write(effect.verdict, beside, 28, bold=is_clear, anchor="lm", width=300)

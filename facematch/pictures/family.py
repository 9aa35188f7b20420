"""Who looks like whom: portraits along two sides, a score for each pair, verdicts below."""

from __future__ import annotations

import numpy as np

from facematch.analyses.family import Family, Verdict
from facematch.pictures.canvas import THEMES, Colour, Sheet, Theme, resized
from facematch.scoring.people import Likeness
from facematch.scoring.wording import NO_PATERNITY_TEST, interval_words, shown_score
from facematch.types import Pixels

# All in pixels.
_PORTRAIT_SIDE, _CELL_SIDE, _CELL_GAP, _MATRIX_EDGE = 200, 230, 20, 40
_NAME_HEIGHT, _VERDICT_HEIGHT, _FOOT_HEIGHT = 44, 70, 20
_CELL_STEP = _CELL_SIDE + _CELL_GAP


def draw(family: Family, theme: str = "light") -> Pixels:
    """Parents down, children across, a verdict below each child. Shapes: (H, W, 3)."""
    colours = THEMES[theme]
    rows, columns = len(family.parents), len(family.children)
    width = 2 * _MATRIX_EDGE + _PORTRAIT_SIDE + _CELL_STEP * columns
    height = 2 * _MATRIX_EDGE + _PORTRAIT_SIDE + _NAME_HEIGHT + _CELL_STEP * rows
    sheet = Sheet(max(width, 720), height + _VERDICT_HEIGHT + _FOOT_HEIGHT, colours)
    left = _MATRIX_EDGE + _PORTRAIT_SIDE + _CELL_GAP
    top = _MATRIX_EDGE + _PORTRAIT_SIDE + _NAME_HEIGHT
    for column, name in enumerate(family.children):
        x = left + column * _CELL_STEP
        place = (x + (_CELL_SIDE - _PORTRAIT_SIDE) // 2, _MATRIX_EDGE)
        _draw_person(sheet, name, family.portraits[name], place)
    for column, verdict in enumerate(family.verdicts):
        x = left + column * _CELL_STEP
        _draw_verdict(sheet, verdict, (x + _CELL_SIDE / 2, top + _CELL_STEP * rows + 8))
    for row, parent in enumerate(family.parents):
        y = top + row * _CELL_STEP
        _draw_person(sheet, parent, family.portraits[parent], (_MATRIX_EDGE, y - 4))
        for column, child in enumerate(family.children):
            x = left + column * _CELL_STEP
            _draw_cell(sheet, (x, y, x + _CELL_SIDE, y + _CELL_SIDE), family.of(parent, child))
    foot = (sheet.image.width / 2, sheet.image.height - _MATRIX_EDGE / 2 - 14)
    sheet.write(NO_PATERNITY_TEST, foot, 15, colour=colours.quiet, width=sheet.image.width - 40)
    return sheet.pixels()


def _draw_person(sheet: Sheet, name: str, portrait: Pixels, place: tuple[int, int]) -> None:
    sheet.paste(resized(portrait, _PORTRAIT_SIDE, _PORTRAIT_SIDE), place, round_corners=24)
    below = (place[0] + _PORTRAIT_SIDE / 2, place[1] + _PORTRAIT_SIDE + 20)
    sheet.write(name, below, 24, bold=True, width=_PORTRAIT_SIDE)


def _draw_cell(sheet: Sheet, box: tuple[int, int, int, int], likeness: Likeness) -> None:
    fill, ink = _cell_colours(sheet.theme, likeness.score)
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    width = _CELL_SIDE - 30
    sheet.panel(box, fill)
    score = shown_score(likeness.score)
    sheet.write(score, (middle[0], middle[1] - 10), 52, colour=ink, bold=True, width=width)
    interval = interval_words(likeness.score_interval) or "of 100"
    sheet.write(interval, (middle[0], middle[1] + 38), 20, colour=ink, width=width)


def _draw_verdict(sheet: Sheet, verdict: Verdict, place: tuple[float, float]) -> None:
    lines = [f"more like {verdict.ahead}", f"{verdict.times_of_100} of 100 resamples"]
    if verdict.most_like is None:
        lines = ["too close to call"]
    if verdict.more_photos:
        lines.append(
            f"add photos of {max(verdict.more_photos, key=verdict.more_photos.__getitem__)}"
        )
    sheet.write(lines[0], place, 22, bold=True, width=_CELL_SIDE)
    for line in lines[1:]:
        below = (place[0], place[1] + 28)
        sheet.write(line, below, 19, colour=sheet.theme.quiet, width=_CELL_SIDE)


def _cell_colours(theme: Theme, score: float) -> tuple[Colour, Colour]:
    """The colour of a cell, stronger for a higher score, and an ink that is readable on it."""
    share = np.clip((score - 50) / 50, 0, 1)
    fill = np.array(theme.panel) * (1 - share) + np.array(theme.accent) * share
    bright = float(fill @ [0.299, 0.587, 0.114]) > 140
    ink = (25, 24, 22) if bright else (255, 255, 255)
    red, green, blue = (round(part) for part in fill.tolist())
    return (red, green, blue), ink

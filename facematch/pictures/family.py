"""Who looks like whom: portraits along two sides, a score for each pair, verdicts below."""

from __future__ import annotations

import numpy as np

from facematch.analyses.family import Family, Verdict
from facematch.pictures.canvas import THEMES, Colour, Sheet, Theme, resized
from facematch.scoring.people import Likeness
from facematch.scoring.wording import (
    NO_PATERNITY_TEST,
    card_meaning,
    family_question,
    interval_words,
    shown_score,
)
from facematch.types import Pixels

# All in pixels.
_FAMILY_WIDTH, _FAMILY_EDGE = 1080, 50  # the width of a phone, at least
_PORTRAIT_SIDE, _CELL_SIDE, _CELL_GAP = 204, 244, 24
_NAME_HEIGHT, _FAMILY_HEAD, _FAMILY_FOOT = 56, 230, 56
_VERDICT_HEIGHT, _REASON_HEIGHT = 84, 44
_CELL_STEP = _CELL_SIDE + _CELL_GAP
_SCORE_SIZE = 56  # of letters, of a score and of a verdict
_PALEST, _STRONGEST = 50, 100  # scores between which the colour of a cell changes
_SCALE_WIDTH, _SCALE_TOP = 260, 172
_LEGEND = (
    "Mini-me score: of 100 strangers, how many look less like the child",
    "Below it: with other photos of the same people",
)


def draw(family: Family, theme: str = "light") -> Pixels:
    """A title and a legend, parents down, children across, verdicts below. Shapes: (H, W, 3)."""
    rows, columns = len(family.parents), len(family.children)
    matrix = _PORTRAIT_SIDE + _CELL_STEP * columns
    width = max(matrix + 2 * _FAMILY_EDGE, _FAMILY_WIDTH)
    below = _FAMILY_HEAD + _PORTRAIT_SIDE + _NAME_HEIGHT + _CELL_STEP * rows
    lines = _verdicts(family)
    height = below + len(lines) * (_VERDICT_HEIGHT + _REASON_HEIGHT) + _FAMILY_FOOT
    sheet = Sheet(width, height, THEMES[theme])
    _draw_head(sheet, family)
    _draw_matrix(sheet, family, (width - matrix) // 2)
    wide = width - 2 * _FAMILY_EDGE
    for row, (verdict, reason) in enumerate(lines):
        y = below + row * (_VERDICT_HEIGHT + _REASON_HEIGHT) + 46
        sheet.write(verdict, (width / 2, y), _SCORE_SIZE, bold=True, width=wide)
        quiet, place = sheet.theme.quiet, (width / 2, y + 56)
        sheet.write(reason, place, 28, colour=quiet, width=wide)
    foot = (width / 2, height - 30)
    sheet.write(NO_PATERNITY_TEST, foot, 20, colour=sheet.theme.quiet, width=wide)
    return sheet.pixels()


def _verdicts(family: Family) -> list[tuple[str, str]]:
    """A verdict on each child, and why or what would decide it."""
    if not family.verdicts:
        (parent,) = family.parents
        return [
            (card_meaning(family.of(parent, child).score, child), f"than {parent} does")
            for child in family.children
        ]
    return [_verdict_words(verdict) for verdict in family.verdicts]


def _verdict_words(verdict: Verdict) -> tuple[str, str]:
    reason = f"{verdict.ahead} in {verdict.times_of_100} of 100 resamples of the photos"
    if verdict.most_like is not None:
        return f"{verdict.child}: more like {verdict.most_like}", reason
    if verdict.more_photos:
        reason += f"; add photos of {max(verdict.more_photos, key=verdict.more_photos.__getitem__)}"
    return f"{verdict.child}: too close to call", reason


def _draw_head(sheet: Sheet, family: Family) -> None:
    """The title, what the numbers are, and the colours they have."""
    middle, wide = sheet.image.width / 2, sheet.image.width - 2 * _FAMILY_EDGE
    sheet.write(family_question(family.children), (middle, 56), 52, bold=True, width=wide)
    for row, legend in enumerate(_LEGEND):
        place = (middle, 112 + 34 * row)
        sheet.write(legend, place, 26, colour=sheet.theme.quiet, width=wide)
    left = round(middle) - _SCALE_WIDTH // 2
    for x in range(_SCALE_WIDTH):
        score = _PALEST + (_STRONGEST - _PALEST) * x / (_SCALE_WIDTH - 1)
        colour, _ = _cell_colours(sheet.theme, score)
        sheet.draw.line((left + x, _SCALE_TOP, left + x, _SCALE_TOP + 24), fill=colour)
    for x, words, anchor in (
        (left - 14, f"{_PALEST} or less", "rm"),
        (left + _SCALE_WIDTH + 14, f"{_STRONGEST}", "lm"),
    ):
        sheet.write(words, (x, _SCALE_TOP + 12), 22, colour=sheet.theme.quiet, anchor=anchor)


def _draw_matrix(sheet: Sheet, family: Family, left: int) -> None:
    """Children along the top, parents along the left, a cell for each two of them."""
    cells_left = left + _PORTRAIT_SIDE + _CELL_GAP
    cells_top = _FAMILY_HEAD + _PORTRAIT_SIDE + _NAME_HEIGHT
    for column, child in enumerate(family.children):
        x = cells_left + column * _CELL_STEP
        place = (x + (_CELL_SIDE - _PORTRAIT_SIDE) // 2, _FAMILY_HEAD)
        _draw_person(sheet, child, family.portraits[child], place)
        for row, parent in enumerate(family.parents):
            y = cells_top + row * _CELL_STEP
            box = (x, y, x + _CELL_SIDE, y + _CELL_SIDE)
            _draw_cell(sheet, box, family.of(parent, child))
    for row, parent in enumerate(family.parents):
        place = (left, cells_top + row * _CELL_STEP)
        _draw_person(sheet, parent, family.portraits[parent], place)


def _draw_person(sheet: Sheet, name: str, portrait: Pixels, place: tuple[int, int]) -> None:
    sheet.paste(resized(portrait, _PORTRAIT_SIDE, _PORTRAIT_SIDE), place, round_corners=24)
    below = (place[0] + _PORTRAIT_SIDE / 2, place[1] + _PORTRAIT_SIDE + 24)
    sheet.write(name, below, 30, bold=True, width=_PORTRAIT_SIDE)


def _draw_cell(sheet: Sheet, box: tuple[int, int, int, int], likeness: Likeness) -> None:
    fill, ink = _cell_colours(sheet.theme, likeness.score)
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    width = _CELL_SIDE - 24
    sheet.panel(box, fill)
    score = shown_score(likeness.score)
    sheet.write(score, (middle[0], middle[1] - 14), _SCORE_SIZE, colour=ink, bold=True, width=width)
    interval = interval_words(likeness.score_interval) or f"{score} too"
    sheet.write(interval, (middle[0], middle[1] + 42), 26, colour=ink, width=width)


def _cell_colours(theme: Theme, score: float) -> tuple[Colour, Colour]:
    """The colour of a cell, stronger for a higher score, and an ink that is readable on it."""
    share = np.clip((score - _PALEST) / (_STRONGEST - _PALEST), 0, 1)
    fill = np.array(theme.panel) * (1 - share) + np.array(theme.accent) * share
    bright = float(fill @ [0.299, 0.587, 0.114]) > 140
    ink = (25, 24, 22) if bright else (255, 255, 255)
    red, green, blue = (round(part) for part in fill.tolist())
    return (red, green, blue), ink

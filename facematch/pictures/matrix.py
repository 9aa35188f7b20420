"""Who looks like whom: portraits along two sides, a score for each two, a verdict below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facematch.output.report import NO_PATERNITY_TEST, ends_words, shown_score
from facematch.pictures.canvas import THEMES, Colour, Sheet, Theme, resized
from facematch.types import Pixels

_FACE, _CELL, _GAP, _EDGE = 200, 230, 20, 40  # pixels
_NAME, _VERDICT, _FOOT = 44, 70, 20

Named = tuple[str, Pixels]
Scored = tuple[float, tuple[float, float]]


def draw_matrix(
    parents: Sequence[Named],
    children: Sequence[Named],
    cells: Sequence[Sequence[Scored]],
    verdicts: Sequence[str],
    theme: str = "light",
) -> Pixels:
    """Parents down, children across; `cells[p][c]` is a score and its interval.

    `verdicts[c]` stand below the children, lines apart. Shapes: (H, W, 3).
    """
    colours = THEMES[theme]
    step = _CELL + _GAP
    width = 2 * _EDGE + _FACE + step * len(children)
    height = 2 * _EDGE + _FACE + _NAME + (_CELL + _GAP) * len(parents) + _VERDICT + _FOOT
    sheet = Sheet(max(width, 720), height, colours)
    left, top = _EDGE + _FACE + _GAP, _EDGE + _FACE + _NAME
    for column, (name, picture) in enumerate(children):
        x = left + column * step
        _face(sheet, name, picture, (x + (_CELL - _FACE) // 2, _EDGE))
        _lines(sheet, verdicts[column], (x + _CELL / 2, top + step * len(parents) + 8), _CELL)
    for row, (name, picture) in enumerate(parents):
        y = top + row * step
        _face(sheet, name, picture, (_EDGE, y - 4))
        for column, (score, interval) in enumerate(cells[row]):
            x = left + column * step
            _cell(sheet, (x, y, x + _CELL, y + _CELL), score, interval)
    foot = (sheet.image.width / 2, height - _EDGE / 2 - 14)
    sheet.write(NO_PATERNITY_TEST, foot, 15, colour=colours.quiet, width=sheet.image.width - 40)
    return sheet.pixels()


def _face(sheet: Sheet, name: str, picture: Pixels, place: tuple[int, int]) -> None:
    sheet.paste(resized(picture, _FACE, _FACE), place, round_corners=24)
    below = (place[0] + _FACE / 2, place[1] + _FACE + 20)
    sheet.write(name, below, 24, bold=True, width=_FACE)


def _cell(
    sheet: Sheet, box: tuple[int, int, int, int], score: float, interval: tuple[float, float]
) -> None:
    fill, ink = _tint(sheet.theme, score)
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    sheet.panel(box, fill)
    sheet.write(shown_score(score), (middle[0], middle[1] - 10), 52, colour=ink, bold=True,
                width=_CELL - 30)  # fmt: skip
    spread = ends_words(interval) or "of 100"
    sheet.write(spread, (middle[0], middle[1] + 38), 20, colour=ink, width=_CELL - 30)


def _lines(sheet: Sheet, words: str, place: tuple[float, float], width: float) -> None:
    for at, line in enumerate(words.split("\n")):
        quiet = sheet.theme.quiet if at else None
        sheet.write(line, (place[0], place[1] + 28 * at), 22 - 3 * at, colour=quiet, bold=not at,
                    width=width)  # fmt: skip


def _tint(theme: Theme, score: float) -> tuple[Colour, Colour]:
    """The panel's colour, fuller the higher the score, and ink that is read on it."""
    share = np.clip((score - 50) / 50, 0, 1)
    fill = np.array(theme.panel) * (1 - share) + np.array(theme.accent) * share
    bright = float(fill @ [0.299, 0.587, 0.114]) > 140
    ink = (25, 24, 22) if bright else (255, 255, 255)
    red, green, blue = (round(part) for part in fill.tolist())
    return (red, green, blue), ink

"""A wall of portraits: somebody, and those who look most like them."""

from __future__ import annotations

from collections.abc import Sequence

from facematch.output.report import NO_PATERNITY_TEST
from facematch.pictures.canvas import THEMES, Sheet, resized
from facematch.types import Pixels

_FACE, _GAP, _EDGE, _WORDS = 210, 24, 40, 84  # pixels
_COLUMNS = 4


def draw_wall(
    who: tuple[str, Pixels], found: Sequence[tuple[str, str, Pixels]], theme: str = "light"
) -> Pixels:
    """`who` at the top; then each found: score, a word, portrait; best first. Shapes: (H, W, 3)."""
    colours = THEMES[theme]
    rows = -(-len(found) // _COLUMNS)
    width = 2 * _EDGE + _COLUMNS * (_FACE + _GAP) - _GAP
    height = 2 * _EDGE + _FACE + _GAP + rows * (_FACE + _WORDS) + 30
    sheet = Sheet(width, height, colours)
    sheet.paste(resized(who[1], _FACE, _FACE), (_EDGE, _EDGE), round_corners=24)
    beside = _EDGE + _FACE + _GAP
    room = width - beside - _EDGE
    sheet.write("Who looks most like", (beside, _EDGE + 80), 30, anchor="lm", width=room)
    sheet.write(f"{who[0]}?", (beside, _EDGE + 128), 44, bold=True, anchor="lm", width=room)
    for at, (score, word, portrait) in enumerate(found):
        row, column = divmod(at, _COLUMNS)
        x, y = _EDGE + column * (_FACE + _GAP), 2 * _EDGE + _FACE + row * (_FACE + _WORDS)
        sheet.paste(resized(portrait, _FACE, _FACE), (x, y), round_corners=24)
        middle = x + _FACE / 2
        sheet.write(f"{at + 1}.  {score}", (middle, y + _FACE + 24), 26, bold=True, width=_FACE)
        sheet.write(word, (middle, y + _FACE + 54), 18, colour=colours.quiet, width=_FACE)
    foot = (width / 2, height - 26)
    sheet.write(NO_PATERNITY_TEST, foot, 15, colour=colours.quiet, width=width - 40)
    return sheet.pixels()

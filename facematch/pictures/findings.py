"""The child of a search, and portraits of the people who look most like it."""

from __future__ import annotations

from facematch.analyses.find import Findings, FoundPerson
from facematch.pictures.canvas import THEMES, Sheet, resized
from facematch.scoring.wording import NO_PATERNITY_TEST, counted, shown_score
from facematch.types import Pixels

_FOUND_SIDE, _FOUND_GAP, _FINDINGS_EDGE, _CAPTION_HEIGHT = 210, 24, 40, 84  # pixels
_FOUND_COLUMNS = 4


def draw(findings: Findings, theme: str = "light") -> Pixels:
    """The child at the top; then each person found with a score, best first. Shapes: (H, W, 3)."""
    colours = THEMES[theme]
    side, edge = _FOUND_SIDE, _FINDINGS_EDGE
    rows = -(-len(findings.found) // _FOUND_COLUMNS)
    width = 2 * edge + _FOUND_COLUMNS * (side + _FOUND_GAP) - _FOUND_GAP
    height = 2 * edge + side + _FOUND_GAP + rows * (side + _CAPTION_HEIGHT) + 30
    sheet = Sheet(width, height, colours)
    sheet.paste(resized(findings.portrait, side, side), (edge, edge), round_corners=24)
    beside = edge + side + _FOUND_GAP
    wide = width - beside - edge
    sheet.write("Who looks most like", (beside, edge + 80), 30, anchor="lm", width=wide)
    sheet.write(f"{findings.child}?", (beside, edge + 128), 44, bold=True, anchor="lm", width=wide)
    for index, person in enumerate(findings.found):
        row, column = divmod(index, _FOUND_COLUMNS)
        x = edge + column * (side + _FOUND_GAP)
        y = 2 * edge + side + row * (side + _CAPTION_HEIGHT)
        _draw_person(sheet, person, index + 1, (x, y))
    foot = (width / 2, height - 26)
    sheet.write(NO_PATERNITY_TEST, foot, 15, colour=colours.quiet, width=width - 40)
    return sheet.pixels()


def _draw_person(sheet: Sheet, person: FoundPerson, rank: int, place: tuple[int, int]) -> None:
    side, (x, y) = _FOUND_SIDE, place
    photos = counted(len(person.faces), "photo")
    caption = "perhaps the child" if person.may_be_child else photos
    sheet.paste(resized(person.faces[0].portrait, side, side), place, round_corners=24)
    score = f"{rank}.  {shown_score(person.likeness.score)}"
    sheet.write(score, (x + side / 2, y + side + 24), 26, bold=True, width=side)
    below = (x + side / 2, y + side + 54)
    sheet.write(caption, below, 18, colour=sheet.theme.quiet, width=side)

"""Two faces side by side, with the score and what it means."""

from __future__ import annotations

from facematch.pictures.canvas import THEMES, Sheet, resized
from facematch.scoring.wording import NO_PATERNITY_TEST, score_meaning, score_words
from facematch.types import Match, Pixels

# All in pixels.
_MATCH_EDGE, _MATCH_FACE, _MATCH_GAP, _MATCH_WORDS = 30, 280, 20, 150


def draw(match: Match, theme: str = "light") -> Pixels:
    """The parent's face and the child's as the embedder saw them. Shapes: (H, W, 3).

    Without its chips, as when it comes from elsewhere, the words stand alone.
    """
    colours = THEMES[theme]
    inner = 2 * _MATCH_FACE + _MATCH_GAP
    faces = 0 if match.chips is None else _MATCH_FACE + _MATCH_EDGE
    sheet = Sheet(inner + 2 * _MATCH_EDGE, faces + _MATCH_WORDS + _MATCH_EDGE, colours)
    for i, chip in enumerate([] if match.chips is None else match.chips):
        place = (_MATCH_EDGE + i * (_MATCH_FACE + _MATCH_GAP), _MATCH_EDGE)
        sheet.paste(resized(chip, _MATCH_FACE, _MATCH_FACE), place, round_corners=20)
    middle, top = sheet.image.width / 2, faces + _MATCH_EDGE
    score = f"cosine {match.cosine:.3f}"
    if match.score is not None and match.score_interval is not None:
        score = score_words(match.score, match.score_interval)
        sheet.write(score_meaning(match.score), (middle, top + 72), 22, width=inner)
    sheet.write(score, (middle, top + 24), 40, colour=colours.accent, bold=True, width=inner)
    notice = NO_PATERNITY_TEST.split(":")[0]
    sheet.write(notice, (middle, top + 116), 16, colour=colours.quiet, width=inner)
    return sheet.pixels()

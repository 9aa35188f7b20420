"""For each person of a clip: some frames that the score comes from, in a strip, with the scores."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from facematch.pictures.canvas import THEMES, Sheet, resized
from facematch.scoring.wording import (
    NO_PATERNITY_TEST,
    counted,
    frames_score_words,
    ratio_meaning,
)
from facematch.types import Pixels
from facematch.video.clip import Clip, ClipPerson, time_span
from facematch.video.reader import clock
from facematch.video.tracking import Keyframe

_MOST_HEIGHT = 3600  # pixels of all strips; that of one person is drawn whatever its height
_STRIP_WIDTH = 1080  # pixels: the width of a phone
_STRIP_EDGE, _STRIP_GAP, _STRIP_PADDING = 36, 14, 24
_FRAMES_ACROSS = 4
_TIME_LINE, _PERSON_LINE, _SCORE_LINES, _CLIP_HEAD, _CLIP_FOOT = 40, 56, 92, 110, 90
_FRAME_SIDE = (
    _STRIP_WIDTH - 2 * (_STRIP_EDGE + _STRIP_PADDING) - (_FRAMES_ACROSS - 1) * _STRIP_GAP
) // _FRAMES_ACROSS


def draw(clip: Clip, theme: str = "light") -> Pixels:
    """A strip for each person, one below the other, as many as fit. Shapes: (H, 1080, 3)."""
    ends = list(accumulate(_strip_height(person) + _STRIP_GAP for person in clip.people))
    people = clip.people[: max(sum(end <= _MOST_HEIGHT for end in ends), 1)]
    heights = [_strip_height(person) for person in people]
    height = _CLIP_HEAD + sum(heights) + _STRIP_GAP * len(heights) + _CLIP_FOOT
    sheet = Sheet(_STRIP_WIDTH, height, THEMES[theme])
    wide = _STRIP_WIDTH - 2 * _STRIP_EDGE
    title = (_STRIP_EDGE, _CLIP_HEAD / 2)
    sheet.write(Path(clip.clip).name, title, 40, bold=True, anchor="lm", width=wide)
    top = _CLIP_HEAD
    for person, strip_height in zip(people, heights, strict=True):
        _draw_strip(sheet, person, top, strip_height)
        top += strip_height + _STRIP_GAP
    left_out = len(clip.people) - len(people)
    more = f"and {left_out} more, who were seen less often. " if left_out else ""
    for row, words in enumerate(_two_lines(more + NO_PATERNITY_TEST)):
        place = (_STRIP_EDGE, top + 22 + 34 * row)
        sheet.write(words, place, 24, colour=sheet.theme.quiet, anchor="lm", width=wide)
    return sheet.pixels()


def _strip_height(person: ClipPerson) -> int:
    words = _PERSON_LINE + _SCORE_LINES * len(person.verdicts)
    return 2 * _STRIP_PADDING + _FRAME_SIDE + _TIME_LINE + words


def _shown_frames(keyframes: Sequence[Keyframe]) -> list[Keyframe]:
    """One row of frames, evenly over time, those without a warning first."""
    clear = [keyframe for keyframe in keyframes if not keyframe.warnings]
    some = clear if len(clear) >= _FRAMES_ACROSS else keyframes
    count = min(len(some), _FRAMES_ACROSS)
    picked = np.linspace(0, len(some) - 1, count).round().astype(int)
    return [some[index] for index in picked.tolist()]


def _draw_strip(sheet: Sheet, person: ClipPerson, top: int, height: int) -> None:
    left = _STRIP_EDGE + _STRIP_PADDING
    right = _STRIP_WIDTH - left
    sheet.panel((_STRIP_EDGE, top, _STRIP_WIDTH - _STRIP_EDGE, top + height))
    y = top + _STRIP_PADDING
    half, quiet = (right - left) / 2, sheet.theme.quiet
    sheet.write(person.name, (left, y + 20), 36, bold=True, anchor="lm", width=half)
    seen = f"{time_span(person)}, {counted(len(person.keyframes), 'frame')}"
    sheet.write(seen, (right, y + 20), 26, colour=quiet, anchor="rm", width=half)
    y += _PERSON_LINE
    for column, keyframe in enumerate(_shown_frames(person.keyframes)):
        x = left + column * (_FRAME_SIDE + _STRIP_GAP)
        portrait = resized(keyframe.portrait, _FRAME_SIDE, _FRAME_SIDE)
        sheet.paste(portrait, (x, y), round_corners=10)
        time = (x + _FRAME_SIDE / 2, y + _FRAME_SIDE + 18)
        sheet.write(clock(keyframe.seconds), time, 22, colour=quiet)
    _draw_scores(sheet, person, (left, right), y + _FRAME_SIDE + _TIME_LINE)


def _draw_scores(sheet: Sheet, person: ClipPerson, sides: tuple[int, int], y: int) -> None:
    """The parent, the score and the likelihood ratio, two lines for each parent."""
    left, right = sides
    middle = left + 0.36 * (right - left)
    accent, wide = sheet.theme.accent, right - middle
    for each in person.verdicts:
        score = frames_score_words(each.score, each.score_interval, each.cosine)
        meaning = ratio_meaning(each.likelihood_ratio, each.likelihood_ratio_interval)
        name_width = middle - left - 16
        sheet.write(each.parent, (left, y + 26), 32, bold=True, anchor="lm", width=name_width)
        sheet.write(score, (middle, y + 26), 34, colour=accent, bold=True, anchor="lm", width=wide)
        ratio = f"likelihood ratio {meaning}"
        sheet.write(ratio, (middle, y + 66), 24, anchor="lm", width=wide)
        y += _SCORE_LINES


def _two_lines(words: str) -> tuple[str, str]:
    """Two lines of about the same length, broken between words."""
    middle = words.rfind(" ", 0, len(words) // 2 + 8)
    return words[:middle], words[middle + 1 :]

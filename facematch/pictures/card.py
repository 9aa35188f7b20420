"""The picture that people share: a parent and a child, their score, and what it means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facematch.analyses.card import Card
from facematch.detection.portraits import portrait_frame
from facematch.errors import OptionError
from facematch.pictures.canvas import THEMES, Sheet, resized, text_width
from facematch.scoring.wording import card_meaning, interval_words, neutral_words, shown_score
from facematch.types import Person, Pixels, Points

CARD_STYLES = ("pair", "split", "blend", "swap", "strip")
_CARD_WIDTH, _CARD_EDGE, _PAIR_GAP, _STRIP_STEP = 1080, 60, 15, 12  # pixels
_WORDS_HEIGHT = 470  # pixels, below the faces
_MOST_ON_STRIP = 6  # photos of each person
_CARD_FOOT = "No paternity test: it compares two faces, and says nothing about descent."


def draw(card: Card, theme: str = "light", style: str = "pair") -> Pixels:
    """Faces above names, a score and what it means. Shapes: (H, W, 3).

    Raises OptionError for a style that is not in `CARD_STYLES`.
    """
    faces, colours = _faces(card, style, theme), THEMES[theme]
    inner = _CARD_WIDTH - 2 * _CARD_EDGE
    shown = resized(faces, inner, round(inner * faces.shape[0] / faces.shape[1]))
    sheet = Sheet(_CARD_WIDTH, shown.shape[0] + 2 * _CARD_EDGE + _WORDS_HEIGHT, colours)
    sheet.paste(shown, (_CARD_EDGE, _CARD_EDGE), round_corners=36)
    middle, top = _CARD_WIDTH / 2, _CARD_EDGE + shown.shape[0]
    for name, quarter in ((card.parent.name, 1), (card.child.name, 3)):
        place = (_CARD_EDGE + quarter * inner / 4, top + 50)
        sheet.write(name, place, 44, bold=True, width=inner / 2 - 30)
    _write_score(sheet, card, (middle, top + 106))
    neutral = neutral_words(card.neutral_score)
    sheet.write(neutral, (middle, top + 414), 24, colour=colours.quiet, width=inner)
    sheet.write(_CARD_FOOT, (middle, top + 456), 22, colour=colours.quiet, width=inner)
    return sheet.pixels()


def _write_score(sheet: Sheet, card: Card, place: tuple[float, float]) -> None:
    """The score, its interval and its meaning, one below the other."""
    (middle, top), quiet, inner = place, sheet.theme.quiet, _CARD_WIDTH - 2 * _CARD_EDGE
    sheet.write("mini-me score", (middle, top), 28, colour=quiet)
    score = shown_score(card.likeness.score)
    sheet.write(score, (middle, top + 86), 120, colour=sheet.theme.accent, bold=True)
    if score.isdigit():  # not behind "over 99"
        half = text_width(score, 120, bold=True) / 2
        sheet.write("/100", (middle + half + 12, top + 112), 40, colour=quiet, anchor="lm")
    ends = interval_words(card.likeness.score_interval) or f"{score} too"
    sheet.write(f"with other photos: {ends}", (middle, top + 186), 36, bold=True, width=inner)
    meaning = card_meaning(card.likeness.score, card.child.name)
    sheet.write(meaning, (middle, top + 250), 38, width=inner)


def pair(parent: Pixels, child: Pixels) -> Pixels:
    """Both side by side, alike in size. Shapes: (S, S, 3) twice -> (S, 2 S + gap, 3)."""
    gap = np.full((len(parent), _PAIR_GAP, 3), 255, np.uint8)
    return np.concatenate([parent, gap, child], axis=1)


def split(parent: Pixels, child: Pixels) -> Pixels:
    """The left half of one and the right half of the other, eyes on one line. (S, S, 3)."""
    half = parent.shape[1] // 2
    both = np.concatenate([parent[:, :half], child[:, half:]], axis=1)
    both[:, half - 1 : half + 1] = 255
    return both


def blend(parent: Pixels, child: Pixels) -> Pixels:
    """Both laid over one another, aligned by their landmarks. (S, S, 3)."""
    return ((parent.astype(np.uint16) + child) // 2).astype(np.uint8)


def swap(parent: Pixels, child: Pixels, landmarks: Points) -> Pixels:
    """The parent's face in the child's picture, light and skin made to fit (Pérez et al. 2003).

    Both are aligned alike, their `landmarks` (5, 2) in the same places. Shapes: (S, S, 3).
    """
    import cv2

    between = float(np.linalg.norm(landmarks[0] - landmarks[2]))  # the outer corners of the eyes
    middle = landmarks[4]
    mask = np.zeros(child.shape[:2], np.uint8)
    axes = (round(0.62 * between), round(0.74 * between))  # from brows to chin
    place = (round(float(middle[0])), round(float(middle[1])))
    cv2.ellipse(mask, place, axes, 0, 0, 360, 255, -1)
    rows, columns = np.nonzero(mask)
    # seamlessClone centres the mask's bounding box on the point it is given.
    centre = (
        int(columns.min() + columns.max() + 1) // 2,
        int(rows.min() + rows.max() + 1) // 2,
    )
    cloned = cv2.seamlessClone(parent, child, mask, centre, cv2.NORMAL_CLONE)
    return np.asarray(cloned, np.uint8)


def strip(rows: Sequence[tuple[Sequence[str], NDArray[np.uint8]]], theme: str = "light") -> Pixels:
    """Many photos in rows, a caption under each. Shapes: (N, S, S, 3) a row -> (H, W, 3)."""
    colours = THEMES[theme]
    most = max(3, *(len(captions) for captions, _ in rows))
    side = (_CARD_WIDTH - 2 * _CARD_EDGE - (most - 1) * _STRIP_STEP) // most
    step = side + _STRIP_STEP
    sheet = Sheet(_CARD_WIDTH - 2 * _CARD_EDGE, len(rows) * (side + 44), colours)
    for row, (captions, shown) in enumerate(rows):
        for column, (caption, picture) in enumerate(zip(captions, shown, strict=True)):
            place = (column * step, row * (side + 44))
            sheet.paste(resized(picture, side, side), place, round_corners=12)
            below = (place[0] + side / 2, place[1] + side + 20)
            sheet.write(caption, below, 20, colour=colours.quiet, width=side)
    return sheet.pixels()


def _faces(card: Card, style: str, theme: str) -> Pixels:
    """The upper part of the card, in one of `CARD_STYLES`."""
    parent, child = card.parent.portrait, card.child.portrait
    match style:
        case "pair":
            return pair(parent, child)
        case "split":
            return split(parent, child)
        case "blend":
            return blend(parent, child)
        case "swap":
            return swap(parent, child, portrait_frame(len(child)).template)
        case "strip":
            return strip([_strip_row(card.parent), _strip_row(card.child)], theme)
    raise OptionError(f"no style {style!r}; there are: {', '.join(CARD_STYLES)}")


def _strip_row(person: Person) -> tuple[list[str], Pixels]:
    """Captions and portraits of some photos, evenly chosen, in the order they were taken."""
    days = [(str(day) if day else "", row) for row, day in enumerate(person.taken)]
    order = [row for _, row in sorted(days)]
    count = min(len(order), _MOST_ON_STRIP)
    picked = np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))
    rows = [order[index] for index in picked.tolist()]
    captions = [str(person.taken[row] or person.name) for row in rows]
    return captions, np.asarray(person.portraits[rows])

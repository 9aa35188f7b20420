"""The picture people post: a parent and a child side by side, the score, a line of meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.pictures.canvas import THEMES, Sheet, resized, text_width
from facematch.types import Pixels, Points

_WIDTH, _EDGE, _GAP = 1080, 60, 30  # pixels
_WORDS = 440  # high, below the faces
_FOOT = "No paternity test: it compares two faces, and says nothing about descent."

Named: TypeAlias = tuple[str, Pixels]


def draw_card(
    faces: Pixels, names: tuple[str, str], score: str, meaning: str, theme: str = "light"
) -> Pixels:
    """A picture of faces above names, a score and what it means. Shapes: (H, W, 3) -> (H, W, 3)."""
    colours = THEMES[theme]
    inner = _WIDTH - 2 * _EDGE
    shown = resized(faces, inner, round(inner * faces.shape[0] / faces.shape[1]))
    sheet = Sheet(_WIDTH, shown.shape[0] + 2 * _EDGE + _WORDS, colours)
    sheet.paste(shown, (_EDGE, _EDGE), round_corners=36)
    middle, top = _WIDTH / 2, _EDGE + shown.shape[0]
    quarter = inner / 4
    sheet.write(names[0], (_EDGE + quarter, top + 50), 44, bold=True, width=inner / 2 - 30)
    sheet.write(names[1], (_EDGE + 3 * quarter, top + 50), 44, bold=True, width=inner / 2 - 30)
    sheet.write(score, (middle, top + 180), 120, colour=colours.accent, bold=True)
    half = text_width(score, 120, bold=True) / 2
    sheet.write("/100", (middle + half + 12, top + 206), 40, colour=colours.quiet, anchor="lm")
    sheet.write("mini-me score", (middle, top + 276), 32, colour=colours.quiet)
    sheet.write(meaning, (middle, top + 346), 38, width=inner)
    sheet.write(_FOOT, (middle, top + 428), 22, colour=colours.quiet, width=inner)
    return sheet.pixels()


def pair(parent: Pixels, child: Pixels) -> Pixels:
    """Both side by side, alike in size. Shapes: (S, S, 3) twice -> (S, 2 S + gap, 3)."""
    gap = np.full((len(parent), _GAP // 2, 3), 255, np.uint8)
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
    side = (_WIDTH - 2 * _EDGE - (most - 1) * 12) // most
    step = side + 12
    sheet = Sheet(_WIDTH - 2 * _EDGE, len(rows) * (side + 44), colours)
    for row, (captions, shown) in enumerate(rows):
        for column, (caption, picture) in enumerate(zip(captions, shown, strict=True)):
            place = (column * step, row * (side + 44))
            sheet.paste(resized(picture, side, side), place, round_corners=12)
            below = (place[0] + side / 2, place[1] + side + 20)
            sheet.write(caption, below, 20, colour=colours.quiet, width=side)
    return sheet.pixels()

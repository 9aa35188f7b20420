"""The picture that people share: a parent and a child, their score, and what it means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facematch.analyses.card import Card
from facematch.detection.portraits import portrait_frame
from facematch.errors import OptionError
from facematch.pictures.canvas import THEMES, Sheet, resized
from facematch.pictures.letters import text_width
from facematch.scoring.wording import card_meaning, interval_words, neutral_words, shown_score
from facematch.types import Chips, Person, Pixels, Points

CARD_STYLES = ("pair", "split", "blend", "swap", "strip")
_CARD_WIDTH, _CARD_EDGE, _PAIR_GAP, _STRIP_STEP = 1080, 60, 15, 12  # pixels
_STRIP_NAME, _STRIP_DAY = 60, 44  # pixels, above and below the photos of one person
_WORDS_HEIGHT = 470  # pixels, below the faces
_MOST_ON_STRIP = 6  # photos of each person
# In units of the distance between the outer corners of the eyes: the half axes of the part of a
# face that is blended or swapped, how far its middle lies above the nose's base. In shares of the
# half axes: how wide its edge is.
_MASK_AXES, _MASK_RISE, _MASK_FADE = (0.64, 0.68), 0.12, 0.35
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
        if style != "strip":  # which names them itself
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


def blend(parent: Pixels, child: Pixels, landmarks: Points) -> Pixels:
    """The mean of both faces in the child's picture, from brows to chin: no ears, hair or collar.

    Both are aligned alike, their `landmarks` (5, 2) in the same places. Shapes: (S, S, 3).
    """
    share = face_mask(landmarks, child.shape) / 2
    return np.asarray(np.rint(share * parent + (1 - share) * child), np.uint8)


def swap(parent: Pixels, child: Pixels, landmarks: Points) -> Pixels:
    """The parent's face in the child's picture, light and skin made to fit (Pérez et al. 2003).

    Both are aligned alike, their `landmarks` (5, 2) in the same places. Shapes: (S, S, 3).
    """
    import cv2

    share = face_mask(landmarks, child.shape)
    cloned_area = np.where(share[:, :, 0] > 0, 255, 0).astype(np.uint8)
    rows, columns = np.nonzero(cloned_area)
    # seamlessClone centres the mask's bounding box on the point it is given.
    centre = (
        int(columns.min() + columns.max() + 1) // 2,
        int(rows.min() + rows.max() + 1) // 2,
    )
    cloned = cv2.seamlessClone(parent, child, cloned_area, centre, cv2.NORMAL_CLONE)
    return np.asarray(np.rint(share * cloned + (1 - share) * child), np.uint8)


def face_mask(landmarks: Points, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """1 on brows, eyes, nose and mouth, 0 on ears, jaw, beard and collar, soft between. (H, W, 1).

    An ellipse by the five landmarks (5, 2) of an upright face.
    """
    between = float(np.linalg.norm(landmarks[0] - landmarks[2]))  # the outer corners of the eyes
    x, y = landmarks[4] - [0, _MASK_RISE * between]
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    wide, high = _MASK_AXES
    reach = np.hypot((columns - x) / (wide * between), (rows - y) / (high * between))
    share = np.clip((1 - reach) / _MASK_FADE, 0, 1)
    return np.asarray(share * share * (3 - 2 * share))[:, :, np.newaxis]  # without a visible edge


def strip(rows: Sequence[tuple[str, Sequence[str], Chips]], theme: str = "light") -> Pixels:
    """Each person's name above their photos, the days below. Photos (N, S, S, 3) -> (H, W, 3)."""
    colours, inner = THEMES[theme], _CARD_WIDTH - 2 * _CARD_EDGE
    most = max(3, *(len(days) for _, days, _ in rows))
    side = (inner - (most - 1) * _STRIP_STEP) // most
    step, height = side + _STRIP_STEP, side + _STRIP_NAME + _STRIP_DAY
    sheet = Sheet(inner, len(rows) * height, colours)
    for row, (name, days, shown) in enumerate(rows):
        sheet.write(name, (inner / 2, row * height + 26), 40, bold=True, width=inner)
        left = (inner - len(days) * step + _STRIP_STEP) // 2
        for column, (day, picture) in enumerate(zip(days, shown, strict=True)):
            place = (left + column * step, row * height + _STRIP_NAME)
            sheet.paste(resized(picture, side, side), place, round_corners=12)
            below = (place[0] + side / 2, place[1] + side + 20)
            sheet.write(day, below, 20, colour=colours.quiet, width=side)
    return sheet.pixels()


def _faces(card: Card, style: str, theme: str) -> Pixels:
    """The upper part of the card, in one of `CARD_STYLES`."""
    match style:
        case "pair":
            return pair(card.parent.portrait, card.child.portrait)
        case "split":
            return split(*_aligned(card)[:2])
        case "blend":
            return blend(*_aligned(card))
        case "swap":
            return swap(*_aligned(card))
        case "strip":
            return strip([_strip_row(card.parent), _strip_row(card.child)], theme)
    raise OptionError(f"no style {style!r}; there are: {', '.join(CARD_STYLES)}")


def _aligned(card: Card) -> tuple[Pixels, Pixels, Points]:
    """The same part of both portraits' frames, and the landmarks in it, (5, 2)."""
    size = len(card.child.portrait)
    left, top, side = common = _common_square(card.parent.square, card.child.square)
    pictures = [_cut_out(each.portrait, each.square, common) for each in (card.parent, card.child)]
    landmarks = (portrait_frame(1).template - [left, top]) / side * size
    return pictures[0], pictures[1], landmarks.astype(np.float32)


def _common_square(*squares: tuple[float, float, float]) -> tuple[float, float, float]:
    """The largest square in all of them, nearest to the middle of the face."""
    starts = np.max([square[:2] for square in squares], axis=0)
    ends = np.min([np.add(square[:2], square[2]) for square in squares], axis=0)
    side = float((ends - starts).min())
    middle = portrait_frame(1).template.mean(axis=0)
    left, top = np.clip(middle - side / 2, starts, ends - side).tolist()
    return left, top, side


def _cut_out(
    portrait: Pixels, square: tuple[float, float, float], wanted: tuple[float, float, float]
) -> Pixels:
    """The wanted square of the frame, of a portrait that shows `square`. (S, S, 3) -> (S, S, 3)."""
    size = len(portrait)
    scale = size / square[2]
    left, top = (round((wanted[axis] - square[axis]) * scale) for axis in (0, 1))
    side = round(wanted[2] * scale)
    return resized(portrait[top : top + side, left : left + side], size, size)


def _strip_row(person: Person) -> tuple[str, list[str], Chips]:
    """A name, days and portraits of some photos, evenly chosen, in the order they were taken."""
    days = [str(day or "") for day in person.taken]
    order = sorted(range(len(days)), key=days.__getitem__)
    count = min(len(order), _MOST_ON_STRIP)
    picked = np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))
    rows = [order[index] for index in picked.tolist()]
    return person.name, [days[row] for row in rows], np.asarray(person.portraits[rows])

"""dlib's pyramid: smaller and smaller copies of a photo, side by side in one picture.

Each level is 5/6 of the size of the one before; level 0 is the largest. The layout and the
resampling follow dlib (dlib/image_transforms/image_pyramid.h).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from facematch.types import Pixels

Rect: TypeAlias = tuple[int, int, int, int]  # left, top, width, height

LEVEL_SCALE = 5 / 6  # size of a level, relative to the one before
_LEVEL_GAP, _PYRAMID_MARGIN = 10, 11  # pixels between two levels, and around all levels
_BACKGROUND = (123, 117, 104)  # between the levels: the network's input means, rounded
_SMALLEST_LEVEL = 5  # rows


@dataclass(frozen=True, slots=True, eq=False)
class Pyramid:
    """The levels, largest first, their places in the picture of all levels, and its size.

    `size` is (width, height). The picture can be had in parts.
    """

    levels: list[Pixels]
    rects: list[Rect]
    size: tuple[int, int]

    @classmethod
    def of(cls, base: Pixels) -> Pyramid:
        """The pyramid whose level 0 is `base`."""
        rects, size = pyramid_layout(base.shape[1], base.shape[0])
        levels = [base]
        for _, _, width, height in rects[1:]:
            levels.append(_resized_level(levels[-1], width, height))
        return cls(levels, rects, size)

    def picture(self, top: int, bottom: int, left: int, right: int) -> Pixels:
        """A part of the picture of all levels; what lies outside that picture is left out."""
        bottom, right = min(bottom, self.size[1]), min(right, self.size[0])
        part = np.empty((max(bottom - top, 0), max(right - left, 0), 3), np.uint8)
        part[:] = np.array(_BACKGROUND, np.uint8)
        for level, (x, y, width, height) in zip(self.levels, self.rects, strict=True):
            rows = slice(max(y, top), min(y + height, bottom))
            columns = slice(max(x, left), min(x + width, right))
            if rows.start < rows.stop and columns.start < columns.stop:
                part[
                    rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
                ] = level[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
        return part

    def columns(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The levels from `start` to before `stop`, as ranges of levels that lie in one column."""
        on_the_left = sum(rect[0] == _PYRAMID_MARGIN for rect in self.rects)
        for first, last in ((0, on_the_left), (on_the_left, len(self.rects))):
            if max(first, start) < min(last, stop):
                yield max(first, start), min(last, stop)


def pyramid_layout(width: int, height: int) -> tuple[list[Rect], tuple[int, int]]:
    """The place of each level in the picture of all levels, and that picture's size.

    The levels run down the left side until one fits beside the one before, then up the right side.
    Gives the rectangles, largest first, and (width, height).
    """
    sizes = [(width, height)]
    while True:
        level = int(sizes[-1][0] * LEVEL_SCALE), int(sizes[-1][1] * LEVEL_SCALE)
        if level[0] == 0 or level[1] < _SMALLEST_LEVEL:
            break
        sizes.append(level)
    down = _levels_on_the_left(sizes)
    rects: list[Rect] = []
    y = _PYRAMID_MARGIN
    for level in sizes[:down]:
        rects.append((_PYRAMID_MARGIN, y, *level))
        y += level[1] + _LEVEL_GAP
    bottom = y - _LEVEL_GAP
    y = bottom
    for level in sizes[down:]:
        rect = (_PYRAMID_MARGIN + width - level[0], y - level[1], *level)
        if rectangles_intersect(rect, rects[0]):
            break
        rects.append(rect)
        y -= level[1] + _LEVEL_GAP
    return rects, (width + 2 * _PYRAMID_MARGIN, bottom + _PYRAMID_MARGIN)


def _levels_on_the_left(sizes: list[tuple[int, int]]) -> int:
    """How many levels run down the left side."""
    width, height = sizes[0]
    total = sum(level[1] + _LEVEL_GAP for level in sizes) - 2 * _LEVEL_GAP
    reached, width_before = 0, 0
    for index, level in enumerate(sizes):
        if (
            level[0] <= width - width_before - _LEVEL_GAP
            and 2 * (reached - height) >= total - height
        ):
            return index
        reached += level[1] + _LEVEL_GAP
        width_before = level[0]
    return len(sizes)


def rectangles_intersect(one: Rect, other: Rect) -> bool:
    """Whether two rectangles have a pixel in common."""
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )


def _resized_level(level: Pixels, width: int, height: int) -> Pixels:
    """The level resized as dlib does it: bilinear, corner pixels mapped to corner pixels.

    dlib keeps fractions of pixel values from level to level. Rounding them moves a confidence by
    0.001 at most.
    """
    import cv2

    before = np.array([level.shape[1], level.shape[0]])
    after = np.array([width, height])
    if (before == after).all():
        return level
    step = np.diag((before - 1) / np.maximum(after - 1, 1))
    inverse = np.column_stack([step, np.zeros(2)])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    edge = cv2.BORDER_REPLICATE
    smaller = cv2.warpAffine(level, inverse, (width, height), flags=flags, borderMode=edge)
    return np.asarray(smaller, np.uint8)

"""dlib's CNN face detector (max-margin object detection, King 2015), run by onnxruntime.

The network takes one picture that holds all levels of a pyramid side by side. Each level is 5/6 of
the size of the one before. The network scores a window of 80 pixels every 8 pixels. The layout, the
resampling and the overlap rule follow dlib (dlib/image_transforms/image_pyramid.h,
dlib/dnn/loss.h), so that it finds the same faces.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.detection.boxes import dlib_overlap
from facematch.detection.face_size import check_size, smallest_face
from facematch.types import Box, Face, Pixels
from facematch.weights.onnx_graphs import mmod_graph
from facematch.weights.sessions import dlib_session

if TYPE_CHECKING:
    import onnxruntime

Rect: TypeAlias = tuple[int, int, int, int]  # left, top, width, height

_MMOD_WINDOW = 80  # pixels: the side of the faces the network was trained on
_MMOD_MOST_PIXELS = 100_000_000  # at the base level; searching that many takes a minute

_LEVEL_SCALE = 5 / 6  # size of a level, relative to the one before
_LEVEL_SHIFT = 0.3  # pixels that dlib adds on the way from a level to the one before
_LEVEL_GAP, _PYRAMID_MARGIN = 10, 11  # pixels between two levels, and around all levels
_BACKGROUND = (123, 117, 104)  # between the levels: the network's input means, rounded
_SMALLEST_LEVEL = 5  # rows
_SAME_FACE_OVERLAP = 0.3382761351109955  # from the training options in the weight file
_STRIDE, _FIRST_CENTRE = 8, 14  # three 5x5 convolutions of stride 2, unpadded
_ROWS_SEEN = 29  # pixel rows that one row of their output depends on
_HALO = 10  # rows of their output beyond a band's edge that the padded convolutions depend on
_BAND_PIXELS = 4_000_000  # run through the network at a time: some 250 MB


class MmodDetector:
    """Finds faces with dlib's CNN detector. Confidences are dlib's own; faces score above 0."""

    name = "mmod"

    def detect(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        """Faces, most confident first, as dlib finds them in the photo scaled by 80 / `min_face`.

        Raises OptionError where so small a `min_face` would make the photo too large to search.
        """
        height, width = pixels.shape[:2]
        base = _base_level(pixels, _MMOD_WINDOW / smallest_face(pixels, min_face))
        levels, size = pyramid_layout(base.shape[1], base.shape[0])
        scores = self._scores(_pyramid_picture(base, levels, size))
        to_photo = np.array([width / base.shape[1], height / base.shape[0]] * 2)
        return [
            Face(box=_in_photo(box, to_photo), confidence=confidence)
            for box, confidence in _best_boxes(*_candidates(scores, levels))
        ]

    def _scores(self, picture: Pixels) -> NDArray[np.float32]:
        """The network's scores (h, w), computed band by band so that memory stays bounded."""
        height, width = picture.shape[:2]
        rows = max((height - _ROWS_SEEN) // _STRIDE + 1, 0)
        if not rows or width < _ROWS_SEEN:
            return np.empty((0, 0), np.float32)
        step = max(_BAND_PIXELS // (width * _STRIDE), 4 * _HALO)
        bands = [
            self._band(picture, start, min(start + step, rows), rows)
            for start in range(0, rows, step)
        ]
        return np.concatenate(bands)

    def _band(self, picture: Pixels, start: int, stop: int, rows: int) -> NDArray[np.float32]:
        first, last = max(start - _HALO, 0), min(stop + _HALO, rows)
        band = picture[first * _STRIDE : (last - 1) * _STRIDE + _ROWS_SEEN]
        (scores,) = self._session.run(None, {"pixels": band[np.newaxis]})
        return np.asarray(scores, np.float32)[0, 0, start - first : stop - first]

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        return dlib_session("dlib-mmod", mmod_graph)


def pyramid_layout(width: int, height: int) -> tuple[list[Rect], tuple[int, int]]:
    """The place of each level in the picture of all levels, and that picture's size.

    The levels run down the left side until one fits beside the one before, then up the right side.
    Gives the rectangles, largest first, and (width, height).
    """
    sizes = [(width, height)]
    while True:
        level = int(sizes[-1][0] * _LEVEL_SCALE), int(sizes[-1][1] * _LEVEL_SCALE)
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
        if _rectangles_intersect(rect, rects[0]):
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


def _rectangles_intersect(one: Rect, other: Rect) -> bool:
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )


def _base_level(pixels: Pixels, scale: float) -> Pixels:
    """The base level, where a face of the smallest size is 80 pixels wide."""
    import cv2

    check_size(pixels, scale, _MMOD_MOST_PIXELS, _MMOD_WINDOW)
    height, width = pixels.shape[:2]
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    if size == (width, height):
        return pixels
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=smooth), np.uint8)


def _pyramid_picture(base: Pixels, levels: list[Rect], size: tuple[int, int]) -> Pixels:
    """The picture of all levels."""
    picture = np.full((size[1], size[0], 3), _BACKGROUND, np.uint8)
    level = base
    for left, top, width, height in levels:
        level = _resized_level(level, width, height)
        picture[top : top + height, left : left + width] = level
    return picture


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


def _candidates(
    scores: NDArray[np.float32], levels: list[Rect]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Windows that score above 0, best first: boxes (N, 4) in the base level, and scores (N,)."""
    rows, columns = np.nonzero(scores > 0)
    best = np.argsort(-scores[rows, columns], kind="stable")
    rows, columns = rows[best], columns[best]
    centres = np.stack([columns, rows], axis=1) * _STRIDE + _FIRST_CENTRE
    rects = np.array(levels)
    low, high = rects[:, :2], rects[:, :2] + rects[:, 2:] - 1
    nearest = np.clip(centres[:, np.newaxis], low, high)
    level = np.argmin(np.linalg.norm(nearest - centres[:, np.newaxis], axis=2), axis=1)
    half = (_MMOD_WINDOW - 1) / 2
    corners = (centres - low[level])[:, np.newaxis] + np.array([[-half] * 2, [half] * 2])
    grown = (1 / _LEVEL_SCALE) ** level[:, np.newaxis]
    shift = _LEVEL_SHIFT / (1 / _LEVEL_SCALE - 1)
    boxes = corners.reshape(-1, 4) * grown + shift * (grown - 1)
    # dlib rounds with lround of C, which rounds halves to the larger magnitude.
    return np.copysign(np.floor(np.abs(boxes) + 0.5), boxes), scores[rows, columns]


def _best_boxes(
    boxes: NDArray[np.float64], scores: NDArray[np.float32]
) -> list[tuple[NDArray[np.float64], float]]:
    """The boxes that overlap no better one, best first."""
    kept: list[tuple[NDArray[np.float64], float]] = []
    for box, score in zip(boxes, scores, strict=True):
        if not any(dlib_overlap(box, other) > _SAME_FACE_OVERLAP for other, _ in kept):
            kept.append((box, float(score)))
    return kept


def _in_photo(box: NDArray[np.float64], scale: NDArray[np.float64]) -> Box:
    # At every scale, the centre of pixel x lies at x + 0.5.
    x_min, y_min, x_max, y_max = ((box + 0.5) * scale - 0.5).tolist()
    return x_min, y_min, x_max, y_max

"""How much boxes overlap: one function for each of the three measures that facematch needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facematch.types import Box


def overlap(one: Box, other: Box) -> float:
    """The intersection of two boxes over their union (IoU), 0 to 1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def dlib_overlaps(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """The overlap of a box with each other box by dlib's rule for MMOD, 0 to 1.

    dlib divides the intersection by the area of the rectangle around both boxes. Its boxes include
    their last row and column. Shapes: (4,), (N, 4) -> (N,).
    """
    low, high = box[:2], box[2:]
    inner = np.minimum(others[:, 2:], high) - np.maximum(others[:, :2], low) + 1
    outer = np.maximum(others[:, 2:], high) - np.minimum(others[:, :2], low) + 1
    return np.asarray(inner.clip(0).prod(axis=1) / outer.prod(axis=1))


def shares_inside(rectangles: NDArray[np.float64]) -> NDArray[np.float64]:
    """`shares[i, j]` is the part of rectangle i that lies inside rectangle j.

    A rectangle is left, top, width, height. Shapes: (N, 4) -> (N, N).
    """
    low, high = rectangles[:, :2], rectangles[:, :2] + rectangles[:, 2:]
    sides = np.minimum(high[:, np.newaxis], high) - np.maximum(low[:, np.newaxis], low)
    areas = rectangles[:, 2:].prod(axis=1)
    return np.asarray(sides.clip(0).prod(axis=2) / areas[:, np.newaxis])

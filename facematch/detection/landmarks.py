"""From a box to five landmarks: dlib's ensemble of regression trees (Kazemi & Sullivan 2014).

All trees of a stage and all boxes of a photo are evaluated at once. Constants and the order of the
steps follow dlib/image_processing/shape_predictor.h.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facematch.types import Box, Pixels
from facematch.weights.files import CONVERTER_VERSION, converted
from facematch.weights.shape_predictor import forest_archive, open_forest, read_forest

if TYPE_CHECKING:
    from facematch.weights.shape_predictor import Forest

Shapes = NDArray[np.float32]  # (N, 5, 2) in units of the box: top left is 0, 0; bottom right 1, 1


class LandmarkLocator:
    """Locates the five landmarks of `Face.landmarks`. Weights are read on first use."""

    def locate(self, pixels: Pixels, boxes: Sequence[Box]) -> NDArray[np.float32]:
        """The landmarks in each box, in whole pixels of the photo. Shapes: N boxes -> (N, 5, 2)."""
        forest = self._forest
        origin, size = _origin_and_size(boxes)
        shapes = np.repeat(forest.initial_shape[np.newaxis], len(boxes), axis=0)
        for stage in range(len(forest.first)):
            points = _split_points(forest, stage, shapes)
            intensities = _intensities(pixels, points * size + origin)
            shapes = _shapes_after_stage(forest, stage, shapes, intensities)
        return _nearest_pixel(shapes * size + origin).astype(np.float32)

    @cached_property
    def _forest(self) -> Forest:
        archive = converted(
            "dlib-landmarks",
            lambda data: forest_archive(read_forest(data)),
            version=CONVERTER_VERSION,
            suffix=".npz",
        )
        return open_forest(archive)


def _origin_and_size(boxes: Sequence[Box]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Top left corner and size of each box. Shapes: (N, 1, 2) each."""
    corners = np.asarray(boxes, np.float64).reshape(-1, 2, 2)
    return corners[:, :1], corners[:, 1:] - corners[:, :1]


def _split_points(forest: Forest, stage: int, shapes: Shapes) -> NDArray[np.float32]:
    """The points a stage's trees compare, in units of the box. Shapes: (N, 5, 2) -> (N, K, 2)."""
    turned = forest.deltas[stage] @ _fitted_rotations(forest.initial_shape, shapes)
    return np.asarray(turned + shapes[:, forest.anchors[stage]], np.float32)


def _fitted_rotations(initial: NDArray[np.float32], shapes: Shapes) -> NDArray[np.float32]:
    """The rotation and scale that fits the initial shape to each shape with least squares.

    Computed with complex numbers. Each matrix multiplies rows from the right. Shapes: (N, 2, 2).
    """
    before = (initial - initial.mean(axis=0)).astype(np.float64) @ [1, 1j]
    after = (shapes - shapes.mean(axis=1, keepdims=True)).astype(np.float64) @ [1, 1j]
    factor = after @ before.conj() / np.vdot(before, before)
    rows = [[factor.real, factor.imag], [-factor.imag, factor.real]]
    return np.moveaxis(np.array(rows, np.float32), 2, 0)


def _nearest_pixel(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest whole pixel. Halves go up, as in dlib, since one pixel can change a split."""
    return np.floor(points + 0.5)


def _intensities(pixels: Pixels, points: NDArray[np.float64]) -> NDArray[np.float32]:
    """The mean of R, G and B, rounded down, of the pixel at each point; 0 outside the photo."""
    height, width = pixels.shape[:2]
    # Points far outside are moved closer, still outside: large numbers would not fit an integer.
    nearest = _nearest_pixel(np.clip(points, -2, max(width, height) + 2)).astype(np.intp)
    x, y = nearest[..., 0], nearest[..., 1]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    colours = pixels[np.where(inside, y, 0), np.where(inside, x, 0)]
    greys = colours.sum(axis=-1, dtype=np.uint16) // 3
    return np.where(inside, greys, 0).astype(np.float32)


def _shapes_after_stage(
    forest: Forest, stage: int, shapes: Shapes, intensities: NDArray[np.float32]
) -> Shapes:
    """The shapes after one stage: each tree adds one leaf. `intensities` is (N, K)."""
    first, second = forest.first[stage], forest.second[stage]
    greater = intensities[:, first] - intensities[:, second] > forest.threshold[stage]
    trees, splits = np.arange(first.shape[0]), first.shape[1]
    rows = np.arange(len(intensities))[:, np.newaxis]
    node = np.zeros((len(intensities), len(trees)), np.intp)
    for _ in range((splits + 1).bit_length() - 1):
        node = 2 * node + 2 - greater[rows, trees, node]  # greater goes left
    leaves = forest.leaves[stage][trees, node - splits]
    # Added tree by tree in float32 as in dlib, since even the last bit can change a split.
    summed = np.concatenate([shapes[:, np.newaxis], leaves], axis=1).sum(axis=1, dtype=np.float32)
    return np.asarray(summed, np.float32)

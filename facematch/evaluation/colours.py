"""Colour statistics of a picture: the baseline without any face model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facematch.types import Box, Pixels

_CHIP_MARGIN = 0.25  # of the box, added on each side: the area of a chip


def colours(pixels: Pixels) -> NDArray[np.float64]:
    """Mean and standard deviation of each channel of CIELAB, (6,).

    Pairs cut from one photograph share its light. As far as these numbers tell kin from strangers,
    a face model may do so by light and colour too.
    """
    import cv2

    channels = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float64)
    return np.concatenate([channels.mean(axis=0), channels.std(axis=0)])


def crop_around(pixels: Pixels, box: Box) -> Pixels:
    """The part of a photo that a face's chip shows, at least one pixel."""
    height, width = pixels.shape[:2]
    x_min, y_min, x_max, y_max = box
    margin = _CHIP_MARGIN * max(x_max - x_min, y_max - y_min)
    left, top = (
        int(np.clip(edge - margin, 0, size - 1)) for edge, size in ((x_min, width), (y_min, height))
    )
    right, bottom = (
        int(np.clip(edge + margin, 0, size)) for edge, size in ((x_max, width), (y_max, height))
    )
    return pixels[top : max(bottom, top + 1), left : max(right, left + 1)]

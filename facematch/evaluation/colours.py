"""Colour statistics: all that a test without any face model sees of a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facematch.types import Box, Pixels

_GROWN = 0.25  # of the box, on each side: what a chip shows


def colours(pixels: Pixels) -> NDArray[np.float64]:
    """Mean and standard deviation of each channel of CIELAB, (6,).

    Pairs cut from one photograph share its light; what these numbers find of kinship, a face
    model may have found in the same way.
    """
    import cv2

    channels = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float64)
    return np.concatenate([channels.mean(axis=0), channels.std(axis=0)])


def crop_around(pixels: Pixels, box: Box) -> Pixels:
    """The part of a photo that a face's chip shows; at least one pixel of it."""
    height, width = pixels.shape[:2]
    x_min, y_min, x_max, y_max = box
    grown = _GROWN * max(x_max - x_min, y_max - y_min)
    left, top = (
        int(np.clip(at - grown, 0, most - 1)) for at, most in ((x_min, width), (y_min, height))
    )
    right, bottom = (
        int(np.clip(at + grown, 0, most)) for at, most in ((x_max, width), (y_max, height))
    )
    return pixels[top : max(bottom, top + 1), left : max(right, left + 1)]

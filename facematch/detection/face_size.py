"""Rules that all detectors share: the smallest face to find, and the largest photo to search."""

from __future__ import annotations

import math

from facematch.errors import OptionError
from facematch.types import Pixels

_SMALLEST_SHARE = 0.05  # of the photo's long side: the smallest face by default
# Pixels. The chip of dlib's ResNet has 150 pixels and its face some 100: smaller faces are enlarged
# more than four times, and their vectors say little of who is shown.
SMALLEST_EMBEDDED = 24.0


def smallest_face(pixels: Pixels, min_face: float | None) -> float:
    """The side in pixels of the smallest face to find: `min_face` where it is given.

    Otherwise 5 % of the long side, and at least `SMALLEST_EMBEDDED`: so small photos are not
    enlarged for faces that are too small to compare. Raises OptionError unless it is above 0.
    """
    if min_face is None:
        return max(_SMALLEST_SHARE * float(max(pixels.shape[:2])), SMALLEST_EMBEDDED)
    if not min_face > 0:
        raise OptionError(f"the smallest face cannot have {min_face} pixels: try 20 or more")
    return min_face


def check_size(pixels: Pixels, scale: float, most: int, window: int) -> None:
    """Raise OptionError where the photo, scaled, has more than `most` pixels to search.

    `window` is the side in pixels of the smallest face that the detector finds unscaled.
    """
    height, width = pixels.shape[:2]
    if height * width * scale**2 > most:
        least = window / math.sqrt(most / (width * height))
        raise OptionError(
            f"so small a face is too much to search for in {width}x{height} pixels: "
            f"try min_face={math.ceil(least)} or more"
        )

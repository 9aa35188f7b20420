"""A decoded picture of any mode as RGB pixels of 8 bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facematch.types import Pixels

# Pixels converted to RGB at a time. It saves a second full-size picture in memory, and it is far
# below the size at which Image.crop compares with MAX_IMAGE_PIXELS.
_PIXELS_PER_STRIP = 2**16
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # of a TIFF


def rgb_pixels(image: Image.Image) -> Pixels:
    """Decode the picture and copy it to RGB pixels.

    Colour profiles are ignored. Phones write Display P3, whose colours look a little dull when read
    as sRGB. That hardly changes an embedding, while a conversion takes time and parses more bytes
    of a file that may be hostile.
    """
    image.load()
    white, is_negative = _white_value(image), _is_negative(image)
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _PIXELS_PER_STRIP // width)
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        pixels[top : top + rows] = _scaled_grey(strip, white) if white else _opaque_rgb(strip)
    return np.subtract(255, pixels, out=pixels) if white and is_negative else pixels


def _white_value(image: Image.Image) -> float | None:
    """The value of white in a grey picture of more than 8 bits; None for any other picture.

    A TIFF says how many of 16 bits it uses. The modes "I" (32-bit integers) and "F" (floats) do not
    define white. It is then the smallest of 1 (floats only), 255 and 65535 that no pixel exceeds,
    or else the largest pixel.
    """
    if image.mode.startswith("I;16"):
        (bits, *_) = _tiff_tags(image).get(_BITS_PER_SAMPLE, (16,))
        return float(2 ** min(bits, 16) - 1)
    if image.mode not in ("I", "F"):
        return None
    values = np.asarray(image)
    largest = float(np.max(values, where=np.isfinite(values), initial=0))
    whites = (255.0, 65535.0) if image.mode == "I" else (1.0, 255.0, 65535.0)
    return next((white for white in whites if largest <= white), largest)


def _is_negative(image: Image.Image) -> bool:
    """Whether a TIFF says that 0 is white. Pillow heeds that for pixels of up to 8 bits."""
    return _tiff_tags(image).get(_PHOTOMETRIC) == _WHITE_IS_ZERO


def _tiff_tags(image: Image.Image) -> Mapping[int, Any]:
    """The tags of a TIFF; none for any other picture."""
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    return tags


def _scaled_grey(strip: Image.Image, white: float) -> NDArray[np.uint8]:
    """Grey of many bits, scaled to 8 bits. Pillow would clip it: 300 of 65535 would be white."""
    values = np.asarray(strip).astype(np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=white, neginf=0.0).clip(0, white)
    return np.rint(values * (255 / white)).astype(np.uint8)[:, :, np.newaxis]


def _opaque_rgb(strip: Image.Image) -> NDArray[np.uint8]:
    """RGB, on a white background where the strip is transparent."""
    if strip.mode == "La":  # Pillow converts this mode to LA only
        strip = strip.convert("LA")
    if strip.has_transparency_data:
        transparent = strip.convert("RGBA")
        strip = Image.new("RGB", strip.size, "white")
        strip.paste(transparent, mask=transparent)
    return np.asarray(strip.convert("RGB"))

"""A photo with its faces marked."""

from __future__ import annotations

import numpy as np

from facematch.types import Pixels, Portrait

_MARK_COLOUR = (255, 210, 0)  # RGB


def draw(portrait: Portrait, theme: str = "light") -> Pixels:
    """A copy of the photo with each face's box, number and landmarks, the same in every theme.

    Shapes: (H, W, 3).
    """
    import cv2

    pixels = portrait.photo.pixels
    picture = np.ascontiguousarray(pixels.copy())
    thick = max(round(max(pixels.shape) / 400), 1)
    for number, face in enumerate(portrait.faces, start=1):
        left, top, right, bottom = (round(side) for side in face.box)
        cv2.rectangle(picture, (left, top), (right, bottom), _MARK_COLOUR, thick)
        for x, y in [] if face.landmarks is None else face.landmarks.tolist():
            cv2.circle(picture, (round(x), round(y)), 2 * thick, _MARK_COLOUR, -1)
        place, letters = (left, max(top - 2 * thick, 12 * thick)), cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(picture, str(number), place, letters, thick / 2, _MARK_COLOUR, thick)
    return picture

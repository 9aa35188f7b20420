"""A photo with its faces marked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facematch.types import Face, Pixels

_MARK = (255, 210, 0)  # RGB


def draw_faces(pixels: Pixels, faces: Sequence[Face]) -> Pixels:
    """A copy of the photo with each face's box, number and landmarks."""
    import cv2

    picture = np.ascontiguousarray(pixels.copy())
    thick = max(round(max(pixels.shape) / 400), 1)
    for number, face in enumerate(faces, start=1):
        left, top, right, bottom = (round(side) for side in face.box)
        cv2.rectangle(picture, (left, top), (right, bottom), _MARK, thick)
        for x, y in [] if face.landmarks is None else face.landmarks.tolist():
            cv2.circle(picture, (round(x), round(y)), 2 * thick, _MARK, -1)
        place = (left, max(top - 2 * thick, 12 * thick))
        cv2.putText(picture, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, thick / 2, _MARK, thick)
    return picture

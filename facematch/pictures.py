"""Pictures of what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facematch.errors import UnreadablePhotoError
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


def save_picture(pixels: Pixels, path: Path) -> Path:
    """Write a PNG; gives its path. Raises UnreadablePhotoError where that cannot be done."""
    from PIL import Image

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, format="PNG")
    except OSError as error:
        raise UnreadablePhotoError(str(path), f"cannot be written ({error.strerror})") from error
    return path

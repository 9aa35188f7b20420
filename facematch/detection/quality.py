"""What about a face makes a score less sure: it is small, blurred, cut off or turned away.

The limits were set by eye on photographs of known quality; none of them changes a score.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facematch.types import Face, Pixels, Points, Portrait

SMALL = 60  # pixels of the file: a chip cut from less is enlarged more than 1.6 times
TURNED = 0.2  # of the distance between the eyes: how far the nose lies off their middle
# Of 256 places. Copies of 34 photographs, packed hard, made half as large, lighter or grey, differ
# in 27 at most and in 10 mostly; two of 3,000 faces cropped alike, of FIW, in 25 or more.
_SAME_PICTURE = 24
# Of the chip, black for what lies beyond the photo. Strangers' scores lie 0.3 from flat where half
# of every chip is black alike, 0.1 where a quarter is and faces are small (80 families of FIW, cut
# so); FIW's, where they are flat, miss 0.10, one in a hundred 0.19.
CUT_OFF = 0.2
BLURRED = 0.025  # sharp faces have 0.05 to 1; one smoothed by a Gaussian of 2 pixels about 0.01


def quality_warnings(face: Face, chip: Pixels, *, scale: float = 1.0) -> list[str]:
    """What to warn of, each a phrase about the face; [] for a good one.

    `chip` shows the face as it was embedded; `scale` is that of the photo it was found in.
    """
    side = min(face.box[2] - face.box[0], face.box[3] - face.box[1]) / scale
    warnings = []
    if side < SMALL:
        warnings.append(f"the face is small ({side:.0f} pixels): a larger one says more")
    elif sharpness(chip) < BLURRED:
        warnings.append("the face is blurred: a sharper photo says more")
    if (chip.max(axis=2) == 0).mean() > CUT_OFF:
        warnings.append(
            "the face is at the photo's edge: such faces seem alike, one seen whole says more"
        )
    if face.landmarks is not None and turn(face.landmarks) > TURNED:
        warnings.append("the face is turned away: one seen from the front says more")
    return warnings


def face_warnings(portrait: Portrait, at: int) -> list[str]:
    """What to warn of, of one face of a portrait."""
    return quality_warnings(portrait.faces[at], portrait.chips[at], scale=portrait.photo.scale)


def is_same_picture(one: Pixels, other: Pixels) -> bool:
    """Whether two photos are one picture, saved anew, made smaller or lighter.

    By difference hash (Krawetz 2013): does each of 16x16 places become lighter to the right?
    """
    differing = np.count_nonzero(_difference_hash(one) != _difference_hash(other))
    return bool(differing <= _SAME_PICTURE)


def _difference_hash(pixels: Pixels) -> NDArray[np.bool_]:
    import cv2

    small = cv2.resize(pixels, (17, 16), interpolation=cv2.INTER_AREA).astype(np.int16)
    grey = small.sum(axis=2)
    return np.asarray(grey[:, 1:] > grey[:, :-1])


def sharpness(chip: Pixels) -> float:
    """The variance of the Laplacian over the variance of the grey values, 0 for a flat chip.

    Taken over the middle of the chip, where the face is.
    """
    import cv2

    edge = len(chip) // 5
    face = np.ascontiguousarray(chip[edge:-edge, edge:-edge])
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float64)
    spread = float(grey.var())
    return float(cv2.Laplacian(grey, cv2.CV_64F).var()) / spread if spread > 0 else 0.0


def turn(landmarks: Points) -> float:
    """How far the base of the nose lies off the middle between the eyes, along their line.

    In units of the distance between the eyes: 0 from the front, about 0.5 in profile.
    """
    points: NDArray[np.float64] = landmarks.astype(np.float64)
    one_eye, other_eye = points[:2].mean(axis=0), points[2:4].mean(axis=0)
    axis = one_eye - other_eye
    length = float(axis @ axis)
    return abs(float((points[4] - other_eye) @ axis) / length - 0.5) if length > 0 else 0.5

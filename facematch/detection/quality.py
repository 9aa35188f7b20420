"""Warnings about a face that makes a score less sure: small, blurred, cut off or turned.

The limits were chosen by eye on photographs of known quality. No warning changes a score.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facematch.detection.portraits import is_cut
from facematch.detection.turns import UNFITTING
from facematch.types import Face, Pixels, Points, Portrait

SMALL = 60  # pixels of the file; a chip of a smaller face is enlarged more than 1.6 times
TURNED = 0.2  # offset of the nose from the middle between the eyes, in units of their distance
# Bits of 256 that may differ. Copies of 34 photographs (strongly compressed, halved, lightened or
# grey) differ in 10 bits typically and in 27 at most; two different crops of 3,000 of FIW in at
# least 25.
_MOST_DIFFERING_BITS = 24
# Share of the chip that is black because it lies outside the photo. Strangers' scores have a KS
# distance of 0.3 from uniform where half of every chip is black in the same way, and of 0.1 where a
# quarter is black and faces are small (80 families of FIW, cropped like that). FIW's own chips, for
# which scores are uniform, are black by 0.10, one in a hundred by 0.19.
CUT_OFF = 0.2
BLURRED = 0.025  # sharp faces have 0.05 to 1; a face smoothed by a Gaussian of 2 pixels about 0.01


def quality_warnings(face: Face, chip: Pixels, *, scale: float = 1.0) -> list[str]:
    """One sentence for each problem of a face; [] for a good face.

    `chip` is the face as it was embedded. `scale` is that of its decoded photo, see `Photo.scale`.
    """
    side = min(face.box[2] - face.box[0], face.box[3] - face.box[1]) / scale
    warnings = []
    if side < SMALL:
        warnings.append(f"the face is small ({side:.0f} pixels): a larger face gives a surer score")
    elif sharpness(chip) < BLURRED:
        warnings.append("the face is blurred: a sharper photo gives a surer score")
    if (chip.max(axis=2) == 0).mean() > CUT_OFF:
        warnings.append(
            "the face is cut off by the photo's edge: cut-off faces seem alike, "
            "a whole face gives a surer score"
        )
    if face.landmark_spread is not None and face.landmark_spread > UNFITTING:
        warnings.append(
            "eyes and nose could not be located surely: the face may lie on its side, be turned or "
            "half hidden; an upright, frontal face gives a surer score"
        )
    elif face.landmarks is not None and turn(face.landmarks) > TURNED:
        warnings.append("the face is turned to the side: a frontal photo gives a surer score")
    return warnings


def face_warnings(portrait: Portrait, index: int) -> list[str]:
    """The warnings about one face of a portrait."""
    return quality_warnings(
        portrait.faces[index], portrait.chips[index], scale=portrait.photo.scale
    )


def clearness(portrait: Portrait, index: int) -> float:
    """How sharp a face is, 0 where the photo's edge cuts it; above 0 otherwise."""
    if is_cut(portrait.photo.pixels.shape, portrait.faces[index]):
        return 0.0
    return sharpness(portrait.chips[index])


def is_same_picture(one: Pixels, other: Pixels) -> bool:
    """Whether two photos are one picture, perhaps compressed again, smaller, lighter, mirrored.

    Compares difference hashes (Krawetz 2013): 16x16 bits, each set where the picture becomes
    lighter to the right.
    """
    bits = _difference_hash(one)
    hashes = (_difference_hash(each) for each in (other, other[:, ::-1]))
    return any(np.count_nonzero(bits != each) <= _MOST_DIFFERING_BITS for each in hashes)


def _difference_hash(pixels: Pixels) -> NDArray[np.bool_]:
    import cv2

    small = cv2.resize(np.ascontiguousarray(pixels), (17, 16), interpolation=cv2.INTER_AREA)
    grey = small.astype(np.int16).sum(axis=2)
    return np.asarray(grey[:, 1:] > grey[:, :-1])


def sharpness(chip: Pixels) -> float:
    """The variance of the Laplacian divided by the variance of grey; 0 for a chip of one grey.

    Computed for the middle of the chip, where the face is.
    """
    import cv2

    edge = len(chip) // 5
    face = np.ascontiguousarray(chip[edge:-edge, edge:-edge])
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float64)
    spread = float(grey.var())
    return float(cv2.Laplacian(grey, cv2.CV_64F).var()) / spread if spread > 0 else 0.0


def turn(landmarks: Points) -> float:
    """The offset of the nose's base from the middle between the eyes, along the line of the eyes.

    In units of the distance between the eyes: 0 for a frontal face, about 0.5 in profile.
    """
    points: NDArray[np.float64] = landmarks.astype(np.float64)
    one_eye, other_eye = points[:2].mean(axis=0), points[2:4].mean(axis=0)
    axis = one_eye - other_eye
    length = float(axis @ axis)
    return abs(float((points[4] - other_eye) @ axis) / length - 0.5) if length > 0 else 0.5

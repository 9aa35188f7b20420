"""From a face to a portrait: a square of the photo for people to look at, the face upright in it.

A portrait shows hair and chin. Where the photo ends before, the square is smaller; it never cuts
the face itself. Where the photo cuts the face, the photo fades into a blur of its edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.detection.alignment import dlib_frame, similarity_transform
from facematch.types import Chips, Face, Frame, Pixels

Squares: TypeAlias = NDArray[np.float64]  # (N, 3): left, top, side in sides of the portrait's frame

# In units of the face's box, on each side of a portrait, so that hair and chin are in it.
_PORTRAIT_PADDING = 0.55
# All below are in sides of the portrait's frame.
_PORTRAIT_DROP = 0.06  # how far the face lies below the middle
_FACE_MIDDLE, _FACE_HALF = (0.5, 0.56), 0.29  # the square that holds the face, ear to ear
_CENTRES = np.linspace(_FACE_HALF, 1 - _FACE_HALF, 43)  # where a smaller square may lie
_OFF_CENTRE_COST = 0.25  # half a side that is given up for a square nearer to the middle
_CUT_COST = 4.0  # half a side that is given up for a face that is cut less
_FADE, _EDGE_BLUR = 0.08, 1 / 10  # how far a photo fades; the blur's standard deviation
_TOLERANCE = 1.0  # pixels of the photo


def portrait_frame(size: int) -> Frame:
    """The frame of a portrait that its photo does not limit."""
    frame = dlib_frame(size, _PORTRAIT_PADDING)
    drop = np.array([0, _PORTRAIT_DROP * size], np.float32)
    return Frame(size=size, template=frame.template + drop)


def portraits(pixels: Pixels, faces: Sequence[Face], size: int) -> Chips:
    """One portrait a face, its square of `portrait_squares`. Shapes: N faces -> (N, S, S, 3).

    Raises ValueError where a face has no landmarks.
    """
    shown = np.zeros((len(faces), size, size, 3), np.uint8)
    squares = portrait_squares(pixels.shape, faces)
    for portrait, face, (left, top, side) in zip(shown, faces, squares, strict=True):
        to_photo = _frame_to_photo(face)
        to_photo[:, 2] += to_photo[:, :2] @ [left, top]
        to_photo[:, :2] *= side / size
        portrait[:] = _framed(pixels, to_photo, size)
    return shown


def portrait_squares(shape: tuple[int, ...], faces: Sequence[Face]) -> Squares:
    """The square of its frame that each portrait shows, in a photo of shape (H, W, 3). (N, 3).

    It is the largest near the middle that lies in the photo and holds the face: (0, 0, 1) where
    all of the frame does. Raises ValueError where a face has no landmarks.
    """
    return np.array([_square(shape, face) for face in faces]).reshape(-1, 3)


def is_cut(shape: tuple[int, ...], face: Face) -> bool:
    """Whether the photo's edge cuts the face, so that its portrait is filled beyond the photo."""
    (left, top, side) = _square(shape, face)
    ends = left, top, left + side, top + side
    corners = np.array([[x, y, 1] for x in ends[::2] for y in ends[1::2]]).T
    return _reaches_beyond(_frame_to_photo(face) @ corners, shape)


def _frame_to_photo(face: Face) -> NDArray[np.float64]:
    """From the frame, its side 1, to the photo. Shapes: (2, 3)."""
    if face.landmarks is None:
        raise ValueError("a face without landmarks cannot be aligned: locate them first")
    return similarity_transform(portrait_frame(1).template, face.landmarks)


def _square(shape: tuple[int, ...], face: Face) -> tuple[float, float, float]:
    to_photo = _frame_to_photo(face)
    centres = np.stack(np.meshgrid(_CENTRES, _CENTRES), axis=-1).reshape(-1, 2)
    middle = np.array([0.5, 0.5])
    if _half_sides(to_photo, middle, shape) >= 0.5:
        return 0.0, 0.0, 1.0
    within = np.minimum(
        _half_sides(to_photo, centres, shape), np.minimum(centres, 1 - centres).min(axis=1)
    )
    least = np.abs(centres - _FACE_MIDDLE).max(axis=1) + _FACE_HALF  # half a side around the face
    halves = np.maximum(within, least)
    off_centre = np.linalg.norm(centres - middle, axis=1)
    worth = halves - _CUT_COST * (halves - within) - _OFF_CENTRE_COST * off_centre
    best = int(worth.argmax())
    half, (x, y) = float(halves[best]), centres[best].tolist()
    return x - half, y - half, 2 * half


def _half_sides(
    to_photo: NDArray[np.float64], centres: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Half the side of the largest square in the photo around each centre. (..., 2) -> (...)."""
    places = centres @ to_photo[:, :2].T + to_photo[:, 2]
    ends = np.array([shape[1] - 1, shape[0] - 1])
    reach = np.minimum(places, ends - places).min(axis=-1)
    return np.asarray(reach / np.abs(to_photo[0, :2]).sum())


def _reaches_beyond(places: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    """Whether one of the places (2, N) lies beyond a photo of shape (H, W, 3)."""
    ends = np.array([[shape[1] - 1], [shape[0] - 1]])
    return bool(((places < -_TOLERANCE) | (places > ends + _TOLERANCE)).any())


def _framed(pixels: Pixels, to_photo: NDArray[np.float64], size: int) -> Pixels:
    """A square of the photo, (S, S, 3); towards its edge the photo fades into a blur of it."""
    import cv2

    corners = np.array([[x, y, 1] for x in (0, size) for y in (0, size)]).T
    is_filled = _reaches_beyond(to_photo @ corners, pixels.shape)
    source, to_source = shrunk(pixels, to_photo)
    flags, square = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, (size, size)
    framed = cv2.warpAffine(source, to_source, square, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if not is_filled:
        return np.asarray(framed, np.uint8)
    inside = np.full(source.shape[:2], 255, np.uint8)
    inside = np.asarray(cv2.warpAffine(inside, to_source, square, flags=flags), np.uint8)
    inward = cv2.distanceTransform((inside == 255).astype(np.uint8), cv2.DIST_L2, 5)
    share = np.clip(inward / (_FADE * size), 0, 1)[:, :, np.newaxis]
    blurred = cv2.GaussianBlur(framed, (0, 0), size * _EDGE_BLUR)
    return np.asarray(np.rint(share * framed + (1 - share) * blurred), np.uint8)


def shrunk(pixels: Pixels, to_photo: NDArray[np.float64]) -> tuple[Pixels, NDArray[np.float64]]:
    """The photo halved until a pixel of the portrait covers less than two of its pixels."""
    import cv2

    while np.hypot(to_photo[0, 0], to_photo[1, 0]) > 2 and min(pixels.shape[:2]) > 1:
        height, width = (side // 2 for side in pixels.shape[:2])
        halved = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        pixels, to_photo = np.asarray(halved, np.uint8), to_photo / 2
    return pixels, to_photo

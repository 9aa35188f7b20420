"""The landmarks of faces at any angle.

Landmarks were fitted on upright faces. On a face that lies on its side they are wrong, but so are
they in each box in another way: how far they move when the box moves a little tells whether they
fit. Where they do not, the face is turned until they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.detection.alignment import dlib_frame, similarity_transform
from facematch.detection.face_size import smallest_face
from facematch.detection.landmarks import LandmarkLocator
from facematch.types import Box, Face, Pixels, Points

Transform: TypeAlias = NDArray[np.float64]  # (2, 3), from a turned face to the photo

# Spreads of landmarks, in sides of the box. Upright faces have 0.005 typically, faces turned by 60
# degrees and more 0.04 to 0.09, by 30 degrees 0.007 (62 faces found by mmod).
_FITTING = 0.012  # no turn is tried below
_TURNED_FITTING = 0.01  # a turn is taken up to here; most turns of upright faces have more
UNFITTING = 0.02  # landmarks with a larger spread are not to be trusted
_BETTER = 0.4  # the spread of a turned face, in that of the face as it was found
_TURNED = np.deg2rad(25)  # upright faces keep the landmarks they were found with
# How far the boxes are moved, in sides of the box. The first three do to compare turns.
_SHIFTS = 0.08 * np.array([[0, 0], [-1, -1], [1, 1], [1, -1], [-1, 1]])
_FEW = 3
_TURNS = tuple(range(45, 360, 45))  # degrees
_REFINED = 2  # turns that are tried once more, so that the eyes lie level
_FACE_SIDE = 200  # most pixels of the box in a turned picture
_PICTURE_SIDES = 2  # the side of a turned picture, in sides of the box
_UPRIGHT = dlib_frame(1, 0).template


class Search(Protocol):
    """Finds faces in a photo, all or the largest."""

    def __call__(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        """The faces, most confident first."""


def search_turned(search: Search, pixels: Pixels, *, min_face: float | None) -> list[Face]:
    """The faces in a photo that lies on its side or upside down, in its own pixels; [] for none.

    Without a `min_face`, faces are found from twice the default size on, which takes a quarter of
    the time.
    """
    least = 2 * smallest_face(pixels, None) if min_face is None else min_face
    height, width = pixels.shape[:2]
    for quarters in (1, 3, 2):
        found = search(np.ascontiguousarray(np.rot90(pixels, quarters)), min_face=least)
        if found:
            return [replace(face, box=_turned_back(face.box, quarters, width, height))
                    for face in found]  # fmt: skip
    return []


def _turned_back(box: Box, quarters: int, width: int, height: int) -> Box:
    """A box in a photo that was turned by quarters, in pixels of the photo as it was."""
    x_min, y_min, x_max, y_max = box
    right, bottom = width - 1, height - 1
    if quarters == 1:
        return right - y_max, x_min, right - y_min, x_max
    if quarters == 2:
        return right - x_max, bottom - y_max, right - x_min, bottom - y_min
    return y_min, bottom - x_max, y_max, bottom - x_min


def locate_at_any_angle(
    locator: LandmarkLocator, pixels: Pixels, boxes: Sequence[Box]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The landmarks in each box, and how far they spread where the box is moved a little.

    Landmarks are in pixels of the photo, spreads in sides of the box; above `UNFITTING` the
    landmarks are not to be trusted. Shapes: N boxes -> (N, 5, 2), (N,).
    """
    landmarks, spreads = _located(locator, pixels, boxes, _SHIFTS)
    for row in np.flatnonzero(spreads > _FITTING).tolist():
        points, spread = _best_turned(locator, pixels, boxes[row])
        is_turned = abs(_angle(points)) > _TURNED
        if is_turned and spread <= min(_TURNED_FITTING, _BETTER * spreads[row]):
            landmarks[row], spreads[row] = points, spread
    return landmarks, spreads


def _located(
    locator: LandmarkLocator, pixels: Pixels, boxes: Sequence[Box], shifts: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The landmarks in each box and their spread over `shifts`, taking all faces as upright."""
    corners = np.asarray(boxes, np.float64).reshape(-1, 1, 4)
    sides = corners[..., 2:] - corners[..., :2]  # (N, 1, 2)
    moved = corners + np.tile(shifts, 2) * np.tile(sides, 2)  # (N, shifts, 4)
    flat = [(x_min, y_min, x_max, y_max) for x_min, y_min, x_max, y_max in moved.reshape(-1, 4)]
    located = locator.locate(pixels, flat).reshape(len(corners), len(shifts), 5, 2)
    apart = np.linalg.norm((located - located.mean(axis=1, keepdims=True)) / sides[:, None], axis=3)
    return located[:, 0].copy(), apart.mean(axis=(1, 2), dtype=np.float64)


def _best_turned(locator: LandmarkLocator, pixels: Pixels, box: Box) -> tuple[Points, float]:
    """The landmarks with the least spread of all turns, in pixels of the photo; and the spread."""
    angles = [float(np.deg2rad(turn)) for turn in _TURNS]
    coarse = _located_turned(locator, pixels, box, angles, _SHIFTS[:_FEW])
    best = sorted(coarse, key=lambda each: each[1])[:_REFINED]
    level = [_angle(points) for points, _ in best]
    refined = _located_turned(locator, pixels, box, level, _SHIFTS)
    return min(refined, key=lambda each: each[1])


def _angle(landmarks: Points) -> float:
    """The angle by which a face is turned, in radians."""
    to_photo = similarity_transform(_UPRIGHT, landmarks)
    return float(np.arctan2(to_photo[1, 0], to_photo[0, 0]))


def _located_turned(
    locator: LandmarkLocator,
    pixels: Pixels,
    box: Box,
    angles: Sequence[float],
    shifts: NDArray[np.float64],
) -> list[tuple[Points, float]]:
    """The landmarks of a face that is turned by each angle, in pixels of the photo; and spreads."""
    import cv2

    x_min, y_min, x_max, y_max = box
    middle, side = np.array([x_min + x_max, y_min + y_max]) / 2, max(x_max - x_min, y_max - y_min)
    scale = max(side / _FACE_SIDE, 1.0)
    size = int(np.ceil(_PICTURE_SIDES * side / scale))
    source, corner = _around(pixels, middle, side, scale)
    transforms = [_turn(angle, scale, middle, size) for angle in angles]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pictures = [  # one below the other, so that all are located at once
        cv2.warpAffine(source, (each - corner) / scale, (size, size), flags=flags)
        for each in transforms
    ]
    low, high = (size - side / scale) / 2, (size + side / scale) / 2
    tops = [row * size for row in range(len(angles))]
    boxes = [(low, top + low, high, top + high) for top in tops]
    landmarks, spreads = _located(locator, np.concatenate(pictures), boxes, shifts)
    in_photo = [
        (points - [0, top]) @ each[:, :2].T + each[:, 2]
        for points, top, each in zip(landmarks, tops, transforms, strict=True)
    ]
    return [
        (points.astype(np.float32), spread)
        for points, spread in zip(in_photo, spreads.tolist(), strict=True)
    ]


def _turn(angle: float, scale: float, middle: NDArray[np.float64], size: int) -> Transform:
    """From the pixels of a turned picture to those of the photo."""
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, middle - linear @ [size / 2, size / 2]])


def _around(
    pixels: Pixels, middle: NDArray[np.float64], side: float, scale: float
) -> tuple[Pixels, NDArray[np.float64]]:
    """The photo around a face, shrunk by `scale`, and the shift of its corner in a Transform."""
    import cv2

    height, width = pixels.shape[:2]
    reach = side * _PICTURE_SIDES / np.sqrt(2) + scale
    left, top = np.clip(middle - reach, 0, [width - 1, height - 1]).astype(int).tolist()
    right, bottom = np.ceil(np.clip(middle + reach, [1, 1], [width, height])).astype(int).tolist()
    part = pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
    if scale > 1:
        shape = max(round(part.shape[1] / scale), 1), max(round(part.shape[0] / scale), 1)
        part = np.asarray(cv2.resize(part, shape, interpolation=cv2.INTER_AREA), np.uint8)
    return part, np.array([[0, 0, left], [0, 0, top]], np.float64)

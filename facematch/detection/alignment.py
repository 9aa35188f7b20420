"""From a face to a chip: rotated, scaled and cropped so that its landmarks lie where they should.

The steps are dlib's (dlib/image_transforms/interpolation.h: get_face_chip_details and
extract_image_chips), so that chips are cropped as in the training of its networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facematch.types import Chips, Face, Frame, Pixels, Points

# dlib's mean positions of the five landmarks, in units of the box, in the order of Face.landmarks.
_MEAN_FACE_POINTS = (
    (0.8595674595992, 0.2134981538014),
    (0.6460604764104, 0.2289674387677),
    (0.1205750620789, 0.2137274526848),
    (0.3340850613712, 0.2290642403242),
    (0.4901123135679, 0.6277975316475),
)
_FEWEST_PIXELS = 8  # rows or columns that pyrDown can still halve


def dlib_frame(size: int = 150, padding: float = 0.25) -> Frame:
    """The frame of dlib's own networks. `padding` is in units of the box, on each side."""
    template = (np.array(_MEAN_FACE_POINTS) + padding) / (1 + 2 * padding) * size
    return Frame(size=size, template=template.astype(np.float32))


def crop_faces(pixels: Pixels, faces: Sequence[Face], frame: Frame) -> Chips:
    """One chip a face, black outside the photo. Shapes: N faces -> (N, S, S, 3).

    Raises ValueError where a face has no landmarks.
    """
    chips = np.zeros((len(faces), frame.size, frame.size, 3), np.uint8)
    for chip, face in zip(chips, faces, strict=True):
        if face.landmarks is None:
            raise ValueError("a face without landmarks cannot be aligned: locate them first")
        chip[:] = _cropped_chip(pixels, face.landmarks, frame)
    return chips


def recrop(chips: Chips, frame: Frame, other: Frame) -> Chips:
    """Chips of one frame cropped to another, for an embedder. Beyond a chip it is mirrored.

    Shapes: (N, S, S, 3) -> (N, T, T, 3).
    """
    import cv2

    if frame.size == other.size and np.array_equal(frame.template, other.template):
        return chips
    to_chip = similarity_transform(other.template, frame.template)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    recropped = np.empty((len(chips), *other.shape), np.uint8)
    for target, chip in zip(recropped, chips, strict=True):
        target[:] = cv2.warpAffine(
            chip, to_chip, (other.size, other.size), flags=flags, borderMode=cv2.BORDER_REFLECT_101
        )
    return recropped


def similarity_transform(before: Points, after: Points) -> NDArray[np.float64]:
    """The rotation, scale and shift that fits `before` to `after` with least squares.

    Shapes: (L, 2), (L, 2) -> (2, 3).
    """
    source = before.astype(np.float64) @ [1, 1j]
    target = after.astype(np.float64) @ [1, 1j]
    centred = source - source.mean()
    factor = np.vdot(centred, target - target.mean()) / np.vdot(centred, centred)
    shift = target.mean() - factor * source.mean()
    return np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    )


def _cropped_chip(pixels: Pixels, landmarks: Points, frame: Frame) -> Pixels:
    import cv2

    to_photo = _with_dlib_corners(similarity_transform(frame.template, landmarks), frame.size)
    left, top, right, bottom = _source_rectangle(to_photo, frame.size, pixels.shape)
    source = pixels[top:bottom, left:right].astype(np.float32)
    if min(source.shape[:2]) < 1:
        return np.zeros((frame.size, frame.size, 3), np.uint8)
    to_photo[:, 2] -= left, top
    while _is_halved(to_photo, frame.size) and min(source.shape[:2]) >= _FEWEST_PIXELS:
        source, to_photo = _halved(source, to_photo)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    chip = cv2.warpAffine(source, to_photo, (frame.size, frame.size), flags=flags)
    return np.asarray(chip).astype(np.uint8)


def _with_dlib_corners(transform: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The fitted transform with dlib's correction.

    It maps the centres of the chip's corner pixels to the corners of a rectangle. Its sides are
    `size` times the scale minus one pixel. Its centre is where the fit puts the chip's centre.
    """
    scale = np.hypot(transform[0, 0], transform[1, 0])
    middle = transform @ [size / 2, size / 2, 1]
    linear = transform[:, :2] / scale * (size * scale - 1) / (size - 1)
    shift = middle - linear @ [(size - 1) / 2, (size - 1) / 2]
    return np.column_stack([linear, shift])


def _is_halved(to_photo: NDArray[np.float64], size: int) -> bool:
    """Whether the chip's rectangle has more pixels than the chip even after it is halved."""
    side = np.hypot(to_photo[0, 0], to_photo[1, 0]) * (size - 1) / 2 + 1
    return bool(side > size)


def _halved(
    source: NDArray[np.float32], to_photo: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The next level of dlib's pyramid: smoothed by 1 4 6 4 1, then every other pixel kept."""
    import cv2

    height, width = source.shape[:2]
    smaller = np.floor(cv2.pyrDown(source))[1 : (height - 3) // 2 + 1, 1 : (width - 3) // 2 + 1]
    # dlib's own shift. It is wrong by a quarter of a pixel, but the networks were trained with it.
    return smaller, to_photo / 2 - np.array([[0, 0, 1.25], [0, 0, 0.75]])


def _source_rectangle(
    to_photo: NDArray[np.float64], size: int, shape: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """The part of the photo that a chip is cropped from, with a margin for the smoothing."""
    room, halved = 2, to_photo
    while _is_halved(halved, size):
        halved = halved / 2
        room = 2 * room + 2
    ends = [0, size - 1]
    corners = to_photo @ np.array([[x, y, 1] for x in ends for y in ends]).T
    low, high = np.rint(corners.min(axis=1) - room), np.rint(corners.max(axis=1) + room) + 1
    left, right = np.clip([low[0], high[0]], 0, shape[1]).astype(int).tolist()
    top, bottom = np.clip([low[1], high[1]], 0, shape[0]).astype(int).tolist()
    return left, top, right, bottom

"""The functions of the package face_recognition 1.3, without dlib.

    import facematch.compat.face_recognition as face_recognition

Names, arguments, defaults, shapes and orders are those of that package, and so are the landmarks
and encodings of a face in a given box. What differs stands in docs/engines.md: above all, every
search is that of the CNN detector, and the 68 landmarks are not there.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import cache
from typing import BinaryIO, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facematch.compat.jitter import jittered
from facematch.detection.alignment import crop_faces
from facematch.detection.landmarks import LandmarkLocator
from facematch.detection.mmod import MmodDetector
from facematch.embedding.dlib_resnet import DlibResNetEmbedder
from facematch.errors import OptionError
from facematch.photos.reading import read_photo
from facematch.types import Chips, Face, Pixels, Points

__all__ = [
    "batch_face_locations",
    "compare_faces",
    "face_distance",
    "face_encodings",
    "face_landmarks",
    "face_locations",
    "load_image_file",
]

Location: TypeAlias = tuple[int, int, int, int]  # top, right, bottom, left
Encoding: TypeAlias = NDArray[np.float64]  # (128,)
Landmarks: TypeAlias = dict[str, list[tuple[int, int]]]  # x, y

_SMALLEST_FACE = 80  # pixels: what dlib's detectors find without enlarging the image
_DETECTORS, _PREDICTORS = ("hog", "cnn"), ("large", "small")


def load_image_file(
    file: str | os.PathLike[str] | BinaryIO, mode: str = "RGB"
) -> NDArray[np.uint8]:
    """The pixels of a photo, upright: (H, W, 3) in mode "RGB", (H, W) in mode "L".

    `file` is a path or an open file. Raises a PhotoError where it cannot be read, OptionError for
    another mode.
    """
    if mode not in ("RGB", "L"):
        raise OptionError(f"no mode {mode!r}: there are 'RGB' and 'L'")
    pixels = np.ascontiguousarray(read_photo(file).pixels)
    if mode == "RGB":
        return pixels
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).convert("L"), np.uint8).copy()


def face_locations(
    img: NDArray[np.uint8], number_of_times_to_upsample: int = 1, model: str = "hog"
) -> list[Location]:
    """The boxes of the faces in an image, most confident first: (top, right, bottom, left) each.

    Each time the image is upsampled it is doubled, so that faces of half the size are found: of 80
    pixels without, of 40 with 1. `model` "hog" searches as "cnn" does, and warns of it once.
    Raises OptionError for an image that is not of 8 bits, or is too large to search.
    """
    return _locations(img, number_of_times_to_upsample, model)


def batch_face_locations(
    images: Sequence[NDArray[np.uint8]],
    number_of_times_to_upsample: int = 1,
    batch_size: int = 128,
) -> list[list[Location]]:
    """What `face_locations` gives of each image, found by "cnn". `batch_size` changes nothing."""
    return [face_locations(img, number_of_times_to_upsample, "cnn") for img in images]


def face_landmarks(
    face_image: NDArray[np.uint8],
    face_locations: Sequence[Location] | None = None,
    model: str = "large",
) -> list[Landmarks]:
    """The landmarks of each face, by name: five points with `model` "small".

    Raises OptionError for "large", the default as in face_recognition.
    """
    _refuse_68_points(model)
    if face_locations is None:
        face_locations = _locations(face_image, 1, "hog")
    return [_named(points) for points in _points(_rgb(face_image), face_locations)]


def face_encodings(
    face_image: NDArray[np.uint8],
    known_face_locations: Sequence[Location] | None = None,
    num_jitters: int = 1,
    model: str = "small",
) -> list[Encoding]:
    """The encoding of each face, (128,) float64, from dlib's network.

    With `num_jitters` above 1 it is the mean over that many chips that are moved a little. Raises
    OptionError for `model` "large", and what `face_locations` raises.
    """
    _refuse_68_points(model)
    if known_face_locations is None:
        known_face_locations = _locations(face_image, 1, "hog")
    pixels = _rgb(face_image)
    faces = [Face((0, 0, 0, 0), 1.0, each) for each in _points(pixels, known_face_locations)]
    chips = crop_faces(pixels, faces, _embedder().frame)
    if num_jitters > 1:
        return [_encodings(jittered(chip, num_jitters)).mean(axis=0) for chip in chips]
    return list(_encodings(chips))


def face_distance(
    face_encodings: Sequence[ArrayLike] | NDArray[np.floating], face_to_compare: ArrayLike
) -> NDArray[np.float64]:
    """The Euclidean distance of each encoding to one. Shapes: (N, 128), (128,) -> (N,)."""
    if len(face_encodings) == 0:
        return np.empty(0)
    apart = np.asarray(face_encodings, np.float64) - np.asarray(face_to_compare, np.float64)
    return np.asarray(np.linalg.norm(apart, axis=1), np.float64)


def compare_faces(
    known_face_encodings: Sequence[ArrayLike] | NDArray[np.floating],
    face_encoding_to_check: ArrayLike,
    tolerance: float = 0.6,
) -> list[np.bool_]:
    """Whether each encoding is within `tolerance` of one: at 0.6, face_recognition's "a match"."""
    return list(face_distance(known_face_encodings, face_encoding_to_check) <= tolerance)


def _locations(img: NDArray[np.uint8], times: int, model: str) -> list[Location]:
    if model not in _DETECTORS:
        raise OptionError(f"no detector model {model!r}: there are {_quoted(_DETECTORS)}")
    if times < 0:
        raise OptionError(f"an image cannot be upsampled {times} times: try 0 or 1")
    if model == "hog":
        _tell_that_hog_is_cnn()
    pixels = _rgb(img)
    height, width = pixels.shape[:2]
    try:
        faces = _detector().detect(pixels, min_face=_SMALLEST_FACE / 2**times)
    except OptionError as error:
        raise OptionError(
            f"{width}x{height} pixels are too many to search when upsampled {times} times: "
            "try number_of_times_to_upsample=0, or a smaller image"
        ) from error
    boxes = [[round(side) for side in face.box] for face in faces]
    return [
        (max(top, 0), min(right, width), min(bottom, height), max(left, 0))
        for left, top, right, bottom in boxes
    ]


@cache
def _tell_that_hog_is_cnn() -> None:
    warnings.warn(
        "facematch has no HOG detector: dlib's CNN detector searches instead, for faces of the "
        "same size. face_locations(image, model='cnn') gives no warning",
        stacklevel=4,  # who calls the public function
    )


def _refuse_68_points(model: str) -> None:
    if model not in _PREDICTORS:
        raise OptionError(f"no landmark model {model!r}: there are {_quoted(_PREDICTORS)}")
    if model == "large":
        raise OptionError(
            "the file of the 68 landmarks bars commercial use, so facematch does not read it: say "
            "model='small' for five landmarks"
        )


def _quoted(names: Sequence[str]) -> str:
    return " and ".join(map(repr, names))


def _rgb(img: NDArray[np.uint8]) -> Pixels:
    """An image as RGB pixels, (H, W, 3). Raises OptionError for anything but 8 bits."""
    shape, dtype = getattr(img, "shape", None), getattr(img, "dtype", type(img).__name__)
    if dtype == np.uint8 and shape is not None and 0 not in shape:
        if len(shape) == 2:
            return np.repeat(img[:, :, np.newaxis], 3, axis=2)
        if len(shape) == 3 and shape[2] == 3:
            return np.ascontiguousarray(img)
    raise OptionError(
        f"an image is an array of uint8, RGB (H, W, 3) or grey (H, W), not {shape} {dtype}: "
        "load_image_file gives one"
    )


def _points(pixels: Pixels, locations: Sequence[Location]) -> NDArray[np.float32]:
    """The five landmarks in each box. Shapes: N boxes -> (N, 5, 2)."""
    boxes = []
    for location in locations:
        top, right, bottom, left = map(int, location)
        if top >= bottom or left >= right:
            raise OptionError(f"{location} is no (top, right, bottom, left)")
        boxes.append((left, top, right, bottom))
    return _locator().locate(pixels, boxes)


def _named(points: Points) -> Landmarks:
    pairs = [(int(x), int(y)) for x, y in points]
    return {"nose_tip": [pairs[4]], "left_eye": pairs[2:4], "right_eye": pairs[0:2]}


def _encodings(chips: Chips) -> NDArray[np.float64]:
    return _embedder().embed(chips).astype(np.float64)


@cache
def _detector() -> MmodDetector:
    return MmodDetector()


@cache
def _locator() -> LandmarkLocator:
    return LandmarkLocator()


@cache
def _embedder() -> DlibResNetEmbedder:
    return DlibResNetEmbedder()

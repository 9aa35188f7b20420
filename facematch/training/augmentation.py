"""Altered copies of an aligned face: other light, colours, sharpness, position and cropping."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from facematch.detection.alignment import crop_faces, dlib_frame
from facematch.detection.landmarks import LandmarkLocator
from facematch.evaluation.fiw_faces import locate_face
from facematch.types import Chips, Face, Pixels

_COPIES = 4  # altered copies of each face, beside the face itself and its mirror image
_CUT_SHARE = 0.4  # share of the altered copies that reach past an edge of their photo
_CUT_MOST = 0.2  # in units of the chip's side


def augment(pixels: Pixels, locator: LandmarkLocator, rng: np.random.Generator) -> Chips:
    """The chip of an aligned face, its mirror image, and altered copies. Shape (V, S, S, 3)."""
    face = locate_face(pixels, locator)

    def chip(picture: Pixels, shown: Face) -> Pixels:
        return np.asarray(crop_faces(picture, [shown], dlib_frame())[0])

    plain = chip(pixels, face)
    versions = [plain, plain[:, ::-1]]
    for _ in range(_COPIES):
        altered = _cut_at_edges(chip(_altered_picture(pixels, rng), _moved_face(face, rng)), rng)
        versions.append(altered[:, ::-1] if rng.random() < 0.5 else altered)
    return np.asarray(np.stack(versions), np.uint8)


def _moved_face(face: Face, rng: np.random.Generator) -> Face:
    """The face with its landmarks turned, scaled, shifted, and each moved a little."""
    landmarks = np.asarray(face.landmarks, np.float64)
    middle, turn = landmarks.mean(axis=0), np.deg2rad(rng.normal(0, 3))
    scale = np.exp(rng.normal(0, 0.04))
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = (landmarks - middle) @ rotation.T + middle + rng.normal(0, 1.5, 2)
    moved += rng.normal(0, 0.6, landmarks.shape)
    return replace(face, landmarks=moved.astype(np.float32))


def _altered_picture(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """The picture in other light and colours, or grey; then reduced, blurred or compressed."""
    import cv2

    light = 255 * (pixels / 255.0) ** np.exp(rng.normal(0, 0.2))
    light = (light - 127) * np.exp(rng.normal(0, 0.15)) + 127 + rng.normal(0, 12)
    light *= np.exp(rng.normal(0, 0.06, 3))
    grey = (light @ [0.299, 0.587, 0.114])[..., np.newaxis]
    colour = 0.0 if rng.random() < 0.15 else np.exp(rng.normal(0, 0.25))
    picture = np.clip(grey + (light - grey) * colour, 0, 255).astype(np.uint8)
    size = picture.shape[1::-1]
    kind = rng.random()
    if kind < 0.3:
        side = int(rng.integers(32, 90))
        small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
        picture = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    elif kind < 0.5:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.2)), np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
        packed = cv2.imencode(".jpg", picture, quality)[1]
        picture = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(picture, np.uint8)


def _cut_at_edges(chip: Pixels, rng: np.random.Generator) -> Pixels:
    """Some chips as if the face were near the edges of its photo: black beyond them."""
    if rng.random() > _CUT_SHARE:
        return chip
    left, top, right, bottom = rng.integers(0, round(_CUT_MOST * len(chip)), 4).tolist()
    inner = (slice(top, len(chip) - bottom), slice(left, len(chip) - right))
    shown = np.zeros_like(chip)
    shown[inner] = chip[inner]
    return shown

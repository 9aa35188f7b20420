"""Which photos are copies of one photo, and which are others of the same person."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from helpers.matchers import matcher
from helpers.places import SAMPLES
from PIL import Image, ImageEnhance

from facematch.detection.copies import AlignedFace, aligned_face, is_copy
from facematch.types import Photo

YEARS = sorted((SAMPLES / "years").glob("*.jpg"))


def aligned(picture: Image.Image) -> AlignedFace:
    portrait = matcher.engine.find_largest(Photo("a photo", np.asarray(picture.convert("RGB"))))
    return aligned_face(portrait.photo.pixels, portrait.faces[0])


def original() -> Image.Image:
    return Image.open(SAMPLES / "father.png").convert("RGB")


def packed(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=40)
    return Image.open(file)


def mirrored(picture: Image.Image) -> Image.Image:
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


EDITS = {
    "saved again": packed,
    "smaller": lambda picture: picture.resize((240, 300)),
    "cropped": lambda picture: picture.crop((40, 60, 440, 560)),
    "cropped to the face": lambda picture: picture.crop((60, 100, 320, 400)),
    "lighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
    "grey": lambda picture: picture.convert("L"),
    "mirrored": mirrored,
    "turned": lambda picture: picture.rotate(4, Image.Resampling.BICUBIC),
    "stretched": lambda picture: picture.resize((500, 600)),
    "all of it": lambda picture: packed(
        mirrored(picture).crop((40, 60, 440, 560)).resize((320, 400))
    ),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_photo_is_a_copy(edit: str) -> None:
    assert is_copy(aligned(original()), aligned(EDITS[edit](original())))


@pytest.mark.parametrize("name", ["father", "mother", "daughter", "son"])
def test_a_second_photo_of_one_person_is_no_copy(name: str) -> None:
    one, other = (aligned(Image.open(SAMPLES / f"{name}{more}.png")) for more in ("", "-2"))
    assert not is_copy(one, other)


def test_photos_of_a_child_that_grows_are_no_copies() -> None:
    faces = [aligned(Image.open(path)) for path in YEARS]
    assert not any(is_copy(one, other) for one, other in pairwise(faces))


def test_other_people_and_pictures_of_nothing_are_no_copies() -> None:
    blank = AlignedFace(np.zeros((128, 128), np.uint8), np.ones((128, 128), bool))
    father, son = (aligned(Image.open(SAMPLES / f"{name}.png")) for name in ("father", "son"))
    assert not is_copy(father, son)
    assert not is_copy(blank, father)
    assert not is_copy(blank, blank)


def test_what_lies_outside_both_photos_is_not_compared() -> None:
    father = aligned(original())
    nowhere = AlignedFace(father.grey, np.zeros((128, 128), bool))
    assert is_copy(father, father)
    assert not is_copy(father, nowhere)

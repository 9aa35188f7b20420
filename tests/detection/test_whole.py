from __future__ import annotations

import numpy as np
import pytest
from helpers.made_up import noise
from helpers.places import SAMPLES
from PIL import Image

from facematch.detection.registry import load_detector
from facematch.matcher import FaceMatcher
from facematch.types import Pixels


@pytest.mark.parametrize("name", ["whole", "whole-tight"])
def test_every_picture_is_one_face_in_its_place(name: str) -> None:
    detector = load_detector(name)
    assert detector.name == name
    for height, width in ((112, 112), (64, 64), (1, 1), (300, 200)):
        (face,) = detector.detect(noise(height, width))
        (twice,) = detector.detect(noise(2 * height, 2 * width))
        np.testing.assert_allclose(np.array(twice.box), 2 * np.array(face.box))
        assert face.confidence == 1


def cut(pixels: Pixels, box: tuple[float, ...], place: tuple[float, ...]) -> Pixels:
    """The part of a photo in which a face's box has its place, in units of the part's sides."""
    left, top, right, _ = box
    side = (right - left) / (place[2] - place[0])
    x, y = left - place[0] * side, top - place[1] * side
    part = (round(x), round(y), round(x + side), round(y + side))
    return np.asarray(Image.fromarray(pixels).crop(part))


def test_a_crop_is_embedded_much_as_the_photo_it_was_cut_from() -> None:
    from facematch.detection.whole import ALIGNED

    photo = FaceMatcher()
    portrait = photo.find_faces(SAMPLES / "father.png")
    crop = cut(portrait.photo.pixels, portrait.faces[0].box, ALIGNED)
    found = FaceMatcher(detector="whole").find_faces(type(portrait.photo)("crop", crop))
    one, other = photo.engine.embedder.embed(np.concatenate([portrait.chips, found.chips]))
    assert one @ other > 0.97

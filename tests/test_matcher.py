from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.fakes import ColourEmbedder, CountingDetector
from helpers.made_up import noise
from helpers.matchers import matcher
from helpers.places import SAMPLES
from PIL import Image

from facematch import FaceMatcher, PhotoError, read_photo
from facematch.analyses.pair import ONE_PERSON
from facematch.detection.registry import DETECTORS, load_detector
from facematch.embedding.registry import EMBEDDERS, load_embedder
from facematch.errors import MissingPhotoError, NoFaceError, OptionError, UnknownBackendError
from facematch.output import as_json
from facematch.types import UNLIKE_PHOTOGRAPHS, Photo
from facematch.weights.files import state


def sample(name: str) -> str:
    return str(SAMPLES / name)


def test_a_son_looks_more_like_his_father_and_a_daughter_more_like_her_mother() -> None:
    score = {
        (parent, child): matcher.score(sample(f"{parent}.png"), sample(f"{child}.png"))
        for parent in ("father", "mother")
        for child in ("son", "daughter")
    }
    assert score["father", "son"].cosine > score["mother", "son"].cosine
    assert score["mother", "daughter"].cosine > score["father", "daughter"].cosine


def test_a_match_says_who_was_found_and_by_what() -> None:
    match = matcher.score(sample("father.png"), sample("son.png"))
    assert match.parent.photo == sample("father.png")
    assert (match.parent.face, match.parent.faces_found) == (1, 1)
    assert match.engine.detector == "mmod"
    assert match.engine.embedder == "kin"
    assert match.engine.resemblance is not None
    assert match.score is not None
    assert 0 <= match.score <= 100
    *unlike, alike = match.warnings
    assert alike == ONE_PERSON  # drawn faces are all alike
    assert unlike
    assert all(UNLIKE_PHOTOGRAPHS in each for each in unlike)


def test_of_several_faces_the_largest_is_taken_and_said() -> None:
    match = matcher.score(sample("group.jpg"), sample("son.png"))
    chosen = matcher.score(sample("group.jpg"), sample("son.png"), parent_face=1)
    assert match.parent.faces_found == 4
    assert match.warnings[0].endswith("4 faces, the largest was taken; parent_face chooses")
    assert chosen.warnings == match.warnings[1:]
    assert chosen.cosine == match.cosine


def test_each_face_of_a_group_can_be_chosen() -> None:
    matches = [
        matcher.score(sample("son.png"), sample("group.jpg"), child_face=face)
        for face in range(1, 5)
    ]
    boxes = [match.child.box for match in matches]
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in boxes]
    assert len(set(boxes)) == 4
    assert areas == sorted(areas, reverse=True)
    with pytest.raises(NoFaceError, match=r"group\.jpg: there is no face 5: 4 faces found"):
        matcher.score(sample("son.png"), sample("group.jpg"), child_face=5)


def test_two_faces_of_one_photograph_are_warned_of(tmp_path: Path) -> None:
    copy = tmp_path / "copy.jpg"
    copy.write_bytes((SAMPLES / "group.jpg").read_bytes())
    match = matcher.score(sample("group.jpg"), copy, parent_face=1, child_face=2)
    assert any("both faces come from one photograph" in warning for warning in match.warnings)
    same = matcher.score(sample("group.jpg"), copy, parent_face=1, child_face=1)
    assert any("are the same face" in warning for warning in same.warnings)


@pytest.mark.parametrize(
    ("damage", "phrase"),
    [("small", "the face is small"), ("blurred", "the face is blurred")],
)
def test_a_face_that_says_little_is_warned_of(tmp_path: Path, damage: str, phrase: str) -> None:
    import cv2

    pixels = read_photo(sample("father.png")).pixels
    if damage == "small":
        pixels = np.asarray(cv2.resize(pixels, (96, 120), interpolation=cv2.INTER_AREA), np.uint8)
        pixels = np.pad(pixels, ((200, 200), (200, 200), (0, 0)), mode="edge")
    else:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 5), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "damaged.png")
    match = FaceMatcher(min_face=30).score(tmp_path / "damaged.png", sample("son.png"))
    assert any(phrase in warning and "damaged.png" in warning for warning in match.warnings)


def test_boxes_are_in_pixels_of_the_file_however_it_was_decoded(tmp_path: Path) -> None:
    large = Image.open(sample("father.png")).resize((4800, 6000))
    large.save(tmp_path / "large.jpg", quality=90)
    portrait = FaceMatcher().find_faces(tmp_path / "large.jpg")
    small = FaceMatcher().find_faces(sample("father.png"))
    assert portrait.photo.scale < 1
    np.testing.assert_allclose(
        portrait.subject(0).box, np.array(small.subject(0).box) * 10, atol=60
    )


def test_a_photo_without_a_face_is_no_error_until_it_is_scored(tmp_path: Path) -> None:
    Image.fromarray(noise(300, 400)).save(tmp_path / "noise.png")
    portrait = matcher.find_faces(tmp_path / "noise.png")
    assert portrait.faces == ()
    assert portrait.chips.shape == (0, 150, 150, 3)
    advice = r"noise\.png: no face found \(400x300\): try min_face=10, crop closer, or turn"
    with pytest.raises(NoFaceError, match=advice):
        matcher.score(sample("father.png"), tmp_path / "noise.png")


def test_the_photo_that_cannot_be_read_is_named() -> None:
    with pytest.raises(MissingPhotoError, match=r"nobody\.png: there is no such file") as caught:
        matcher.score(sample("father.png"), "nobody.png")
    assert isinstance(caught.value, PhotoError)
    assert caught.value.photo == "nobody.png"
    assert caught.value.code == "missing"


def test_a_back_end_of_ones_own_is_taken_as_it_is() -> None:
    detector, embedder = CountingDetector((10, 10, 60, 60)), ColourEmbedder()
    own = FaceMatcher(detector=detector, embedder=embedder, min_face=30)
    match = own.score(Photo("a", noise(90, 90)), Photo("b", noise(90, 90, seed=1)))
    assert detector.calls == 2
    assert detector.min_faces == [30, 30]
    assert embedder.batches == [2]
    assert (match.score, match.likelihood_ratio) == (None, None)
    assert match.engine.resemblance is None
    assert "no resemblance model fits colour: only the cosine is known" in match.warnings


def test_the_least_face_is_given_in_pixels_of_the_file() -> None:
    detector = CountingDetector((10, 10, 60, 60))
    own = FaceMatcher(detector=detector, embedder=ColourEmbedder(), min_face=30)
    own.find_faces(Photo("half", noise(90, 90), scale=0.5))
    assert detector.min_faces == [15]


def test_a_least_face_of_no_pixels_is_refused() -> None:
    for pixels in (0, -1, float("nan")):
        with pytest.raises(OptionError, match="try 20 or more"):
            FaceMatcher(min_face=pixels)


def test_an_unknown_back_end_lists_those_there_are() -> None:
    with pytest.raises(UnknownBackendError, match="no embedder called 'facenett'; there are: dlib"):
        load_embedder("facenett")
    with pytest.raises(UnknownBackendError, match="no detector called 'x'; there are: face-rec"):
        load_detector("x")


def test_json_holds_exactly_what_is_promised() -> None:
    match = matcher.score(sample("father.png"), sample("son.png"))
    fields = json.loads(as_json(match))
    assert list(fields) == [
        "parent", "child", "cosine", "score", "score_interval", "likelihood_ratio",
        "likelihood_ratio_interval", "neutral_score", "engine", "warnings", "support",
    ]  # fmt: skip
    for who in ("parent", "child"):
        assert list(fields[who]) == ["photo", "box", "confidence", "faces_found", "age"]
    assert list(fields["engine"]) == ["detector", "embedder", "resemblance", "cohort"]


def test_the_registry_names_what_there_is() -> None:
    for known, load in ((DETECTORS, load_detector), (EMBEDDERS, load_embedder)):
        assert list(known) == sorted(known)
        for name in known:
            if name != "mobilefacenet" or state(name) == "ready":  # nobody ships its file
                assert load(name).name == name

from __future__ import annotations

import numpy as np
import pytest
from helpers.made_up import noise
from helpers.places import SAMPLES, shared_file
from hypothesis import given
from hypothesis import strategies as st

from facematch.detection import mmod, pyramid
from facematch.detection.boxes import overlap
from facematch.detection.face_size import SMALLEST_EMBEDDED, smallest_face
from facematch.detection.largest import competing_faces
from facematch.detection.mmod import MmodDetector
from facematch.detection.pyramid import Pyramid, pyramid_layout
from facematch.errors import OptionError
from facematch.photos.reading import read_photo
from facematch.types import Pixels
from facematch.weights import sessions

detector = MmodDetector()
pytestmark = pytest.mark.searches_anew


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_levels_lie_inside_the_picture_and_apart(width: int, height: int) -> None:
    rects, (wide, high) = pyramid_layout(width, height)
    assert rects[0][2:] == (width, height)
    for left, top, across, down in rects:
        assert left >= 11
        assert top >= 11
        assert left + across <= wide - 11
        assert top + down <= high - 11
    for index, one in enumerate(rects):
        for other in rects[:index]:
            assert not pyramid.rectangles_intersect(one, other)


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = read_photo(SAMPLES / "group.jpg").pixels
    whole = detector._scores(picture)
    monkeypatch.setattr(mmod, "_BAND_PIXELS", 1)
    np.testing.assert_allclose(detector._scores(picture), whole, atol=1e-4)


def test_the_best_face_comes_first() -> None:
    faces = detector.detect(read_photo(SAMPLES / "group.jpg").pixels)
    confidences = [face.confidence for face in faces]
    assert len(faces) == 4
    assert confidences == sorted(confidences, reverse=True)


def test_a_smaller_least_face_finds_smaller_faces() -> None:
    import cv2

    photo = read_photo(SAMPLES / "group.jpg").pixels
    small = np.full((280, 400, 3), 128, np.uint8)
    small[40:240, 50:350] = cv2.resize(photo, (300, 200), interpolation=cv2.INTER_AREA)
    assert detector.detect(small, min_face=120) == []
    assert len(detector.detect(small, min_face=25)) == 4


def test_a_face_of_a_twentieth_of_the_long_side_is_found_by_default() -> None:
    import cv2

    face = read_photo(SAMPLES / "son.png").pixels[172:404, 124:356]  # about 220 pixels of face
    photo = np.full((900, 1600, 3), 128, np.uint8)
    photo[400:484, 700:784] = cv2.resize(face, (84, 84), interpolation=cv2.INTER_AREA)
    assert len(detector.detect(photo)) == 1


def test_small_photos_are_not_enlarged_for_faces_too_small_to_embed() -> None:
    searched = [
        smallest_face(np.zeros(shape, np.uint8), None)
        for shape in ((200, 150, 3), (480, 300, 3), (481, 300, 3), (1000, 2000, 3))
    ]
    assert searched == [24, 24, pytest.approx(24.05), 100]
    assert smallest_face(np.zeros((200, 150, 3), np.uint8), 10) == 10


def large_faces_stay(pixels: Pixels) -> None:
    """All faces that can be embedded, of those of 5 % of the long side, are found by default."""
    found = detector.detect(pixels)
    for face in detector.detect(pixels, min_face=0.05 * max(pixels.shape[:2])):
        if face.area >= SMALLEST_EMBEDDED**2:
            assert max(overlap(face.box, other.box) for other in found) > 0.5


def reduced(pixels: Pixels, side: int) -> Pixels:
    """The photo with a long side of at most `side` pixels."""
    import cv2

    share = min(side / max(pixels.shape[:2]), 1)
    size = (round(pixels.shape[1] * share), round(pixels.shape[0] * share))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


@pytest.mark.parametrize("side", [240, 400])
def test_a_small_photo_shows_the_faces_that_can_be_embedded(side: int) -> None:
    large_faces_stay(reduced(read_photo(SAMPLES / "group.jpg").pixels, side))


@pytest.mark.slow
def test_every_small_photograph_shows_the_faces_that_can_be_embedded() -> None:
    for photo in sorted(shared_file("photos").rglob("*.*")):
        if photo.suffix in (".jpg", ".jpeg", ".png"):
            for side in (2000, 400, 240):
                large_faces_stay(reduced(read_photo(photo).pixels, side))


def test_noise_and_flat_pictures_hold_no_face() -> None:
    for pixels in (noise(200, 300), np.zeros((200, 300, 3), np.uint8)):
        assert detector.detect(pixels) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (4, 4)])
def test_the_smallest_photos_hold_no_face(shape: tuple[int, int]) -> None:
    assert detector.detect(noise(*shape)) == []


def test_too_small_a_least_face_is_refused_with_one_that_would_do() -> None:
    pixels = np.zeros((1000, 1000, 3), np.uint8)
    with pytest.raises(OptionError, match="try min_face=8 or more"):
        detector.detect(pixels, min_face=1)


def test_building_a_detector_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "converted_session", None)
    MmodDetector()


def same_faces(pixels: Pixels, min_face: float | None = None) -> None:
    """The search for the largest face gives what the search for all faces gives."""
    expected = competing_faces(detector.detect(pixels, min_face=min_face))
    found = detector.detect_largest(pixels, min_face=min_face)
    assert [face.box for face in found] == [face.box for face in expected]
    assert [face.confidence for face in found] == pytest.approx(
        [face.confidence for face in expected], abs=1e-4
    )


@pytest.mark.parametrize("name", ["father.png", "daughter.png", "group.jpg"])
def test_the_largest_face_is_that_of_the_full_search(name: str) -> None:
    same_faces(read_photo(SAMPLES / name).pixels)


@pytest.mark.slow
def test_the_largest_face_of_every_photograph_is_that_of_the_full_search() -> None:
    folder = shared_file("photos")
    for photo in sorted(folder.rglob("*.*")):
        if photo.suffix in (".jpg", ".jpeg", ".png"):
            same_faces(read_photo(photo, min_side=2000).pixels)


def test_the_search_for_the_largest_face_stops_early(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []
    search = MmodDetector._search

    def noted(self: MmodDetector, pyramid: Pyramid, start: int, stop: int) -> mmod.Windows:
        searched.append(start)
        return search(self, pyramid, start, stop)

    monkeypatch.setattr(MmodDetector, "_search", noted)
    assert len(detector.detect_largest(read_photo(SAMPLES / "father.png").pixels)) == 1
    assert min(searched) >= 6
    searched.clear()
    assert detector.detect_largest(noise(200, 300)) == []
    assert min(searched) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (4, 4)])
def test_the_smallest_photos_hold_no_largest_face(shape: tuple[int, int]) -> None:
    assert detector.detect_largest(noise(*shape)) == []

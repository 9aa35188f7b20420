"""Photos of a long run are searched several at a time, where cores and the detector allow it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from helpers.fakes import CountingDetector
from helpers.made_up import noise
from helpers.places import SAMPLES

from facematch import FaceMatcher
from facematch.enrolment import gallery as enrolment
from facematch.runtime.threads import threads_taken
from facematch.types import Face, Photo, Pixels

BOX = (10.0, 10.0, 60.0, 60.0)
FAMILY = [SAMPLES / f"{who}.png" for who in ("father", "mother", "son", "daughter")]


class Meeting:
    """A detector whose searches end only when another one runs at the same time."""

    name = "meeting"

    def __init__(self, searches: int) -> None:
        self.barrier = threading.Barrier(searches)
        self.network_threads: set[int | None] = set()
        self.callers: set[str] = set()

    def detect(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        self.network_threads.add(threads_taken())
        self.callers.add(threading.current_thread().name)
        self.barrier.wait(60)
        return [Face(BOX, 1.0)]

    detect_largest = detect


def photos(count: int) -> list[Photo]:
    return [Photo(f"photo {seed}", noise(90, 90, seed)) for seed in range(count)]


@pytest.mark.parametrize(("cores", "searches", "threads"), [(2, 2, 1), (3, 3, 1), (9, 4, 2)])
def test_cores_search_photos_side_by_side_and_share_the_threads(
    monkeypatch: pytest.MonkeyPatch, cores: int, searches: int, threads: int
) -> None:
    monkeypatch.setattr(enrolment, "cores", lambda: cores)
    detector = Meeting(searches)
    some = photos(2 * searches)
    gallery = FaceMatcher(detector=detector).gallery(some)
    assert [subject.photo for subject in gallery.subjects] == [photo.label for photo in some]
    assert detector.network_threads == {threads}


def test_every_face_of_many_photos_is_found_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolment, "cores", lambda: 2)
    found = list(FaceMatcher(detector=Meeting(2)).faces(photos(4)))
    assert [portrait.photo.label for portrait in found] == [  # type: ignore[union-attr]
        photo.label for photo in photos(4)
    ]


def test_one_core_searches_one_photo_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolment, "cores", lambda: 1)
    detector = Meeting(1)
    FaceMatcher(detector=detector).gallery(photos(3))
    assert detector.callers == {threading.current_thread().name}
    assert detector.network_threads == {None}


def test_a_detector_of_ones_own_is_asked_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolment, "cores", lambda: 2)
    callers = set()

    class Own(CountingDetector):
        def detect(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
            callers.add(threading.current_thread().name)
            return [Face(BOX, 1.0)]

    FaceMatcher(detector=Own()).gallery(photos(3))
    assert callers == {threading.current_thread().name}


@pytest.mark.searches_anew
def test_photos_searched_side_by_side_give_the_very_same_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    galleries = []
    for cores in (1, 2):
        monkeypatch.setattr(enrolment, "cores", lambda cores=cores: cores)
        galleries.append(FaceMatcher(min_face=100).gallery(FAMILY))
    one, two = galleries
    assert one.subjects == two.subjects
    assert np.array_equal(one.vectors, two.vectors)

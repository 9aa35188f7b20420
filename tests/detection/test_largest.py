"""Non-maximum suppression before all windows are known agrees with the one that knows all."""

from __future__ import annotations

import numpy as np
from helpers.fakes import CountingDetector
from hypothesis import given
from hypothesis import strategies as st

from facematch.detection.boxes import dlib_overlaps
from facematch.detection.largest import Candidates, competing_faces, detect_largest
from facematch.types import Face

OVERLAP, REACH = 0.338, 3


def windows(seed: int, count: int) -> Candidates:
    """Square windows of levels 0 to 9, close together; level 0 has sides of 79 pixels."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 10, count)
    half = (79 / 2 * 1.2**levels)[:, np.newaxis]
    centres = rng.uniform(0, 400, (count, 2))
    boxes = np.rint(np.concatenate([centres - half, centres + half], axis=1))
    return Candidates(boxes, rng.uniform(size=count).astype(np.float32), levels)


def of_levels(found: Candidates, finest: int) -> Candidates:
    some = found.levels >= finest
    return Candidates(found.boxes[some], found.scores[some], found.levels[some])


@given(st.integers(0, 10**6), st.integers(0, 60), st.integers(0, 9))
def test_what_is_decided_early_stays_so(seed: int, count: int, finest: int) -> None:
    whole = windows(seed, count)
    early = of_levels(whole, finest)
    whole.suppress(0, REACH, OVERLAP)
    early.suppress(finest, REACH, OVERLAP)
    assert not whole.open.any()
    kept = whole.kept[whole.levels >= finest]
    decided = ~early.open
    np.testing.assert_array_equal(early.kept[decided], kept[decided])


@given(st.integers(0, 10**6))
def test_windows_four_levels_apart_are_never_one_face(seed: int) -> None:
    found = windows(seed, 40)
    for box, level in zip(found.boxes, found.levels, strict=True):
        finer = found.boxes[found.levels <= level - REACH - 1]
        assert not (dlib_overlaps(box, finer) > OVERLAP).any()


def test_a_face_competes_from_half_the_side_of_the_largest() -> None:
    sides = (100, 50, 49, 20)
    faces = [Face((10, 10, 10 + side, 10 + side), 1.0) for side in sides]
    assert competing_faces(faces[::-1]) == [faces[1], faces[0]]
    assert competing_faces([]) == []


def test_any_detector_finds_the_largest_face() -> None:
    detector = CountingDetector((0, 0, 30, 30), (40, 40, 140, 140))
    found = detect_largest(detector, np.zeros((200, 200, 3), np.uint8), min_face=20)
    assert [face.box for face in found] == [(40, 40, 140, 140)]
    assert detector.min_faces == [20]

"""Photos become galleries, whatever becomes of single photos, and whoever asks."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from helpers.fakes import CountingDetector
from helpers.made_up import noise
from helpers.matchers import FAMILY, matcher, own
from helpers.places import SAMPLES
from PIL import Image

from facematch import FaceMatcher
from facematch.enrolment.cache import FaceCache
from facematch.enrolment.people import enrol_people
from facematch.errors import (
    EmbeddingError,
)
from facematch.matcher import Portrait
from facematch.output import as_json
from facematch.photos.listing import list_photos
from facematch.types import Face, Gallery, Photo, Scores, Skipped, Subject, Vectors


def photos(count: int) -> list[Photo]:
    return [Photo(f"photo {seed}", noise(90, 90, seed)) for seed in range(count)]


def test_chips_are_embedded_in_batches_across_photos() -> None:
    mine = own((10, 10, 60, 60))
    gallery = mine.gallery(photos(70))
    assert mine.engine.embedder.batches == [32, 32, 6]  # type: ignore[attr-defined]
    assert gallery.vectors.shape == (70, 6)


def test_every_face_of_every_photo_is_embedded_in_order() -> None:
    mine = own((10, 10, 60, 60), (20, 20, 50, 50))
    portraits = [mine.find_faces(photo) for photo in photos(3)]
    vectors = mine.embed(portraits)
    chips = np.concatenate([portrait.chips for portrait in portraits])
    np.testing.assert_array_equal(vectors, mine.engine.embedder.embed(chips))
    assert mine.embed([]).shape == (0, 6)


def test_photos_are_taken_no_faster_than_they_are_used() -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield Photo("photo", noise(90, 90))

    faces = own((10, 10, 60, 60)).faces(endless())  # type: ignore[arg-type]
    assert isinstance(next(faces), Portrait)
    assert taken <= 4
    faces.close()  # type: ignore[attr-defined]


def test_a_photo_that_cannot_be_used_does_not_stop_the_rest(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    Image.fromarray(noise(200, 200)).save(tmp_path / "noise.png")
    gallery = matcher.gallery(
        [tmp_path / "text.jpg", FAMILY[0], tmp_path / "noise.png", tmp_path / "none.png", FAMILY[2]]
    )
    assert gallery.labels == (FAMILY[0], FAMILY[2])
    assert [skipped.code for skipped in gallery.skipped] == ["not-an-image", "no-face", "missing"]


def test_a_gallery_is_checked_however_it_is_built() -> None:
    subject = Subject("a", (0, 0, 1, 1), 1.0, 1, 1)
    with pytest.raises(EmbeddingError, match="holds unit rows"):
        Gallery((subject,), np.ones((1, 4), np.float32), "x")
    with pytest.raises(EmbeddingError, match="for 1 subjects"):
        Gallery((subject,), np.ones((2, 4), np.float32), "x")


def test_skipped_photos_say_why() -> None:
    (skipped,) = list(matcher.faces(["none.png"]))
    assert skipped == Skipped("none.png", "missing", "there is no such file: check the name")


def test_photos_of_one_person_are_averaged_and_those_warned_of_count_half() -> None:
    subjects = tuple(Subject(name, (0, 0, at, at), 1.0, 1, 1) for at, name in enumerate("abc"))
    vectors = np.eye(3, dtype=np.float32)
    gallery = Gallery(subjects, vectors, "x", ((), ("blurred",), ()))
    people = gallery.by_person(["mum", "mum", "dad"])
    assert people.labels == ("mum", "dad")
    np.testing.assert_allclose(people.vectors[0], np.array([2, 1, 0]) / 5**0.5, atol=1e-6)
    np.testing.assert_array_equal(people.vectors[1], vectors[2])
    assert people.warnings == ((), ())
    assert people.counts.tolist() == [2, 1]
    assert gallery.counts.tolist() == [1, 1, 1]
    assert people.subjects[0].box == (0, 0, 0, 0)
    with pytest.raises(EmbeddingError, match="2 names for 3 photos"):
        gallery.by_person(["mum", "dad"])
    empty = Gallery((), np.empty((0, 3), np.float32), "x").by_person([])
    assert empty.vectors.shape == (0, 3)


def test_threads_that_share_a_matcher_get_the_same_numbers() -> None:
    shared = FaceMatcher(min_face=60)
    expected = [matcher.score(FAMILY[0], child).cosine for child in FAMILY]
    start = threading.Barrier(4)

    def score(child: str) -> float:
        start.wait()
        return shared.score(FAMILY[0], child).cosine

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(score, FAMILY)) == pytest.approx(expected, abs=1e-6)


def numbers(one: FaceMatcher) -> tuple[Vectors, Scores]:
    """The family's vectors, and the scores of all against all."""
    gallery = one.gallery(FAMILY)
    (comparison,) = one.match(gallery, gallery)
    return gallery.vectors, comparison.scores


def numbers_of_a_process(cache: Path | None) -> tuple[Vectors, Scores]:
    return numbers(FaceMatcher(min_face=60, cache=cache))


def check_same(some: list[tuple[Vectors, Scores]], family: Gallery) -> None:
    (expected,) = matcher.match(family, family)
    for vectors, scores in some:
        np.testing.assert_array_equal(vectors, family.vectors)
        np.testing.assert_array_equal(scores, expected.scores)


@pytest.mark.parametrize("cached", [False, True])
def test_threads_that_share_a_matcher_get_the_very_same_numbers(
    family: Gallery, tmp_path: Path, cached: bool
) -> None:
    file = tmp_path / "faces.db" if cached else None
    shared, start = FaceMatcher(min_face=60, cache=file), threading.Barrier(2)

    def work(_: int) -> tuple[Vectors, Scores]:
        start.wait()
        return numbers(shared)

    with ThreadPoolExecutor(2) as threads:
        check_same(list(threads.map(work, range(2))), family)


@pytest.mark.parametrize("cached", [pytest.param(False, marks=pytest.mark.slow), True])
def test_processes_with_the_same_settings_get_the_very_same_numbers(
    family: Gallery, tmp_path: Path, cached: bool
) -> None:
    file = tmp_path / "faces.db" if cached else None
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        check_same(pool.map(numbers_of_a_process, [file, file], chunksize=1), family)
    if cached:  # and so does whoever comes later, and looks at no photo again
        blind = CountingDetector()
        blind.name = matcher.engine.detector.name  # the cache takes it for the same
        check_same([numbers(FaceMatcher(detector=blind, min_face=60, cache=file))], family)
        assert blind.calls == 0


def taken(count: int, log: list[int]) -> Iterator[Photo]:
    """Photos that note when they are asked for."""
    for number in range(count):
        log.append(number)
        yield Photo(f"{number}", noise(90, 90, number))


def test_parts_of_a_gallery_make_up_the_whole() -> None:
    mine = own()
    photos = [*taken(70, [])]
    parts = list(mine.galleries(photos))
    whole, made = mine.gallery(photos), Gallery.joined(parts)
    assert [len(part.subjects) for part in parts] == [32, 32, 6]
    assert (made.labels, made.warnings) == (whole.labels, whole.warnings)
    assert (made.vectors == whole.vectors).all()


def test_what_a_run_kept_is_not_searched_again(tmp_path: Path) -> None:
    for number in range(40):
        Image.fromarray(noise(90, 90, number)).save(tmp_path / f"{number}.png")
    mine = own(cache=tmp_path / "faces.db")
    parts = mine.galleries(list_photos(tmp_path))
    next(parts)
    parts.close()  # type: ignore[attr-defined]
    searched = mine.engine.detector.calls  # type: ignore[attr-defined]
    mine.gallery(list_photos(tmp_path))
    assert mine.engine.detector.calls == searched + 8  # type: ignore[attr-defined]


def test_where_faces_are_is_kept_to_the_last_bit(tmp_path: Path) -> None:
    faces = [Face((0.1, 1 / 3, 60.7, 1e-9), 1.07), Face((1, 2, 3, 4), -0.1)]
    cache = FaceCache(tmp_path / "faces.db", own().engine)
    for name, some in (("two", faces), ("none", [])):
        photo = Photo(name, noise(9, 9), digest=name)
        cache.put_faces(photo, some)
        found = cache.faces(photo)
        assert found is not None
        kept = [(face.box, face.confidence) for face in found]
        assert kept == [(face.box, face.confidence) for face in some]
    cache.close()


def test_an_archive_is_searched_once_for_faces(tmp_path: Path) -> None:
    archive = [SAMPLES / "group.jpg", SAMPLES / "father.png", SAMPLES / "no such.png"]
    child, cache = {"son": [SAMPLES / "son.png"]}, tmp_path / "faces.db"
    first = FaceMatcher(min_face=60, cache=cache).find(child, archive)
    blind = CountingDetector((0, 0, 400, 400))
    blind.name = "mmod"  # the cache takes it for the same
    again = FaceMatcher(min_face=60, detector=blind, cache=cache).faces(archive)
    assert sum(len(each.faces) for each in again if hasattr(each, "faces")) == 5
    assert blind.calls == 0
    second = FaceMatcher(min_face=60, cache=cache).find(child, archive)
    assert as_json(second) == as_json(first)


def test_photos_that_vanish_or_change_are_what_they_are_when_read(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(noise(90, 90, number)).save(tmp_path / f"{number}.png")

    def changing() -> Iterator[str]:
        for path in list_photos(tmp_path):
            if path.endswith("1.png"):
                Path(path).unlink()
            if path.endswith("2.png"):
                Image.fromarray(noise(90, 90, 7)).save(path)
            yield path

    cached = own(cache=tmp_path / "faces.db")
    gallery = cached.gallery(changing())
    assert [each.code for each in gallery.skipped] == ["missing"]
    expected = own().gallery([Photo("x", noise(90, 90, 0)), Photo("y", noise(90, 90, 7))])
    assert (gallery.vectors == expected.vectors).all()
    assert cached.gallery([tmp_path / "2.png"]).vectors.shape == (1, 6)


def test_what_a_cache_keeps_of_a_photo_is_complete(tmp_path: Path) -> None:
    Image.fromarray(noise(90, 90)).save(tmp_path / "photo.png")
    named = {"mum": [tmp_path / "photo.png"]}
    mine = own((10, 10, 60, 60), (12, 12, 20, 20), cache=tmp_path / "faces.db")
    engine = mine.engine
    first, _ = enrol_people(engine, named)
    assert [subject.faces_found for subject in first[0].gallery.subjects] == [1]
    assert len(engine.find_faces(tmp_path / "photo.png").faces) == 2
    assert len(engine.find_largest(tmp_path / "photo.png").faces) == 1
    again, _ = enrol_people(engine, named)
    np.testing.assert_array_equal(again[0].gallery.vectors, first[0].gallery.vectors)
    assert engine.detector.calls == 1  # type: ignore[attr-defined]

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from helpers.command import run
from helpers.fakes import ColourEmbedder, CountingDetector
from helpers.made_up import noise
from helpers.places import SAMPLES
from PIL import Image
from typer.testing import CliRunner

from facematch import FaceMatcher
from facematch.cli import app
from facematch.engine import Engine, open_engine
from facematch.enrolment.cache import FaceCache, cache_entries, clear_cache
from facematch.errors import CacheError
from facematch.photos.reading import photo_digest
from facematch.types import StoredFace

ENTRY = StoredFace(
    box=(1.5, 2, 3, 4),
    confidence=0.5,
    faces_found=2,
    warnings=("small", "blurred"),
    vector=np.arange(4, dtype=np.float32),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "faces.db"


def engine(min_face: float | None = None) -> Engine:
    """An engine of its own for every `min_face`."""
    return open_engine(
        detector=CountingDetector((10, 10, 60, 60)), embedder=ColourEmbedder(), min_face=min_face
    )


def same(one: StoredFace | None, other: StoredFace) -> bool:
    if one is None:
        return False
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in other.__slots__)


def test_an_entry_is_found_again_by_its_engine_only(file: Path) -> None:
    cache = FaceCache(file, engine())
    cache.put_largest("photo", ENTRY)
    assert same(cache.largest("photo"), ENTRY)
    assert cache.largest("another") is None
    cache.close()
    for min_face, known in ((None, True), (20, False)):
        again = FaceCache(file, engine(min_face))
        assert (again.largest("photo") is not None) is known
        again.close()


def test_why_there_was_no_face_is_kept_too(file: Path) -> None:
    cache = FaceCache(file, engine())
    cache.put_largest("photo", StoredFace(reason="no face found"))
    found = cache.largest("photo")
    assert found is not None
    assert (found.vector, found.reason) == (None, "no face found")
    cache.close()


def test_the_longest_unused_go_first(file: Path) -> None:
    cache = FaceCache(file, engine(), most=3)
    for photo in "abc":
        cache.put_largest(photo, ENTRY)
    cache.largest("a")
    cache.put_largest("d", ENTRY)
    assert [photo for photo in "abcd" if cache.largest(photo) is not None] == ["a", "c", "d"]
    assert cache_entries(file) == 3
    cache.close()


def test_threads_may_share_a_cache(file: Path) -> None:
    cache = FaceCache(file, engine())

    def use(number: int) -> bool:
        cache.put_largest(str(number), ENTRY)
        return same(cache.largest(str(number)), ENTRY)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(use, range(40)))
    assert cache_entries(file) == 40
    cache.close()


def test_the_file_may_be_made_by_several_at_once(tmp_path: Path) -> None:
    start = threading.Barrier(4)

    def make(file: Path) -> None:
        start.wait()
        assert FaceCache(file, engine()).largest("photo") is None

    for number in range(50):
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(make, [tmp_path / f"{number}.db"] * 4))


def fill(file: Path, first: int) -> int:
    cache = FaceCache(file, engine())
    for number in range(first, first + 20):
        cache.put_largest(str(number), ENTRY)
    cache.close()
    return first


def test_processes_may_share_the_file(file: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.starmap(fill, [(file, first) for first in (0, 20, 40)])
    assert cache_entries(file) == 60


def test_nothing_of_a_face_is_left_in_a_cleared_file(file: Path) -> None:
    cache = FaceCache(file, engine())
    cache.put_largest("photo", ENTRY)
    cache.close()
    assert ENTRY.vector is not None
    secret = ENTRY.vector.tobytes()
    assert secret in file.read_bytes()
    assert clear_cache(file) == 1
    assert secret not in file.read_bytes()
    assert cache_entries(file) == 0


def test_another_file_is_neither_used_nor_emptied(tmp_path: Path, file: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(
        "not a database, and longer than SQLite's header, which has a hundred bytes" * 3
    )
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE faces (a)")
    other.close()
    for path, message in ((text, "is no cache"), (file, "is another program's database")):
        before = path.read_bytes()
        for use in (
            partial(FaceCache(path, engine()).largest, "photo"),
            partial(clear_cache, path),
        ):
            with pytest.raises(CacheError, match=message):
                use()
        assert path.read_bytes() == before
    with pytest.raises(CacheError, match="there is no such cache"):
        clear_cache(tmp_path / "none.db")


def test_a_damaged_entry_is_told_of(file: Path) -> None:
    cache = FaceCache(file, engine())
    cache.put_largest("photo", ENTRY)
    database = sqlite3.connect(file)
    database.execute("UPDATE faces SET entry = '{}'")
    database.commit()
    database.close()
    with pytest.raises(CacheError, match=r"is damaged .*: clear it"):
        cache.largest("photo")
    cache.close()


def counting(cache: Path, min_face: float | None = None) -> FaceMatcher:
    return FaceMatcher(
        detector=CountingDetector((10, 10, 60, 60)), embedder=ColourEmbedder(),
        min_face=min_face, cache=cache,
    )  # fmt: skip


def test_a_second_run_looks_at_no_photo_again(tmp_path: Path, file: Path) -> None:
    for number in range(3):
        Image.fromarray(noise(90, 90, number)).save(tmp_path / f"{number}.png")
    photos = [tmp_path / f"{number}.png" for number in (0, 1, 2)]
    first, second, other = counting(file), counting(file), counting(file, min_face=20)
    before = first.gallery(photos)
    copy = tmp_path / "renamed.png"
    copy.write_bytes(photos[0].read_bytes())
    after = second.gallery([copy, *photos[1:]])
    other.gallery(photos)
    assert first.engine.detector.calls == 3  # type: ignore[attr-defined]
    assert second.engine.detector.calls == 0  # type: ignore[attr-defined]
    assert other.engine.detector.calls == 3  # type: ignore[attr-defined]
    np.testing.assert_array_equal(before.vectors, after.vectors)
    assert after.labels[0] == str(copy)
    assert before.subjects[1:] == after.subjects[1:]
    assert before.warnings == after.warnings


def test_photos_without_a_face_are_remembered_and_unreadable_ones_are_not(
    tmp_path: Path, file: Path
) -> None:
    Image.fromarray(noise(90, 90)).save(tmp_path / "noise.png")
    (tmp_path / "text.jpg").write_text("no picture")
    photos = [tmp_path / "noise.png", tmp_path / "text.jpg", tmp_path / "none.png"]
    none = FaceMatcher(detector=CountingDetector(), embedder=ColourEmbedder(), cache=file)
    once, again = none.gallery(photos), none.gallery(photos)
    assert none.engine.detector.calls == 4  # type: ignore[attr-defined] # each turn, once
    assert once.skipped == again.skipped
    assert [skipped.code for skipped in again.skipped] == ["no-face", "not-an-image", "missing"]
    assert cache_entries(file) == 1


def test_no_cache_is_made_unless_asked_for(tmp_path: Path) -> None:
    arguments = ["match", SAMPLES / "father.png", SAMPLES / "son.png", "--min-face", 60]
    assert run(*arguments, cwd=tmp_path).returncode == 0
    assert list(tmp_path.iterdir()) == []
    first = run(*arguments, "--cache", "faces.db", cwd=tmp_path)
    second = run(*arguments, "--cache", "faces.db", cwd=tmp_path)
    assert first.stdout == second.stdout
    assert "faces.db: 2 photos" in run("cache", "info", "faces.db", cwd=tmp_path).stdout
    assert "2 photos forgotten" in run("cache", "clear", "faces.db", cwd=tmp_path).stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no modes")
def test_a_cache_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    with closing(FaceCache(tmp_path / "faces", engine())) as cache:
        cache.largest("photo")
        assert (tmp_path / "faces").stat().st_mode & 0o777 == 0o600
    with pytest.raises(CacheError, match="cannot be made"):
        FaceCache(tmp_path / "none" / "faces", engine()).largest("photo")


def test_a_photo_is_forgotten_and_nothing_of_it_stays(tmp_path: Path) -> None:
    file, photo = tmp_path / "faces", SAMPLES / "son.png"
    mark = np.frombuffer(b"a face template!" * 4, np.float32)
    with closing(FaceCache(file, engine())) as one, closing(FaceCache(file, engine(20))) as other:
        for cache in (one, other):
            cache.put_largest(photo_digest(photo), StoredFace(vector=mark))
        one.put_largest("f" * 64, StoredFace(reason="no face"))
    result = CliRunner().invoke(app, ["forget", str(photo), "--cache", str(file)])
    assert "2 photos forgotten" in result.output
    assert cache_entries(file) == 1
    assert b"a face template!" not in file.read_bytes()

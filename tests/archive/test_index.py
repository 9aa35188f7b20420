from __future__ import annotations

import os
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from subprocess import PIPE, Popen
from sys import executable

import numpy as np
import pytest
from helpers.fakes import ColourEmbedder, CountingDetector
from helpers.made_up import noise
from PIL import Image
from typer.testing import CliRunner

from facematch import FaceMatcher
from facematch.archive.changes import IndexingOptions, forget_photos
from facematch.archive.index import Index
from facematch.archive.indexing import engine_identity, search_photos
from facematch.archive.records import IndexedPhoto
from facematch.cli import app
from facematch.errors import ArchiveError, MissingExtraError
from facematch.photos.listing import list_photos
from facematch.types import Box, Chips, Vectors
from facematch.weights.catalogue import KNOWN, RESEMBLANCE

pytest.importorskip("lancedb", reason="lancedb, of the extra [archive], is not installed")

TWO = ((10, 10, 60, 60), (5, 5, 30, 30))  # boxes


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """Three photos and a file that is none."""
    folder = tmp_path / "box"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(noise(90, 90, number)).save(folder / f"{number}.png")
    (folder / "text.jpg").write_text("no photo")
    return folder


def counting(*boxes: Box, **options: float) -> FaceMatcher:
    matcher = FaceMatcher(
        detector=CountingDetector(*(boxes or TWO)), embedder=ColourEmbedder(), **options
    )
    matcher.engine = replace(matcher.engine, identity_embedder=ColourEmbedder())
    return matcher


def indexed(box: Path, **options: bool) -> tuple[FaceMatcher, Index, object]:
    """A run of a program of its own over the folder, and what it told."""
    matcher = counting()
    index = matcher.open_index(box.parent / "db", make=True)
    return (
        matcher,
        index,
        matcher.index_photos(
            sorted(map(str, box.iterdir())), index, options=IndexingOptions((str(box),), **options)
        ),
    )


def looks(matcher: FaceMatcher) -> int:
    return matcher.engine.detector.calls  # type: ignore[attr-defined, no-any-return]


def photos_in(index: Index) -> list[str]:
    return sorted(Path(known.photo).name for known in index.known())


def rows_of(index: Index) -> list[tuple[object, ...]]:
    """All that is kept of every face, in an order of its own."""
    columns = (
        "photo",
        "face",
        "taken",
        "digest",
        "bytes",
        "modified",
        "box",
        "landmarks",
        "vector",
    )
    rows = [row for batch in index.rows(columns) for row in batch.to_pylist()]
    return sorted(tuple(map(str, row.values())) for row in rows)


def test_every_face_becomes_a_row_and_every_failure_too(box: Path) -> None:
    matcher, index, told = indexed(box)
    assert (told.searched, told.faces, told.failed) == (4, 6, {"not-an-image": 1})
    assert photos_in(index) == ["0.png", "1.png", "2.png", "text.jpg"]
    [batch] = index.rows(["photo", "face", "faces_found", "box", "vector", "identity"])
    first = batch.to_pylist()[0]
    assert Path(first["photo"]).is_absolute()
    assert (first["face"], first["faces_found"]) == (1, 2)
    assert first["box"] == [10, 10, 60, 60]
    found = matcher.find_faces(box / "0.png")
    [vector, *_] = matcher.embed([found])
    np.testing.assert_allclose(first["vector"], vector, rtol=1e-6)
    [failed] = index.failed()
    assert (Path(failed["photo"]).name, failed["code"]) == ("text.jpg", "not-an-image")


def test_a_second_run_touches_nothing(box: Path) -> None:
    _, index, _ = indexed(box)
    before = rows_of(index)
    matcher, again, told = indexed(box)
    assert (looks(matcher), told.unchanged, told.searched) == (0, 4, 0)
    assert rows_of(again) == before


def test_only_what_is_new_or_changed_is_searched(box: Path) -> None:
    indexed(box)
    Image.fromarray(noise(90, 90, 7)).save(box / "0.png")
    Image.fromarray(noise(90, 90, 8)).save(box / "new.png")
    matcher, index, told = indexed(box)
    assert (looks(matcher), told.searched, told.unchanged, told.gone) == (2, 2, 3, 0)
    assert Counter(photos_in(index)) == Counter(["0.png", "1.png", "2.png", "new.png", "text.jpg"])
    fresh, _, _ = indexed_anew(box)
    assert rows_of(index) == rows_of(fresh)


def indexed_anew(box: Path) -> tuple[Index, FaceMatcher, object]:
    matcher = counting()
    index = matcher.open_index(box.parent / "anew", make=True)
    return index, matcher, matcher.index_photos(list_photos(box), index)


def test_renamed_copied_and_touched_photos_are_not_embedded_again(box: Path) -> None:
    indexed(box)
    (box / "0.png").rename(box / "1950-05-16.png")
    shutil.copy(box / "1.png", box / "copy.png")
    os.utime(box / "2.png", (0, 0))
    matcher, index, told = indexed(box)
    assert (looks(matcher), told.searched, told.moved, told.gone) == (0, 0, 3, 1)
    assert rows_of(index) == rows_of(indexed_anew(box)[0])
    assert looks(indexed(box)[0]) == 0


def test_photos_that_change_names_with_each_other_keep_their_own_faces(box: Path) -> None:
    (box / "text.jpg").rename(box / "text.png")
    indexed(box)
    for one, other in (("0.png", "1.png"), ("2.png", "text.png")):
        (box / one).rename(box / "between")
        (box / other).rename(box / one)
        (box / "between").rename(box / other)
    matcher, index, _ = indexed(box)
    assert looks(matcher) == 0
    assert rows_of(index) == rows_of(indexed_anew(box)[0])
    assert [Path(each["photo"]).name for each in index.failed()] == ["2.png"]


def test_removed_photos_go_and_those_elsewhere_stay(box: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Image.fromarray(noise(90, 90, 9)).save(elsewhere / "other.png")
    matcher, index, _ = indexed(box)
    matcher.index_photos(list_photos(elsewhere), index, options=IndexingOptions((str(elsewhere),)))
    (box / "1.png").unlink()
    (elsewhere / "other.png").unlink()
    _, index, told = indexed(box)
    assert told.gone == 1
    assert photos_in(index) == ["0.png", "2.png", "other.png", "text.jpg"]


def test_a_photo_that_is_broken_and_mended_is_in_one_table(box: Path) -> None:
    indexed(box)
    good = (box / "0.png").read_bytes()
    (box / "0.png").write_text("broken")
    _, index, _ = indexed(box)
    assert photos_in(index) == ["0.png", "1.png", "2.png", "text.jpg"]
    assert index.count() == 4
    (box / "0.png").write_bytes(good)
    _, index, _ = indexed(box)
    assert photos_in(index) == ["0.png", "1.png", "2.png", "text.jpg"]
    assert index.count() == 6


def test_failed_photos_are_tried_again_only_when_asked(box: Path) -> None:
    indexed(box)
    assert indexed(box)[2].searched == 0
    matcher, index, told = indexed(box, retry=True)
    assert (told.searched, looks(matcher), told.failed) == (1, 0, {"not-an-image": 1})
    assert photos_in(index) == ["0.png", "1.png", "2.png", "text.jpg"]


def test_content_is_compared_when_asked(box: Path) -> None:
    indexed(box)
    status = (box / "0.png").stat()
    content = bytearray((box / "0.png").read_bytes())
    content[-1] ^= 1  # of the last checksum: another file of the same size
    (box / "0.png").write_bytes(content)
    os.utime(box / "0.png", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert indexed(box)[2].searched == 0
    assert indexed(box, verify=True)[2].searched == 1


def test_two_engines_never_share_an_index(box: Path) -> None:
    indexed(box)
    with pytest.raises(ArchiveError, match=r"made with min-face 5 %, this is min-face 40: name"):
        counting(min_face=40).open_index(box.parent / "db", make=True)


def test_photos_without_a_file_or_a_name_that_can_be_written_are_told_of(box: Path) -> None:
    matcher = counting()
    index = matcher.open_index(box.parent / "db", make=True)
    told = matcher.index_photos([str(box / "none.png")], index)
    assert [(Path(each.photo).name, each.code) for each in told.skipped] == [
        ("none.png", "missing")
    ]
    assert photos_in(index) == []


def test_names_may_hold_any_letter_that_can_be_written(box: Path) -> None:
    odd = "O'Hara's \"ü\" 100% \\ OR photo != ''.png"
    (box / "0.png").rename(box / odd)
    indexed(box)
    (box / odd).rename(box / f"2 {odd}")
    _, index, told = indexed(box)
    assert (told.moved, told.gone) == (1, 1)
    assert photos_in(index) == ["1.png", f"2 {odd}", "2.png", "text.jpg"]
    (box / f"2 {odd}").unlink()
    assert photos_in(indexed(box)[1]) == ["1.png", "2.png", "text.jpg"]


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are text there")
def test_a_name_that_is_no_text_is_told_of(box: Path) -> None:
    (box / "0.png").rename(box / os.fsdecode(b"\xff.png"))
    _, index, told = indexed(box)
    assert [each.code for each in told.skipped] == ["name"]
    assert photos_in(index) == ["1.png", "2.png", "text.jpg"]


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are text there")
def test_a_copy_whose_name_is_no_text_stops_no_run(box: Path) -> None:
    indexed(box)
    shutil.copy(box / "0.png", box / os.fsdecode(b"\xff.png"))
    Image.fromarray(noise(90, 90, 7)).save(box / "new.png")
    _, index, told = indexed(box)
    assert [each.code for each in told.skipped] == ["name"]
    assert photos_in(index) == ["0.png", "1.png", "2.png", "new.png", "text.jpg"]


def test_the_last_photos_of_a_folder_go_too(box: Path) -> None:
    indexed(box)
    for photo in box.iterdir():
        photo.unlink()
    _, index, told = indexed(box)
    assert told.gone == 4
    assert photos_in(index) == []


def test_an_index_follows_its_resemblance_model(monkeypatch: pytest.MonkeyPatch) -> None:
    before = engine_identity(FaceMatcher().engine)
    other = replace(RESEMBLANCE["kin-1-resemblance"], sha256="0" * 64)
    monkeypatch.setitem(RESEMBLANCE, "kin-1-resemblance", other)
    assert engine_identity(FaceMatcher().engine) != before
    monkeypatch.undo()
    monkeypatch.setitem(KNOWN, "yunet", replace(KNOWN["yunet"], sha256="0" * 64))
    assert engine_identity(FaceMatcher().engine) == before


def test_who_stops_a_run_keeps_what_is_done(box: Path) -> None:
    matcher = counting()
    index = matcher.open_index(box.parent / "db", make=True)

    def stopped(seen: Iterable[IndexedPhoto], _: int) -> Iterator[IndexedPhoto]:
        yield from islice(seen, 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        matcher.index_photos(list_photos(box), index, on_progress=stopped)
    assert photos_in(index) == ["0.png", "1.png"]


def test_a_folder_of_other_things_is_left_alone(box: Path) -> None:
    with pytest.raises(ArchiveError, match=r"holds other files \(0\.png\): name a new folder"):
        counting().open_index(box, make=True)
    with pytest.raises(ArchiveError, match="is a file: name a folder"):
        Index(box / "0.png")
    with pytest.raises(ArchiveError, match="there is no such index"):
        Index(box / "none")
    assert not (box / "none").exists()
    with pytest.raises(ArchiveError, match="name the folder itself"):
        Index(f"file://{box}")
    with pytest.raises(ArchiveError, match="on no server"):
        Index("db://somewhere")


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no modes")
def test_the_folder_is_its_owners_alone(box: Path) -> None:
    indexed(box)
    assert (box.parent / "db").stat().st_mode & 0o777 == 0o700


def test_two_runs_never_write_at_once(box: Path) -> None:
    _, index, _ = indexed(box)
    with index.writing(), pytest.raises(ArchiveError, match="is being written by another"):
        indexed(box)
    assert indexed(box)[2].unchanged == 4


def test_without_lancedb_it_is_said_what_to_install(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(MissingExtraError, match=r"needs LanceDB: run `pip install 'facematch-kin"):
        Index(box)
    with pytest.raises(MissingExtraError):
        counting().open_index(box.parent / "db", make=True)
    assert not (box.parent / "db").exists()


_RUN = """
import sys
sys.path.insert(0, "tests")
from helpers.fakes import ColourEmbedder, CountingDetector
from facematch import FaceMatcher
from dataclasses import replace
from facematch.archive import indexing
from facematch.photos.listing import list_photos

indexing.PHOTOS_PER_COMMIT = 2
matcher = FaceMatcher(detector=CountingDetector((10, 10, 60, 60)), embedder=ColourEmbedder())
matcher.engine = replace(matcher.engine, identity_embedder=ColourEmbedder())
index = matcher.open_index(sys.argv[2], make=True)
add = index.add
index.__class__.add = lambda self, batch: (print("adding", flush=True), add(batch))
matcher.index_photos(list_photos(sys.argv[1]), index)
print("done", flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_with_every_photo_once(tmp_path: Path) -> None:
    box, rng = tmp_path / "box", random.Random(0)
    box.mkdir()
    for number in range(40):
        Image.fromarray(noise(80, 80, number)).save(box / f"{number}.png")
    for _ in range(2):
        with Popen([executable, "-c", _RUN, box, tmp_path / "db"], stdout=PIPE, text=True) as run:
            assert run.stdout is not None
            for _ in range(rng.randint(1, 8)):
                assert run.stdout.readline() == "adding\n"
            time.sleep(rng.uniform(0, 0.02))
            run.kill()
    matcher = counting(TWO[0])
    index = matcher.open_index(tmp_path / "db", make=True)
    before = len(photos_in(index))
    told = matcher.index_photos(list_photos(box), index)
    assert 0 < before < 40
    assert told.searched == 40 - before
    assert sorted(photos_in(index)) == sorted(path.name for path in box.iterdir())
    assert index.count() == 40
    assert rows_of(index) == rows_of(indexed_of_one(box, tmp_path / "other"))


def indexed_of_one(box: Path, where: Path) -> Index:
    matcher = counting(TWO[0])
    index = matcher.open_index(where, make=True)
    matcher.index_photos(list_photos(box), index)
    return index


def secret_in(where: Path) -> list[str]:
    """The files that hold the template that `with_a_secret` put there."""
    found = [file for file in where.rglob("*") if file.is_file()]
    return [file.name for file in found if b"a face template!" in file.read_bytes()]


class Telling(ColourEmbedder):
    """Embeds as words that can be looked for on disk."""

    space = "telling"

    def embed(self, chips: Chips) -> Vectors:
        vector = np.frombuffer(b"a face template!" * 2, np.float32)
        flat = chips.reshape(len(chips), self.frame.size**2 * 3)
        plain = np.arange(8) + flat.mean(axis=1, keepdims=True)
        black = ~flat.any(axis=1)
        return np.where(black[:, np.newaxis], vector, plain).astype(np.float32)


@pytest.fixture
def secret(tmp_path: Path) -> tuple[Path, Index]:
    """A black photo among many, in one file of the table, and the index of them."""
    box = tmp_path / "box"
    box.mkdir()
    for number in range(30):
        Image.fromarray(noise(90, 90, number)).save(box / f"{number}.png")
    Image.new("RGB", (90, 90)).save(box / "secret.png")
    matcher = FaceMatcher(detector=CountingDetector(TWO[0]), embedder=Telling())
    index = matcher.open_index(tmp_path / "db", make=True)
    matcher.index_photos(list_photos(box), index)
    assert secret_in(tmp_path / "db")
    return box / "secret.png", index


def test_what_is_forgotten_is_on_disk_no_more(
    secret: tuple[Path, Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, index = secret
    monkeypatch.setattr("facematch.archive.index.LARGE", 10)
    index.optimize()  # makes it searchable: such an index holds vectors, too
    shutil.copy(photo, photo.with_name("copy.png"))
    result = CliRunner().invoke(app, ["db", "forget", index.where, str(photo)])
    assert "1 face forgotten" in result.output
    assert secret_in(Path(index.where)) == []
    again = Index(index.where)
    assert again.count() == 30
    assert again.is_large
    assert list(again.faults()) == []


def test_many_commits_become_few_files_and_an_index_grows_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facematch.archive.indexing.PHOTOS_PER_COMMIT", 1)
    monkeypatch.setattr("facematch.archive.indexing._COMMITS_PER_OPTIMIZE", 10)
    monkeypatch.setattr("facematch.archive.index._SMALL_FILES", 9)
    monkeypatch.setattr("facematch.archive.index.LARGE", 10)
    monkeypatch.setattr("facematch.archive.index._FACES_PER_PARTITION", 10)
    for number in range(45):
        Image.fromarray(noise(80, 80, number)).save(tmp_path / f"{number}.png")
    index = indexed_of_one(tmp_path, tmp_path / "db")
    assert index.count() == 45
    assert len(list((tmp_path / "db").glob("faces.lance/data/*"))) < 10
    assert index.is_large
    query = next(index.rows(["photo", "comparable"]))
    found = index.nearest(np.array(query["comparable"][0].as_py(), np.float32), 3, ["photo"])
    assert found["photo"][0] == query["photo"][0]
    names = [each.name for each in index._tables["faces"].list_indices()]
    assert names == ["parts_4"]  # those of fewer parts went as it grew


def test_photos_whose_files_are_gone_are_forgotten_by_name(secret: tuple[Path, Index]) -> None:
    photo, index = secret
    photo.unlink()
    for number in range(3):
        photo.with_name(f"{number}.png").unlink()
    forget_photos(index, [photo])
    assert secret_in(Path(index.where)) == []
    assert index.count() == 30
    forget_photos(index, [photo.parent])
    assert list(index.known()) == []
    result = CliRunner().invoke(app, ["db", "forget", index.where, str(photo)])
    assert result.exit_code == 1
    assert "secret.png: no such file, and not in this index: check the name" in result.output


def test_compacting_destroys_what_a_run_took_out(secret: tuple[Path, Index]) -> None:
    photo, index = secret
    photo.unlink()
    matcher = FaceMatcher(detector=CountingDetector(TWO[0]), embedder=Telling())
    assert (
        matcher.index_photos(
            list_photos(photo.parent), index, options=IndexingOptions((str(photo.parent),))
        ).gone
        == 1
    )
    assert secret_in(Path(index.where))
    assert "MB now" in CliRunner().invoke(app, ["db", "compact", index.where]).output
    assert secret_in(Path(index.where)) == []
    assert index.count() == 30


def test_an_index_tells_what_it_holds_and_what_has_changed(box: Path) -> None:
    _, index, _ = indexed(box)
    told = CliRunner().invoke(app, ["db", "info", index.where]).output
    for words in ("6", "3 with a face", "1 not-an-image", "detector counting", "MB", "exact"):
        assert words in told
    failed = CliRunner().invoke(app, ["db", "info", index.where, "--failed"]).output
    assert "text.jpg: not-an-image: is in no format" in failed
    good = CliRunner().invoke(app, ["db", "verify", index.where])
    assert (good.exit_code, good.stdout) == (0, "")
    (box / "0.png").unlink()
    os.utime(box / "1.png", (0, 0))
    bad = CliRunner().invoke(app, ["db", "verify", index.where])
    assert (bad.exit_code, bad.stdout) == (
        1,
        f"{box / '0.png'}: missing\n{box / '1.png'}: changed\n",
    )


def test_rows_that_a_run_would_not_write_are_told_of(box: Path) -> None:
    matcher, index, _ = indexed(box)
    [seen] = search_photos(matcher.engine, [str(box / "0.png")])
    index.add([seen])
    assert list(index.faults()) == [(seen.photo, "faces are missing or stored twice")]


def test_the_command_tells_what_it_did(box: Path, tmp_path: Path) -> None:
    arguments = ["index", str(box), "--db", str(tmp_path / "db"), "--detector", "whole"]
    result = CliRunner().invoke(app, arguments)
    assert result.stdout.splitlines() == [
        f"{tmp_path / 'db'}: 3 faces",
        "4 photos searched, 3 faces found, 0 known by content, 0 gone, 0 unchanged",
        "without a usable face: 1 not-an-image; `facematch db info --failed` names them",
    ]
    other = CliRunner().invoke(app, [*arguments[:-1], "whole-tight"])
    assert isinstance(other.exception, ArchiveError)


@pytest.mark.parametrize("year", [2300, 2440, 1600])
def test_files_of_any_time_are_indexed_and_known_again(box: Path, year: int) -> None:
    seconds = (year - 1970) * 31_556_952
    os.utime(box / "1.png", (seconds, seconds))
    if (box / "1.png").stat().st_mtime != seconds:
        pytest.skip("the file system has no such time")
    assert indexed(box)[2].searched == 4
    assert indexed(box)[2].unchanged == 4
    os.utime(box / "1.png", (seconds + 1, seconds + 1))
    assert indexed(box)[2].unchanged == 3

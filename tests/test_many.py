"""Many photos against many: galleries, matches, pairs and the tables they are written to."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from helpers.command import run
from helpers.fakes import ColourEmbedder, CountingDetector
from helpers.made_up import noise
from helpers.places import REPOSITORY, SAMPLES
from PIL import Image

from facematch import FaceMatcher
from facematch.errors import EmbeddingError, MissingPhotoError, TableError
from facematch.matcher import Portrait
from facematch.output.pairs import read_pairs
from facematch.output.writing import write_rows
from facematch.photos.listing import list_photos
from facematch.types import Gallery, Photo, Scores, Skipped, Subject, Vectors

matcher = FaceMatcher(min_face=60)
FAMILY = [str(SAMPLES / f"{name}.png") for name in ("father", "mother", "son", "daughter")]


@pytest.fixture(scope="module")
def family() -> Gallery:
    return matcher.gallery(FAMILY)


def own(*boxes: tuple[float, float, float, float]) -> FaceMatcher:
    return FaceMatcher(detector=CountingDetector(*boxes), embedder=ColourEmbedder())


def photos(count: int) -> list[Photo]:
    return [Photo(f"photo {seed}", noise(90, 90, seed)) for seed in range(count)]


def test_a_gallery_holds_what_single_scores_compare(family: Gallery) -> None:
    (comparison,) = matcher.match(family, family)
    assert family.labels == tuple(FAMILY)
    assert family.space == "kin-1"
    for parent, child, cosine, score, ratio in zip(
        comparison.parents, comparison.children, comparison.cosines, comparison.scores,
        comparison.likelihood_ratios, strict=True,
    ):  # fmt: skip
        if parent < child:
            alone = matcher.score(FAMILY[parent], FAMILY[child])
            assert cosine == pytest.approx(alone.cosine, abs=1e-5)
            assert score == pytest.approx(alone.score, abs=0.1)
            assert ratio == pytest.approx(alone.likelihood_ratio, rel=1e-3)


def test_pairs_are_the_same_as_in_the_matrix(family: Gallery) -> None:
    (every,) = matcher.match(family, family)
    same = every.parents == every.children
    pairs = matcher.match_pairs(family, family)
    np.testing.assert_allclose(pairs.cosines, every.cosines[same], atol=1e-6)
    np.testing.assert_allclose(pairs.scores, every.scores[same], atol=1e-3)
    np.testing.assert_allclose(pairs.likelihood_ratios, every.likelihood_ratios[same], rtol=1e-5)


def test_the_best_parents_of_a_child_come_first(family: Gallery) -> None:
    (best,) = matcher.match(family, family, top=2)
    assert best.children.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert best.parents[::2].tolist() == [0, 1, 2, 3]  # everyone looks most like themselves
    assert (best.cosines[::2] >= best.cosines[1::2]).all()


@pytest.mark.parametrize("most", [1, 7, 10**6])
def test_matches_come_in_parts_that_make_up_the_whole(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facematch.matcher._MOST_PAIRS", most)
    gallery = own((10, 10, 60, 60)).gallery(photos(5))
    parts = list(matcher.match(gallery, gallery))
    pairs = [pair for part in parts for pair in zip(part.parents, part.children, strict=True)]
    assert sorted(pairs) == [(i, j) for i in range(5) for j in range(5)]
    assert len(parts) == {1: 5, 7: 5, 10**6: 1}[most]
    assert np.isnan(parts[0].scores).all()


def test_chips_are_embedded_in_batches_across_photos() -> None:
    mine = own((10, 10, 60, 60))
    gallery = mine.gallery(photos(70))
    assert mine.embedder.batches == [32, 32, 6]  # type: ignore[attr-defined]
    assert gallery.vectors.shape == (70, 6)


def test_every_face_of_every_photo_is_embedded_in_order() -> None:
    mine = own((10, 10, 60, 60), (20, 20, 50, 50))
    portraits = [mine.find_faces(photo) for photo in photos(3)]
    vectors = mine.embed(portraits)
    chips = np.concatenate([portrait.chips for portrait in portraits])
    np.testing.assert_array_equal(vectors, mine.embedder.embed(chips))
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


def test_no_photos_make_an_empty_gallery(family: Gallery) -> None:
    empty = matcher.gallery([])
    assert empty.vectors.shape == (0, 192)
    assert list(matcher.match(empty, empty)) == []
    (none,) = matcher.match(empty, family)
    assert none.cosines.shape == (0,)


def test_galleries_of_two_embedders_are_not_compared(family: Gallery) -> None:
    other = own((10, 10, 60, 60)).gallery(photos(2))
    with pytest.raises(EmbeddingError, match="kin-1 and colour cannot be compared"):
        next(matcher.match(family, other))


def test_a_gallery_is_checked_however_it_is_built() -> None:
    subject = Subject("a", (0, 0, 1, 1), 1.0, 1, 1)
    with pytest.raises(EmbeddingError, match="holds unit rows"):
        Gallery((subject,), np.ones((1, 4), np.float32), "x")
    with pytest.raises(EmbeddingError, match="for 1 subjects"):
        Gallery((subject,), np.ones((2, 4), np.float32), "x")


def test_threads_that_share_a_matcher_get_the_same_numbers() -> None:
    shared = FaceMatcher(min_face=60)
    expected = [matcher.score(FAMILY[0], child).cosine for child in FAMILY]
    start = threading.Barrier(4)

    def score(child: str) -> float:
        start.wait()
        return shared.score(FAMILY[0], child).cosine

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(score, FAMILY)) == pytest.approx(expected, abs=1e-6)


def numbers(one: FaceMatcher, cache: Path | None) -> tuple[Vectors, Scores]:
    """The family's vectors, and the scores of all against all."""
    gallery = one.gallery(FAMILY, cache=cache)
    (comparison,) = one.match(gallery, gallery)
    return gallery.vectors, comparison.scores


def numbers_of_a_process(cache: Path | None) -> tuple[Vectors, Scores]:
    return numbers(FaceMatcher(min_face=60), cache)


def check_same(some: list[tuple[Vectors, Scores]], family: Gallery) -> None:
    (expected,) = matcher.match(family, family)
    for vectors, scores in some:
        np.testing.assert_array_equal(vectors, family.vectors)
        np.testing.assert_array_equal(scores, expected.scores)


@pytest.mark.parametrize("cached", [False, True])
def test_threads_that_share_a_matcher_get_the_very_same_numbers(
    family: Gallery, tmp_path: Path, cached: bool
) -> None:
    shared, start = FaceMatcher(min_face=60), threading.Barrier(2)

    def work(_: int) -> tuple[Vectors, Scores]:
        start.wait()
        return numbers(shared, tmp_path / "faces.db" if cached else None)

    with ThreadPoolExecutor(2) as threads:
        check_same(list(threads.map(work, range(2))), family)


@pytest.mark.parametrize("cached", [False, True])
def test_processes_with_the_same_settings_get_the_very_same_numbers(
    family: Gallery, tmp_path: Path, cached: bool
) -> None:
    file = tmp_path / "faces.db" if cached else None
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        check_same(pool.map(numbers_of_a_process, [file, file], chunksize=1), family)
    if cached:  # and so does whoever comes later, and looks at no photo again
        blind = CountingDetector()
        blind.name = matcher.detector.name  # the cache takes it for the same
        check_same([numbers(FaceMatcher(detector=blind, min_face=60), file)], family)
        assert blind.calls == 0


def test_a_folder_is_the_photos_in_it_by_name(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.png", "sub/c.heic", ".cache/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    names = [Path(path).relative_to(tmp_path).as_posix() for path in list_photos(tmp_path)]
    assert names == ["a.png", "b.JPG", "sub/c.heic"]
    assert list_photos(tmp_path / "a.png") == [str(tmp_path / "a.png")]
    assert list_photos("none.png") == ["none.png"]
    with pytest.raises(MissingPhotoError, match="holds no photo"):
        list_photos(_empty(tmp_path))


def _empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def test_photos_are_matched_from_the_command_line(tmp_path: Path) -> None:
    parents, children = tmp_path / "parents", tmp_path / "children"
    for folder, names in ((parents, ("father", "mother")), (children, ("son", "daughter"))):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.png").write_bytes((SAMPLES / f"{name}.png").read_bytes())
    (children / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    out = tmp_path / "out.csv"
    result = run("match", parents, children, "--top", 1, "-o", out, "--min-face", 60)
    rows = list(csv.DictReader(out.read_text("utf-8").splitlines()))
    best = {Path(row["child"]).stem: Path(row["parent"]).stem for row in rows}
    assert result.returncode == 0
    assert result.stdout == ""
    assert best == {"daughter": "mother", "son": "father", "broken": ""}
    assert "broken.jpg: the file ends before the picture does" in rows[-1]["reason"]
    assert "no paternity test" in result.stderr


def test_pairs_are_scored_from_a_csv(tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text(
        "id,parent,child\n"
        "x,samples/father.png,samples/son.png\n"
        "y,none.png,samples/son.png\n"
        "z,samples/father.png,samples/son.png\n"
    )
    result = run("pairs", table, "--format", "json", "--min-face", 60)
    first, broken, again = json.loads(result.stdout)
    assert first["id"] == "x"
    assert first["cosine"] == pytest.approx(0.919, abs=0.01)
    assert again == first | {"id": "z"}
    assert broken["cosine"] is None
    assert broken["reason"] == "none.png: there is no such file: check the name"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("father,child\n", "has no column 'parent'"),
        ("parent,kid\n", "has no column 'child'"),
        ("parent,child,score\n", "the column 'score' is there twice or is a result's"),
        ("parent,child,x,x\n", "the column 'x' is there twice"),
        ("parent,child\na.png\n", "row 2 has more or fewer fields"),
        ("parent,child\na,b,c\n", "row 2 has more or fewer fields"),
        ("", "has no column 'parent'"),
    ],
)
def test_a_csv_that_names_no_pairs_is_refused(tmp_path: Path, content: str, message: str) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text(content)
    with pytest.raises(TableError, match=message):
        read_pairs(table)


def test_a_csv_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.csv cannot be read"):
        read_pairs(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("parent,child\né,b\n".encode("latin-1"))
    with pytest.raises(TableError, match=r"latin\.csv is no CSV in UTF-8"):
        read_pairs(tmp_path / "latin.csv")


ROW = {"parent": "a, b", "child": "é", "cosine": 0.5, "reason": None}


def test_rows_are_written_as_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = list(ROW)
    write_rows([ROW], columns, "csv", tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text("utf-8") == (
        'parent,child,cosine,reason\n"a, b",é,0.5,\n'
    )
    for rows in ([], [ROW], [ROW, ROW]):
        write_rows(rows, columns, "json", tmp_path / "rows.json")
        assert json.loads((tmp_path / "rows.json").read_text("utf-8")) == rows
    write_rows([ROW] * 60, columns, "table", None)
    printed = capsys.readouterr().out
    assert "0.500" in printed
    assert "reason" not in printed
    assert "and 10 more" in printed


def test_rows_are_written_as_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is of the extra [parquet]")
    write_rows([ROW, ROW], list(ROW), "parquet", tmp_path / "rows.parquet")
    assert parquet.read_table(tmp_path / "rows.parquet").to_pylist() == [ROW, ROW]
    odd = ROW | {"parent": "a\udcff.jpg", "parent_face": 2}
    write_rows([odd], list(odd), "parquet", tmp_path / "odd.parquet")
    (kept,) = parquet.read_table(tmp_path / "odd.parquet").to_pylist()
    assert (kept["parent"], kept["parent_face"]) == ("a\\udcff.jpg", 2)
    with pytest.raises(TableError, match="name a file with -o"):
        write_rows([ROW], list(ROW), "parquet", None)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cannot be written"):
        write_rows([ROW], list(ROW), "csv", tmp_path)


def test_a_format_that_is_not_known_is_asked_for() -> None:
    result = run("match", "samples/father.png", "samples/son.png", "-o", "out.txt")
    assert result.returncode == 1
    assert "out.txt: what format? Name one with --format" in result.stderr
    assert not (REPOSITORY / "out.txt").exists()


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


def test_folders_are_people_where_asked(tmp_path: Path) -> None:
    for person, names in (("mum", ("mother", "mother-2")), ("dad", ("father",))):
        (tmp_path / person).mkdir()
        for name in names:
            (tmp_path / person / f"{name}.png").write_bytes((SAMPLES / f"{name}.png").read_bytes())
    result = run("match", tmp_path, "samples/son.png", "--people", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["parent"] for row in rows] == ["dad", "mum"]
    assert [row["child"] for row in rows] == ["samples/son.png"] * 2


def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path) -> None:
    rows = [
        {"parent": name, "score": -1.5} for name in ("=1+1", "+1", "-a.jpg", "@a", "\ta", "a=b")
    ]
    write_rows(rows, ["parent", "score"], "csv", tmp_path / "out.csv")
    written = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    assert written[1:] == ["'=1+1,-1.5", "'+1,-1.5", "'-a.jpg,-1.5", "'@a,-1.5", "'\ta,-1.5",
                           "a=b,-1.5"]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (("match", "a.csv", "b.csv"), "b.csv"),
        (("pairs", "pairs.csv"), "a.csv"),
        (("pairs", "pairs.csv", "--cache", "c.csv"), "c.csv"),
    ],
)
def test_nothing_is_written_over_what_is_read(
    tmp_path: Path, arguments: tuple[str, ...], out: str
) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("a photo")
    (tmp_path / "pairs.csv").write_text("parent,child\na.csv,b.csv\n")
    result = run(*arguments, "-o", out, cwd=tmp_path)
    assert result.returncode == 1
    assert f"{out} is one of the files given: name another place" in result.stderr
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text() == "a photo"


def test_pairs_are_never_written_over_the_table_that_names_them(tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("parent,child\na.jpg,b.jpg\n")
    result = run("pairs", str(table), "-o", str(table))
    assert result.returncode == 1
    assert f"{table} is one of the files given: name another place" in result.stderr
    assert table.read_text() == "parent,child\na.jpg,b.jpg\n"

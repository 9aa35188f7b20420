from __future__ import annotations

import io
import json
import shutil
from datetime import date
from pathlib import Path
from typing import TypeGuard

import numpy as np
import pytest
from helpers.made_up import photos
from helpers.matchers import matcher
from helpers.places import SAMPLES
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from facematch import FaceMatcher
from facematch.analyses.find import ArchiveFace, Candidates, Findings, SoughtChild
from facematch.analyses.grouping import SAME_GROUP, group_by_person
from facematch.archive.index import Index
from facematch.cli import app
from facematch.errors import MissingPhotoError, OptionError
from facematch.output import as_json, rows, table
from facematch.photos.dates import Span, parse_years
from facematch.photos.listing import list_photos
from facematch.pictures import draw
from facematch.types import Face, Gallery, Person, Pixels, Portrait, Skipped, Subject, unit_rows


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("box")
    for name in ("father.png", "father-2.png", "mother.png", "mother-2.png", "group.jpg"):
        shutil.copy(SAMPLES / name, folder / name)
    shutil.copy(SAMPLES / "son.png", folder / "a copy.png")
    (folder / "broken.jpg").write_text("no photo")
    return folder


def test_an_archive_is_searched_face_by_face(archive: Path) -> None:
    found = matcher.find({"son": photos("son")}, list_photos(archive), top=3)
    assert found.photos == 5  # the child's own photo is left out
    assert found.faces == 8
    assert [each.code for each in found.skipped] == ["not-an-image"]
    first = next(each for each in found.found if each.may_be_child)
    assert (first.faces[0].subject.photo, len(first.faces)) == (
        str(archive / "group.jpg"), 1,
    )  # fmt: skip
    told = json.loads(as_json(found))
    assert [each["rank"] for each in told["found"]] == [1, 2, 3]
    assert told["found"][0]["photos"] == [{"photo": str(archive / "group.jpg"), "face": 2}]
    assert draw(found).std() > 20


def test_photos_of_one_person_are_together_and_siblings_apart() -> None:
    rng = np.random.default_rng(0)
    one, step = rng.normal(0, 1, (2, 128))
    one *= 1.4 / np.linalg.norm(one)
    step *= SAME_GROUP * 1.2 / np.linalg.norm(step)
    people = np.repeat([one, one + step], 3, axis=0)
    identities = (people + rng.normal(0, 0.015, people.shape)).astype(np.float32)
    names = [f"{at}.jpg" for at in range(6)]
    assert group_by_person(names, identities) == [[0, 1, 2], [3, 4, 5]]


def test_groups_within_the_mean_distance_are_one_person() -> None:
    apart = np.zeros((4, 128), np.float32)
    apart[2:, 0] = 0.96 * SAME_GROUP
    assert group_by_person(list("abcd"), apart) == [[0, 1, 2, 3]]
    apart[2:, 0] = 1.04 * SAME_GROUP
    assert group_by_person(list("abcd"), apart) == [[0, 1], [2, 3]]


def test_two_faces_of_one_photo_are_never_one_person() -> None:
    identities = np.zeros((3, 128), np.float32)
    assert group_by_person(["a", "a", "b"], identities) == [[0, 2], [1]]
    assert group_by_person([], identities[:0]) == []


def test_only_the_most_alike_are_kept_in_memory() -> None:
    def face(number: int) -> ArchiveFace:
        blank = np.zeros((1, 1, 3), np.uint8)
        subject = Subject(str(number), (0, 0, 1, 1), 1, 1, 1)
        far = np.ones(1, np.float32)
        return ArchiveFace(float(number % 10), subject, far, far, blank, ())

    nobody = np.empty((0, 0), np.float32)
    pictures = np.empty((0, 1, 1, 3), np.uint8)
    person = Person(
        "child", Gallery((), nobody, ""), pictures, np.empty((0, 3)), np.empty(0), (), ()
    )
    candidates = Candidates(SoughtChild(person, np.zeros((1, 1), np.float32), Span(), ()), 4)
    assert candidates.kept() == []
    for number in range(100):
        candidates.add(face(number))
    best = [kept.subject.photo for kept in candidates.kept()]
    assert best == ["9", "19", "29", "39"]  # of equals, the first


def test_one_child_is_searched_for(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="one child is searched for, not 0"):
        matcher.find({}, [])
    with pytest.raises(MissingPhotoError, match="holds no photo"):
        list_photos(tmp_path)


def test_many_photos_of_the_child_crowd_nobody_out(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facematch.analyses.find.FACES_PER_PERSON", 1)  # of each kind one is kept
    found = matcher.find({"son": photos("son")}, list_photos(archive), top=1)
    assert found.faces == 8
    everyone = matcher.find({"son": photos("son")}, list_photos(archive), top=2).found
    assert [each.may_be_child for each in everyone].count(True) <= 1
    assert not all(each.may_be_child for each in everyone)


@pytest.fixture(scope="module")
def index(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Index:
    pytest.importorskip("lancedb", reason="lancedb, of the extra [archive], is not installed")
    made = matcher.open_index(tmp_path_factory.mktemp("db") / "faces", make=True)
    matcher.index_photos(list_photos(archive), made)
    return made


def same(one: Findings, other: Findings) -> None:
    """Assert that two searches tell the same, but for where the last digits end."""
    for row, like in zip(rows(one), rows(other), strict=True):
        assert row == pytest.approx(like, abs=0.01)
    told, known = json.loads(as_json(one)), json.loads(as_json(other))
    for each in (told, known):
        del each["found"]
        each["skipped"].sort(key=str)
    assert told == known


def test_an_index_tells_what_the_folder_told(archive: Path, index: Index) -> None:
    folder = matcher.find({"son": photos("son")}, list_photos(archive), top=9)
    kept = matcher.find({"son": photos("son")}, index, top=9)
    same(kept, folder)
    assert kept.search == "exact"
    assert "8 faces in 5 photos were compared" in printed(kept)
    for one, other in zip(kept.found, folder.found, strict=True):
        difference = one.faces[0].portrait.astype(int) - other.faces[0].portrait
        assert np.abs(difference).mean() < 2
    assert draw(kept).shape == draw(folder).shape


def printed(found: Findings) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table(found))
    return console.export_text()


def test_a_large_index_is_searched_by_neighbours_and_says_so(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = matcher.find({"son": photos("son")}, index, top=2)
    monkeypatch.setattr("facematch.archive.index.LARGE", 5)
    monkeypatch.setattr(
        "facematch.archive.index._FACES_PER_PARTITION", 4
    )  # two parts of an index for eight faces
    index.optimize()
    near = matcher.find({"son": photos("son")}, index, top=2)
    assert (near.search, near.candidates) == ("approximate", 8)
    assert "Approximate: of 8 faces in 5 photos, the 8 nearest were compared" in printed(near)
    assert [{seen.subject for seen in each.faces} for each in near.found] == [
        {seen.subject for seen in each.faces} for each in exact.found
    ]
    monkeypatch.setattr("facematch.archive.find.OVERSAMPLING", 0.05)  # 2 of the 8
    assert matcher.find({"son": photos("son")}, index, top=2).candidates == 2


def test_only_photos_of_some_years_are_searched(archive: Path, tmp_path: Path) -> None:
    pytest.importorskip("lancedb", reason="lancedb, of the extra [archive], is not installed")
    dated = tmp_path / "dated"
    dated.mkdir()
    shutil.copy(archive / "father.png", dated / "1950-12-31.png")
    shutil.copy(archive / "father-2.png", dated / "1971-01-01.png")
    shutil.copy(archive / "mother.png", dated / "undated.png")
    shutil.copy(SAMPLES / "son.png", tmp_path / "1960-05-16.png")
    # Counted by neither: the child's own photo, and photos without a face, dated or not.
    shutil.copy(SAMPLES / "son.png", dated / "own.png")
    for name in ("1950-01-01.png", "empty.png"):
        Image.new("RGB", (300, 300), (len(name), 0, 0)).save(dated / name)
    son = {"son": [tmp_path / "1960-05-16.png"]}
    index = matcher.open_index(tmp_path / "db", make=True)
    matcher.index_photos(list_photos(dated), index)
    for options, wanted in (
        ({"days": parse_years("1951-1971")}, "1971-01-01.png"),
        ({"older": True}, "1950-12-31.png"),
        ({"older": True, "born": date(1971, 1, 1)}, "1950-12-31.png"),
    ):
        kept = matcher.find(son, index, **options)
        assert [Path(each.faces[0].subject.photo).name for each in kept.found] == [wanted]
        assert kept.warnings[-1].startswith("photos left out because nothing says when they were")
        same(kept, matcher.find(son, list_photos(dated), **options))
        assert kept.warnings[-1].endswith("taken: 1")
    with pytest.raises(
        OptionError, match="nothing says when son's photos were taken: `born` tells"
    ):
        matcher.find({"son": photos("son")}, index, older=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [("195", "are no years"), ("1970-1950", "first year is later"), ("0000", "are no years")],
)
def test_years_are_checked(words: str, message: str) -> None:
    assert parse_years("1950").contains(date(1950, 12, 31))
    assert not parse_years("1950").contains(date(1951, 1, 1))
    with pytest.raises(OptionError, match=message):
        parse_years(words)


def test_a_photo_that_has_changed_is_shown_grey(archive: Path, tmp_path: Path) -> None:
    pytest.importorskip("lancedb", reason="lancedb, of the extra [archive], is not installed")
    photo = tmp_path / "photo.png"
    shutil.copy(archive / "father.png", photo)
    index = matcher.open_index(tmp_path / "db", make=True)
    matcher.index_photos([str(photo)], index)
    shutil.copy(archive / "mother.png", photo)
    found = matcher.find({"son": photos("son")}, index)
    assert found.warnings[-1] == f"{photo} has changed: run `facematch index` again"
    photo.unlink()
    found = matcher.find({"son": photos("son")}, index)
    assert "so its face is not shown: run `facematch index` again" in found.warnings[-1]
    assert found.found[0].faces[0].portrait.std() == 0


class Blind:
    """Finds nothing, and fails where it is asked to."""

    name = "mmod"

    def detect(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        raise AssertionError("a photo was searched that an index knows")


def test_what_an_index_knows_is_not_searched_again(archive: Path, index: Index) -> None:
    knowing = FaceMatcher(detector=Blind(), min_face=60, index=index.where)
    father, child = {"dad": [archive / "father.png"]}, {"son": [archive / "a copy.png"]}
    told, known = matcher.family(father, child), knowing.family(father, child)
    for row, like in zip(rows(told), rows(known), strict=True):
        assert row == pytest.approx(like, abs=0.01)
    sides = [archive / "group.jpg"], [archive / "a copy.png", archive / "broken.jpg"]
    one, other = ([each.gallery(side) for side in sides] for each in (matcher, knowing))
    for gallery, like in zip(one, other, strict=True):
        assert gallery.subjects == like.subjects
        assert (gallery.warnings, gallery.skipped) == (like.warnings, like.skipped)
        np.testing.assert_allclose(gallery.vectors, like.vectors, atol=1e-5)
    with pytest.raises(AssertionError, match="that an index knows"):
        knowing.gallery([SAMPLES / "daughter.png"])


def test_children_are_matched_against_everyone_in_an_index(
    archive: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = matcher.gallery([SAMPLES / "son.png", SAMPLES / "daughter.png"])
    faces = [portrait for portrait in matcher.faces(list_photos(archive)) if is_of(portrait)]
    everyone = Gallery(
        tuple(subject for portrait in faces for subject in portrait.subjects()),
        unit_rows(matcher.embed(faces)),
        children.space,
    )
    [wanted] = matcher.match(everyone, children, top=3)
    for large in (False, True):
        if large:
            monkeypatch.setattr("facematch.archive.index.LARGE", 5)
            monkeypatch.setattr("facematch.archive.index._FACES_PER_PARTITION", 4)
            index.optimize()
        found, compared = matcher.match_index(index, children, top=3)
        assert [(each.photo, each.face) for each in found.subjects] == [
            (everyone.subjects[at].photo, everyone.subjects[at].face) for at in wanted.parents
        ]
        assert compared.children.tolist() == wanted.children.tolist() == [0, 0, 0, 1, 1, 1]
        np.testing.assert_allclose(compared.cosines, wanted.cosines, atol=1e-4)
        np.testing.assert_allclose(compared.scores, wanted.scores, atol=1e-2)
        unlike = found.unlike_photographs | children.unlike_photographs[compared.children]
        assert unlike.any()
        np.testing.assert_array_equal(np.isnan(compared.likelihood_ratios), unlike)


def is_of(portrait: Portrait | Skipped) -> TypeGuard[Portrait]:
    """Whether it is a photo, and not the son's own."""
    return isinstance(portrait, Portrait) and not portrait.photo.label.endswith("a copy.png")


def test_the_commands_take_an_index(index: Index) -> None:
    arguments = ["--db", index.where, "--min-face", "60", "--format", "json"]
    child = str(SAMPLES / "son.png")
    result = CliRunner().invoke(app, ["match", child, *arguments, "--top", "2"])
    rows = json.loads(result.stdout)
    assert [Path(row["parent"]).name for row in rows] == ["group.jpg", "group.jpg"]
    assert rows[0]["score"] >= rows[1]["score"]
    assert "exact search of 9 faces" in result.stderr
    result = CliRunner().invoke(app, ["find", child, *arguments])
    assert json.loads(result.stdout)["search"] == "exact"
    for wrong, message in (
        (["match", child], "against whom"),
        (["find", child], "where to search"),
        (["match", child, "--people", *arguments], "--people needs"),
    ):
        assert message in str(CliRunner().invoke(app, wrong).exception)


def test_an_archive_without_a_face_of_these_years_finds_nobody(archive: Path) -> None:
    son = str(SAMPLES / "son.png")
    result = CliRunner().invoke(app, ["find", son, "--in", str(archive), "--in-year", "1950-1970"])
    assert result.exit_code == 0, result.output
    assert "0 faces in 0 photos were compared" in result.output
    result = CliRunner().invoke(app, ["find", son, "--in", "nope"])
    assert "there is no such folder" in str(result.exception)

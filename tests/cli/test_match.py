"""`facematch match` and `facematch pairs`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from helpers.command import run
from helpers.places import REPOSITORY, SAMPLES


def test_a_pair_as_json_has_the_fields_of_a_score(tmp_path: Path) -> None:
    pair, quick = ("samples/father.png", "samples/son.png"), ("--format", "json", "--min-face", 60)
    told = json.loads(run("score", *pair, *quick).stdout)
    [matched] = json.loads(run("match", *pair, *quick).stdout)
    assert matched.keys() - {"reason"} == told.keys()
    assert matched["reason"] is None
    for name in told.keys() - {"warnings"}:  # score alone asks whether both are one person
        assert matched[name] == told[name], name
    assert set(matched["warnings"]) <= set(told["warnings"])
    (tmp_path / "none.png").write_bytes(b"none")
    [left_out] = json.loads(run("match", pair[0], tmp_path / "none.png", *quick).stdout)
    assert left_out["child"] == {"photo": str(tmp_path / "none.png")}
    assert "is in no format" in left_out["reason"]
    assert left_out.keys() == matched.keys()


def test_one_photo_on_both_sides_is_warned_of_in_both_commands(tmp_path: Path) -> None:
    copy = tmp_path / "copy.png"
    copy.write_bytes((SAMPLES / "son.png").read_bytes())
    words = "parent and child are the same face: one photo is given twice"
    given = run("match", SAMPLES / "son.png", copy, "--format", "json", "--min-face", 60)
    [row] = json.loads(given.stdout)
    assert words in row["warnings"]
    pairs = tmp_path / "pairs.csv"
    son, father = SAMPLES / "son.png", SAMPLES / "father.png"
    pairs.write_text(f"parent,child\n{son},{copy}\n{father},{son}\n", encoding="utf-8")
    same, other = json.loads(run("pairs", pairs, "--format", "json", "--min-face", 60).stdout)
    assert words in same["warnings"]
    assert words not in (other["warnings"] or "")


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
    assert best.keys() == {"daughter", "son", "broken"}
    assert (best["daughter"], best["broken"]) == ("mother", "")
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


def test_folders_are_people_where_asked(tmp_path: Path) -> None:
    for person, names in (("mum", ("mother", "mother-2")), ("dad", ("father",))):
        (tmp_path / person).mkdir()
        for name in names:
            (tmp_path / person / f"{name}.png").write_bytes((SAMPLES / f"{name}.png").read_bytes())
    result = run("match", tmp_path, "samples/son.png", "--people", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["parent"] for row in rows] == ["dad", "mum"]
    assert [row["child"] for row in rows] == ["samples/son.png"] * 2


def test_a_format_that_is_not_known_is_asked_for() -> None:
    result = run("match", "samples/father.png", "samples/son.png", "-o", "out.txt")
    assert result.returncode == 1
    assert "out.txt: what format? Name one with --format" in result.stderr
    assert not (REPOSITORY / "out.txt").exists()


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

"""Rows are written as they come, and a file cut short is gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.made_up import noise
from helpers.matchers import own

from facematch.errors import TableError
from facematch.output.comparison import Row, comparison_rows
from facematch.output.pairs import pair_photos, pair_rows
from facematch.output.resume import Continued
from facematch.output.writing import write_rows
from facematch.types import Gallery, Photo

ROWS = [
    {"parent": "a.jpg", "child": "line\nbreak.jpg", "score": 12.5},
    {"parent": 'say "b".jpg', "child": "🙂.jpg", "score": None},
    {"parent": "c\udcff.jpg", "child": "=1", "score": 0.1},
]


COLUMNS = ["parent", "child", "score"]


def taken(count: int, log: list[int]) -> Iterator[Photo]:
    """Photos that note when they are asked for."""
    for number in range(count):
        log.append(number)
        yield Photo(f"{number}", noise(90, 90, number))


def test_children_are_written_before_the_last_of_them_is_read() -> None:
    mine, log = own(), list[int]()
    parents = mine.gallery([Photo("p", noise(90, 90))])
    rows = comparison_rows(parents, mine.galleries(taken(100, log)), mine.match)
    assert next(rows)["child"] == "0"
    assert len(log) < 40
    assert [row["child"] for row in rows] == [str(number) for number in range(1, 100)]


def test_a_pair_is_written_as_soon_as_both_photos_are_known() -> None:
    mine, log = own(), list[int]()
    wanted = [{"parent": str(at), "child": str(at + 1), "score": None} for at in range(0, 100, 2)]
    wanted.insert(1, {"parent": "0", "child": "99", "score": None})  # waits for the last
    photos = {photo.label: photo for photo in taken(100, log)}
    log.clear()
    looked = mine.galleries(photos[name] for name in _noted(pair_photos(wanted), log))
    rows = pair_rows(looked, wanted, mine.match_pairs)
    assert (next(rows)["parent"], len(log) < 40) == ("0", True)
    rest = [(row["parent"], row["child"]) for row in rows]
    assert rest == [(row["parent"], row["child"]) for row in wanted[1:]]


def _noted(names: list[str], log: list[int]) -> Iterator[str]:
    for name in names:
        log.append(int(name))
        yield name


def test_a_photo_is_let_go_of_behind_its_last_pair() -> None:
    mine, held = own(), list[int]()
    wanted = [{"parent": f"{at}", "child": f"{at + 1}"} for at in range(0, 60, 2)]
    photos = {str(number): Photo(str(number), noise(90, 90, number)) for number in range(60)}

    def parts() -> Iterator[Gallery]:
        for part in mine.galleries(photos[name] for name in pair_photos(wanted)):
            yield part
            held.append(len(rows.gi_frame.f_locals["embedded"]))  # type: ignore[attr-defined]

    rows = pair_rows(parts(), wanted, mine.match_pairs)
    assert len(list(rows)) == 30
    assert max(held) <= 1


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl"])
def test_each_row_is_in_the_file_before_the_next_is_asked_for(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"

    def rows() -> Iterator[Row]:
        for number, row in enumerate(ROWS):
            if number:
                assert out.read_text("utf-8").count(".jpg") >= number
            yield row

    write_rows(rows(), COLUMNS, kind, out)


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl"])
def test_a_file_cut_anywhere_is_gone_on_with_to_the_same_bytes(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    write_rows(ROWS, COLUMNS, kind, out)
    whole = out.read_bytes()
    for end in range(len(whole) + 1):
        for behind in (b"", b"\0" * 9):  # what a power cut may leave
            out.write_bytes(whole[:end] + behind)
            write_rows(ROWS, COLUMNS, kind, out, resume=True)
            assert out.read_bytes() == whole


def test_a_long_run_of_zeros_is_cut_off(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"parent,child,score\n" + b"\0" * 200_000)
    write_rows(ROWS, COLUMNS, "csv", out, resume=True)
    assert out.read_bytes().count(b"\n") == 5


@pytest.mark.parametrize(
    ("stands", "why"),
    [("parent,kid\n", "line 1 is another"), ("parent,child,score\nb", "line 2 is another")],
)
def test_another_runs_file_is_refused_and_left_as_it_is(
    tmp_path: Path, stands: str, why: str
) -> None:
    out = tmp_path / "out.csv"
    out.write_text(stands)
    with pytest.raises(TableError, match=why):
        write_rows(ROWS, COLUMNS, "csv", out, resume=True)
    assert out.read_text() == stands


def test_a_file_with_more_than_the_run_writes_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    write_rows(ROWS, COLUMNS, "csv", out)
    with pytest.raises(TableError, match="there are more lines in it"):
        write_rows(ROWS[:2], COLUMNS, "csv", out, resume=True)


def test_a_place_that_cannot_be_written_is_said_before_any_photo_is_read(tmp_path: Path) -> None:
    def photos() -> Iterator[Row]:
        raise AssertionError("a photo was read")
        yield {}

    with pytest.raises(TableError, match="cannot be written"):
        write_rows(photos(), COLUMNS, "csv", tmp_path / "none" / "out.csv")
    with pytest.raises(TableError, match="cannot be written"):
        write_rows(photos(), COLUMNS, "csv", tmp_path, resume=True)


def test_what_is_written_goes_on_in_the_very_file(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("one\ntw")
    with Continued(path) as file:
        assert file.write("one\n") == 4
        file.write("two é\n")
        assert path.read_text("utf-8") == "one\ntwo é\n"

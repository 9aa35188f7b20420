"""Rows become files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facematch.errors import TableError
from facematch.output.writing import write_rows

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


def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path) -> None:
    rows = [
        {"parent": name, "score": -1.5} for name in ("=1+1", "+1", "-a.jpg", "@a", "\ta", "a=b")
    ]
    write_rows(rows, ["parent", "score"], "csv", tmp_path / "out.csv")
    written = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    assert written[1:] == ["'=1+1,-1.5", "'+1,-1.5", "'-a.jpg,-1.5", "'@a,-1.5", "'\ta,-1.5",
                           "a=b,-1.5"]  # fmt: skip


def test_a_table_shows_an_interval_beside_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "parent": "a.jpg", "score": 78.123, "likelihood_ratio": 3.1, "score_low": 60.4,
        "score_high": 85.0, "likelihood_ratio_low": 1.25, "likelihood_ratio_high": 6.5,
    }  # fmt: skip
    unknown = row | dict.fromkeys(list(row)[1:])
    write_rows([row, unknown], list(row), "table", None)
    printed = capsys.readouterr().out
    assert "78 (60 to 85)" in printed
    assert "3.1 (1.2 to 6.5)" in printed
    assert "low" not in printed

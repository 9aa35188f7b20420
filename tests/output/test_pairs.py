"""A table that names pairs."""

from __future__ import annotations

from pathlib import Path

import pytest

from facematch.errors import TableError
from facematch.output.pairs import read_pairs


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

"""CSV files as people's programs write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from facematch.runtime.tables import read_columns_and_rows

COLUMNS = ["parent", "child"]
ROW = {"parent": "dad, 1990.png", "child": "son.png"}
QUOTED = '"dad, 1990.png"'


@pytest.mark.parametrize(
    "text",
    [
        f"parent,child\n{QUOTED},son.png\n",
        "parent;child\r\ndad, 1990.png;son.png\r\n",
        "parent\tchild\ndad, 1990.png\tson.png\n",
        "sep=;\r\nparent;child\r\ndad, 1990.png;son.png\r\n",
        f"sep=,\r\nparent,child\r\n{QUOTED},son.png\r\n",
        f"Parent, CHILD\n{QUOTED}, son.png\n",
        f"parent,child,,\n{QUOTED},son.png,,\n",
        f"parent,child\n{QUOTED},son.png\n,\n\n,\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_is_read_as_programs_write_it(text: str, encoding: str, tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text(text, encoding=encoding, newline="")
    assert read_columns_and_rows(table, COLUMNS) == (COLUMNS, [ROW])


def test_a_line_end_within_a_field_stays(tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    note = "two\r\nlines, and a \u2028 sign"
    table.write_text(f'parent,child,note\na,b,"{note}"\n', encoding="utf-8", newline="")
    columns, (row,) = read_columns_and_rows(table, COLUMNS)
    assert (columns, row["note"]) == ([*COLUMNS, "note"], note)
    assert row["parent"] == "a"


def test_a_column_without_a_name_that_holds_something_stays(tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("parent,child,\na,b,note\n", encoding="utf-8")
    assert read_columns_and_rows(table) == (
        [*COLUMNS, ""],
        [{"parent": "a", "child": "b", "": "note"}],
    )

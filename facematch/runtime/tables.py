"""Tables that people give: CSV files in UTF-8 whose first line names the columns."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from facematch.errors import TableError

TableRow: TypeAlias = dict[str, str]  # column -> text


def read_table(path: Path, columns: Sequence[str] = ()) -> list[TableRow]:
    """The rows of a CSV file that has at least these columns. Rows keep further columns too.

    Raises TableError where the file cannot be read or is no CSV in UTF-8, where one of `columns` is
    missing, or where a row has more or fewer fields than the first line.
    """
    return read_columns_and_rows(path, columns)[1]


def read_columns_and_rows(
    path: Path, columns: Sequence[str] = ()
) -> tuple[list[str], list[TableRow]]:
    """All columns in the order of the first line, and the rows. Otherwise as `read_table`."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            present = list(reader.fieldnames or [])
            rows = list(reader)
    except OSError as error:
        raise TableError(f"{path} cannot be read ({error.strerror})") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise TableError(f"{path} is no CSV in UTF-8 ({error})") from error
    for name in columns:
        if name not in present:
            raise TableError(f"{path} has no column {name!r}: its first line must name it")
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise TableError(f"{path}: row {number} has more or fewer fields than the first line")
    return present, rows

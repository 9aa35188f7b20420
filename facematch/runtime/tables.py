"""Tables that people give: CSV files whose first line names the columns, as programs write them.

Fields are separated by commas, semicolons or tabs.
"""

from __future__ import annotations

import codecs
import csv
import io
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
        lines = io.StringIO(_text(path.read_bytes()), newline="").readlines()
        delimiter, skipped = _delimiter(lines)
        reader = csv.DictReader(
            lines[skipped:], strict=True, delimiter=delimiter, skipinitialspace=True
        )
        reader.fieldnames = [_column(name, columns) for name in reader.fieldnames or []]
        rows = list(reader)
    except OSError as error:
        raise TableError(f"{path} cannot be read ({error.strerror})") from error
    except (csv.Error, UnicodeError) as error:
        raise TableError(f"{path} is no CSV in UTF-8 ({error})") from error
    present = list(reader.fieldnames)
    for name in columns:
        if name not in present:
            raise TableError(f"{path} has no column {name!r}: its first line must name it")
    for number, row in enumerate(rows, start=2 + skipped):
        if None in row or None in row.values():
            raise TableError(f"{path}: row {number} has more or fewer fields than the first line")
    rows = [row for row in rows if any(row.values())]
    if any(row.get("") for row in rows):
        return present, rows
    return [name for name in present if name], [_without_unnamed(row) for row in rows]


def _text(content: bytes) -> str:
    """The text of a file in UTF-8, or in UTF-16 that says so, as Excel writes it."""
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf_16 else "utf-8-sig")


def _delimiter(lines: Sequence[str]) -> tuple[str, int]:
    """What separates fields, and the number of lines before that of the columns.

    Excel may begin with a line sep=; of its own. Otherwise it is a comma, unless the first line has
    more semicolons or tabs.
    """
    first = lines[0] if lines else ""
    if first.startswith("sep=") and len(first.strip("\r\n")) == 5:
        return first[4], 1
    return max(",;\t", key=first.count), 0


def _column(name: str, columns: Sequence[str]) -> str:
    """The name without blanks; spelt as in `columns` where only capitals differ."""
    name = name.strip()
    return next((each for each in columns if each == name.lower()), name)


def _without_unnamed(row: TableRow) -> TableRow:
    return {name: text for name, text in row.items() if name}

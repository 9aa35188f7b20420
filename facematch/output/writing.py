"""Rows written as CSV, JSON, JSON lines, Parquet or a table, to a file or to stdout."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, cast

from facematch.errors import TableError, printable
from facematch.output.comparison import RESULT_DIGITS, Row
from facematch.output.resume import Continued
from facematch.runtime.extras import require
from facematch.runtime.places import why_no_file
from facematch.scoring.wording import ratio_words, score_words

_WITH_INTERVAL = {"score": score_words, "likelihood_ratio": ratio_words}  # in a table
_INTERVAL_ENDS = {f"{name}_{end}" for name in _WITH_INTERVAL for end in ("low", "high")}
_MOST_TABLE_ROWS = 50
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # by OWASP's list
_PARQUET_BATCH = 50_000  # rows written at a time


def check_place(out: Path | None) -> None:
    """Raise TableError where no file can be written there: called before anything is computed."""
    why = None if out is None else why_no_file(out)
    if why is not None:
        raise TableError(f"{out} cannot be written ({why}): name another place")


def write_rows(
    rows: Iterable[Row],
    columns: Sequence[str],
    kind: str,
    out: Path | None,
    *,
    resume: bool = False,
) -> None:
    """Write rows as `kind`: "table", "json", "jsonl", "csv" or "parquet", to a file or to stdout.

    All but tables are written as rows come, a line at a time. With `resume` the file of an earlier
    run is continued, see `Continued`. Raises TableError where the file cannot be written or is not
    this run's, MissingExtraError where Parquet's package is not installed.
    """
    try:
        if kind == "parquet":
            _write_parquet(rows, columns, out)
            return
        with _text_file(out, resume) as file:
            _TEXT_WRITERS[kind](rows, columns, file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise TableError(
            f"{out or 'stdout'} cannot be written ({error.strerror}): make room, or name another "
            "file"
        ) from error


@contextmanager
def _text_file(out: Path | None, resume: bool) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
    elif resume:
        with Continued(out) as continued:
            yield cast("TextIO", continued)  # rows are written, and no more
    else:
        # Names may hold bytes that are no UTF-8: those are written as \udcff, as JSON has it.
        with out.open(
            "w", buffering=1, newline="", encoding="utf-8", errors="backslashreplace"
        ) as file:
            yield file


def _write_csv(rows: Iterable[Row], columns: Sequence[str], file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_without_formula(column) for column in columns])
    for row in rows:
        values = map(row.__getitem__, columns)
        # Most cells are numbers: a call for each would take longer than the writing.
        writer.writerow([
            _without_formula(value) if isinstance(value, str) else value for value in values
        ])  # fmt: skip


def _without_formula(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe goes before its first sign."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _write_json(rows: Iterable[Row], columns: Sequence[str], file: TextIO) -> None:
    """One array of objects, an object a line."""
    start = "[\n"
    for row in rows:
        file.write(start + _json_line(row, columns))
        start = ",\n"
    file.write(("[" if start == "[\n" else "\n") + "]\n")


def _write_json_lines(rows: Iterable[Row], columns: Sequence[str], file: TextIO) -> None:
    """An object a line."""
    for row in rows:
        file.write(_json_line(row, columns) + "\n")


def _json_line(row: Row, columns: Sequence[str]) -> str:
    ordered = {column: row[column] for column in columns}
    return json.dumps(ordered, ensure_ascii=False, allow_nan=False)


def _write_table(rows: Iterable[Row], columns: Sequence[str], file: TextIO) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    rows = iter(rows)
    first = list(islice(rows, _MOST_TABLE_ROWS))
    shown = [
        name
        for name in columns
        if name not in _INTERVAL_ENDS and any(row[name] is not None for row in first)
    ]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in shown:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in first:
        table.add_row(*(escape(_table_cell(name, row)) for name in shown))
    # In a pipe nobody's window is too narrow for the paths.
    width = None if file.isatty() or "COLUMNS" in os.environ else 160
    console = Console(file=file, highlight=False, width=width)
    console.print(table)
    if left_out := sum(1 for _ in rows):
        console.print(f"and {left_out:,} more: --format csv -o FILE writes them all")


def _table_cell(name: str, row: Row) -> str:
    """What a table shows of a row; the interval of a number stands beside it."""
    value = row[name]
    if value is None:
        return ""
    if name == "cosine":
        return f"{value:.3f}"
    if f"{name}_low" in row and name in _WITH_INTERVAL:
        return _WITH_INTERVAL[name](value, (row[f"{name}_low"], row[f"{name}_high"]))
    return printable(str(value))


def _write_parquet(rows: Iterable[Row], columns: Sequence[str], out: Path | None) -> None:
    if out is None:
        raise TableError("Parquet is not for a terminal: name a file with -o")
    pa = require("pyarrow", "pyarrow", "parquet", "Parquet")
    parquet = require("pyarrow.parquet", "pyarrow", "parquet", "Parquet")
    numbers = dict.fromkeys(RESULT_DIGITS, pa.float64()) | {"parent_face": pa.int32()}
    schema = pa.schema([(column, numbers.get(column, pa.string())) for column in columns])
    with parquet.ParquetWriter(out, schema) as writer:
        rows = iter(rows)
        while batch := list(islice(rows, _PARQUET_BATCH)):
            texts = [{name: _utf8_text(value) for name, value in row.items()} for row in batch]
            writer.write_table(pa.Table.from_pylist(texts, schema))


def _utf8_text(value: Any) -> Any:
    """Text in valid UTF-8; a byte that is no UTF-8 becomes an escape."""
    is_text = isinstance(value, str)
    return value.encode("utf-8", "backslashreplace").decode() if is_text else value


_TEXT_WRITERS = {
    "table": _write_table,
    "json": _write_json,
    "jsonl": _write_json_lines,
    "csv": _write_csv,
}

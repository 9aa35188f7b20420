"""Many results as rows: CSV, JSON, Parquet or a table; and pairs of photos from a CSV."""

from __future__ import annotations

import csv
import json
import math
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, TypeAlias, cast

import numpy as np

from facematch.errors import TableError, printable
from facematch.output.resume import Continued
from facematch.runtime.extras import require
from facematch.types import DIGITS, Comparison, Gallery, Skipped

Row: TypeAlias = dict[str, Any]


_ROLES = ("parent", "child")
RESULTS = ("cosine", "score", "likelihood_ratio", "warnings", "reason")
_FORMATS = {"cosine": ".3f", "score": ".1f", "likelihood_ratio": ".2g"}  # of a table
_SHOWN = 50  # rows of a table
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a formula may begin with, by OWASP's list
_BATCH = 50_000  # rows of Parquet written at a time


def comparison_rows(
    parents: Gallery,
    children: Iterable[Gallery],
    match: Callable[[Gallery, Gallery], Iterable[Comparison]],
    *,
    faces: bool = False,
) -> Iterator[Row]:
    """A row a pair, then a row for each photo that could not be used, with the reason.

    `children` come in parts, and so do the rows: as soon as a part is there. With `faces`,
    `parent_face` says which face of the parent's photo it is.
    """
    left_out: list[Skipped] = []
    for some in children:
        for at, row in _compared_rows(parents, some, match(parents, some)):
            yield ({"parent_face": parents.subjects[at].face} if faces else {}) | row
        left_out += some.skipped
    for role, skipped in (("parent", parents.skipped), ("child", left_out)):
        for each in skipped:
            who = dict.fromkeys(("parent", "parent_face", "child") if faces else _ROLES)
            yield who | {role: each.photo} | failure(each)


def _compared_rows(
    parents: Gallery, children: Gallery, comparisons: Iterable[Comparison]
) -> Iterator[tuple[int, Row]]:
    """Each pair's parent, and its row."""
    parent_labels, child_labels = parents.labels, children.labels
    of_parents, of_children = _warnings(parents), _warnings(children)
    for comparison in comparisons:
        columns = (
            comparison.parents,
            comparison.children,
            comparison.cosines,
            comparison.scores,
            comparison.likelihood_ratios,
        )
        for parent, child, *values in zip(*(column.tolist() for column in columns), strict=True):
            who = {"parent": parent_labels[parent], "child": child_labels[child]}
            warnings = [*of_parents[parent], *of_children[child]]
            yield parent, who | result(*values, warnings=warnings)


def pair_photos(wanted: Sequence[Row]) -> list[str]:
    """The photos that rows name, each once, in the order of the rows."""
    return list(dict.fromkeys(row[role] for row in wanted for role in _ROLES))


def pair_rows(
    galleries: Iterable[Gallery],
    wanted: Sequence[Row],
    match_pairs: Callable[[Gallery, Gallery], Comparison],
) -> Iterator[Row]:
    """The rows wanted, each with its result, or the reason why there is none.

    `galleries` hold what `pair_photos` gave, in that order. A row comes as soon as both its photos
    are known, and a photo is let go of behind its last row.
    """
    last_row = {row[role]: number for number, row in enumerate(wanted) for role in _ROLES}
    at: dict[str, tuple[Gallery, int]] = {}
    skipped: dict[str, Skipped] = {}
    waiting = deque(enumerate(wanted))

    def is_known(photo: str) -> bool:
        return photo in at or photo in skipped

    for some in galleries:
        at |= {label: (some, row) for row, label in enumerate(some.labels)}
        skipped |= {each.photo: each for each in some.skipped}
        ready = []
        while waiting and all(is_known(waiting[0][1][role]) for role in _ROLES):
            ready.append(waiting.popleft())
        yield from _ready_rows([row for _, row in ready], at, skipped, match_pairs)
        for number, row in ready:
            for photo in {row[role] for role in _ROLES if last_row[row[role]] == number}:
                at.pop(photo, None)


def _ready_rows(
    ready: Sequence[Row],
    at: Mapping[str, tuple[Gallery, int]],
    skipped: Mapping[str, Skipped],
    match_pairs: Callable[[Gallery, Gallery], Comparison],
) -> Iterator[Row]:
    """Rows whose photos are all known, `at` a row of a gallery or skipped."""
    usable = [row for row in ready if row["parent"] in at and row["child"] in at]
    results = _pair_results([[at[row[role]] for row in usable] for role in _ROLES], match_pairs)
    for row in ready:
        missing = [skipped[row[role]] for role in _ROLES if row[role] in skipped]
        yield row | (failure(*missing) if missing else next(results))


def _pair_results(
    sides: Sequence[Sequence[tuple[Gallery, int]]],
    match_pairs: Callable[[Gallery, Gallery], Comparison],
) -> Iterator[Row]:
    if not sides[0]:
        return
    parents, children = (_picked(side) for side in sides)
    compared = match_pairs(parents, children)
    columns = (compared.cosines, compared.scores, compared.likelihood_ratios)
    warned = zip(_warnings(parents), _warnings(children), strict=True)
    for *values, (parent, child) in zip(*(each.tolist() for each in columns), warned, strict=True):
        yield result(*values, warnings=[*parent, *child])


def result(
    cosine: float, score: float, likelihood_ratio: float, *, warnings: Sequence[str] = ()
) -> Row:
    """What is known of a pair; a score that is not a number is None."""
    values = {"cosine": cosine, "score": score, "likelihood_ratio": likelihood_ratio}
    known: Row = {
        name: None if math.isnan(value) else round(value, DIGITS[name])
        for name, value in values.items()
    }
    return known | {"warnings": "; ".join(dict.fromkeys(warnings)) or None, "reason": None}


def failure(*skipped: Skipped) -> Row:
    """Why there is no result."""
    reason = "; ".join(dict.fromkeys(f"{each.photo}: {each.reason}" for each in skipped))
    return dict.fromkeys(RESULTS) | {"reason": reason}


def read_pairs(path: Path) -> tuple[list[str], list[Row]]:
    """The columns and rows of a CSV that names a parent and a child photo in each row.

    Raises TableError where it cannot be read, lacks one of both columns, or has one that a result
    would overwrite.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            columns = list(reader.fieldnames or [])
            rows = list(reader)
    except OSError as error:
        raise TableError(f"{path} cannot be read ({error.strerror})") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise TableError(f"{path} is no CSV in UTF-8 ({error})") from error
    for needed in _ROLES:
        if needed not in columns:
            raise TableError(f"{path} has no column {needed!r}: its first line must name it")
    for name in columns:
        if columns.count(name) > 1 or name in RESULTS:
            raise TableError(f"{path}: the column {name!r} is there twice or is a result's: rename")
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise TableError(f"{path}: row {number} has more or fewer fields than the first line")
    return columns, rows


def check_place(out: Path | None) -> None:
    """Raise TableError, before anything is computed, where no file can be written."""
    if out is not None and not os.access(out.absolute().parent, os.W_OK):
        raise TableError(f"{out} cannot be written: its folder is missing or may not be written to")


def write_rows(
    rows: Iterable[Row],
    columns: Sequence[str],
    kind: str,
    out: Path | None,
    *,
    resume: bool = False,
) -> None:
    """Write rows as `kind`: "table", "json", "jsonl", "csv" or "parquet", to a file or to stdout.

    All but tables are written as rows come, a line at a time. With `resume` the file goes on where
    an earlier run left it, see `Continued`. Raises TableError where the file cannot be written or
    is not this run's, MissingExtraError where Parquet's package is not installed.
    """
    try:
        if kind == "parquet":
            _write_parquet(rows, columns, out)
            return
        with _opened(out, resume) as file:
            _WRITERS[kind](rows, columns, file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise TableError(
            f"{out or 'stdout'} cannot be written ({error.strerror}): make room, or name another "
            "file"
        ) from error


@contextmanager
def _opened(out: Path | None, resume: bool) -> Iterator[TextIO]:
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
    writer.writerow([_inert(column) for column in columns])
    for row in rows:
        writer.writerow([_inert(row[column]) for column in columns])


def _inert(value: Any) -> Any:
    """A cell no spreadsheet takes for a formula: words that begin like one get an apostrophe."""
    begins_so = isinstance(value, str) and value.startswith(_FORMULA)
    return f"'{value}" if begins_so else value


def _write_json(rows: Iterable[Row], columns: Sequence[str], file: TextIO) -> None:
    """One array of objects, an object a line."""
    start = "[\n"
    for row in rows:
        file.write(start + _as_json(row, columns))
        start = ",\n"
    file.write(("[" if start == "[\n" else "\n") + "]\n")


def _write_json_lines(rows: Iterable[Row], columns: Sequence[str], file: TextIO) -> None:
    """An object a line."""
    for row in rows:
        file.write(_as_json(row, columns) + "\n")


def _as_json(row: Row, columns: Sequence[str]) -> str:
    ordered = {column: row[column] for column in columns}
    return json.dumps(ordered, ensure_ascii=False, allow_nan=False)


def _write_table(rows: Iterable[Row], columns: Sequence[str], file: TextIO) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    rows = iter(rows)
    first = list(islice(rows, _SHOWN))
    shown = [name for name in columns if any(row[name] is not None for row in first)]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in shown:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in first:
        table.add_row(*(escape(_shown(name, row[name])) for name in shown))
    # In a pipe nobody's window is too narrow for the paths.
    width = None if file.isatty() or "COLUMNS" in os.environ else 160
    console = Console(file=file, highlight=False, width=width)
    console.print(table)
    if left_out := sum(1 for _ in rows):
        console.print(f"and {left_out:,} more: --format csv -o FILE writes them all")


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    return format(value, _FORMATS[name]) if name in _FORMATS else printable(str(value))


def _write_parquet(rows: Iterable[Row], columns: Sequence[str], out: Path | None) -> None:
    if out is None:
        raise TableError("Parquet is not for a terminal: name a file with -o")
    pa = require("pyarrow", "pyarrow", "parquet", "Parquet")
    parquet = require("pyarrow.parquet", "pyarrow", "parquet", "Parquet")
    numbers = dict.fromkeys(DIGITS, pa.float64()) | {"parent_face": pa.int32()}
    schema = pa.schema([(column, numbers.get(column, pa.string())) for column in columns])
    with parquet.ParquetWriter(out, schema) as writer:
        rows = iter(rows)
        while batch := list(islice(rows, _BATCH)):
            texts = [{name: _utf8(value) for name, value in row.items()} for row in batch]
            writer.write_table(pa.Table.from_pylist(texts, schema))


def _utf8(value: Any) -> Any:
    """Text that can be written; a byte of a name that is no UTF-8 stays to be seen."""
    is_text = isinstance(value, str)
    return value.encode("utf-8", "backslashreplace").decode() if is_text else value


_WRITERS = {
    "table": _write_table,
    "json": _write_json,
    "jsonl": _write_json_lines,
    "csv": _write_csv,
}


def _picked(rows: Sequence[tuple[Gallery, int]]) -> Gallery:
    """One gallery of rows of others."""
    return Gallery(
        subjects=tuple(gallery.subjects[at] for gallery, at in rows),
        vectors=np.stack([gallery.vectors[at] for gallery, at in rows]),
        space=rows[0][0].space,
        warnings=tuple(gallery.phrases[at] for gallery, at in rows),
    )


def _warnings(gallery: Gallery) -> list[list[str]]:
    """Of each photo, what makes its scores less sure, with its label."""
    return [
        [f"{label}: {phrase}" for phrase in each]
        for label, each in zip(gallery.labels, gallery.phrases, strict=True)
    ]

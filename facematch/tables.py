"""Many results as rows: CSV, JSON, Parquet or a table; and pairs of photos from a CSV."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import numpy as np

from facematch.errors import TableError
from facematch.extras import require
from facematch.types import DIGITS, Comparison, Gallery, Skipped

Row: TypeAlias = dict[str, Any]

RESULTS = ("cosine", "score", "likelihood_ratio", "warnings", "reason")
_FORMATS = {"cosine": ".3f", "score": ".1f", "likelihood_ratio": ".2g"}  # of a table
_SHOWN = 50  # rows of a table
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a formula may begin with, by OWASP's list
_BATCH = 50_000  # rows of Parquet written at a time


def comparison_rows(
    parents: Gallery, children: Gallery, comparisons: Iterable[Comparison], *, faces: bool = False
) -> Iterator[Row]:
    """A row a pair, then a row for each photo that could not be used, with the reason.

    With `faces`, `parent_face` says which face of the parent's photo it is.
    """
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
            who: Row = {"parent": parent_labels[parent], "child": child_labels[child]}
            if faces:
                who["parent_face"] = parents.subjects[parent].face
            warnings = [*of_parents[parent], *of_children[child]]
            yield who | result(*values, warnings=warnings)
    for role, gallery in (("parent", parents), ("child", children)):
        for skipped in gallery.skipped:
            yield {"parent": None, "child": None, role: skipped.photo} | failure(skipped)


def pair_rows(
    gallery: Gallery, wanted: Sequence[Row], match_pairs: Callable[[Gallery, Gallery], Comparison]
) -> Iterator[Row]:
    """The rows wanted, each with its result, or the reason why there is none."""
    at = {label: number for number, label in enumerate(gallery.labels)}
    skipped = {each.photo: each for each in gallery.skipped}
    usable = [row for row in wanted if row["parent"] in at and row["child"] in at]
    sides = [_picked(gallery, [at[row[role]] for row in usable]) for role in ("parent", "child")]
    compared = match_pairs(*sides)
    columns = (compared.cosines, compared.scores, compared.likelihood_ratios)
    results = zip(*(column.tolist() for column in columns), strict=True)
    warned = _warnings(gallery)
    for row in wanted:
        places = [at.get(row[role]) for role in ("parent", "child")]
        if None in places:
            missing = [skipped[row[role]] for role in ("parent", "child") if row[role] in skipped]
            yield row | failure(*missing)
        else:
            warnings = [text for place in places for text in warned[place or 0]]
            yield row | result(*next(results), warnings=warnings)


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
    for needed in ("parent", "child"):
        if needed not in columns:
            raise TableError(f"{path} has no column {needed!r}: its first line must name it")
    for name in columns:
        if columns.count(name) > 1 or name in RESULTS:
            raise TableError(f"{path}: the column {name!r} is there twice or is a result's: rename")
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise TableError(f"{path}: row {number} has more or fewer fields than the first line")
    return columns, rows


def write_rows(rows: Iterable[Row], columns: Sequence[str], kind: str, out: Path | None) -> None:
    """Write rows as `kind`: "table", "json", "csv" or "parquet", to a file or to stdout.

    CSV, JSON and Parquet are written as rows come. Raises TableError where the file cannot be
    written, MissingExtraError where Parquet's package is not installed.
    """
    try:
        if kind == "parquet":
            _write_parquet(rows, columns, out)
            return
        with _opened(out) as file:
            {"table": _write_table, "json": _write_json, "csv": _write_csv}[kind](
                rows, columns, file
            )
    except BrokenPipeError:
        raise
    except OSError as error:
        raise TableError(f"{out or 'stdout'} cannot be written ({error.strerror})") from error


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    with out.open("w", newline="", encoding="utf-8") as file:
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
        ordered = {column: row[column] for column in columns}
        file.write(start + json.dumps(ordered, ensure_ascii=False, allow_nan=False))
        start = ",\n"
    file.write(("[" if start == "[\n" else "\n") + "]\n")


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
    console = Console(file=file, highlight=False)
    console.print(table)
    if left_out := sum(1 for _ in rows):
        console.print(f"and {left_out:,} more: --format csv -o FILE writes them all")


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    return format(value, _FORMATS[name]) if name in _FORMATS else str(value)


def _write_parquet(rows: Iterable[Row], columns: Sequence[str], out: Path | None) -> None:
    if out is None:
        raise TableError("Parquet is not for a terminal: name a file with -o")
    pa = require("pyarrow", "pyarrow", "parquet", "Parquet")
    parquet = require("pyarrow.parquet", "pyarrow", "parquet", "Parquet")
    numbers = dict.fromkeys(DIGITS, pa.float64())
    schema = pa.schema([(column, numbers.get(column, pa.string())) for column in columns])
    with parquet.ParquetWriter(out, schema) as writer:
        rows = iter(rows)
        while batch := list(islice(rows, _BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema))


def _picked(gallery: Gallery, rows: Sequence[int]) -> Gallery:
    return Gallery(
        tuple(gallery.subjects[row] for row in rows),
        gallery.vectors[np.array(rows, np.intp)],
        gallery.space,
    )


def _warnings(gallery: Gallery) -> list[list[str]]:
    """Of each photo, what makes its scores less sure, with its label."""
    phrases = gallery.warnings or [()] * len(gallery.subjects)
    return [
        [f"{label}: {phrase}" for phrase in each]
        for label, each in zip(gallery.labels, phrases, strict=True)
    ]

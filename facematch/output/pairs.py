"""Pairs of photos that a CSV names: reading the CSV, and the rows with their results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from facematch.errors import TableError
from facematch.output.comparison import (
    RESULTS,
    ROLES,
    Row,
    failed_row,
    joined_warnings,
    result_rows,
    row_warnings,
    same_face_warnings,
)
from facematch.runtime.tables import read_columns_and_rows
from facematch.types import Comparison, Gallery, Skipped


def read_pairs(path: Path) -> tuple[list[str], Sequence[Row]]:
    """The columns and rows of a CSV that names a parent and a child photo in each row.

    Raises TableError where it cannot be read, lacks one of these columns, or has one that a result
    would overwrite.
    """
    columns, rows = read_columns_and_rows(path, ROLES)
    for name in columns:
        if columns.count(name) > 1 or name in RESULTS:
            raise TableError(f"{path}: the column {name!r} is there twice or is a result's: rename")
    return columns, rows


def pair_photos(wanted: Sequence[Row]) -> list[str]:
    """The photos that rows name, each once, in the order of the rows."""
    return list(dict.fromkeys(row[role] for row in wanted for role in ROLES))


def pair_rows(
    galleries: Iterable[Gallery],
    wanted: Sequence[Row],
    match_pairs: Callable[[Gallery, Gallery], Comparison],
) -> Iterator[Row]:
    """The rows wanted, each with its result, or the reason why there is none.

    `galleries` hold the photos of `pair_photos`, in that order. A row comes as soon as both its
    photos are embedded, and the vector of a photo is dropped after its last row.
    """
    last_row = {row[role]: number for number, row in enumerate(wanted) for role in ROLES}
    embedded: dict[str, tuple[Gallery, int]] = {}
    skipped: dict[str, Skipped] = {}
    waiting = deque(enumerate(wanted))

    def is_known(photo: str) -> bool:
        return photo in embedded or photo in skipped

    for some in galleries:
        embedded |= {label: (some, row) for row, label in enumerate(some.labels)}
        skipped |= {each.photo: each for each in some.skipped}
        ready = []
        while waiting and all(is_known(waiting[0][1][role]) for role in ROLES):
            ready.append(waiting.popleft())
        yield from _ready_rows([row for _, row in ready], embedded, skipped, match_pairs)
        for number, row in ready:
            for photo in {row[role] for role in ROLES if last_row[row[role]] == number}:
                embedded.pop(photo, None)


def _ready_rows(
    ready: Sequence[Row],
    embedded: Mapping[str, tuple[Gallery, int]],
    skipped: Mapping[str, Skipped],
    match_pairs: Callable[[Gallery, Gallery], Comparison],
) -> Iterator[Row]:
    """Rows whose photos are all embedded or skipped; `embedded` says where."""
    usable = [row for row in ready if row["parent"] in embedded and row["child"] in embedded]
    results = _pair_results(
        [[embedded[row[role]] for row in usable] for role in ROLES], match_pairs
    )
    for row in ready:
        missing = [skipped[row[role]] for role in ROLES if row[role] in skipped]
        yield row | (failed_row(*missing) if missing else next(results))


def _pair_results(
    sides: Sequence[Sequence[tuple[Gallery, int]]],
    match_pairs: Callable[[Gallery, Gallery], Comparison],
) -> Iterator[Row]:
    if not sides[0]:
        return
    parents, children = (_gallery_of_rows(side) for side in sides)
    compared = match_pairs(parents, children)
    warned = zip(row_warnings(parents), row_warnings(children), strict=True)
    for result, both in zip(result_rows(parents, children, compared), warned, strict=True):
        yield result | {"warnings": joined_warnings(*both, same_face_warnings(result))}


def _gallery_of_rows(rows: Sequence[tuple[Gallery, int]]) -> Gallery:
    """One gallery of rows of others."""
    return Gallery(
        subjects=tuple(gallery.subjects[row] for gallery, row in rows),
        vectors=np.stack([gallery.vectors[row] for gallery, row in rows]),
        space=rows[0][0].space,
        warnings=tuple(gallery.phrases[row] for gallery, row in rows),
    )

"""Comparisons of two galleries as rows: a row a pair, with its result or the reason for none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.scoring.matching import pair_intervals
from facematch.types import DIGITS, Comparison, Gallery, Skipped

Row: TypeAlias = dict[str, Any]

ROLES = ("parent", "child")
# The columns that are numbers, and their digits: each end of an interval is a column of its own.
RESULT_DIGITS = DIGITS | {
    f"{name}_{end}": DIGITS[name]
    for name in ("score", "likelihood_ratio")
    for end in ("low", "high")
}
RESULTS = (*RESULT_DIGITS, "warnings", "reason")
_SAME_FACE = "parent and child are the same face: one photo is given twice"
_SAME_COSINE = 0.999999  # of a vector with itself, as float32 rounds it
_ROWS_AT_A_TIME = 10_000


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
            who = dict.fromkeys(("parent", "parent_face", "child") if faces else ROLES)
            yield who | {role: each.photo} | failed_row(each)


def _compared_rows(
    parents: Gallery, children: Gallery, comparisons: Iterable[Comparison]
) -> Iterator[tuple[int, Row]]:
    """Each pair's parent, and its row."""
    parent_labels, child_labels = parents.labels, children.labels
    of_parents, of_children = row_warnings(parents), row_warnings(children)
    for compared in comparisons:
        pairs = zip(compared.parents.tolist(), compared.children.tolist(), strict=True)
        results = result_rows(parents, children, compared)
        for (parent, child), result in zip(pairs, results, strict=True):
            result["warnings"] = joined_warnings(
                of_parents[parent], of_children[child], same_face_warnings(result)
            )
            yield parent, {"parent": parent_labels[parent], "child": child_labels[child], **result}


def result_rows(parents: Gallery, children: Gallery, compared: Comparison) -> Iterator[Row]:
    """The result of each pair in the columns `RESULTS`, without warnings.

    A number that is not known is None.
    """
    for start in range(0, len(compared.parents), _ROWS_AT_A_TIME):
        some = _some_pairs(compared, slice(start, start + _ROWS_AT_A_TIME))
        ends = pair_intervals(parents, children, some)
        numbers = {
            "cosine": some.cosines,
            "score": some.scores,
            "likelihood_ratio": some.likelihood_ratios,
            "score_low": ends.scores[:, 0],
            "score_high": ends.scores[:, 1],
            "likelihood_ratio_low": ends.likelihood_ratios[:, 0],
            "likelihood_ratio_high": ends.likelihood_ratios[:, 1],
        }
        columns = [_rounded(values, RESULT_DIGITS[name]) for name, values in numbers.items()]
        for values in zip(*columns, strict=True):
            yield dict(zip(RESULTS, (*values, None, None), strict=True))


def _some_pairs(compared: Comparison, some: slice) -> Comparison:
    columns = (getattr(compared, field.name)[some] for field in fields(Comparison))
    return Comparison(*columns)


def _rounded(values: NDArray[np.float32], digits: int) -> list[float | None]:
    """The values as numbers that programs are given; None for what is not a number."""
    # In float64 the product of a float32 and a power of ten is exact: this is Python's `round`.
    rounded: list[float] = np.round(values.astype(np.float64), digits).tolist()
    return [None if math.isnan(value) else value for value in rounded]


def joined_warnings(*sides: Sequence[str]) -> str | None:
    """The warnings of both photos and of the pair in one cell, None where there are none."""
    return "; ".join(dict.fromkeys(chain.from_iterable(sides))) if any(sides) else None


def same_face_warnings(result: Row) -> Sequence[str]:
    """A warning where a pair's vectors are equal, as those of one photo given twice are."""
    return [_SAME_FACE] if result["cosine"] >= _SAME_COSINE else []


def failed_row(*skipped: Skipped) -> Row:
    """A row without a result, but with the reasons why."""
    reason = "; ".join(dict.fromkeys(f"{each.photo}: {each.reason}" for each in skipped))
    return dict.fromkeys(RESULTS) | {"reason": reason}


def row_warnings(gallery: Gallery) -> list[list[str]]:
    """What makes the scores of each photo less sure, with the photo's label."""
    return [
        [f"{label}: {phrase}" for phrase in each]
        for label, each in zip(gallery.labels, gallery.phrases, strict=True)
    ]

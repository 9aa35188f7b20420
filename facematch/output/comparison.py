"""Comparisons of two galleries as rows: a row a pair, with its result or the reason for none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from facematch.types import DIGITS, Comparison, Gallery, Skipped

Row: TypeAlias = dict[str, Any]

ROLES = ("parent", "child")
RESULTS = ("cosine", "score", "likelihood_ratio", "warnings", "reason")


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
            yield parent, who | result_row(*values, warnings=warnings)


def result_row(
    cosine: float, score: float, likelihood_ratio: float, *, warnings: Sequence[str] = ()
) -> Row:
    """The result of a pair; a score that is not a number is None."""
    values = {"cosine": cosine, "score": score, "likelihood_ratio": likelihood_ratio}
    known: Row = {
        name: None if math.isnan(value) else round(value, DIGITS[name])
        for name, value in values.items()
    }
    return known | {"warnings": "; ".join(dict.fromkeys(warnings)) or None, "reason": None}


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

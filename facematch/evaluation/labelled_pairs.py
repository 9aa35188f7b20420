"""Pairs of your own, labelled in a CSV file."""

from __future__ import annotations

from pathlib import Path

from facematch.errors import ProtocolError, TableError
from facematch.evaluation.protocols import Protocol, Trial, assign_folds, check_folds
from facematch.runtime.tables import read_table


def read_labelled_pairs(table: Path) -> Protocol:
    """A CSV with columns parent, child and kin (1 or 0); relation, family and fold are optional.

    Photos are found as `facematch pairs` finds them. Without a family, each parent's photo is a
    family of its own; without folds, families are assigned to folds. Raises ProtocolError for other
    columns or labels, and for a photo in two folds.
    """
    needed = "columns parent, child and kin (1 or 0) are needed"
    try:
        rows = read_table(table, ("parent", "child", "kin"))
    except TableError as error:
        raise ProtocolError(f"{error}; {needed}") from error
    try:
        families = [row.get("family") or row["parent"] for row in rows]
        fold_of = assign_folds(families)
        trials = [
            Trial(
                parents=(row["parent"],),
                child=row["child"],
                kin={"1": True, "0": False}[row["kin"]],
                relation=row.get("relation") or "pairs",
                family=family,
                fold=int(row["fold"]) if row.get("fold") else fold_of[family],
            )
            for row, family in zip(rows, families, strict=True)
        ]
    except (KeyError, ValueError) as error:
        raise ProtocolError(f"{table}: {needed} ({error!r})") from error
    protocol = Protocol("pairs", Path(), tuple(trials))
    return check_folds(protocol) if rows and "fold" in rows[0] else protocol

"""The known weight files as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from facematch.weights.catalogue import WeightFile


def table(files: Sequence[tuple[WeightFile, str]]) -> Table:
    """A line for each file with its state."""
    from rich.table import Table

    lines = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("name", "state", "size", "licence", "for"):
        lines.add_column(column, no_wrap=column in ("state", "size"), overflow="fold")
    for weights, state in files:
        size = f"{weights.size / 1e6:.1f} MB"
        lines.add_row(weights.name, state, size, weights.licence, weights.purpose)
    return lines

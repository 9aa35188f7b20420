"""A Card as a table, as one row and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from facematch.analyses.card import Card
from facematch.output.json_text import json_object
from facematch.output.likeness import likeness_row
from facematch.scoring.wording import card_meaning, neutral_words, score_words
from facematch.types import DIGITS

if TYPE_CHECKING:
    from rich.console import RenderableType


def rows(card: Card) -> Iterator[dict[str, Any]]:
    """One row."""
    yield _card_fields(card)


def as_json(card: Card) -> str:
    """One JSON object."""
    return json_object(_card_fields(card) | {"warnings": card.warnings, "skipped": card.skipped})


def sentences(card: Card) -> list[str]:
    """What the score means."""
    meaning = card_meaning(card.likeness.score, card.child.name)
    return [f"{card.child.name} and {card.parent.name}: {meaning}"]


def table(card: Card) -> RenderableType:
    """The parent, the child, the score, and what the score means."""
    from rich.markup import escape
    from rich.table import Table

    score = score_words(card.likeness.score, card.likeness.score_interval)
    meaning = escape(card_meaning(card.likeness.score, card.child.name))
    help_lines = "\n".join(filter(None, (meaning, neutral_words(card.neutral_score))))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("parent", f"[bold]{escape(card.parent.name)}[/]")
    grid.add_row("child", f"[bold]{escape(card.child.name)}[/]")
    grid.add_row("mini-me score", f"[bold]{score}[/]\n{help_lines}")
    return grid


def _card_fields(card: Card) -> dict[str, Any]:
    row = likeness_row(card.likeness)
    shown = (
        "parent", "child", "score", "score_low", "score_high", "likelihood_ratio",
        "likelihood_ratio_low", "likelihood_ratio_high",
    )  # fmt: skip
    return {name: row[name] for name in shown} | {
        "neutral_score": card.neutral_score and round(card.neutral_score, DIGITS["score"]),
        "meaning": card_meaning(card.likeness.score, card.child.name),
    }

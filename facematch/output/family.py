"""A Family as a matrix of scores, as rows and as JSON, with a verdict for each child."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from facematch.analyses.family import Family, Verdict
from facematch.output.json_text import json_object
from facematch.output.likeness import likeness_fields, likeness_row
from facematch.scoring.wording import (
    card_meaning,
    counted,
    is_undecided,
    neutral_words,
    score_words,
    shown_score,
)
from facematch.types import DIGITS

if TYPE_CHECKING:
    from rich.console import RenderableType


def verdict_words(verdict: Verdict) -> str:
    """A verdict in a line: "son: more like dad in 92 of 100 resamples"."""
    times = f"{verdict.ahead} in {verdict.times_of_100} of 100 resamples"
    if verdict.most_like is None:
        return f"{verdict.child}: too close to call ({times})"
    return f"{verdict.child}: more like {times}"


def advice_words(verdict: Verdict) -> str:
    """What would decide a verdict that is too close to call; "" where it is not.

    "4 more photos of kid, 3 of mum, 3 of dad: then half of such cases are clear".
    """
    if verdict.more_photos is None:
        return ""
    wanted = sorted(verdict.more_photos.items(), key=lambda each: -each[1])
    if not wanted:
        return "so alike that more photos may not decide it"
    (name, count), *others = wanted
    first = f"{counted(count, 'more photo')} of {name}"
    people = ", ".join([first, *(f"{count} of {name}" for name, count in others)])
    return f"{people}: then half of such cases are clear"


def single_parent_words(family: Family, child: str) -> str:
    """What the score of a child with its only parent says, as a sentence."""
    parent = family.parents[0]
    likeness, neutral = family.of(parent, child), family.neutral_score
    meaning = card_meaning(likeness.score, child)
    if neutral is None:  # with a cohort nobody knows how alike relatives are
        return f"{child} and {parent}: {meaning}."
    if is_undecided(likeness.score_interval, neutral):
        return f"These photos leave open how much {child} looks like {parent}: {meaning}. Add more."
    if likeness.score < neutral:
        return f"{child} does not look much like {parent}: {meaning}."
    return f"{child} looks like {parent}: {meaning}."


def sentences(family: Family) -> list[str]:
    """A line for each child: whom it looks most like, or how much like its only parent."""
    if family.verdicts:
        return [verdict_words(verdict) for verdict in family.verdicts]
    return [single_parent_words(family, child) for child in family.children]


def rows(family: Family) -> Iterator[dict[str, Any]]:
    """A row for each parent and child."""
    for likeness in family.likenesses:
        yield likeness_row(likeness)


def as_json(family: Family) -> str:
    """One JSON object."""
    return json_object({
        "parents": [{"name": name, "photos": family.photos[name]} for name in family.parents],
        "children": [{"name": name, "photos": family.photos[name]} for name in family.children],
        "pairs": [likeness_fields(likeness) for likeness in family.likenesses],
        "verdicts": [_verdict_fields(family, verdict) for verdict in family.verdicts],
        "siblings": [likeness_fields(likeness, ("one", "other")) for likeness in family.siblings],
        "neutral_score": family.neutral_score and round(family.neutral_score, DIGITS["score"]),
        "engine": family.engine,
        "warnings": family.warnings,
        "skipped": family.skipped,
    })  # fmt: skip


def table(family: Family) -> RenderableType:
    """Parents down, children across, then a line for each child and for each two siblings."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    matrix = Table(box=None, padding=(0, 2, 0, 0))
    matrix.add_column("mini-me score", style="cyan")
    for child in family.children:
        matrix.add_column(escape(child))
    for parent in family.parents:
        cells = (family.of(parent, child) for child in family.children)
        words = (score_words(cell.score, cell.score_interval) for cell in cells)
        matrix.add_row(escape(parent), *(f"[bold]{cell}[/]" for cell in words))
    lines = [escape(line) for verdict in family.verdicts for line in _verdict_lines(verdict)]
    lines = lines or [escape(line) for line in sentences(family)]
    if family.siblings:
        lines += ["", "siblings, by a model of parents and children:"]
        lines += [
            escape(
                f"{pair.parent} and {pair.child}: {score_words(pair.score, pair.score_interval)}"
            )
            for pair in family.siblings
        ]
    return Group(matrix, neutral_words(family.neutral_score), "", *lines)


def _verdict_fields(family: Family, verdict: Verdict) -> dict[str, Any]:
    shares = {name: round(family.of(name, verdict.child).share or 0, 3) for name in family.parents}
    return {
        "child": verdict.child,
        "most_like": verdict.most_like,
        "shares": shares,
        "both_parents_score": None if verdict.both is None else round(verdict.both, 3),
        "words": verdict_words(verdict),
        "more_photos": verdict.more_photos,
        "advice": advice_words(verdict) or None,
    }


def _verdict_lines(verdict: Verdict) -> list[str]:
    both = "" if verdict.both is None else f"; both parents together: {shown_score(verdict.both)}"
    advice = advice_words(verdict)
    return [verdict_words(verdict) + both, *([f"  {advice}"] if advice else [])]

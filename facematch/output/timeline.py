"""A Timeline as a table, as rows and as JSON, with a line on each parent's trend."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from facematch.analyses.timeline import Curve, Moment, Timeline
from facematch.output.json_text import json_object
from facematch.scoring.wording import age_in_words, score_words
from facematch.types import DIGITS

if TYPE_CHECKING:
    from rich.console import RenderableType


def trend_lines(timeline: Timeline) -> list[str]:
    """Whether the child becomes more like each parent: a sentence for each, without numbers."""
    return [_trend_words(timeline.child, curve) for curve in timeline.curves]


def sentences(timeline: Timeline) -> list[str]:
    """How the child's likeness to each parent changes."""
    return trend_lines(timeline)


def rows(timeline: Timeline) -> Iterator[dict[str, Any]]:
    """A row for each photo and parent."""
    for moment in timeline.moments:
        fields = _moment_fields(moment)
        low, high = fields.pop("score_interval")
        yield fields | {"score_low": low, "score_high": high}


def as_json(timeline: Timeline) -> str:
    """One JSON object."""
    return json_object({
        "child": timeline.child,
        "born": None if timeline.born is None else timeline.born.isoformat(),
        "parents": timeline.parents,
        "moments": [_moment_fields(moment) for moment in timeline.moments],
        "trends": {
            curve.parent: curve.trend and [round(part, 3) for part in curve.trend]
            for curve in timeline.curves
        },
        "words": trend_lines(timeline),
        "engine": timeline.engine,
        "warnings": timeline.warnings,
        "skipped": timeline.skipped,
    })  # fmt: skip


def table(timeline: Timeline) -> RenderableType:
    """A row for each photo of the child: when, which, and the score of each parent; then trends."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    lines = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("taken", "photo", *timeline.parents):
        lines.add_column(escape(column), overflow="fold")
    for (when, photo), cells in _cells_by_photo(timeline).items():
        shown = (f"[bold]{escape(cells[parent])}[/]" for parent in timeline.parents)
        lines.add_row(when, escape(photo), *shown)
    return Group(lines, "", *(escape(line) for line in trend_lines(timeline)))


def _trend_words(child: str, curve: Curve) -> str:
    parent = curve.parent
    if curve.trend is None:
        return f"Too few days with photos to say whether {child} becomes more like {parent}."
    slope, low, high = curve.trend
    if low <= 0 <= high:
        return f"{child} is about as much like {parent} over all these years."
    return f"{child} becomes a little {'more' if slope > 0 else 'less'} like {parent} every year."


def _cells_by_photo(timeline: Timeline) -> dict[tuple[str, str], dict[str, str]]:
    """The words for each parent, by when a photo was taken and its name."""
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for moment in timeline.moments:
        cell = score_words(moment.score, moment.score_interval)
        if moment.parent_age is not None:
            about = "about " if moment.age_estimated else ""
            cell += f", {moment.parent} at {about}{age_in_words(moment.parent_age)}"
        when = moment.taken.isoformat()
        if moment.age is not None:
            when += f", {age_in_words(moment.age)}" if moment.age >= 0 else ", before birth"
        cells.setdefault((when, moment.photo), {})[moment.parent] = cell
    return cells


def _moment_fields(moment: Moment) -> dict[str, Any]:
    low, high = moment.score_interval
    digits = DIGITS["score"]
    return {
        "parent": moment.parent,
        "photo": moment.photo,
        "taken": moment.taken.isoformat(),
        "age": None if moment.age is None else round(moment.age, 2),
        "score": round(moment.score, digits),
        "score_interval": [round(low, digits), round(high, digits)],
        "z": round(moment.z, 3),
        "parent_photo": moment.parent_photo,
        "parent_age": None if moment.parent_age is None else round(moment.parent_age, 2),
        "age_estimated": moment.age_estimated,
    }

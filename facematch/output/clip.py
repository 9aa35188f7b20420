"""A Clip as a table, as rows and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from facematch.output.json_text import json_object
from facematch.scoring.wording import engine_words, frames_score_words, ratio_meaning, support
from facematch.types import DIGITS
from facematch.video.clip import Clip, ClipPerson, ParentScore, drawbacks, time_span

if TYPE_CHECKING:
    from rich.table import Table

CLIP_COLUMNS = (
    "clip", "person", "first", "last", "detections", "frames", "parent", "parent_photos", "cosine",
    "score", "score_low", "score_high", "likelihood_ratio", "likelihood_ratio_low",
    "likelihood_ratio_high", "support", "warnings",
)  # fmt: skip


def as_json(clip: Clip) -> str:
    """One JSON object; what is not known is null."""
    return json_object({
        "clip": clip.clip,
        "seconds": round(clip.seconds, 1),
        "frames_searched": clip.frames_searched,
        "complete": clip.complete,
        "people": [_person_fields(person) for person in clip.people],
        "engine": clip.engine,
        "warnings": clip.warnings,
        "skipped": clip.skipped,
    })  # fmt: skip


def rows(clip: Clip) -> Iterator[dict[str, Any]]:
    """A row for each person and parent, with the columns of `CLIP_COLUMNS`."""
    for person in clip.people:
        for score in person.verdicts:
            cells = (clip.clip, person.name, *_cells(person, score))
            yield dict(zip(CLIP_COLUMNS, cells, strict=True))


def sentences(clip: Clip) -> list[str]:
    """Each person of the clip, and the score with each parent."""
    return [
        f"{person.name} ({time_span(person)}): "
        + ", ".join(
            f"{each.parent} {frames_score_words(each.score, each.score_interval, each.cosine)}"
            for each in person.verdicts
        )
        for person in clip.people
    ]


def table(clip: Clip) -> Table:
    """A line for each person and parent: person, time, frames, parent, score, ratio."""
    from rich.markup import escape
    from rich.table import Table

    lines = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("person", "seen", "frames", "parent", "mini-me score", "likelihood ratio"):
        lines.add_column(column)
    for person in clip.people:
        who = [person.name, time_span(person), f"{len(person.keyframes)} of {person.detections}"]
        for score in person.verdicts:
            points = frames_score_words(score.score, score.score_interval, score.cosine)
            ratio = ratio_meaning(score.likelihood_ratio, score.likelihood_ratio_interval)
            lines.add_row(*map(escape, [*who, score.parent, points, ratio]))
            who = [""] * 3
    lines.caption = engine_words(astuple(clip.engine))
    lines.caption_justify = "left"
    return lines


def _cells(person: ClipPerson, score: ParentScore) -> tuple[Any, ...]:
    low, high = _rounded_ends("score", score.score_interval) or (None, None)
    ratio_ends = _rounded_ends("likelihood_ratio", score.likelihood_ratio_interval)
    least, most = ratio_ends or (None, None)
    return (
        round(person.first, 1), round(person.last, 1), person.detections, len(person.keyframes),
        score.parent, score.photos, _rounded_to_digits("cosine", score.cosine),
        _rounded_to_digits("score", score.score), low, high,
        _rounded_to_digits("likelihood_ratio", score.likelihood_ratio), least, most,
        _support_words(score), "; ".join(drawbacks(person)) or None,
    )  # fmt: skip


def _person_fields(person: ClipPerson) -> dict[str, Any]:
    return {
        "name": person.name,
        "first": round(person.first, 1),
        "last": round(person.last, 1),
        "detections": person.detections,
        "worth": round(person.worth, 1),
        "frames": [
            {
                "seconds": round(keyframe.seconds, 2),
                "box": [round(side, 1) for side in keyframe.box],
                "confidence": round(keyframe.confidence, 4),
                "warnings": list(keyframe.warnings),
            }
            for keyframe in person.keyframes
        ],
        "verdicts": [_score_fields(score) for score in person.verdicts],
    }


def _score_fields(score: ParentScore) -> dict[str, Any]:
    ratio_ends = _rounded_ends("likelihood_ratio", score.likelihood_ratio_interval)
    return {
        "parent": score.parent,
        "photos": score.photos,
        "cosine": _rounded_to_digits("cosine", score.cosine),
        "score": _rounded_to_digits("score", score.score),
        "score_interval": _rounded_ends("score", score.score_interval),
        "likelihood_ratio": _rounded_to_digits("likelihood_ratio", score.likelihood_ratio),
        "likelihood_ratio_interval": ratio_ends,
        "support": _support_words(score),
    }


def _rounded_to_digits(name: str, value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS[name])


def _rounded_ends(name: str, interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else [round(end, DIGITS[name]) for end in interval]


def _support_words(score: ParentScore) -> str | None:
    return None if score.likelihood_ratio is None else support(score.likelihood_ratio)

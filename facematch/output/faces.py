"""The faces of a photo, largest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from facematch.output.json_text import json_object
from facematch.types import Box, Portrait

if TYPE_CHECKING:
    from rich.table import Table


def as_json(portrait: Portrait) -> str:
    """One JSON object: the photo and its faces."""
    subjects = portrait.subjects()
    faces = [
        {
            "face": subject.face,
            "box": rounded_box(subject.box),
            "confidence": round(subject.confidence, 4),
        }
        for subject in subjects
    ]
    return json_object(
        {"photo": portrait.photo.label, "faces_found": len(subjects), "faces": faces}
    )


def rows(portrait: Portrait) -> Iterator[dict[str, Any]]:
    """A row for each face."""
    for subject in portrait.subjects():
        names = ("x_min", "y_min", "x_max", "y_max")
        sides = zip(names, rounded_box(subject.box), strict=True)
        yield {
            "photo": subject.photo,
            "face": subject.face,
            **dict(sides),
            "confidence": round(subject.confidence, 4),
        }


def table(portrait: Portrait) -> Table:
    """A line for each face: its place and size in pixels, and the detector's confidence."""
    from rich.table import Table

    lines = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("face", "left", "top", "width", "height", "confidence"):
        lines.add_column(column, justify="right")
    for subject in portrait.subjects():
        sides = (f"{side:.0f}" for side in left_top_width_height(subject.box))
        lines.add_row(str(subject.face), *sides, f"{subject.confidence:.2f}")
    return lines


def rounded_box(box: Box) -> list[float]:
    """The box to a tenth of a pixel, which is finer than a detector measures."""
    return [round(side, 1) for side in box]


def left_top_width_height(box: Box) -> tuple[float, float, float, float]:
    """The box by its corner and its size, in pixels."""
    return box[0], box[1], box[2] - box[0], box[3] - box[1]

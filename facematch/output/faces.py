"""The faces of a photo, largest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from facematch.output.json_text import json_object
from facematch.scoring.wording import counted
from facematch.types import Age, Box, Portrait

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
            "age": age_fields(face.age),
        }
        for subject, face in zip(subjects, portrait.faces, strict=True)
    ]
    return json_object(
        {"photo": portrait.photo.label, "faces_found": len(subjects), "faces": faces}
    )


def rows(portrait: Portrait) -> Iterator[dict[str, Any]]:
    """A row for each face."""
    for subject, face in zip(portrait.subjects(), portrait.faces, strict=True):
        age = age_fields(face.age) or {}
        names = ("x_min", "y_min", "x_max", "y_max")
        sides = zip(names, rounded_box(subject.box), strict=True)
        yield {
            "photo": subject.photo,
            "face": subject.face,
            **dict(sides),
            "confidence": round(subject.confidence, 4),
            "age": age.get("years"),
            "age_error": age.get("error"),
        }


def sentences(portrait: Portrait) -> list[str]:
    """How many faces there are."""
    found = len(portrait.faces)
    return [f"{portrait.photo.label}: {counted(found, 'face')}"]


def table(portrait: Portrait) -> Table:
    """A line for each face: place and size in pixels, the detector's confidence, the age."""
    from rich.table import Table

    lines = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("face", "left", "top", "width", "height", "confidence", "age"):
        lines.add_column(column, justify="right")
    for subject, face in zip(portrait.subjects(), portrait.faces, strict=True):
        sides = (f"{side:.0f}" for side in left_top_width_height(subject.box))
        confidence = f"{subject.confidence:.2f}"
        lines.add_row(str(subject.face), *sides, confidence, age_words(face.age))
    return lines


def age_fields(age: Age | None) -> dict[str, float] | None:
    """An estimated age for JSON, to a tenth of a year; None where it is not known."""
    if age is None:
        return None
    return {"years": round(age.years, 1), "error": round(age.error, 1)}


def age_words(age: Age | None) -> str:
    """An estimated age and its standard deviation: "34 (give or take 6)"; "" where not known."""
    return "" if age is None else f"{age.years:.0f} (give or take {age.error:.0f})"


def rounded_box(box: Box) -> list[float]:
    """The box to a tenth of a pixel, which is finer than a detector measures."""
    return [round(side, 1) for side in box]


def left_top_width_height(box: Box) -> tuple[float, float, float, float]:
    """The box by its corner and its size, in pixels."""
    return box[0], box[1], box[2] - box[0], box[3] - box[1]

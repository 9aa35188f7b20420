"""Findings as a table, as rows and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from facematch.analyses.find import Findings, FoundPerson
from facematch.output.json_text import json_object
from facematch.output.likeness import likeness_row
from facematch.scoring.wording import counted, score_words

if TYPE_CHECKING:
    from rich.console import RenderableType

_MOST_TOLD = 3  # people that sentences name


def rows(findings: Findings) -> Iterator[dict[str, Any]]:
    """A row for each photo of each person found."""
    for rank, person in enumerate(findings.found, start=1):
        for face in person.faces:
            yield {
                "rank": rank,
                "photo": face.subject.photo,
                "face": face.subject.face,
                "may_be_child": person.may_be_child,
                **likeness_row(person.likeness),
            }


def as_json(findings: Findings) -> str:
    """One JSON object."""
    return json_object({
        "child": findings.child,
        "photos": findings.photos,
        "faces": findings.faces,
        "search": findings.search,
        "found": [
            {
                "rank": rank,
                **likeness_row(person.likeness),
                "may_be_child": person.may_be_child,
                "photos": [
                    {"photo": face.subject.photo, "face": face.subject.face}
                    for face in person.faces
                ],
            }
            for rank, person in enumerate(findings.found, start=1)
        ],
        "engine": findings.engine,
        "warnings": findings.warnings,
        "skipped": findings.skipped,
    })  # fmt: skip


def sentences(findings: Findings) -> list[str]:
    """Who looks most like the child, the best three, and among how many faces."""
    best = [
        f"{rank}. {_place_words(person)}: "
        f"{score_words(person.likeness.score, person.likeness.score_interval)} of 100"
        for rank, person in enumerate(findings.found[:_MOST_TOLD], start=1)
    ]
    return [f"most like {findings.child}: {_search_words(findings)}", *best]


def table(findings: Findings) -> RenderableType:
    """A line for each person found: rank, score, photo; then how many faces were compared."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    lines = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "mini-me score", f"most like {escape(findings.child)}"):
        lines.add_column(column, overflow="fold")
    for rank, person in enumerate(findings.found, start=1):
        score = score_words(person.likeness.score, person.likeness.score_interval)
        lines.add_row(f"{rank}.", f"[bold]{score}[/]", escape(_place_words(person)))
    strangers = "Chosen among so many, scores are high: one stranger in 100 scores over 99."
    return Group(lines, "", f"{_search_words(findings)} {strangers}")


def _place_words(person: FoundPerson) -> str:
    """The first photo of a person, which face in it, and how many more photos there are."""
    first = person.faces[0].subject
    place = f"{first.photo} (face {first.face} of {first.faces_found})"
    if more := len(person.faces) - 1:
        place += f" and {more} more"
    return f"{place}: perhaps the child" if person.may_be_child else place


def _search_words(findings: Findings) -> str:
    faces = f"{counted(findings.faces, 'face')} in {counted(findings.photos, 'photo')}"
    if findings.candidates is None:
        return f"{faces} {'was' if findings.faces == 1 else 'were'} compared."
    return f"Approximate: of {faces}, the {findings.candidates:,} nearest were compared."

"""An Explanation as a table, as rows and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from facematch.analyses.explain import COSINE, Explanation
from facematch.output.json_text import json_object
from facematch.output.match import match_fields
from facematch.scoring.wording import shown_score, signed

if TYPE_CHECKING:
    from rich.console import RenderableType


def rows(explanation: Explanation) -> Iterator[dict[str, Any]]:
    """A row for each region."""
    for effect in explanation.regions:
        score = effect.score_without
        yield {
            "region": effect.region,
            "drop": round(effect.drop, 4),
            "noise": round(effect.noise, 4),
            "verdict": effect.verdict,
            "parent_drop": round(effect.parent_drop, 4),
            "child_drop": round(effect.child_drop, 4),
            "score_without": None if score is None else round(score, 3),
        }


def as_json(explanation: Explanation) -> str:
    """One JSON object: the match, the unit, the likeness uncovered, and the regions."""
    return json_object({
        "match": match_fields(explanation.match),
        "unit": explanation.unit,
        "whole": round(explanation.whole, 4),
        "regions": list(rows(explanation)),
    })  # fmt: skip


def why_sentence(explanation: Explanation, names: tuple[str, str]) -> str:
    """Which parts carry the likeness of a parent and a child: "mostly the eyes and the nose"."""
    parent, child = names
    words = "there is little likeness to explain" if explanation.little else explanation.in_words
    return f"{child} and {parent}: {words}."


def sentences(explanation: Explanation) -> list[str]:
    """Which parts carry the likeness of the two photos."""
    match = explanation.match
    return [why_sentence(explanation, (match.parent.photo, match.child.photo))]


def note(explanation: Explanation) -> str:
    """What the numbers of the table mean, and whether there is likeness enough to explain."""
    if explanation.unit == COSINE:
        cosine = f"{explanation.whole:.2f}"
        whole = f"have a cosine of {cosine}; no resemblance model says what it means"
    else:
        more = "more" if explanation.whole > 0 else "less"
        deviations = f"{abs(explanation.whole):.2f} standard deviations"
        whole = f"are {deviations} {more} alike than strangers"
    lines = [
        f"The whole faces {whole}.",
        "The drop is what is lost when that part of either face is covered; the noise is how far "
        "the ways to cover it disagree.",
    ]
    if explanation.little:
        lines.append("There is little likeness to explain: many strangers are as alike.")
    return "\n".join(lines)


def table(explanation: Explanation) -> RenderableType:
    """A line for each region, the greatest drop first, then the note."""
    from rich.console import Group
    from rich.table import Table

    lines = Table(box=None, padding=(0, 3, 0, 0))
    for column in ("covered", "drop", "noise", "so it", "score then"):
        is_number = column in ("drop", "noise", "score then")
        lines.add_column(column, justify="right" if is_number else "left", no_wrap=True)
    for effect in explanation.regions:
        score = "not known" if effect.score_without is None else shown_score(effect.score_without)
        cells = (effect.region, signed(effect.drop), f"±{effect.noise:.2f}", effect.verdict, score)
        lines.add_row(*cells, style=None if effect.is_clear else "dim")
    return Group(lines, "", note(explanation))

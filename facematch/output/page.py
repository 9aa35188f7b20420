"""The page of `report`: verdicts, cards, charts and what they mean, in one file that loads nothing.

The template beside it, page.html.j2, escapes every name and reason: they come from file names.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib.resources import files

from facematch.analyses.card import Card
from facematch.analyses.explain import Explanation
from facematch.analyses.family import SURE, Family
from facematch.analyses.timeline import Timeline
from facematch.output.report import NO_PATERNITY_TEST, ends_words, shown_score, support
from facematch.pictures.canvas import as_jpeg
from facematch.runtime.extras import installed_version
from facematch.types import Pixels


def page(
    family: Family,
    cards: Sequence[Card] = (),
    timelines: Sequence[Timeline] = (),
    explanations: Sequence[Explanation] = (),
) -> str:
    """The page as HTML, every picture within it."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = files("facematch.output").joinpath("page.html.j2").read_text(encoding="utf-8")
    told = [*family.warnings]
    for timeline in timelines:
        told += timeline.warnings
    for explanation in explanations:
        told += explanation.warnings
    warnings = tuple(dict.fromkeys(told))
    sections = [("verdict", "Who looks like whom")]
    for shown, section in (
        (cards, ("cards", "Side by side")),
        (timelines, ("time", "Over time")),
        (explanations, ("why", "What carries the likeness")),
        (True, ("meaning", "What the score means")),
        (warnings or family.skipped, ("warnings", "What makes this less sure")),
    ):
        if shown:
            sections.append(section)
    children = " and ".join(family.children)
    verb = "does" if len(family.children) == 1 else "do"
    return environment.from_string(template).render(
        title=f"Who {verb} {children} look like?",
        family=family,
        warnings=warnings,
        cards=cards,
        timelines=timelines,
        explanations=explanations,
        sections=sections,
        no_paternity_test=NO_PATERNITY_TEST,
        sure=round(100 * SURE),
        version=installed_version(),
        picture=_inline,
        score=shown_score,
        interval=ends_words,
        support=support,
    )


def _inline(pixels: Pixels) -> str:
    """A picture as an address that holds it."""
    return "data:image/jpeg;base64," + base64.b64encode(as_jpeg(pixels)).decode("ascii")

"""The HTML page of `report`: verdicts, cards, charts and their meaning, in one file.

The page loads nothing. Its template, page.html.j2, escapes every name and reason, since these come
from file names.
"""

from __future__ import annotations

import base64
from importlib.resources import files

from facematch.analyses.family import SURE
from facematch.analyses.report import FamilyReport
from facematch.output.explanation import note
from facematch.output.family import advice_words, verdict_words
from facematch.output.timeline import trend_lines
from facematch.pictures import draw
from facematch.pictures.canvas import as_jpeg, resized
from facematch.pictures.explanation import heat_faces, heat_legend
from facematch.runtime.extras import installed_version
from facematch.scoring.people import RESAMPLES
from facematch.scoring.wording import (
    NO_PATERNITY_TEST,
    card_meaning,
    family_question,
    interval_words,
    neutral_words,
    score_words,
    shown_score,
    signed,
    support,
)
from facematch.types import Pixels


def as_html(report: FamilyReport) -> str:
    """The page as HTML, every picture within it."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = files("facematch.output").joinpath("page.html.j2").read_text(encoding="utf-8")
    warnings = _warnings_once(report)
    functions = (
        _data_url, advice_words, card_meaning, draw, heat_faces, heat_legend, interval_words,
        neutral_words, note, score_words, shown_score, signed, support, trend_lines, verdict_words,
    )  # fmt: skip
    page = environment.from_string(template).render(
        title=family_question(report.family.children),
        report=report,
        family=report.family,
        warnings=warnings,
        sections=_sections(report, warnings),
        no_paternity_test=NO_PATERNITY_TEST,
        sure=round(100 * SURE),
        resamples=RESAMPLES,
        version=installed_version(),
        **{function.__name__.lstrip("_"): function for function in functions},
    )
    # Names of files may hold bytes that are no text.
    return page.encode("utf-8", "backslashreplace").decode()


def _warnings_once(report: FamilyReport) -> list[str]:
    """What makes the results less sure, each warning once."""
    warnings = list(report.family.warnings)
    for timeline in report.timelines:
        warnings += timeline.warnings
    for explanation in report.explanations:
        warnings += explanation.warnings
    return list(dict.fromkeys(warnings))


def _sections(report: FamilyReport, warnings: list[str]) -> list[tuple[str, str]]:
    """The id and the heading of each section that the page has."""
    sections = [
        (True, "verdict", "Who looks like whom"),
        (report.cards, "cards", "Side by side"),
        (report.timelines, "time", "Over time"),
        (report.explanations, "why", "What carries the likeness"),
        (True, "meaning", "What the score means"),
        (warnings or report.family.skipped, "warnings", "What makes this less sure"),
    ]
    return [(name, heading) for is_there, name, heading in sections if is_there]


def _data_url(pixels: Pixels, side: int | None = None) -> str:
    """A picture as an address that holds it; a square one with sides of at most `side`."""
    if side is not None and side < len(pixels):
        pixels = resized(pixels, side, side)
    return "data:image/jpeg;base64," + base64.b64encode(as_jpeg(pixels)).decode("ascii")

"""A Match as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, astuple, replace
from typing import TYPE_CHECKING, Any

from facematch.output.faces import age_fields, age_words, left_top_width_height, rounded_box
from facematch.output.json_text import json_object
from facematch.scoring.wording import (
    engine_words,
    interval_words,
    is_undecided,
    neutral_words,
    posterior,
    ratio_words,
    score_meaning,
    score_words,
    shown_score,
    support,
)
from facematch.types import DIGITS, UNLIKE_PHOTOGRAPHS, Age, Match, Subject

if TYPE_CHECKING:
    from rich.table import Table

UNDECIDED = "two photos leave it open: more photos of each make it surer (facematch family)"


def match_fields(match: Match, prior: float | None = None) -> dict[str, Any]:
    """Fields for JSON; what is not known is None. With a prior, the posterior is in it."""
    fields = asdict(replace(match, chips=None))
    del fields["ages"], fields["chips"]
    for role, age in zip(("parent", "child"), match.ages or (None, None), strict=True):
        fields[role] = _subject_fields(getattr(match, role)) | {"age": age_fields(age)}
    for name, digits in (DIGITS | {"neutral_score": DIGITS["score"]}).items():
        fields[name] = None if fields[name] is None else round(fields[name], digits)
    for name in ("score", "likelihood_ratio"):
        ends = fields[f"{name}_interval"]
        fields[f"{name}_interval"] = ends and [round(end, DIGITS[name]) for end in ends]
    ratio, digits = match.likelihood_ratio, DIGITS["likelihood_ratio"]
    fields["support"] = None if ratio is None else support(ratio)
    if prior is not None:
        chance = None if ratio is None else round(posterior(ratio, prior), digits)
        fields |= {"prior": prior, "posterior": chance}
    return fields


def as_json(match: Match, prior: float | None = None) -> str:
    """One JSON object; what is not known is null. With a prior, the posterior is in it."""
    return json_object(match_fields(match, prior))


def rows(match: Match, prior: float | None = None) -> Iterator[dict[str, Any]]:
    """One row. With a prior, the posterior is in it."""
    fields = match_fields(match, prior)
    chances = {} if prior is None else {name: fields[name] for name in ("prior", "posterior")}
    low, high = fields["score_interval"] or (None, None)
    least, most = fields["likelihood_ratio_interval"] or (None, None)
    yield {
        "parent": match.parent.photo,
        "child": match.child.photo,
        "cosine": fields["cosine"],
        "score": fields["score"],
        "likelihood_ratio": fields["likelihood_ratio"],
        "score_low": low,
        "score_high": high,
        "likelihood_ratio_low": least,
        "likelihood_ratio_high": most,
        "support": fields["support"],
        **chances,
        "warnings": "; ".join(match.warnings) or None,
    }


def sentences(match: Match) -> list[str]:
    """What the score says of these two photos."""
    who = f"{match.child.photo} and {match.parent.photo}"
    if match.score is None or match.score_interval is None:
        return [f"{who}: cosine {match.cosine:.3f}"]
    score = score_words(match.score, match.score_interval)
    return [f"{who}: {score} of 100: {score_meaning(match.score)}"]


def table(match: Match, prior: float | None = None) -> Table:
    """Both faces, the score, the likelihood ratio and the cosine, each with a line of help."""
    from rich.markup import escape
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value, help_line in (
        ("parent", escape(match.parent.photo), _face_words(match.parent, match.ages, 0)),
        ("child", escape(match.child.photo), _face_words(match.child, match.ages, 1)),
        ("mini-me score", *_score_lines(match)),
        ("likelihood ratio", *_ratio_lines(match)),
        *_posterior_lines(match, prior),
        ("cosine", f"{match.cosine:.3f}", "of the two embeddings, from -1 to 1"),
        ("engine", engine_words(astuple(match.engine)), ""),
    ):
        grid.add_row(name, f"[bold]{value}[/]" + (f"\n{help_line}" if help_line else ""))
    return grid


def _face_words(subject: Subject, ages: tuple[Age, ...] | None, which: int) -> str:
    left, top, width, height = left_top_width_height(subject.box)
    words = (
        f"face {subject.face} of {subject.faces_found}, {width:.0f}x{height:.0f} pixels "
        f"at {left:.0f}, {top:.0f}, confidence {subject.confidence:.2f}"
    )
    return words if ages is None else f"{words}, looks {age_words(ages[which])} years old"


def _score_lines(match: Match) -> tuple[str, str]:
    if match.score is None:
        return "not known", ""
    ends = interval_words(match.score_interval) if match.score_interval else ""
    lines = [score_meaning(match.score), neutral_words(match.neutral_score)]
    if is_undecided(match.score_interval, match.neutral_score):
        lines.append(UNDECIDED)
    words = f"{shown_score(match.score)} of 100" + (f" ({ends})" if ends else "")
    return words, "\n".join(filter(None, lines))


def _ratio_lines(match: Match) -> tuple[str, str]:
    ratio, interval = match.likelihood_ratio, match.likelihood_ratio_interval
    if ratio is None or interval is None:
        return "not known", _no_ratio_words(match)
    if ratio >= 1:
        often = f"{ratio:.1f} times as common in parent and child as in strangers"
    else:
        often = f"{1 / ratio:.1f} times as common in strangers as in parent and child"
    words = f"a likeness like this is {often}: {support(ratio)}"
    return ratio_words(ratio, interval), words


def _no_ratio_words(match: Match) -> str:
    """Why there is a score but no likelihood ratio; "" where there is no score either."""
    if match.engine.cohort is not None:
        return "nobody measured how alike relatives are among the strangers of your cohort"
    if match.score is None:
        return ""
    if any(UNLIKE_PHOTOGRAPHS in warning for warning in match.warnings):
        return "the program knows photographs only"
    return "no data says how alike young relatives look"


def _posterior_lines(match: Match, prior: float | None) -> list[tuple[str, str, str]]:
    if prior is None:
        return []
    if match.likelihood_ratio is None:
        return [("chance of kinship", "not known", "it needs a likelihood ratio")]
    chance = posterior(match.likelihood_ratio, prior)
    return [("chance of kinship", f"{chance:.1%}", f"if it was {prior:.1%} before the photos")]


def _subject_fields(subject: Subject) -> dict[str, Any]:
    return {
        "photo": subject.photo,
        "box": rounded_box(subject.box),
        "confidence": round(subject.confidence, 4),
        "faces_found": subject.faces_found,
    }

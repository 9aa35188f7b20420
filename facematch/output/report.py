"""A Match, or the faces of a photo, as a table for people or as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple
from typing import TYPE_CHECKING, Any

from facematch.types import DIGITS, Box, EngineNames, Match, Subject

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from facematch.weights.catalogue import WeightFile

NO_PATERNITY_TEST = (
    "This is no paternity test: it compares how two faces look in two photos, "
    "and says nothing about descent."
)


# How far a likelihood ratio, or one over it, speaks for or against; the words begin there.
SCALE = ((2.0, "slight"), (4.0, "moderate"), (10.0, "strong"))


def shown_score(score: float) -> str:
    """As a person reads it: whole, and no more than the model knows at the ends."""
    return "over 99" if score > 99 else "under 1" if score < 1 else f"{score:.0f}"


def ends_words(interval: tuple[float, float]) -> str:
    """Where scores lie: "60 to 85", and nothing where both ends read alike."""
    low, high = (shown_score(end) for end in interval)
    return "" if low == high else f"{low} to {high}"


def score_words(score: float, interval: tuple[float, float]) -> str:
    """A score and its interval, as a person reads them: "78 (60 to 85)"."""
    ends = ends_words(interval)
    return shown_score(score) + (f" ({ends})" if ends else "")


def ratio_words(ratio: float, interval: tuple[float, float]) -> str:
    """A likelihood ratio and its interval: "3.1 (2.4 to 3.9)", "8.5 or more"."""
    if interval[0] == interval[1]:  # as far as the data speaks
        return f"{ratio:.2g} or {'more' if ratio > 1 else 'less'}"
    return f"{ratio:.2g} ({interval[0]:.2g} to {interval[1]:.2g})"


def counted(count: int, what: str) -> str:
    """So many of something: "1 face", "1,200 faces"."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def engine_words(names: Iterable[str | None]) -> str:
    """The parts of an engine: "mmod · kin · kin-1-resemblance"."""
    return " · ".join(name for name in names if name)


def signed(value: float) -> str:
    """A number with its sign, with a real minus; a zero has none."""
    words = f"{abs(value):.2f}"
    return words if float(words) == 0 else f"{'+' if value > 0 else '−'}{words}"


def support(ratio: float) -> str:
    """A likelihood ratio in words: "slight support for kinship", "no support either way"."""
    strength = max(ratio, 1 / ratio)
    words = [word for bound, word in SCALE if strength >= bound]
    if not words:
        return "no support either way"
    return f"{words[-1]} support {'for' if ratio > 1 else 'against'} kinship"


def posterior(ratio: float, prior: float) -> float:
    """How likely kinship is after the likelihood ratio, where it was `prior` before (Bayes)."""
    odds = ratio * prior / (1 - prior)
    return odds / (1 + odds)


def match_as_json(match: Match, prior: float | None = None) -> str:
    """One JSON object; what is not known is null. With a prior, the posterior is in it."""
    fields = asdict(match)
    for who in ("parent", "child"):
        fields[who] = _subject_fields(getattr(match, who))
    for name, digits in DIGITS.items():
        fields[name] = None if fields[name] is None else round(fields[name], digits)
    ratio, interval = match.likelihood_ratio, match.likelihood_ratio_interval
    digits = DIGITS["likelihood_ratio"]
    fields["likelihood_ratio_interval"] = interval and [round(end, digits) for end in interval]
    fields["support"] = None if ratio is None else support(ratio)
    if prior is not None:
        chance = None if ratio is None else round(posterior(ratio, prior), digits)
        fields |= {"prior": prior, "posterior": chance}
    return as_json(fields)


def faces_as_json(photo: str, subjects: Sequence[Subject]) -> str:
    """One JSON object: the photo and its faces, largest first."""
    faces = [
        {
            "face": subject.face,
            "box": _rounded(subject.box),
            "confidence": round(subject.confidence, 4),
        }
        for subject in subjects
    ]
    return as_json({"photo": photo, "faces_found": len(subjects), "faces": faces})


def match_table(match: Match, prior: float | None = None) -> Table:
    """Who was found, the score, the likelihood ratio and the cosine, each with a line of help."""
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value, help_line in (
        ("parent", escape(match.parent.photo), _found(match.parent)),
        ("child", escape(match.child.photo), _found(match.child)),
        ("mini-me score", *_score(match.score)),
        ("likelihood ratio", *_ratio(match)),
        *_chances(match, prior),
        ("cosine", f"{match.cosine:.3f}", "of the two embeddings, from -1 to 1"),
        ("engine", engine_words(astuple(match.engine)), ""),
    ):
        table.add_row(name, f"[bold]{value}[/]" + (f"\n{help_line}" if help_line else ""))
    return table


def family_table(
    parents: Sequence[str],
    children: Sequence[str],
    scores: dict[tuple[str, str], str],
    verdicts: Sequence[str],
    siblings: Sequence[str],
) -> RenderableType:
    """Parents down, children across, then a line for each child and for each two siblings."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("mini-me score", style="cyan")
    for child in children:
        table.add_column(escape(child))
    for parent in parents:
        cells = (scores[parent, child] for child in children)
        table.add_row(escape(parent), *(f"[bold]{cell}[/]" for cell in cells))
    lines = [escape(line) for line in verdicts]
    if siblings:
        lines += ["", "siblings, by a model of parents and children:"]
        lines += [escape(line) for line in siblings]
    return Group(table, "", *lines)


def timeline_table(
    parents: Sequence[str],
    lines: Sequence[tuple[str, str, dict[str, str]]],
    words: Sequence[str],
) -> RenderableType:
    """A row for each photo of the child: when, which, and the score of each parent; then words."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("taken", "photo", *parents):
        table.add_column(escape(column), overflow="fold")
    for when, photo, cells in lines:
        shown = (f"[bold]{escape(cells[parent])}[/]" for parent in parents)
        table.add_row(when, escape(photo), *shown)
    return Group(table, "", *(escape(line) for line in words))


def findings_table(
    child: str, lines: Sequence[tuple[str, str]], counts: tuple[int, int, int | None]
) -> RenderableType:
    """A line for everyone found: rank, score, where.

    `counts` are photos, faces, and the faces compared, None where all were.
    """
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "mini-me score", f"most like {escape(child)}"):
        table.add_column(column, overflow="fold")
    for rank, (score, place) in enumerate(lines, start=1):
        table.add_row(f"{rank}.", f"[bold]{score}[/]", escape(place))
    strangers = "Chosen among so many, scores are high: one stranger in 100 scores over 99."
    photos, faces, compared = counts
    seen = f"{counted(faces, 'face')} in {counted(photos, 'photo')}"
    how = f"{seen} {'was' if faces == 1 else 'were'} compared."
    if compared is not None:
        how = f"Approximate: of {seen}, the {compared:,} nearest were compared."
    return Group(table, "", f"{how} {strangers}")


def card_table(parent: str, child: str, score: str, meaning: str) -> RenderableType:
    """Who, the score, and what it means."""
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("parent", f"[bold]{escape(parent)}[/]")
    table.add_row("child", f"[bold]{escape(child)}[/]")
    table.add_row("mini-me score", f"[bold]{score}[/]\n{escape(meaning)}")
    return table


def clip_table(lines: Sequence[Sequence[str]], engine: EngineNames) -> Table:
    """A line for each person of a clip and parent: person, seen, frames, parent, score, ratio."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("person", "seen", "frames", "parent", "mini-me score", "likelihood ratio"):
        table.add_column(column)
    for cells in lines:
        table.add_row(*map(escape, cells))
    table.caption = engine_words(astuple(engine))
    table.caption_justify = "left"
    return table


def faces_table(subjects: Sequence[Subject]) -> Table:
    """The faces of a photo, largest first."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("face", "left", "top", "width", "height", "confidence"):
        table.add_column(column, justify="right")
    for subject in subjects:
        sides = (f"{side:.0f}" for side in _place(subject.box))
        table.add_row(str(subject.face), *sides, f"{subject.confidence:.2f}")
    return table


def weights_table(files: Sequence[tuple[WeightFile, str]]) -> Table:
    """The known weight files, each with its state."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("name", "state", "size", "licence", "for"):
        table.add_column(column, no_wrap=column in ("state", "size"), overflow="fold")
    for weights, state in files:
        size = f"{weights.size / 1e6:.1f} MB"
        table.add_row(weights.name, state, size, weights.licence, weights.purpose)
    return table


def _found(subject: Subject) -> str:
    left, top, width, height = _place(subject.box)
    return (
        f"face {subject.face} of {subject.faces_found}, {width:.0f}x{height:.0f} pixels "
        f"at {left:.0f}, {top:.0f}, confidence {subject.confidence:.2f}"
    )


def _score(score: float | None) -> tuple[str, str]:
    if score is None:
        return "not known", ""
    return (
        f"{shown_score(score)} of 100",
        "so many of 100 unrelated people look less like this child",
    )


def _ratio(match: Match) -> tuple[str, str]:
    ratio, interval = match.likelihood_ratio, match.likelihood_ratio_interval
    if ratio is None or interval is None:
        return "not known", ""
    if ratio >= 1:
        often = f"{ratio:.1f} times as common in parent and child as in strangers"
    else:
        often = f"{1 / ratio:.1f} times as common in strangers as in parent and child"
    words = f"a likeness like this is {often}: {support(ratio)}"
    return ratio_words(ratio, interval), words


def _chances(match: Match, prior: float | None) -> list[tuple[str, str, str]]:
    if prior is None or match.likelihood_ratio is None:
        return []
    chance = posterior(match.likelihood_ratio, prior)
    return [("chance of kinship", f"{chance:.1%}", f"if it was {prior:.1%} before the photos")]


def _place(box: Box) -> tuple[float, float, float, float]:
    return box[0], box[1], box[2] - box[0], box[3] - box[1]


def _subject_fields(subject: Subject) -> dict[str, Any]:
    return {
        "photo": subject.photo,
        "box": _rounded(subject.box),
        "confidence": round(subject.confidence, 4),
        "faces_found": subject.faces_found,
    }


def _rounded(box: Box) -> list[float]:
    # A tenth of a pixel is less than a detector knows.
    return [round(side, 1) for side in box]


def as_json(fields: dict[str, Any]) -> str:
    """One JSON object; dataclasses in it become objects."""
    return json.dumps(fields, ensure_ascii=False, allow_nan=False, default=asdict)

"""A Likeness as fields of JSON, and as columns of a table."""

from __future__ import annotations

from typing import Any

from facematch.scoring.people import Likeness
from facematch.scoring.wording import support
from facematch.types import DIGITS


def likeness_fields(
    likeness: Likeness, names: tuple[str, str] = ("parent", "child")
) -> dict[str, Any]:
    """Fields for JSON; `names` are the fields of the two people."""
    ratio, ends, digits = (
        likeness.likelihood_ratio, likeness.likelihood_ratio_interval, DIGITS["likelihood_ratio"],
    )  # fmt: skip
    return {
        names[0]: likeness.parent,
        names[1]: likeness.child,
        "cosine": round(likeness.cosine, DIGITS["cosine"]),
        "score": round(likeness.score, DIGITS["score"]),
        "score_interval": [round(end, DIGITS["score"]) for end in likeness.score_interval],
        "likelihood_ratio": None if ratio is None else round(ratio, digits),
        "likelihood_ratio_interval": ends and [round(end, digits) for end in ends],
        "support": None if ratio is None else support(ratio),
        "share": None if likeness.share is None else round(likeness.share, 3),
    }


def likeness_row(likeness: Likeness) -> dict[str, Any]:
    """The same for a table: each end of an interval is a column of its own."""
    fields = likeness_fields(likeness)
    for name in ("score_interval", "likelihood_ratio_interval"):
        low, high = fields.pop(name) or (None, None)
        stem = name.removesuffix("_interval")
        fields |= {f"{stem}_low": low, f"{stem}_high": high}
    return fields

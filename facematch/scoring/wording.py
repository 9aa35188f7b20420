"""Words for scores and likelihood ratios, used by every table, picture and page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from facematch.types import DIGITS

NO_PATERNITY_TEST = (
    "This is no paternity test: it compares how two faces look in two photos, "
    "and says nothing about descent."
)

# The smallest likelihood ratio, or one over it, for each word of support.
SUPPORT_SCALE = ((2.0, "slight"), (4.0, "moderate"), (10.0, "strong"))


def shown_score(score: float) -> str:
    """A score without decimals; "over 99" and "under 1" where the model knows no more."""
    score = round(
        score, DIGITS["score"]
    )  # as in files, so that a table made from one says the same
    return "over 99" if score > 99 else "under 1" if score < 1 else f"{score:.0f}"


def interval_words(interval: tuple[float, float]) -> str:
    """The ends of an interval of scores: "60 to 85"; "" where both ends read the same."""
    low, high = (shown_score(end) for end in interval)
    return "" if low == high else f"{low} to {high}"


def score_words(score: float, interval: tuple[float, float]) -> str:
    """A score and its interval: "78 (60 to 85)"."""
    ends = interval_words(interval)
    return shown_score(score) + (f" ({ends})" if ends else "")


def score_meaning(score: float) -> str:
    """What a score says: "92 of 100 unrelated people look less like this child"."""
    return _meaning(score, "unrelated people", "this child")


def card_meaning(score: float, child: str) -> str:
    """The same, short and with a name: "92 of 100 strangers look less like Ann"."""
    return _meaning(score, "strangers", child)


def frames_score_words(
    score: float | None, interval: tuple[float, float] | None, cosine: float
) -> str:
    """A score from frames of a clip: "78 of 100 (60 to 85)"; the cosine where there is none."""
    if score is None:
        return f"cosine {cosine:.3f}"
    value = f"{shown_score(score)} of 100"
    if interval is None:
        return f"{value} (few frames: unsure)"
    ends = interval_words(interval)
    return f"{value} ({ends})" if ends else value


def neutral_words(neutral: float | None) -> str:
    """What the neutral score is; "" where there is none."""
    if neutral is None:
        return ""
    return f"{shown_score(neutral)} is neutral: more speaks for kinship, less against it"


def is_undecided(interval: tuple[float, float] | None, neutral: float | None) -> bool:
    """Whether an interval of scores reaches to both sides of the neutral score."""
    return interval is not None and neutral is not None and interval[0] < neutral < interval[1]


def ratio_words(ratio: float, interval: tuple[float, float]) -> str:
    """A likelihood ratio and its interval: "3.1 (1.2 to 6.5)", "8.5 or more (at least 2.1)"."""
    ratio, low, high = (round(value, DIGITS["likelihood_ratio"]) for value in (ratio, *interval))
    if low < ratio < high:
        return f"{ratio:.2g} ({low:.2g} to {high:.2g})"
    # The ratio is at a limit of the data it was fitted on.
    limit = f"{ratio:.2g} or {'more' if ratio >= high and ratio > 1 else 'less'}"
    if low == high:
        return limit
    return f"{limit} ({f'at least {low:.2g}' if ratio >= high else f'at most {high:.2g}'})"


def support(ratio: float) -> str:
    """A likelihood ratio in words: "slight support for kinship", "no support either way"."""
    strength = max(ratio, 1 / ratio)
    words = [word for bound, word in SUPPORT_SCALE if strength >= bound]
    if not words:
        return "no support either way"
    return f"{words[-1]} support {'for' if ratio > 1 else 'against'} kinship"


def ratio_meaning(ratio: float | None, interval: tuple[float, float] | None) -> str:
    """A likelihood ratio, its interval and its support; "not known" where there is none."""
    if ratio is None or interval is None:
        return "not known"
    return f"{ratio_words(ratio, interval)}: {support(ratio)}"


def posterior(ratio: float, prior: float) -> float:
    """Probability of kinship after the likelihood ratio, given the one before (Bayes)."""
    odds = ratio * prior / (1 - prior)
    return odds / (1 + odds)


def family_question(children: Sequence[str]) -> str:
    """What a page or a picture of a family answers: "Who do Ann and Ben look like?"."""
    verb = "does" if len(children) == 1 else "do"
    return f"Who {verb} {' and '.join(children)} look like?"


def counted(count: int, what: str) -> str:
    """A number and its noun: "1 face", "1,200 faces"."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def engine_words(names: Iterable[str | None]) -> str:
    """The parts of an engine: "mmod · kin · kin-1-resemblance"."""
    return " · ".join(name for name in names if name)


def signed(value: float) -> str:
    """A number with its sign, with a real minus; a zero has none."""
    words = f"{abs(value):.2f}"
    return words if float(words) == 0 else f"{'+' if value > 0 else '−'}{words}"


def _meaning(score: float, people: str, child: str) -> str:
    if score > 99:
        return f"over 99 of 100 {people} look less like {child}"
    if score < 1:
        return f"almost all {people} look more like {child}"
    return f"{score:.0f} of 100 {people} look less like {child}"


def age_in_words(years: float) -> str:
    """An age in words: 4 months, 3 years."""
    if years < 2:
        months = max(round(years * 12), 0)
        return f"{months} month{'' if months == 1 else 's'}"
    return f"{int(years)} years"

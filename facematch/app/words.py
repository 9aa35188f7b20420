"""What the page says, in plain words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from facematch.analyses.family import Family, Verdict
from facematch.analyses.timeline import Timeline
from facematch.app.results import Result
from facematch.output.family import single_parent_words
from facematch.scoring.wording import (
    age_in_words,
    counted,
    score_words,
)

_CLEARLY = 95  # of 100 resamples; below that the likeness is "a little" more
_MOST_PHOTOS = 3  # that a sentence names
_WHY_UNUSABLE = {
    "not-an-image": "this is no picture that the program opens: save it as JPEG",
    "raw": "this is a raw file of a camera: export it as JPEG",
    "unsupported": "this kind of file cannot be read: save it as JPEG",
    "truncated": "the file ends before the picture does: copy it again",
    "too-large": "it is too large: scale the picture down, or cut the clip shorter",
    "timeout": "it took too long to open: save it again as JPEG, or a clip as MP4",
    "crashed": "it cannot be opened: save it again as JPEG, or a clip as MP4",
    "no-face": "no face was found: turn the photo, or crop it closer",
    "no-face-in-clip": "no face was found: choose a clip that shows faces larger, or photos",
    "not-a-video": "this clip cannot be played: save it as MP4",
}


def isolated(line: str, names: Sequence[str]) -> str:
    """The line with each name isolated: a name written right to left moves no word around it."""
    longest_first = sorted(map(re.escape, names), key=len, reverse=True)
    pattern = rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)"
    return re.sub(pattern, "\u2068\\g<0>\u2069", line)  # first strong isolate, pop


def unusable_words(code: str) -> str:
    """Why a photo shows nobody; "" where it shows somebody."""
    return _WHY_UNUSABLE.get(code, "it cannot be read: save it again as JPEG") if code else ""


def sentences(result: Result) -> list[str]:
    """The answer: one sentence for each child, and why it says little where it does."""
    family = result.report.family
    if family.verdicts:
        lines = [_verdict_sentence(family, verdict) for verdict in family.verdicts]
    else:
        lines = [single_parent_words(family, child) for child in family.children]
    cautions = [*_unlike_caution(result.unlike_photographs), *result.cautions]
    return [*lines, *(f"But {caution}." for caution in cautions)]


def _unlike_caution(photos: Sequence[str]) -> list[str]:
    """That some photos show no photographed face; nothing where there are none."""
    if not photos:
        return []
    named = list(photos[:_MOST_PHOTOS])
    more = len(photos) - len(named)
    listed = _listed([*named, f"{more} more"] if more else named)
    looks = "looks" if len(photos) == 1 else "look"
    return [
        f"{listed} {looks} like no photograph of a face to the program, as drawings, dolls and "
        "masks do: the scores say little"
    ]


def sibling_sentences(family: Family) -> list[str]:
    """How alike the children are, and who of them looks most like each parent."""
    lines = [
        f"{pair.parent} and {pair.child} score {score_words(pair.score, pair.score_interval)} "
        "with each other, by a model of parents and children."
        for pair in family.siblings
    ]
    if len(family.children) > 1:
        for parent in family.parents:
            scores = {child: family.of(parent, child).score for child in family.children}
            first, second = sorted(scores, key=lambda child: -scores[child])[:2]
            if round(scores[first]) > round(scores[second]):
                lines.append(f"Of the children, {first} scores highest with {parent}.")
    return lines


def same_age_sentences(timeline: Timeline) -> list[str]:
    """Each photo of a child beside the parent's photo at that age: "dad at 5 months"."""
    return [
        f"{timeline.child} at {age_in_words(moment.age)}, {moment.parent} at "
        f"{age_in_words(moment.parent_age)}: {score_words(moment.score, moment.score_interval)}."
        for moment in timeline.moments
        if moment.age is not None and moment.parent_age is not None and moment.age >= 0
    ]


def _verdict_sentence(family: Family, verdict: Verdict) -> str:
    child, ahead = verdict.child, verdict.ahead
    best = family.of(ahead, child).score
    if verdict.most_like is None:
        sentence = f"{child} looks a little more like {ahead}, but that is not sure"
        sentence += _advice(verdict)
    elif verdict.times_of_100 >= _CLEARLY:
        sentence = f"{child} looks more like {ahead}."
    else:
        sentence = f"{child} looks a little more like {ahead}."
    if family.neutral_score is not None and best < family.neutral_score:
        sentence += f" Many strangers look as much like {child} as {ahead} does."
    return sentence


def _advice(verdict: Verdict) -> str:
    """What photos to add; the end of a sentence."""
    wanted = sorted((verdict.more_photos or {}).items(), key=lambda each: -each[1])
    if not wanted:
        return ": they are so alike that more photos may not decide it."
    (name, number), *others = wanted
    first = f"{counted(number, 'more photo')} of {name}"
    return f": add {_listed([first, *(f'{count} of {who}' for who, count in others)])}."


def _listed(words: Sequence[str]) -> str:
    """Words as a list: "a", "a and b", "a, b and c"."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last

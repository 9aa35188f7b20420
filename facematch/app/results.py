"""From the people that somebody tapped to everything the page tells of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import chain
from typing import Any

from facematch import output
from facematch.analyses.card import CARD_PORTRAIT_SIDE
from facematch.analyses.explain import Explanation, explain_pair
from facematch.analyses.family import compare_family
from facematch.analyses.pair import (
    ONE_PERSON,
    YOUNG_CHILDREN,
    Pair,
    chosen_pair,
    compare_pair,
    embed_pair,
)
from facematch.analyses.report import FamilyReport, card_of_child
from facematch.analyses.timeline import Days, compare_over_time, dated_photos
from facematch.detection.quality import clearness, face_warnings
from facematch.engine import Engine
from facematch.enrolment.people import enrol_person
from facematch.errors import OptionError
from facematch.pictures.letters import undrawn_in, undrawn_words
from facematch.types import UNLIKE_PHOTOGRAPHS, Match, Portrait
from facematch.video.both import ONE_LIGHT

MOST_PEOPLE = 8
_OF_DRAWINGS = f": {UNLIKE_PHOTOGRAPHS}"  # behind the name of a photo


@dataclass(frozen=True, slots=True, eq=False)
class Tapped:
    """Somebody who was tapped: a parent or a child, and their faces.

    `clips` are the digests of the clips that some of the faces are from.
    """

    name: str
    is_parent: bool
    faces: tuple[tuple[Portrait, int], ...]
    born: date | None = None
    clips: frozenset[str] = frozenset()

    @property
    def clearest(self) -> tuple[Portrait, int]:
        """The clearest face without a warning; the clearest of all if each has one."""
        return max(self.faces, key=lambda face: (not face_warnings(*face), clearness(*face)))


@dataclass(slots=True, eq=False)
class Result:
    """What a family's photos tell.

    `matches` compare one photo of each child with one of the parent on its card, `pairs` are their
    faces. `notes` are warnings about the files as a whole. `cautions` are those warnings after
    which a score says little. `explanations` are made when they are first asked for.
    """

    report: FamilyReport
    matches: tuple[Match, ...]
    pairs: tuple[Pair, ...]
    days: Days
    notes: tuple[str, ...] = ()
    explanations: tuple[Explanation, ...] | None = field(default=None)

    @property
    def cautions(self) -> list[str]:
        """The warnings after which a score says little, each once."""
        given = [warning for match in self.matches for warning in match.warnings]
        return [each for each in (YOUNG_CHILDREN, ONE_PERSON) if each in given]

    @property
    def unlike_photographs(self) -> list[str]:
        """The photos whose faces are unlike all photographs, as drawings are."""
        given = [each for each in self._given if each.endswith(_OF_DRAWINGS)]
        return [each.removesuffix(_OF_DRAWINGS) for each in given]

    @property
    def warnings(self) -> list[str]:
        """All other warnings, each once."""
        others = [each for each in self._given if not each.endswith(_OF_DRAWINGS)]
        return [each for each in others if each not in self.cautions]

    @property
    def _given(self) -> list[str]:
        """All warnings, each once."""
        family = self.report.family
        skipped = [f"{each.photo}: {each.reason}" for each in family.skipped]
        given = [*self.notes, *skipped, *family.warnings]
        for timeline in self.report.timelines:
            given += timeline.warnings
        for match in self.matches:
            given += match.warnings
        given += undrawn_words(undrawn_in(self.report.family.photos))  # the names of all
        return list(dict.fromkeys(given))


def compare(engine: Engine, people: Sequence[Tapped]) -> Result:
    """Compare everyone with everyone.

    Raises OptionError where there is no parent, no child, or too many people.
    """
    parents = [each for each in people if each.is_parent]
    children = [each for each in people if not each.is_parent]
    if not parents or not children:
        raise OptionError("tap at least one parent and one child")
    if len(people) > MOST_PEOPLE:
        raise OptionError(f"at most {MOST_PEOPLE} people can be compared at once")
    if len({each.name for each in people}) < len(people):
        raise OptionError("two people have one name: name them apart")
    older, younger = (
        [
            enrol_person(engine, each.name, each.faces, portrait_side=CARD_PORTRAIT_SIDE)
            for each in side
        ]
        for side in (parents, children)
    )
    skipped = tuple(chain.from_iterable(each.gallery.skipped for each in (*older, *younger)))
    family = replace(compare_family(engine, older, younger, chosen=True), skipped=skipped)
    cards = tuple(card_of_child(family, older, child) for child in younger)
    days = Days(born={each.name: each.born for each in people if each.born is not None})
    timelines = tuple(
        compare_over_time(engine, older, child, days)
        for child in younger
        if dated_photos(child, {}) >= (1 if child.name in days.born else 2)
    )
    by_name = {each.name: each for each in people}
    pairs = [_pair(by_name[card.parent.name], by_name[card.child.name]) for card in cards]
    matches = [compare_pair(engine, *embed_pair(engine, pair)) for pair in pairs]
    report = FamilyReport(family, cards, timelines)
    older_clips, younger_clips = (
        set[str]().union(*(each.clips for each in side)) for side in (parents, children)
    )
    notes = (ONE_LIGHT,) if older_clips & younger_clips else ()
    return Result(report, tuple(matches), tuple(pairs), days, notes)


def explain(engine: Engine, result: Result) -> tuple[Explanation, ...]:
    """Which parts of the faces carry the likeness of each child; made once."""
    if result.explanations is None:
        result.explanations = tuple(explain_pair(engine, pair) for pair in result.pairs)
    return result.explanations


def as_fields(result: Result) -> dict[str, Any]:
    """Everything as data: the fields of `family`, `timeline` and `explain --format json`."""
    return {
        "family": json.loads(output.as_json(result.report.family)),
        "matches": [json.loads(output.as_json(match)) for match in result.matches],
        "timelines": [json.loads(output.as_json(each)) for each in result.report.timelines],
        "explanations": [json.loads(output.as_json(each)) for each in result.explanations or ()],
    }


def _pair(parent: Tapped, child: Tapped) -> Pair:
    """The clearest face of each."""
    one, other = parent.clearest, child.clearest
    return chosen_pair((one[0], other[0]), (one[1], other[1]))

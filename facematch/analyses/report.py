"""Everything a family's photos tell, for one page: verdicts, cards, timelines, explanations."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from facematch.analyses.card import CARD_PORTRAIT_SIDE, Card
from facematch.analyses.explain import Explanation, explain
from facematch.analyses.family import Family, compare_family
from facematch.analyses.timeline import Days, Timeline, compare_over_time, dated_photos
from facematch.engine import Engine
from facematch.enrolment.people import NamedPhotos, parents_and_children
from facematch.types import Person, Photo, PhotoLike, several

_FEWEST_FOR_TIMELINE = 2  # dated photos of a child


@dataclass(frozen=True, slots=True, eq=False)
class FamilyReport:
    """A family, with a card, an explanation and perhaps a timeline for each child."""

    family: Family
    cards: tuple[Card, ...] = ()
    timelines: tuple[Timeline, ...] = ()
    explanations: tuple[Explanation, ...] = ()


def report(
    engine: Engine, parents: NamedPhotos, children: NamedPhotos, days: Days | None = None
) -> FamilyReport:
    """All that `family`, `card`, `timeline` and `explain` tell of a family.

    Each child has a card with the parent it looks most like, an explanation of that likeness by one
    photo of each, and a timeline where at least two of its photos are dated. Raises what they
    raise.
    """
    days = Days() if days is None else days
    days.check_names([*parents, *children])
    parents, children = _listed(parents), _listed(children)
    older, younger, skipped = parents_and_children(
        engine, parents, children, portrait_side=CARD_PORTRAIT_SIDE
    )
    family = replace(compare_family(engine, older, younger), skipped=tuple(skipped))
    cards = [card_of_child(family, older, child) for child in younger]
    files = _photos_by_label(parents, children)
    return FamilyReport(
        family=family,
        cards=tuple(cards),
        timelines=tuple(
            compare_over_time(engine, older, child, days)
            for child in younger
            if dated_photos(child, days.taken) >= _FEWEST_FOR_TIMELINE
        ),
        explanations=tuple(
            explain(engine, files[card.parent.shown], files[card.child.shown]) for card in cards
        ),
    )


def card_of_child(family: Family, parents: Sequence[Person], child: Person) -> Card:
    """The card of a child and the parent it looks most like."""
    likenesses = [family.of(parent.name, child.name) for parent in parents]
    best = max(range(len(parents)), key=lambda index: likenesses[index].order)
    return Card(parents[best], child, likenesses[best], family.neutral_score)


def _listed(photos: NamedPhotos) -> dict[str, list[PhotoLike]]:
    return {name: list(several(some)) for name, some in photos.items()}


def _photos_by_label(*sides: Mapping[str, Sequence[PhotoLike]]) -> dict[str, PhotoLike]:
    photos = [photo for side in sides for some in side.values() for photo in some]
    return {
        photo.label if isinstance(photo, Photo) else os.fsdecode(photo): photo for photo in photos
    }

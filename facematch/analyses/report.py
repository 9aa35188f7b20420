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
from facematch.enrolment.people import NamedPhotos, check_people, parents_and_children
from facematch.errors import PhotoError
from facematch.photos.given import is_path, several
from facematch.types import Person, Photo, PhotoLike

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
    check_people(parents, children)
    days.check_names([*parents, *children])
    parents, children = _listed(engine, parents), _listed(engine, children)
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


def _listed(engine: Engine, photos: NamedPhotos) -> dict[str, list[PhotoLike]]:
    """The photos of each person; those in memory are decoded, which gives them a label."""
    return {
        name: [
            photo if is_path(photo) else _read_if_possible(engine, photo) for photo in several(some)
        ]
        for name, some in photos.items()
    }


def _read_if_possible(engine: Engine, photo: PhotoLike) -> PhotoLike:
    try:
        return engine.read(photo)
    except PhotoError:
        return photo  # enrolment says why it is left out


def _photos_by_label(*sides: Mapping[str, Sequence[PhotoLike]]) -> dict[str, PhotoLike]:
    photos = [photo for side in sides for some in side.values() for photo in some]
    paths = {os.fsdecode(photo): photo for photo in photos if is_path(photo)}
    return {**paths, **{photo.label: photo for photo in photos if isinstance(photo, Photo)}}

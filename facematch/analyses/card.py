"""A parent and a child on one card."""

from __future__ import annotations

from dataclasses import dataclass

from facematch.analyses.family import compare_family
from facematch.engine import Engine
from facematch.enrolment.people import NamedPhotos, check_people, parents_and_children
from facematch.errors import OptionError
from facematch.scoring.people import Likeness
from facematch.types import Person, ResultMethods, Skipped

CARD_PORTRAIT_SIDE = 640  # pixels


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Card(ResultMethods):
    """A parent and a child, their photos averaged, and the portraits to show.

    `parent` and `child` have portraits of one size, aligned alike. `neutral_score` is that of
    `Family`. No paternity test.
    """

    parent: Person
    child: Person
    likeness: Likeness
    neutral_score: float | None
    warnings: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def card(engine: Engine, parent: NamedPhotos, child: NamedPhotos) -> Card:
    """A parent and a child, one name each with its photos, for a card.

    Raises OptionError for more than one parent or child, and what `family` raises.
    """
    check_people(parent, child)
    if len(parent) != 1 or len(child) != 1:
        raise OptionError("a card shows one parent and one child")
    older, younger, skipped = parents_and_children(
        engine, parent, child, portrait_side=CARD_PORTRAIT_SIDE
    )
    family = compare_family(engine, older, younger)
    return Card(
        parent=older[0],
        child=younger[0],
        likeness=family.likenesses[0],
        neutral_score=family.neutral_score,
        warnings=family.warnings,
        skipped=tuple(skipped),
    )

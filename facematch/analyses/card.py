"""A parent and a child on one card: what is on it, by style."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from facematch.detection.alignment import portrait_frame
from facematch.errors import OptionError
from facematch.output.report import as_json, card_table, shown_score
from facematch.scoring.people import Likeness, as_row
from facematch.types import Person, Pixels, Skipped

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES = ("pair", "split", "blend", "swap", "strip")
_MOST = 6  # photos of each on a strip


@dataclass(frozen=True, slots=True, eq=False)
class Card:
    """A parent and a child, their photos averaged, and the portraits to show.

    `parent` and `child` have portraits of one size, aligned alike. No paternity test.
    """

    parent: Person
    child: Person
    likeness: Likeness
    warnings: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def meaning(self) -> str:
        """The score in a line."""
        child, score = self.child.name, self.likeness.score
        if score > 99:
            return f"over 99 of 100 strangers look less like {child}"
        if score < 1:
            return f"almost every stranger looks more like {child}"
        return f"{score:.0f} of 100 strangers look less like {child}"

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row."""
        yield self._fields()

    def as_json(self) -> str:
        """One JSON object."""
        return as_json(self._fields() | {"warnings": self.warnings, "skipped": self.skipped})

    def table(self) -> RenderableType:
        """For a terminal: who, the score and what it means."""
        return card_table(self.parent.name, self.child.name, self.likeness.words, self.meaning)

    def picture(self, theme: str = "light", style: str = "pair") -> Pixels:
        """The card. Shapes: (H, W, 3). Raises OptionError for a style not in `STYLES`."""
        from facematch.pictures import card

        one, other = self.parent.portrait, self.child.portrait
        match style:
            case "pair":
                faces = card.pair(one, other)
            case "split":
                faces = card.split(one, other)
            case "blend":
                faces = card.blend(one, other)
            case "swap":
                faces = card.swap(one, other, portrait_frame(len(other)).template)
            case "strip":
                faces = card.strip([_row(self.parent), _row(self.child)], theme)
            case _:
                raise OptionError(f"no style {style!r}; there are: {', '.join(STYLES)}")
        names = self.parent.name, self.child.name
        return card.draw_card(faces, names, shown_score(self.likeness.score), self.meaning, theme)

    def _fields(self) -> dict[str, Any]:
        known = as_row(self.likeness)
        shown = ("parent", "child", "score", "score_low", "score_high")
        return {name: known[name] for name in shown} | {"meaning": self.meaning}


def _row(person: Person) -> tuple[list[str], Pixels]:
    """Some of their photos, in the order they were taken where that is known; evenly chosen."""
    days = [(str(day) if day else "", at) for at, day in enumerate(person.taken)]
    order = [at for _, at in sorted(days)]
    picked = np.unique(np.linspace(0, len(order) - 1, min(len(order), _MOST)).round().astype(int))
    rows = [order[at] for at in picked.tolist()]
    captions = [str(person.taken[at] or person.name) for at in rows]
    return captions, np.asarray(person.portraits[rows])

"""Who looks like whom in a family: every child against every parent, with how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facematch.output.report import as_json, family_table, shown_score
from facematch.scoring.people import (
    Likeness,
    as_fields,
    as_row,
    averaged,
    between_parents,
    bootstrap_means,
    distances,
    likeness,
    of_couple,
    people_z_scores,
    person_warnings,
)
from facematch.scoring.resemblance import ResemblanceModel
from facematch.types import EngineNames, Person, Pixels, Skipped

if TYPE_CHECKING:
    from rich.console import RenderableType

SURE = 0.8  # of the draws: from here on one parent is named


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whom a child looks most like: None where it is too close to call.

    `share` is that of the parent ahead in most draws, `ahead`. `both` is the score of the child
    against its two parents together, None where there are not two.
    """

    child: str
    most_like: str | None
    ahead: str
    share: float
    both: float | None

    @property
    def times(self) -> str:
        """In how many draws that parent is ahead; never in all, for there are photos not given."""
        # Rounded down: what reads like SURE is enough for it.
        return f"{min(int(100 * self.share + 1e-9), 99)} of 100 draws"

    @property
    def words(self) -> str:
        """In a line."""
        times = f"{self.ahead} in {self.times}"
        if self.most_like is None:
            return f"{self.child}: too close to call ({times})"
        return f"{self.child}: more like {times}"


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Who looks like whom: a likeness for every parent and child, parent by parent.

    `siblings` compare children with each other; the model was fitted to parents and children.
    `portraits` show everyone by name. No paternity test.
    """

    parents: tuple[str, ...]
    children: tuple[str, ...]
    likenesses: tuple[Likeness, ...]
    verdicts: tuple[Verdict, ...]
    siblings: tuple[Likeness, ...]
    photos: dict[str, int]
    portraits: dict[str, Pixels]
    engine: EngineNames
    warnings: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def of(self, parent: str, child: str) -> Likeness:
        """That of one parent and one child."""
        at = self.parents.index(parent) * len(self.children) + self.children.index(child)
        return self.likenesses[at]

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for every parent and child."""
        for each in self.likenesses:
            yield as_row(each)

    def as_json(self) -> str:
        """One JSON object."""
        return as_json({
            "parents": [{"name": name, "photos": self.photos[name]} for name in self.parents],
            "children": [{"name": name, "photos": self.photos[name]} for name in self.children],
            "pairs": [as_fields(each) for each in self.likenesses],
            "verdicts": [
                {
                    "child": each.child,
                    "most_like": each.most_like,
                    "shares": {
                        name: round(self.of(name, each.child).share or 0, 3)
                        for name in self.parents
                    },
                    "both_parents_score": None if each.both is None else round(each.both, 3),
                    "words": each.words,
                }
                for each in self.verdicts
            ],
            "siblings": [
                as_fields(each, ("one", "other")) for each in self.siblings
            ],
            "engine": self.engine,
            "warnings": self.warnings,
            "skipped": self.skipped,
        })  # fmt: skip

    def table(self) -> RenderableType:
        """For a terminal: a matrix of scores, and a line for each child."""
        scores = {(each.parent, each.child): each.words for each in self.likenesses}
        siblings = [f"{each.parent} and {each.child}: {each.words}" for each in self.siblings]
        verdicts = [_verdict_line(each) for each in self.verdicts]
        return family_table(self.parents, self.children, scores, verdicts, siblings)

    def picture(self, theme: str = "light") -> Pixels:
        """A matrix of portraits and scores, a verdict below each child. Shapes: (H, W, 3)."""
        from facematch.pictures.matrix import draw_matrix

        cells = [
            [(self.of(parent, child).score, self.of(parent, child).score_interval)
             for child in self.children]
            for parent in self.parents
        ]  # fmt: skip
        verdicts = [_short(each) for each in self.verdicts] or [""] * len(self.children)
        return draw_matrix(
            [(name, self.portraits[name]) for name in self.parents],
            [(name, self.portraits[name]) for name in self.children],
            cells,
            verdicts,
            theme,
        )


def family_of(
    parents: Sequence[Person],
    children: Sequence[Person],
    model: ResemblanceModel,
    engine: EngineNames,
    *,
    chosen: bool = False,
    seed: int = 0,
) -> Family:
    """Compare everyone; `chosen`: somebody chose the faces.

    The same photos and `seed` give the same draws.
    """
    rng = np.random.default_rng(seed)
    everyone = {person.name: person for person in (*parents, *children)}
    draws = {name: bootstrap_means(person.gallery, rng) for name, person in everyone.items()}

    def z(one: Person, other: Person) -> NDArray[np.float64]:
        photos = len(one.portraits), len(other.portraits)
        z = distances(model, (draws[one.name], draws[other.name]), photos, rng)
        # Draws hold fewer different photos than there are, which makes people seem less alike.
        return np.asarray(z + point(one, other) - z.mean())

    def point(one: Person, other: Person) -> float:
        return float(people_z_scores(model, averaged(one), averaged(other))[0, 0])

    pairs = np.array([[z(parent, child) for child in children] for parent in parents])
    shares = _shares(pairs)
    likenesses = [
        likeness(model, (parent, child), pairs[row, column], rng, shares[row, column])
        for row, parent in enumerate(parents)
        for column, child in enumerate(children)
    ]
    siblings = [
        likeness(model, (one, other), z(one, other), rng, turned=True)
        for one, other in combinations(children, 2)
    ]
    return Family(
        parents=tuple(person.name for person in parents),
        children=tuple(person.name for person in children),
        likenesses=tuple(likenesses),
        verdicts=tuple(_verdicts(parents, children, model, shares)),
        siblings=tuple(siblings),
        photos={name: len(person.portraits) for name, person in everyone.items()},
        portraits={name: person.portrait for name, person in everyone.items()},
        engine=engine,
        warnings=tuple(_warnings([*parents, *children], chosen)),
    )


def _shares(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """In what share of draws each parent is ahead; NaN of one alone.

    Shapes: (P, C, B) -> (P, C).
    """
    count = len(pairs)
    if count < 2:
        return np.full(pairs.shape[:2], np.nan)
    children = pairs.transpose(1, 0, 2)
    first = np.array([between_parents(z).argmax(axis=0) for z in children])
    return np.array([(first == at).mean(axis=1) for at in range(count)])


def _verdicts(
    parents: Sequence[Person],
    children: Sequence[Person],
    model: ResemblanceModel,
    shares: NDArray[np.float64],
) -> Iterator[Verdict]:
    if len(parents) < 2:
        return
    for column, child in enumerate(children):
        ahead = int(shares[:, column].argmax())
        share, name = float(shares[ahead, column]), parents[ahead].name
        both = None
        if len(parents) == 2:
            z = [people_z_scores(model, averaged(each), averaged(child)) for each in parents]
            both = float(model.calibrate(of_couple(model, np.array(z)))[0].ravel()[0])
        yield Verdict(child.name, name if share >= SURE else None, name, share, both)


def _warnings(people: Sequence[Person], chosen: bool) -> Iterator[str]:
    """One photograph that shows several of them, several faces in one, and what photos lack."""
    shown: dict[str, list[str]] = {}
    for person in people:
        for digest in filter(None, person.digests):
            shown.setdefault(digest, []).append(person.name)
    together = {tuple(dict.fromkeys(names)) for names in shown.values() if len(set(names)) > 1}
    for names in sorted(together):
        yield f"one photograph shows {' and '.join(names)}: its light and colours make them alike"
    faces: dict[tuple[str, int], str] = {}
    for person in people:
        for digest, subject in zip(person.digests, person.gallery.subjects, strict=True):
            other = faces.setdefault((digest, subject.face), person.name)
            if digest and other != person.name:
                yield f"{other} and {person.name} are the same face in {subject.photo}"
        yield from person_warnings(person, chosen=chosen)


def _verdict_line(verdict: Verdict) -> str:
    both = "" if verdict.both is None else f"; both parents together: {shown_score(verdict.both)}"
    return verdict.words + both


def _short(verdict: Verdict) -> str:
    if verdict.most_like is None:
        return "too close to call"
    return f"more like {verdict.ahead}\n{verdict.times}"

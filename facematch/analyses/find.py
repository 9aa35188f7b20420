"""Who in an archive of photos looks most like a child: every face, grouped by person."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facematch.output.report import as_json, counted, findings_table, shown_score
from facematch.scoring.people import (
    Likeness,
    as_row,
    averaged,
    bootstrap_means,
    distances,
    likeness,
)
from facematch.scoring.resemblance import ResemblanceModel
from facematch.types import EngineNames, Person, Pixels, Skipped, Subject, Vectors

if TYPE_CHECKING:
    from rich.console import RenderableType

IDENTITY = "dlib-resnet"  # the embedder whose vectors tell people apart
# Of its vectors. dlib says "one person" below 0.6, where a third of FIW's brothers and of its
# sisters lie; below this 3 in 100 do, and 40 in 100 of two photos of one person:
# `benchmarks/eval_find.py` prints it. Rather one person twice than two in one.
SAME_PERSON = 0.45


@dataclass(frozen=True, slots=True, eq=False)
class ArchiveFace:
    """A face of the archive, and how alike it is, in standard deviations above strangers.

    `vector` (D,) compares kin, `identity` (E,) tells people apart, `portrait` is to be looked at.
    """

    distance: float
    subject: Subject
    vector: Vectors
    identity: Vectors
    portrait: Pixels
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FoundPerson:
    """Somebody in the archive, those of their photos averaged that are most like the child.

    They are chosen among many, so the score is too high rather than too low. `may_be_child`: the
    child, perhaps.
    """

    likeness: Likeness
    sightings: tuple[ArchiveFace, ...]
    may_be_child: bool


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """Those in an archive who look most like a child, best first. No paternity test.

    `candidates` says how many of the `faces` were compared, where an index chose them; None: all.
    """

    child: str
    portrait: Pixels
    found: tuple[FoundPerson, ...]
    photos: int
    faces: int
    engine: EngineNames
    warnings: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    candidates: int | None = None

    @property
    def search(self) -> str:
        """How they were found: exact, every face compared, or approximate, the nearest only."""
        return "exact" if self.candidates is None else "approximate"

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for every photo of everyone found."""
        for rank, found in enumerate(self.found, start=1):
            for seen in found.sightings:
                yield {
                    "rank": rank,
                    "photo": seen.subject.photo,
                    "face": seen.subject.face,
                    "may_be_child": found.may_be_child,
                    **as_row(found.likeness),
                }

    def as_json(self) -> str:
        """One JSON object."""
        return as_json({
            "child": self.child,
            "photos": self.photos,
            "faces": self.faces,
            "search": self.search,
            "found": [
                {
                    "rank": rank,
                    **as_row(found.likeness),
                    "may_be_child": found.may_be_child,
                    "photos": [
                        {"photo": seen.subject.photo, "face": seen.subject.face}
                        for seen in found.sightings
                    ],
                }
                for rank, found in enumerate(self.found, start=1)
            ],
            "engine": self.engine,
            "warnings": self.warnings,
            "skipped": self.skipped,
        })  # fmt: skip

    def table(self) -> RenderableType:
        """For a terminal: a line for everyone found."""
        lines = []
        for found in self.found:
            first = found.sightings[0].subject
            place = f"{first.photo} (face {first.face} of {first.faces_found})"
            if more := len(found.sightings) - 1:
                place += f" and {more} more"
            if found.may_be_child:
                place += ": perhaps the child"
            lines.append((found.likeness.words, place))
        return findings_table(self.child, lines, (self.photos, self.faces, self.candidates))

    def picture(self, theme: str = "light") -> Pixels:
        """The child, and everyone found with their score. Shapes: (H, W, 3)."""
        from facematch.pictures.findings import draw_wall

        shown = [
            (
                shown_score(found.likeness.score),
                "perhaps the child"
                if found.may_be_child
                else counted(len(found.sightings), "photo"),
                found.sightings[0].portrait,
            )
            for found in self.found
        ]
        return draw_wall((self.child, self.portrait), shown, theme)


def most_alike(sightings: Iterable[ArchiveFace], most: int) -> list[ArchiveFace]:
    """The `most` of them that are most alike, best first; of those alike, who came first."""
    return heapq.nlargest(most, sightings, key=lambda sighting: sighting.distance)


def by_person(photos: Sequence[str], identities: Vectors) -> list[list[int]]:
    """The rows of one person together, in the order of the first of each.

    Average linkage of the `identities` (N, E), up to SAME_PERSON; two faces of one of the `photos`
    (N,) never join.
    """
    if not photos:
        return []
    groups = [[at] for at in range(len(photos))]
    z = _apart(photos, identities)
    while len(groups) > 1:
        one, other = divmod(int(z.argmin()), len(groups))
        if z[one, other] > SAME_PERSON:
            break
        counts = np.array([len(groups[one]), len(groups[other])])
        joined = counts @ z[[one, other]] / counts.sum()  # Lance and Williams 1967
        z[one], z[:, one], z[one, one] = joined, joined, np.inf
        z = np.delete(np.delete(z, other, axis=0), other, axis=1)
        groups[one] += groups.pop(other)
    return sorted((sorted(group) for group in groups), key=min)


def findings_of(
    groups: Sequence[tuple[Person, Sequence[ArchiveFace], Vectors]],
    child: tuple[Person, Vectors],
    model: ResemblanceModel,
    *,
    seed: int = 0,
) -> list[FoundPerson]:
    """Everyone by all their photos, most alike first.

    Everyone, the child too, comes with the vectors that tell them from others, (N, E).
    """
    rng = np.random.default_rng(seed)
    somebody, identities = child
    own = bootstrap_means(somebody.gallery, rng)
    found = []
    for person, sightings, known in groups:
        counts = len(sightings), len(somebody.portraits)
        z = distances(model, (bootstrap_means(person.gallery, rng), own), counts, rng)
        apart = mean_distances(known, identities).mean()
        found.append(
            FoundPerson(
                likeness=likeness(model, (person, somebody), z, rng),
                sightings=tuple(sightings),
                may_be_child=bool(apart < SAME_PERSON),
            )
        )
    return sorted(found, key=lambda each: each.likeness.order, reverse=True)


def mean_distances(identities: Vectors, known: Vectors) -> NDArray[np.float64]:
    """How far each identity lies from those of somebody, on average. (N, E), (M, E) -> (N,)."""
    apart = [np.linalg.norm(identities - each, axis=1) for each in known]
    return np.asarray(np.mean(apart, axis=0), np.float64)


def closeness(model: ResemblanceModel, vectors: Vectors, child: Person) -> NDArray[np.float64]:
    """How alike each face is to the child's mean, (N,), in standard deviations."""
    mean = averaged(child)
    z = model.z_scores(vectors, mean.vectors)[:, 0]
    return model.correct_for_averaging(z, np.full(len(z), (1 + 1 / mean.counts[0]) / 2))


def _apart(photos: Sequence[str], identities: Vectors) -> NDArray[np.float64]:
    """How far identities lie apart, (N, N); infinitely where two faces share a photo.

    The diagonal is infinite too: every face shares its own photo.
    """
    rows = identities.astype(np.float64)
    squares = np.einsum("nd,nd->n", rows, rows)
    z = squares[:, np.newaxis] + squares - 2 * rows @ rows.T
    names = np.array(photos)
    return np.where(names[:, np.newaxis] == names, np.inf, np.sqrt(np.maximum(z, 0)))

"""Faces of known ages and populations, and strangers sampled among them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.kin import Indices
from facematch.scoring.strata import AGE_BANDS
from facematch.types import Vectors

Floats = NDArray[np.float64]

_FEWEST_FACES = 8  # of a cell


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFaces:
    """N faces of known ages and populations.

    `ages` are in years, NaN where not known. `populations` are numbers, -1 where not known.
    `people` and `families` number who is shown, `data_sets` where the picture comes from.
    """

    vectors: Vectors
    ages: Floats
    populations: Indices
    people: Indices
    families: Indices
    data_sets: Indices

    def of_rows(self, rows: NDArray[np.bool_]) -> LabelledFaces:
        """Some of the faces."""
        return LabelledFaces(*(getattr(self, field.name)[rows] for field in fields(self)))

    @classmethod
    def joined(cls, one: LabelledFaces, other: LabelledFaces) -> LabelledFaces:
        """The faces of two data sets, which show other people."""
        first, second = (
            [getattr(faces, field.name) for field in fields(cls)] for faces in (one, other)
        )
        for at, name in enumerate(field.name for field in fields(cls)):
            if name in ("people", "families", "data_sets") and len(first[at]):
                second[at] = second[at] + first[at].max() + 1
        return cls(*(np.concatenate(both) for both in zip(first, second, strict=True)))

    @property
    def stages(self) -> Indices:
        """Baby 0, child 1, teenager 2, adult 3; -1 where the age is not known, (N,)."""
        known = np.isfinite(self.ages)
        first = [low for low, _ in AGE_BANDS]
        stage = np.digitize(np.nan_to_num(self.ages), [first[1], first[3], first[5]])
        return np.where(known, stage, -1)


def sample_strangers(
    faces: LabelledFaces, stages: tuple[int, int], count: int, rng: np.random.Generator
) -> tuple[Indices, Indices]:
    """At most `count` pairs of strangers of each data set and population, of these two stages."""
    ones, others = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    for data_set in np.unique(faces.data_sets):
        for population in np.unique(faces.populations[faces.populations >= 0]):
            like = (faces.data_sets == data_set) & (faces.populations == population)
            one, other = (np.flatnonzero(like & (faces.stages == stage)) for stage in stages)
            if min(len(one), len(other)) >= _FEWEST_FACES:
                pairs = min(count, len(one) * len(other) // 2)
                ones.append(rng.choice(one, pairs))
                others.append(rng.choice(other, pairs))
    return of_other_families(faces, np.concatenate(ones), np.concatenate(others))


def of_other_families(
    faces: LabelledFaces, one: Indices, other: Indices
) -> tuple[Indices, Indices]:
    """The pairs whose faces belong to two families."""
    apart = faces.families[one] != faces.families[other]
    return one[apart], other[apart]

"""Kin against strangers of the same population, by age, by age gap and by population.

A protocol's own strangers are of any population. That flatters a method that takes a population for
a family. Here each pair of kin stands beside the same parent with the child of another family, from
a relation of the same kind, whose face is of the same population.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.enrolled import Enrolled
from facematch.evaluation.figures import KinGroup, SamePopulation
from facematch.evaluation.kin import Indices
from facematch.evaluation.labels import Labels
from facematch.evaluation.likeness import likeness
from facematch.evaluation.metrics import (
    Estimate,
    Statistic,
    counted_auc,
    counted_cllr,
    counted_ks,
    counted_least_cllr,
    counted_mean,
    estimate,
    resample_families,
)
from facematch.evaluation.protocols import SAME_PERSON, Trial
from facematch.scoring.resemblance import ResemblanceModel

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]  # (N,)

# The first year of each group but the first, and the groups' names.
_CHILD_AGES = (3, 6, 10, 13, 18)
CHILD_AGE_NAMES = ("0-2", "3-5", "6-9", "10-12", "13-17", "18+")
_GAPS = (10, 20, 30, 40)
GAP_NAMES = ("under 10", "10-19", "20-29", "30-39", "40+")
_MATCHED_AGES = (*_CHILD_AGES, 30, 45, 60)  # strangers of a group by age are of the same ages
ONE, TWO, TWO_LIKE_CHILD = (
    "one population",
    "two, strangers of the parent's",
    "two, strangers of the child's",
)
FEWEST_PAIRS = 50  # pairs of kin of a group with figures
FEWEST_FAMILIES = 10


def same_population(
    trials: Sequence[Trial],
    enrolled: Enrolled,
    model: ResemblanceModel | None,
    labels: Labels | None,
) -> SamePopulation | None:
    """The figures against strangers of the same population; None without labels or kin.

    `labels` (N,) are those of the enrolled photos. Where two parents differ in population, their
    pair has no stranger.
    """
    kin = [trial for trial in trials if trial.kin and trial.relation != SAME_PERSON]
    if labels is None or not kin:
        return None
    pairs = _KinPairs.of(kin, enrolled, labels, model)
    rng = np.random.default_rng(0)
    any_age = pairs.beside(pairs.parent_population, (), rng)
    of_age = pairs.beside(pairs.parent_population, (_groups(pairs.child_age, _MATCHED_AGES),), rng)
    of_child = pairs.beside(pairs.child_population, (), rng)
    both = (pairs.parent_population >= 0) & (pairs.child_population >= 0)
    is_one = pairs.parent_population == pairs.child_population
    cllr, least_cllr = any_age.costs(rng)
    return SamePopulation(
        labels=labels.source,
        photos_labelled=labels.known,
        every=any_age.group(np.ones(len(kin), bool), rng),
        cllr=cllr,
        cllr_min=least_cllr,
        by_child_age=of_age.groups(_groups(pairs.child_age, _CHILD_AGES), CHILD_AGE_NAMES, rng),
        by_age_gap=of_age.groups(_groups(pairs.age_gap, _GAPS), GAP_NAMES, rng),
        by_population={
            name: found
            for name, found in any_age.groups(pairs.parent_population, labels.names, rng).items()
            if found.kin
        },
        one_population_or_two={
            ONE: any_age.group(both & is_one, rng),
            TWO: any_age.group(both & ~is_one, rng),
            TWO_LIKE_CHILD: of_child.group(both & ~is_one, rng),
        },
    )


@dataclass(frozen=True, slots=True, eq=False)
class _KinPairs:
    """N pairs of kin, numbers of their `relations` and `families`, and labels of both sides.

    `parents` (S, N) and `children` (N,) are rows of the enrolled photos. Populations are -1 and
    ages NaN where not known.
    """

    enrolled: Enrolled
    model: ResemblanceModel | None
    parents: Indices
    children: Indices
    relations: Indices
    families: Indices
    parent_population: Indices
    child_population: Indices
    child_age: Floats
    age_gap: Floats

    @classmethod
    def of(
        cls,
        kin: Sequence[Trial],
        enrolled: Enrolled,
        labels: Labels,
        model: ResemblanceModel | None,
    ) -> _KinPairs:
        parents, children = enrolled.rows_of(kin)
        of_parents = labels.populations[parents]
        agree = (of_parents == of_parents[0]).all(axis=0)
        child_age = labels.ages[children]
        return cls(
            enrolled, model, parents, children,
            relations=_numbers([trial.relation for trial in kin]),
            families=_numbers([trial.family for trial in kin]),
            parent_population=np.where(agree, of_parents[0], -1),
            child_population=labels.populations[children],
            child_age=child_age,
            age_gap=np.abs(labels.ages[parents].mean(axis=0) - child_age),
        )  # fmt: skip

    def beside(
        self, population: Indices, shared: tuple[Indices, ...], rng: np.random.Generator
    ) -> _Comparison:
        """Each pair beside a stranger whose face is of that population (N,).

        Stranger and child have the same relation, and the same of the numbers `shared`, (N,) each.
        """
        columns = (self.relations, *shared)
        keys = _keys((population, *columns), (self.child_population, *columns))
        strangers = draw_strangers(keys, self.families, rng)
        kept = np.flatnonzero(strangers >= 0)
        parents, children = self.parents[:, kept], self.children[strangers[kept]]
        values = np.full((2, len(strangers)), np.nan)
        vectors = self.enrolled.vectors
        if len(kept):
            values[0, kept] = likeness(self.model, vectors, parents, self.children[kept])
            values[1, kept] = likeness(self.model, vectors, parents, children)
        calibrated = self.model if len(self.parents) == 1 else None
        return _Comparison(values[0], values[1], self.families, calibrated)


@dataclass(frozen=True, slots=True, eq=False)
class _Comparison:
    """The values of N pairs of kin and of the strangers beside them, NaN where there is none.

    `model` is None where values cannot be calibrated.
    """

    of_kin: Floats
    of_strangers: Floats
    families: Indices
    model: ResemblanceModel | None

    def groups(
        self, groups: Indices, names: Sequence[str], rng: np.random.Generator
    ) -> dict[str, KinGroup]:
        """The figures of each group by its name; `groups` (N,) are numbers of `names`."""
        return {name: self.group(groups == i, rng) for i, name in enumerate(names)}

    def group(self, chosen: Chosen, rng: np.random.Generator) -> KinGroup:
        """The figures of some pairs, without those that have no stranger."""
        chosen = chosen & np.isfinite(self.of_strangers)
        pairs = int(chosen.sum())
        if self._too_few(chosen):
            return KinGroup(pairs, pairs)
        auc = self._estimate(counted_auc(*self._both(chosen)), chosen, 2, rng)
        if self.model is None:
            return KinGroup(pairs, pairs, auc)
        (kin_scores, _), (stranger_scores, _) = (
            self.model.calibrate(values[chosen]) for values in (self.of_kin, self.of_strangers)
        )
        return KinGroup(
            pairs,
            pairs,
            auc,
            score_ks=self._estimate(counted_ks(stranger_scores.astype(float)), chosen, 1, rng),
            kin_score=self._estimate(counted_mean(kin_scores.astype(float)), chosen, 1, rng),
        )

    def costs(self, rng: np.random.Generator) -> tuple[Estimate | None, Estimate | None]:
        """Cllr and its minimum; None without likelihood ratios, or for too few pairs."""
        chosen = np.isfinite(self.of_strangers)
        if self.model is None or not self.model.gives_ratios or self._too_few(chosen):
            return None, None
        values, kin = self._both(chosen)
        ratios = np.log(self.model.calibrate(values)[1], dtype=float)
        cllr = self._estimate(counted_cllr(ratios, kin), chosen, 2, rng)
        return cllr, self._estimate(counted_least_cllr(values, kin), chosen, 2, rng)

    def _too_few(self, chosen: Chosen) -> bool:
        families = len(np.unique(self.families[chosen]))
        return chosen.sum() < FEWEST_PAIRS or families < FEWEST_FAMILIES

    def _both(self, chosen: Chosen) -> tuple[Floats, Chosen]:
        """The values of kin and then of strangers, and which are kin: (2 M,) each."""
        values = np.concatenate([self.of_kin[chosen], self.of_strangers[chosen]])
        return values, np.arange(len(values)) < chosen.sum()

    def _estimate(
        self, statistic: Statistic, chosen: Chosen, sides: int, rng: np.random.Generator
    ) -> Estimate:
        """With its interval by a bootstrap of families; pairs are `sides` times those chosen."""
        families = np.tile(self.families[chosen], sides)
        return estimate(statistic, resample_families(families, rng), len(families))


def draw_strangers(
    keys: tuple[Indices, Indices], families: Indices, rng: np.random.Generator
) -> Indices:
    """For each pair the pair of another family whose child stands beside its parent; -1 for none.

    `keys` are what each parent wants and what each child is: pair i may have the child of pair j
    where `wanted[i]` is `offered[j]`; -1 is not known. All such children are equally likely.
    Shapes: (N,) each -> (N,).
    """
    wanted, offered = keys
    width = families.max() + 1
    order = np.lexsort((families, offered))
    places = (offered * width + families)[order]  # sorted
    first, last = (np.searchsorted(places, (wanted + step) * width) for step in (0, 1))
    own_first, own_last = (
        np.searchsorted(places, wanted * width + families, side=side) for side in ("left", "right")
    )
    own = own_last - own_first
    others = last - first - own
    drawn = first + np.floor(rng.random(len(wanted)) * others).astype(np.intp)
    drawn += np.where(drawn >= own_first, own, 0)
    exists = (wanted >= 0) & (others > 0)
    return np.where(exists, order[np.where(exists, drawn, 0)], -1)


def _keys(one: tuple[Indices, ...], other: tuple[Indices, ...]) -> tuple[Indices, Indices]:
    """A number for each row of each side's columns, the same for the same row; -1 with a -1."""
    rows = np.concatenate([np.stack(columns, axis=1) for columns in (one, other)])
    numbers = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    numbers = np.where((rows < 0).any(axis=1), -1, numbers)
    return numbers[: len(one[0])], numbers[len(one[0]) :]


def _numbers(names: Sequence[str]) -> Indices:
    return np.asarray(np.unique(names, return_inverse=True)[1], np.intp)


def _groups(years: Floats, first: Sequence[int]) -> Indices:
    """The number of the group that each lies in, -1 where not known: (N,) -> (N,)."""
    return np.where(np.isfinite(years), np.digitize(np.nan_to_num(years), first), -1)

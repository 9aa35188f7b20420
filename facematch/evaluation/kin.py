"""Families in arrays: who is whose child, which photos show whom; splits and pairs of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facematch.scoring.cosine import unit_rows_in_full
from facematch.types import Vectors, mean_direction

Indices = NDArray[np.intp]  # (N,)


@dataclass(frozen=True, slots=True, eq=False)
class Kin:
    """N photos of M people: `vectors` (N, D), `person` (N,) and `family` (M,) in numbers.

    `parents`, `children` (K,): person `parents[k]` is the parent of person `children[k]`, or, where
    `relations` (K,) says so, the grandparent, brother or sister: see fiw.py.
    """

    vectors: Vectors
    person: Indices
    family: Indices
    parents: Indices
    children: Indices
    relations: NDArray[np.str_]

    def of_families(self, families: Indices) -> Kin:
        """The same people, with the photos and relations of these families only."""
        photos = np.isin(self.family[self.person], families)
        pairs = np.isin(self.family[self.parents], families)
        return Kin(
            self.vectors[photos],
            self.person[photos],
            self.family,
            self.parents[pairs],
            self.children[pairs],
            self.relations[pairs],
        )

    def of_relations(self, relations: Sequence[str]) -> Kin:
        """The same people and photos, with these relations only."""
        kept = np.isin(self.relations, relations)
        return replace(
            self,
            parents=self.parents[kept],
            children=self.children[kept],
            relations=self.relations[kept],
        )

    def person_means(self) -> tuple[Indices, NDArray[np.float64]]:
        """Everyone who has a photo, and the mean of their vectors scaled to unit length."""
        people, row = np.unique(self.person, return_inverse=True)
        sums = np.zeros((len(people), self.vectors.shape[1]))
        np.add.at(sums, row, unit_rows_in_full(self.vectors))
        return people, sums / np.bincount(row)[:, np.newaxis]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Photo `parents[n]` against photo `children[n]`; `kin` says whether they are; (N,) each.

    `family` numbers the parent's family, for resampling by family.
    """

    parents: Indices
    children: Indices
    kin: NDArray[np.bool_]
    relations: NDArray[np.str_]
    family: Indices


def split_families(kin: Kin, share: float, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """All families in two parts, the second of that share; no one is in both."""
    families = rng.permutation(np.unique(kin.family[kin.person]))
    held_back = round(share * len(families))
    return np.sort(families[held_back:]), np.sort(families[:held_back])


def folds(
    families: Indices, count: int, rng: np.random.Generator
) -> Iterator[tuple[Indices, Indices]]:
    """Each of `count` ways to leave one part of the families out: the rest, and that part."""
    parts = np.array_split(rng.permutation(families), count)
    for at, part in enumerate(parts):
        yield np.concatenate([*parts[:at], *parts[at + 1 :]]), part


def sample_pairs(kin: Kin, per_relation: int, rng: np.random.Generator) -> Pairs:
    """Photos of parents with their children, and as many with children of other families.

    A stranger is a child of the same sex, taken from a relation of the same kind: neither sex nor
    role tells kin from strangers. Relations without photos of both are left out.
    """
    photos = _photos_of(kin)
    usable = np.flatnonzero([
        parent in photos and child in photos
        for parent, child in zip(kin.parents.tolist(), kin.children.tolist(), strict=True)
    ])  # fmt: skip
    relations = np.repeat(usable, per_relation)
    strangers = _strangers(kin, relations, rng)
    known = strangers >= 0
    parents = np.concatenate([kin.parents[relations], kin.parents[relations[known]]])
    children = np.concatenate([kin.children[relations], kin.children[strangers[known]]])
    return Pairs(
        parents=_any_photo(photos, parents, rng),
        children=_any_photo(photos, children, rng),
        kin=np.arange(len(parents)) < len(relations),
        relations=np.concatenate([kin.relations[relations], kin.relations[relations[known]]]),
        family=kin.family[parents],
    )


def averaged(
    kin: Kin, photos: Indices, count: int, rng: np.random.Generator
) -> tuple[Vectors, NDArray[np.float64]]:
    """Each photo averaged with others of the same person, `count` in all or as many as there are.

    Gives unit vectors (N, D), and one over the number of photos of each (N,).
    """
    of = _photos_of(kin)
    means, inverse = [], []
    for photo in photos.tolist():
        others = of[int(kin.person[photo])]
        drawn = rng.permutation(others[others != photo])[: count - 1]
        means.append(mean_direction(kin.vectors[[photo, *drawn]]))
        inverse.append(1 / (1 + len(drawn)))
    return np.array(means), np.array(inverse)


def _photos_of(kin: Kin) -> dict[int, Indices]:
    order = np.argsort(kin.person, kind="stable")
    people, starts = np.unique(kin.person[order], return_index=True)
    return dict(zip(people.tolist(), np.split(order, starts[1:]), strict=True))


def _any_photo(photos: dict[int, Indices], people: Indices, rng: np.random.Generator) -> Indices:
    return np.array([rng.choice(photos[person]) for person in people.tolist()], np.intp)


def _strangers(kin: Kin, relations: Sequence[int] | Indices, rng: np.random.Generator) -> Indices:
    """For each relation another one of the same kind in another family; -1 where there is none."""
    family, found = kin.family[kin.parents], []
    for relation in relations:
        same = kin.relations[relations] == kin.relations[relation]
        others = np.asarray(relations)[same & (family[relations] != family[relation])]
        found.append(rng.choice(others) if len(others) else -1)
    return np.array(found, np.intp)

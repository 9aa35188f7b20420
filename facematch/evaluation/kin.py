"""Families in arrays: who is related to whom and which photos show whom; splits and pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facematch.types import Vectors, mean_direction, unit_rows_in_full

Indices = NDArray[np.intp]  # (N,)


@dataclass(frozen=True, slots=True, eq=False)
class Kin:
    """N photos of M people: `vectors` (N, D); `person` (N,) and `family` (M,) are numbers.

    Person `parents[k]` is the parent of person `children[k]`, or the grandparent, brother or sister
    where `relations[k]` says so (see fiw.py). Shapes: (K,).
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
    """Photo `parents[n]` against photo `children[n]`; `kin[n]` says whether they are kin.

    `family` numbers the parent's family, for resampling by family. Shapes: (N,).
    """

    parents: Indices
    children: Indices
    kin: NDArray[np.bool_]
    relations: NDArray[np.str_]
    family: Indices


def split_families(kin: Kin, share: float, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """All families in two parts; the second has that share of the families."""
    families = rng.permutation(np.unique(kin.family[kin.person]))
    held_back = round(share * len(families))
    return np.sort(families[held_back:]), np.sort(families[:held_back])


def folds(
    families: Indices, count: int, rng: np.random.Generator
) -> Iterator[tuple[Indices, Indices]]:
    """Cross-validation: for each of `count` parts of the families, the others and the part."""
    parts = np.array_split(rng.permutation(families), count)
    for i, part in enumerate(parts):
        yield np.concatenate([*parts[:i], *parts[i + 1 :]]), part


def sample_pairs(kin: Kin, per_relation: int, rng: np.random.Generator) -> Pairs:
    """Photos of parents with their children, and as many with children of other families.

    A stranger is a child of the same sex from a relation of the same kind, so that neither sex nor
    role tells kin from strangers. Relations without photos of both people are left out.
    """
    photos = _photos_by_person(kin)
    usable = np.flatnonzero([
        parent in photos and child in photos
        for parent, child in zip(kin.parents.tolist(), kin.children.tolist(), strict=True)
    ])  # fmt: skip
    relations = np.repeat(usable, per_relation)
    strangers = _sample_strangers(kin, relations, rng)
    exists = strangers >= 0
    parents = np.concatenate([kin.parents[relations], kin.parents[relations[exists]]])
    children = np.concatenate([kin.children[relations], kin.children[strangers[exists]]])
    return Pairs(
        parents=_sample_photos(photos, parents, rng),
        children=_sample_photos(photos, children, rng),
        kin=np.arange(len(parents)) < len(relations),
        relations=np.concatenate([kin.relations[relations], kin.relations[relations[exists]]]),
        family=kin.family[parents],
    )


def average_photos(
    kin: Kin, photos: Indices, count: int, rng: np.random.Generator
) -> tuple[Vectors, NDArray[np.float64]]:
    """Each photo averaged with others of the same person, `count` in all or as many as there are.

    Gives unit vectors (N, D), and one over the number of photos of each (N,).
    """
    photos_of, means, inverse = _photos_by_person(kin), [], []
    for photo in photos.tolist():
        of_person = photos_of[int(kin.person[photo])]
        others = rng.permutation(of_person[of_person != photo])[: count - 1]
        means.append(mean_direction(kin.vectors[[photo, *others]]))
        inverse.append(1 / (1 + len(others)))
    return np.array(means), np.array(inverse)


def _photos_by_person(kin: Kin) -> dict[int, Indices]:
    order = np.argsort(kin.person, kind="stable")
    people, starts = np.unique(kin.person[order], return_index=True)
    return dict(zip(people.tolist(), np.split(order, starts)[1:], strict=True))


def _sample_photos(
    photos: dict[int, Indices], people: Indices, rng: np.random.Generator
) -> Indices:
    return np.array([rng.choice(photos[person]) for person in people.tolist()], np.intp)


def _sample_strangers(kin: Kin, relations: Indices, rng: np.random.Generator) -> Indices:
    """For each relation one of the same kind in another family; -1 where there is none."""
    family, strangers = kin.family[kin.parents], []
    for relation in relations:
        same_kind = kin.relations[relations] == kin.relations[relation]
        others = relations[same_kind & (family[relations] != family[relation])]
        strangers.append(rng.choice(others) if len(others) else -1)
    return np.array(strangers, np.intp)

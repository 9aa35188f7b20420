"""Batches of relatives: one kind of relation, one pair a family, not from one photograph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facematch.evaluation.fiw import PARENT_CHILD
from facematch.evaluation.fiw_faces import photograph_of
from facematch.evaluation.kin import Indices
from facematch.training.faces import Faces

_PAIRS_PER_BATCH = 96  # each of another family
_PARENT_CHILD_SHARE = 0.7  # of the batches
_PAIR_TRIES = 5  # to sample a pair that is not from one photograph


class BatchSampler:
    """Samples batches of relatives from some faces."""

    def __init__(self, faces: Faces, rng: np.random.Generator) -> None:
        self._rng, kin = rng, faces.kin
        self._photograph = [photograph_of(name) or name for name in faces.names.tolist()]
        people = np.unique(kin.person)
        self._photos = {int(person): np.flatnonzero(kin.person == person) for person in people}
        self._pairs: dict[str, dict[int, list[tuple[int, int]]]] = {}
        columns = (kin.relations, kin.parents, kin.children)
        for relation, one, other in zip(*(column.tolist() for column in columns), strict=True):
            kind = "grandparents" if relation.startswith("g") else relation
            families = self._pairs.setdefault(kind, {})
            families.setdefault(int(kin.family[one]), []).append((one, other))

    def sample(self) -> tuple[Indices, Indices]:
        """The photos of a batch of pairs of relatives, (N,) each."""
        of_parents = self._rng.random() < _PARENT_CHILD_SHARE
        kinds = [kind for kind in self._pairs if (kind in PARENT_CHILD) == of_parents]
        families = self._pairs[str(self._rng.choice(kinds or list(self._pairs)))]
        pairs = [
            self._sample_pair(families[family])
            for family in self._rng.permutation(list(families))[:_PAIRS_PER_BATCH].tolist()
        ]
        ones, others = zip(*(pair for pair in pairs if pair is not None), strict=True)
        return np.array(ones, np.intp), np.array(others, np.intp)

    def _sample_pair(self, pairs: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
        people = pairs[int(self._rng.integers(len(pairs)))]
        for _ in range(_PAIR_TRIES):
            one, other = (int(self._rng.choice(self._photos[person])) for person in people)
            if self._photograph[one] != self._photograph[other]:
                return one, other
        return None

"""Evidence of what z-scores mean: pairs of families that a model was not fitted on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.kin import Indices, Kin, average_photos, sample_pairs
from facematch.evaluation.metrics import auc
from facematch.scoring.resemblance import ResemblanceModel
from facematch.types import Vectors

Floats = NDArray[np.float64]

PHOTO_COUNTS = (1, 3, 10)  # photos of each person that are averaged
PAIRS_PER_RELATION = 8  # photo pairs of each relation, and as many of strangers

# Candidates for the weight of the groups against everyone in a vector's cohort. With a larger share
# strangers' scores within each group are closer to uniform.
SHARES = tuple(i / 10 for i in range(11))


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Pairs (N,), scored by models that were fitted on other families.

    `z` are z-scores; `are_kin` says which pairs are parent and child; `family` numbers the parent's
    family, for resampling. `count` is how many photos of each person were to be averaged, `inverse`
    the mean over both people of one over the number of photos that there were.
    """

    z: Floats
    are_kin: NDArray[np.bool_]
    family: Indices
    count: Indices
    inverse: Floats

    def of_single_photos(self) -> Evidence:
        """The pairs of one photo each."""
        chosen = self.count == 1
        return Evidence(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Evidence]) -> Evidence:
        """All parts in one."""
        columns = ([getattr(part, field.name) for part in parts] for field in fields(cls))
        return cls(*(np.concatenate(column) for column in columns))

    def as_arrays(self, share: float) -> dict[str, NDArray[Any]]:
        """The arrays to store by name, with the share of groups in the cohort."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        return arrays | {"share": np.asarray(share)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> tuple[Evidence, float]:
        """What `as_arrays` gave: the evidence, and the share of groups in the cohort.

        Arrays are read by their order: the shipped file names the z-scores otherwise.
        """
        *columns, share = arrays.values()
        return cls(*columns), float(share)


@dataclass(frozen=True, slots=True, eq=False)
class LeftOut:
    """A model, and pairs of families that it was not fitted on.

    `parents` and `children` are vectors (N, D). The other arrays are those of `Evidence`.
    """

    model: ResemblanceModel
    parents: Vectors
    children: Vectors
    are_kin: NDArray[np.bool_]
    family: Indices
    count: Indices
    inverse: Floats

    def evidence(self, share: float) -> Evidence:
        """The evidence by the model with that share of groups in its cohort."""
        z = with_group_share(self.model, share).pair_z_scores(self.parents, self.children)
        return Evidence(z, self.are_kin, self.family, self.count, self.inverse)

    def auc_of_single_photos(self, share: float) -> float:
        """The ROC AUC over the pairs of one photo each."""
        single = self.count == 1
        model = with_group_share(self.model, share)
        z = model.pair_z_scores(self.parents[single], self.children[single])
        return auc(z, self.are_kin[single])


def with_group_share(model: ResemblanceModel, share: float) -> ResemblanceModel:
    """The model with that share of groups in its cohort."""
    return replace(model, group_share=np.array([share], np.float32))


def leave_out(
    model: ResemblanceModel, kin: Kin, families: Indices, rng: np.random.Generator
) -> LeftOut:
    """Sampled pairs of some families, for a model that was not fitted on them."""
    unseen = kin.of_families(families)
    parts = []
    for count in PHOTO_COUNTS:
        pairs = sample_pairs(unseen, PAIRS_PER_RELATION, rng)
        parents, of_parents = average_photos(unseen, pairs.parents, count, rng)
        children, of_children = average_photos(unseen, pairs.children, count, rng)
        counts = np.full(len(parents), count)
        inverse = (of_parents + of_children) / 2
        parts.append((parents, children, pairs.kin, pairs.family, counts, inverse))
    return LeftOut(model, *(np.concatenate(column) for column in zip(*parts, strict=True)))


def choose_group_share(
    parts: Sequence[LeftOut], report: Callable[[str], None] = lambda _: None
) -> tuple[Evidence, float]:
    """The evidence of all parts, and the share of groups in the cohort that it was made with.

    The share is the largest of `SHARES` with a ROC AUC, the parts' mean, that is not below the ROC
    AUC without groups.
    """
    aucs = {
        share: float(np.mean([part.auc_of_single_photos(share) for part in parts]))
        for share in SHARES
    }
    share = max(share for share, value in aucs.items() if value >= aucs[0])
    values = ", ".join(f"{share:.1f} {value:.4f}" for share, value in aucs.items())
    report(f"ROC AUC by the groups' share of the cohort: {values}; {share:.1f} taken")
    return Evidence.joined([part.evidence(share) for part in parts]), share

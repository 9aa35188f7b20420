"""Evidence of what z-scores mean: pairs of families that a model was not fitted on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.kin import Indices, Kin, Pairs, average_photos, sample_pairs
from facematch.evaluation.labelled_faces import LabelledFaces, sample_strangers
from facematch.evaluation.metrics import auc
from facematch.scoring.resemblance import ResemblanceModel
from facematch.scoring.strata import STAGES
from facematch.training.strata import fit_strata
from facematch.types import Vectors

Floats = NDArray[np.float64]

PHOTO_COUNTS = (1, 3, 10)  # photos of each person that are averaged
_STRANGER_TRIES = 20  # to find one of another family
_STRANGERS_PER_CELL = 500  # of one population and two stages
PAIRS_PER_RELATION = 8  # photo pairs of each relation, and as many of strangers

# Candidates for the weight of the groups against everyone in a vector's cohort.
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


@dataclass(frozen=True, slots=True, eq=False)
class LeftOut:
    """A model, and pairs of families that it was not fitted on.

    `parents` and `children` are vectors (N, D). The other arrays are those of `Evidence`. The
    strata are fitted on `fitted`; `strangers` are faces that they are not fitted on.
    """

    model: ResemblanceModel
    parents: Vectors
    children: Vectors
    are_kin: NDArray[np.bool_]
    family: Indices
    count: Indices
    inverse: Floats
    fitted: LabelledFaces
    strangers: LabelledFaces

    def evidence(self, share: float, rng: np.random.Generator) -> tuple[Evidence, Floats]:
        """By the model with that share of groups in its cohort, and with strata.

        And the z-scores (M,) of adults with strangers of their population, of any age.
        """
        model = fit_strata(with_group_share(self.model, share), self.fitted, rng)
        z = model.pair_z_scores(self.parents, self.children)
        found = Evidence(z, self.are_kin, self.family, self.count, self.inverse)
        return found, _strangers_z_scores(model, self.strangers, rng)

    def auc_of_single_photos(self, share: float) -> float:
        """The ROC AUC over the pairs of one photo each, without strata."""
        single = self.count == 1
        model = with_group_share(self.model, share)
        z = model.pair_z_scores(self.parents[single], self.children[single])
        return auc(z, self.are_kin[single])


def with_group_share(model: ResemblanceModel, share: float) -> ResemblanceModel:
    """The model with that share of groups in its cohort."""
    return replace(model, group_share=np.array([share], np.float32))


def leave_out(
    model: ResemblanceModel,
    kin: Kin,
    families: Indices,
    labelled: tuple[LabelledFaces, LabelledFaces, LabelledFaces],
    rng: np.random.Generator,
) -> LeftOut:
    """Sampled pairs of some families, for a model that was not fitted on them.

    A stranger is of the parent's population. `labelled` are the faces of `kin`, those that strata
    may be fitted on beside the other families, and those that they may not be fitted on.
    """
    everyone, more, strangers = labelled
    unseen = kin.of_families(families)
    shown = np.isin(everyone.families, families)
    populations = everyone.populations[shown]
    parts = []
    for count in PHOTO_COUNTS:
        pairs = strangers_of_the_population(
            unseen, sample_pairs(unseen, PAIRS_PER_RELATION, rng), populations, rng
        )
        parents, of_parents = average_photos(unseen, pairs.parents, count, rng)
        children, of_children = average_photos(unseen, pairs.children, count, rng)
        counts = np.full(len(parents), count)
        inverse = (of_parents + of_children) / 2
        parts.append((parents, children, pairs.kin, pairs.family, counts, inverse))
    parents, children, are_kin, family, counts, inverse = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    fitted = LabelledFaces.joined(everyone.of_rows(~shown), more)
    return LeftOut(model, parents, children, are_kin, family, counts, inverse, fitted, strangers)


def strangers_of_the_population(
    kin: Kin, pairs: Pairs, populations: Indices, rng: np.random.Generator
) -> Pairs:
    """The pairs of kin, and each of their parents with a child of the parent's population.

    The child is of another family and of a relation of the same kind. `populations` (N,) are those
    of the photos, -1 where not known; such a parent gets no stranger.
    """
    related = np.flatnonzero(pairs.kin)
    family = kin.family[kin.person]
    children: dict[tuple[str, int], list[int]] = {}
    for at in related.tolist():
        child = int(pairs.children[at])
        children.setdefault((str(pairs.relations[at]), int(populations[child])), []).append(child)
    kept, found = [], []
    for at in related.tolist():
        parent = int(pairs.parents[at])
        like = children.get((str(pairs.relations[at]), int(populations[parent])), [])
        tries = (
            rng.choice(like, _STRANGER_TRIES).tolist() if like and populations[parent] >= 0 else []
        )
        stranger = next((child for child in tries if family[child] != family[parent]), None)
        if stranger is not None:
            kept.append(at)
            found.append(stranger)
    strangers = np.array(kept, np.intp)
    return Pairs(
        parents=np.concatenate([pairs.parents[related], pairs.parents[strangers]]),
        children=np.concatenate([pairs.children[related], np.array(found, np.intp)]),
        kin=np.arange(len(related) + len(kept)) < len(related),
        relations=np.concatenate([pairs.relations[related], pairs.relations[strangers]]),
        family=np.concatenate([pairs.family[related], pairs.family[strangers]]),
    )


def choose_group_share(
    parts: Sequence[LeftOut], report: Callable[[str], None] = lambda _: None
) -> float:
    """The share of groups in the cohort.

    It is the one of `SHARES` with the greatest ROC AUC, the parts' mean, among strangers of the
    parent's population.
    """
    aucs = {
        share: float(np.mean([part.auc_of_single_photos(share) for part in parts]))
        for share in SHARES
    }
    share = max(aucs, key=aucs.__getitem__)
    values = ", ".join(f"{share:.1f} {value:.4f}" for share, value in aucs.items())
    report(f"ROC AUC by the groups' share of the cohort: {values}; {share:.1f} taken")
    return share


def _strangers_z_scores(
    model: ResemblanceModel, faces: LabelledFaces, rng: np.random.Generator
) -> Floats:
    """The z-scores of adults in the parent's role with strangers of each stage."""
    adult, found = STAGES - 1, []
    for stage in range(STAGES):
        one, other = sample_strangers(faces, (adult, stage), _STRANGERS_PER_CELL, rng)
        found.append(model.pair_z_scores(faces.vectors[one], faces.vectors[other]))
    return np.concatenate(found)

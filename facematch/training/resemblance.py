"""Fits the resemblance model: what makes vectors of relatives comparable, and what cosines mean."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.embedding.kin import KinEmbedder
from facematch.errors import FacematchError
from facematch.evaluation.fiw import PARENT_CHILD, embed_families
from facematch.evaluation.kin import Indices, Kin, Pairs, averaged, folds, sample_pairs
from facematch.evaluation.metrics import auc
from facematch.scoring.cosine import unit_rows_in_full
from facematch.scoring.resemblance import ResemblanceModel, comparable
from facematch.training.groups import crowds, find_groups
from facematch.types import Embedder, Vectors

COUNTS = (1, 3, 10)  # photos of each person that are averaged
PAIRS = 8  # photo pairs drawn of each relation, and as many of strangers
SHRINKAGES = (0.1, 0.3, 0.6, 0.9)
# The power of the weights in `kin_map`: of 0, 0.1, 0.15, 0.2, 0.25, 0.3 and 0.5 the best, in
# cross-validation over the families fitted (ROC AUC 0.781 for 0, 0.796 for 0.2, 0.766 for 0.5).
_POWER = 0.2
_FOLDS = 5
_FEWEST = 4 * _FOLDS  # families to fit: every fold needs some strangers
_KNOTS = np.concatenate([[0.1, 0.5], np.arange(1, 100, 2), [99.5, 99.9]])  # per cent
# Of the pairs of either kind; beyond, the likelihood ratio stays as it is. On families left out its
# cost lies 0.020 bits above the least for 2 %, 0.011 for 1 % and 0.010 for 0.5 %.
_RATIO_SHARE = 0.01
_RESAMPLES = 200

# Of the groups in a vector's cohort, against everyone. The larger, the more evenly strangers score
# within each group: the largest is taken that costs nothing over all, see `judged`.
SHARES = tuple(at / 10 for at in range(11))

# For a model that only measures distances, before it is known what they mean.
_NO_KNOTS = _KNOTS - 50
_NO_RATIO = np.array([1.0, 0.0, 0.0, 0.0])
_NOT_AVERAGED = np.array([0.0, 0.0, 1.0, 0.0])

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Pairs (N,) judged by what was fitted on other families: this tells what a distance means.

    `away` are distances from the cohort, in standard deviations; `are_kin` says which pairs are
    parent and child; `family` numbers the parent's, for resampling. `count` is how many photos of
    each person were to be averaged, `inverse` the mean of one over how many were.
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


def _joined(parts: Sequence[Evidence]) -> Evidence:
    """All of it in one."""
    columns = ([getattr(part, field.name) for part in parts] for field in fields(Evidence))
    return Evidence(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True, slots=True, eq=False)
class LeftOut:
    """A model and pairs of families it never saw: vectors (N, D), and `Evidence`'s columns."""

    model: ResemblanceModel
    parents: Vectors
    children: Vectors
    are_kin: NDArray[np.bool_]
    family: Indices
    count: Indices
    inverse: Floats

    def evidence(self, share: float) -> Evidence:
        """How far from a cohort with that share of groups the model finds the pairs."""
        z = _sharing(self.model, share).pair_z_scores(self.parents, self.children)
        return Evidence(z, self.are_kin, self.family, self.count, self.inverse)

    def auc_of_single_photos(self, share: float) -> float:
        """The ROC AUC of the pairs of one photo each."""
        single = self.count == 1
        z = _sharing(self.model, share).pair_z_scores(self.parents[single], self.children[single])
        return auc(z, self.are_kin[single])


def left_out(
    model: ResemblanceModel, kin: Kin, families: Indices, rng: np.random.Generator
) -> LeftOut:
    """Pairs drawn of some families, for a model that never saw them."""
    unseen = kin.of_families(families)
    parts = []
    for count in COUNTS:
        pairs = sample_pairs(unseen, PAIRS, rng)
        parents, fewer = averaged(unseen, pairs.parents, count, rng)
        children, few = averaged(unseen, pairs.children, count, rng)
        counts = np.full(len(parents), count)
        inverse = (fewer + few) / 2
        parts.append((parents, children, pairs.kin, pairs.family, counts, inverse))
    return LeftOut(model, *(np.concatenate(column) for column in zip(*parts, strict=True)))


def judged(
    parts: Sequence[LeftOut], report: Callable[[str], None] = lambda _: None
) -> tuple[Evidence, float]:
    """All parts' evidence, and the share of the groups in the cohort that gave it.

    That is the largest of `SHARES` at which the ROC AUC, the parts' mean, is not below that at 0.
    """
    aucs = {
        share: float(np.mean([part.auc_of_single_photos(share) for part in parts]))
        for share in SHARES
    }
    share = max(share for share, value in aucs.items() if value >= aucs[0])
    each = ", ".join(f"{share:.1f} {value:.4f}" for share, value in aucs.items())
    report(f"ROC AUC by the groups' share of the cohort: {each}; {share:.1f} taken")
    return _joined([part.evidence(share) for part in parts]), share


def train_resemblance(
    data: Path,
    embedder: Embedder,
    held_back: Collection[str],
    *,
    seed: int = 0,
    report: Callable[[str], None] = lambda _: None,
) -> ResemblanceModel:
    """The model fitted on `data` (see fiw.py) without the families held back.

    Raises FacematchError where the data cannot be read or is too little, MissingExtraError without
    scikit-learn.
    """
    kin, families = embed_families(data, embedder, held_back, report)
    names = families[np.unique(kin.family[kin.person])]
    rng = np.random.default_rng(seed)
    if isinstance(embedder, KinEmbedder):
        columns = embedder.evidence()
        share = float(columns.pop("share"))
        return fit_calibration(kin, embedder.space, names, (Evidence(**columns), share), rng)
    return fit_resemblance(kin, embedder.space, names, rng, report=report)


def fit_resemblance(
    kin: Kin,
    space: str,
    names: NDArray[np.str_],
    rng: np.random.Generator,
    *,
    report: Callable[[str], None] = lambda _: None,
) -> ResemblanceModel:
    """The model of an embedder that saw none of these families; `names` are theirs.

    Its map is fitted too, with the shrinkage that cross-validation chooses. Raises FacematchError
    for fewer than 20 families, MissingExtraError without scikit-learn.
    """
    kin = kin.of_relations(PARENT_CHILD)
    families = len(np.unique(kin.family[kin.person]))
    if families < _FEWEST:
        raise FacematchError(f"{families} families to fit; at least {_FEWEST} are needed")
    shrinkage = _best_shrinkage(kin, rng)
    evidence, share = judged(_families_left_out(kin, shrinkage, rng), report)
    model = _sharing(cohort_model(kin, space, kin_map(kin, shrinkage)), share)
    return _calibrated(model, names, evidence, rng)


def fit_calibration(
    kin: Kin,
    space: str,
    names: NDArray[np.str_],
    found: tuple[Evidence, float],
    rng: np.random.Generator,
    comparison: tuple[Floats, Floats] | None = None,
) -> ResemblanceModel:
    """The model of an embedder that was tuned on these families.

    Its vectors are comparable as they are, or by a mean and a map. `found` is what `judged` gave
    for embedders tuned on some of them.
    """
    evidence, share = found
    model = _sharing(cohort_model(kin.of_relations(PARENT_CHILD), space, comparison), share)
    return _calibrated(model, names, evidence, rng)


def cohort_model(
    kin: Kin, space: str, comparison: tuple[Floats, Floats] | None = None
) -> ResemblanceModel:
    """A model that measures distances from the cohort; what they mean is not in it yet.

    Everyone is its cohort: the groups, found in these families, have no share in it yet.
    `comparison` is what `kin_map` gives; without it vectors are comparable as they are.
    """
    dimensions = kin.vectors.shape[1]
    if comparison is None:
        comparison = np.zeros(dimensions), np.eye(dimensions)
    mean, transform = (_f32(part) for part in comparison)
    people, centres = kin.person_means()
    seen = comparable(_f32(centres), mean, transform)
    groups = find_groups(replace(kin, vectors=_f32(comparable(kin.vectors, mean, transform))))
    roles = [np.isin(people, role) for role in (kin.parents, kin.children)]
    parent, child = (seen[role] for role in roles)
    parents, children = (crowds(seen[role], groups.of_people[role]) for role in roles)
    return ResemblanceModel(
        name=f"{space}-resemblance",
        space=space,
        families=np.array([], np.str_),
        mean=mean,
        transform=transform,
        parent_mean=_f32(parent.mean(axis=0)),
        parent_covariance=_f32(np.cov(parent, rowvar=False)),
        child_mean=_f32(child.mean(axis=0)),
        child_covariance=_f32(np.cov(child, rowvar=False)),
        group_axes=_f32(groups.axes),
        group_offsets=_f32(groups.offsets),
        group_share=np.zeros(1, np.float32),
        parent_group_means=_f32(parents[0]),
        parent_group_covariances=_f32(parents[1]),
        child_group_means=_f32(children[0]),
        child_group_covariances=_f32(children[1]),
        distances=_f32(_NO_KNOTS),
        scores=_f32(_KNOTS),
        log_ratio=_f32(_NO_RATIO),
        log_ratio_draws=_f32(_NO_RATIO[np.newaxis, :2]),
        averaging=_f32(_NOT_AVERAGED),
    )


def _sharing(model: ResemblanceModel, share: float) -> ResemblanceModel:
    """The model with that share of the groups in its cohort."""
    return replace(model, group_share=np.array([share], np.float32))


def _calibrated(
    model: ResemblanceModel,
    names: NDArray[np.str_],
    evidence: Evidence,
    rng: np.random.Generator,
) -> ResemblanceModel:
    """The model with the scores and likelihood ratios that the evidence gives."""
    single = evidence.of_single_photos()
    z, are_kin = single.z, single.are_kin
    slope, intercept = _log_ratio(z, are_kin)
    # Past what the last of kin and of strangers reach there are too few pairs to say more.
    least = slope * np.quantile(z[are_kin], _RATIO_SHARE) + intercept
    greatest = slope * np.quantile(z[~are_kin], 1 - _RATIO_SHARE) + intercept
    return replace(
        model,
        families=names,
        distances=_f32(np.quantile(z[~are_kin], _KNOTS / 100)),
        log_ratio=_f32(np.array([slope, intercept, least, greatest])),
        log_ratio_draws=_f32(_resampled(single, rng)),
        averaging=_f32(_averaging(evidence)),
    )


def _averaging(evidence: Evidence) -> Floats:
    """How strangers' distances change as more photos of each are averaged, (4,).

    Their mean and variance for endlessly many photos, and what one photo each adds to both.
    """
    z, inverse = (each[~evidence.are_kin] for each in (evidence.z, evidence.inverse))
    added, mean = np.polyfit(inverse, z, 1)
    more, variance = np.polyfit(inverse, (z - mean - added * inverse) ** 2, 1)
    if variance <= 0 or variance + more <= 0:
        raise FacematchError("strangers' distances that do not vary: too few families")
    return np.array([mean, added, variance, more])


def _resampled(evidence: Evidence, rng: np.random.Generator) -> Floats:
    """Slope and intercept as other families would have given them, (B, 2)."""
    names, member = np.unique(evidence.family, return_inverse=True)
    drawn = []
    for _ in range(_RESAMPLES):
        counts = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))[member]
        drawn.append(_log_ratio(evidence.z, evidence.are_kin, counts.astype(np.float64)))
    return np.array(drawn)


def kin_map(kin: Kin, shrinkage: float) -> tuple[Floats, Floats]:
    """The mean (D,) of all people, and the map (D, K) that makes relatives comparable.

    What varies within people and families is made white. Each direction is then weighted by how far
    parents and their children agree along it, to a power; where they do not agree it is dropped.
    Raises FacematchError where fewer than two directions are left.
    """
    people, centres = kin.person_means()
    mean, white = centres.mean(axis=0), _whitening(kin, shrinkage)
    agreement, axes = np.linalg.eigh(_agreement(kin, people, centres @ white))
    kept = agreement > 0
    if kept.sum() < 2:
        raise FacematchError("parents and children of this data have nothing in common")
    weighted = white @ axes[:, kept] * agreement[kept] ** _POWER
    return mean, _signed(weighted)


def _whitening(kin: Kin, shrinkage: float) -> Floats:
    """The map (D, D) that makes what varies within people and families white.

    Within a person: photos about the person's mean. Within a family: people about the family's.
    Their covariances are added, then shrunk towards a multiple of the identity.
    """
    people, centres = kin.person_means()
    scatter = _within(unit_rows_in_full(kin.vectors), kin.person) + _within(
        centres, kin.family[people]
    )
    dimensions = len(scatter)
    round_one = np.trace(scatter) / dimensions * np.eye(dimensions)
    values, axes = np.linalg.eigh((1 - shrinkage) * scatter + shrinkage * round_one)
    return np.asarray(axes / np.sqrt(values))


def _agreement(kin: Kin, people: Indices, seen: Floats) -> Floats:
    """The covariance between parents and their children, symmetric; `seen` is (people, K)."""
    known = np.isin(kin.parents, people) & np.isin(kin.children, people)
    parents, children = (
        seen[np.searchsorted(people, role[known])] for role in (kin.parents, kin.children)
    )
    z = parents - parents.mean(axis=0)
    covariance = z.T @ (children - children.mean(axis=0)) / len(z)
    return np.asarray((covariance + covariance.T) / 2)


def _signed(columns: Floats) -> Floats:
    """Each column with its largest entry positive: eigenvectors come with either sign."""
    largest = np.abs(columns).argmax(axis=0)
    return np.asarray(columns * np.sign(columns[largest, np.arange(columns.shape[1])]))


def _within(rows: Floats, group: Indices) -> Floats:
    """The covariance of rows about the mean of their group, unbiased."""
    _, at = np.unique(group, return_inverse=True)
    sizes = np.bincount(at)
    means = np.zeros((len(sizes), rows.shape[1]))
    np.add.at(means, at, rows)
    z = rows - (means / sizes[:, np.newaxis])[at]
    return np.asarray(z.T @ z / max(len(rows) - len(sizes), 1))


def _best_shrinkage(kin: Kin, rng: np.random.Generator) -> float:
    families = np.unique(kin.family[kin.person])
    splits = list(folds(families, _FOLDS, rng))
    drawn = [sample_pairs(kin.of_families(part), PAIRS, rng) for _, part in splits]

    def score(shrinkage: float) -> float:
        aucs = []
        for (rest, part), pairs in zip(splits, drawn, strict=True):
            mean, transform = kin_map(kin.of_families(rest), shrinkage)
            left_out = kin.of_families(part)
            seen = comparable(left_out.vectors, _f32(mean), _f32(transform))
            aucs.append(auc(_cosine(seen, pairs), pairs.kin))
        return float(np.mean(aucs))

    return max(SHRINKAGES, key=score)


def _families_left_out(kin: Kin, shrinkage: float, rng: np.random.Generator) -> list[LeftOut]:
    """Pairs for maps, cohorts and groups that never saw their families."""
    parts = []
    for rest, part in folds(np.unique(kin.family[kin.person]), _FOLDS, rng):
        fitted = kin.of_families(rest)
        model = cohort_model(fitted, "", kin_map(fitted, shrinkage))
        parts.append(left_out(model, kin, part, rng))
    return parts


def distances(model: ResemblanceModel, kin: Kin, pairs: Pairs) -> Floats:
    """Each pair's distance from the cohort, in standard deviations, (N,)."""
    return model.pair_z_scores(kin.vectors[pairs.parents], kin.vectors[pairs.children])


def _log_ratio(
    z: Floats, are_kin: NDArray[np.bool_], weights: Floats | None = None
) -> tuple[float, float]:
    """Slope and intercept of the natural logarithm of the likelihood ratio.

    Logistic regression gives the odds in this sample; its prior odds are taken off.
    """
    from sklearn.linear_model import LogisticRegression

    counts = np.ones(len(z)) if weights is None else weights
    fitted = LogisticRegression(C=1e6).fit(z[:, np.newaxis], are_kin, sample_weight=counts)
    share = counts[are_kin].sum() / counts.sum()
    prior = np.log(share / (1 - share))
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0] - prior)


def _f32(values: Floats) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def _cosine(seen: Floats, pairs: Pairs) -> Floats:
    return np.asarray(np.einsum("nk,nk->n", seen[pairs.parents], seen[pairs.children]))

"""Fits the resemblance model of an embedder: its map, its cohorts and its calibration."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.embedding.kin import KinEmbedder
from facematch.errors import FacematchError
from facematch.evaluation.fiw import PARENT_CHILD, embed_families
from facematch.evaluation.kin import Kin, Pairs, folds, sample_pairs
from facematch.evaluation.metrics import auc
from facematch.scoring.resemblance import ResemblanceModel, comparable
from facematch.training.calibration import calibrate
from facematch.training.cohort import cohort_model
from facematch.training.evidence import (
    PAIRS_PER_RELATION,
    Evidence,
    LeftOut,
    choose_group_share,
    leave_out,
    with_group_share,
)
from facematch.training.kin_map import kin_map
from facematch.types import Embedder

Floats = NDArray[np.float64]

SHRINKAGES = (0.1, 0.3, 0.6, 0.9)
_MODEL_FOLDS = 5
_FEWEST_FAMILIES = 4 * _MODEL_FOLDS  # every fold needs some strangers


def train_resemblance(
    data: Path,
    embedder: Embedder,
    held_back: Collection[str],
    *,
    seed: int = 0,
    report: Callable[[str], None] = lambda _: None,
) -> ResemblanceModel:
    """The model fitted on `data` (see fiw.py) without the families held back.

    Raises FacematchError where the data cannot be read or has too few families.
    """
    kin, families = embed_families(data, embedder, held_back, report)
    names = families[np.unique(kin.family[kin.person])]
    rng = np.random.default_rng(seed)
    if isinstance(embedder, KinEmbedder):
        evidence = Evidence.from_arrays(embedder.evidence())
        return fit_calibration(kin, embedder.space, names, evidence, rng)
    return fit_resemblance(kin, embedder.space, names, rng, report=report)


def fit_resemblance(
    kin: Kin,
    space: str,
    names: NDArray[np.str_],
    rng: np.random.Generator,
    *,
    report: Callable[[str], None] = lambda _: None,
) -> ResemblanceModel:
    """The model of an embedder that was not tuned on these families; `names` are theirs.

    It fits a map too, with the shrinkage that cross-validation chooses. Raises FacematchError for
    fewer than 20 families.
    """
    kin = kin.of_relations(PARENT_CHILD)
    families = len(np.unique(kin.family[kin.person]))
    if families < _FEWEST_FAMILIES:
        raise FacematchError(f"{families} families to fit; at least {_FEWEST_FAMILIES} are needed")
    shrinkage = _best_shrinkage(kin, rng)
    evidence, share = choose_group_share(_leave_out_each_fold(kin, shrinkage, rng), report)
    model = with_group_share(cohort_model(kin, space, kin_map(kin, shrinkage)), share)
    return calibrate(model, names, evidence, rng)


def fit_calibration(
    kin: Kin,
    space: str,
    names: NDArray[np.str_],
    found: tuple[Evidence, float],
    rng: np.random.Generator,
    comparison: tuple[Floats, Floats] | None = None,
) -> ResemblanceModel:
    """The model of an embedder that was tuned on these families.

    Its vectors are comparable as they are, or by a mean and a map. `found` is what
    `choose_group_share` gave for embedders tuned on some of the families.
    """
    evidence, share = found
    model = cohort_model(kin.of_relations(PARENT_CHILD), space, comparison)
    return calibrate(with_group_share(model, share), names, evidence, rng)


def _best_shrinkage(kin: Kin, rng: np.random.Generator) -> float:
    families = np.unique(kin.family[kin.person])
    splits = list(folds(families, _MODEL_FOLDS, rng))
    pairs_of = [sample_pairs(kin.of_families(part), PAIRS_PER_RELATION, rng) for _, part in splits]

    def mean_auc(shrinkage: float) -> float:
        aucs = []
        for (rest, part), pairs in zip(splits, pairs_of, strict=True):
            mean, transform = kin_map(kin.of_families(rest), shrinkage)
            vectors = kin.of_families(part).vectors
            rows = comparable(vectors, mean.astype(np.float32), transform.astype(np.float32))
            aucs.append(auc(_pair_cosines(rows, pairs), pairs.kin))
        return float(np.mean(aucs))

    return max(SHRINKAGES, key=mean_auc)


def _leave_out_each_fold(kin: Kin, shrinkage: float, rng: np.random.Generator) -> list[LeftOut]:
    """Pairs of each fold, for a map, cohorts and groups fitted on the other folds."""
    parts = []
    for rest, part in folds(np.unique(kin.family[kin.person]), _MODEL_FOLDS, rng):
        fitted = kin.of_families(rest)
        model = cohort_model(fitted, "", kin_map(fitted, shrinkage))
        parts.append(leave_out(model, kin, part, rng))
    return parts


def _pair_cosines(rows: Floats, pairs: Pairs) -> Floats:
    return np.asarray(np.einsum("nk,nk->n", rows[pairs.parents], rows[pairs.children]))

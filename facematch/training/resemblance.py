"""Fits the resemblance model of an embedder: its map, its cohorts and its calibration."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.embedding.kin import KinEmbedder
from facematch.errors import FacematchError
from facematch.evaluation.fiw import PARENT_CHILD, embed_families, read_families
from facematch.evaluation.fiw_faces import ARCHIVE, family_of, list_faces
from facematch.evaluation.kin import Kin, Pairs, folds, sample_pairs
from facematch.evaluation.labelled_faces import LabelledFaces
from facematch.evaluation.labels import LABELS
from facematch.evaluation.metrics import auc
from facematch.runtime.extras import require
from facematch.scoring.resemblance import ResemblanceModel, comparable
from facematch.training.calibration import calibrate
from facematch.training.cohort import cohort_model
from facematch.training.embedder import tuned_on_the_rest
from facematch.training.evidence import (
    PAIRS_PER_RELATION,
    Evidence,
    LeftOut,
    choose_group_share,
    leave_out,
    with_group_share,
)
from facematch.training.faces import frozen_maps_of_chips, read_faces
from facematch.training.kin_map import kin_map
from facematch.training.labels import label_families, read_training_data
from facematch.training.strata import fit_strata
from facematch.types import Embedder

Floats = NDArray[np.float64]

SHRINKAGES = (0.1, 0.3, 0.6, 0.9)
_MODEL_FOLDS = 5
STRANGER_FOLDS = 3
_FEWEST_FAMILIES = 4 * _MODEL_FOLDS  # every fold needs some strangers


def train_resemblance(
    data: Path,
    embedder: Embedder,
    held_back: Collection[str],
    strangers: Path,
    *,
    seed: int = 0,
    report: Callable[[str], None] = lambda _: None,
) -> ResemblanceModel:
    """The model fitted on `data` (see fiw.py) without the families held back.

    `strangers` is UTKFace, or other pictures with such names. For `kin`, heads are tuned as in
    embedder.py, each on some of the families: to the head itself, which was tuned on all of them,
    their relatives are more alike than others. Raises FacematchError where the data cannot be read
    or has too few families; MissingExtraError for `kin` without torch.
    """
    found = read_training_data(data, embedder, held_back, strangers, report)
    faces = found.labelled, found.others
    rng = np.random.default_rng(seed)
    if not isinstance(embedder, KinEmbedder):
        return fit_resemblance(found.kin, faces, embedder.space, found.names, rng, report=report)
    require("torch", "PyTorch", "train", "tuning").manual_seed(seed)
    to_tune = read_faces(data, held_back, rng, report)
    maps = frozen_maps_of_chips(found.pictures.chips)
    pairs = np.random.default_rng(seed)  # of its own, so that the same heads give the same pairs
    parts: list[LeftOut] = []
    for kin, vectors, rest, part in tuned_on_the_rest(to_tune, maps, rng):
        every = replace(faces[0], vectors=kin.vectors), replace(faces[1], vectors=vectors)
        model = cohort_model(kin.of_families(rest), "")
        parts.append(leave_out(model, kin, part, split_labelled(*every, len(parts)), pairs))
    return fit_tuned(found.kin, faces, embedder.space, found.names, parts, pairs, report)


def fit_resemblance(
    kin: Kin,
    labelled: tuple[LabelledFaces, LabelledFaces],
    space: str,
    names: NDArray[np.str_],
    rng: np.random.Generator,
    *,
    report: Callable[[str], None] = lambda _: None,
) -> ResemblanceModel:
    """The model of an embedder that was not tuned on these families; `names` are theirs.

    `labelled` are the faces of `kin` in their order, and those of strangers. It fits a map too,
    with the shrinkage that cross-validation chooses. Raises FacematchError for fewer than 20
    families.
    """
    kin = kin.of_relations(PARENT_CHILD)
    families = len(np.unique(kin.family[kin.person]))
    if families < _FEWEST_FAMILIES:
        raise FacematchError(f"{families} families to fit; at least {_FEWEST_FAMILIES} are needed")
    shrinkage = _best_shrinkage(kin, rng)
    parts = _leave_out_each_fold(kin, labelled, shrinkage, rng)
    comparison = kin_map(kin, shrinkage)
    return fit_tuned(kin, labelled, space, names, parts, rng, report, comparison)


def fit_tuned(
    kin: Kin,
    labelled: tuple[LabelledFaces, LabelledFaces],
    space: str,
    names: NDArray[np.str_],
    parts: Sequence[LeftOut],
    rng: np.random.Generator,
    report: Callable[[str], None] = lambda _: None,
    comparison: tuple[Floats, Floats] | None = None,
) -> ResemblanceModel:
    """The model of everyone, calibrated by pairs that `parts` left out.

    Vectors are comparable as they are, or by a mean and a map. The faces of `labelled` are those
    of `fit_resemblance`.
    """
    share = choose_group_share(parts, report)
    found = [part.evidence(share, rng) for part in parts]
    evidence = Evidence.joined([each for each, _ in found])
    strangers = np.concatenate([z for _, z in found])
    model = cohort_model(kin.of_relations(PARENT_CHILD), space, comparison)
    everyone = LabelledFaces.joined(*labelled)
    model = fit_strata(with_group_share(model, share), everyone, rng)
    return calibrate(model, names, evidence, strangers, rng)


def split_labelled(
    everyone: LabelledFaces, others: LabelledFaces, fold: int, folds: int = STRANGER_FOLDS
) -> tuple[LabelledFaces, LabelledFaces, LabelledFaces]:
    """What `leave_out` needs: every third stranger is left out of the fit."""
    left_out = np.arange(len(others.ages)) % folds == fold % folds
    return everyone, others.of_rows(~left_out), others.of_rows(left_out)


def refit_strata(
    model: ResemblanceModel, data: Path, embedder: Embedder, strangers: LabelledFaces
) -> list[tuple[ResemblanceModel, LabelledFaces]]:
    """Each third of some strangers, and the model with strata fitted without that third.

    They are fitted on the other strangers and on the families in `data` that fitted the model. The
    populations of both are numbers of `POPULATIONS`. Raises FacematchError where `data` cannot be
    read.
    """
    every = {family_of(name) for name in list_faces(data / ARCHIVE)}
    left_out = every - set(model.families.tolist())
    names, _, _ = read_families(data, left_out)
    kin, _ = embed_families(data, embedder, left_out, lambda _: None)
    families = label_families(kin, names, data / LABELS)
    parts = []
    for fold in range(STRANGER_FOLDS):
        everyone, others, third = split_labelled(families, strangers, fold)
        faces = LabelledFaces.joined(everyone, others)
        parts.append((fit_strata(model, faces, np.random.default_rng(0)), third))
    return parts


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


def _leave_out_each_fold(
    kin: Kin,
    labelled: tuple[LabelledFaces, LabelledFaces],
    shrinkage: float,
    rng: np.random.Generator,
) -> list[LeftOut]:
    """Pairs of each fold, for a map, cohorts and groups fitted on the other folds."""
    parts: list[LeftOut] = []
    for rest, part in folds(np.unique(kin.family[kin.person]), _MODEL_FOLDS, rng):
        fitted = kin.of_families(rest)
        model = cohort_model(fitted, "", kin_map(fitted, shrinkage))
        parts.append(leave_out(model, kin, part, split_labelled(*labelled, len(parts)), rng))
    return parts


def _pair_cosines(rows: Floats, pairs: Pairs) -> Floats:
    return np.asarray(np.einsum("nk,nk->n", rows[pairs.parents], rows[pairs.children]))

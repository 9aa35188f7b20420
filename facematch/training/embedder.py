"""Tunes the embedder for kinship: projections in closed form, then convolutions by training.

dlib's ResNet stays as it is up to its tenth block. Its output for each chip, the mirrored chip and
some altered copies is computed once. Blocks 11 to 14 are tuned, and two linear projections: one of
all positions of block 13, one of the mean over block 14. The projections start in closed form, as
`kin_map` gives them. Then all weights are trained on pairs of relatives, each against the relatives
of all others in its batch (InfoNCE, both ways). A batch holds one kind of relation, so that
strangers in it have the same sex and generation. Pairs cut from one photograph are left out, since
the network would learn their light.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from facematch.evaluation.fiw import PARENT_CHILD
from facematch.evaluation.kin import Indices, Kin, folds
from facematch.runtime.extras import require
from facematch.training.cohort import cohort_model
from facematch.training.evidence import Evidence, LeftOut, choose_group_share, leave_out
from facematch.training.faces import Faces, read_faces
from facematch.training.tuning import tune
from facematch.weights.head import Head

_HEAD_FOLDS = 3  # of the families: each is scored by a head that was tuned on the others
_RUNS = 3  # with other batches each; their weights are averaged


def train_embedder(
    data: Path, held_back: Collection[str], *, seed: int = 0, report: Callable[[str], None]
) -> tuple[Head, Evidence, float]:
    """The head tuned on `data` (see fiw.py) without the families held back, and its evidence.

    The evidence, and the share of groups in the cohort (see `choose_group_share`), come from other
    heads, each tuned on some of the families and used on the rest: to the head itself, which was
    tuned on all of them, their relatives are more alike than others.

    Raises FacematchError where the data cannot be read, MissingExtraError without torch.
    """
    require("torch", "PyTorch", "train", "tuning").manual_seed(seed)
    rng = np.random.default_rng(seed)
    faces = read_faces(data, held_back, rng, report)
    parts: list[LeftOut] = []
    for kin, rest, part in tuned_on_the_rest(faces, rng):
        parts.append(leave_out(cohort_model(kin.of_families(rest), ""), kin, part, rng))
        area = parts[-1].auc_of_single_photos(share=0)
        report(f"{len(part)} families left out: ROC AUC {area:.3f}")
    return tune(faces, _RUNS, rng).head(), *choose_group_share(parts, report)


def tuned_on_the_rest(
    faces: Faces, rng: np.random.Generator
) -> Iterator[tuple[Kin, Indices, Indices]]:
    """Parents and children, embedded by heads that were not tuned on some of their families.

    Gives everyone with the vectors of one head, the families that it was tuned on, and the others.
    """
    families = np.unique(faces.kin.family[faces.kin.person])
    for rest, part in folds(families, _HEAD_FOLDS, rng):
        network = tune(faces.of_families(rest), 1, rng)
        embedded = replace(faces.kin, vectors=network.embed(faces.maps))
        yield embedded.of_relations(PARENT_CHILD), rest, part

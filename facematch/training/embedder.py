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
from facematch.training.faces import Faces, Maps, read_faces
from facematch.training.tuning import tune
from facematch.types import Vectors
from facematch.weights.head import Head

_HEAD_FOLDS = 3  # of the families: each is scored by a head that was tuned on the others
_RUNS = 3  # with other batches each; their weights are averaged


def train_embedder(
    data: Path, held_back: Collection[str], *, seed: int = 0, report: Callable[[str], None]
) -> Head:
    """The head tuned on `data` (see fiw.py) without the families held back.

    Raises FacematchError where the data cannot be read, MissingExtraError without torch.
    """
    require("torch", "PyTorch", "train", "tuning").manual_seed(seed)
    rng = np.random.default_rng(seed)
    return tune(read_faces(data, held_back, rng, report), _RUNS, rng).head()


def tuned_on_the_rest(
    faces: Faces, others: Maps, rng: np.random.Generator
) -> Iterator[tuple[Kin, Vectors, Indices, Indices]]:
    """Parents and children, embedded by heads that were not tuned on some of their families.

    Gives everyone with the vectors of one head, the vectors of `others` by that head, the families
    that it was tuned on, and the other families.
    """
    families = np.unique(faces.kin.family[faces.kin.person])
    for rest, part in folds(families, _HEAD_FOLDS, rng):
        network = tune(faces.of_families(rest), 1, rng)
        embedded = replace(faces.kin, vectors=network.embed(faces.maps))
        yield embedded.of_relations(PARENT_CHILD), network.embed(others), rest, part

"""Fits the resemblance model of `kin` fused with other embedders.

`kin` was tuned on these families, so its weight beside the others must come from other heads, each
tuned on some of the families (see embedder.py). The maps of the others' vectors are fitted in
closed form on the same families. On the families left out, a logistic regression on the cosines of
all embedders tells kin from strangers. Its weights are those of the embedders in the fused cosine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.embedding.fused import FusedEmbedder, concatenated
from facematch.embedding.kin import KinEmbedder
from facematch.errors import FacematchError
from facematch.evaluation.fiw import PARENT_CHILD
from facematch.evaluation.kin import Indices, Kin
from facematch.evaluation.labelled_faces import LabelledFaces
from facematch.runtime.extras import require
from facematch.scoring.resemblance import ResemblanceModel
from facematch.training.cohort import cohort_model
from facematch.training.embedder import tuned_on_the_rest
from facematch.training.evidence import LeftOut, leave_out
from facematch.training.faces import Faces, frozen_maps_of_chips, read_faces
from facematch.training.kin_map import kin_map
from facematch.training.labels import TrainingData, read_training_data
from facematch.training.resemblance import fit_tuned, split_labelled
from facematch.types import Vectors, unit_rows_in_full

# Of the maps of the other embedders. With MobileFaceNet, the fused ROC AUC on families left out is
# 0.842 with 0.1 and 0.3, and 0.841 with 0.6.
_OTHERS_SHRINKAGE = 0.3

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """What makes each of E embedders' vectors comparable: means (D,) and maps (D, K)."""

    means: Sequence[Floats]
    maps: Sequence[Floats]

    def cosines(self, one: Vectors, other: Vectors) -> Floats:
        """The inner product of row i of one and row i of the other, by each embedder.

        Comparable vectors have a length of 1, on average.

        Shapes: fused vectors (N, sum of D) twice -> (N, E).
        """
        sides = [self._comparable(rows) for rows in (one, other)]
        return np.stack([np.einsum("nk,nk->n", *each) for each in zip(*sides, strict=True)], axis=1)

    def comparison(self, weights: Floats) -> tuple[Floats, Floats]:
        """The mean and the map of fused vectors with the weighted mean of the cosines as cosine."""
        from scipy.linalg import block_diag

        scaled = [np.sqrt(weight) * each for weight, each in zip(weights, self.maps, strict=True)]
        return np.concatenate(self.means) / np.sqrt(len(self.means)), block_diag(*scaled)

    def _comparable(self, rows: Vectors) -> list[Floats]:
        parts = _split_embedders(rows, [len(mean) for mean in self.means])
        return [
            (unit_rows_in_full(part) - mean) @ along
            for part, mean, along in zip(parts, self.means, self.maps, strict=True)
        ]


def fit_comparisons(kin: Kin, sizes: Sequence[int]) -> Comparisons:
    """What these families give: the first embedder as it is, the others in closed form.

    `sizes` (E,) are the embedders' dimensions. Comparable vectors have a length of 1, on average.
    """
    first, *others = _split_embedders(kin.vectors, sizes)
    means, maps = [np.zeros(first.shape[1])], [np.eye(first.shape[1])]
    for vectors in others:
        mean, along = kin_map(replace(kin, vectors=vectors), _OTHERS_SHRINKAGE)
        rows = (unit_rows_in_full(vectors) - mean) @ along
        means.append(mean)
        maps.append(along / np.sqrt((rows**2).sum(axis=1).mean()))
    return Comparisons(means, maps)


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Some families, what they give, and pairs of the other families."""

    fitted: Kin
    comparisons: Comparisons
    pairs: LeftOut

    def cosines(self) -> tuple[Floats, NDArray[np.bool_]]:
        """The pairs of one photo each, by each embedder (N, E), and which are kin (N,)."""
        single = self.pairs.count == 1
        sides = self.pairs.parents[single], self.pairs.children[single]
        return self.comparisons.cosines(*sides), self.pairs.are_kin[single]

    def with_weights(self, weights: Floats) -> LeftOut:
        """The pairs, for a cohort compared with these weights."""
        comparison = self.comparisons.comparison(weights)
        return replace(self.pairs, model=cohort_model(self.fitted, "", comparison))


def train_fusion(
    data: Path,
    embedder: FusedEmbedder,
    held_back: Collection[str],
    strangers: Path,
    *,
    seed: int = 0,
    report: Callable[[str], None] = lambda _: None,
) -> ResemblanceModel:
    """The model fitted on `data` (see fiw.py) without the families held back.

    `strangers` are labelled pictures, see labels.py. It tunes heads as `train_embedder` does, and
    takes as long. Raises FacematchError where the data
    cannot be read, or where the fused embedders are not kin and others; MissingExtraError without
    torch.
    """
    require("torch", "PyTorch", "train", "tuning").manual_seed(seed)
    first, *others = embedder.parts
    if not isinstance(first, KinEmbedder) or any(isinstance(each, KinEmbedder) for each in others):
        raise FacematchError(f"{embedder.name}: name kin first, and then the others, once each")
    rng = np.random.default_rng(seed)
    found = read_training_data(data, embedder, held_back, strangers, report)
    sizes = [
        each.embed(np.empty((0, *each.frame.shape), np.uint8)).shape[1] for each in embedder.parts
    ]
    faces = read_faces(data, held_back, rng, report)
    pairs = np.random.default_rng(seed)  # of its own, so that the same heads give the same pairs
    folds = list(_fusion_folds(faces, found, sizes, (rng, pairs)))
    weights = fit_weights(folds)
    shares = zip(weights, embedder.parts, strict=True)
    report("weights: " + ", ".join(f"{weight:.2f} {part.name}" for weight, part in shares))
    everyone = found.kin.of_relations(PARENT_CHILD)
    return fit_tuned(
        everyone, (found.labelled, found.others), embedder.space, found.names,
        [fold.with_weights(weights) for fold in folds], pairs, report,
        fit_comparisons(everyone, sizes).comparison(weights),
    )  # fmt: skip


def _fusion_folds(
    faces: Faces,
    data: TrainingData,
    sizes: Sequence[int],
    rngs: tuple[np.random.Generator, np.random.Generator],
) -> Iterator[Fold]:
    """Folds in which a head tuned for the fold replaces `kin`, whose vectors come first.

    `rngs` are for tuning and for sampling pairs.
    """
    rng, pairs = rngs
    of_families, of_others = (
        _split_embedders(each.vectors, sizes)[1:] for each in (data.kin, data.others)
    )
    maps = frozen_maps_of_chips(data.pictures.chips)
    for fold, (kin, vectors, rest, part) in enumerate(tuned_on_the_rest(faces, maps, rng)):
        fused = replace(kin, vectors=concatenated([kin.vectors, *of_families]))
        labelled = replace(data.labelled, vectors=fused.vectors)
        others = replace(data.others, vectors=concatenated([vectors, *of_others]))
        yield fit_fold(fused, (rest, part), sizes, split_labelled(labelled, others, fold), pairs)


def fit_fold(
    kin: Kin,
    families: tuple[Indices, Indices],
    sizes: Sequence[int],
    labelled: tuple[LabelledFaces, LabelledFaces, LabelledFaces],
    rng: np.random.Generator,
) -> Fold:
    """What one part of the families gives, and sampled pairs of the other.

    `labelled` is what `split_labelled` gives.
    """
    rest, part = families
    fitted = kin.of_families(rest)
    comparisons = fit_comparisons(fitted, sizes)
    even = cohort_model(fitted, "", comparisons.comparison(np.ones(len(sizes))))
    return Fold(fitted, comparisons, leave_out(even, kin, part, labelled, rng))


def fit_weights(folds: Sequence[Fold]) -> Floats:
    """The weight of each embedder in the fused cosine, (E,); they sum to 1."""
    from sklearn.linear_model import LogisticRegression

    cosines, are_kin = (
        np.concatenate(each) for each in zip(*(fold.cosines() for fold in folds), strict=True)
    )
    weights = LogisticRegression(C=1e6).fit(cosines, are_kin).coef_[0].clip(0)
    return np.asarray(weights / weights.sum())


def _split_embedders(rows: Vectors, sizes: Sequence[int]) -> list[Vectors]:
    return np.split(rows, np.cumsum(sizes)[:-1], axis=1)

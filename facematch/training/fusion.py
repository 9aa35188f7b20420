"""Fits the resemblance model of `kin` fused with other embedders.

`kin` was tuned on these families. What it is worth beside the others is told by tails that some of
the families tuned (see embedder.py), and by maps of the others' vectors that the same families
gave in closed form, on the families left out. There a logistic regression on all embedders'
likenesses tells kin from strangers: its weights are those of the embedders in the fused cosine.
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
from facematch.evaluation.fiw import PARENT_CHILD, embed_families
from facematch.evaluation.kin import Indices, Kin
from facematch.runtime.extras import require
from facematch.scoring.cosine import unit_rows_in_full
from facematch.scoring.resemblance import ResemblanceModel
from facematch.training.embedder import Faces, read_faces, tuned_on_the_rest
from facematch.training.resemblance import (
    LeftOut,
    cohort_model,
    fit_calibration,
    judged,
    kin_map,
    left_out,
)
from facematch.types import Vectors

# Of the others' maps. On families left out the fused ROC AUC is 0.842 with 0.1 and 0.3, 0.841 with
# 0.6, for MobileFaceNet.
_SHRINKAGE = 0.3

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """What makes each of E embedders' vectors comparable: means (D,) and maps (D, K)."""

    means: Sequence[Floats]
    maps: Sequence[Floats]

    def likenesses(self, one: Vectors, other: Vectors) -> Floats:
        """How alike row i of one is to row i of the other, by each embedder.

        Shapes: fused vectors (N, sum of D) twice -> (N, E).
        """
        sides = [self._comparable(rows) for rows in (one, other)]
        return np.stack([np.einsum("nk,nk->n", *each) for each in zip(*sides, strict=True)], axis=1)

    def comparison(self, weights: Floats) -> tuple[Floats, Floats]:
        """The mean and the map of fused vectors whose cosine is the weighted mean of likenesses."""
        from scipy.linalg import block_diag

        scaled = [np.sqrt(weight) * each for weight, each in zip(weights, self.maps, strict=True)]
        return np.concatenate(self.means) / np.sqrt(len(self.means)), block_diag(*scaled)

    def _comparable(self, rows: Vectors) -> list[Floats]:
        parts = _split(rows, [len(mean) for mean in self.means])
        return [
            (unit_rows_in_full(part) - mean) @ along
            for part, mean, along in zip(parts, self.means, self.maps, strict=True)
        ]


def fit_views(kin: Kin, sizes: Sequence[int]) -> Views:
    """The views these families give: of the first embedder as it is, of the others in closed form.

    `sizes` (E,) are the embedders' dimensions. Vectors then have a length of 1, on average.
    """
    first, *others = _split(kin.vectors, sizes)
    means, maps = [np.zeros(first.shape[1])], [np.eye(first.shape[1])]
    for vectors in others:
        mean, along = kin_map(replace(kin, vectors=vectors), _SHRINKAGE)
        seen = (unit_rows_in_full(vectors) - mean) @ along
        means.append(mean)
        maps.append(along / np.sqrt((seen**2).sum(axis=1).mean()))
    return Views(means, maps)


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Families, the views they give, and pairs of other families."""

    fitted: Kin
    views: Views
    pairs: LeftOut

    def likenesses(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Of the pairs of one photo each by each embedder, (N, E), and which are kin, (N,)."""
        single = self.pairs.count == 1
        sides = self.pairs.parents[single], self.pairs.children[single]
        return self.views.likenesses(*sides), self.pairs.are_kin[single]

    def weighed(self, weights: Floats) -> LeftOut:
        """The pairs, for a cohort seen with these weights."""
        comparison = self.views.comparison(weights)
        return replace(self.pairs, model=cohort_model(self.fitted, "", comparison))


def train_fusion(
    data: Path,
    embedder: FusedEmbedder,
    held_back: Collection[str],
    *,
    seed: int = 0,
    report: Callable[[str], None] = lambda _: None,
) -> ResemblanceModel:
    """The model fitted on `data` (see fiw.py) without the families held back.

    It tunes tails as `train_embedder` does, and takes as long. Raises FacematchError where the data
    cannot be read, or where it is not kin and others that are fused; MissingExtraError without
    torch.
    """
    require("torch", "PyTorch", "train", "tuning").manual_seed(seed)
    first, *others = embedder.parts
    if not isinstance(first, KinEmbedder) or any(isinstance(each, KinEmbedder) for each in others):
        raise FacematchError(f"{embedder.name}: name kin first, and then the others, once each")
    rng = np.random.default_rng(seed)
    everyone, families = embed_families(data, embedder, held_back, report)
    everyone = everyone.of_relations(PARENT_CHILD)
    sizes = [
        each.embed(np.empty((0, *each.frame.shape), np.uint8)).shape[1] for each in embedder.parts
    ]
    faces = read_faces(data, held_back, rng, report)
    folds = list(_folds(faces, everyone.vectors, sizes, rng))
    weights = fit_weights(folds)
    shares = zip(weights, embedder.parts, strict=True)
    report("weights: " + ", ".join(f"{weight:.2f} {part.name}" for weight, part in shares))
    found = judged([fold.weighed(weights) for fold in folds], report)
    names = families[np.unique(everyone.family[everyone.person])]
    comparison = fit_views(everyone, sizes).comparison(weights)
    return fit_calibration(everyone, embedder.space, names, found, rng, comparison)


def _folds(
    faces: Faces, vectors: Vectors, sizes: Sequence[int], rng: np.random.Generator
) -> Iterator[Fold]:
    """Folds in which a tail tuned for it takes the place of `kin`, whose vectors come first."""
    others = _split(vectors, sizes)[1:]
    for kin, rest, part in tuned_on_the_rest(faces, rng):
        fused = replace(kin, vectors=concatenated([kin.vectors, *others]))
        yield leave_out(fused, rest, part, sizes, rng)


def leave_out(
    kin: Kin, rest: Indices, part: Indices, sizes: Sequence[int], rng: np.random.Generator
) -> Fold:
    """What one part of the families gives, and pairs drawn of the other."""
    fitted = kin.of_families(rest)
    views = fit_views(fitted, sizes)
    even = cohort_model(fitted, "", views.comparison(np.ones(len(sizes))))
    return Fold(fitted, views, left_out(even, kin, part, rng))


def fit_weights(folds: Sequence[Fold]) -> Floats:
    """How much each embedder tells of kinship beside the others, (E,); they sum to 1."""
    from sklearn.linear_model import LogisticRegression

    alike, are_kin = (
        np.concatenate(each) for each in zip(*(fold.likenesses() for fold in folds), strict=True)
    )
    told = LogisticRegression(C=1e6).fit(alike, are_kin).coef_[0].clip(0)
    return np.asarray(told / told.sum())


def _split(rows: Vectors, sizes: Sequence[int]) -> list[Vectors]:
    return np.split(rows, np.cumsum(sizes)[:-1], axis=1)

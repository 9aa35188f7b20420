"""How alike pairs of enrolled faces are: the value by which they are ranked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.kin import Indices
from facematch.scoring.cosine import cosine_pairs
from facematch.scoring.resemblance import ResemblanceModel
from facematch.types import Vectors

Floats = NDArray[np.float64]


def likeness(
    model: ResemblanceModel | None, vectors: Vectors, parents: Indices, children: Indices
) -> Floats:
    """The z-score of each child with its parents, their mean; the cosine where there is no model.

    `parents` and `children` are rows of `vectors` (M, D); `parents[s, n]` is parent s of child n.
    Shapes: (S, N), (N,) -> (N,).
    """
    compare = cosine_pairs if model is None else model.pair_z_scores
    each = [compare(vectors[rows], vectors[children]) for rows in parents]
    return np.asarray(np.mean(each, axis=0, dtype=np.float64))

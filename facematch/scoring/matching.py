"""Galleries compared with each other: every pair, the best of each child, or row by row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from facematch.errors import EmbeddingError
from facematch.scoring.cosine import cosine_matrix_in_full, cosine_pairs
from facematch.scoring.resemblance import Counts, ResemblanceModel, model_for
from facematch.types import Comparison, Gallery, Scores, Vectors

_PAIRS_AT_A_TIME = 2_000_000  # 60 MB


def match(parents: Gallery, children: Gallery, *, top: int | None = None) -> Iterator[Comparison]:
    """Every child against every parent, some children at a time, so that memory stays bounded.

    With `top`, each child with the parents it looks most like, best first; by score, or by
    cosine where no resemblance model fits. Raises EmbeddingError for galleries of two spaces.
    """
    model = model_of_both(parents, children)
    step = max(_PAIRS_AT_A_TIME // max(len(parents.subjects), 1), 1)
    for start in range(0, len(children.subjects), step):
        some = children.vectors[start : start + step]
        photos = parents.counts, children.counts[start : start + step]
        yield comparison(start, *compared(model, parents.vectors, some, photos), top)


def match_pairs(parents: Gallery, children: Gallery) -> Comparison:
    """Row i of one gallery against row i of the other.

    Raises EmbeddingError for galleries of two spaces, or of different lengths.
    """
    model = model_of_both(parents, children)
    cosines = cosine_pairs(parents.vectors, children.vectors)
    scores, ratios = (
        _unknown(cosines.shape)
        if model is None
        else model.compare_pairs(
            parents.vectors, children.vectors, (parents.counts, children.counts)
        )
    )
    rows = np.arange(len(cosines))
    return Comparison(rows, rows, cosines, scores, ratios)


def model_of_both(parents: Gallery, children: Gallery) -> ResemblanceModel | None:
    """The model for the space of both galleries, None where none fits.

    Raises EmbeddingError for galleries of two spaces.
    """
    if parents.space != children.space:
        raise EmbeddingError(
            f"vectors of {parents.space} and {children.space} cannot be compared: "
            "embed both with the same embedder"
        )
    return model_for(parents.space)


def compared(
    model: ResemblanceModel | None,
    parents: Vectors,
    children: Vectors,
    photos: tuple[Counts, Counts],
) -> tuple[Scores, Scores, Scores]:
    """Cosines, scores and likelihood ratios, each (P, C), of means of so many photos."""
    cosines = cosine_matrix_in_full(parents, children)
    if model is None:
        return cosines, *_unknown(cosines.shape)
    return cosines, *model.compare(parents, children, photos)


def _unknown(shape: tuple[int, ...]) -> tuple[Scores, Scores]:
    """Scores and likelihood ratios where no resemblance model fits."""
    return np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)


def comparison(
    start: int, cosines: Scores, scores: Scores, ratios: Scores, top: int | None
) -> Comparison:
    """Pairs child by child: of each all parents in order, or the `top` of them, best first."""
    parents, children = cosines.shape
    order = np.tile(np.arange(parents), (children, 1))
    if top is not None:
        # Scores end at 99.9; beyond, the cosine goes on telling who is more alike.
        by = np.nan_to_num(scores, nan=0.0)
        order = np.lexsort((-cosines.T, -by.T), axis=1)[:, :top]
    rows, columns = order.ravel(), np.repeat(np.arange(children), order.shape[1])
    return Comparison(
        rows.astype(np.int64),
        columns.astype(np.int64) + start,
        cosines[rows, columns],
        scores[rows, columns],
        ratios[rows, columns],
    )

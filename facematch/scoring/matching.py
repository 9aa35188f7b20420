"""Galleries compared with each other: every pair, the best parents of each child, or row by row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from facematch.errors import EmbeddingError
from facematch.scoring.best import BestParents
from facematch.scoring.cosine import cosine_matrix_in_full, cosine_pairs
from facematch.scoring.resemblance import Counts, ResemblanceModel, model_for
from facematch.types import Comparison, Gallery, Scores, Vectors

_PAIRS_AT_A_TIME = 2_000_000  # of a full matrix, or of the best of some children: 60 MB
_CHILDREN_AT_A_TIME = 8192  # of a search, which prepares the parents once for each so many
# A search saves nothing where it keeps more than this share of the parents.
_SEARCHED_SHARE = 0.25


def match(parents: Gallery, children: Gallery, *, top: int | None = None) -> Iterator[Comparison]:
    """Every child against every parent, some children at a time, so that memory stays bounded.

    With `top`, each child with the parents it looks most like, best first: by score, then by
    cosine, then by index; by cosine alone where no resemblance model fits. The order and the values
    are those of the full matrix. Raises EmbeddingError for galleries of two spaces.
    """
    model = _model_of_both(parents, children)
    people = max(len(parents.subjects), 1)
    if top is not None and 0 < top <= _SEARCHED_SHARE * people:
        yield from _searched(model, parents, children, top)
        return
    step = max(_PAIRS_AT_A_TIME // people, 1)
    for start in range(0, len(children.subjects), step):
        some = children.vectors[start : start + step], children.counts[start : start + step]
        yield _full_comparison(model, parents, some, start, top)


def _searched(
    model: ResemblanceModel | None, parents: Gallery, children: Gallery, top: int
) -> Iterator[Comparison]:
    step = max(min(_PAIRS_AT_A_TIME // top, _CHILDREN_AT_A_TIME), 1)
    for start in range(0, len(children.subjects), step):
        some = slice(start, start + step)
        best = BestParents(model, children.vectors[some], children.counts[some], top)
        best.add(parents.vectors, parents.counts)
        yield best.comparison(start)


def match_pairs(parents: Gallery, children: Gallery) -> Comparison:
    """Row i of one gallery against row i of the other.

    Raises EmbeddingError for galleries of two spaces, or of different lengths.
    """
    model = _model_of_both(parents, children)
    cosines = cosine_pairs(parents.vectors, children.vectors)
    scores, ratios = _unknown(cosines.shape)
    if model is not None:
        photos = parents.counts, children.counts
        scores, ratios = model.compare_pairs(parents.vectors, children.vectors, photos)
    rows = np.arange(len(cosines))
    return Comparison(rows, rows, cosines, scores, ratios)


def _full_comparison(
    model: ResemblanceModel | None,
    parents: Gallery,
    children: tuple[Vectors, Counts],
    start: int,
    top: int | None,
) -> Comparison:
    """Pairs child by child: of each all parents in order, or the `top` of them, best first."""
    vectors, counts = children
    cosines = cosine_matrix_in_full(parents.vectors, vectors)
    scores, ratios = _unknown(cosines.shape)
    if model is not None:
        scores, ratios = model.compare(parents.vectors, vectors, (parents.counts, counts))
    order = np.tile(np.arange(len(cosines)), (len(vectors), 1))
    if top is not None:
        # Scores end at 99.9; above that, the cosine ranks.
        by_score = np.nan_to_num(scores, nan=0.0)
        order = np.lexsort((-cosines.T, -by_score.T), axis=1)[:, :top]
    rows, columns = order.ravel(), np.repeat(np.arange(len(vectors)), order.shape[1])
    return Comparison(
        rows.astype(np.int64),
        columns.astype(np.int64) + start,
        cosines[rows, columns],
        scores[rows, columns],
        ratios[rows, columns],
    )


def _model_of_both(parents: Gallery, children: Gallery) -> ResemblanceModel | None:
    """The model for the space of both galleries, None where none fits."""
    if parents.space != children.space:
        raise EmbeddingError(
            f"vectors of {parents.space} and {children.space} cannot be compared: "
            "embed both with the same embedder"
        )
    return model_for(parents.space)


def _unknown(shape: tuple[int, ...]) -> tuple[Scores, Scores]:
    """Scores and likelihood ratios where no resemblance model fits."""
    return np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)

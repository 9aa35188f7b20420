"""Galleries compared with each other: every pair, the best parents of each child, or row by row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facematch.errors import EmbeddingError, OptionError
from facematch.scoring.best import BestParents
from facematch.scoring.cosine import cosine_matrix_in_full, cosine_pairs
from facematch.scoring.intervals import Intervals, intervals
from facematch.scoring.resemblance import (
    Counts,
    ResemblanceModel,
    both_young,
    mean_inverse,
    model_for,
    pair_z_scores,
    z_score_matrix,
)
from facematch.types import Comparison, Gallery, Vectors

_PAIRS_AT_A_TIME = 2_000_000  # of a full matrix, or of the best of some children: 60 MB
_CHILDREN_AT_A_TIME = 8192  # of a search, which prepares the parents once for each so many
# A search saves nothing where it keeps more than this share of the parents.
_SEARCHED_SHARE = 0.25


def match(
    parents: Gallery,
    children: Gallery,
    *,
    top: int | None = None,
    model: ResemblanceModel | None = None,
) -> Iterator[Comparison]:
    """Every child against every parent, some children at a time, so that memory stays bounded.

    With `top`, each child with the parents it looks most like, best first: by score, then by
    cosine, then by index; by cosine alone where no resemblance model fits. The order and the values
    are those of the full matrix. `model` None stands for the shipped one. Raises EmbeddingError for
    galleries of two spaces, OptionError for what is no gallery.
    """
    return _compared(parents, children, top, _model_of_both(parents, children, model))


def check_galleries(*sides: object) -> None:
    """Raise OptionError for what is no gallery, such as the path of a photo."""
    for side in sides:
        if not isinstance(side, Gallery):
            raise OptionError(
                f"galleries are compared, and a {type(side).__name__} is none: make one of photos "
                "with FaceMatcher.gallery, or compare two photos with FaceMatcher.score"
            )


def _compared(
    parents: Gallery, children: Gallery, top: int | None, model: ResemblanceModel | None
) -> Iterator[Comparison]:
    """What `match` gives."""
    unlike = parents.unlike_photographs, children.unlike_photographs
    if top is not None and 0 < top <= _SEARCHED_SHARE * max(len(parents.subjects), 1):
        found = _searched(model, parents, children, top)
    else:
        found = _full_comparisons(model, parents, children, top)
    for compared in found:
        yield without_ratios(compared, *unlike)


def _full_comparisons(
    model: ResemblanceModel | None, parents: Gallery, children: Gallery, top: int | None
) -> Iterator[Comparison]:
    """The full matrix, some children at a time."""
    step = max(_PAIRS_AT_A_TIME // max(len(parents.subjects), 1), 1)
    for start in range(0, len(children.subjects), step):
        some = children.vectors[start : start + step], children.counts[start : start + step]
        yield _full_comparison(model, parents, some, start, top)


def _searched(
    model: ResemblanceModel | None, parents: Gallery, children: Gallery, top: int
) -> Iterator[Comparison]:
    """The best parents of each child, by a search, some children at a time."""
    step = max(min(_PAIRS_AT_A_TIME // top, _CHILDREN_AT_A_TIME), 1)
    for start in range(0, len(children.subjects), step):
        some = slice(start, start + step)
        best = BestParents(model, children.vectors[some], children.counts[some], top)
        best.add(parents.vectors, parents.counts)
        yield best.comparison(start)


def match_pairs(
    parents: Gallery, children: Gallery, *, model: ResemblanceModel | None = None
) -> Comparison:
    """Row i of one gallery against row i of the other; `model` as in `match`.

    Raises EmbeddingError for galleries of two spaces, or of different lengths.
    """
    model = _model_of_both(parents, children, model)
    cosines = cosine_pairs(parents.vectors, children.vectors)
    z = np.full(cosines.shape, np.nan)
    scores = ratios = z.astype(np.float32)
    if model is not None:
        sides = model.parents(parents.vectors), model.children(children.vectors)
        inverse = mean_inverse(parents.counts, children.counts)
        z = model.correct_for_averaging(pair_z_scores(*sides), inverse)
        scores, ratios = model.calibrate(z, both_young(*sides))
    rows = np.arange(len(cosines))
    found = Comparison(rows, rows, cosines, scores, ratios, z.astype(np.float32))
    return without_ratios(found, parents.unlike_photographs, children.unlike_photographs)


def pair_intervals(parents: Gallery, children: Gallery, compared: Comparison) -> Intervals:
    """Confidence intervals of the pairs of a comparison of these galleries.

    They are NaN where no resemblance model fits.
    """
    model = _model_of_both(parents, children, None)  # a cohort changes z-scores alone
    if model is None:
        nothing = np.full((len(compared.z_scores), 2), np.nan, np.float32)
        return Intervals(nothing, nothing)
    photos = parents.counts[compared.parents], children.counts[compared.children]
    ends = intervals(model, compared.z_scores, mean_inverse(*photos))
    ends.likelihood_ratios[np.isnan(compared.likelihood_ratios)] = np.nan
    return ends


def without_ratios(
    compared: Comparison, parents: NDArray[np.bool_], children: NDArray[np.bool_]
) -> Comparison:
    """The comparison without the likelihood ratios of these parents (P,) and children (C,)."""
    compared.likelihood_ratios[parents[compared.parents] | children[compared.children]] = np.nan
    return compared


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
    z = np.full(cosines.shape, np.nan)
    scores = ratios = z.astype(np.float32)
    if model is not None:
        rows, columns = model.parents(parents.vectors), model.children(vectors)
        inverse = mean_inverse(parents.counts[:, np.newaxis], counts)
        z = model.correct_for_averaging(z_score_matrix(rows, columns), inverse)
        scores, ratios = model.calibrate(z, both_young(rows[:, np.newaxis], columns))
    tables = [cosines.T, scores.T, ratios.T, z.T.astype(np.float32)]  # a row for each child
    order = np.tile(np.arange(len(cosines), dtype=np.int64), (len(vectors), 1))
    if top is not None:
        # Scores end at 99.9; above that, the cosine ranks.
        order = np.lexsort((-tables[0], -np.nan_to_num(tables[1], nan=0.0)), axis=1)[:, :top]
        tables = [np.take_along_axis(table, order, axis=1) for table in tables]
    numbers = start + np.repeat(np.arange(len(vectors), dtype=np.int64), order.shape[1])
    return Comparison(order.ravel(), numbers, *(table.ravel() for table in tables))


def _model_of_both(
    parents: Gallery, children: Gallery, model: ResemblanceModel | None
) -> ResemblanceModel | None:
    """The model given, else the shipped one for the space of both galleries, if there is one."""
    check_galleries(parents, children)
    if parents.space != children.space:
        raise EmbeddingError(
            f"vectors of {parents.space} and {children.space} cannot be compared: "
            "embed both with the same embedder"
        )
    return model_for(parents.space) if model is None else model

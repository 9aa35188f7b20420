"""Children against everyone in an index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from facematch.archive.index import (
    FACE_COLUMNS,
    OVERSAMPLING,
    Index,
    matrix,
    photos_where,
    subject_of,
)
from facematch.photos.dates import Span
from facematch.photos.reading import photo_digest
from facematch.scoring.cosine import unit_rows
from facematch.scoring.matching import compared, comparison
from facematch.scoring.resemblance import ResemblanceModel, comparable, model_for
from facematch.types import Comparison, Gallery, Vectors

if TYPE_CHECKING:
    from facematch.engine import Engine


def match_index(
    engine: Engine, index: Index, children: Gallery, *, top: int = 10
) -> tuple[Gallery, Comparison]:
    """Every child against everyone in an index in the parent's place, the `top` of each.

    The children's own photos are left out. Gives those found, and who is like whom: by score,
    or by cosine where no resemblance model fits. A large index is searched approximately.
    """
    model = model_for(children.space)
    own = {photo_digest(photo, limits=engine.limits) for photo in children.labels}
    best: list[list[_Ranked]] = [[] for _ in children.subjects]
    for which, batch in _parts(index, children, model, top, photos_where(Span(), own)):
        vectors, some = unit_rows(matrix(batch["vector"])), children.vectors[which]
        photos = np.ones(len(vectors), np.int64), children.counts[which]
        part = comparison(which.start, *compared(model, vectors, some, photos), top)
        values = zip(part.scores, part.cosines, part.likelihood_ratios, strict=True)
        rows = batch.take(part.parents).to_pylist()
        for child, value, row in zip(part.children, values, rows, strict=True):
            best[child].append((tuple(map(float, value)), row))
        best = [_most_alike(found, top) for found in best]
    return _as_compared(best, children.space, top)


def _parts(
    index: Index,
    children: Gallery,
    model: ResemblanceModel | None,
    top: int,
    where: str | None,
) -> Iterator[tuple[slice, Any]]:
    """Some of the children, and rows of the index to compare them with."""
    if not index.is_large:
        for batch in index.rows(FACE_COLUMNS, where):
            yield slice(0, len(children.subjects)), batch
        return
    for i, query in enumerate(_comparable(model, children.vectors)):
        yield slice(i, i + 1), index.nearest(query, OVERSAMPLING * top, FACE_COLUMNS, where)


def _comparable(model: ResemblanceModel | None, vectors: Vectors) -> Vectors:
    """The vectors as the index stores them for its nearest-neighbour search."""
    if model is None:
        return unit_rows(vectors)
    return np.asarray(comparable(vectors, model.mean, model.transform), np.float32)


_Ranked: TypeAlias = tuple[tuple[float, ...], dict[str, Any]]  # score, cosine, ratio; a row


def _most_alike(found: Sequence[_Ranked], top: int) -> list[_Ranked]:
    """The `top` of them, by score and then by cosine."""
    return sorted(found, key=lambda pair: (-np.nan_to_num(pair[0][0]), -pair[0][1]))[:top]


def _as_compared(
    best: Sequence[Sequence[_Ranked]], space: str, top: int
) -> tuple[Gallery, Comparison]:
    """Of each child the `top` rows; values are score, cosine and likelihood ratio."""
    chosen = [
        (child, values, row)
        for child, each in enumerate(best)
        for values, row in _most_alike(each, top)
    ]
    scores, cosines, ratios = (
        np.array([values for _, values, _ in chosen], np.float32).reshape(-1, 3).T
    )
    vectors = np.array([row["vector"] for _, _, row in chosen], np.float32)
    gallery = Gallery(
        subjects=tuple(subject_of(row) for _, _, row in chosen),
        vectors=unit_rows(vectors) if chosen else np.empty((0, 0), np.float32),
        space=space,
        warnings=tuple(tuple(row["warnings"]) for _, _, row in chosen),
    )
    rows = np.arange(len(chosen))
    children = np.array([child for child, _, _ in chosen], np.int64)
    return gallery, Comparison(rows, children, cosines, scores, ratios)

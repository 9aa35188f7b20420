"""Children against everyone in an index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np

from facematch.archive.index import OVERSAMPLING, Index, searched_vectors
from facematch.archive.tables import FACE_COLUMNS, matrix, photos_where, subject_of
from facematch.engine import Engine
from facematch.errors import MissingPhotoError
from facematch.photos.dates import Span
from facematch.photos.reading import photo_digest
from facematch.scoring.best import BestParents
from facematch.scoring.matching import check_galleries, without_ratios
from facematch.types import Comparison, Gallery, unit_rows

# Rows of the index, and their comparison with some children in the same order.
_Found: TypeAlias = tuple[list[dict[str, Any]], Comparison]


def match_index(
    engine: Engine, index: Index, children: Gallery, *, top: int = 10
) -> tuple[Gallery, Comparison]:
    """Every child against everyone in an index in the parent's place, the `top` of each.

    The children's own photos are left out. Gives the faces found, and their comparison with the
    children: by score, or by cosine where no resemblance model fits. A large index is searched
    approximately. Raises OptionError where `children` are no gallery.
    """
    check_galleries(children)
    model = engine.resemblance
    own = _digests(engine, children.labels)
    where = photos_where(Span(), own)
    if not index.is_large:
        best = BestParents(model, children.vectors, children.counts, top)
        parts = [_best_faces(best, index.rows(FACE_COLUMNS, where))]
    else:
        parts = []
        for i, query in enumerate(searched_vectors(model, children.vectors)):
            best = BestParents(model, children.vectors[[i]], children.counts[[i]], top)
            near = index.nearest(query, OVERSAMPLING * top, FACE_COLUMNS, where)
            parts.append(_best_faces(best, [near], child=i))
    found, compared = _as_compared(engine, parts, children.space)
    unlike = found.unlike_photographs, children.unlike_photographs
    return found, without_ratios(compared, *unlike)


def _digests(engine: Engine, photos: Iterable[str]) -> set[str]:
    """The sha256 of each photo; photos that came from memory are passed over."""
    digests = set()
    for photo in photos:
        with suppress(MissingPhotoError):
            digests.add(photo_digest(photo, limits=engine.limits))
    return digests


def _best_faces(best: BestParents, batches: Iterable[Any], child: int = 0) -> _Found:
    """The index's rows of the best parents, and the comparison, whose children begin at `child`.

    Only the rows of the best so far are held.
    """
    rows: dict[int, dict[str, Any]] = {}
    for batch in batches:
        first = best.added
        vectors = unit_rows(matrix(batch["vector"]))
        best.add(vectors, np.ones(len(vectors), np.int64))
        kept = np.unique(best.indices[best.indices >= 0])
        new = kept[kept >= first]
        rows = {number: rows[number] for number in kept[kept < first].tolist()}
        rows |= zip(new.tolist(), batch.take(new - first).to_pylist(), strict=True)
    compared = best.comparison(child)
    return [rows[number] for number in compared.parents.tolist()], compared


def _as_compared(engine: Engine, parts: Sequence[_Found], space: str) -> tuple[Gallery, Comparison]:
    """The faces found, a row for each time, and their comparison with the children."""
    faces = [face for some, _ in parts for face in some]
    vectors = np.array([face["vector"] for face in faces], np.float32)
    gallery = Gallery(
        subjects=tuple(subject_of(face) for face in faces),
        vectors=unit_rows(vectors) if faces else np.empty((0, 0), np.float32),
        space=space,
        warnings=tuple(engine.applicable(face["warnings"]) for face in faces),
    )
    comparisons = [compared for _, compared in parts]

    def joined(name: str, kind: type[np.int64] | type[np.float32]) -> Any:
        return np.concatenate([np.empty(0, kind), *(getattr(each, name) for each in comparisons)])

    return gallery, Comparison(
        parents=np.arange(len(faces)),
        children=joined("children", np.int64),
        cosines=joined("cosines", np.float32),
        scores=joined("scores", np.float32),
        likelihood_ratios=joined("likelihood_ratios", np.float32),
        z_scores=joined("z_scores", np.float32),
    )

"""Faces of one person together: the vectors that tell people apart, grouped by distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facematch.types import Vectors

# The distance of dlib's vectors below which two faces count as one person. dlib says 0.6, but a
# third of the pairs of FIW's brothers, and of its sisters, lie below that. Below 0.45 lie 3 in 100
# of them, and 40 in 100 pairs of photos of one person: `benchmarks/eval_find.py` prints it. So one
# person may appear twice, but two people are hardly ever joined.
SAME_PERSON = 0.45
# The mean distance up to which groups of faces are joined. Of 319 people of FIW with 3 to 5 photos,
# each among their relatives, 0.45 makes 2.8 groups a person and puts 19 of 1,697 photos into the
# group of somebody else, 0.5 makes 2.2 and puts 37, 0.55 makes 1.7 and puts 58.
SAME_GROUP = 0.5
_NEVER_JOINED = 1e6  # the distance of two faces in one photo: no average over it is small


def group_by_person(
    photos: Sequence[str], identities: Vectors, bound: float = SAME_GROUP
) -> list[list[int]]:
    """The rows of one person together, in the order of the first row of each.

    Average linkage of the `identities` (N, E) up to the mean distance `bound`. Two faces of one of
    the `photos` (N,) are never joined.
    """
    if len(photos) < 2:
        return [[row] for row in range(len(photos))]
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    distances = _distances(photos, identities)
    tree = linkage(squareform(distances, checks=False), method="average")
    groups: dict[int, list[int]] = {}
    for row, group in enumerate(fcluster(tree, bound, criterion="distance").tolist()):
        groups.setdefault(group, []).append(row)
    return sorted(groups.values(), key=min)


def mean_distances(identities: Vectors, others: Vectors) -> NDArray[np.float64]:
    """The mean distance of each identity from those of one person. (N, E), (M, E) -> (N,)."""
    distances = [np.linalg.norm(identities - other, axis=1) for other in others]
    return np.asarray(np.mean(distances, axis=0), np.float64)


def _distances(photos: Sequence[str], identities: Vectors) -> NDArray[np.float64]:
    """Distances of all identities, (N, N), exactly symmetric with a diagonal of 0."""
    rows = identities.astype(np.float64)
    squares = np.einsum("nd,nd->n", rows, rows)
    squared = squares[:, np.newaxis] + squares - 2 * rows @ rows.T
    names = np.array(photos)
    in_one_photo = names[:, np.newaxis] == names
    distances = np.where(in_one_photo, _NEVER_JOINED, np.sqrt(np.maximum(squared, 0)))
    distances = (distances + distances.T) / 2  # the product is symmetric only up to rounding
    np.fill_diagonal(distances, 0)
    return np.asarray(distances)

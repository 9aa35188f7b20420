"""Whether a face is like the photographs that the program knows, or a drawing, a doll, a mask.

The statistics of a face are the mean and the logarithm of the standard deviation of each channel of
the network's last common layer. Their Mahalanobis distance from those of photographs (Lee et al.
2018) is small for photographs, also those in grey or strongly compressed. `training/photographs.py`
fits it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from facematch.errors import WeightsError
from facematch.types import UNLIKE_PHOTOGRAPHS, Chips, Embedder, Vectors
from facematch.weights.arrays import pack_arrays, read_arrays
from facematch.weights.catalogue import KNOWN
from facematch.weights.files import read_weights

_KIND = "photographs-1"

Array = NDArray[np.float32]


@runtime_checkable
class GivesStatistics(Protocol):
    """An embedder that gives the statistics of faces beside their vectors."""

    def embed_with_statistics(self, chips: Chips) -> tuple[Vectors, Array]:
        """The vectors (N, D), and the statistics (N, T)."""


@dataclass(frozen=True, slots=True, eq=False)
class Photographs:
    """The statistics of faces on photographs: T numbers each.

    The distance of a face is the length of its statistics less `mean` (T,), times `whitening`
    (T, T). One photograph in two hundred lies above `limit` (1,).
    """

    mean: Array
    whitening: Array
    limit: Array

    def distances(self, statistics: Array) -> NDArray[np.float64]:
        """The Mahalanobis distance of each face. Shapes: (N, T) -> (N,)."""
        apart = statistics.astype(np.float64) - self.mean
        return np.asarray(np.linalg.norm(apart @ self.whitening, axis=1))

    def unlike(self, statistics: Array) -> NDArray[np.bool_]:
        """Which faces lie beyond the limit. Shapes: (N, T) -> (N,)."""
        return np.asarray(self.distances(statistics) > self.limit[0])

    def as_bytes(self) -> bytes:
        """An .npz; the same numbers give the same bytes."""
        return pack_arrays(_KIND, {field.name: getattr(self, field.name) for field in fields(self)})


def open_photographs(data: bytes) -> Photographs:
    """The statistics in such an .npz. Raises WeightsError where it is none."""
    try:
        values: dict[str, Any] = dict(read_arrays(data))
        if str(values.pop("kind", "")) != _KIND:
            raise ValueError("it holds other arrays")
        found = Photographs(**values)
        size = len(found.mean)
        if found.whitening.shape != (size, size) or found.limit.shape != (1,):
            raise ValueError("its arrays do not fit one another")
    except (ValueError, TypeError) as error:
        raise WeightsError(f"no statistics of photographs ({error})") from error
    return found


@cache
def photographs_for(space: str) -> Photographs | None:
    """The shipped statistics for an embedder of that space, None where there are none."""
    name = f"{space}-photographs"
    return open_photographs(read_weights(name)) if name in KNOWN else None


def embed_with_warnings(embedder: Embedder, chips: Chips) -> tuple[Vectors, list[tuple[str, ...]]]:
    """The vector of each chip, (N, D), and the warnings about it that only the embedder knows."""
    vectors, unlike = embed_and_check(embedder, chips)
    return vectors, [(UNLIKE_PHOTOGRAPHS,) if each else () for each in unlike]


def embed_and_check(embedder: Embedder, chips: Chips) -> tuple[Vectors, NDArray[np.bool_]]:
    """The vector of each chip, (N, D), and whether it is unlike all photographs, (N,).

    No face is where the embedder cannot tell.
    """
    known = photographs_for(embedder.space)
    if known is None or not isinstance(embedder, GivesStatistics):
        return embedder.embed(chips), np.zeros(len(chips), bool)
    vectors, statistics = embedder.embed_with_statistics(chips)
    return vectors, known.unlike(statistics)

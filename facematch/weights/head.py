"""The tuned head of the embedder `kin`. It ships as an .npz of arrays in half precision."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.errors import WeightsError
from facematch.weights.arrays import read_arrays

Array: TypeAlias = NDArray[np.float32]

_TUNED_CONVOLUTIONS = 8  # two in each of the blocks 11 to 14


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """A linear map from the flat output (M,) of a block to a unit vector (K,).

    Multiply by `basis` (M, L), subtract `shift` (L,), and scale to length 1. Then subtract `mean`
    (L,), multiply by `map` (L, K), and scale to length 1 again.
    """

    basis: Array
    shift: Array
    mean: Array
    map: Array


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The end of the embedder after tuning: convolutions, then two projections.

    `weights` and `biases` are those of blocks 11 to 14. One projection takes all positions of block
    13. The other takes the mean over the positions of block 14. The embedding is both vectors,
    concatenated.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    projections: tuple[Projection, Projection]


def head_as_bytes(head: Head) -> bytes:
    """The bytes of an .npz: a head in half precision."""
    archive = io.BytesIO()
    arrays = {f"weights_{i}": weights for i, weights in enumerate(head.weights)}
    arrays |= {f"bias_{i}": bias for i, bias in enumerate(head.biases)}
    for i, projection in enumerate(head.projections):
        arrays |= {
            f"{field.name}_{i}": getattr(projection, field.name) for field in fields(Projection)
        }
    halves: dict[str, Any] = {name: array.astype(np.float16) for name, array in arrays.items()}
    np.savez(archive, **halves)
    return archive.getvalue()


def open_head(archive: bytes) -> Head:
    """The head that `head_as_bytes` wrote. Raises WeightsError for other bytes.

    The shipped file also holds arrays named evidence_*, of an earlier calibration: nothing reads
    them.
    """
    try:
        values = read_arrays(archive)
        numbers = {name: array.astype(np.float32) for name, array in values.items()}
        first, second = (
            Projection(**{field.name: numbers[f"{field.name}_{i}"] for field in fields(Projection)})
            for i in (0, 1)
        )
        head = Head(
            weights=tuple(numbers[f"weights_{i}"] for i in range(_TUNED_CONVOLUTIONS)),
            biases=tuple(numbers[f"bias_{i}"] for i in range(_TUNED_CONVOLUTIONS)),
            projections=(first, second),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"no archive of a tuned head ({error})") from error
    fits = all(
        projection.basis.ndim == projection.map.ndim == 2
        and projection.basis.shape[1] == projection.map.shape[0]
        and projection.map.shape[0] == projection.mean.size == projection.shift.size
        for projection in head.projections
    )
    if not fits or not all(np.isfinite(array).all() for array in numbers.values()):
        raise WeightsError("a tuned head whose numbers contradict each other")
    return head

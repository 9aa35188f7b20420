"""The tuned end of the embedder `kin`, as it is shipped: an .npz of arrays in half precision."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.errors import WeightsError
from facematch.weights.arrays import read_arrays

Array: TypeAlias = NDArray[np.float32]

_TUNED = 8  # convolutions, two in each block from the eleventh on


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """From the flat output of a block to unit vectors (K,).

    Taken along `basis` (M, L) less `shift` (L,), made unit, taken less `mean` (L,) and along `map`
    (L, K), made unit.
    """

    basis: Array
    shift: Array
    mean: Array
    map: Array


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What takes the place of the embedder's end: tuned convolutions, then two linear views.

    `weights` and `biases` are those of blocks 11 to 14. One view is of all places of block 13, the
    other of the mean over the places of block 14; both vectors together are the embedding.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    views: tuple[Projection, Projection]


def head_as_bytes(head: Head, evidence: dict[str, NDArray[Any]]) -> bytes:
    """A tail as an .npz, in half precision, and arrays that tell what its cosines mean."""
    archive = io.BytesIO()
    arrays = {f"weights_{at}": each for at, each in enumerate(head.weights)}
    arrays |= {f"bias_{at}": each for at, each in enumerate(head.biases)}
    for at, view in enumerate(head.views):
        arrays |= {f"{field.name}_{at}": getattr(view, field.name) for field in fields(Projection)}
    halves: dict[str, Any] = {name: each.astype(np.float16) for name, each in arrays.items()}
    halves |= {f"evidence_{name}": each for name, each in evidence.items()}
    np.savez(archive, **halves)
    return archive.getvalue()


def open_head(archive: bytes) -> tuple[Head, dict[str, NDArray[Any]]]:
    """What `head_as_bytes` put in such an .npz. Raises WeightsError where it is none."""
    try:
        values = read_arrays(archive)
        evidence = {
            name.removeprefix("evidence_"): values.pop(name)
            for name in list(values)
            if name.startswith("evidence_")
        }
        numbers = {name: each.astype(np.float32) for name, each in values.items()}
        one, other = (
            Projection(
                **{field.name: numbers[f"{field.name}_{at}"] for field in fields(Projection)}
            )
            for at in (0, 1)
        )
        head = Head(
            weights=tuple(numbers[f"weights_{at}"] for at in range(_TUNED)),
            biases=tuple(numbers[f"bias_{at}"] for at in range(_TUNED)),
            views=(one, other),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"no archive of a tuned tail ({error})") from error
    fits = all(
        view.basis.ndim == view.map.ndim == 2
        and view.basis.shape[1] == view.map.shape[0] == view.mean.size == view.shift.size
        for view in head.views
    )
    if not fits or not all(np.isfinite(each).all() for each in numbers.values()):
        raise WeightsError("a tuned tail whose numbers contradict each other")
    return head, evidence

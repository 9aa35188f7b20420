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
class View:
    """From the flat output of a block to unit vectors (K,).

    Taken along `basis` (M, L) less `shift` (L,), made unit, taken less `mean` (L,) and along `map`
    (L, K), made unit.
    """

    basis: Array
    shift: Array
    mean: Array
    map: Array


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """What takes the place of the embedder's end: tuned convolutions, then two linear views.

    `weights` and `biases` are those of blocks 11 to 14. One view is of all places of block 13, the
    other of the mean over the places of block 14; both vectors together are the embedding.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    views: tuple[View, View]


def tail_archive(tail: Tail, evidence: dict[str, NDArray[Any]]) -> bytes:
    """A tail as an .npz, in half precision, and arrays that tell what its cosines mean."""
    archive = io.BytesIO()
    arrays = {f"weights_{at}": each for at, each in enumerate(tail.weights)}
    arrays |= {f"bias_{at}": each for at, each in enumerate(tail.biases)}
    for at, view in enumerate(tail.views):
        arrays |= {f"{field.name}_{at}": getattr(view, field.name) for field in fields(View)}
    halves: dict[str, Any] = {name: each.astype(np.float16) for name, each in arrays.items()}
    halves |= {f"evidence_{name}": each for name, each in evidence.items()}
    np.savez(archive, **halves)
    return archive.getvalue()


def open_tail(archive: bytes) -> tuple[Tail, dict[str, NDArray[Any]]]:
    """What `tail_archive` put in such an .npz. Raises WeightsError where it is none."""
    try:
        values = read_arrays(archive)
        evidence = {
            name.removeprefix("evidence_"): values.pop(name)
            for name in list(values)
            if name.startswith("evidence_")
        }
        numbers = {name: each.astype(np.float32) for name, each in values.items()}
        one, other = (
            View(**{field.name: numbers[f"{field.name}_{at}"] for field in fields(View)})
            for at in (0, 1)
        )
        tail = Tail(
            weights=tuple(numbers[f"weights_{at}"] for at in range(_TUNED)),
            biases=tuple(numbers[f"bias_{at}"] for at in range(_TUNED)),
            views=(one, other),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"no archive of a tuned tail ({error})") from error
    fits = all(
        view.basis.ndim == view.map.ndim == 2
        and view.basis.shape[1] == view.map.shape[0] == view.mean.size == view.shift.size
        for view in tail.views
    )
    if not fits or not all(np.isfinite(each).all() for each in numbers.values()):
        raise WeightsError("a tuned tail whose numbers contradict each other")
    return tail, evidence

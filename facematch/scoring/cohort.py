"""A cohort of the user's own: the strangers that a score is a percentile of.

The shipped resemblance model compares with strangers on photographs of our time. For an old
studio's portraits, a school or drawings, the user's own strangers say better how alike strangers
are. Only the mean and the covariance of their comparable vectors are kept, and how alike they are
to one another.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.errors import ResemblanceError
from facematch.scoring.resemblance import ResemblanceModel, comparable
from facematch.types import Vectors
from facematch.weights.arrays import MOST_ARCHIVE_BYTES, pack_arrays, read_arrays

FEWEST_FACES = 30
FEW_FACES = 100  # with fewer, the user is warned
_KIND = "cohort-1"
_NO_RATIO = np.array([0, 0, 0, 0], np.float32)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Means and covariances of strangers' comparable vectors, K numbers each.

    `model` is the name of the resemblance model that made vectors comparable, `faces` the number of
    strangers. `mean` (K,) and `covariance` (K, K) describe them. `z_mean` and `z_deviation` are the
    mean and the standard deviation of the z-scores between two of them, each standardised by all
    others. No stranger's vector is kept.
    """

    model: str
    faces: int
    mean: NDArray[np.float32]
    covariance: NDArray[np.float32]
    z_mean: float
    z_deviation: float

    @classmethod
    def from_vectors(cls, model: ResemblanceModel, vectors: Vectors) -> Cohort:
        """The cohort of some strangers, one embedding each, (N, D).

        Raises ResemblanceError for fewer than `FEWEST_FACES`, or for faces that do not vary.
        """
        if len(vectors) < FEWEST_FACES:
            raise ResemblanceError(
                f"a cohort needs at least {FEWEST_FACES} faces of different people, not "
                f"{len(vectors)}: add photos"
            )
        rows = comparable(vectors, model.mean, model.transform)
        z = _stranger_z_scores(rows @ rows.T)
        if not (np.isfinite(z).all() and z.std() > 0):
            raise ResemblanceError("the faces of the cohort do not vary: are they one photo?")
        return cls(
            model.name,
            len(rows),
            rows.mean(axis=0).astype(np.float32),
            np.cov(rows, rowvar=False).astype(np.float32),
            float(z.mean()),
            float(z.std()),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the cohort to an .npz; the same cohort gives the same bytes."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        Path(path).write_bytes(pack_arrays(_KIND, arrays))


def read_cohort(path: str | os.PathLike[str]) -> Cohort:
    """The cohort in a file that `Cohort.save` wrote. Raises ResemblanceError for any other file."""
    try:
        values: dict[str, Any] = dict(read_arrays(_archive_in(Path(path))))
        if str(values.pop("kind", "")) != _KIND or values.keys() != {
            field.name for field in fields(Cohort)
        }:
            raise ValueError("it holds other arrays")
        cohort = Cohort(
            str(values["model"]), int(values["faces"]), values["mean"], values["covariance"],
            float(values["z_mean"]), float(values["z_deviation"]),
        )  # fmt: skip
        numbers = [
            *cohort.mean.ravel(),
            *cohort.covariance.ravel(),
            cohort.z_mean,
            cohort.z_deviation,
        ]
        if not (np.isfinite(numbers).all() and cohort.z_deviation > 0):
            raise ValueError("its numbers are not finite")
        if cohort.mean.ndim != 1 or cohort.covariance.shape != cohort.mean.shape * 2:
            raise ValueError("its mean and its covariance do not fit each other")
    except (OSError, ValueError, TypeError) as error:
        raise ResemblanceError(
            f"{os.fspath(path)} is no cohort ({error}): make one with `facematch cohort PHOTOS -o "
            f"FILE.npz`"
        ) from error
    return cohort


def _archive_in(path: Path) -> bytes:
    """The bytes of a file. Raises ValueError where it is none, or too large to be read."""
    if not path.is_file():  # a pipe would be waited for
        raise ValueError("there is no such file")
    if path.stat().st_size > MOST_ARCHIVE_BYTES:
        raise ValueError(f"over {MOST_ARCHIVE_BYTES:,} bytes")
    return path.read_bytes()


@lru_cache(maxsize=4)
def model_with_cohort(model: ResemblanceModel, cohort: Cohort) -> ResemblanceModel:
    """The model whose strangers are those of the cohort.

    z-scores are scaled so that two strangers of the cohort have the mean and the standard deviation
    of the strangers that the model was calibrated on. The likelihood ratio is not known: nobody
    measured how alike relatives are among such people. Raises ResemblanceError where another model
    made the cohort.
    """
    if cohort.model != model.name:
        raise ResemblanceError(
            f"a cohort for {cohort.model}, but the engine uses {model.name}: make it again with "
            "the same embedder"
        )
    middle, deviation = _calibrated_strangers(model)
    scale = cohort.z_deviation / deviation
    offset = cohort.z_mean - middle * scale
    return replace(
        model,
        parent_mean=cohort.mean,
        parent_covariance=cohort.covariance,
        child_mean=cohort.mean,
        child_covariance=cohort.covariance,
        group_share=np.zeros(1, np.float32),
        stratum_means=np.full_like(model.stratum_means, offset),
        stratum_deviations=np.full_like(model.stratum_deviations, np.log(scale) / 2),
        log_ratio=_NO_RATIO,
    )


def _calibrated_strangers(model: ResemblanceModel) -> tuple[float, float]:
    """Mean and standard deviation of the z-scores of strangers that the model was calibrated on.

    They are those of the normal distribution through the percentiles 16, 50 and 84.
    """
    low, middle, high = np.interp([15.87, 50, 84.13], model.scores, model.distances)
    return float(middle), float(high - low) / 2


def _stranger_z_scores(cosines: Floats) -> Floats:
    """The z-scores of all pairs, each face standardised by its cosines with all but those two.

    Shapes: (N, N) -> (N (N - 1) / 2,).
    """
    others = cosines.copy()
    np.fill_diagonal(others, 0)
    count = len(others) - 2
    sums = others.sum(axis=1, keepdims=True) - others
    squares = (others**2).sum(axis=1, keepdims=True) - others**2
    mean = sums / count
    variance = (squares - count * mean**2) / (count - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (others - mean) / np.sqrt(variance)
    return np.asarray(((z + z.T) / 2)[np.triu_indices(len(z), 1)])

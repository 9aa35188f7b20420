"""Ages and populations of a data set's photos: from a table, or as the engine estimates them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.errors import ProtocolError, TableError
from facematch.evaluation.kin import Indices
from facematch.runtime.tables import read_table
from facematch.scoring.resemblance import ResemblanceModel, comparable
from facematch.scoring.strata import probabilities
from facematch.types import Vectors

Floats = NDArray[np.float64]

LABELS = "fiw-train-ages.csv"
# The populations that the table of FIW's faces names, "other" as UTKFace has it. The shipped models
# number them so.
POPULATIONS = (
    "white", "black", "asian", "indian", "latino hispanic", "middle eastern", "other",
)  # fmt: skip
OWN_ESTIMATES = "the engine's own estimates"


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Ages (N,) in years, NaN where not known, and populations (N,) of N photos.

    `populations` are numbers of `names`, -1 where not known. `source` says who labelled them.
    """

    source: str
    ages: Floats
    populations: Indices
    names: tuple[str, ...]

    def of_rows(self, rows: Sequence[int]) -> Labels:
        """Those of some of the photos."""
        return replace(self, ages=self.ages[rows], populations=self.populations[rows])

    @property
    def known(self) -> int:
        """How many photos have both labels."""
        return int((np.isfinite(self.ages) & (self.populations >= 0)).sum())


def read_labels(table: Path, photos: Sequence[str]) -> Labels:
    """The labels of some photos in a CSV with columns face, age and population.

    `face` is the photo's path below the data set's folder. Raises ProtocolError for other columns
    or ages, and where the table names none of the photos.
    """
    try:
        rows = {row["face"]: row for row in read_table(table, ("face", "age", "population"))}
        found = [rows.get(photo, {}) for photo in photos]
        ages = np.array([float(row.get("age") or "nan") for row in found])
    except (TableError, ValueError) as error:
        raise ProtocolError(
            f"{table} does not label the photos ({error}): columns face (the path of a photo), age "
            "(in years) and population are needed"
        ) from error
    if not any(found):
        raise ProtocolError(
            f"{table} names none of the photos: its column face must hold paths like {photos[0]}"
        )
    told = [row.get("population", "").lower() for row in found]
    names = (*POPULATIONS, *sorted(set(told) - {"", *POPULATIONS}))
    number = {name: i for i, name in enumerate(names)}
    populations = np.array([number.get(name, -1) for name in told], np.intp)
    return Labels(table.name, ages, populations, names)


def labelled_photos(table: Path) -> list[str]:
    """The photos that such a table names. Raises ProtocolError where it has no column face."""
    try:
        return [row["face"] for row in read_table(table, ("face",))]
    except TableError as error:
        raise ProtocolError(f"{error}; it must name the photos") from error


def estimated_labels(model: ResemblanceModel, vectors: Vectors) -> Labels:
    """The likeliest population and the mean age that the model estimates for each vector."""
    rows = comparable(vectors, model.mean, model.transform)
    likely = probabilities(rows, model.population_axes, model.population_offsets).argmax(axis=1)
    count = len(model.population_offsets)
    names: tuple[str, ...] = POPULATIONS
    if count != len(POPULATIONS):  # a model of other populations does not name them
        names = tuple(f"population {number}" for number in range(1, count + 1))
    return Labels(OWN_ESTIMATES, model.ages(vectors)[0], likely, names)

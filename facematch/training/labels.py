"""Labels of faces: the ages and populations that strata are fitted on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.engine import open_engine
from facematch.errors import FacematchError
from facematch.evaluation.fiw import embed_families, read_families
from facematch.evaluation.kin import Indices, Kin
from facematch.evaluation.labelled_faces import LabelledFaces
from facematch.evaluation.labels import LABELS, POPULATIONS
from facematch.evaluation.utkface import (
    NAMED_SO,
    age_and_population,
    list_pictures,
    open_pictures,
)
from facematch.runtime.tables import read_table
from facematch.types import Chips, Embedder, Vectors

Floats = NDArray[np.float64]

_MIN_FACE = 60  # pixels; the pictures have 200, and the face fills more than a third
_PICTURES_PER_REPORT = 1000
_EMBEDDED_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPictures:
    """The chips (N, S, S, 3) of unrelated people, with their ages and populations, (N,)."""

    chips: Chips
    ages: Floats
    populations: Indices

    def embedded(self, vectors: Vectors) -> LabelledFaces:
        """The faces with these vectors, (N, D)."""
        each = np.arange(len(vectors))
        return LabelledFaces(vectors, self.ages, self.populations, each, each, np.zeros_like(each))


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """What a resemblance model is fitted on.

    `labelled` are the faces of `kin` in their order, `others` those of the `pictures`. `names` (F,)
    are the families'.
    """

    kin: Kin
    names: NDArray[np.str_]
    labelled: LabelledFaces
    pictures: LabelledPictures
    others: LabelledFaces


def read_training_data(
    data: Path,
    embedder: Embedder,
    held_back: Collection[str],
    strangers: Path,
    report: Callable[[str], None],
) -> TrainingData:
    """The families of `data` (see fiw.py) but those held back, and labelled strangers, embedded.

    Raises FacematchError where the data cannot be read.
    """
    faces, _, _ = read_families(data, held_back)
    kin, families = embed_families(data, embedder, held_back, report)
    pictures = read_pictures(strangers, embedder, report)
    return TrainingData(
        kin=kin,
        names=families[np.unique(kin.family[kin.person])],
        labelled=label_families(kin, faces, data / LABELS),
        pictures=pictures,
        others=pictures.embedded(embed_chips(embedder, pictures.chips)),
    )


def label_families(kin: Kin, names: Sequence[str], table: Path) -> LabelledFaces:
    """The faces of some families, with the ages and populations that a table gives.

    It has the columns face, age and population. Raises FacematchError where it cannot be read.
    """
    rows = {row["face"]: row for row in read_table(table, ("face", "age", "population"))}
    found = [rows.get(name, {}) for name in names]
    ages = [float(row.get("age") or "nan") for row in found]
    number = {name: at for at, name in enumerate(POPULATIONS)}
    return LabelledFaces(
        vectors=kin.vectors,
        ages=np.array(ages, np.float64),
        populations=np.array([number.get(row.get("population", ""), -1) for row in found], np.intp),
        people=kin.person,
        families=kin.family[kin.person],
        data_sets=np.zeros(len(names), np.intp),
    )


def read_pictures(
    path: Path, embedder: Embedder, report: Callable[[str], None]
) -> LabelledPictures:
    """The largest face of each picture in a folder or zip archive of UTKFace.

    Names are AGE_SEX_POPULATION_*.jpg; other files are passed over. Raises FacematchError where
    there is no such picture.
    """
    engine = open_engine(embedder=embedder)
    chips, labels = [], []
    for picture in open_pictures(path, list_pictures(path)):
        found = engine.detector.detect(picture.pixels, min_face=_MIN_FACE)
        if found:
            chips.append(engine.portrait(picture, found).chips[0])
            labels.append(age_and_population(picture.label))
            if len(chips) % _PICTURES_PER_REPORT == 0:
                report(f"{len(chips):,} labelled pictures read")
    if not chips:
        raise FacematchError(f"{path} shows no face in a picture named {NAMED_SO}")
    ages, populations = zip(*labels, strict=True)
    return LabelledPictures(np.stack(chips), np.array(ages), np.array(populations, np.intp))


def embed_chips(embedder: Embedder, chips: Chips) -> Vectors:
    """The vectors of many chips, (N, D)."""
    starts = range(0, len(chips), _EMBEDDED_BATCH)
    return np.concatenate([embedder.embed(chips[at : at + _EMBEDDED_BATCH]) for at in starts])

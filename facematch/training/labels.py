"""Labels of faces: the ages and populations that strata are fitted on."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.engine import open_engine
from facematch.errors import FacematchError
from facematch.evaluation.fiw import embed_families, read_families
from facematch.evaluation.fiw_faces import MOST_FACE_BYTES, decode_face
from facematch.evaluation.kin import Indices, Kin
from facematch.runtime.tables import read_table
from facematch.training.strata import Floats, LabelledFaces
from facematch.types import Chips, Embedder, Photo, Vectors

LABELS = "fiw-train-ages.csv"
# The populations that the table of FIW's faces names, "other" as UTKFace has it.
POPULATIONS = (
    "white", "black", "asian", "indian", "latino hispanic", "middle eastern", "other",
)  # fmt: skip
_UTKFACE_POPULATIONS = (0, 1, 2, 3, 6)  # its digits, in numbers of POPULATIONS
_PICTURE_NAME = re.compile(r"(?:.*/)?(\d{1,3})_[01]_([0-4])_[^/]*\.jpe?g", re.IGNORECASE)
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
    chips, ages, populations = [], [], []
    for name, data in _open_pictures(path):
        pixels = decode_face(name, data)
        portrait = engine.portrait(
            Photo(name, pixels), engine.detector.detect(pixels, min_face=_MIN_FACE)
        )
        found = _PICTURE_NAME.fullmatch(name)
        if found is not None and portrait.faces:
            chips.append(portrait.chips[0])
            ages.append(float(found[1]))
            populations.append(_UTKFACE_POPULATIONS[int(found[2])])
            if len(chips) % _PICTURES_PER_REPORT == 0:
                report(f"{len(chips):,} labelled pictures read")
    if not chips:
        raise FacematchError(f"{path} shows no face in a picture named AGE_SEX_POPULATION_*.jpg")
    return LabelledPictures(np.stack(chips), np.array(ages), np.array(populations, np.intp))


def embed_chips(embedder: Embedder, chips: Chips) -> Vectors:
    """The vectors of many chips, (N, D)."""
    starts = range(0, len(chips), _EMBEDDED_BATCH)
    return np.concatenate([embedder.embed(chips[at : at + _EMBEDDED_BATCH]) for at in starts])


def _open_pictures(path: Path) -> Iterator[tuple[str, bytes]]:
    """The names and bytes of the labelled pictures, in order."""
    try:
        if path.is_dir():
            for each in sorted(path.rglob("*")):
                if _PICTURE_NAME.fullmatch(each.name) and each.stat().st_size < MOST_FACE_BYTES:
                    yield each.name, each.read_bytes()
            return
        with zipfile.ZipFile(path) as archive:
            for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
                is_small = entry.file_size < MOST_FACE_BYTES
                if is_small and _PICTURE_NAME.fullmatch(entry.filename):
                    yield entry.filename, archive.read(entry)
    except (OSError, zipfile.BadZipFile) as error:
        raise FacematchError(f"{path} cannot be read ({error}): see SOURCES.md") from error

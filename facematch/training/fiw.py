"""Families In the Wild, its training part: from the archive to vectors, nothing kept on disk.

`fiw-train.zip` holds faces of 112x112 pixels, aligned already, as FAMILY/MEMBER/photo.jpg;
`fiw-train-relations.csv` says who is whose parent (columns family, a, b, a_is, a_sex, b_sex).
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.align import crop_faces
from facematch.errors import FacematchError
from facematch.landmarks import LandmarkLocator
from facematch.training.kin import Kin
from facematch.types import Embedder, Face, Pixels

ARCHIVE, RELATIONS = "fiw-train.zip", "fiw-train-relations.csv"
# The median box that the MMOD detector finds in 150 of these crops; they are aligned alike.
BOX = (12.25, 22.75, 94.25, 104.75)
_BATCH = 64
_MOST_BYTES = 2**20  # of one face; the largest has 10 kB
_SIDE = 112
_NAME = re.compile(r"(F\d+)/(MID\d+)/[^/]+\.jpg")


def read_fiw(
    data: Path, embedder: Embedder, report: Callable[[str], None]
) -> tuple[Kin, NDArray[np.float64]]:
    """Everyone's photos embedded, and the colours of each: see `colours`.

    Raises FacematchError where the files are not there or hold no such data.
    """
    members, vectors, shades = [], [], []
    locator = LandmarkLocator()
    faces = _faces(data / ARCHIVE)
    while batch := list(islice(faces, _BATCH)):
        pictures = [pixels for _, pixels in batch]
        chips = [
            crop_faces(pixels, [Face(BOX, 1.0, locator.locate(pixels, [BOX])[0])], embedder.frame)
            for pixels in pictures
        ]
        vectors.append(embedder.embed(np.concatenate(chips)))
        shades.append(np.array([colours(pixels) for pixels in pictures]))
        members += [member for member, _ in batch]
        if len(vectors) % 50 == 0:
            report(f"{len(members):,} faces embedded")
    people = {member: number for number, member in enumerate(dict.fromkeys(members))}
    families = {family: number for number, family in enumerate(sorted({f for f, _ in people}))}
    parents, children, relations = _relations(data / RELATIONS, people)
    kin = Kin(
        vectors=np.concatenate(vectors),
        person=np.array([people[member] for member in members], np.intp),
        family=np.array([families[family] for family, _ in people], np.intp),
        parents=parents,
        children=children,
        relations=relations,
    )
    return kin, np.concatenate(shades)


def colours(pixels: Pixels) -> NDArray[np.float64]:
    """Mean and standard deviation of each channel, RGB and Lab: all a colour test sees, (12,).

    Pairs cut from one photograph share its light; what these numbers find of kinship, a face
    model may have found in the same way.
    """
    import cv2

    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    channels = np.concatenate([pixels, lab], axis=2).reshape(-1, 6).astype(np.float64)
    return np.concatenate([channels.mean(axis=0), channels.std(axis=0)])


def _faces(archive: Path) -> Iterator[tuple[tuple[str, str], Pixels]]:
    """Family and member, and the picture, in the order of the names."""
    try:
        with zipfile.ZipFile(archive) as entries:
            named = [(_NAME.fullmatch(entry.filename), entry) for entry in entries.infolist()]
            known = [
                (name, entry) for name, entry in named if name and entry.file_size < _MOST_BYTES
            ]
            for name, entry in sorted(known, key=lambda each: each[1].filename):
                yield (name[1], name[2]), _decoded(entries.read(entry))
    except (OSError, zipfile.BadZipFile) as error:
        raise FacematchError(f"{archive} cannot be read ({error}): see SOURCES.md") from error
    if not known:
        raise FacematchError(f"{archive} holds no face named FAMILY/MEMBER/photo.jpg")


def _decoded(data: bytes) -> Pixels:
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        if image.size != (_SIDE, _SIDE):
            raise FacematchError(f"a face of {image.size} pixels; FIW's have {_SIDE}x{_SIDE}")
        return np.asarray(image.convert("RGB"))


def _relations(
    path: Path, people: dict[tuple[str, str], int]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.str_]]:
    """Parents, children, and which of fs, fd, ms, md they are; those with photos of both."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["a_is"] == "parent"]
            found = [
                (
                    people[row["family"], row["a"]],
                    people[row["family"], row["b"]],
                    {"m": "f", "f": "m"}[row["a_sex"]] + {"m": "s", "f": "d"}[row["b_sex"]],
                )
                for row in rows
                if (row["family"], row["a"]) in people and (row["family"], row["b"]) in people
            ]
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise FacematchError(f"{path} cannot be read ({error!r}): see SOURCES.md") from error
    if not found:
        raise FacematchError(f"{path} names no parent and child with photos")
    parents, children, relations = zip(*found, strict=True)
    return np.array(parents, np.intp), np.array(children, np.intp), np.array(relations)

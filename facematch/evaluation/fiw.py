"""Families In the Wild: who is shown, who is whose kin, and the pictures; nothing kept on disk.

Faces are aligned already, as FAMILY/MEMBER/photo.jpg in a folder or in `fiw-train.zip`;
`fiw-train-relations.csv` says who is whose kin (columns family, a, b, a_is, a_sex, b_sex).
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.detection.alignment import crop_faces
from facematch.detection.landmarks import LandmarkLocator
from facematch.detection.whole import aligned
from facematch.errors import FacematchError
from facematch.evaluation.kin import Kin
from facematch.types import Embedder, Face, Frame, Photo, Pixels

ARCHIVE, RELATIONS = "fiw-train.zip", "fiw-train-relations.csv"
PARENT_CHILD = ("fs", "fd", "ms", "md")
_BATCH = 64
_MOST_BYTES = 2**20  # of one face; the largest has 10 kB
_NAME = re.compile(r"(F\d+)/(MID\d+)/[^/]+\.jpg")
_PHOTOGRAPH = re.compile(r"(P\d+)_face")
_ROLES = {"parent": {"m": "f", "f": "m"}, "grandparent": {"m": "gf", "f": "gm"}}
_CHILDREN = {"parent": {"m": "s", "f": "d"}, "grandparent": {"m": "gs", "f": "gd"}}
_SIBLINGS = {("m", "m"): "bb", ("f", "f"): "ss", ("m", "f"): "sibs", ("f", "m"): "sibs"}


def family_of(name: str) -> str:
    """The family in FAMILY/MEMBER/photo.jpg."""
    return name.split("/")[0]


def photograph_of(name: str) -> str | None:
    """Which photograph a face was cut from, as far as its name tells: FAMILY/P00001."""
    found = _PHOTOGRAPH.search(name)
    return f"{family_of(name)}/{found[1]}" if found else None


def list_faces(root: Path) -> list[str]:
    """All faces below a folder or in an archive, by name.

    Raises FacematchError where it cannot be read or holds none.
    """
    if root.is_dir():
        found = [path.relative_to(root).as_posix() for path in root.glob("*/*/*.jpg")]
    else:
        with _archive(root) as entries:
            found = [
                entry.filename for entry in entries.infolist() if entry.file_size < _MOST_BYTES
            ]
    names = sorted(name for name in found if _NAME.fullmatch(name))
    if not names:
        raise FacematchError(f"{root} holds no face named FAMILY/MEMBER/photo.jpg")
    return names


def open_faces(archive: Path, names: Sequence[str]) -> Iterator[Photo]:
    """The faces of an archive, one after another. Raises FacematchError where one is none."""
    with _archive(archive) as entries:
        for name in names:
            yield Photo(name, _decoded(name, entries.read(name)))


def read_relations(root: Path, relations: Path) -> tuple[list[str], Kin, NDArray[np.str_]]:
    """The names of all faces, who they are to each other, and the families that `Kin` numbers.

    Vectors have no dimensions yet.

    Relations are those of parents and children (fs, fd, ms, md), of siblings (bb, ss, sibs, the
    brother first) and of grandparents (gfgs and so on). Raises FacematchError where the files
    cannot be read, or no parent and child have photos.
    """
    names = list_faces(root)
    members = [(each[1], each[2]) for name in names if (each := _NAME.fullmatch(name))]
    people = {member: number for number, member in enumerate(dict.fromkeys(members))}
    families = {family: at for at, family in enumerate(sorted({each for each, _ in people}))}
    found = _relations(relations, people)
    if not any(relation in PARENT_CHILD for _, _, relation in found):
        raise FacematchError(f"{relations} names no parent and child with photos")
    one, other, kinds = zip(*found, strict=True)
    kin = Kin(
        vectors=np.empty((len(names), 0), np.float32),
        person=np.array([people[member] for member in members], np.intp),
        family=np.array([families[family] for family, _ in people], np.intp),
        parents=np.array(one, np.intp),
        children=np.array(other, np.intp),
        relations=np.array(kinds),
    )
    return names, kin, np.array(list(families))


def read_families(data: Path, left_out: Collection[str]) -> tuple[list[str], Kin, NDArray[np.str_]]:
    """As `read_relations` of the files in `data`, without the faces of some families."""
    names, kin, families = read_relations(data / ARCHIVE, data / RELATIONS)
    wanted = np.flatnonzero(~np.isin(families, list(left_out)))
    shown = np.flatnonzero(np.isin(kin.family[kin.person], wanted))
    return [names[at] for at in shown], kin.of_families(wanted), families


def read_fiw(
    data: Path, embedder: Embedder, left_out: Collection[str], report: Callable[[str], None]
) -> tuple[Kin, NDArray[np.str_]]:
    """Everyone in `data`/fiw-train.zip embedded, but for the families left out; and all families.

    Gives the photos' vectors (N, D) and who they show, and the names (F,) of what `Kin.family`
    numbers. Raises FacematchError where the files are not there or hold no such data.
    """
    names, kin, families = read_families(data, left_out)
    photos = open_faces(data / ARCHIVE, names)
    locator = LandmarkLocator()
    vectors = [embedder.embed(np.empty((0, *embedder.frame.shape), np.uint8))]
    while batch := list(islice(photos, _BATCH)):
        chips = [cut_chip(photo.pixels, locator, embedder.frame) for photo in batch]
        vectors.append(embedder.embed(np.stack(chips)))
        if len(vectors) % 50 == 0:
            report(f"{_BATCH * (len(vectors) - 1):,} of {len(names):,} faces embedded")
    return replace(kin, vectors=np.concatenate(vectors)), families


def cut_chip(pixels: Pixels, locator: LandmarkLocator, frame: Frame) -> Pixels:
    """The chip of an aligned face, its box where FIW's faces are."""
    return np.asarray(crop_faces(pixels, [located(pixels, locator)], frame)[0])


def located(pixels: Pixels, locator: LandmarkLocator) -> Face:
    """The face of an aligned picture with its landmarks."""
    (face,) = aligned().detect(pixels)
    return replace(face, landmarks=locator.locate(pixels, [face.box])[0])


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise FacematchError(f"{path} cannot be read ({error}): see SOURCES.md") from error


def _decoded(name: str, data: bytes) -> Pixels:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            if max(image.size) > 1024:
                raise FacematchError(f"{name}: {image.size} pixels; aligned faces have fewer")
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError) as error:
        raise FacematchError(f"{name} is no JPEG ({error})") from error


def _relations(path: Path, people: dict[tuple[str, str], int]) -> list[tuple[int, int, str]]:
    """The older, the younger, and what they are, of all who have photos."""
    found = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                one, other = (people.get((row["family"], row[who])) for who in ("a", "b"))
                kind, sexes = row["a_is"], (row["a_sex"], row["b_sex"])
                if one is None or other is None:
                    continue
                if kind in _ROLES:
                    found.append((one, other, _ROLES[kind][sexes[0]] + _CHILDREN[kind][sexes[1]]))
                elif kind == "sibling":
                    pair = (other, one) if sexes == ("f", "m") else (one, other)
                    found.append((*pair, _SIBLINGS[sexes]))
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise FacematchError(f"{path} cannot be read ({error!r}): see SOURCES.md") from error
    return found

"""The faces of Families In the Wild: their names and their pictures.

Faces are aligned already. They lie as FAMILY/MEMBER/photo.jpg in a folder or in `fiw-train.zip`;
nothing is unpacked to disk.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from facematch.detection.alignment import crop_faces
from facematch.detection.landmarks import LandmarkLocator
from facematch.detection.whole import aligned
from facematch.errors import FacematchError
from facematch.types import Face, Frame, Photo, Pixels

ARCHIVE = "fiw-train.zip"
FACE_NAME = re.compile(r"(F\d+)/(MID\d+)/[^/]+\.jpg")
_FAMILY_NAME = re.compile(r"(?:^|/)(F\d+)/MID\d+/")
_PHOTOGRAPH_NAME = re.compile(r"(P\d+)_face")
MOST_FACE_BYTES = 2**20  # the largest face has 10 kB
_MOST_FACE_SIDE = 1024


def family_of(name: str) -> str:
    """The family in FAMILY/MEMBER/photo.jpg, wherever these stand in the path."""
    found = _FAMILY_NAME.search(name)
    return found[1] if found else name.split("/")[0]


def photograph_of(name: str) -> str | None:
    """Which photograph a face was cut from, FAMILY/P00001; None where its name does not tell."""
    found = _PHOTOGRAPH_NAME.search(name)
    return f"{family_of(name)}/{found[1]}" if found else None


def share_photograph(names: Sequence[str]) -> bool:
    """Whether FIW cut two of these faces from one photograph."""
    photographs = [photograph_of(name) for name in names]
    return None not in photographs and len(set(photographs)) < len(photographs)


def list_faces(root: Path) -> list[str]:
    """All faces below a folder or in an archive, by name.

    Raises FacematchError where it cannot be read or holds none.
    """
    if root.is_dir():
        names = [path.relative_to(root).as_posix() for path in root.glob("*/*/*.jpg")]
    else:
        with _open_archive(root) as entries:
            names = [
                entry.filename for entry in entries.infolist() if entry.file_size < MOST_FACE_BYTES
            ]
    faces = sorted(name for name in names if FACE_NAME.fullmatch(name))
    if not faces:
        raise FacematchError(f"{root} holds no face named FAMILY/MEMBER/photo.jpg")
    return faces


def open_faces(archive: Path, names: Sequence[str]) -> Iterator[Photo]:
    """The faces of an archive, one after another.

    Raises FacematchError for an entry that is no small JPEG.
    """
    with _open_archive(archive) as entries:
        for name in names:
            data = entries.read(name)
            yield Photo(name, decode_face(name, data), digest=sha256(data).hexdigest())


def locate_face(pixels: Pixels, locator: LandmarkLocator) -> Face:
    """The face of an aligned picture with its landmarks."""
    (face,) = aligned().detect(pixels)
    return replace(face, landmarks=locator.locate(pixels, [face.box])[0])


def cut_chip(pixels: Pixels, locator: LandmarkLocator, frame: Frame) -> Pixels:
    """The chip of an aligned face."""
    return np.asarray(crop_faces(pixels, [locate_face(pixels, locator)], frame)[0])


def _open_archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise FacematchError(f"{path} cannot be read ({error}): see SOURCES.md") from error


def decode_face(name: str, data: bytes) -> Pixels:
    """The pixels of a small JPEG. Raises FacematchError for anything else."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            if max(image.size) > _MOST_FACE_SIDE:
                raise FacematchError(f"{name}: {image.size} pixels; cropped faces have fewer")
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError) as error:
        raise FacematchError(f"{name} is no JPEG ({error})") from error

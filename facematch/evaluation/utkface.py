"""UTKFace: pictures of unrelated people, whose names tell age and population."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from facematch.errors import FacematchError
from facematch.evaluation.fiw_faces import MOST_FACE_BYTES, decode_face, open_faces
from facematch.types import Photo

NAMED_SO = "AGE_SEX_POPULATION_*.jpg"
_PICTURE_NAME = re.compile(r"(?:.*/)?(\d{1,3})_[01]_([0-4])_[^/]*\.jpe?g", re.IGNORECASE)
_POPULATION_OF_DIGIT = (0, 1, 2, 3, 6)  # in numbers of labels.POPULATIONS


def list_pictures(root: Path) -> list[str]:
    """The pictures so named below a folder or in a zip archive, by path; others are passed over.

    Raises FacematchError where it cannot be read.
    """
    try:
        if root.is_dir():
            paths = [path for path in root.rglob("*") if _PICTURE_NAME.fullmatch(path.name)]
            small = [path for path in paths if path.stat().st_size < MOST_FACE_BYTES]
            return sorted(path.relative_to(root).as_posix() for path in small)
        with zipfile.ZipFile(root) as archive:
            entries = [each for each in archive.infolist() if each.file_size < MOST_FACE_BYTES]
    except (OSError, zipfile.BadZipFile) as error:
        raise FacematchError(f"{root} cannot be read ({error}): see SOURCES.md") from error
    return sorted(each.filename for each in entries if _PICTURE_NAME.fullmatch(each.filename))


def open_pictures(root: Path, names: Sequence[str]) -> Iterator[Photo]:
    """The pictures of a folder or an archive. Raises FacematchError for one that is no JPEG."""
    if root.is_file():
        return open_faces(root, names)
    return (Photo(name, decode_face(name, (root / name).read_bytes())) for name in names)


def age_and_population(name: str) -> tuple[float, int]:
    """The age in years, and the number of the population, that a picture's name tells."""
    found = _PICTURE_NAME.fullmatch(name)
    if found is None:
        raise FacematchError(f"{name} is not named {NAMED_SO}")
    return float(found[1]), _POPULATION_OF_DIGIT[int(found[2])]

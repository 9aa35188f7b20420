"""Recognizing Families In the Wild: lists of pairs, of triples, and of probes and a gallery."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from facematch.errors import ProtocolError
from facematch.evaluation.fiw_faces import family_of, list_faces, share_photograph
from facematch.evaluation.protocols import (
    Listed,
    Protocol,
    Search,
    Trial,
    assign_folds,
    read_lines,
)
from facematch.runtime.tables import read_table


def read_rfiw(root: Path, pairs: Path, *, parents: int = 1) -> Protocol:
    """RFIW Track 1 (`parents` 1) or Track 2 (2): lines `index photo… type label`.

    The index and the type may be left out. Photos are FAMILY/MEMBER/photo.jpg below `root`; lists
    as distributed name folders before that, such as Validation/val-faces. Folds are by the first
    parent's family. Raises ProtocolError for a file that is not such a list.
    """
    lines = [re.split(r"[,\s]+", line.strip()) for line in read_lines(pairs)]
    lines = [line for line in lines if line[-1] in ("0", "1")]  # a first line names the columns
    rows = [_photos_and_type(line) for line in lines]
    wrong = [
        line for line, (photos, _) in zip(lines, rows, strict=True) if len(photos) != parents + 1
    ]
    if not rows or wrong:
        seen = f"not {' '.join(wrong[0])!r}" if wrong else "and none is"
        raise ProtocolError(
            f"{pairs}: a line must be `index photo… type label` with {parents + 1} photos, {seen}"
        )
    fold_of = assign_folds([family_of(photos[0]) for photos, _ in rows])
    trials = []
    for line, (listed, relation) in zip(lines, rows, strict=True):
        photos, label = [_below(root, photo) for photo in listed], line[-1]
        family = family_of(photos[0])
        trials.append(
            Trial(
                parents=tuple(photos[:-1]),
                child=photos[-1],
                kin=label == "1",
                relation=relation,
                family=family,
                fold=fold_of[family],
                shares_photograph=share_photograph(photos),
            )
        )
    families = frozenset(family_of(photo) for photos, _ in rows for photo in photos)
    return Protocol("rfiw" if parents == 1 else "tri", root, tuple(trials), families)


def _photos_and_type(line: Sequence[str]) -> tuple[list[str], str]:
    """The photos of a line, with plain slashes, and the type of relation; "" where it has none."""
    photos = [field.replace("\\", "/").removeprefix("./") for field in line if _is_photo(field)]
    words = [field for field in line[:-1] if not _is_photo(field) and not field.isdigit()]
    return photos, words[-1] if words else ""


def _is_photo(field: str) -> bool:
    return "/" in field or "\\" in field


def _below(root: Path, photo: str) -> str:
    """The photo's path below a folder, which may be the one that holds the families."""
    start = photo.find(f"{family_of(photo)}/")
    short = photo[max(start, 0) :]
    return short if not (root / photo).exists() and (root / short).exists() else photo


def read_search(root: Path, probes: Path, gallery: Path) -> Search:
    """RFIW Track 3: its `probe_list.csv` and `gallery_list.csv`, both with columns fid and ref.

    A probe's ref is FAMILY/MEMBER and stands for all photos of that member below `root`, a folder
    or FIW's archive. A gallery face's ref is FAMILY/MEMBER/photo.jpg. Lists of 2020 call ref
    "original". Raises ProtocolError for other lists, and for a probe without photos.
    """
    photos_of: dict[str, list[str]] = {}
    for photo in list_faces(root):
        photos_of.setdefault(photo.rsplit("/", 1)[0], []).append(photo)
    people = [
        Listed(family, tuple(photos_of.get(person.rstrip("/"), ())))
        for family, person in _references(probes)
    ]
    if missing := [person.family for person in people if not person.photos]:
        raise ProtocolError(f"{probes}: {root} shows no photo of a probe of family {missing[0]}")
    faces = tuple(Listed(family, (photo,)) for family, photo in _references(gallery))
    families = frozenset(person.family for person in (*people, *faces))
    return Search("search", root, tuple(people), faces, families)


def _references(path: Path) -> list[tuple[str, str]]:
    """Family and reference of each line of one of the lists."""
    rows = read_table(path)
    try:
        references = [(row["fid"], row.get("ref") or row["original"]) for row in rows]
    except KeyError as error:
        raise ProtocolError(f"{path}: columns fid and ref are needed ({error!r})") from error
    if not references:
        raise ProtocolError(f"{path} lists nobody")
    return references

"""Recognizing Families In the Wild: lists of pairs, of triples, and of probes and a gallery."""

from __future__ import annotations

import re
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

    Photos are FAMILY/MEMBER/photo.jpg below `root`. Folds are by the first parent's family. Raises
    ProtocolError for a file that is not such a list.
    """
    rows = [re.split(r"[,\s]+", line.strip()) for line in read_lines(pairs)]
    rows = [row for row in rows if row[-1] in ("0", "1")]  # a first line names the columns
    if not rows or any(len(row) != parents + 4 for row in rows):
        raise ProtocolError(
            f"{pairs}: a line must have {parents + 4} fields, `index photo… type label`"
        )
    fold_of = assign_folds([family_of(row[1]) for row in rows])
    trials = []
    for _, *photos, relation, label in rows:
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
    families = frozenset(family_of(photo) for row in rows for photo in row[1:-2])
    return Protocol("rfiw" if parents == 1 else "tri", root, tuple(trials), families)


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

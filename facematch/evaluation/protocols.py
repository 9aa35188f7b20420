"""Kinship and identity protocols, read from their data sets' own layouts; none is bundled.

A protocol is a list of trials: a child, a parent or two, whether they are kin, and the fold that
the trial belongs to. Photos are named by their paths below the data set's folder.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from facematch.errors import ProtocolError
from facematch.evaluation.fiw import family_of, list_faces, photograph_of, read_relations
from facematch.evaluation.kin import draw_pairs
from facematch.evaluation.metrics import require_sklearn

FOLDS = 5
_KINFACEW = {"fs": "father-son", "fd": "father-dau", "ms": "mother-son", "md": "mother-dau"}
_TRIAD = re.compile(r"(.+)-([FMSD])\.(?:jpe?g|png|bmp)", re.IGNORECASE)
_PAIRS_OF_EACH = 8  # photo pairs drawn of each of FIW's relations, and as many of strangers


@dataclass(frozen=True, slots=True)
class Trial:
    """Whether `child` is the child of `parents`, one photo or two, in the family given.

    `fold` says which threshold judges it: the one that is best for all other folds.
    """

    parents: tuple[str, ...]
    child: str
    kin: bool
    relation: str
    family: str
    fold: int
    shares_photograph: bool = False


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is measured: trials over photos below `root`, a folder or FIW's archive.

    `families` are all that appear, where the data set is FIW: a model fitted on one of them is not
    to be judged by it.
    """

    name: str
    root: Path
    trials: tuple[Trial, ...]
    families: frozenset[str] = frozenset()

    def photos(self) -> list[str]:
        """Every photo once, in the order of the trials."""
        named = (photo for trial in self.trials for photo in (*trial.parents, trial.child))
        return list(dict.fromkeys(named))


@dataclass(frozen=True, slots=True)
class Listed:
    """Somebody on a list: a probe by all their photos, a face of the gallery by its one."""

    family: str
    photos: tuple[str, ...]

    @property
    def person(self) -> str:
        """FAMILY/MEMBER."""
        return self.photos[0].rsplit("/", 1)[0]


@dataclass(frozen=True, slots=True)
class Search:
    """Whom to look for in a gallery of single faces: everyone of a probe's family is to be found.

    `root` and `families` are as a Protocol's.
    """

    name: str
    root: Path
    probes: tuple[Listed, ...]
    gallery: tuple[Listed, ...]
    families: frozenset[str]

    def photos(self) -> list[str]:
        """Every photo once, those of the probes first."""
        named = (photo for each in (*self.probes, *self.gallery) for photo in each.photos)
        return list(dict.fromkeys(named))


def read_kinfacew(root: Path) -> Protocol:
    """KinFaceW-I or -II: `images/` and `meta_data/`, its five folds, image-restricted."""
    trials = [
        Trial(
            parents=(f"images/{folder}/{parent}",),
            child=f"images/{folder}/{child}",
            kin=kin,
            relation=relation,
            family=parent.rsplit("_", 1)[0],
            fold=fold,
        )
        for relation, folder in _KINFACEW.items()
        for fold, kin, parent, child in _mat_pairs(root / "meta_data" / f"{relation}_pairs.mat")
    ]
    return _checked(Protocol("kinfacew", root, tuple(trials)))


def read_rfiw(root: Path, pairs: Path, *, parents: int = 1) -> Protocol:
    """RFIW Track 1 (`parents` 1) or Track 2 (2): lines `index photo… type label`.

    Photos are FAMILY/MEMBER/photo.jpg below `root`. Folds are drawn by the first parent's family.
    """
    rows = [re.split(r"[,\s]+", line.strip()) for line in _lines(pairs)]
    rows = [row for row in rows if row[-1] in ("0", "1")]  # a first line names the columns
    if not rows or any(len(row) != parents + 4 for row in rows):
        raise ProtocolError(
            f"{pairs}: a line must have {parents + 4} fields, `index photo… type label`"
        )
    fold_of = _folds([family_of(row[1]) for row in rows])
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
                shares_photograph=_shares(photos),
            )
        )
    families = frozenset(family_of(photo) for row in rows for photo in row[1:-2])
    return Protocol("rfiw" if parents == 1 else "tri", root, tuple(trials), families)


def read_fiw(root: Path, relations: Path, families: Path | None, *, seed: int = 0) -> Protocol:
    """FIW: pairs drawn of its relations, FAMILY/MEMBER/photo.jpg below a folder or in its archive.

    Of each relation 8 photo pairs, and as many with the child of another family of the same fold,
    of a relation of the same kind. `families` is a file that names the only ones to take.
    """
    wanted = None if families is None else set("\n".join(_lines(families)).split())
    names, kin, families_known = read_relations(root, relations)
    known = families_known.tolist()
    if wanted is not None and not wanted & set(known):
        raise ProtocolError(f"{families}: none of these families has photos in {root}")
    used = [at for at, family in enumerate(known) if wanted is None or family in wanted]
    fold_of = _folds([known[at] for at in used])
    rng = np.random.default_rng(seed)
    trials = []
    for fold in range(FOLDS):
        part = np.array([at for at in used if fold_of[known[at]] == fold], np.intp)
        photos = np.flatnonzero(np.isin(kin.family[kin.person], part))
        pairs = draw_pairs(kin.of_families(part), _PAIRS_OF_EACH, rng)
        columns = (photos[pairs.parents], photos[pairs.children], pairs.kin, pairs.relations)
        for one, other, is_kin, relation in zip(*(each.tolist() for each in columns), strict=True):
            trials.append(
                Trial(
                    parents=(names[one],),
                    child=names[other],
                    kin=is_kin,
                    relation=relation,
                    family=family_of(names[one]),
                    fold=fold,
                    shares_photograph=_shares((names[one], names[other])),
                )
            )
    return Protocol("fiw", root, tuple(trials), frozenset(known[at] for at in used))


def read_search(root: Path, probes: Path, gallery: Path) -> Search:
    """RFIW Track 3: its `probe_list.csv` and `gallery_list.csv`, columns fid and ref of each.

    A probe's ref is FAMILY/MEMBER, whose photos below `root`, a folder or FIW's archive, are all
    taken; a face's is FAMILY/MEMBER/photo.jpg. Lists of 2020 call ref "original".
    """
    photos_of: dict[str, list[str]] = {}
    for photo in list_faces(root):
        photos_of.setdefault(photo.rsplit("/", 1)[0], []).append(photo)
    sought = [
        Listed(family, tuple(photos_of.get(person.rstrip("/"), ())))
        for family, person in _references(probes)
    ]
    if empty := [each.family for each in sought if not each.photos]:
        raise ProtocolError(f"{probes}: {root} shows no photo of a probe of family {empty[0]}")
    faces = tuple(Listed(family, (photo,)) for family, photo in _references(gallery))
    families = frozenset(each.family for each in (*sought, *faces))
    return Search("search", root, tuple(sought), faces, families)


def read_tskinface(root: Path) -> Protocol:
    """TSKinFace: NNNN-F.jpg, -M, -S and -D, at any depth; both parents against the child.

    A stranger is the child of the same sex of the next family; folds are drawn by family.
    """
    groups: dict[str, dict[str, str]] = {}
    for path in sorted(root.rglob("*")):
        if found := _TRIAD.fullmatch(path.name):
            family = str(path.parent.relative_to(root) / found[1])
            groups.setdefault(family, {})[found[2].upper()] = str(path.relative_to(root))
    trials = []
    for role in "SD":
        whole = [family for family, group in groups.items() if {"F", "M", role} <= group.keys()]
        fold_of = _folds(whole)
        for fold in range(FOLDS):
            part = [family for family in whole if fold_of[family] == fold]
            for family, other in zip(part, [*part[1:], *part[:1]], strict=True):
                parents = (groups[family]["F"], groups[family]["M"])
                for child, kin in ((groups[family][role], True), (groups[other][role], False)):
                    relation = f"fm{role.lower()}"
                    trials.append(Trial(parents, child, kin, relation, family, fold))
    if not trials:
        raise ProtocolError(f"{root} holds no family of NNNN-F, -M and -S or -D pictures")
    return Protocol("tskinface", root, tuple(trials))


def read_lfw(root: Path, pairs: Path) -> Protocol:
    """LFW: identity, ten folds of pairs.txt; `kin` stands for the same person."""
    first, *rows = [line.split() for line in _lines(pairs)]
    try:
        folds, each = (int(number) for number in first)
        trials = []
        for at, row in enumerate(rows):
            one, other = (row[0], int(row[1])), (row[-2], int(row[-1]))
            kin = len(row) == 3
            if kin:
                other = (row[0], int(row[2]))
            photos = [f"{name}/{name}_{number:04}.jpg" for name, number in (one, other)]
            trials.append(
                Trial((photos[0],), photos[1], kin, "same person", row[0], at // (2 * each))
            )
    except (ValueError, IndexError) as error:
        raise ProtocolError(f"{pairs} is no pairs.txt of LFW ({error})") from error
    if len(rows) != 2 * folds * each:
        raise ProtocolError(f"{pairs}: {len(rows)} pairs; its first line says {2 * folds * each}")
    return Protocol("lfw", root, tuple(trials))


def read_labelled_pairs(table: Path) -> Protocol:
    """A CSV with columns parent, child and kin (1 or 0); relation, family and fold may be added.

    Photos are found as `facematch pairs` finds them. Without a family the parent's photo stands for
    one, without folds these are drawn by family.
    """
    with _opened(table) as file:
        rows = list(csv.DictReader(file))
    try:
        families = [row.get("family") or row["parent"] for row in rows]
        fold_of = _folds(families)
        trials = [
            Trial(
                parents=(row["parent"],),
                child=row["child"],
                kin={"1": True, "0": False}[row["kin"]],
                relation=row.get("relation") or "pairs",
                family=family,
                fold=int(row["fold"]) if row.get("fold") else fold_of[family],
            )
            for row, family in zip(rows, families, strict=True)
        ]
    except (KeyError, ValueError) as error:
        raise ProtocolError(
            f"{table}: columns parent, child and kin (1 or 0) are needed ({error!r})"
        ) from error
    protocol = Protocol("pairs", Path(), tuple(trials))
    return _checked(protocol) if rows and "fold" in rows[0] else protocol


def refuse_fitted(protocol: Protocol | Search, fitted: Iterable[str]) -> None:
    """Raise ProtocolError where the protocol holds families that the engine was fitted on."""
    if shared := protocol.families & set(fitted):
        raise ProtocolError(
            f"{len(shared)} of {len(protocol.families)} families, {min(shared)} among them, fitted "
            "the engine: its figures would mean nothing; take families that it never saw"
        )


def _checked(protocol: Protocol) -> Protocol:
    """The protocol. Raises ProtocolError where a photo is in two folds of a relation."""
    seen: dict[tuple[str, str], int] = {}
    for trial in protocol.trials:
        for photo in (*trial.parents, trial.child):
            if seen.setdefault((trial.relation, photo), trial.fold) != trial.fold:
                raise ProtocolError(
                    f"{photo} is in two folds: a threshold would be fitted on who is then judged"
                )
    return protocol


def _folds(families: Sequence[str]) -> dict[str, int]:
    """A fold for each family, about as many in each, the same in every run."""
    names = sorted(set(families))
    order = np.random.default_rng(0).permutation(len(names))
    return {names[at]: place % FOLDS for place, at in enumerate(order.tolist())}


def _shares(photos: Sequence[str]) -> bool:
    """Whether FIW cut two of these faces from one photograph."""
    named = [photograph_of(photo) for photo in photos]
    return None not in named and len(set(named)) < len(named)


def _mat_pairs(path: Path) -> list[tuple[int, bool, str, str]]:
    """The rows of one of KinFaceW's .mat files: fold, whether kin, parent's photo, child's."""
    require_sklearn()  # which brings scipy
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        rows: NDArray[np.object_] = loadmat(path)["pairs"]
        return [
            (int(fold.item()), bool(kin.item()), str(parent.item()), str(child.item()))
            for fold, kin, parent, child in rows
        ]
    except (OSError, KeyError, ValueError, TypeError, AttributeError, MatReadError) as error:
        raise ProtocolError(f"{path} is no pairs file of KinFaceW ({error})") from error


def _references(path: Path) -> list[tuple[str, str]]:
    """Family and reference of each line of one of RFIW's lists."""
    with _opened(path) as file:
        rows = list(csv.DictReader(file))
    try:
        found = [(row["fid"], row.get("ref") or row["original"]) for row in rows]
    except KeyError as error:
        raise ProtocolError(f"{path}: columns fid and ref are needed ({error!r})") from error
    if not found:
        raise ProtocolError(f"{path} lists nobody")
    return found


def _lines(path: Path) -> list[str]:
    with _opened(path) as file:
        return [line for line in file.read().splitlines() if line.strip()]


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield file
    except (OSError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{path} cannot be read ({error})") from error

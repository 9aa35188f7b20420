"""Families In the Wild: who is related to whom, everyone embedded, and a protocol of pairs.

`fiw-train-relations.csv` has the columns family, a, b, a_is, a_sex and b_sex.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.detection.landmarks import LandmarkLocator
from facematch.errors import FacematchError, ProtocolError
from facematch.evaluation.fiw_faces import (
    ARCHIVE,
    FACE_NAME,
    cut_chip,
    family_of,
    list_faces,
    open_faces,
    share_photograph,
)
from facematch.evaluation.kin import Kin, sample_pairs
from facematch.evaluation.protocols import FOLDS, Protocol, Trial, assign_folds, read_lines
from facematch.runtime.tables import read_table
from facematch.types import Embedder

RELATIONS = "fiw-train-relations.csv"
PARENT_CHILD = ("fs", "fd", "ms", "md")
_COLUMNS = ("family", "a", "b", "a_is", "a_sex", "b_sex")
_OLDER = {"parent": {"m": "f", "f": "m"}, "grandparent": {"m": "gf", "f": "gm"}}
_YOUNGER = {"parent": {"m": "s", "f": "d"}, "grandparent": {"m": "gs", "f": "gd"}}
_SIBLINGS = {("m", "m"): "bb", ("f", "f"): "ss", ("m", "f"): "sibs", ("f", "m"): "sibs"}
_FIW_BATCH = 64  # faces embedded at a time
_PAIRS_PER_RELATION = 8  # photo pairs of each relation in the protocol, and as many of strangers


def read_fiw(root: Path, relations: Path, families: Path | None, *, seed: int = 0) -> Protocol:
    """A protocol of sampled pairs; faces are FAMILY/MEMBER/photo.jpg in a folder or an archive.

    Each relation gives 8 photo pairs, and as many with the child of another family of the same
    fold, from a relation of the same kind. `families` is a file that names the only families to
    use. Raises ProtocolError where none of these has photos; what `read_relations` raises.
    """
    wanted = None if families is None else set("\n".join(read_lines(families)).split())
    names, kin, family_names = read_relations(root, relations)
    every = family_names.tolist()
    if wanted is not None and not wanted & set(every):
        raise ProtocolError(f"{families}: none of these families has photos in {root}")
    used = [i for i, family in enumerate(every) if wanted is None or family in wanted]
    fold_of = assign_folds([every[i] for i in used])
    rng = np.random.default_rng(seed)
    trials = []
    for fold in range(FOLDS):
        part = np.array([i for i in used if fold_of[every[i]] == fold], np.intp)
        photos = np.flatnonzero(np.isin(kin.family[kin.person], part))
        pairs = sample_pairs(kin.of_families(part), _PAIRS_PER_RELATION, rng)
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
                    shares_photograph=share_photograph((names[one], names[other])),
                )
            )
    return Protocol("fiw", root, tuple(trials), frozenset(every[i] for i in used))


def read_relations(root: Path, relations: Path) -> tuple[list[str], Kin, NDArray[np.str_]]:
    """The names of all faces, how they are related, and the names of the families in `Kin`.

    Vectors have no dimensions yet. Relations are those of parents and children (fs, fd, ms, md), of
    siblings (bb, ss, sibs with the brother first) and of grandparents (gfgs and so on). Raises
    FacematchError where the files cannot be read, or no parent and child have photos.
    """
    names = list_faces(root)
    members = [(found[1], found[2]) for name in names if (found := FACE_NAME.fullmatch(name))]
    people = {member: number for number, member in enumerate(dict.fromkeys(members))}
    families = {family: i for i, family in enumerate(sorted({family for family, _ in people}))}
    related = _relations(relations, people)
    if not any(relation in PARENT_CHILD for _, _, relation in related):
        raise FacematchError(f"{relations} names no parent and child with photos")
    one, other, kinds = zip(*related, strict=True)
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
    return [names[i] for i in shown], kin.of_families(wanted), families


def embed_families(
    data: Path, embedder: Embedder, left_out: Collection[str], report: Callable[[str], None]
) -> tuple[Kin, NDArray[np.str_]]:
    """Everyone in `data`/fiw-train.zip embedded, without the families left out.

    Gives the photos' vectors (N, D) and whom they show, and the names (F,) of all families that
    `Kin.family` numbers. Raises FacematchError where the files are missing or hold no such data.
    """
    names, kin, families = read_families(data, left_out)
    photos = open_faces(data / ARCHIVE, names)
    locator = LandmarkLocator()
    vectors = [embedder.embed(np.empty((0, *embedder.frame.shape), np.uint8))]
    while batch := list(islice(photos, _FIW_BATCH)):
        chips = [cut_chip(photo.pixels, locator, embedder.frame) for photo in batch]
        vectors.append(embedder.embed(np.stack(chips)))
        if len(vectors) % 50 == 0:
            report(f"{_FIW_BATCH * (len(vectors) - 1):,} of {len(names):,} faces embedded")
    return replace(kin, vectors=np.concatenate(vectors)), families


def _relations(path: Path, people: dict[tuple[str, str], int]) -> list[tuple[int, int, str]]:
    """The older person, the younger and their relation, of all pairs with photos."""
    related = []
    for row in read_table(path, _COLUMNS):
        one, other = (people.get((row["family"], row[who])) for who in ("a", "b"))
        if one is None or other is None:
            continue
        kind, sexes = row["a_is"], (row["a_sex"], row["b_sex"])
        try:
            if kind in _OLDER:
                related.append((one, other, _OLDER[kind][sexes[0]] + _YOUNGER[kind][sexes[1]]))
            elif kind == "sibling":
                pair = (other, one) if sexes == ("f", "m") else (one, other)
                related.append((*pair, _SIBLINGS[sexes]))
        except KeyError as error:
            raise FacematchError(f"{path}: {error} is no sex; m and f are") from error
    return related

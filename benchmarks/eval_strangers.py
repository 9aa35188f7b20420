"""What strangers of the same population do to the ROC AUC, on families held back.

    python benchmarks/eval_strangers.py [--data ../shared/kinship] [--json]

DATA holds fiw-train.zip and fiw-train-relations.csv of Families In the Wild, and
fiw-train-ages.csv, which names the population estimated for each face. The pairs of kin are those
of `facematch evaluate fiw`. Beside each stands the parent with a stranger of the child's sex: first
a stranger of any population, then one of the parent's population.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
from machine import machine
from measuring import fitted, kin_parser
from numpy.typing import NDArray

from facematch.embedding.registry import load_embedder
from facematch.evaluation.fiw import (
    PARENT_CHILD,
    RELATIONS,
    embed_families,
    read_families,
    read_fiw,
)
from facematch.evaluation.fiw_faces import ARCHIVE
from facematch.evaluation.metrics import auc, auc_interval
from facematch.scoring.resemblance import model_for
from facematch.weights.files import models_folder

POPULATIONS = "fiw-train-ages.csv"


def main() -> None:
    wanted = kin_parser(__doc__)
    wanted.add_argument("--embedder", default="kin")
    options = wanted.parse_args()
    data = options.data
    embedder = load_embedder(options.embedder)
    model = model_for(embedder.space)
    if model is None:
        sys.exit(f"no resemblance model fits {options.embedder}: nothing to measure")
    held_back = models_folder() / "held-back.txt"
    protocol = read_fiw(data / ARCHIVE, data / RELATIONS, held_back)
    kin = [each for each in protocol.trials if each.kin and each.relation in PARENT_CHILD]
    names, _, _ = read_families(data, fitted(data))
    vectors = embed_families(data, embedder, fitted(data), lambda _: None)[0].vectors
    row = {name: at for at, name in enumerate(names)}
    parents = np.array([row[each.parents[0]] for each in kin])
    children = np.array([row[each.child] for each in kin])
    relations = np.array([each.relation for each in kin])
    families = np.array([each.family for each in kin])
    population = populations_of(data / POPULATIONS, names)
    print(json.dumps({"machine": machine()}) if options.json else machine())
    for what in ("any population", "the parent's population"):
        rng = np.random.default_rng(0)
        groups = np.full(len(names), "any") if what == "any population" else population
        sides = (groups[parents], groups[children])
        kept, strangers = strangers_beside(sides, relations, families, rng)
        columns = np.concatenate([children[kept], children[strangers]])
        z = model.pair_z_scores(vectors[np.tile(parents[kept], 2)], vectors[columns])
        is_kin = np.repeat([True, False], len(kept))
        low, high = auc_interval(z, is_kin, np.tile(families[kept], 2), rng)
        result = {
            "strangers of": what,
            "pairs of kin": len(kept),
            "auc": round(auc(z, is_kin), 3),
            "interval": [round(low, 3), round(high, 3)],
            "mean score of strangers": round(float(model.calibrate(z[~is_kin])[0].mean()), 1),
        }
        line = ", ".join(f"{name}: {value}" for name, value in result.items())
        print(json.dumps(result) if options.json else line)


def populations_of(table: Path, names: list[str]) -> NDArray[np.str_]:
    """The population that the table names for each face, "" where it names none. Shape: (N,)."""
    with table.open(newline="", encoding="utf-8") as file:
        told = {row["face"]: row["population"] for row in csv.DictReader(file)}
    return np.array([told.get(name, "") for name in names])


def strangers_beside(
    groups: tuple[NDArray[np.str_], NDArray[np.str_]],
    relations: NDArray[np.str_],
    families: NDArray[np.str_],
    rng: np.random.Generator,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pairs of kin (N,) that have a stranger, and whose child the stranger is.

    A stranger is the child of a pair of another family, of the same relation, whose group is that
    of the parent; `groups` are those of parents and of children, (N,) each.
    """
    kept, strangers = [], []
    for pair, group in enumerate(groups[0]):
        same = (relations == relations[pair]) & (groups[1] == group)
        others = np.flatnonzero(same & (families != families[pair]))
        if group and len(others):
            kept.append(pair)
            strangers.append(rng.choice(others))
    return np.array(kept, np.intp), np.array(strangers, np.intp)


if __name__ == "__main__":
    main()

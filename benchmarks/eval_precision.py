"""What narrower vectors cost: ROC AUC and ten best with float32, float16 and int8.

    python benchmarks/eval_precision.py [--data ../shared/kinship] [--json]

DATA holds fiw-train.zip and fiw-train-relations.csv of Families In the Wild. The families held back
are used, with the pairs of `facematch evaluate fiw`. int8 scales each unit vector by its own
largest value: a byte a dimension and 4 for the scale. "found" is the share of each face's ten
nearest others, by float32, that are among the ten nearest by the narrower vectors too.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
from machine import machine
from measuring import kin_parser

from facematch.engine import open_engine
from facematch.evaluation.enrolled import enrol
from facematch.evaluation.fiw import PARENT_CHILD, RELATIONS, read_fiw
from facematch.evaluation.fiw_faces import ARCHIVE
from facematch.evaluation.metrics import auc
from facematch.scoring.cosine import top_k
from facematch.weights.files import models_folder

K = 10


def int8(vectors: np.ndarray) -> np.ndarray:
    scale = np.abs(vectors).max(axis=1, keepdims=True) / 127
    return np.round(vectors / scale).astype(np.int8).astype(np.float32) * scale


NARROWED: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "float32": (lambda vectors: vectors, 4),
    "float16": (lambda vectors: vectors.astype(np.float16).astype(np.float32), 2),
    "int8": (int8, 1),
    "sign only": (lambda vectors: np.where(vectors < 0, -1, 1).astype(np.float32), 1 / 8),
}


def main() -> None:
    options = kin_parser(__doc__).parse_args()
    held_back = models_folder() / "held-back.txt"
    protocol = read_fiw(options.data / ARCHIVE, options.data / RELATIONS, held_back)
    engine = open_engine(detector="whole")
    enrolled = enrol(protocol, engine, engine.embedder)
    trials = [trial for trial in protocol.trials if trial.relation in PARENT_CHILD]
    parents = [enrolled.row[trial.parents[0]] for trial in trials]
    children = [enrolled.row[trial.child] for trial in trials]
    kin = np.array([trial.kin for trial in trials])
    model = engine.resemblance
    whole = enrolled.vectors
    print(json.dumps({"machine": machine()}) if options.json else machine())
    nearest = others(whole)
    for name, (narrow, bytes_each) in NARROWED.items():
        vectors = narrow(whole)
        z = model.pair_z_scores(vectors[parents], vectors[children])
        shared_best = [len(set(a) & set(b)) for a, b in zip(nearest, others(vectors), strict=True)]
        found = {
            "vectors": name,
            "bytes a face": int(whole.shape[1] * bytes_each) + (4 if name == "int8" else 0),
            "ROC AUC": round(auc(z, kin), 4),
            "found": round(float(np.mean(shared_best)) / K, 4),
            "faces": len(whole),
            "pairs": len(kin),
        }
        print(json.dumps(found) if options.json else found, flush=True)


def others(vectors: np.ndarray) -> np.ndarray:
    """The ten nearest others of each, (N, 10)."""
    indices, _ = top_k(vectors, vectors, K + 1)
    return np.array([row[row != i][:K] for i, row in enumerate(indices)])


if __name__ == "__main__":
    main()

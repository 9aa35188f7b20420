"""How much several photos of one person help: parents and children of families held back.

    python benchmarks/eval_photos.py [--data ../shared/kinship] [--json]

DATA holds fiw-train.zip and fiw-train-relations.csv of Families In the Wild. Of each person 1, 3 or
10 photos are sampled (fewer where there are not that many) and averaged; strangers are children of
the same sex of other families. Prints the ROC AUC, the cost of the likelihood ratios, and the KS
distance of strangers' scores from uniform.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from machine import machine
from measuring import fitted, kin_parser

from facematch.embedding.registry import load_embedder
from facematch.evaluation.fiw import PARENT_CHILD, embed_families
from facematch.evaluation.kin import average_photos, sample_pairs
from facematch.evaluation.metrics import auc, auc_interval, cllr, ks_from_uniform, least_cllr
from facematch.scoring.resemblance import model_for

COUNTS = (1, 3, 10)
DRAWS = 8  # of photos, for each pair of people


def main() -> None:
    wanted = kin_parser(__doc__)
    wanted.add_argument("--embedder", default="kin")
    options = wanted.parse_args()
    embedder = load_embedder(options.embedder)
    model = model_for(embedder.space)
    if model is None:
        sys.exit(f"no resemblance model fits {options.embedder}: nothing to measure")
    kin, names = embed_families(options.data, embedder, fitted(options.data), lambda _: None)
    kin = kin.of_relations(PARENT_CHILD)
    print(json.dumps({"machine": machine()}) if options.json else machine())
    for count in COUNTS:
        rng = np.random.default_rng(0)
        pairs = sample_pairs(kin, DRAWS, rng)
        parents, fewer = average_photos(kin, pairs.parents, count, rng)
        children, few = average_photos(kin, pairs.children, count, rng)
        z = model.pair_z_scores(parents, children)
        z = model.correct_for_averaging(z, (fewer + few) / 2)
        low, high = auc_interval(z, pairs.kin, names[pairs.family], rng)
        scores, ratios = model.calibrate(z)
        logs = np.log(ratios, dtype=float)
        result = {
            "photos of each": count,
            "pairs": len(z),
            "auc": round(auc(z, pairs.kin), 3),
            "interval": [round(low, 3), round(high, 3)],
            "cllr": round(cllr(logs, pairs.kin), 3),
            "cllr_min": round(least_cllr(z, pairs.kin), 3),
            "score_ks": round(ks_from_uniform(scores[~pairs.kin].astype(float)), 3),
        }
        line = ", ".join(f"{name}: {value}" for name, value in result.items())
        print(json.dumps(result) if options.json else line)


if __name__ == "__main__":
    main()

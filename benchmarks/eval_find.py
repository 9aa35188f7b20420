"""Distances of photos of one person, of siblings, of parent and child: for SAME_PERSON.

    python benchmarks/eval_find.py [--data ../shared/kinship] [--json]

DATA holds fiw-train.zip and fiw-train-relations.csv of Families In the Wild; the families held back
are used. Prints, for some distances between dlib's vectors, the share of pairs that are nearer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from eval_family import photos_of
from machine import machine
from measuring import fitted, kin_parser

from facematch.analyses.find import SAME_PERSON
from facematch.embedding.registry import load_embedder
from facematch.evaluation.fiw import PARENT_CHILD, embed_families

DRAWS = 4  # of photos, for each two people
BOUNDS = (0.4, SAME_PERSON, 0.5, 0.6)


def main() -> None:
    options = kin_parser(__doc__).parse_args()
    families = fitted(options.data)
    kin, _ = embed_families(options.data, load_embedder("dlib-resnet"), families, lambda _: None)
    photos, rng = photos_of(kin), np.random.default_rng(0)
    of_one = [
        rng.permutation(some)[:2] for some in photos.values() if len(some) > 1 for _ in range(DRAWS)
    ]

    def of_relations(relations: Sequence[str]) -> list[tuple[np.intp, np.intp]]:
        alike = np.isin(kin.relations, relations)
        return [
            (rng.choice(photos[one]), rng.choice(photos[other]))
            for one, other in zip(kin.parents[alike], kin.children[alike], strict=True)
            if one in photos and other in photos
            for _ in range(DRAWS)
        ]

    of_siblings, of_parents = of_relations(["bb", "ss"]), of_relations(PARENT_CHILD)
    print(json.dumps({"machine": machine()}) if options.json else machine())
    same, siblings, parents = (
        np.linalg.norm(kin.vectors[one] - kin.vectors[other], axis=1)
        for one, other in map(np.transpose, (of_one, of_siblings, of_parents))
    )
    for bound in BOUNDS:
        found = {
            "nearer than": bound,
            "photos of one person": round(float((same < bound).mean()), 3),
            "of brothers, or of sisters": round(float((siblings < bound).mean()), 3),
            "of parent and child": round(float((parents < bound).mean()), 4),
        }
        print(json.dumps(found) if options.json else found)


if __name__ == "__main__":
    main()

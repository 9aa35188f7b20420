"""Distances of photos of one person, of siblings, of parent and child: for SAME_PERSON.

    python benchmarks/eval_find.py [--data ../shared/kinship] [--json]

DATA holds fiw-train.zip and fiw-train-relations.csv of Families In the Wild; the families held back
are used. Prints, for some distances between dlib's vectors, the share of pairs that are nearer, and
how often the photos of one person, and of strangers, are told as those of several people.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import numpy as np
from eval_family import photos_of
from machine import machine
from measuring import fitted, kin_parser

from facematch.analyses.find import SAME_PERSON
from facematch.embedding.registry import load_embedder
from facematch.evaluation.fiw import PARENT_CHILD, embed_families
from facematch.evaluation.kin import Kin
from facematch.scoring.people import seem_several
from facematch.scoring.resemblance import model_for
from facematch.types import Gallery, Subject, Vectors, unit_rows

DRAWS = 4  # of photos, for each two people
SEVERAL, MIXED = (3, 4, 6), 1500  # photos of each person, and folders of strangers
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
    kin, _ = embed_families(options.data, load_embedder("kin"), families, lambda _: None)
    for count in SEVERAL:
        told = several_told(kin, count)
        print(json.dumps(told) if options.json else told)


def several_told(kin: Kin, count: int) -> dict[str, float]:
    """How often `count` photos of one person, and of as many strangers, seem to show several."""
    model = model_for("kin-1")
    if model is None:
        sys.exit("no resemblance model fits kin: nothing to measure")
    photos, rng = list(photos_of(kin).values()), np.random.default_rng(0)
    enough = [some for some in photos if len(some) >= count]
    of_one = [rng.permutation(some)[:count] for some in enough for _ in range(DRAWS)]
    mixed = [
        [rng.choice(photos[one]) for one in rng.choice(len(photos), count, replace=False)]
        for _ in range(MIXED)
    ]
    one, several = (
        float(np.mean([seem_several(model, _gallery(kin.vectors[rows])) for rows in some]))
        for some in (of_one, mixed)
    )
    return {"photos": count, "one person": round(one, 3), "strangers": round(several, 3)}


def _gallery(vectors: Vectors) -> Gallery:
    subject = Subject("", (0, 0, 9, 9), 1.0, 1, 1)
    return Gallery((subject,) * len(vectors), unit_rows(vectors), "kin-1")


if __name__ == "__main__":
    main()

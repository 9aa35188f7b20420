"""Distances of photos of one person, of siblings, of parent and child: for grouping.py.

    python benchmarks/eval_find.py [--data ../shared/kinship] [--json]

DATA holds fiw-train.zip and fiw-train-relations.csv of Families In the Wild; the families held back
are used. Prints, for some distances between dlib's vectors, the share of pairs that are nearer, and
how often the photos of one person, and of strangers, are told as those of several people; into how
many groups the photos of a family are joined up to that mean distance.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import numpy as np
from eval_family import photos_of
from machine import machine
from measuring import fitted, kin_parser

from facematch.analyses.grouping import SAME_GROUP, SAME_PERSON, group_by_person
from facematch.embedding.registry import load_embedder
from facematch.evaluation.fiw import PARENT_CHILD, embed_families, read_families
from facematch.evaluation.fiw_faces import photograph_of
from facematch.evaluation.kin import Kin
from facematch.scoring.people import seem_several
from facematch.scoring.resemblance import model_for
from facematch.types import Gallery, Subject, Vectors, unit_rows

DRAWS = 4  # of photos, for each two people
SEVERAL, MIXED = (3, 4, 6), 1500  # photos of each person, and folders of strangers
BOUNDS = (0.4, SAME_PERSON, SAME_GROUP, 0.55, 0.6)
MOST_PHOTOS, FEWEST_PHOTOS = 5, 3  # of a person who is grouped, of one whose groups are counted


def main() -> None:
    options = kin_parser(__doc__).parse_args()
    families = fitted(options.data)
    kin, _ = embed_families(options.data, load_embedder("dlib-resnet"), families, lambda _: None)
    names, *_ = read_families(options.data, families)
    photographs = [photograph_of(name) or name for name in names]
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
            **in_groups(kin, photographs, bound),
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


def in_groups(kin: Kin, photographs: Sequence[str], bound: float) -> dict[str, object]:
    """Into how many groups one person's photos fall, and how many lie in somebody else's group."""
    rng, parts, wrong, photos = np.random.default_rng(0), [], 0, 0
    few = {person: rng.permutation(some)[:MOST_PHOTOS] for person, some in photos_of(kin).items()}
    for family in np.unique(kin.family):
        people = [person for person in few if kin.family[person] == family]
        rows = np.concatenate([few[person] for person in people])
        shown = kin.person[rows]
        names = [photographs[row] for row in rows]
        groups = [shown[group] for group in group_by_person(names, kin.vectors[rows], bound)]
        wrong += sum(len(group) - int(np.bincount(group).max()) for group in groups)
        photos += len(rows)
        parts += [sum(person in group for group in groups) for person in people
                  if len(few[person]) >= FEWEST_PHOTOS]  # fmt: skip
    return {
        "groups of one person": round(float(np.mean(parts)), 2),
        "photos in a group of somebody else": f"{wrong} of {photos:,}",
    }


if __name__ == "__main__":
    main()

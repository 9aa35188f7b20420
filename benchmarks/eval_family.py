"""What `facematch family` says of fathers, mothers and children, checked on families held back.

    python benchmarks/eval_family.py [--data ../shared/kinship] [--json]

DATA holds fiw-train.zip and fiw-train-relations.csv of Families In the Wild. On the training
families it measures the constants in scoring/people.py and scoring/intervals.py. On the families
held back it checks the shares of bootstrap resamples: some photos of a child and both parents give
a verdict, and as many other photos of the same three give another one. A correct share predicts how
often both verdicts agree. Two scores of the same two people, by different photos, should differ by
no more than the confidence intervals allow. Verdicts that are too close to call get more photos of
the three, to see how many are clear then. It also prints how often the parent of the child's own
sex is ahead, and how well one parent and both parents tell a child from a stranger.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import numpy as np
from machine import machine
from measuring import fitted, held_back, kin_parser, show
from numpy.typing import NDArray
from scipy.stats import norm

from facematch.analyses.family import SURE
from facematch.embedding.registry import load_embedder
from facematch.evaluation.fiw import embed_families
from facematch.evaluation.kin import Kin
from facematch.evaluation.metrics import auc, auc_interval, ks_from_uniform
from facematch.scoring.intervals import z_deviation
from facematch.scoring.more_photos import verdict_chance
from facematch.scoring.people import (
    PARENTS_APART,
    between_parents,
    bootstrap_means,
    bootstrap_z_scores,
    of_couple,
    people_z_scores,
    reliability,
)
from facematch.scoring.resemblance import ResemblanceModel, mean_inverse, model_for
from facematch.types import Gallery, Subject, Vectors, unit_rows

PHOTOS = (1, 3)  # of each person, in a verdict
INTERVAL_PHOTOS = (1, 2, 3)  # of each person, in an interval
MORE_PHOTOS = (2, 3, 4)  # of each person, where one was too close to call
DRAWS = 4  # of photos, for each child
EDGES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.001)  # of shares


def main() -> None:
    options = kin_parser(__doc__).parse_args()
    embedder = load_embedder("kin")
    model = model_for(embedder.space)
    if model is None:
        sys.exit("no resemblance model fits kin: nothing to measure")
    show({"machine": machine()}, options.json)
    training, _ = embed_families(options.data, embedder, held_back(), lambda _: None)
    show(constants(training, model), options.json)
    kin, _ = embed_families(options.data, embedder, fitted(options.data), lambda _: None)
    for photos in PHOTOS:
        show(verdicts(kin, model, photos), options.json)
    for photos in INTERVAL_PHOTOS:
        show(intervals_hold(kin, model, photos), options.json)
    for photos in MORE_PHOTOS:
        show(decided_by_more(kin, model, photos), options.json)
    show(couples(kin, model), options.json)


def constants(kin: Kin, model: ResemblanceModel) -> dict[str, Any]:
    """How much z-scores vary from photo to photo, and how strangers' couples are spread."""
    rng = np.random.default_rng(0)
    threes = trios(kin)
    photos = photos_of(kin)
    spreads = []
    for three in threes:
        for parent in three[:2]:
            few = min(len(photos[parent]), len(photos[three[2]]))
            if few < 2:
                continue
            one, other = (rng.permutation(photos[each])[:few] for each in (parent, three[2]))
            z = model.pair_z_scores(kin.vectors[one], kin.vectors[other])
            spreads.append(z.var(ddof=1))
    seen = []  # by two photos of each of three that have them, one and the other
    for three in threes:
        if all(len(photos[who]) > 1 for who in three):
            for _ in range(DRAWS):
                pairs = [kin.vectors[rng.permutation(photos[who])[:2]] for who in three]
                z = [model.pair_z_scores(parent, pairs[2]) for parent in pairs[:2]]
                seen.append(z[0] - z[1])
    one, other = np.transpose(seen)
    fathers, mothers, children = (one_photo(kin, threes[:, at], rng) for at in range(3))
    strange = strangers(kin, threes, rng)
    single = np.array([model.pair_z_scores(side, children[strange]) for side in (fathers, mothers)])
    return {
        "measured on": "families fitted on",
        "families": len(np.unique(kin.family[threes[:, 2]])),
        "spread from photo to photo": round(float(np.sqrt(np.mean(spreads))), 3),
        "parents apart": round(float(np.cov(one, other)[0, 1]), 3),
        "spread of couples": round(float(single.mean(axis=0).std() / single.std()), 3),
    }


def verdicts(kin: Kin, model: ResemblanceModel, count: int) -> dict[str, Any]:
    """How often other photos of the same three agree with a verdict, by its share."""
    rng = np.random.default_rng(1)
    photos = photos_of(kin)
    known = [three for three in trios(kin) if all(len(photos[who]) >= 2 * count for who in three)]
    shares, expected, agrees, own_sex = [], [], [], []
    sexes = child_sexes(kin)
    for three in known:
        for _ in range(DRAWS):
            halves = [rng.permutation(photos[who])[: 2 * count] for who in three]
            first, reliable = judged(kin, model, [half[:count] for half in halves], rng)
            again, _ = judged(kin, model, [half[count:] for half in halves], rng)
            shares.append(max(first, 1 - first))
            # A normal distribution about the measured value, measured again with the same noise.
            sure = norm.ppf(min(shares[-1], 0.999))
            expected.append(norm.cdf(sure * np.sqrt(reliable / (1 + reliable))))
            agrees.append((first > 0.5) == (again > 0.5))
            own_sex.append((first > 0.5) == (sexes[int(three[2])] == "male"))
    share, expect, agree = np.array(shares), np.array(expected), np.array(agrees)
    rows = {}
    for low, high in pairwise(EDGES):
        within = (share >= low) & (share < high)
        if within.any():
            rows[f"{low:.1f} to {min(high, 1):.1f}"] = {
                "verdicts": int(within.sum()),
                "said": round(float(share[within].mean()), 2),
                "expected to agree": round(float(expect[within].mean()), 2),
                "agree": round(float(agree[within].mean()), 2),
            }
    return {
        "measured on": "families held back",
        "photos of each": count,
        "children": len(known),
        "shares": rows,
        "the parent of the child's own sex is ahead": round(float(np.mean(own_sex)), 2),
    }


def judged(
    kin: Kin, model: ResemblanceModel, photos: list[NDArray[np.intp]], rng: np.random.Generator
) -> tuple[float, float]:
    """The share of resamples in which the father is ahead, and the reliability."""
    galleries = [gallery_of(kin, model, some) for some in photos]
    father, mother, child = (bootstrap_means(gallery, rng) for gallery in galleries)
    counts = len(photos[0]), len(photos[2])
    z = np.array(
        [bootstrap_z_scores(model, (side, child), counts, rng) for side in (father, mother)]
    )
    ahead = between_parents(z)
    return float((ahead[0] > ahead[1]).mean()), reliability(z)


def gallery_of(kin: Kin, model: ResemblanceModel, photos: NDArray[np.intp]) -> Gallery:
    """Some photos of one person."""
    subjects = tuple(Subject(str(at), (0, 0, 1, 1), 1, 1, 1) for at in photos.tolist())
    return Gallery(subjects, unit_rows(kin.vectors[photos]), model.space)


def averaged_z(
    kin: Kin, model: ResemblanceModel, parent: NDArray[np.intp], child: NDArray[np.intp]
) -> float:
    """The z-score of two people by some photos of each."""
    sides = (gallery_of(kin, model, photos).averaged("") for photos in (parent, child))
    return float(people_z_scores(model, *sides)[0, 0])


def intervals_hold(kin: Kin, model: ResemblanceModel, count: int) -> dict[str, Any]:
    """How often two scores of the same two people, by different photos, differ as they may."""
    rng, photos = np.random.default_rng(3), photos_of(kin)
    deviation = float(z_deviation(mean_inverse(count, count)))
    apart = []
    for three in trios(kin):
        for parent in three[:2].tolist():
            people = photos[parent], photos[int(three[2])]
            if min(map(len, people)) < 2 * count:
                continue
            one, other = (rng.permutation(some)[: 2 * count] for some in people)
            halves = (slice(0, count), slice(count, 2 * count))
            apart.append(np.diff([averaged_z(kin, model, one[h], other[h]) for h in halves])[0])
    return {
        "measured on": "families held back",
        "photos of each": count,
        "pairs": len(apart),
        "standard deviation of z-scores": round(float(np.sqrt(np.square(apart).mean() / 2)), 3),
        "said": round(deviation, 3),
        "within 95 % of what is said": round(
            float((np.abs(apart) < norm.ppf(0.975) * np.sqrt(2) * deviation).mean()), 3
        ),
    }


def decided_by_more(kin: Kin, model: ResemblanceModel, count: int) -> dict[str, Any]:
    """How many verdicts too close to call by one photo of each are clear with more photos."""
    rng, photos = np.random.default_rng(4), photos_of(kin)
    noise = [2 * float(z_deviation(mean_inverse(some, some))) ** 2 for some in (1, count)]
    clear, predicted = [], []
    for three in trios(kin):
        if min(len(photos[who]) for who in three) < count:
            continue
        for _ in range(DRAWS):
            some = [rng.permutation(photos[who])[:count] for who in three]
            few, many = (
                np.subtract(*(averaged_z(kin, model, side[:n], some[2][:n]) for side in some[:2]))
                for n in (1, count)
            )
            if not is_clear(few, noise[0]):
                clear.append(is_clear(many, noise[1]))
                predicted.append(verdict_chance(few, *noise, SURE))
    return {
        "measured on": "families held back, verdicts too close to call by one photo of each",
        "photos of each": count,
        "verdicts": len(clear),
        "clear then": round(float(np.mean(clear)), 2),
        "predicted": round(float(np.mean(predicted)), 2),
    }


def is_clear(apart: float, noise: float) -> bool:
    """Whether the difference between two parents' z-scores gives a verdict."""
    kept = PARENTS_APART / (PARENTS_APART + noise)
    return bool(norm.cdf(np.sqrt(kept / noise) * abs(apart)) >= SURE)


def couples(kin: Kin, model: ResemblanceModel) -> dict[str, Any]:
    """A child against one parent and against both: ROC AUC, and how uniform strangers are."""
    rng = np.random.default_rng(2)
    threes = np.repeat(trios(kin), DRAWS, axis=0)
    fathers, mothers, children = (one_photo(kin, threes[:, at], rng) for at in range(3))
    strange = strangers(kin, threes, rng)
    z = np.array(
        [
            np.concatenate(
                [
                    model.pair_z_scores(side, children),
                    model.pair_z_scores(side, children[strange]),
                ]
            )
            for side in (fathers, mothers)
        ]
    )
    is_kin = np.arange(z.shape[1]) < len(threes)
    families = np.tile(kin.family[threes[:, 2]].astype(str), 2)
    found: dict[str, Any] = {"measured on": "families held back", "children": len(trios(kin))}
    for name, values in (
        ("father", z[0]), ("mother", z[1]), ("both", of_couple(model, z)),
    ):  # fmt: skip
        low, high = auc_interval(values, is_kin, families, rng)
        scores = model.calibrate(values)[0].astype(np.float64)
        found[name] = {
            "auc": round(auc(values, is_kin), 3),
            "interval": [round(low, 3), round(high, 3)],
            "score_ks": round(ks_from_uniform(scores[~is_kin]), 3),
        }
    return found


def trios(kin: Kin) -> NDArray[np.intp]:
    """Father, mother and child, each with photos: (N, 3) people."""
    with_photos = set(kin.person.tolist())
    parents: dict[int, dict[str, int]] = {}
    for relation, parent, child in zip(
        kin.relations.tolist(), kin.parents.tolist(), kin.children.tolist(), strict=True
    ):
        if relation in ("fs", "fd", "ms", "md") and {parent, child} <= with_photos:
            parents.setdefault(child, {})[relation[0]] = parent
    return np.array([
        (both["f"], both["m"], child) for child, both in parents.items() if len(both) == 2
    ])  # fmt: skip


def child_sexes(kin: Kin) -> dict[int, str]:
    return {
        child: "male" if relation[1] == "s" else "female"
        for relation, child in zip(kin.relations.tolist(), kin.children.tolist(), strict=True)
        if relation in ("fs", "fd", "ms", "md")
    }


def photos_of(kin: Kin) -> dict[int, NDArray[np.intp]]:
    return {person: np.flatnonzero(kin.person == person) for person in np.unique(kin.person)}


def one_photo(kin: Kin, people: NDArray[np.intp], rng: np.random.Generator) -> Vectors:
    photos = photos_of(kin)
    return kin.vectors[[rng.choice(photos[person]) for person in people.tolist()]]


def strangers(kin: Kin, threes: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """For each couple the row of a child of the same sex from another family."""
    sexes, families = child_sexes(kin), kin.family[threes[:, 2]]
    sex = np.array([sexes[child] for child in threes[:, 2].tolist()])
    return np.array([
        rng.choice(np.flatnonzero((sex == sex[at]) & (families != families[at])))
        for at in range(len(threes))
    ])  # fmt: skip


if __name__ == "__main__":
    main()

"""Whether `explain` tells the truth: parents and children of families held back.

    python benchmarks/eval_explain.py [--data ../shared/kinship] [--pairs 100] [--json]

DATA holds fiw-train.zip and fiw-train-relations.csv of Families In the Wild; no pair is cut
from one photograph. Prints, with 95 % intervals over pairs,

- what covering the top region costs, against a disc of its area anywhere in the face: the top is
  chosen under two fills, and both are measured under the third;
- the same where both faces are covered at once;
- what the regions cost related pairs and strangers;
- how often a fourth way to cover agrees with a verdict made from three;
- the rank correlation of the map with that of a network whose tuned weights were shuffled, and with
  that of one of its own fills;
- what `FaceMatcher.explain` takes from two photos to the picture, in process.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime
from machine import machine
from measuring import kin_parser

from facematch import FaceMatcher
from facematch.analyses.explain import (
    AGAINST,
    CARRIES,
    DEVIATIONS,
    FACE,
    FILLS,
    REGIONS,
    Drops,
    cover,
    fills,
    likeness_of_pairs,
    measure_drops,
    region_effects,
    region_masks,
)
from facematch.detection.landmarks import LandmarkLocator
from facematch.embedding.kin import KinEmbedder
from facematch.evaluation.fiw import RELATIONS, read_fiw
from facematch.evaluation.fiw_faces import ARCHIVE, cut_chip, open_faces
from facematch.evaluation.protocols import Trial
from facematch.pictures import draw
from facematch.scoring.resemblance import model_for
from facematch.weights.dlib_format import read_network
from facematch.weights.files import models_folder, read_weights
from facematch.weights.head import open_head
from facematch.weights.onnx_graphs import tuned_graph
from facematch.weights.sessions import session

DISCS = 3  # for each pair and fill
SHUFFLES = 20  # pairs seen by the shuffled network
SAMPLES = Path(__file__).parent.parent / "samples"


class Shuffled(KinEmbedder):
    """The embedder with every array of its tuned head shuffled."""

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        rng = np.random.default_rng(0)

        def shuffled(array):
            return rng.permutation(array.ravel()).reshape(array.shape)

        head, _ = open_head(read_weights("kin-1"))
        views = [
            replace(view, **{f.name: shuffled(getattr(view, f.name)) for f in fields(view)})
            for view in head.projections
        ]
        head = replace(head, weights=tuple(map(shuffled, head.weights)), projections=tuple(views))
        return session(tuned_graph(read_network(read_weights("dlib-resnet")), head))


@dataclass
class Pair:
    """What covering costs one pair, one face at a time and both at once.

    `single` and `both` are (R, F), of the regions; `fourth` (R,) is of a fill more, the other
    face's colour. `top` and `discs` (2, F) are the cost of the region that is top under the other
    fills, and of discs of its area; row 0 is one face at a time.
    """

    drops: Drops
    single: np.ndarray
    both: np.ndarray
    fourth: np.ndarray
    top: np.ndarray
    discs: np.ndarray


def main() -> None:
    wanted = kin_parser(__doc__)
    wanted.add_argument("--pairs", type=int, default=100)
    options = wanted.parse_args()
    embedder = KinEmbedder()

    def say(**values: object) -> None:
        words = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in values.items())
        print(json.dumps(values) if options.json else words, flush=True)

    say(machine=machine())
    chips = {kin: list(chosen(options.data, kin, options.pairs)) for kin in (True, False)}
    measured = {
        kin: [measure(pair, embedder, at) for at, pair in enumerate(some)]
        for kin, some in chips.items()
    }
    related = measured[True]
    for way, name in enumerate(("one face at a time", "both at once")):
        top, discs = (
            np.array([getattr(pair, what)[way].mean() for pair in related])
            for what in ("top", "discs")
        )
        say(covered=name, pairs=len(top), top=mean(top), disc=mean(discs), more=mean(top - discs),
            top_costs_more=f"{(top > discs).mean():.0%} of pairs")  # fmt: skip
    for at, region in enumerate(REGIONS):
        kin, strangers = (
            mean(np.array([pair.single[at].mean() for pair in measured[which]]))
            for which in (True, False)
        )
        say(region=region, related=kin, strangers=strangers)
    say(verdicts=sum(told(pair).sum() for pair in related), of=len(related) * len(REGIONS),
        **agreement(related))  # fmt: skip
    say(**correlations(chips[True][:SHUFFLES], related[:SHUFFLES]))
    say(**seconds())


def chosen(data: Path, kin: bool, count: int) -> Iterator[np.ndarray]:
    """The chips of one pair of each of some families, (2, S, S, 3)."""
    held_back = models_folder() / "held-back.txt"
    protocol = read_fiw(data / ARCHIVE, data / RELATIONS, held_back)
    trials = [
        trial
        for trial in protocol.trials
        if trial.kin == kin
        and trial.relation in ("fs", "fd", "ms", "md")
        and not trial.shares_photograph
    ]
    order = np.random.default_rng(0).permutation(len(trials)).tolist()
    of_family: dict[str, Trial] = {trials[at].family: trials[at] for at in order}
    locator, frame = LandmarkLocator(), KinEmbedder().frame
    for trial in list(of_family.values())[:count]:
        faces = open_faces(data / ARCHIVE, [*trial.parents, trial.child])
        yield np.stack([cut_chip(face.pixels, locator, frame) for face in faces])


def measure(chips: np.ndarray, embedder: KinEmbedder, seed: int) -> Pair:
    model, frame = model_for(embedder.space), embedder.frame
    rng = np.random.default_rng(seed)
    face = region_masks(frame, [FACE])[0]
    masks = region_masks(frame, REGIONS.values())
    covers = [fills(chip, face, rng) for chip in chips]
    flats = [some[FILLS.index("mean")] for some in covers]
    covers = [
        np.concatenate([some, flat[None]]) for some, flat in zip(covers, flats[::-1], strict=True)
    ]

    def costs(masks: np.ndarray, which: list[int]) -> np.ndarray:
        """Of the parent's face, the child's and both, (3, M, F)."""
        stacks = [
            np.concatenate([cover(chip, masks, some[at]) for at in which])
            for chip, some in zip(chips, covers, strict=True)
        ]
        vectors = embedder.embed(np.concatenate([chips, *stacks]))
        one, other = np.split(vectors[2:], 2)
        parent, child = (np.repeat(each[None], len(one), 0) for each in vectors[:2])
        whole = likeness_of_pairs(vectors[:1], vectors[1:2], model)[0]
        pairs = ((one, child), (parent, other), (one, other))
        drops = np.stack([whole - likeness_of_pairs(*pair, model) for pair in pairs])
        return drops.reshape(3, len(which), len(masks)).transpose(0, 2, 1)

    of_regions = costs(masks, [0, 1, 2, 3])
    single, both = of_regions[:2].mean(axis=0), of_regions[2]
    top, discs = np.zeros((2, len(FILLS))), np.zeros((2, len(FILLS)))
    for fill in range(len(FILLS)):
        others = [at for at in range(len(FILLS)) if at != fill]
        for way, drops in enumerate((single, both)):
            best = int(drops[:, others].mean(axis=1).argmax())
            top[way, fill] = drops[best, fill]
            found = costs(some_discs(masks[best].sum(), face, frame, rng), [fill])
            discs[way, fill] = (found[:2] if way == 0 else found[2:]).mean()
    count, none = len(FILLS), np.empty((2, 0))
    drops = Drops(none, DEVIATIONS, 0.0, of_regions[:2, :, :count], none)
    return Pair(drops, single[:, :count], both[:, :count], single[:, count], top, discs)


def some_discs(area: float, face: np.ndarray, frame, rng: np.random.Generator) -> np.ndarray:
    """Discs of an area, their middles anywhere in the face."""
    rows, columns = np.nonzero(face > 0.5)
    radius = float(np.sqrt(area / np.pi))
    at = rng.integers(len(rows), size=DISCS)
    return region_masks(frame, [((columns[i], rows[i], radius, radius),) for i in at.tolist()])


def told(pair: Pair) -> np.ndarray:
    """Which regions carry the likeness or speak against it, by their verdicts."""
    effects = region_effects(pair.drops, None)
    return np.array([each.verdict in (AGAINST, CARRIES) for each in effects])


def agreement(pairs: list[Pair]) -> dict[str, str]:
    """How often a fourth fill gives a drop of the sign that three told, and of any other region."""
    told_now = np.concatenate([told(pair) for pair in pairs])
    same = np.concatenate(
        [np.sign(pair.fourth) == np.sign(pair.single.mean(axis=1)) for pair in pairs]
    )
    return {
        "a_fourth_fill_agrees_in_sign": f"{same[told_now].mean():.0%}",
        "and_where_within_noise": f"{same[~told_now].mean():.0%}",
    }


def correlations(chips: list[np.ndarray], pairs: list[Pair]) -> dict[str, str]:
    """Spearman's rank correlation of the regions' drops."""
    shuffled, model = Shuffled(), model_for("kin-1")
    others = [measure_drops(each, shuffled, model).regions.mean(axis=(0, 2)) for each in chips]
    maps = [pair.single for pair in pairs]
    return {
        "pairs": len(maps),
        "with_shuffled_weights": mean(
            np.array([ranked(a.mean(axis=1), b) for a, b in zip(maps, others, strict=True)])
        ),
        "of_one_fill_with_the_other_two": mean(
            np.array([ranked(a[:, 0], a[:, 1:].mean(axis=1)) for a in maps])
        ),
    }


def ranked(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.argsort().argsort(), other.argsort().argsort())[0, 1])


def seconds(runs: int = 7) -> dict[str, str]:
    """From two photos to the picture, all weights read before."""
    matcher = FaceMatcher()
    pair = SAMPLES / "father.png", SAMPLES / "son.png"
    found: dict[str, list[float]] = {"score": [], "explain": [], "picture": []}
    draw(matcher.explain(*pair))
    for _ in range(runs):
        start = time.perf_counter()
        matcher.score(*pair)
        scored = time.perf_counter()
        explained = matcher.explain(*pair)
        done = time.perf_counter()
        draw(explained)
        rendered = time.perf_counter()
        for name, value in zip(
            found, (scored - start, done - scored, rendered - done), strict=True
        ):
            found[name].append(value)
    return {f"{name}_seconds": f"{statistics.median(some):.2f}" for name, some in found.items()}


def mean(values: np.ndarray) -> str:
    """The mean, with its 95 % bootstrap interval over pairs."""
    rng = np.random.default_rng(0)
    draws = values[rng.integers(len(values), size=(2000, len(values)))].mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{values.mean():+.2f} ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    main()

"""Which parts of two faces carry their likeness: cover one, embed again, see what is lost.

Each region is covered in the parent's chip while the child's stays whole, then the reverse. Were
both covered at once, the two covers would be compared with each other, and what makes two covers
alike is no likeness (`benchmarks/eval_explain.py` measures all three). What is lost is measured in
standard deviations above the cohort, which go on where the mini-me score ends at 99.9.

A cover is itself something to see, so each region is covered three times: by what a strong blur
leaves of it, by the face's mean colour, by coloured clouds. How far they disagree is the noise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.analyses.pair import Pair, compare_pair, embed_pair, read_pair
from facematch.detection.alignment import dlib_frame, similarity_transform
from facematch.engine import Engine
from facematch.scoring.cosine import cosine_pairs
from facematch.scoring.resemblance import ResemblanceModel
from facematch.types import (
    Chips,
    Embedder,
    Frame,
    Match,
    PhotoLike,
    Pixels,
    ResultMethods,
    Skipped,
    Vectors,
)

Masks = NDArray[np.float32]  # (M, S, S), 1 where covered, 0 where not
Ellipses = tuple[tuple[float, float, float, float], ...]

# Middle x, y and half axes, in pixels of dlib's chip of 150, where the landmarks always lie at the
# same places; set by looking at drawn faces and photographs. Regions hardly overlap.
REGIONS: dict[str, Ellipses] = {
    "forehead": ((74, 13, 40, 13),),
    "brows": ((46, 34, 22, 6.5), (102, 34, 22, 6.5)),
    "eyes": ((47, 48, 17, 7.5), (101, 48, 17, 7.5)),
    "nose": ((74, 62, 8, 20), (74, 82, 17, 11)),
    "cheeks": ((40, 82, 16, 21), (108, 82, 16, 21)),
    "mouth": ((74, 108, 27, 12),),
    "chin": ((74, 132, 30, 11),),
}
FILLS = ("blur", "mean", "clouds")
_PATCH_FILL = FILLS.index("mean")
_SOFT = 2.5  # pixels of dlib's chip over which a region's edge fades
FACE: Ellipses = ((74, 78, 52, 70),)  # its colours are what covers take
_PATCH = 13.0  # the standard deviation of a round patch of the heat map, in such pixels

# Where the patches lie: between the regions.
_PATCHES = (
    (74, 36), (28, 54), (120, 54), (52, 66), (96, 66),
    (52, 96), (96, 96), (74, 96), (40, 118), (108, 118),
)  # fmt: skip
# Student's t, two-sided 95 %, for the degrees of freedom that all regions' fills have together.
_T = 2.14
_LITTLE = 1.0  # standard deviations; one stranger in six is more alike
_MOST_PARTS = 2  # that are named in words
_QUIET = 1e-6  # a drop that rounding makes

COSINE, DEVIATIONS = "cosine", "standard deviations"  # units
CARRIES, AGAINST = "carries the likeness", "speaks against it"
MIXED, NOISE = "speaks both ways", "within noise"


@dataclass(frozen=True, slots=True)
class RegionEffect:
    """What covering one region costs, in the unit of its Explanation; below 0 it is a gain.

    `parent_drop` and `child_drop` are those of one face covered, `drop` is their mean, and 95 % of
    the drops that other fills would give are thought to lie within `noise` of it, judged by three.
    `score_without` is the mini-me score after such a drop, None where no resemblance model fits.
    """

    region: str
    drop: float
    noise: float
    parent_drop: float
    child_drop: float
    score_without: float | None

    @property
    def verdict(self) -> str:
        """Whether the region carries the likeness or speaks against it, where that can be told.

        It "speaks both ways" where covering it in one face costs, and gains in the other.
        """
        least = max(self.noise, _QUIET)
        one, other = self.parent_drop, self.child_drop
        if min(abs(one), abs(other)) > least and (one > 0) != (other > 0):
            return MIXED
        if abs(self.drop) <= least:
            return NOISE
        return CARRIES if self.drop > 0 else AGAINST

    @property
    def is_clear(self) -> bool:
        """Whether the drop is beyond the noise, and of one sign in both faces."""
        return self.verdict in (CARRIES, AGAINST)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Explanation(ResultMethods):
    """Which parts of the face carry a match.

    `whole` is the likeness of both faces uncovered, in `unit`: "standard deviations" above the
    cohort, or "cosine" where no resemblance model fits. `regions` come with the greatest drop
    first. `heat[0]` is what covering each place of the parent's chip costs, `heat[1]` the child's:
    `chips` (2, S, S, 3), `heat` (2, S, S) float32 of the same unit.
    """

    match: Match
    unit: str
    whole: float
    regions: tuple[RegionEffect, ...]
    chips: Chips
    heat: NDArray[np.float32]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes it less sure: the match's."""
        return self.match.warnings

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Photos without a usable face: none, since both faces are needed."""
        return ()

    @property
    def in_words(self) -> str:
        """Where the likeness is: "mostly the eyes and the nose"."""
        parts = [effect.region for effect in self.regions if effect.verdict == CARRIES]
        if not parts:
            return "the whole face, no part more than the others"
        return f"mostly the {' and the '.join(parts[:_MOST_PARTS])}"

    @property
    def little(self) -> bool:
        """Whether the likeness is one that many strangers have."""
        return self.unit == DEVIATIONS and self.whole < _LITTLE


@dataclass(frozen=True, slots=True, eq=False)
class Drops:
    """What covering costs; the first axis is whose face: the parent's, the child's.

    `vectors` (2, D) are of the faces uncovered, `whole` their likeness in `unit`; `regions`
    (2, R, F) what each region costs under each fill, `patches` (2, P) what each round patch does.
    """

    vectors: Vectors
    unit: str
    whole: float
    regions: NDArray[np.float64]
    patches: NDArray[np.float64]


def explain(
    engine: Engine,
    parent: PhotoLike,
    child: PhotoLike,
    *,
    parent_face: int | None = None,
    child_face: int | None = None,
) -> Explanation:
    """Which parts of the two faces carry their likeness; photos and faces as in `score`.

    Some sixty covered faces are embedded at once. Where no resemblance model fits the embedder,
    drops are those of the cosine.
    """
    return explain_pair(engine, read_pair(engine, (parent, child), (parent_face, child_face)))


def explain_pair(engine: Engine, pair: Pair) -> Explanation:
    """Which parts of the two chosen faces carry their likeness."""
    model = engine.resemblance
    drops = measure_drops(pair.chips, engine.embedder, model)
    match = compare_pair(engine, embed_pair(engine, pair)[0], drops.vectors)
    return explanation(match, pair.chips, drops, engine.embedder.frame, model)


def measure_drops(
    chips: Chips, embedder: Embedder, model: ResemblanceModel | None, *, seed: int = 0
) -> Drops:
    """Cover each region and patch in either chip, embed all at once, and compare.

    Shapes: the parent's chip and the child's, (2, S, S, 3).
    """
    frame = embedder.frame
    frame.check(chips)
    faces = region_masks(frame, [FACE])[0]
    rng = np.random.default_rng(seed)
    covers = [fills(chip, faces, rng) for chip in chips]
    masks, patches = region_masks(frame, REGIONS.values()), patch_masks(frame)
    covered = [
        np.concatenate(
            [*(cover(chip, masks, fill) for fill in some), cover(chip, patches, some[_PATCH_FILL])]
        )
        for chip, some in zip(chips, covers, strict=True)
    ]
    vectors = embedder.embed(np.concatenate([chips, *covered]))
    whole = float(likeness_of_pairs(vectors[:1], vectors[1:2], model)[0])
    sides = np.split(vectors[2:], 2)
    others = np.repeat(vectors[:2], len(sides[0]), axis=0).reshape(2, len(sides[0]), -1)
    pairs = (sides[0], others[1]), (others[0], sides[1])
    drops = whole - np.stack([likeness_of_pairs(one, other, model) for one, other in pairs])
    of_regions = drops[:, : len(FILLS) * len(masks)].reshape(2, len(FILLS), len(masks))
    return Drops(
        vectors=vectors[:2],
        unit=COSINE if model is None else DEVIATIONS,
        whole=whole,
        regions=of_regions.transpose(0, 2, 1),
        patches=drops[:, len(FILLS) * len(masks) :],
    )


def explanation(
    match: Match, chips: Chips, drops: Drops, frame: Frame, model: ResemblanceModel | None
) -> Explanation:
    """Those drops with their noise and scores, the greatest first, and the heat map."""
    effects = region_effects(drops, model)
    ranked = tuple(sorted(effects, key=lambda each: -each.drop))
    return Explanation(match, drops.unit, drops.whole, ranked, chips, heat_maps(drops, frame))


def region_effects(drops: Drops, model: ResemblanceModel | None) -> list[RegionEffect]:
    """What covering each region costs, in the order of REGIONS."""
    means, noises = drops.regions.mean(axis=(0, 2)), noise_levels(drops.regions)
    scores = None if model is None else model.calibrate(drops.whole - means)[0].tolist()
    return [
        RegionEffect(
            region=name,
            drop=float(means[at]),
            noise=float(noises[at]),
            parent_drop=float(drops.regions[0, at].mean()),
            child_drop=float(drops.regions[1, at].mean()),
            score_without=None if scores is None else scores[at],
        )
        for at, name in enumerate(REGIONS)
    ]


def likeness_of_pairs(
    parents: Vectors, children: Vectors, model: ResemblanceModel | None
) -> NDArray[np.float64]:
    """Standard deviations above the cohort, or cosines without a model. Shapes: (N, D) -> (N,)."""
    if model is None:
        return cosine_pairs(parents, children).astype(np.float64)
    return model.pair_z_scores(parents, children)


def noise_levels(drops: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far from its mean over three fills each region's drop may be, 95 %, (2, R, F) -> (R,).

    Three fills say little of one region's variance: it is averaged with that of all regions.
    """
    variances = drops.mean(axis=0).var(axis=1, ddof=1)
    return np.asarray(_T * np.sqrt((variances + variances.mean()) / 2 / drops.shape[2]))


def heat_maps(drops: Drops, frame: Frame) -> NDArray[np.float32]:
    """What covering each place costs: the mean of the regions and patches that hide it.

    It fades out where none does. Shapes: (2, S, S).
    """
    import cv2

    masks = np.concatenate([region_masks(frame, REGIONS.values()), patch_masks(frame)])
    costs = np.concatenate([drops.regions.mean(axis=2), drops.patches], axis=1)
    total = np.maximum(masks.sum(axis=0), 0.5)
    heat = np.einsum("fm,myx->fyx", costs, masks) / total
    soft = 0.02 * frame.size
    return np.asarray([cv2.GaussianBlur(each, (0, 0), soft) for each in heat], np.float32)


def region_masks(frame: Frame, regions: Iterable[Ellipses]) -> Masks:
    """Where each region lies in chips of a frame, with soft edges, (R, S, S)."""
    x, y = _places(frame)
    masks = []
    for ellipses in regions:
        inside = [
            (1 - np.hypot((x - at_x) / wide, (y - at_y) / high)) * min(wide, high)
            for at_x, at_y, wide, high in ellipses
        ]
        masks.append(np.clip(0.5 + np.max(inside, axis=0) / _SOFT, 0, 1))
    return np.asarray(masks, np.float32)


def patch_masks(frame: Frame) -> Masks:
    """Round soft patches all over the face, (P, S, S)."""
    x, y = _places(frame)
    return np.asarray(
        [np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * _PATCH**2)) for a, b in _PATCHES], np.float32
    )


def fills(chip: Pixels, face: NDArray[np.float32], rng: np.random.Generator) -> Chips:
    """What to cover a chip's regions with, one whole chip for each of FILLS, (F, S, S, 3).

    `face` (S, S) is where the chip's own colours are taken from.
    """
    import cv2

    size = len(chip)
    blurred = cv2.GaussianBlur(chip, (0, 0), 0.12 * size)
    colours = chip.reshape(-1, 3).astype(np.float64)
    weights = face.ravel() / face.sum()
    mean = weights @ colours
    spread = np.sqrt(weights @ (colours - mean) ** 2)
    coarse = rng.normal(size=(size // 10, size // 10, 3)).astype(np.float32)
    clouds = mean + spread * cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    flat = np.broadcast_to(mean, chip.shape)
    return np.stack([np.clip(np.rint(each), 0, 255) for each in (blurred, flat, clouds)]).astype(
        np.uint8
    )


def cover(chip: Pixels, masks: Masks, fill: Pixels) -> Chips:
    """The chip with each region in turn replaced by the fill, (M, S, S, 3)."""
    much = masks[..., np.newaxis]
    return np.rint(chip * (1 - much) + fill * much).astype(np.uint8)


def _places(frame: Frame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where each pixel of a chip lies in dlib's chip of 150: x and y, (S, S) each."""
    to_dlib = similarity_transform(frame.template, dlib_frame().template)
    y, x = np.mgrid[: frame.size, : frame.size]
    across, down = to_dlib @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    return across.reshape(x.shape), down.reshape(x.shape)

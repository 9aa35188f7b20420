"""Tunes the embedder for kinship on families: a linear map in closed form, then its convolutions.

dlib's ResNet is kept to its tenth block; what that gives for each chip, its mirror image and some
altered copies is computed once. Blocks 11 to 14 are tuned, and two linear views of them: of every
place of block 13, and of the mean of block 14. The views are first found in closed form, as
`resemblance.kin_map` does. Then all learn from pairs of relatives, each against the relatives of
all others in its batch (InfoNCE, both ways); a batch holds one kind of relation, so that strangers
in it are of the same sex and generation. Pairs cut from one photograph are left out: light would
be learned from them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facematch.detection.alignment import crop_faces, dlib_frame
from facematch.detection.landmarks import LandmarkLocator
from facematch.evaluation.fiw import PARENT_CHILD, read_families
from facematch.evaluation.fiw_faces import ARCHIVE, locate_face, open_faces, photograph_of
from facematch.evaluation.kin import Indices, Kin, folds
from facematch.runtime.extras import require
from facematch.scoring.cosine import unit_rows
from facematch.training.resemblance import (
    Evidence,
    LeftOut,
    cohort_model,
    judged,
    kin_map,
    left_out,
)
from facematch.types import Chips, Face, Photo, Pixels, Vectors
from facematch.weights.dlib_format import read_network
from facematch.weights.files import read_weights
from facematch.weights.head import Head, Projection
from facematch.weights.onnx_graphs import FROZEN_BLOCKS, head_layers, trunk_graph
from facematch.weights.sessions import session

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]
Maps = NDArray[
    np.float16
]  # (V, N, 128, 8, 8): V versions of N chips, as the tenth block gives them

_FOLDS = 3  # of the families: each is judged by a tail that the others tuned
_ALTERED = 4  # copies of each face, beside the face itself and its mirror image
_BATCH = 16
_COMPONENTS = 640
# Of the views of block 13 and of block 14, whose basis is dlib's last layer.
_SHRINKAGES = (0.6, 0.3)
_DIMENSIONS = (128, 64)  # of some 330 and 80 in which parents and children agree
_RUNS = 3  # with other batches each; their weights are averaged
_STEPS = 120
_PAIRS = 96  # of a batch, each of another family
_RATE = 3e-5
_TEMPERATURE = 0.05
_DROPOUT = 0.2
_PARENT_CHILD_SHARE = 0.7  # of the batches
_ALTERED_SHARE = 0.5  # of the chips
_CUT_SHARE = 0.4  # of the altered copies: they reach past an edge of their photo
_CUT_MOST = 0.2  # of the chip's side
_TRIES = 5  # to draw a pair that is not from one photograph


def train_embedder(
    data: Path, held_back: Collection[str], *, seed: int = 0, report: Callable[[str], None]
) -> tuple[Head, Evidence, float]:
    """The tail tuned on `data` (see fiw.py) without the families held back; what its cosines mean.

    That, and the share of groups in the cohort (see `judged`), is told by tails tuned on some of
    these families, which judge the others: the one given was tuned on all, and finds relatives
    among them more alike than elsewhere.

    Raises FacematchError where the data cannot be read, MissingExtraError without torch.
    """
    require("torch", "PyTorch", "train", "tuning").manual_seed(seed)
    rng = np.random.default_rng(seed)
    faces = read_faces(data, held_back, rng, report)
    parts: list[LeftOut] = []
    for kin, rest, part in tuned_on_the_rest(faces, rng):
        parts.append(left_out(cohort_model(kin.of_families(rest), ""), kin, part, rng))
        found = parts[-1].auc_of_single_photos(share=0)
        report(f"{len(part)} families left out: ROC AUC {found:.3f}")
    return _tuned(faces, _RUNS, rng).head(), *judged(parts, report)


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Faces by name, who they show, and what the frozen blocks give for them."""

    names: NDArray[np.str_]
    kin: Kin
    maps: Maps

    def of_families(self, families: Indices) -> Faces:
        """The faces of these families only."""
        shown = np.isin(self.kin.family[self.kin.person], families)
        return Faces(self.names[shown], self.kin.of_families(families), self.maps[:, shown])


def read_faces(
    data: Path,
    held_back: Collection[str],
    rng: np.random.Generator,
    report: Callable[[str], None],
) -> Faces:
    """All faces of `data` (see fiw.py), without the families held back.

    Raises FacematchError where the data cannot be read.
    """
    names, kin, _ = read_families(data, held_back)
    maps = _trunk(open_faces(data / ARCHIVE, names), len(names), rng, report)
    return Faces(np.array(names), kin, maps)


def tuned_on_the_rest(
    faces: Faces, rng: np.random.Generator
) -> Iterator[tuple[Kin, Indices, Indices]]:
    """Parents and children, by tails that never saw some of their families.

    Gives everyone with the vectors of one tail, the families that tuned it, and the others.
    """
    families = np.unique(faces.kin.family[faces.kin.person])
    for rest, part in folds(families, _FOLDS, rng):
        network = _tuned(faces.of_families(rest), 1, rng)
        seen = replace(faces.kin, vectors=network.embedded(faces.maps))
        yield seen.of_relations(PARENT_CHILD), rest, part


def _tuned(faces: Faces, runs: int, rng: np.random.Generator) -> _Network:
    """A network fitted in closed form, then tuned in some runs; their weights are averaged."""
    network, draw = _Network(faces), _Drawer(faces, rng)
    return _averaged([_run(network, faces, draw, rng) for _ in range(runs)])


# Pictures ---------------------------------------------------------------------------------------


def _trunk(
    photos: Iterator[Photo], count: int, rng: np.random.Generator, report: Callable[[str], None]
) -> Maps:
    """What the frozen blocks give for every face, its mirror image and its altered copies."""
    network = session(trunk_graph(read_network(read_weights("dlib-resnet")), FROZEN_BLOCKS))
    locator = LandmarkLocator()
    maps: Maps | None = None
    at = 0
    while batch := list(islice(photos, _BATCH)):
        versions = [_versions(photo.pixels, locator, rng) for photo in batch]
        chips = np.stack(versions, axis=1)
        (found,) = network.run(None, {"chips": chips.reshape(-1, *chips.shape[2:])})
        if maps is None:
            maps = np.empty((len(chips), count, *found.shape[1:]), np.float16)
        maps[:, at : at + len(batch)] = found.reshape(len(chips), len(batch), *found.shape[1:])
        at += len(batch)
        if at % (64 * _BATCH) == 0:
            report(f"{at:,} of {count:,} faces seen")
    assert maps is not None  # noqa: S101 - `read_relations` gave names
    return maps


def _versions(pixels: Pixels, locator: LandmarkLocator, rng: np.random.Generator) -> Chips:
    """The chip of an aligned face, its mirror image, and copies altered each in another way."""
    face = locate_face(pixels, locator)

    def chip(picture: Pixels, shown: Face) -> Pixels:
        return np.asarray(crop_faces(picture, [shown], dlib_frame())[0])

    plain = chip(pixels, face)
    versions = [plain, plain[:, ::-1]]
    for _ in range(_ALTERED):
        altered = _cut(chip(_altered(pixels, rng), _moved(face, rng)), rng)
        versions.append(altered[:, ::-1] if rng.random() < 0.5 else altered)
    return np.asarray(np.stack(versions), np.uint8)


def _moved(face: Face, rng: np.random.Generator) -> Face:
    """The face, its landmarks turned, scaled, shifted and each a little off, as in other photos."""
    landmarks = np.asarray(face.landmarks, np.float64)
    middle, turn = landmarks.mean(axis=0), np.deg2rad(rng.normal(0, 3))
    scale = np.exp(rng.normal(0, 0.04))
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = (landmarks - middle) @ rotation.T + middle + rng.normal(0, 1.5, 2)
    moved += rng.normal(0, 0.6, landmarks.shape)
    return replace(face, landmarks=moved.astype(np.float32))


def _altered(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """The picture in other light and colours, or grey; then smaller, blurred or packed hard."""
    import cv2

    light = 255 * (pixels / 255.0) ** np.exp(rng.normal(0, 0.2))
    light = (light - 127) * np.exp(rng.normal(0, 0.15)) + 127 + rng.normal(0, 12)
    light *= np.exp(rng.normal(0, 0.06, 3))
    grey = (light @ [0.299, 0.587, 0.114])[..., np.newaxis]
    colour = 0.0 if rng.random() < 0.15 else np.exp(rng.normal(0, 0.25))
    picture = np.clip(grey + (light - grey) * colour, 0, 255).astype(np.uint8)
    size = picture.shape[1::-1]
    kind = rng.random()
    if kind < 0.3:
        side = int(rng.integers(32, 90))
        small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
        picture = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    elif kind < 0.5:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.2)), np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
        packed = cv2.imencode(".jpg", picture, quality)[1]
        picture = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(picture, np.uint8)


def _cut(chip: Pixels, rng: np.random.Generator) -> Pixels:
    """The chip of a face near the edges of its photo, sometimes: black beyond them."""
    if rng.random() > _CUT_SHARE:
        return chip
    left, top, right, bottom = rng.integers(0, round(_CUT_MOST * len(chip)), 4).tolist()
    inner = (slice(top, len(chip) - bottom), slice(left, len(chip) - right))
    shown = np.zeros_like(chip)
    shown[inner] = chip[inner]
    return shown


# Pairs ------------------------------------------------------------------------------------------


class _Drawer:
    """Draws batches of relatives: one relation, one pair a family, not from one photograph."""

    def __init__(self, faces: Faces, rng: np.random.Generator) -> None:
        self._rng, kin = rng, faces.kin
        self._photograph = [photograph_of(name) or name for name in faces.names.tolist()]
        people = np.unique(kin.person)
        self._photos = {int(person): np.flatnonzero(kin.person == person) for person in people}
        self._pairs: dict[str, dict[int, list[tuple[int, int]]]] = {}
        columns = (kin.relations, kin.parents, kin.children)
        for relation, one, other in zip(*(each.tolist() for each in columns), strict=True):
            kind = "grandparents" if relation.startswith("g") else relation
            families = self._pairs.setdefault(kind, {})
            families.setdefault(int(kin.family[one]), []).append((one, other))

    def batch(self) -> tuple[Indices, Indices]:
        """Photos of as many pairs of relatives, (N,) each."""
        parental = self._rng.random() < _PARENT_CHILD_SHARE
        kinds = [kind for kind in self._pairs if (kind in PARENT_CHILD) == parental]
        families = self._pairs[str(self._rng.choice(kinds or list(self._pairs)))]
        drawn = [
            self._pair(families[family])
            for family in self._rng.permutation(list(families))[:_PAIRS].tolist()
        ]
        ones, others = zip(*(pair for pair in drawn if pair is not None), strict=True)
        return np.array(ones, np.intp), np.array(others, np.intp)

    def _pair(self, pairs: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
        people = pairs[int(self._rng.integers(len(pairs)))]
        for _ in range(_TRIES):
            one, other = (int(self._rng.choice(self._photos[person])) for person in people)
            if self._photograph[one] != self._photograph[other]:
                return one, other
        return None


# The tail ---------------------------------------------------------------------------------------


class _Network:
    """The tail in torch. Built in closed form: dlib's convolutions, and views fitted to faces."""

    def __init__(self, faces: Faces) -> None:
        import torch

        layers, last = head_layers(read_network(read_weights("dlib-resnet")))
        self.weights = [torch.tensor(layer.weights) for layer in layers]
        self.biases = [torch.tensor(layer.bias) for layer in layers]
        places, pooled = (
            np.concatenate(versions)
            for versions in zip(*(self._features(faces.maps[at]) for at in (0, 1)), strict=True)
        )
        middle = places.mean(axis=0)
        _, axes = np.linalg.eigh(np.cov((places - middle).T, dtype=np.float32))
        basis = axes[:, ::-1][:, :_COMPONENTS]
        self.views = [
            _view(places, basis, middle @ basis, faces.kin, _SHRINKAGES[0], _DIMENSIONS[0]),
            _view(pooled, last, np.zeros(last.shape[1]), faces.kin, _SHRINKAGES[1], _DIMENSIONS[1]),
        ]

    def parameters(self) -> list[torch.Tensor]:
        """All that is tuned, in a fixed order."""
        return [*self.weights, *self.biases, *(part for view in self.views for part in view)]

    def vectors(self, maps: Maps, dropout: float = 0.0) -> torch.Tensor:
        """Unit vectors, both views end to end. Shapes: (N, 128, 8, 8) -> (N, K)."""
        import torch
        from torch.nn.functional import dropout as dropped
        from torch.nn.functional import normalize

        places, pooled = self._blocks(maps)
        seen = []
        for flat, view in zip((dropped(places, dropout), pooled), self.views, strict=True):
            basis, shift, mean, along = view
            seen.append(normalize((normalize(flat @ basis - shift, dim=1) - mean) @ along, dim=1))
        return normalize(torch.cat(seen, dim=1), dim=1)

    def embedded(self, maps: Maps) -> Vectors:
        """Each face and its mirror image averaged. Shapes: (V, N, 128, 8, 8) -> (N, K)."""
        import torch

        with torch.no_grad():
            both = [
                np.concatenate([self.vectors(part).numpy() for part in _parts(version)])
                for version in maps[:2]
            ]
        return unit_rows(both[0] + both[1])

    def head(self) -> Head:
        """As arrays."""
        weights, biases = (
            tuple(each.detach().numpy() for each in some) for some in (self.weights, self.biases)
        )
        one, other = (Projection(*(part.detach().numpy() for part in view)) for view in self.views)
        return Head(weights, biases, (one, other))

    def _blocks(self, maps: Maps) -> tuple[torch.Tensor, torch.Tensor]:
        """Blocks 11 to 14: what the last but one gives, flat, and the mean over places of the last.

        The first and the last halve what they are given; where sizes differ zeros are added.
        """
        import torch
        from torch.nn.functional import avg_pool2d, conv2d, pad, relu

        def convolved(at: int, values: torch.Tensor, stride: int = 1) -> torch.Tensor:
            edge = 1 if stride == 1 else 0
            return conv2d(values, self.weights[at], self.biases[at], stride, edge)

        def halved(at: int, values: torch.Tensor) -> torch.Tensor:
            inner = pad(convolved(at + 1, relu(convolved(at, values, stride=2))), (0, 1, 0, 1))
            pooled = avg_pool2d(values, 2)
            more = inner.shape[1] - pooled.shape[1]
            return relu(inner + pad(pooled, (0, 0, 0, 0, 0, more)))

        values = halved(0, torch.from_numpy(maps.astype(np.float32)))
        for at in (2, 4):
            values = relu(values + convolved(at + 1, relu(convolved(at, values))))
        return values.flatten(1), halved(6, values).mean(dim=(2, 3))

    def _features(self, maps: Maps) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        import torch

        with torch.no_grad():
            found = [self._blocks(part) for part in _parts(maps)]
        places, pooled = zip(*found, strict=True)
        return torch.cat(places).numpy(), torch.cat(pooled).numpy()


def _parts(maps: Maps) -> Iterator[Maps]:
    return (maps[start : start + 256] for start in range(0, len(maps), 256))


def _view(
    flat: NDArray[np.float32],
    basis: NDArray[np.float32],
    shift: Floats,
    kin: Kin,
    shrinkage: float,
    dimensions: int,
) -> list[torch.Tensor]:
    """The parts of a `View` in closed form; `flat` (2 N, M) are faces and their mirror images."""
    import torch

    twice = replace(
        kin,
        vectors=(flat @ basis - shift).astype(np.float32),
        person=np.concatenate([kin.person, kin.person]),
    ).of_relations(PARENT_CHILD)
    mean, along = kin_map(twice, shrinkage)
    best = along[:, ::-1][:, :dimensions]  # where parents and children agree most
    return [
        torch.tensor(np.ascontiguousarray(part, np.float32)) for part in (basis, shift, mean, best)
    ]


def _run(start: _Network, faces: Faces, draw: _Drawer, rng: np.random.Generator) -> _Network:
    """A copy of the network after one run; its weights averaged over the last steps."""
    import torch

    network, average = deepcopy(start), deepcopy(start)
    parameters = [each.requires_grad_() for each in network.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _RATE, total_steps=_STEPS, pct_start=0.2
    )
    for step in range(1, _STEPS + 1):
        loss = _loss(network, faces.maps, draw.batch(), rng)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for mean, value in zip(average.parameters(), parameters, strict=True):
                mean.lerp_(value, max(0.02, 10 / (step + 10)))
    return average


def _loss(
    network: _Network, maps: Maps, pairs: tuple[Indices, Indices], rng: np.random.Generator
) -> torch.Tensor:
    """InfoNCE: each photo's relative among those of all others, from both sides."""
    import torch
    from torch.nn.functional import cross_entropy

    photos = np.concatenate(pairs)
    plain = rng.integers(0, 2, len(photos))
    altered = rng.integers(2, len(maps), len(photos))
    version = np.where(rng.random(len(photos)) < _ALTERED_SHARE, altered, plain)
    vectors = network.vectors(maps[version, photos], _DROPOUT)
    ones, others = vectors.split(len(pairs[0]))
    alike = ones @ others.T / _TEMPERATURE
    right = torch.arange(len(ones))
    return (cross_entropy(alike, right) + cross_entropy(alike.T, right)) / 2


def _averaged(networks: Sequence[_Network]) -> _Network:
    import torch

    average = deepcopy(networks[0])
    with torch.no_grad():
        for mean, *values in zip(
            *(each.parameters() for each in (average, *networks)), strict=True
        ):
            mean.copy_(torch.stack(values).mean(dim=0))
    return average

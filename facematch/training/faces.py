"""The faces that the embedder is tuned on, as the frozen blocks of the network give them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.detection.landmarks import LandmarkLocator
from facematch.evaluation.fiw import read_families
from facematch.evaluation.fiw_faces import ARCHIVE, open_faces
from facematch.evaluation.kin import Indices, Kin
from facematch.training.augmentation import augment
from facematch.types import Chips, Photo
from facematch.weights.dlib_format import read_network
from facematch.weights.files import read_weights
from facematch.weights.onnx_graphs import FROZEN_BLOCKS, trunk_graph
from facematch.weights.sessions import session

Maps = NDArray[np.float16]  # (V, N, 128, 8, 8): V versions of N chips after the tenth block

_TRUNK_BATCH = 16  # faces, each in V versions
_FACES_PER_REPORT = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Faces by name, whom they show, and what the frozen blocks give for them."""

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
    maps = _frozen_maps(open_faces(data / ARCHIVE, names), len(names), rng, report)
    return Faces(np.array(names), kin, maps)


def frozen_maps_of_chips(chips: Chips) -> Maps:
    """What the frozen blocks give for N chips and their mirror images.

    Shapes: (N, 150, 150, 3) -> (2, N, 128, 8, 8).
    """
    network = session(trunk_graph(read_network(read_weights("dlib-resnet")), FROZEN_BLOCKS))
    versions = []
    for each in (chips, chips[:, :, ::-1]):
        parts = [
            network.run(None, {"chips": np.ascontiguousarray(each[at : at + _TRUNK_BATCH])})[0]
            for at in range(0, len(each), _TRUNK_BATCH)
        ]
        versions.append(np.concatenate(parts).astype(np.float16))
    return np.stack(versions)


def _frozen_maps(
    photos: Iterator[Photo], count: int, rng: np.random.Generator, report: Callable[[str], None]
) -> Maps:
    """What the frozen blocks give for every face, its mirror image and its altered copies."""
    network = session(trunk_graph(read_network(read_weights("dlib-resnet")), FROZEN_BLOCKS))
    locator = LandmarkLocator()
    maps: Maps | None = None
    done = 0
    while batch := list(islice(photos, _TRUNK_BATCH)):
        chips = np.stack([augment(photo.pixels, locator, rng) for photo in batch], axis=1)
        (rows,) = network.run(None, {"chips": chips.reshape(-1, *chips.shape[2:])})
        if maps is None:
            maps = np.empty((len(chips), count, *rows.shape[1:]), np.float16)
        maps[:, done : done + len(batch)] = rows.reshape(len(chips), len(batch), *rows.shape[1:])
        done += len(batch)
        if done % _FACES_PER_REPORT == 0:
            report(f"{done:,} of {count:,} faces read")
    assert maps is not None  # noqa: S101 - `read_relations` gave names
    return maps

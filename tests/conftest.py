from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facematch.detection.alignment import dlib_frame
from facematch.evaluation.kin import Kin
from facematch.types import Chips, Face, Frame, Pixels, Vectors
from facematch.weights.catalogue import fetch, state

REPOSITORY = Path(__file__).parent.parent
SAMPLES = REPOSITORY / "samples"
_HERE = ("127.0.0.1", "::1", "localhost")
SHARED = Path(os.environ.get("FACEMATCH_SHARED", REPOSITORY.parent / "shared"))


def shared_file(*parts: str) -> Path:
    """A file beside the project; skips the test where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not in FACEMATCH_SHARED, the data beside the project")
    return path


def installed(weights: str, file: str) -> None:
    """Have a weight file that nobody ships; skips the test where it is absent."""
    if state(weights) != "ready":
        fetch(weights, source=shared_file("models", file))


@pytest.fixture(scope="session", autouse=True)
def _weights_converted_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests fill a cache of their own, or the one FACEMATCH_TEST_CACHE names, never the user's."""
    folder = os.environ.get("FACEMATCH_TEST_CACHE") or str(tmp_path_factory.mktemp("cache"))
    os.environ["FACEMATCH_CACHE"] = folder


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Whoever calls out of this machine in a test fails: only `models fetch` may, when asked."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def local_only(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in _HERE:
            raise AssertionError(f"the network was used: {address}")
        connect(self, address)

    def known_only(host: Any, *rest: Any, **more: Any) -> Any:
        if host not in _HERE:
            raise AssertionError(f"a name was looked up: {host}")
        return look_up(host, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", local_only)
        patch.setattr(socket, "getaddrinfo", known_only)
        yield


class CountingDetector:
    """Finds the boxes it was given, scaled with the photo, and counts how often it was asked."""

    name = "counting"

    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self.boxes = boxes
        self.calls = 0
        self.min_faces: list[float | None] = []

    def detect(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        self.calls += 1
        self.min_faces.append(min_face)
        return [Face(box, 1.0 - 0.1 * at) for at, box in enumerate(self.boxes)]


class ColourEmbedder:
    """Embeds a chip as its mean colour and its spread; counts the chips it was given."""

    name = "colour"
    space = "colour"

    def __init__(self) -> None:
        self.batches: list[int] = []

    @property
    def frame(self) -> Frame:
        return dlib_frame()

    def embed(self, chips: Chips) -> Vectors:
        self.batches.append(len(chips))
        flat = chips.reshape(len(chips), self.frame.size**2, 3).astype(np.float32)
        return np.concatenate([flat.mean(axis=1) + 1, flat.std(axis=1)], axis=1)


def families_of_four(photos: NDArray[np.float64]) -> Kin:
    """Families of two parents and two children, four photos each, from their vectors in order."""
    count = len(photos) // 16
    first = 4 * np.arange(count)
    pairs = [(parent, child) for parent in (0, 1) for child in (2, 3)]
    return Kin(
        vectors=photos.astype(np.float32),
        person=np.arange(4 * count).repeat(4),
        family=np.arange(count).repeat(4),
        parents=np.concatenate([first + parent for parent, _ in pairs]),
        children=np.concatenate([first + child for _, child in pairs]),
        relations=np.repeat(["fs", "fd", "ms", "md"], count),
    )


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    """A picture with nothing in it."""
    values: NDArray[np.uint8] = np.random.default_rng(seed).integers(
        0, 256, (height, width, 3), np.uint8
    )
    return values

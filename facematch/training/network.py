"""The head of the embedder in torch, so that it can be tuned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.fiw import PARENT_CHILD
from facematch.evaluation.kin import Kin
from facematch.training.faces import Faces, Maps
from facematch.training.kin_map import kin_map
from facematch.types import Vectors, unit_rows
from facematch.weights.dlib_format import read_network
from facematch.weights.files import read_weights
from facematch.weights.head import Head, Projection
from facematch.weights.onnx_graphs import head_layers

if TYPE_CHECKING:
    import torch

_BASIS_COMPONENTS = 640  # principal components of block 13 that its projection starts with
_CHUNK = 256  # faces at a time


@dataclass(frozen=True, slots=True)
class _ProjectionOptions:
    """The shrinkage of `kin_map`, and how many of its dimensions are kept."""

    shrinkage: float
    dimensions: int


# Parents and children agree in about 330 and 80 dimensions.
_OF_POSITIONS = _ProjectionOptions(shrinkage=0.6, dimensions=128)  # of block 13
_OF_MEANS = _ProjectionOptions(shrinkage=0.3, dimensions=64)  # of block 14; dlib's last layer first


class HeadNetwork:
    """The head in torch. It starts with dlib's convolutions, and projections in closed form."""

    def __init__(self, faces: Faces) -> None:
        import torch

        layers, last = head_layers(read_network(read_weights("dlib-resnet")))
        self.weights = [torch.tensor(layer.weights) for layer in layers]
        self.biases = [torch.tensor(layer.bias) for layer in layers]
        positions, pooled = (
            np.concatenate(versions)
            for versions in zip(*(self._features(faces.maps[i]) for i in (0, 1)), strict=True)
        )
        middle = positions.mean(axis=0)
        _, axes = np.linalg.eigh(np.cov((positions - middle).T, dtype=np.float32))
        basis = axes[:, ::-1][:, :_BASIS_COMPONENTS]
        self.projections = [
            _fit_projection(positions, (basis, middle @ basis), faces.kin, _OF_POSITIONS),
            _fit_projection(
                pooled, (last, np.zeros(last.shape[1], np.float32)), faces.kin, _OF_MEANS
            ),
        ]

    def parameters(self) -> list[torch.Tensor]:
        """All tensors that are tuned, in a fixed order."""
        return [
            *self.weights,
            *self.biases,
            *(part for projection in self.projections for part in projection),
        ]

    def vectors(self, maps: Maps, dropout: float = 0.0) -> torch.Tensor:
        """Unit vectors, both projections concatenated. Shapes: (N, 128, 8, 8) -> (N, K)."""
        import torch
        from torch.nn.functional import dropout as dropped
        from torch.nn.functional import normalize

        positions, pooled = self._blocks(maps)
        vectors = []
        for flat, projection in zip(
            (dropped(positions, dropout), pooled), self.projections, strict=True
        ):
            basis, shift, mean, along = projection
            vectors.append(
                normalize((normalize(flat @ basis - shift, dim=1) - mean) @ along, dim=1)
            )
        return normalize(torch.cat(vectors, dim=1), dim=1)

    def embed(self, maps: Maps) -> Vectors:
        """The mean of each face and its mirror image. Shapes: (V, N, 128, 8, 8) -> (N, K)."""
        import torch

        with torch.no_grad():
            both = [
                np.concatenate([self.vectors(part).numpy() for part in _chunks(version)])
                for version in maps[:2]
            ]
        return unit_rows(both[0] + both[1])

    def head(self) -> Head:
        """The head as arrays."""
        weights, biases = (
            tuple(each.detach().numpy() for each in tensors)
            for tensors in (self.weights, self.biases)
        )
        one, other = (
            Projection(*(part.detach().numpy() for part in projection))
            for projection in self.projections
        )
        return Head(weights, biases, (one, other))

    def _blocks(self, maps: Maps) -> tuple[torch.Tensor, torch.Tensor]:
        """The output of block 13, flat, and the mean over the positions of block 14's output.

        Blocks 11 and 14 halve their input; where sizes differ, zeros are added.
        """
        import torch
        from torch.nn.functional import avg_pool2d, conv2d, pad, relu

        def convolved(i: int, values: torch.Tensor, stride: int = 1) -> torch.Tensor:
            edge = 1 if stride == 1 else 0
            return conv2d(values, self.weights[i], self.biases[i], stride, edge)

        def halved(i: int, values: torch.Tensor) -> torch.Tensor:
            inner = pad(convolved(i + 1, relu(convolved(i, values, stride=2))), (0, 1, 0, 1))
            pooled = avg_pool2d(values, 2)
            more = inner.shape[1] - pooled.shape[1]
            return relu(inner + pad(pooled, (0, 0, 0, 0, 0, more)))

        values = halved(0, torch.from_numpy(maps.astype(np.float32)))
        for i in (2, 4):
            values = relu(values + convolved(i + 1, relu(convolved(i, values))))
        return values.flatten(1), halved(6, values).mean(dim=(2, 3))

    def _features(self, maps: Maps) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        import torch

        with torch.no_grad():
            outputs = [self._blocks(part) for part in _chunks(maps)]
        positions, pooled = zip(*outputs, strict=True)
        return torch.cat(positions).numpy(), torch.cat(pooled).numpy()


def _chunks(maps: Maps) -> Iterator[Maps]:
    return (maps[start : start + _CHUNK] for start in range(0, len(maps), _CHUNK))


def _fit_projection(
    flat: NDArray[np.float32],
    basis_and_shift: tuple[NDArray[np.float32], NDArray[np.float32]],
    kin: Kin,
    options: _ProjectionOptions,
) -> list[torch.Tensor]:
    """A `Projection` in closed form; `flat` (2 N, M) are faces and their mirror images."""
    import torch

    basis, shift = basis_and_shift
    twice = replace(
        kin,
        vectors=(flat @ basis - shift).astype(np.float32),
        person=np.concatenate([kin.person, kin.person]),
    ).of_relations(PARENT_CHILD)
    mean, along = kin_map(twice, options.shrinkage)
    best = along[:, ::-1][:, : options.dimensions]  # where parents and children agree most
    return [
        torch.tensor(np.ascontiguousarray(part, np.float32)) for part in (basis, shift, mean, best)
    ]

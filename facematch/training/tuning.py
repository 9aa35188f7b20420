"""Tunes the head with pairs of relatives (InfoNCE), each against the others of its batch."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np

from facematch.evaluation.kin import Indices
from facematch.training.batches import BatchSampler
from facematch.training.faces import Faces, Maps
from facematch.training.network import HeadNetwork

if TYPE_CHECKING:
    import torch

_TUNING_STEPS = 120
_LEARNING_RATE = 3e-5
_TEMPERATURE = 0.05
_DROPOUT = 0.2
_ALTERED_SHARE = 0.5  # of the chips


def tune(faces: Faces, runs: int, rng: np.random.Generator) -> HeadNetwork:
    """A network in closed form, then tuned in some runs with other batches; their mean."""
    network, batches = HeadNetwork(faces), BatchSampler(faces, rng)
    return _averaged_networks([_tuned_once(network, faces, batches, rng) for _ in range(runs)])


def _tuned_once(
    start: HeadNetwork, faces: Faces, batches: BatchSampler, rng: np.random.Generator
) -> HeadNetwork:
    """A copy of the network after one run, with the moving average of its weights."""
    import torch

    network, average = deepcopy(start), deepcopy(start)
    parameters = [each.requires_grad_() for each in network.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _LEARNING_RATE, total_steps=_TUNING_STEPS, pct_start=0.2
    )
    for step in range(1, _TUNING_STEPS + 1):
        loss = _loss(network, faces.maps, batches.sample(), rng)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for mean, value in zip(average.parameters(), parameters, strict=True):
                mean.lerp_(value, max(0.02, 10 / (step + 10)))
    return average


def _loss(
    network: HeadNetwork, maps: Maps, pairs: tuple[Indices, Indices], rng: np.random.Generator
) -> torch.Tensor:
    """InfoNCE: each photo's relative against the relatives of all others, from both sides."""
    import torch
    from torch.nn.functional import cross_entropy

    photos = np.concatenate(pairs)
    plain = rng.integers(0, 2, len(photos))
    altered = rng.integers(2, len(maps), len(photos))
    version = np.where(rng.random(len(photos)) < _ALTERED_SHARE, altered, plain)
    vectors = network.vectors(maps[version, photos], _DROPOUT)
    ones, others = vectors.split(len(pairs[0]))
    likeness = ones @ others.T / _TEMPERATURE
    right = torch.arange(len(ones))
    return (cross_entropy(likeness, right) + cross_entropy(likeness.T, right)) / 2


def _averaged_networks(networks: Sequence[HeadNetwork]) -> HeadNetwork:
    import torch

    average = deepcopy(networks[0])
    with torch.no_grad():
        for mean, *values in zip(
            *(each.parameters() for each in (average, *networks)), strict=True
        ):
            mean.copy_(torch.stack(values).mean(dim=0))
    return average

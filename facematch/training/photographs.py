"""Fit what the statistics of faces on photographs are, see embedding/photographs.py."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.embedding.kin import KinEmbedder
from facematch.embedding.photographs import Photographs
from facematch.evaluation.fiw import embed_families
from facematch.types import Chips, Frame, Vectors

SHARE_WITHIN = 0.995  # of photographs of families left out
_FOLDS = 5  # of families


class _Statistics:
    """The statistics that an embedder gives, in the place of its vectors."""

    name = space = "statistics"

    def __init__(self, embedder: KinEmbedder) -> None:
        self._embedder = embedder

    @property
    def frame(self) -> Frame:
        return self._embedder.frame

    def embed(self, chips: Chips) -> Vectors:
        return self._embedder.embed_with_statistics(chips)[1]


def train_photographs(
    data: Path, held_back: Collection[str], *, report: Callable[[str], None]
) -> Photographs:
    """Fit the statistics of the families in `data` but those held back.

    Raises FacematchError where the files are missing or hold no such data.
    """
    kin, _ = embed_families(data, _Statistics(KinEmbedder()), held_back, report)
    return fit_photographs(kin.vectors, kin.family[kin.person])


def fit_photographs(statistics: Vectors, families: NDArray[np.intp]) -> Photographs:
    """The statistics of faces (N, T), of families (N,), with the limit that left-out ones keep."""
    fold = families % _FOLDS
    distances = [
        _fitted(statistics[fold != left_out], 0).distances(statistics[fold == left_out])
        for left_out in range(_FOLDS)
    ]
    return _fitted(statistics, float(np.quantile(np.concatenate(distances), SHARE_WITHIN)))


def _fitted(statistics: Vectors, limit: float) -> Photographs:
    """Mean and covariance, the latter shrunk as Ledoit and Wolf 2004 do."""
    from sklearn.covariance import LedoitWolf

    values = statistics.astype(np.float64)
    mean, scale = values.mean(axis=0), values.std(axis=0) + 1e-6
    precision = LedoitWolf(assume_centered=True).fit((values - mean) / scale).precision_
    whitening = np.linalg.cholesky(precision) / scale[:, np.newaxis]
    return Photographs(
        mean.astype(np.float32), whitening.astype(np.float32), np.array([limit], np.float32)
    )

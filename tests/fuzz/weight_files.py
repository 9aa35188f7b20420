"""Everything that reads weight files, and a small real file for each, for those who damage them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from helpers.make_dat import small_detector, small_forest

from facematch.embedding.onnx_model import read_recipe
from facematch.errors import WeightsError
from facematch.scoring.resemblance import ResemblanceModel, model_as_bytes, open_model
from facematch.weights.dlib_format import read_network
from facematch.weights.head import Head, Projection, head_as_bytes, open_head
from facematch.weights.onnx_graphs import mmod_graph, resnet_graph
from facematch.weights.shape_predictor import forest_archive, open_forest, read_forest

_RECIPE = b"""name = "mean"
size = 112
frame = "arcface"
template = [[24.0, 10.0], [20.0, 10.0], [8.0, 10.0], [12.0, 10.0], [16.0, 20.0]]
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
colour = "RGB"
layout = "NCHW"
sha256 = "b7120cb7120cb7120cb7120cb7120cb7120cb7120cb7120cb7120cb7120cb712"
"""
_PATH = Path(tempfile.mkdtemp(prefix="facematch-weights-"), "model.toml")


def read_network_as_graphs(data: bytes) -> None:
    network = read_network(data)
    for graph in (mmod_graph, resnet_graph):
        try:
            graph(network)
        except WeightsError:
            continue


def read_toml(data: bytes) -> None:
    _PATH.write_bytes(data)
    read_recipe(_PATH)


READERS: tuple[Callable[[bytes], object], ...] = (
    read_network_as_graphs, read_forest, open_forest, open_head, open_model, read_toml,
)  # fmt: skip


def real_files() -> Iterator[tuple[Callable[[bytes], object], bytes]]:
    """A whole file for each reader, a few kilobytes each."""
    yield read_network_as_graphs, small_detector()
    yield read_forest, small_forest()
    yield open_forest, forest_archive(read_forest(small_forest()))
    yield open_head, head_as_bytes(_small_head())
    yield open_model, model_as_bytes(_model())
    yield read_toml, _RECIPE


def _small_head() -> Head:
    one = np.ones((2, 2, 1, 1), np.float32)
    view = Projection(*(np.ones(shape, np.float32) for shape in ((3, 2), (2,), (2,), (2, 2))))
    return Head(weights=(one,) * 8, biases=(np.ones(2, np.float32),) * 8, projections=(view, view))


def _model() -> ResemblanceModel:
    """Of four dimensions, three of them kept, and two groups."""
    two, three, square = (np.ones(shape, np.float32) for shape in (2, 3, (3, 3)))
    return ResemblanceModel(
        name="small",
        space="small",
        families=np.array(["F0001", "F0002"]),
        mean=np.zeros(4, np.float32),
        transform=np.ones((4, 3), np.float32),
        parent_mean=three,
        parent_covariance=square,
        child_mean=three,
        child_covariance=square,
        group_axes=np.ones((2, 3), np.float32),
        group_offsets=two,
        group_share=np.array([0.5], np.float32),
        parent_group_means=np.ones((2, 3), np.float32),
        parent_group_covariances=np.ones((2, 3, 3), np.float32),
        child_group_means=np.ones((2, 3), np.float32),
        child_group_covariances=np.ones((2, 3, 3), np.float32),
        population_axes=np.ones((1, 3), np.float32),
        population_offsets=np.ones(1, np.float32),
        age_axes=np.ones((9, 3), np.float32),
        age_offsets=np.ones(9, np.float32),
        stratum_means=np.ones((4, 4), np.float32),
        stratum_deviations=np.zeros(4, np.float32),
        distances=np.array([0, 1], np.float32),
        scores=np.array([0, 99], np.float32),
        log_ratio=np.array([1, 0, -1, 1], np.float32),
        log_ratio_draws=np.ones((5, 2), np.float32),
        averaging=np.array([0, 0, 1, 1], np.float32),
    )

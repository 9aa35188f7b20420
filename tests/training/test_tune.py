from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.data_sets import archive
from helpers.made_up import noise
from numpy.typing import NDArray

from facematch.embedding.kin import KinEmbedder
from facematch.errors import MissingExtraError, WeightsError
from facematch.training import augmentation, embedder, tuning
from facematch.training import network as network_module
from facematch.training.faces import frozen_maps_of_chips, read_faces
from facematch.types import Chips
from facematch.weights import dlib_format, onnx_graphs
from facematch.weights.files import read_weights
from facematch.weights.head import Head, Projection, head_as_bytes, open_head
from facematch.weights.sessions import session


@pytest.fixture(scope="module")
def network() -> dlib_format.Network:
    return dlib_format.read_network(read_weights("dlib-resnet"))


@pytest.fixture
def chips() -> Chips:
    return np.stack([noise(150, 150, seed) for seed in range(3)])


def untuned(network: dlib_format.Network, seed: int = 0) -> Head:
    """dlib's own convolutions, and projections of random numbers."""
    layers, last = onnx_graphs.head_layers(network)
    rng = np.random.default_rng(seed)

    def projection(basis: NDArray[np.float32], size: int) -> Projection:
        length = basis.shape[1]
        parts = (
            rng.normal(size=length),
            rng.normal(0, 0.1, length),
            rng.normal(size=(length, size)),
        )
        return Projection(basis, *(part.astype(np.float32) for part in parts))

    return Head(
        weights=tuple(layer.weights for layer in layers if layer.weights is not None),
        biases=tuple(layer.bias for layer in layers if layer.bias is not None),
        projections=(
            projection(rng.normal(size=(4096, 20)).astype(np.float32), 8),
            projection(last, 4),
        ),
    )


def projected(flat: NDArray[np.float32], projection: Projection) -> NDArray[np.float32]:
    along = flat @ projection.basis - projection.shift
    vectors = (
        along / np.linalg.norm(along, axis=1, keepdims=True) - projection.mean
    ) @ projection.map
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_a_head_is_two_projections_of_the_networks_last_blocks(
    network: dlib_format.Network, chips: Chips
) -> None:
    head = untuned(network)
    assert [weights.shape[1] for weights in head.weights] == [128] + [256] * 7
    maps = [
        session(onnx_graphs.trunk_graph(network, blocks)).run(None, {"chips": chips})[0]
        for blocks in (13, 14)
    ]
    assert [each.shape for each in maps] == [(3, 256, 4, 4), (3, 256, 2, 2)]
    flat = maps[0].reshape(3, -1), maps[1].mean(axis=(2, 3))
    expected = np.hstack(
        [projected(each, part) for each, part in zip(flat, head.projections, strict=True)]
    )
    vectors, statistics = session(onnx_graphs.tuned_graph(network, head)).run(
        ["vectors", "statistics"], {"chips": chips}
    )
    np.testing.assert_allclose(vectors, expected, rtol=1e-3, atol=1e-4)
    mean, deviation = maps[0].mean(axis=(2, 3)), maps[0].std(axis=(2, 3))
    np.testing.assert_allclose(
        statistics, np.hstack([mean, np.log(deviation + 1e-3)]), rtol=1e-2, atol=1e-2
    )


def test_a_head_survives_its_archive_but_for_half_precision(network: dlib_format.Network) -> None:
    head = untuned(network)
    opened = open_head(head_as_bytes(head))
    for one, other in zip(opened.projections, head.projections, strict=True):
        np.testing.assert_allclose(one.basis, other.basis, rtol=1e-3, atol=1e-6)


def test_a_head_that_does_not_fit_is_refused(network: dlib_format.Network) -> None:
    head = untuned(network)
    with pytest.raises(WeightsError, match="no archive of a tuned head"):
        open_head(b"nothing")
    shorter = replace(head.projections[0], shift=head.projections[0].shift[1:])
    contradictory = replace(head, projections=(shorter, head.projections[1]))
    with pytest.raises(WeightsError, match="numbers contradict each other"):
        open_head(head_as_bytes(contradictory))
    swapped = replace(head, weights=head.weights[::-1])
    with pytest.raises(WeightsError, match="does not fit its place"):
        onnx_graphs.tuned_graph(network, swapped)
    with pytest.raises(WeightsError, match="14 residual blocks; 15 are needed"):
        onnx_graphs.trunk_graph(network, 15)


def test_a_face_and_its_mirror_image_are_embedded_alike(chips: Chips) -> None:
    kin = KinEmbedder()
    vectors, mirrored = kin.embed(chips), kin.embed(np.ascontiguousarray(chips[:, :, ::-1]))
    np.testing.assert_allclose(vectors, mirrored, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_tuning_gives_a_head_and_others_for_families_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="PyTorch is of the extra [train]")
    for module, name, value in (
        (tuning, "_TUNING_STEPS", 4),
        (embedder, "_RUNS", 2),
        (network_module, "_BASIS_COMPONENTS", 24),
        (augmentation, "_COPIES", 1),
    ):
        monkeypatch.setattr(module, name, value)
    lines: list[str] = []
    data = archive(tmp_path, families=24)
    head = embedder.train_embedder(data, ["F0001"], report=lines.append)
    assert len(head.weights) == 8
    assert [part.basis.shape for part in head.projections] == [(4096, 24), (256, 128)]
    faces = read_faces(data, ["F0001"], np.random.default_rng(0), lines.append)
    chips = np.stack([noise(150, 150, seed) for seed in range(3)])
    found = list(
        embedder.tuned_on_the_rest(faces, frozen_maps_of_chips(chips), np.random.default_rng(0))
    )
    left_out = np.concatenate([part for _, _, _, part in found])
    assert sorted(left_out) == sorted(np.unique(faces.kin.family[faces.kin.person]))
    assert all(others.shape == (3, kin.vectors.shape[1]) for kin, others, _, _ in found)
    graph = onnx_graphs.tuned_graph(dlib_format.read_network(read_weights("dlib-resnet")), head)
    (vectors,) = session(graph).run(["vectors"], {"chips": np.stack([noise(150, 150)])})
    assert np.isfinite(vectors).all()


def test_without_torch_tuning_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'facematch-kin\[train\]'"):
        embedder.train_embedder(tmp_path, [], report=print)

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.made_up import noise
from helpers.places import shared_file
from onnx import TensorProto, helper

from facematch.embedding.onnx_model import OnnxEmbedder
from facematch.embedding.registry import load_embedder
from facematch.errors import EmbeddingError, WeightsError
from facematch.matcher import FaceMatcher
from facematch.types import Vectors

Build = Callable[..., Path]


def mean_graph(axes: list[int], batch: int | str, size: int = 32) -> bytes:
    """A network that gives the mean of each channel."""
    shape = [batch, 3, size, size] if axes == [2, 3] else [batch, size, size, 3]
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x"], ["y"], axes=axes, keepdims=0),
        ],
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def toml(values: dict[str, Any]) -> str:
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items())


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Writes an ONNX file and its TOML, with what the test changes; gives the path."""

    def write(model: bytes | None = None, **changes: Any) -> Path:
        model = mean_graph([2, 3], "N") if model is None else model
        values: dict[str, Any] = {
            "name": "mean",
            "size": 32,
            "frame": "arcface",
            "mean": [0.0, 0.0, 0.0],
            "std": [1.0, 1.0, 1.0],
            "colour": "RGB",
            "sha256": hashlib.sha256(model).hexdigest(),
        } | changes
        path = tmp_path / "ménage.onnx"
        path.write_bytes(model)
        kept = {key: value for key, value in values.items() if value is not None}
        path.with_suffix(".toml").write_text(toml(kept), encoding="utf-8")
        return path

    return write


CHIPS = np.stack([noise(32, 32, seed) // 2 for seed in range(40)])
MEANS = CHIPS.reshape(40, -1, 3).mean(axis=1) / 255
ARCFACE_POINTS = [[11.0, 15.0], [21.0, 15.0], [16.0, 20.0], [12.0, 26.0], [20.0, 26.0]]


@pytest.mark.parametrize("batch", ["N", 1])
def test_chips_are_given_to_the_network_as_the_toml_says(build: Build, batch: int | str) -> None:
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]
    embedder = OnnxEmbedder(build(mean_graph([2, 3], batch), mean=mean, std=std))
    np.testing.assert_allclose(embedder.embed(CHIPS), (MEANS - mean) / std, atol=1e-5)
    assert embedder.embed(CHIPS[:0]).shape == (0, 3)


def test_colours_and_layout_can_be_the_other_way_round(build: Build) -> None:
    path = build(mean_graph([1, 2], "N"), colour="BGR", layout="NHWC")
    np.testing.assert_allclose(OnnxEmbedder(path).embed(CHIPS), MEANS[:, ::-1], atol=1e-5)


def test_other_chips_are_another_space(build: Build) -> None:
    spaces = {
        OnnxEmbedder(build(**changes)).space
        for changes in ({}, {"mean": [0.5, 0.5, 0.5]}, {"colour": "BGR"}, {"std": [2.0, 2.0, 2.0]})
    }
    assert len(spaces) == 4
    assert OnnxEmbedder(build(licence="MIT")).space in spaces


def test_the_space_names_the_weights(build: Build) -> None:
    one = OnnxEmbedder(build())
    other = OnnxEmbedder(build(mean_graph([2, 3], 1)))
    assert one.name == other.name == "mean"
    assert one.space != other.space
    assert one.space.startswith("mean-")


def test_the_arcface_frame_grows_with_the_chip(build: Build) -> None:
    small, large = OnnxEmbedder(build(size=112)), OnnxEmbedder(build(size=224))
    np.testing.assert_allclose(small.frame.template * 2, large.frame.template)


def test_a_template_is_taken_as_it_is(build: Build) -> None:
    points = [[24.0, 10.0], [20.0, 10.0], [8.0, 10.0], [12.0, 10.0], [16.0, 20.0]]
    frame = OnnxEmbedder(build(template=points, frame=None)).frame
    np.testing.assert_array_equal(frame.template, points)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": None}, "`name` must be text"),
        ({"name": " "}, "`name` must be text"),
        ({"size": "big"}, "`size` must be a number of pixels"),
        ({"size": 9000}, "`size` must lie from 16 to 1024"),
        ({"size": True}, "`size` must be a number of pixels"),
        ({"mean": [1.0]}, "`mean` must be 3 numbers"),
        ({"mean": ["a", "b", "c"]}, "`mean` must be 3 numbers"),
        ({"mean": ["0.1", "0.2", "0.3"]}, "`mean` must be 3 numbers"),
        ({"mean": [[0.1], [0.2, 0.3]]}, "`mean` must be 3 numbers"),
        ({"std": [True, True, True]}, "`std` must be 3 numbers"),
        ({"std": [1.0, 0.0, 1.0]}, "`std` must be above 0"),
        ({"colour": "rgb"}, "`colour` must be 'RGB' or 'BGR'"),
        ({"layout": "CHW"}, "`layout` must be 'NCHW' or 'NHWC'"),
        ({"frame": None}, "`frame` must be 'arcface'"),
        ({"template": [[1.0, 2.0]]}, "`template` must be 5 x 2 numbers"),
        ({"template": [[40.0, 2.0]] * 5}, "`template` must lie inside the chip"),
        ({"template": [[9.0, 9.0]] * 5}, "`template` must be the outer and inner corner"),
        ({"template": ARCFACE_POINTS}, "`template` must be the outer and inner corner"),
        ({"sha256": "abc"}, "`sha256` must be 64 hexadecimal digits"),
    ],
)
def test_a_key_that_is_wrong_is_named(build: Build, changes: dict[str, Any], message: str) -> None:
    path = build(**changes)
    with pytest.raises(WeightsError, match=r"ménage\.toml: ") as caught:
        OnnxEmbedder(path)
    assert message in str(caught.value)


def test_a_file_without_its_toml_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.toml cannot be read .*is two files"):
        load_embedder(str(tmp_path / "none.onnx"))


def test_a_toml_without_its_file_is_told_of_before_any_photo_is_read(build: Build) -> None:
    path = build()
    path.unlink()
    with pytest.raises(WeightsError, match=r"ménage\.onnx is missing, but ménage\.toml is there"):
        OnnxEmbedder(path)


def test_a_toml_that_is_none_is_refused(build: Build) -> None:
    path = build()
    path.with_suffix(".toml").write_text("name = ")
    with pytest.raises(WeightsError, match="is no TOML"):
        OnnxEmbedder(path)


def test_another_file_than_the_one_named_is_refused(build: Build) -> None:
    path = build(sha256="0" * 64)
    with pytest.raises(WeightsError, match="its sha256 differs"):
        OnnxEmbedder(path).embed(CHIPS)


def test_a_file_that_is_no_network_is_refused(build: Build) -> None:
    with pytest.raises(WeightsError, match=r"ménage\.onnx: no ONNX graph that onnxruntime can run"):
        OnnxEmbedder(build(b"nothing")).embed(CHIPS)
    with pytest.raises(WeightsError, match=r"ménage\.onnx: no ONNX graph that onnx can read"):
        OnnxEmbedder(build(b"location")).embed(CHIPS)


def with_weights_outside(where: str) -> bytes:
    """A network with a weight in weights.bin, as an initializer or as a constant."""
    weights = onnx.numpy_helper.from_array(np.zeros((3072, 3), np.float32), "w")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights.bin")
    nodes = [helper.make_node("Flatten", ["x"], ["z"]), helper.make_node("MatMul", "zw", "y")]
    if where == "constant":
        nodes.insert(0, helper.make_node("Constant", [], ["w"], value=weights))
    graph = helper.make_graph(
        nodes,
        "outside",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        [weights] if where == "initializer" else [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("where", ["initializer", "constant"])
def test_weights_that_the_sha256_does_not_cover_are_refused(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.chdir(tmp_path)  # onnxruntime would take them from here
    (tmp_path / "weights.bin").write_bytes(np.ones((3072, 3), np.float32).tobytes())
    with pytest.raises(WeightsError, match=r"ménage\.onnx keeps weights in other files"):
        OnnxEmbedder(build(with_weights_outside(where))).embed(CHIPS)


def test_a_network_that_only_speaks_of_a_location_runs(build: Build) -> None:
    model = onnx.load_model_from_string(mean_graph([2, 3], "N"))
    model.doc_string = "location"
    path = build(model.SerializeToString())
    np.testing.assert_allclose(OnnxEmbedder(path).embed(CHIPS), MEANS, atol=1e-5)


def test_a_network_that_wants_other_chips_says_so(build: Build) -> None:
    with pytest.raises(EmbeddingError, match="does not take such chips") as caught:
        OnnxEmbedder(build(mean_graph([2, 3], "N", size=64))).embed(CHIPS)
    assert "\n" not in str(caught.value)  # onnxruntime's own text has several lines
    with pytest.raises(EmbeddingError, match=r"chips must be \(N, 32, 32, 3\) uint8"):
        OnnxEmbedder(build()).embed(np.zeros((1, 33, 32, 3), np.uint8))


def test_mobilefacenet_tells_people_apart(tmp_path: Path) -> None:
    source = shared_file("models", "MobileFaceNet.onnx")
    people = shared_file("photos", "people")
    path = tmp_path / "mobilefacenet.onnx"
    path.write_bytes(source.read_bytes())
    recipe = {
        "name": "mobilefacenet",
        "size": 112,
        "frame": "arcface",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "colour": "RGB",
        "sha256": "b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507",
    }
    path.with_suffix(".toml").write_text(toml(recipe))
    matcher = FaceMatcher(embedder=str(path), min_face=100)

    @cache
    def vector(name: str) -> Vectors:
        return matcher.gallery([people / name]).vectors[0]

    def cosine(one: str, other: str) -> float:
        return float(vector(one) @ vector(other))

    same = [
        cosine("obama.jpg", "obama2.jpg"),
        cosine("biden.jpg", "biden_train2.jpg"),
        cosine("rose_leslie_train1.jpg", "rose_leslie_train2.jpg"),
        cosine("kit_harington_train1.jpeg", "kit_harington_train2.jpeg"),
    ]
    different = [
        cosine("obama.jpg", "biden.jpg"),
        cosine("rose_leslie_train1.jpg", "kit_harington_train1.jpeg"),
        cosine("obama2.jpg", "lin-manuel-miranda.png"),
        cosine("biden.jpg", "alex-lacamoire.png"),
    ]
    assert min(same) > max(different) + 0.1

from __future__ import annotations

import numpy as np
import pytest
from helpers.make_dat import packed, packed_real
from hypothesis import given
from hypothesis import strategies as st

from facematch.errors import WeightsError
from facematch.weights.dlib_format import Reader, read_network
from facematch.weights.files import read_weights
from facematch.weights.onnx_graphs import mmod_graph, resnet_graph
from facematch.weights.shape_predictor import forest_archive, open_forest, read_forest


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_packed_integer_reads_back(value: int) -> None:
    reader = Reader(packed(value))
    assert reader.integer() == value
    assert reader.at_end()


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_a_packed_float_reads_back(value: float) -> None:
    assert Reader(packed_real(value)).real() == value


@given(st.binary(max_size=200))
def test_bytes_that_are_no_model_raise_a_weights_error(data: bytes) -> None:
    for read in (read_network, read_forest):
        with pytest.raises(WeightsError):  # whichever it is that is wrong
            read(data)


@pytest.mark.parametrize("at", [0, 1, 10, 100, 1000, 100_000, 700_000])
def test_a_file_cut_off_anywhere_is_refused(at: int) -> None:
    with pytest.raises(WeightsError, match="ends early"):
        read_network(read_weights("dlib-mmod")[:at])


def test_a_damaged_byte_is_refused_or_changes_a_number_and_nothing_else() -> None:
    data = read_weights("dlib-mmod")
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(data), 60):
        damaged = bytearray(data)
        damaged[at] ^= 0xFF
        try:
            mmod_graph(read_network(bytes(damaged)))
        except WeightsError:
            continue


def test_a_tensor_that_claims_more_than_the_file_holds_is_refused() -> None:
    forged = packed(2) + b"".join(packed(2**20) for _ in range(4))
    with pytest.raises(WeightsError, match="ends early"):
        Reader(forged).tensor()


def test_the_networks_have_the_layers_they_are_known_for() -> None:
    resnet = read_network(read_weights("dlib-resnet"))
    mmod = read_network(read_weights("dlib-mmod"))
    assert sum(layer.kind == "con" for layer in resnet.layers) == 29
    assert sum(layer.kind == "con" for layer in mmod.layers) == 7
    assert mmod.window == 80
    np.testing.assert_allclose(resnet.means, (122.782, 117.001, 104.298), atol=1e-3)


def test_a_network_is_not_taken_for_the_other_kind() -> None:
    resnet = read_network(read_weights("dlib-resnet"))
    with pytest.raises(WeightsError, match="layer where MMOD has none"):
        mmod_graph(resnet)


def test_the_resnet_graph_takes_any_number_of_chips() -> None:
    from facematch.weights.sessions import session

    run = session(resnet_graph(read_network(read_weights("dlib-resnet")))).run
    for count in (0, 1, 3):
        (vectors,) = run(None, {"chips": np.zeros((count, 150, 150, 3), np.uint8)})
        assert vectors.shape == (count, 128)


def test_a_forest_is_the_same_from_its_archive() -> None:
    forest = read_forest(read_weights("dlib-landmarks"))
    again = open_forest(forest_archive(forest))
    assert forest.first.shape == (15, 500, 15)
    for name in forest.__slots__:
        np.testing.assert_array_equal(getattr(forest, name), getattr(again, name))


def test_an_archive_that_is_none_is_refused() -> None:
    with pytest.raises(WeightsError, match="no archive of a shape predictor"):
        open_forest(b"PK\3\4 nothing")

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.made_up import noise

from facematch.runtime import threads
from facematch.weights import sessions
from facematch.weights.dlib_format import read_network
from facematch.weights.files import read_weights
from facematch.weights.onnx_graphs import mmod_graph
from facematch.weights.sessions import converted_session, session


def graph(data: bytes) -> bytes:
    return mmod_graph(read_network(data))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACEMATCH_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def features(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The vector instructions that the CPU seems to have: the last in the list."""
    told: list[str | None] = ["avx2 fma"]
    monkeypatch.setattr(sessions, "cpu_features", lambda: told[-1])
    return told


def test_a_graph_that_was_kept_optimised_gives_the_same_numbers(
    cache: Path, features: list[str | None]
) -> None:
    pixels = noise(200, 240)[np.newaxis]
    (expected,) = session(graph(read_weights("dlib-mmod"))).run(None, {"pixels": pixels})
    for _ in range(2):  # made, then read
        (scores,) = converted_session("dlib-mmod", graph).run(None, {"pixels": pixels})
        assert np.array_equal(scores, expected)
    assert len(list((cache / "optimised").iterdir())) == 1


def test_another_cpu_gets_a_graph_of_its_own(cache: Path, features: list[str | None]) -> None:
    converted_session("dlib-mmod", graph)
    features.append("avx2 avx512f fma")
    converted_session("dlib-mmod", graph)
    assert len(list((cache / "optimised").iterdir())) == 2


def test_another_onnxruntime_takes_the_place_of_the_old_graph(
    cache: Path, features: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    converted_session("dlib-mmod", graph)
    monkeypatch.setattr("onnxruntime.__version__", "1.99.0")
    converted_session("dlib-mmod", graph)
    (kept,) = (cache / "optimised").iterdir()
    assert "-1.99.0-" in kept.name


def test_no_optimised_graph_is_kept_where_the_cpu_is_unknown(
    cache: Path, features: list[str | None]
) -> None:
    features.append(None)
    converted_session("dlib-mmod", graph)
    assert not (cache / "optimised").exists()


def test_a_damaged_optimised_graph_is_made_again(cache: Path, features: list[str | None]) -> None:
    converted_session("dlib-mmod", graph)
    (kept,) = (cache / "optimised").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1])
    converted_session("dlib-mmod", graph)
    (healed,) = (cache / "optimised").iterdir()
    assert healed.read_bytes() == whole


def test_without_a_temporary_folder_a_graph_is_optimised_on_each_start(
    cache: Path,
    features: list[str | None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sessions.tempfile, "tempdir", str(cache / "missing"))
    converted_session("dlib-mmod", graph)
    assert "not kept optimised" in caplog.text
    assert not (cache / "optimised").exists()


def test_vector_instructions_are_read_without_other_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text("processor : 0\nflags\t\t: fpu sse2 avx2 rdrand fma\n\nprocessor : 1\n")
    monkeypatch.setattr(threads, "CPU_INFO", told)
    assert threads.cpu_features() == "avx2 fma sse2"
    told.write_text("processor : 0\n")
    assert threads.cpu_features() is None
    told.unlink()
    assert threads.cpu_features() is None

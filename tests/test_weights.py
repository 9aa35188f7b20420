from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import shared_file

from facematch import weights
from facematch.errors import WeightsError
from facematch.weights import KNOWN, converted, fetch, read_weights, state

YUNET = "face_detection_yunet_2023mar.onnx"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACEMATCH_CACHE", str(tmp_path / "café"))
    return tmp_path / "café"


def convert(data: bytes) -> bytes:
    return data[:1000]


def convert_mmod(_: int) -> bytes:
    return converted("dlib-mmod", convert, version=1, suffix=".bin")


def test_the_packaged_weights_are_the_ones_expected() -> None:
    for name, known in KNOWN.items():
        if known.package:
            assert state(name) == "ready"
            assert len(read_weights(name)) == known.size


def test_a_conversion_is_kept_and_not_done_again(cache: Path) -> None:
    first = convert_mmod(0)
    kept = list((cache / "converted").iterdir())
    assert len(kept) == 1

    def refuse(_: bytes) -> bytes:
        raise AssertionError("converted twice")

    assert converted("dlib-mmod", refuse, version=1, suffix=".bin") == first


def test_another_version_of_the_converter_takes_the_place_of_the_old(cache: Path) -> None:
    convert_mmod(0)
    assert converted("dlib-mmod", lambda _: b"new", version=2, suffix=".bin") == b"new"
    (kept,) = (cache / "converted").iterdir()
    assert kept.read_bytes() == b"new"


@pytest.mark.parametrize("damage", [b"", b"rubbish"])
def test_a_damaged_cache_heals_itself(cache: Path, damage: bytes) -> None:
    first = convert_mmod(0)
    (kept,) = (cache / "converted").iterdir()
    kept.write_bytes(damage)
    assert convert_mmod(0) == first
    (healed,) = (cache / "converted").iterdir()
    assert healed.read_bytes() == first


def test_processes_may_race_to_convert(cache: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        contents = set(pool.map(convert_mmod, range(8)))
    assert len(contents) == 1
    assert [path.suffix for path in (cache / "converted").iterdir()] == [".bin"]


@pytest.mark.skipif(os.name != "posix", reason="a file in place of a folder, as POSIX has it")
def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FACEMATCH_CACHE", str(tmp_path / "file"))
    assert convert_mmod(0) == read_weights("dlib-mmod")[:1000]
    assert "cannot be written" in caplog.text


def test_weights_that_are_missing_say_how_to_get_them(cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"run `facematch models fetch yunet` \(MIT, 0.2 MB\)"):
        read_weights("yunet")
    assert state("yunet") == "not installed"


def test_weights_that_are_damaged_are_refused(cache: Path) -> None:
    path = cache / "fetched" / YUNET
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * KNOWN["yunet"].size)
    assert state("yunet") == "damaged"
    with pytest.raises(WeightsError, match="is damaged or another version"):
        read_weights("yunet")


def test_a_file_is_installed_from_another_place(cache: Path) -> None:
    source = shared_file("models", YUNET)
    path = fetch("yunet", source=source)
    assert path.read_bytes() == source.read_bytes()
    assert state("yunet") == "ready"


def test_a_file_that_is_not_the_one_known_is_not_installed(cache: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"x" * 10_000_000)
    with pytest.raises(WeightsError, match="is not the face_detection_yunet_2023mar"):
        fetch("yunet", source=wrong)
    assert not cache.exists()


def test_a_source_that_is_missing_is_named(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.onnx cannot be read"):
        fetch("yunet", source=tmp_path / "none.onnx")


def test_an_address_is_fetched_and_checked(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = shared_file("models", YUNET)
    for served, fits in ((source, True), (Path(__file__), False)):
        known = replace(KNOWN["yunet"], url=served.resolve().as_uri())
        monkeypatch.setitem(weights.KNOWN, "yunet", known)
        if fits:
            assert fetch("yunet").is_file()
        else:
            with pytest.raises(WeightsError, match="is not the"):
                fetch("yunet")


def test_an_address_that_does_not_answer_is_named(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = replace(KNOWN["yunet"], url="http://127.0.0.1:9/yunet.onnx")
    monkeypatch.setitem(weights.KNOWN, "yunet", known)
    with pytest.raises(WeightsError, match="cannot be fetched"):
        fetch("yunet")


def test_packaged_weights_are_not_fetched(cache: Path) -> None:
    with pytest.raises(WeightsError, match="comes with the package face_recognition_models"):
        fetch("dlib-mmod")


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(WeightsError, match="no weights called 'nope'; there are: dlib-landmarks"):
        read_weights("nope")

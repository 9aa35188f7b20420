from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import re
from collections.abc import Callable
from dataclasses import replace
from email.message import Message
from pathlib import Path
from urllib.request import HTTPSHandler, Request
from urllib.response import addinfourl

import numpy as np
import pytest
from helpers.places import REPOSITORY, shared_file
from typer.testing import CliRunner

from facematch.cli import app
from facematch.errors import WeightsError
from facematch.scoring.resemblance import model_for
from facematch.weights import catalogue, files
from facematch.weights.arrays import read_arrays
from facematch.weights.catalogue import KNOWN, RESEMBLANCE
from facematch.weights.download import fetch
from facematch.weights.files import converted, read_weights, state

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


YUNET_URL = str(KNOWN["yunet"].url)
Answers = dict[str, tuple[int, dict[str, str], bytes]]


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """What addresses answer: status, headers, content. Any other refuses the connection."""
    answers: Answers = {}

    def answer(self: HTTPSHandler, asked: Request) -> addinfourl:
        if asked.full_url not in answers:
            raise ConnectionRefusedError("nobody there")
        status, headers, content = answers[asked.full_url]
        message = Message()
        for name, value in headers.items():
            message[name] = value
        found = addinfourl(io.BytesIO(content), message, asked.full_url, status)
        found.msg = "an answer"  # type: ignore[attr-defined]
        return found

    monkeypatch.setattr(HTTPSHandler, "https_open", answer)
    for name in ("FACEMATCH_MIRROR", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return answers


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The content that `yunet` must have in this test."""
    content = b"weights" * 100
    known = replace(KNOWN["yunet"], size=len(content), sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(catalogue.KNOWN, "yunet", known)
    return content


def test_an_address_is_fetched_and_checked(cache: Path, web: Answers, small: bytes) -> None:
    web[YUNET_URL] = (200, {}, small)
    assert fetch("yunet").read_bytes() == small
    assert state("yunet") == "ready"


@pytest.mark.parametrize(
    "change", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"", bytes.upper]
)
def test_half_a_download_or_another_file_is_not_installed(
    cache: Path, web: Answers, small: bytes, change: Callable[[bytes], bytes]
) -> None:
    web[YUNET_URL] = (200, {}, change(small))
    with pytest.raises(WeightsError, match="is not the face_detection_yunet_2023mar"):
        fetch("yunet")
    assert not cache.exists()


def test_an_endless_download_is_read_no_further_than_it_should_be(
    cache: Path, web: Answers, small: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def read(self: io.BytesIO, size: int) -> bytes:
        sizes.append(size)
        return b"x" * size

    endless = type("Endless", (io.BytesIO,), {"read": read})
    monkeypatch.setattr(io, "BytesIO", endless)
    web[YUNET_URL] = (200, {}, b"")
    with pytest.raises(WeightsError, match="is not the"):
        fetch("yunet")
    assert sizes == [len(small) + 1]


def test_a_redirection_is_followed_to_https(cache: Path, web: Answers, small: bytes) -> None:
    web[YUNET_URL] = (302, {"Location": "https://elsewhere.example/a"}, b"")
    web["https://elsewhere.example/a"] = (200, {}, small)
    assert fetch("yunet").read_bytes() == small


@pytest.mark.parametrize(
    "address", ["http://elsewhere.example/a", "file:///etc/passwd", "ftp://elsewhere.example/a"]
)
def test_a_redirection_to_anything_else_is_refused(
    cache: Path, web: Answers, small: bytes, address: str
) -> None:
    web[YUNET_URL] = (302, {"Location": address}, b"")
    with pytest.raises(WeightsError, match=r"cannot be fetched \(.*(https|not allowed)"):
        fetch("yunet")
    assert not cache.exists()


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_mirror_takes_the_place_of_the_address(
    cache: Path, web: Answers, small: bytes, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    web[f"https://mirror.example/models/{YUNET}"] = (200, {}, small)
    assert fetch("yunet", mirror=f"https://mirror.example/models{ending}").read_bytes() == small
    monkeypatch.setenv("FACEMATCH_MIRROR", f"https://mirror.example/models{ending}")
    assert CliRunner().invoke(app, ["models", "fetch", "yunet"]).exit_code == 0


@pytest.mark.parametrize("mirror", ["http://mirror.example", "file:///tmp", "mirror.example"])
def test_a_mirror_without_https_is_refused(
    cache: Path, web: Answers, small: bytes, mirror: str
) -> None:
    with pytest.raises(WeightsError, match="is no https address"):
        fetch("yunet", mirror=mirror)


def test_the_proxy_of_the_environment_is_used(
    cache: Path, web: Answers, small: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None]] = []

    def answer(self: HTTPSHandler, request: Request) -> addinfourl:
        asked.append((request.host, getattr(request, "_tunnel_host", None)))
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(HTTPSHandler, "https_open", answer)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    with pytest.raises(WeightsError, match="nobody there"):
        fetch("yunet")
    assert asked == [("proxy.example:3128", "github.com")]


@pytest.mark.parametrize("status", [404, 500])
def test_an_address_that_does_not_answer_is_named(
    cache: Path, web: Answers, small: bytes, status: int
) -> None:
    with pytest.raises(WeightsError, match=r"yunet_2023mar\.onnx cannot be fetched \(nobody there"):
        fetch("yunet")
    web[YUNET_URL] = (status, {}, small)
    with pytest.raises(WeightsError, match=rf"cannot be fetched \(HTTP Error {status}"):
        fetch("yunet")


def test_every_shipped_model_is_known_and_right() -> None:
    shipped = {
        name: each
        for name, each in (KNOWN | RESEMBLANCE).items()
        if each.package is None and each.is_bundled
    }
    files = {path.name for path in (REPOSITORY / "models").glob("*.np[yz]")}
    assert {each.file for each in shipped.values()} == files
    assert {state(name) for name in shipped} == {"ready"}


def test_a_resemblance_model_that_was_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytearray((REPOSITORY / "models" / "dlib-resnet.npz").read_bytes())
    content[-1] ^= 1
    (tmp_path / "dlib-resnet.npz").write_bytes(content)
    monkeypatch.setattr(files, "models_folder", lambda: tmp_path)
    model_for.cache_clear()
    with pytest.raises(WeightsError, match=r"dlib-resnet\.npz is damaged .*install facematch"):
        model_for("dlib-resnet")


def test_no_pickle_is_ever_read() -> None:
    for path in (REPOSITORY / "facematch").rglob("*.py"):
        code = path.read_text(encoding="utf-8")
        # distributed.py unpickles what this program's own cluster was sent, and no file.
        assert "import pickle" not in code or path.name == "distributed.py"
        assert not re.search(r"torch\.load|joblib|allow_pickle=True", code)
        assert code.count("np.load(") == code.count("allow_pickle=False"), path
    archive = io.BytesIO()
    np.savez(archive, objects=np.array([{}], object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_arrays(archive.getvalue())


def test_packaged_weights_are_not_fetched(cache: Path) -> None:
    with pytest.raises(WeightsError, match="comes with the package face_recognition_models"):
        fetch("dlib-mmod")


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(WeightsError, match="no weights called 'nope'; there are: dlib-landmarks"):
        read_weights("nope")

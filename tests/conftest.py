from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from helpers.detections import Detections

if TYPE_CHECKING:
    from facematch.types import Gallery

_HERE = ("127.0.0.1", "::1", "localhost")
_DETECTIONS = Detections()

# Two workers of pytest-xdist share two cores: onnxruntime takes one thread in each.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("FACEMATCH_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before its fixtures: whether a test shares what was found in photos."""
    _DETECTIONS.used = item.get_closest_marker("searches_anew") is None


@pytest.fixture(scope="session", autouse=True)
def _photos_searched_once() -> Iterator[None]:
    """Tests share what the default detector found in a photo, but for those marked otherwise."""
    with _DETECTIONS.kept():
        yield


@pytest.fixture(scope="session", autouse=True)
def _weights_converted_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests fill a cache of their own, or the one FACEMATCH_TEST_CACHE names, never the user's."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # which the workers share
    os.environ["FACEMATCH_CACHE"] = os.environ.get("FACEMATCH_TEST_CACHE") or str(folder / "cache")


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Whoever calls out of this machine in a test fails: only `models fetch` may, when asked."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def local_only(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in _HERE:
            raise AssertionError(f"the network was used: {address}")
        connect(self, address)

    def known_only(host: Any, *rest: Any, **more: Any) -> Any:
        if host not in _HERE:
            raise AssertionError(f"a name was looked up: {host}")
        return look_up(host, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", local_only)
        patch.setattr(socket, "getaddrinfo", known_only)
        yield


@pytest.fixture(scope="session")
def family() -> Gallery:
    """The four drawn faces of samples/, enrolled."""
    from helpers.matchers import FAMILY, matcher

    return matcher.gallery(FAMILY)

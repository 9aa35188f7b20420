from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

_HERE = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(scope="session", autouse=True)
def _weights_converted_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests fill a cache of their own, or the one FACEMATCH_TEST_CACHE names, never the user's."""
    folder = os.environ.get("FACEMATCH_TEST_CACHE") or str(tmp_path_factory.mktemp("cache"))
    os.environ["FACEMATCH_CACHE"] = folder


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

"""The server: its addresses, and where it listens."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

from facematch.app import answering, api, dropping
from facematch.app.desk import Desk, error_answer
from facematch.app.security import Access, Guard, OneTimeToken
from facematch.engine import Engine
from facematch.errors import FacematchError, OptionError

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_MOST_CONNECTIONS = 40
_ROUTES = [
    Route("/", dropping.show_page),
    Route("/static/{name}", dropping.static_file),
    Route("/photos", dropping.drop_photo, methods=["POST"]),
    Route("/photos/{photo:int}/turn", dropping.turn, methods=["POST"]),
    Route("/people", dropping.show_people),
    Route("/people/apart", dropping.take_apart, methods=["POST"]),
    Route("/faces/{face}.jpg", dropping.show_face),
    Route("/forget", dropping.forget, methods=["POST"]),
    Route("/results", answering.show_result, methods=["POST"]),
    Route("/results/{result:int}/why", answering.show_why),
    Route("/results/{result:int}/report.html", answering.save_report),
    Route("/results/{result:int}/data.json", answering.save_data),
    Route("/results/{result:int}/{kind}-{index:int}.png", answering.show_picture),
    Route("/api", api.describe),
    Route("/api/score", api.score_photos, methods=["POST"]),
    Route("/api/family", api.compare_family, methods=["POST"]),
    Route("/api/faces", api.list_faces, methods=["POST"]),
    Route("/api/embed", api.embed_faces, methods=["POST"]),
]


def make_app(engine: Engine, access: Access) -> ASGIApp:
    """The ASGI app that answers those whom `access` allows."""
    desk = Desk(engine)
    handlers = {HTTPException: error_answer, FacematchError: error_answer}
    app = Starlette(routes=_ROUTES, exception_handlers=handlers)
    app.state.desk = desk
    app.state.cookie = access.cookie
    return Guard(app, access, desk.sessions)


@dataclass(frozen=True, slots=True, eq=False)
class Listening:
    """A socket that listens, who may ask there, and the page's address on this machine.

    `lan_host` is the address in the network, "" without one.
    """

    socket: socket.socket
    access: Access
    address: str
    lan_host: str = ""

    def lan_address(self, token: str) -> str:
        """The address that opens the page once, for another device."""
        return f"http://{self.lan_host}:{self.access.port}/?token={token}"


def listen(port: int, *, on_new_token: Callable[[str], None] | None = None) -> Listening:
    """Listen on loopback; with `on_new_token`, in the network too, for whoever has the token.

    Port 0 stands for a free one. Raises OptionError where the port is taken.
    """
    host = "127.0.0.1" if on_new_token is None else "0.0.0.0"  # noqa: S104 - --lan asks for it
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # on Windows it lets another program take the port over
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_MOST_CONNECTIONS)
    except (OSError, OverflowError) as error:
        listener.close()
        raise OptionError(f"port {port} cannot be used ({error}): try --port 0") from error
    port = int(listener.getsockname()[1])
    lan_host = "" if on_new_token is None else network_address()
    names = [*_LOOPBACK, *([lan_host] if lan_host else [])]
    hosts = frozenset(f"{name}:{port}" for name in names)
    token = None if on_new_token is None else OneTimeToken(on_new_token)
    return Listening(listener, Access(hosts, port, token), f"http://127.0.0.1:{port}/", lan_host)


def network_address() -> str:
    """The address of this machine in its network. Raises OptionError where it is in none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only chooses the way there
            address = str(probe.getsockname()[0])
        except OSError as error:
            raise OptionError(f"this machine is in no network ({error.strerror})") from error
    return address


def serve(engine: Engine, listening: Listening) -> None:
    """Answer until Ctrl-C."""
    import uvicorn

    config = uvicorn.Config(
        make_app(engine, listening.access),
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # nobody may say that they are this machine
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=2,
        ws="none",
        lifespan="off",
    )
    uvicorn.Server(config).run(sockets=[listening.socket])

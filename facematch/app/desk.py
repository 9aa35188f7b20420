"""What all handlers share: the engine, the sessions, and how work waits for its turn."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from facematch.app.sessions import Session, Sessions
from facematch.app.uploads import may_exceed_photo
from facematch.engine import Engine
from facematch.errors import FacematchError, PhotoError
from facematch.types import Pixels

T = TypeVar("T")

_AT_ONCE = 2  # one photo is decoded while another is searched
_RECEIVED_AT_ONCE = 4  # requests whose files are in memory, each no larger than a photo
_LARGE_AT_ONCE = 1  # the same of larger ones: a clip or an album


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """The engine that answers, and who asks.

    Whoever takes files holds a place for them until they are searched, which bounds memory.
    """

    engine: Engine
    sessions: Sessions = field(default_factory=Sessions)
    turns: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_AT_ONCE))
    receiving: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_RECEIVED_AT_ONCE))
    receiving_large: CapacityLimiter = field(
        default_factory=lambda: CapacityLimiter(_LARGE_AT_ONCE)
    )

    def place_for(self, request: Request) -> CapacityLimiter:
        """The places for requests of this size."""
        return self.receiving_large if may_exceed_photo(request) else self.receiving

    async def work(self, task: Callable[..., T], *given: Any) -> T:
        """What a task gives; it runs in a thread, when it is its turn."""
        return await run_sync(task, *given, limiter=self.turns)


def desk_of(request: Request) -> Desk:
    """The desk of the app that answers."""
    desk: Desk = request.app.state.desk
    return desk


def session_of(request: Request) -> Session:
    """The session of whoever asks. Raises HTTPException where there is none."""
    session: Session | None = request.state.session
    if session is None:
        raise HTTPException(403, "open the page first")
    return session


def error_answer(_: Request, error: Exception) -> Response:
    """An error as JSON."""
    if isinstance(error, HTTPException):
        fields = {"code": str(error.status_code), "message": error.detail}
        return JSONResponse({"error": fields}, error.status_code)
    code = error.code if isinstance(error, PhotoError) else type(error).__name__
    photo = error.photo if isinstance(error, PhotoError) else None
    fields = {"code": code, "message": str(error), **({"photo": photo} if photo else {})}
    return JSONResponse({"error": fields}, 422 if isinstance(error, FacematchError) else 500)


def as_png(pixels: Pixels) -> bytes:
    """A picture as a PNG file, without metadata."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()

"""Who may ask: the ASGI layer in front of every handler.

A web page elsewhere can make a browser send requests to this machine. It cannot choose the headers
Host, Origin and Sec-Fetch-Site, which the browser sets; they are checked here.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facematch.app.sessions import Session, Sessions

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_SAFE_METHODS = ("GET", "HEAD")
_OWN_SITE = ("same-origin", "none")  # Sec-Fetch-Site; none: typed, scanned or from a bookmark


@dataclass(slots=True)
class OneTimeToken:
    """A secret that opens one session. Once used, another one is made and given to `on_new`."""

    on_new: Callable[[str], None]
    value: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def redeem(self, given: str) -> bool:
        """Whether this is the token; from then on it is another one."""
        if not secrets.compare_digest(given.encode(), self.value.encode()):
            return False
        self.value = secrets.token_urlsafe(24)
        self.on_new(self.value)
        return True


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask. `hosts` are names with a port, as the header Host has them.

    Without a `token` only this machine is answered.
    """

    hosts: frozenset[str]
    port: int
    token: OneTimeToken | None = None

    @property
    def cookie(self) -> str:
        """The name of the cookie. Browsers share cookies between ports, so it names the port."""
        return f"facematch_{self.port}"


class Guard:
    """Refuses whoever may not ask, and adds headers that bind the browser to every answer."""

    def __init__(self, app: ASGIApp, access: Access, sessions: Sessions) -> None:
        self._app = app
        self._access = access
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Anything but HTTP, WebSockets say, is not answered."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        session = self._sessions.get(cookie_parser(headers.get("cookie", "")).get(self._cookie))
        refusal = self._refusal(scope, headers)
        if not refusal and session is None:
            session = self._opened(scope)
            if session is None and not _is_this_machine(scope):
                refusal = "open the address with its token first: it opens the page once"
        if refusal:
            await PlainTextResponse(f"{refusal}\n", 403)(scope, receive, send_with_headers)
            return
        scope.setdefault("state", {})["session"] = session
        await self._app(scope, receive, send_with_headers)

    @property
    def _cookie(self) -> str:
        return self._access.cookie

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> str:
        """Why the request is refused; "" where it is not."""
        host = headers.get("host", "").lower()
        if host not in self._access.hosts:
            return "this page answers to its own address only"
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host}":
            return "a page from elsewhere asked"
        is_page = scope["path"] == "/" and scope["method"] in _SAFE_METHODS
        if not is_page and headers.get("sec-fetch-site", "none") not in _OWN_SITE:
            return "a page from elsewhere asked"
        if self._access.token is None and not _is_this_machine(scope):
            return "only this machine is answered: start it with --lan"
        return ""

    def _opened(self, scope: Scope) -> Session | None:
        """A new session for whoever opens the page: here, or elsewhere with the token."""
        if scope["path"] != "/" or scope["method"] != "GET":
            return None
        if _is_this_machine(scope):
            return self._sessions.open()
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        token = self._access.token
        return self._sessions.open() if token is not None and token.redeem(given) else None


def _is_this_machine(scope: Scope) -> bool:
    client = scope.get("client")
    try:
        return client is not None and ip_address(client[0]).is_loopback
    except ValueError:
        return False

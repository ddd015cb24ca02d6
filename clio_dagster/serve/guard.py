"""Before any answer: who may be asked for, by which method, at which paths; and the headers that every answer has.

A page of another site can make a reader's browser ask a server on the reader's own machine, under a name which
that site points at it (DNS rebinding): only names that mean this server are answered. No address of the server
needs an escape, so that none is decoded: what has one is nowhere.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("GET", "HEAD")
LOOPBACK = ("localhost", "127.0.0.1", "::1")

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The policy of what is no page."""

HEADERS = {
    "content-security-policy": NOTHING,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": ", ".join(
        f"{feature}=()"
        for feature in (
            *("accelerometer", "browsing-topics", "camera", "display-capture", "geolocation", "gyroscope"),
            *("hid", "magnetometer", "microphone", "midi", "payment", "serial", "usb"),
        )
    ),
    "cache-control": "no-cache",
}
"""Sent with every answer that does not say otherwise."""

_PATH = re.compile(rb"(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*/?")
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?")


class Guard:
    """An application behind what is refused to all, with the headers that all answers have.

    `host` is the address that the server was told to listen on. An error within is reported to `say` by its kind
    alone: its message may quote what is being served.
    """

    def __init__(
        self, app: ASGIApp, host: str, say: Callable[[str], None], methods: tuple[str, ...] = METHODS
    ) -> None:
        self._app = app
        self._methods = methods
        self._names = {*LOOPBACK, host.lower()}
        self._is_wildcard = is_wildcard(host)
        self._say = say

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        from starlette.responses import PlainTextResponse

        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                present = {name for name, _ in message["headers"]}
                added = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in present]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        if refused := self._refused(scope):
            status, text, headers = refused
            await PlainTextResponse(f"{text}\n", status, headers)(scope, receive, with_headers)
            return
        try:
            await self._app(scope, receive, with_headers)
        except Exception as error:
            self._say(f"an answer failed: {type(error).__name__}")
            if not started:
                await PlainTextResponse("This failed.\n", 500)(scope, receive, with_headers)

    def _refused(self, scope: Scope) -> tuple[int, str, dict[str, str]] | None:
        if not self._is_ours(scope):
            return 421, "This server does not answer to that name.", {}
        if scope["method"] not in self._methods:
            return 405, "Only read.", {"allow": ", ".join(self._methods)}
        if not _PATH.fullmatch(scope["raw_path"]):
            return 404, "Nothing here.", {}
        return None

    def _is_ours(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"host"]
        if len(given) != 1:
            return False
        found = _HOST.fullmatch(given[0].decode("latin-1").lower())
        if not found:
            return False
        name = found[1] or found[2]
        # An address that was reached is no name that another site could have pointed here.
        return name in self._names or (self._is_wildcard and name == _server(scope))


def is_wildcard(host: str) -> bool:
    """Whether a server that listens on `host` listens on every address."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return not host


def _server(scope: dict[str, Any] | Any) -> str | None:
    """The address of this machine at which the request came in."""
    server = scope.get("server")
    return str(server[0]) if server else None

"""The server: its socket, what it says at the start, and its end."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from clio_dagster.serve.answers import make_app
from clio_dagster.serve.files import Releases
from clio_dagster.serve.guard import Guard, is_wildcard

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp, Receive, Scope, Send

HOST, PORT = "127.0.0.1", 3001

_GRACE_SECONDS = 3
_MOST_AT_ONCE = 64


class ServeError(Exception):
    """The server cannot listen there. The message says where and why."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family, backlog=128)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "no such port"
        raise ServeError(f"cannot listen on {host}, port {port}: {reason}; --port takes another") from None
    # What is accepted takes it over: an answer in two parts does not wait for the first to be acknowledged.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def url(host: str, listening: socket.socket) -> str:
    """Where a browser on this machine finds the server."""
    shown = host
    if is_wildcard(host):
        shown = "::1" if listening.family == socket.AF_INET6 else HOST
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{listening.getsockname()[1]}/"


def is_open_to_others(listening: socket.socket) -> bool:
    """Whether other machines may reach the socket."""
    return not ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def beside(releases: ASGIApp, review: ASGIApp) -> ASGIApp:
    """One application of two: what begins with /review is Review's."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        is_review = scope["path"] == "/review" or scope["path"].startswith("/review/")
        await (review if is_review else releases)(scope, receive, send)

    return app


def make_server(
    folder: Path, host: str, say: Callable[[str], None], review: ASGIApp | None = None
) -> uvicorn.Server:
    """A server of the releases in `folder`; `run(sockets=[...])` serves until it is told to end.

    With an application of Review, it answers below /review/, and takes forms there.
    """
    import uvicorn

    app = make_app(Releases(folder), host, say)
    if review is not None:
        app = beside(app, Guard(review, host, say, methods=("GET", "HEAD", "POST")))
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="error",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_AT_ONCE,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return uvicorn.Server(config)

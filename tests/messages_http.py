"""HTTP/1.1 with keep-alive over httptools, for `messages_server`: one request at a time on a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import httptools

KEPT_HEADERS = frozenset((b"x-api-key", b"authorization", b"host", b"x-stainless-retry-count"))


@dataclass
class Request:
    """A request as it came, and the connection that waits for its answer."""

    connection: Connection
    method: str = ""
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: dict[bytes, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """An answer, and how it is delivered: whole, or with one of messages_controls.DELIVERIES."""

    status: int
    content: bytes
    headers: str = ""
    delivery: str = ""
    kind: str = "application/json"


class Connection(asyncio.Protocol):
    """Hands each request to `handle`, which calls `send` once, at once or later."""

    def __init__(self, handle: Callable[[Request], None], slow_seconds: Callable[[], float]) -> None:
        self._handle, self._slow_seconds = handle, slow_seconds
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    # httptools calls these.

    def on_message_begin(self) -> None:
        self._request = Request(self)
        self._url = b""
        self._pieces: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in KEPT_HEADERS:
            self._request.headers[name] = value.decode("latin-1")
        elif name == b"expect":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        request = self._request
        request.method = self._parser.get_method().decode()
        path, _, query = self._url.decode("latin-1").partition("?")
        request.path = path
        if query:
            request.query = dict(parse_qsl(query))
        request.body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._handle(request)

    # Answering.

    def send(self, reply: Reply) -> None:
        """Answer. Whoever has gone away meanwhile is told nothing."""
        if self._transport.is_closing():
            return
        content = reply.content
        half = len(content) // 2
        if reply.delivery == "drop":
            self._transport.close()
        elif reply.delivery == "truncated":
            self._transport.write(_head(reply, half, "connection: close\r\n") + content[:half])
            self._transport.close()
        elif reply.delivery == "cut":
            self._transport.write(_head(reply, len(content)) + content[:half])
            self._transport.close()
        elif reply.delivery == "slow":
            self._transport.write(_head(reply, len(content)) + content[:half])
            asyncio.get_running_loop().call_later(self._slow_seconds(), self._send_rest, content[half:])
        else:
            self._transport.write(_head(reply, len(content)) + content)

    def _send_rest(self, content: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(content)


def _head(reply: Reply, length: int, more: str = "") -> bytes:
    phrase = _PHRASES.get(reply.status, "Unknown")
    return (
        f"HTTP/1.1 {reply.status} {phrase}\r\ncontent-type: {reply.kind}\r\ncontent-length: {length}\r\n"
        f"{reply.headers}{more}\r\n"
    ).encode("latin-1")


_PHRASES = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}

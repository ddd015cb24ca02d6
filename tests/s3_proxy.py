"""A proxy before the tests' S3 that fails on demand: busy, cut off, slow, or silent once it has done as asked."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.frames import SECRET

Kind = Literal["busy", "reset", "dropped", "lost", "slow", "not offered", "refused"]
"""busy: 503; reset: the connection is cut before the body is read; dropped: in the middle of it; lost: once it is done
and before the answer; slow: answered after `SLOW_SECONDS`; not offered: 501; refused: 400."""

SLOW_SECONDS = 1.2

_ANSWERS = {
    "busy": (503, "SlowDown"),
    "not offered": (501, "NotImplemented"),
    "refused": (400, "InvalidArgument"),
}


@dataclass
class Proxy:
    """Requests as `METHOD /path?query`, in the order in which they came; each is failed as `fault` says of it."""

    endpoint: str
    fault: Callable[[str, Any], Kind | None] = lambda request, headers: None
    requests: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, kind: Kind, times: int, *parts: str) -> None:
        """The next `times` requests that hold all of the parts."""
        left = [times]

        def fault(request: str, headers: Any) -> Kind | None:
            if not left[0] or not all(part in request for part in parts):
                return None
            left[0] -= 1
            return kind

        self.fault = fault

    def heal(self) -> None:
        self.fault = lambda request, headers: None
        self.requests.clear()


@contextmanager
def s3_proxy(behind: str) -> Iterator[Proxy]:
    """A proxy of the S3 at the URL `behind` while the block runs."""
    target = urlsplit(behind)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True

        def serve(self) -> None:
            with proxy.lock:
                request = f"{self.command} {self.path}"
                proxy.requests.append(request)
                kind = proxy.fault(request, self.headers)
            length = int(self.headers.get("Content-Length") or 0)
            if kind in ("reset", "dropped"):
                if kind == "dropped":
                    self.rfile.read(length // 2)
                return self.cut()
            body = self.rfile.read(length)
            if kind in _ANSWERS:
                status, code = _ANSWERS[kind]
                said = f"<Error><Code>{code}</Code><Message>{SECRET}</Message></Error>".encode()
                return self.answer(status, {}, said)
            connection = http.client.HTTPConnection(target.hostname or "", target.port or 80)
            headers = {name: value for name, value in self.headers.items() if name != "Expect"}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if kind == "lost":
                return self.cut()
            if kind == "slow":
                time.sleep(SLOW_SECONDS)
            return self.answer(answer.status, dict(answer.getheaders()), content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = serve

        def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content if self.command != "HEAD" else b"")

        def cut(self) -> None:
            """End the connection by a reset."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    proxy = Proxy(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

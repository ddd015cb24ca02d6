"""One POST to the configured URL, and what came back: bounded in time, never redirected, never raising.

The URL is a secret (who knows it can post to the channel), so nothing that is said of a failure quotes it, nor the
library's error, which may.
"""

from __future__ import annotations

import ipaddress
import queue
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

SAID_BYTES = 200
"""Of an answer's body, what is read."""

LONGEST_WAIT = 15.0
"""Seconds that an answer's Retry-After is heeded for at once; what asks for more is tried again at a later look."""

REJECTED = frozenset({400, 413, 415, 422})
"""Answers that refuse one message, and say nothing of the next."""


@dataclass(frozen=True)
class Patience:
    """How long is tried: seconds an attempt; attempts; seconds before the second, doubled each time; seconds in all."""

    timeout: float = 10.0
    attempts: int = 3
    pause: float = 1.0
    total: float = 30.0


@dataclass(frozen=True)
class Answer:
    """What came of a POST: the status, or None with the reason why there is none; the beginning of the body."""

    status: int | None
    reason: str = ""
    said: str = ""
    retry_after: float = 0.0

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_rejected(self) -> bool:
        """Whether this message was refused, where another might not be."""
        return self.status in REJECTED

    @property
    def is_passing(self) -> bool:
        """Whether the same may be taken in a moment."""
        return self.status is None or self.status == HTTPStatus.TOO_MANY_REQUESTS or self.status >= 500

    def __str__(self) -> str:
        if self.status is None:
            return self.reason
        if 300 <= self.status < 400:
            return f"it answered {self.status}, and redirects are not followed"
        return f"it answered {self.status}"


def is_webhook(url: str) -> bool:
    """Whether alerts may be posted there: https, or http to this machine; no user name in it, no blanks."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or any(ord(char) <= 32 or ord(char) > 126 for char in url):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(host))


def post(url: str, body: bytes, patience: Patience = Patience()) -> Answer:
    """POST a JSON body, again where the answer may be another in a moment; the last answer. Takes no longer than
    `patience.total` seconds."""
    until = time.monotonic() + patience.total
    pause = patience.pause
    for attempt in range(1, patience.attempts + 1):
        left = until - time.monotonic()
        answer = _within(url, body, min(patience.timeout, left))
        wait = max(pause, answer.retry_after)
        if not answer.is_passing or attempt == patience.attempts:
            break
        if wait > LONGEST_WAIT or time.monotonic() + wait >= until:
            break
        time.sleep(wait)
        pause *= 2
    return answer


def _within(url: str, body: bytes, seconds: float) -> Answer:
    """One attempt. The sockets' own timeout begins anew with every byte, so that a clock beside them counts."""
    answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    thread = threading.Thread(
        target=lambda: answers.put(_send(url, body, seconds)), daemon=True, name="clio-alert"
    )
    thread.start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return Answer(None, f"no answer within {seconds:.3g} s")


def _send(url: str, body: bytes, seconds: float) -> Answer:
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "clio-dagster"}
    is_here = _is_this_machine(urlsplit(url).hostname or "")
    opener = build_opener(_NoRedirect, *([ProxyHandler({})] if is_here else []))
    try:
        with opener.open(Request(url, body, headers, method="POST"), timeout=seconds) as response:
            return _answer(response.status, response)
    except HTTPError as error:
        with error:
            return _answer(error.code, error)
    except URLError as error:
        cause = error.reason if isinstance(error.reason, BaseException) else error
        return Answer(None, f"it could not be reached ({type(cause).__name__})")
    except (OSError, HTTPException, ValueError) as error:
        return Answer(None, f"it gave no answer ({type(error).__name__})")


def _answer(status: int, response: Any) -> Answer:
    try:
        said = response.read(SAID_BYTES).decode("utf-8", "replace")
    except (OSError, HTTPException, ValueError):
        said = ""
    after = response.headers.get("Retry-After") or ""
    printable = "".join(char if char.isprintable() else " " for char in said).strip()
    return Answer(status, said=printable, retry_after=float(after) if after.isdecimal() else 0.0)


class _NoRedirect(HTTPRedirectHandler):
    """Alerts go to the configured URL alone: whoever answers there cannot send them on."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

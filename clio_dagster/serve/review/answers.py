"""How Review answers: a page or JSON, never kept by a browser or proxy; and its cookies."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from clio_dagster.review.views import Section

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
PATH = "/review"
COOKIE = "clio_review"
"""The cookie of a session."""


class NoStore:
    """Every answer with `cache-control: no-store`, those to what is nowhere, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def unkept(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"cache-control", b"no-store")]}
            await send(message)

        await self._app(scope, receive, unkept)


def answer(request: Request, status: int, page: bytes, found: str | Sequence[Any] | None = None) -> Response:
    """The page; or what was found (an error's text, dates, sections) as JSON, where that is asked for."""
    from starlette.responses import Response

    if found is not None and "application/json" in request.headers.get("accept", ""):
        return Response(_json(found), status, media_type="application/json")
    headers = {"content-security-policy": POLICY, "referrer-policy": "same-origin"}
    return Response(page, status, headers, "text/html; charset=utf-8")


def keep_cookie(
    response: Response, name: str, value: str, seconds: int, is_encrypted: bool, *, across: bool = False
) -> Response:
    """Set a cookie that no script reads, and no other site sends; `across` for the way back from the provider."""
    response.set_cookie(
        name, value, max_age=seconds, path=PATH, secure=is_encrypted, httponly=True,
        samesite="lax" if across else "strict",
    )  # fmt: skip
    return response


def forget_cookie(response: Response, name: str) -> Response:
    """Have the browser drop a cookie."""
    response.delete_cookie(name, path=PATH)
    return response


def _json(found: str | Sequence[Any]) -> bytes:
    if isinstance(found, str):
        return json.dumps({"error": found}).encode()
    sections = [
        {"title": each.title, "note": each.note, "rows": each.rows.to_dicts()}
        if isinstance(each, Section)
        else each.isoformat()
        for each in found
        if isinstance(each, Section | date)
    ]
    return json.dumps(sections, default=str, ensure_ascii=False).encode()


def client_of(request: Request, is_encrypted: bool) -> str:
    """The address that asks: behind a proxy, the last that it names, which it saw itself."""
    forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    if is_encrypted and re.fullmatch(r"[0-9A-Fa-f.:]{2,45}", forwarded):
        return forwarded
    return request.client.host if request.client else ""

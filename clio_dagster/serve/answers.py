"""What is answered at which address: the frame, a release's page and files, the comparison, the style sheet."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date
from html import unescape
from typing import TYPE_CHECKING

from clio_dagster.release.compare import COMPARED, Change, compare
from clio_dagster.release.read import EXPLORER, MANIFEST
from clio_dagster.serve import pages
from clio_dagster.serve.bodies import Bodies, Body, body
from clio_dagster.serve.files import (
    ATTEMPTS,
    FILES,
    NoRelease,
    NotWhole,
    Opened,
    Releases,
    Replaced,
    parse_date,
)
from clio_dagster.serve.guard import Guard

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

KEPT_BYTES = 64 * 2**20
"""Bodies that are kept ready, in bytes."""

HTML, CSS = "text/html; charset=utf-8", "text/css; charset=utf-8"
_MEDIA_TYPES = {"html": HTML, "json": "application/json; charset=utf-8"}
_PARQUET = "application/vnd.apache.parquet"

_OWN = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'"
OWN_POLICY = f"{_OWN}; frame-src 'self'; frame-ancestors 'none'"
SAID_POLICY = f"{_OWN}; frame-ancestors 'self'"

_META = re.compile(rb'<meta http-equiv="Content-Security-Policy" content="([ -~]*?)">')
_HEAD_BYTES = 8192  # the policy is named in a page's first lines


def make_app(releases: Releases, host: str, say: Callable[[str], None]) -> ASGIApp:
    """The application, as a server on `host` runs it. Problems of releases are said to `say`, each once."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    answers = _Answers(releases, say)
    app = Starlette(
        routes=[
            Route("/", answers.frame),
            Route("/style.css", answers.stylesheet),
            Route("/compare", answers.compare),
            Route("/releases/{day}", answers.without_slash),
            Route("/releases/{day}/", answers.page),
            Route("/releases/{day}/{name:path}", answers.file),
        ],
        exception_handlers={
            NoRelease: answers.no_release,
            NotWhole: answers.not_whole,
            404: answers.nothing_here,
        },
    )
    app.router.redirect_slashes = False
    return Guard(app, host, say)


def page_policy(page: bytes) -> str | None:
    """The policy that a release's page names for itself, or None where it names none that is strict."""
    found = _META.search(page[:_HEAD_BYTES])
    policy = unescape(found[1].decode("ascii")) if found else ""
    strict = policy.startswith("default-src 'none';") and "unsafe-" not in policy
    return policy if strict and policy.isascii() and policy.isprintable() else None


class _Answers:
    def __init__(self, releases: Releases, say: Callable[[str], None]) -> None:
        self._releases = releases
        self._bodies = Bodies(KEPT_BYTES)
        self._say = say
        self._told: set[str] = set()

    def frame(self, request: Request) -> Response:
        dates = self._releases.dates()
        asked = request.query_params.get("date")
        day = _date(asked) if asked is not None else dates[0] if dates else None
        if day is None:
            return _answer(request, body(pages.nothing_yet(), HTML), policy=OWN_POLICY)
        self._explorer(day)
        return _answer(request, body(pages.frame(day, dates), HTML), policy=OWN_POLICY)

    def page(self, request: Request) -> Response:
        explorer, policy = self._explorer(_date(request.path_params["day"]))
        policy = f"{policy}; frame-ancestors 'self'"
        return _answer(request, explorer, policy=policy, framed=True)

    def file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name == EXPLORER:
            return self.page(request)
        if name != MANIFEST and name not in FILES:
            return self.nothing_here(request, None)
        found = self._file(_date(request.path_params["day"]), name)
        attached = {"content-disposition": f'attachment; filename="{name}"'} if name != MANIFEST else {}
        return _answer(request, found, headers=attached)

    def without_slash(self, request: Request) -> Response:
        from starlette.responses import RedirectResponse

        day = _date(request.path_params["day"])
        if day not in self._releases.dates():
            raise NoRelease
        return RedirectResponse(f"/releases/{day}/")

    def compare(self, request: Request) -> Response:
        from starlette.responses import RedirectResponse

        dates = self._releases.dates()
        given = {name: request.query_params.get(name) for name in ("from", "to", "sort", "show", "page")}
        first, last = (_date(given[name]) if given[name] else None for name in ("from", "to"))
        if first is None or last is None or first == last:
            return _answer(request, body(pages.choose(first, last, dates), HTML), policy=OWN_POLICY)
        view = pages.View(first, last, given["sort"] or "moved", given["show"] or "")
        number = given["page"] or "1"
        if (
            view.sort not in pages.SORTS
            or view.show not in ("", *Change)
            or not re.fullmatch("[1-9][0-9]{0,5}", number)
        ):
            text = "A comparison is not sorted, narrowed or paged like that."
            return self._said(request, 400, "Not understood", text)
        view = replace(view, page=int(number))
        if first > last:
            return RedirectResponse(replace(view, first=last, last=first).url)
        found = self._compared(view, dates)
        return _answer(request, found, policy=OWN_POLICY)

    def _compared(self, view: pages.View, dates: list[date]) -> Body:
        """The page of a comparison, kept under the two manifests that it was made of."""
        days = (view.first, view.last)
        for _ in range(ATTEMPTS):
            manifests = [self._releases.use(day, lambda opened: opened.manifest.to_json()) for day in days]

            def make(manifests: list[bytes] = manifests) -> Body:
                before, after = (self._releases.tables(day, COMPARED) for day in days)
                if [before.manifest.to_json(), after.manifest.to_json()] != manifests:
                    raise Replaced
                return body(pages.comparison(compare(before, after), before, after, view, dates), HTML)

            with suppress(Replaced):
                return self._bodies.get(("compare", *manifests, view, *dates), make)
        raise NotWhole(f"releases {view.first} and {view.last}: replaced again and again")

    def stylesheet(self, request: Request) -> Response:
        return _answer(request, self._bodies.get("style", lambda: body(pages.stylesheet(), CSS)))

    def no_release(self, request: Request, _: Exception) -> Response:
        return self._said(request, 404, "No such release", "There is no release of that date.")

    def not_whole(self, request: Request, error: Exception) -> Response:
        if str(error) not in self._told:
            self._told.add(str(error))
            self._say(str(error))
        text = "This release is not whole, or not as it was published, and is not shown."
        return self._said(request, 503, "Not shown", text)

    def nothing_here(self, request: Request, _: Exception | None) -> Response:
        return self._said(request, 404, "Nothing here", "There is no page at this address.")

    def _said(self, request: Request, status: int, title: str, text: str) -> Response:
        said = body(pages.said(title, text, self._releases.dates()), HTML)
        return _answer(request, said, status=status, policy=SAID_POLICY, framed=True)

    def _explorer(self, day: date) -> tuple[Body, str]:
        found = self._file(day, EXPLORER)
        policy = page_policy(found.content)
        if policy is None:
            raise NotWhole(f"release {day}: {EXPLORER} names no strict policy")
        return found, policy

    def _file(self, day: date, name: str) -> Body:
        kind = name.rpartition(".")[2]

        def find(opened: Opened) -> Body:
            def read() -> Body:
                return body(
                    opened.read(name), _MEDIA_TYPES.get(kind, _PARQUET), compress=kind in _MEDIA_TYPES
                )

            return self._bodies.get((name, opened.sha256(name)), read)

        return self._releases.use(day, find)


def _date(text: str | None) -> date:
    day = parse_date(text or "")
    if day is None:
        raise NoRelease
    return day


def _answer(
    request: Request,
    of: Body,
    *,
    status: int = 200,
    policy: str | None = None,
    framed: bool = False,
    headers: dict[str, str] | None = None,
) -> Response:
    """A body as the request takes it: compressed where it may be, or nothing where the reader has it."""
    from starlette.responses import Response

    zipped = of.zipped if _takes_gzip(request.headers.get("accept-encoding", "")) else None
    etag = f'"{of.sha256}"' if zipped is None else f'"{of.sha256}-gzip"'
    sent = {"etag": etag, **(headers or {})}
    if policy:
        sent["content-security-policy"] = policy
    if framed:
        sent["x-frame-options"] = "SAMEORIGIN"
    if of.zipped is not None:
        sent["vary"] = "accept-encoding"
    if status == 503:
        sent["retry-after"] = "30"
    if status == 200 and _has(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=sent)
    if zipped is not None:
        sent["content-encoding"] = "gzip"
    return Response(of.content if zipped is None else zipped, status, sent, of.media_type)


def _takes_gzip(accepted: str) -> bool:
    weights = {}
    for part in accepted.lower().split(","):
        coding, _, parameter = part.partition(";")
        weights[coding.strip()] = re.fullmatch(r"\s*q=0(\.0{0,3})?\s*", parameter) is None
    return weights.get("gzip", weights.get("*", False))


def _has(given: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in given.split(",")]
    return etag in tags or tags == ["*"]

"""The routes of Review: each but those to sign in is behind `_Review.guarded`, which knows who asks and in which role.

A browser has a session and sends each form once; a program sends `Authorization: Bearer TOKEN`, and takes JSON where it
asks for it. No answer is kept by a browser or a proxy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from clio_dagster.review import views
from clio_dagster.review.access import AccessError
from clio_dagster.review.data import ReviewData
from clio_dagster.review.desk import Desk, Reviewer
from clio_dagster.review.log import LogError
from clio_dagster.review.looks import Looks
from clio_dagster.review.roles import Refused, Role, Why
from clio_dagster.review.sessions import Session, Sessions
from clio_dagster.review.views import Section
from clio_dagster.serve.review import pages
from clio_dagster.serve.review.answers import COOKIE, NoStore, answer, client_of, forget_cookie, keep_cookie
from clio_dagster.serve.review.asked import Asked, WrongCall
from clio_dagster.serve.review.plot import scatter
from clio_dagster.serve.review.sign_in import SignIn
from clio_dagster.settings import Settings

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

MOST_BYTES = 16_384
"""Bytes of a form."""

STATUS = {
    Why.NO_TOKEN: 401, Why.WRONG_TOKEN: 401, Why.EXPIRED: 401, Why.TAMPERED: 401, Why.ENDED: 401,
    Why.LOCKED: 429, Why.LIMIT: 429, Why.REASON: 400, Why.REPLAYED: 403, Why.CROSS_SITE: 403, Why.ROLE: 403,
    Why.PROVIDER: 403,
}  # fmt: skip


def make_review(settings: Settings, desk: Desk, data: ReviewData, *, is_encrypted: bool) -> Starlette:
    """The application of Review, at /review/. `is_encrypted`: a proxy that encrypts stands in front."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.routing import Route

    sessions = Sessions(settings.key, settings.review_session_minutes, desk.now)
    review = _Review(settings, desk, data, sessions, is_encrypted)
    entry = SignIn(settings, desk, sessions, is_encrypted)

    def guarded(path: str, role: Role, answer: Callable[[Asked], Response], method: str = "GET") -> Route:
        return Route(f"/review/{path}", review.guarded(role, path or "overview", answer), methods=[method])

    app = Starlette(
        routes=[
            guarded("", Role.VIEWER, review.overview),
            guarded("topics", Role.VIEWER, review.topics),
            guarded("alerts", Role.VIEWER, review.alerts),
            guarded("groups", Role.ANALYST, review.groups),
            guarded("audit", Role.ANALYST, review.audit),
            guarded("subject", Role.TRUST_AND_SAFETY, review.subject),
            guarded("accounts", Role.TRUST_AND_SAFETY, review.accounts, "POST"),
            guarded("conversations", Role.TRUST_AND_SAFETY, review.conversations, "POST"),
            guarded("log", Role.TRUST_AND_SAFETY, review.history),
            guarded("logout", Role.VIEWER, review.logout, "POST"),
            *entry.routes(review.guarding),
        ],
        middleware=[Middleware(NoStore)],
    )
    app.router.redirect_slashes = False
    return app


class _Review:
    def __init__(
        self, settings: Settings, desk: Desk, data: ReviewData, sessions: Sessions, is_encrypted: bool
    ) -> None:
        self._settings = settings
        self._desk = desk
        self._data = data
        self._sessions = sessions
        self._is_encrypted = is_encrypted
        self._looks = Looks(desk, data, settings.window_days)

    # Who asks

    def guarded(self, role: Role, action: str, found: Callable[[Asked], Response]) -> Any:
        """An endpoint that answers only whom it may."""

        def work(request: Request, body: bytes) -> Response:
            given = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
            given = given if request.method == "POST" else dict(request.query_params)
            client = client_of(request, self._is_encrypted)
            reviewer, session = self._who(request, client, action)
            if session is not None and request.method == "POST":
                self._is_meant(request, session, reviewer, action, given)
            self._desk.need(reviewer, role, action, given.get("subject", given.get("id", "")))
            if "date" not in given and (dates := self._data.dates()):
                given["date"] = dates[0].isoformat()
            return found(Asked(request, reviewer, session, given))

        return self.guarding(work)

    def guarding(self, work: Callable[[Request, bytes], Response]) -> Any:
        """An endpoint that says what is refused, and shows nothing where the log or access.toml cannot be used."""

        async def endpoint(request: Request) -> Response:
            from starlette.concurrency import run_in_threadpool

            body = b""
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BYTES:
                    return answer(request, 413, pages.said("Too long", "This form is too long."))
            try:
                return await run_in_threadpool(work, request, body)
            except Refused as refused:
                return await run_in_threadpool(self._refused, request, refused)
            except WrongCall:
                return answer(request, 400, pages.said("Not understood", "There is nothing at this address."))
            except (LogError, AccessError):
                text = "The log, or the file of who may review, cannot be used: nothing is shown."
                return answer(request, 503, pages.said("Not shown", text))

        return endpoint

    def _who(self, request: Request, client: str, action: str) -> tuple[Reviewer, Session | None]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        cookie = request.cookies.get(COOKIE)
        if scheme or not cookie:
            return self._desk.reviewer(
                token.strip() if scheme.lower() == "bearer" else None, client, action
            ), None
        try:
            session = self._sessions.find(cookie)
        except Refused as refused:
            raise self._desk.refused(refused.why, client, action) from None
        return self._desk.again(session.identity, client, action), session

    def _is_meant(
        self, request: Request, session: Session, reviewer: Reviewer, action: str, given: Mapping[str, str]
    ) -> None:
        """Raises Refused where a form was not sent from a page of this session, or was sent before."""
        try:
            if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
                raise Refused(Why.CROSS_SITE)
            self._sessions.spend(session, action, given.get("nonce", ""))
        except Refused as refused:
            raise self._desk.refused(
                refused.why, reviewer.client, action, who=reviewer.name, role=reviewer.role
            ) from None

    def _refused(self, request: Request, refused: Refused) -> Response:
        status = STATUS[refused.why]
        if status != 401:
            return answer(request, status, pages.said("Refused", str(refused)), str(refused))
        nonce = self._sessions.sign_in_form()
        page = pages.sign_in(str(refused), nonce, self._settings.oidc_issuer is not None)
        sent = answer(request, status, page, str(refused))
        sent.headers["www-authenticate"] = "Bearer"
        forget_cookie(sent, COOKIE)
        return keep_cookie(
            sent, SignIn.FORM, nonce, 60 * self._settings.review_session_minutes, self._is_encrypted
        )

    # What is shown

    def overview(self, asked: Asked) -> Response:
        dates, of, role = self._data.dates(), self._settings, asked.reviewer.role
        sizes = (of.min_conversations, of.min_accounts)
        counts = views.waiting(self._data, dates[0], role, *sizes) if dates else {}
        page = pages.overview(asked.reviewer, dates, counts, self._out(asked))
        return answer(asked.request, 200, page, dates)

    def topics(self, asked: Asked) -> Response:
        return self._view(asked, "Topics", views.topics(self._data, asked.day(), asked.reviewer.role))

    def alerts(self, asked: Asked) -> Response:
        return self._view(asked, "Alerts", views.alerts(self._data, asked.day(), asked.reviewer.role))

    def groups(self, asked: Asked) -> Response:
        return self._view(asked, "Groups", views.groups(self._data, asked.day(), asked.reviewer.role))

    def audit(self, asked: Asked) -> Response:
        of = self._settings
        found = views.audit(
            self._data, asked.day(), asked.reviewer.role, of.min_conversations, of.min_accounts
        )
        return self._view(asked, "Classifier audit", found, scatter(found[-1].rows))

    def subject(self, asked: Asked) -> Response:
        day, which = asked.day(), asked.text("id")
        found = views.subject(self._data, day, which)
        nonce = self._form(asked, "accounts")
        page = pages.subject(asked.reviewer, day, which, found, nonce, self._out(asked))
        return answer(asked.request, 200, page, found)

    def accounts(self, asked: Asked) -> Response:
        day, which, offset = asked.day(), asked.text("subject"), asked.given.get("offset", "0")
        if not re.fullmatch("[0-9]{1,7}", offset):
            raise WrongCall
        reason = asked.given.get("reason", "")
        shown, following = self._looks.accounts(asked.reviewer, day, which, reason, int(offset))
        nonces = [self._form(asked, "conversations"), self._form(asked, "accounts")]
        page = pages.accounts(asked.reviewer, day, which, shown, reason, following, nonces, self._out(asked))
        return answer(asked.request, 200, page, [shown])

    def conversations(self, asked: Asked) -> Response:
        day, account = asked.day(), asked.text("account")
        subject = asked.text("subject") if asked.given.get("subject") else None
        shown = self._looks.conversations(
            asked.reviewer, day, account, asked.given.get("reason", ""), subject
        )
        page = pages.conversations(asked.reviewer, day, account, shown.rows, shown.note, self._out(asked))
        return answer(asked.request, 200, page, [shown])

    def history(self, asked: Asked) -> Response:
        return self._view(asked, "Log", [views.history(self._desk.history(asked.reviewer))], dated=False)

    def logout(self, asked: Asked) -> Response:
        if asked.session is not None:
            self._sessions.end(asked.request.cookies[COOKIE])
        page = pages.said("Signed out", "This session has ended.")
        return forget_cookie(answer(asked.request, 200, page), COOKIE)

    def _view(
        self, asked: Asked, title: str, sections: list[Section], above: str = "", *, dated: bool = True
    ) -> Response:
        day = asked.day() if dated else None
        page = pages.view(title, asked.reviewer, sections, self._out(asked), day, above)
        return answer(asked.request, 200, page, sections)

    def _form(self, asked: Asked, purpose: str) -> str:
        return self._sessions.form(asked.session, purpose) if asked.session else ""

    def _out(self, asked: Asked) -> str:
        return pages.out_form(self._form(asked, "logout")) if asked.session else ""

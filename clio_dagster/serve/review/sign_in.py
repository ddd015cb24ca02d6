"""Signing in, out of which a session comes: with a token in a form, or at the site's provider."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from clio_dagster.review.access import read_access
from clio_dagster.review.desk import Desk, Identity
from clio_dagster.review.oidc import MINUTES, Provider, values_of
from clio_dagster.review.roles import Refused, Why
from clio_dagster.review.sessions import Sessions
from clio_dagster.serve.review import pages
from clio_dagster.serve.review.answers import COOKIE, answer, client_of, forget_cookie, keep_cookie
from clio_dagster.settings import Settings

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route


class SignIn:
    """The routes that need no session. They show a form, a style sheet, or nothing."""

    FORM, BROWSER = "clio_review_form", "clio_review_oidc"
    """Cookies: of a form to sign in, and of a sign-in at the provider."""

    def __init__(self, settings: Settings, desk: Desk, sessions: Sessions, is_encrypted: bool) -> None:
        self._settings = settings
        self._desk = desk
        self._sessions = sessions
        self._is_encrypted = is_encrypted

    def routes(self, guarding: Callable[[Callable[[Request, bytes], Response]], Any]) -> list[Route]:
        """All of them; `guarding` says what is refused."""
        from starlette.routing import Route

        found = [
            Route("/review", self._slash),
            Route("/review/style.css", self._style),
            Route("/review/login", guarding(self._ask), methods=["GET"]),
            Route("/review/login", guarding(self._token), methods=["POST"]),
        ]
        if self._settings.oidc_issuer:
            found += [
                Route("/review/oidc", guarding(self._leave), methods=["GET"]),
                Route("/review/oidc/callback", guarding(self._come_back), methods=["GET"]),
            ]
        return found

    def _slash(self, request: Request) -> Response:
        from starlette.responses import RedirectResponse

        return RedirectResponse("/review/")

    def _style(self, request: Request) -> Response:
        from starlette.responses import Response

        return Response(pages.stylesheet(), media_type="text/css")

    def _ask(self, request: Request, _: bytes) -> Response:
        nonce = self._sessions.sign_in_form()
        page = pages.sign_in("", nonce, self._settings.oidc_issuer is not None)
        return keep_cookie(answer(request, 200, page), self.FORM, nonce, self._seconds, self._is_encrypted)

    def _token(self, request: Request, body: bytes) -> Response:
        from starlette.responses import RedirectResponse

        given = dict(parse_qsl(body.decode("utf-8", "replace")))
        client = self._client(request)
        try:
            if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
                raise Refused(Why.CROSS_SITE)
            self._sessions.spend_sign_in(given.get("nonce", ""), request.cookies.get(self.FORM, ""))
        except Refused as refused:
            raise self._desk.refused(refused.why, client, "sign in") from None
        identity = self._desk.sign_in(given.get("token", "").strip(), client)
        return self._begun(RedirectResponse("/review/", 303), identity, self.FORM)

    def _leave(self, request: Request, _: bytes) -> Response:
        from starlette.responses import RedirectResponse

        try:
            address, browser = self._provider.begin(self._redirect(request))
        except Refused as refused:
            raise self._desk.refused(refused.why, self._client(request), "sign in") from None
        sent = RedirectResponse(address, 302)
        return keep_cookie(sent, self.BROWSER, browser, 60 * MINUTES, self._is_encrypted, across=True)

    def _come_back(self, request: Request, _: bytes) -> Response:
        client = self._client(request)
        browser = request.cookies.get(self.BROWSER, "")
        try:
            claims = self._provider.finish(self._redirect(request), dict(request.query_params), browser)
        except Refused as refused:
            raise self._desk.refused(refused.why, client, "sign in") from None
        values = values_of(claims, read_access(self._desk.access_file).claim)
        identity = self._desk.sign_in_as(str(claims["sub"]), values, client)
        # A cookie that is Strict is not sent along a redirect that another site began: a page leads on.
        return self._begun(answer(request, 200, pages.going_on()), identity, self.BROWSER)

    def _begun(self, response: Response, identity: Identity, used: str) -> Response:
        forget_cookie(response, used)
        cookie = self._sessions.begin(identity)
        return keep_cookie(response, COOKIE, cookie, self._seconds, self._is_encrypted)

    def _redirect(self, request: Request) -> str:
        scheme = "https" if self._is_encrypted else "http"
        return f"{scheme}://{request.headers['host']}/review/oidc/callback"

    def _client(self, request: Request) -> str:
        return client_of(request, self._is_encrypted)

    @property
    def _seconds(self) -> int:
        return 60 * self._settings.review_session_minutes

    @cached_property
    def _provider(self) -> Provider:
        of = self._settings
        secret = of.oidc_client_secret.get_secret_value() if of.oidc_client_secret else None
        return Provider(str(of.oidc_issuer), str(of.oidc_client_id), secret, self._desk.now)

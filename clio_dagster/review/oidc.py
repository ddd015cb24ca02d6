"""Signing in at the site's own OpenID Connect provider: authorization code with PKCE, state and nonce (Authlib).

OpenID Connect Core 1.0, 3.1; RFC 7636. A sign-in that was begun is finished once, in the browser that began it.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from clio_dagster.review.roles import Refused, Why

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
"""Signatures of ID tokens that are taken: asymmetric alone."""

MINUTES, MOST, TIMEOUT_SECONDS, LEEWAY_SECONDS = 10, 1000, 10, 60


@dataclass(frozen=True)
class Begun:
    """A sign-in on its way: what must come back with it."""

    browser: str
    verifier: str
    nonce: str
    until: datetime


class Provider:
    """The provider at `issuer`, where Review is known as `client_id`; without a secret as a public client."""

    def __init__(
        self, issuer: str, client_id: str, client_secret: str | None, now: Callable[[], datetime]
    ) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._now = now
        self._known: dict[str, Any] | None = None
        self._begun: OrderedDict[str, Begun] = OrderedDict()
        self._lock = Lock()

    def begin(self, redirect: str) -> tuple[str, str]:
        """Where to send the browser, and a cookie that it must bring back. Raises Refused: no provider."""
        browser, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
        with self._client(redirect) as client:
            endpoint = self._metadata(client)["authorization_endpoint"]
            address, state = client.create_authorization_url(endpoint, nonce=nonce, code_verifier=verifier)
        with self._lock:
            self._begun[state] = Begun(browser, verifier, nonce, self._now() + timedelta(minutes=MINUTES))
            while len(self._begun) > MOST:
                self._begun.popitem(last=False)
        return str(address), browser

    def finish(self, redirect: str, given: Mapping[str, str], browser: str) -> Mapping[str, Any]:
        """The claims of whom the provider vouches for. Raises Refused: replayed, or the provider says no."""
        with self._lock:
            begun = self._begun.pop(given.get("state", ""), None)
        if (
            begun is None
            or begun.until <= self._now()
            or not hmac.compare_digest(begun.browser.encode(), browser.encode())
        ):
            raise Refused(Why.REPLAYED)
        if not given.get("code"):
            raise Refused(Why.PROVIDER)
        with self._client(redirect) as client:
            return self._claims(client, given["code"], begun)

    def _claims(self, client: Any, code: str, begun: Begun) -> Mapping[str, Any]:
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.jwk import KeySet

        metadata = self._metadata(client)
        try:
            token = client.fetch_token(
                metadata["token_endpoint"],
                code=code,
                code_verifier=begun.verifier,
                grant_type="authorization_code",
            )
            keys = _json(client, metadata["jwks_uri"])
            signed = jwt.decode(token["id_token"], KeySet.import_key_set(keys), algorithms=[*ALGORITHMS])
            expected = {
                "iss": {"essential": True, "value": self._issuer},
                "aud": {"essential": True, "value": self._client_id},
            }
            known = {
                "nonce": begun.nonce,
                "client_id": self._client_id,
                "access_token": token.get("access_token"),
            }
            claims = CodeIDToken(signed.claims, signed.header, expected, known)
            claims.validate(leeway=LEEWAY_SECONDS)
        except _failures():
            raise Refused(Why.PROVIDER) from None
        return dict(claims)

    def _metadata(self, client: Any) -> dict[str, Any]:
        """What the provider says of itself, asked once (OpenID Connect Discovery 1.0, 4)."""
        if self._known is not None:
            return self._known
        address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            found = _json(client, address)
            if found["issuer"] != self._issuer or not found["authorization_endpoint"]:
                raise Refused(Why.PROVIDER)
        except _failures():
            raise Refused(Why.PROVIDER) from None
        self._known = dict(found)
        return self._known

    def _client(self, redirect: str) -> Any:
        from authlib.integrations.httpx_client import OAuth2Client

        return OAuth2Client(
            self._client_id,
            self._client_secret,
            scope="openid",
            redirect_uri=redirect,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic" if self._client_secret else "none",
            timeout=TIMEOUT_SECONDS,
        )


def values_of(claims: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    """The values of one claim: a string, or a list of them."""
    found = claims.get(claim)
    values = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return tuple(value for value in values if isinstance(value, str))


def _json(client: Any, address: str) -> Any:
    return client.request("GET", address, withhold_token=True).raise_for_status().json()


def _failures() -> tuple[type[Exception], ...]:
    """What Authlib, its HTTP client and an answer that is none fail with."""
    from authlib.common.errors import AuthlibBaseError
    from authlib.integrations.httpx_client._compat import httpx2
    from joserfc.errors import JoseError

    http = (httpx2.HTTPError, httpx2.InvalidURL)
    return (AuthlibBaseError, JoseError, *http, KeyError, TypeError, ValueError)

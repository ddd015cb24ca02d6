"""Signing in to Review at a provider: its users have the role that access.toml gives their claim, or none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import RSAKey  # noqa: TID253

from clio_dagster.review import oidc as client
from clio_dagster.review.roles import Refused
from resources.site import Site
from tests.oidc_server import CLIENT, SECRET, Provider
from tests.review_site import GROUP, made_site
from tests.test_review_pages import QUERY, Reviewed, refused

ROLES = '[oidc]\nclaim = "groups"\n[oidc.roles]\nsafety = "trust_and_safety"\nstaff = "viewer"\n'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return made_site(tmp_path_factory.mktemp("oidc"))


@pytest.fixture(scope="module")
def serving(site: Site) -> Iterator[tuple[Reviewed, Provider]]:
    provider = Provider()
    review = Reviewed(site, oidc_issuer=provider.issuer, oidc_client_id=CLIENT, oidc_client_secret=SECRET)
    yield review, provider
    review.end()
    provider.end()


@pytest.fixture
def review(serving: tuple[Reviewed, Provider], access: Path) -> Reviewed:
    return serving[0]


@pytest.fixture
def provider(serving: tuple[Reviewed, Provider]) -> Provider:
    serving[1].has_secret = True
    serving[1].claims, serving[1].lies, serving[1].signs_with = (
        {"sub": "u1", "groups": ["safety", "x"]},
        {},
        None,
    )
    return serving[1]


@pytest.fixture
def access(site: Site) -> Path:
    path = site.settings.access_file
    path.parent.mkdir(exist_ok=True)
    path.write_text(ROLES)
    path.chmod(0o600)
    return path


def signed_in(review: Reviewed) -> tuple[httpx.Client, httpx.Response]:
    """A browser that went to the provider and came back."""
    browser = httpx.Client(base_url=review.url, timeout=30, follow_redirects=True)
    return browser, browser.get("/review/oidc")


def test_a_user_has_the_role_of_the_claim(review: Reviewed, provider: Provider) -> None:
    browser, page = signed_in(review)
    assert page.status_code == 200 and 'content="0;url=/review/"' in page.text
    assert (review.lines()[-1].who, review.lines()[-1].role) == ("oidc:u1", "trust_and_safety")
    assert "oidc:u1, trust_and_safety" in browser.get("/review/").text
    assert GROUP in browser.get("/review/groups", params=QUERY).text
    (begun,) = provider.asked[-1:]
    assert begun["redirect_uri"] == f"{review.url}/review/oidc/callback"


def test_a_smaller_claim_gives_a_smaller_role_and_none_gives_none(
    review: Reviewed, provider: Provider
) -> None:
    provider.claims = {"sub": "u2", "groups": "staff"}
    browser, _ = signed_in(review)
    refused(review, browser.get("/review/groups", params=QUERY), 403, "role", "oidc:u2")
    for groups in ([], "nobody", None, {"safety": 1}, [["safety"]]):
        provider.claims = {"sub": "u3", "groups": groups}
        browser, page = signed_in(review)
        refused(review, page, 403, "sign-in at the provider failed", "oidc:u3")
        assert browser.get("/review/").status_code == 401


def test_a_role_that_access_toml_takes_away_ends_the_session(
    review: Reviewed, provider: Provider, access: Path
) -> None:
    browser, _ = signed_in(review)
    access.write_text(ROLES.replace("safety =", "others ="))
    refused(review, browser.get("/review/"), 401, "session that has ended", "oidc:u1")


@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another client"},
        {"iss": "http://evil.example"},
        {"exp": int(time.time()) - 600},
        {"azp": "another client"},
        {"at_hash": "bm90IHRoZSBoYXNo"},
    ],
    ids=lambda lies: next(iter(lies)),
)
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(
    review: Reviewed, provider: Provider, lies: dict[str, object]
) -> None:
    provider.lies = lies
    browser, page = signed_in(review)
    refused(review, page, 403, "sign-in at the provider failed")
    assert "clio_review" not in browser.cookies


def test_an_id_token_of_another_key_is_refused(review: Reviewed, provider: Provider) -> None:
    provider.signs_with = RSAKey.generate_key(2048, parameters={"kid": "k1"})
    refused(review, signed_in(review)[1], 403, "sign-in at the provider failed")


def test_a_callback_is_for_once_and_for_its_own_browser(review: Reviewed, provider: Provider) -> None:
    browser = httpx.Client(base_url=review.url, timeout=30)
    away = browser.get("/review/oidc")
    assert "SameSite=lax" in away.headers["set-cookie"] and "HttpOnly" in away.headers["set-cookie"]
    back = httpx.get(away.headers["location"]).headers["location"]
    refused(review, httpx.get(back), 403, "replayed form")
    refused(review, browser.get(back), 403, "replayed form")
    away = browser.get("/review/oidc")
    back = httpx.get(away.headers["location"]).headers["location"]
    assert browser.get(back).status_code == 200
    refused(review, browser.get(back), 403, "replayed form")
    refused(review, browser.get("/review/oidc/callback?error=access_denied"), 403, "replayed form")
    away = browser.get("/review/oidc")
    state = httpx.URL(away.headers["location"]).params["state"]
    denied = browser.get("/review/oidc/callback", params={"state": state, "error": "access_denied"})
    refused(review, denied, 403, "sign-in at the provider failed")


def test_a_public_client_proves_itself_by_its_verifier(provider: Provider) -> None:
    provider.has_secret = False
    back = "http://127.0.0.1:1/review/oidc/callback"
    one, other = (client.Provider(provider.issuer, CLIENT, None, lambda: datetime.now(UTC)) for _ in range(2))
    address, browser = one.begin(back)
    given = dict(httpx.URL(httpx.get(address).headers["location"]).params)
    with pytest.raises(Refused):
        other.finish(back, given, browser)
    assert one.finish(back, given, browser)["sub"] == "u1"
    address, browser = one.begin(back)
    stolen = dict(httpx.URL(httpx.get(address).headers["location"]).params)
    _, own = other.begin(back)
    (state,) = other._begun
    with pytest.raises(Refused, match="gives no role here"):
        other.finish(back, {"code": stolen["code"], "state": state}, own)


def test_a_provider_that_is_away_is_said(review: Reviewed, provider: Provider, site: Site) -> None:
    other = Reviewed(site, oidc_issuer="http://127.0.0.1:9/", oidc_client_id=CLIENT)
    try:
        refused(other, signed_in(other)[1], 403, "sign-in at the provider failed")
    finally:
        other.end()

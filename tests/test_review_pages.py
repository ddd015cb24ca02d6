"""Review over HTTP: every route for who has no right to it, and what comes back for whom it has."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from clio_dagster.review.access import revoke
from clio_dagster.review.desk import Desk
from clio_dagster.review.log import Line
from clio_dagster.review.roles import Role
from clio_dagster.review.verify import verify
from clio_dagster.serve.review.app import make_review
from clio_dagster.serve.server import listen, make_server
from resources.review import WarehouseReview, desk_of
from resources.site import Site
from tests.review_site import (
    ACCOUNTS,
    DAY,
    EXACT,
    GROUP,
    HIDDEN,
    LEAD,
    PRIVATE,
    REASON,
    SMALL,
    TEXT,
    TOPIC,
    made_site,
    settings_of,
    token,
)

OPEN = {"/review", "/review/style.css", "/review/login", "/review/oidc", "/review/oidc/callback"}
"""Addresses without a session: a form, a style sheet, and the way to the provider and back."""

QUERY = {"date": str(DAY), "id": TOPIC}
FORM = {"date": str(DAY), "subject": GROUP, "account": ACCOUNTS[0], "reason": REASON, "offset": "0"}
RESTRICTED = [*PRIVATE, EXACT, SMALL, LEAD, HIDDEN]


class Reviewed:
    """A server of Review at work in a thread, its desk, and one token a role."""

    def __init__(self, site: Site, *, is_encrypted: bool = False, **changed: Any) -> None:
        settings = settings_of(site, **changed)
        self.site = site
        self.desk: Desk = desk_of(settings)
        self.app = make_review(settings, self.desk, WarehouseReview(site), is_encrypted=is_encrypted)
        self.said: list[str] = []
        listening = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.server = make_server(settings.home / "releases", "127.0.0.1", self.said.append, self.app)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listening]})
        self.thread.start()
        self.http = httpx.Client(base_url=self.url, timeout=30)

    def browser(self, held: str | None = None) -> httpx.Client:
        """A browser, signed in where a token is given."""
        client = httpx.Client(base_url=self.url, timeout=30, headers={"sec-fetch-site": "same-origin"})
        if held:
            nonce = nonce_in(client.get("/review/login").text)
            assert client.post("/review/login", data={"token": held, "nonce": nonce}).status_code == 303
        return client

    def ask(self, method: str, path: str, held: str | None = None) -> httpx.Response:
        """What a program is answered."""
        headers = {"authorization": f"Bearer {held}"} if held is not None else {}
        given = {"params": QUERY} if method == "GET" else {"data": FORM}
        return self.http.request(method, path, headers=headers, **given)

    def lines(self) -> list[Line]:
        return [line for stored in self.desk.log.lines() if (line := self.desk.log.line(stored))]

    def guarded(self) -> list[tuple[str, str]]:
        """Method and path of every route that is not open, as the application itself has them."""
        found = [(method, r.path) for r in self.app.routes for method in r.methods - {"HEAD"}]  # type: ignore[attr-defined]
        return sorted({each for each in found if each[1] not in OPEN})

    def end(self) -> None:
        self.http.close()
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()


def nonce_in(page: str, action: str = "") -> str:
    """The nonce of a page's form."""
    found = re.search(
        rf'action="/review/{action}[^>]*><input type="hidden" name="nonce" value="([^"]+)"', page
    )
    assert found, page
    return found[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return made_site(tmp_path_factory.mktemp("review"))


@pytest.fixture(scope="module")
def review(site: Site) -> Iterator[Reviewed]:
    served = Reviewed(site)
    yield served
    served.end()


@pytest.fixture(scope="module")
def tokens(site: Site) -> dict[str, str]:
    """A token of each role, and one that has expired."""
    found = {role.text: token(site, role.text, role) for role in Role}
    past = datetime.now(UTC) - timedelta(seconds=5)
    return found | {"expired": token(site, "expired", Role.TRUST_AND_SAFETY, past)}


def refused(review: Reviewed, answer: httpx.Response, status: int, why: str, who: str = "") -> None:
    """The answer shows nothing, is kept nowhere, and the log's last line is its refusal."""
    assert answer.status_code == status, answer.text
    assert not [word for word in RESTRICTED if word in answer.text]
    assert answer.headers["cache-control"] == "no-store"
    last = review.lines()[-1]
    assert (last.outcome, last.why, last.who) == ("refused", why, who)


# No way in


def test_every_route_refuses_who_may_not_and_the_log_says_so(
    review: Reviewed, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clio_dagster.review.refusals.BURST", 10_000)
    monkeypatch.setattr("clio_dagster.review.lockout.FREE", 10_000)
    routes = review.guarded()
    assert len(routes) >= 10 and ("POST", "/review/conversations") in routes
    good = tokens["trust_and_safety"]
    tampered = good[:-1] + ("A" if good[-1] != "A" else "B")
    ended = review.browser(good)
    page = ended.get("/review/")
    cookie = ended.cookies["clio_review"]
    ended.post("/review/logout", data={"nonce": nonce_in(page.text, "logout")})
    for method, path in routes:
        refused(review, review.ask(method, path), 401, "no token")
        refused(review, review.ask(method, path, tokens["expired"]), 401, "expired")
        refused(review, review.ask(method, path, tampered), 401, "wrong token")
        given = {"params": QUERY} if method == "GET" else {"data": FORM}
        for value, why in ((cookie, "session that has ended"), (cookie[:-1] + "~", "tampered session")):
            headers = {"cookie": f"clio_review={value}"}
            answer = review.http.request(method, path, headers=headers, **given)
            refused(review, answer, 401, why)
    refused(review, review.ask("GET", "/review/", good.replace("trust", "un")), 401, "wrong token")
    assert verify(review.desk.log) == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANALYST], ids=lambda role: role.text)
def test_every_route_of_a_larger_role_refuses_a_smaller(
    review: Reviewed, tokens: dict[str, str], role: Role
) -> None:
    larger = {
        Role.VIEWER: {"groups", "audit", "subject", "accounts", "conversations", "log"},
        Role.ANALYST: {"subject", "accounts", "conversations", "log"},
    }[role]
    kept = set()
    for method, path in review.guarded():
        answer = review.ask(method, path, tokens[role.text])
        if answer.status_code == 403:
            refused(review, answer, 403, "role", role.text)
            kept.add(path.removeprefix("/review/"))
        else:
            assert answer.status_code == 200, path
            assert not [word for word in (*PRIVATE, EXACT, SMALL, HIDDEN) if word in answer.text], path
    assert kept == larger


def test_a_form_is_sent_once_from_a_page_of_its_session_for_its_purpose(
    review: Reviewed, tokens: dict[str, str]
) -> None:
    browser, other = (review.browser(tokens["trust_and_safety"]) for _ in range(2))
    name = "trust_and_safety"

    def page() -> str:
        return nonce_in(browser.get("/review/subject", params=QUERY).text, "accounts")

    nonce = page()
    assert ACCOUNTS[0] in browser.post("/review/accounts", data=FORM | {"nonce": nonce}).text
    for sender, given in ((browser, nonce), (other, page()), (browser, ""), (browser, "x" * 24)):
        refused(
            review, sender.post("/review/accounts", data=FORM | {"nonce": given}), 403, "replayed form", name
        )
    refused(
        review,
        browser.post("/review/conversations", data=FORM | {"nonce": page()}),
        403,
        "replayed form",
        name,
    )
    sent = browser.post(
        "/review/accounts", data=FORM | {"nonce": page()}, headers={"sec-fetch-site": "cross-site"}
    )
    refused(review, sent, 403, "form of another site", name)


def test_a_sign_in_is_sent_once_from_its_own_browser(review: Reviewed, tokens: dict[str, str]) -> None:
    browser, other = review.browser(), review.browser()
    nonce = nonce_in(browser.get("/review/login").text)
    sent = {"token": tokens["viewer"], "nonce": nonce}
    other.get("/review/login")
    refused(review, other.post("/review/login", data=sent), 403, "replayed form")
    sent["nonce"] = nonce_in(browser.get("/review/login").text)
    found = browser.post("/review/login", data=sent)
    assert found.status_code == 303
    cookie = next(c for c in found.headers.get_list("set-cookie") if c.startswith("clio_review="))
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/review" in cookie
    refused(review, browser.post("/review/login", data=sent), 403, "replayed form")


def test_revoking_and_changing_a_token_ends_its_sessions(review: Reviewed, site: Site) -> None:
    browser = review.browser(token(site, "leaver", Role.ANALYST))
    assert browser.get("/review/groups", params=QUERY).status_code == 200
    token(site, "leaver", Role.TRUST_AND_SAFETY)
    refused(review, browser.get("/review/groups", params=QUERY), 401, "session that has ended", "leaver")
    held = token(site, "leaver", Role.ANALYST)
    assert review.ask("GET", "/review/groups", held).status_code == 200
    assert revoke(site.settings.access_file, "leaver")
    refused(review, review.ask("GET", "/review/groups", held), 401, "wrong token")


def test_behind_a_proxy_cookies_are_secure_and_locks_are_of_who_it_names(
    site: Site, tokens: dict[str, str]
) -> None:
    own = Reviewed(site, is_encrypted=True)
    try:
        assert "Secure" in own.http.get("/review/login").headers["set-cookie"]
        held = {
            "authorization": "Bearer clio.nobody-here." + "A" * 43,
            "x-forwarded-for": "10.0.0.9, 192.0.2.7",
        }
        answers = [own.http.get("/review/", headers=held).status_code for _ in range(6)]
        assert answers == [401] * 5 + [429] and own.lines()[-1].client == "192.0.2.7"
        good = {"authorization": f"Bearer {tokens['viewer']}"}
        for address, status in (("192.0.2.7", 429), ("192.0.2.8", 200)):
            assert own.http.get("/review/", headers=good | {"x-forwarded-for": address}).status_code == status
    finally:
        own.end()


# What is shown


def test_trust_and_safety_goes_from_a_topic_to_accounts_to_conversations(
    review: Reviewed, tokens: dict[str, str]
) -> None:
    browser = review.browser(tokens["trust_and_safety"])
    assert str(DAY) in browser.get("/review/").text
    groups = browser.get("/review/groups", params=QUERY).text
    assert GROUP in groups and LEAD in groups and not [account for account in ACCOUNTS if account in groups]
    nonce = nonce_in(browser.get("/review/subject", params=QUERY).text, "accounts")
    listed = browser.post("/review/accounts", data=FORM | {"nonce": nonce})
    assert (
        sum(f"<bdi>{account}</bdi>" in listed.text for account in ACCOUNTS) == 20 and TEXT not in listed.text
    )
    line = review.lines()[-1]
    assert (line.action, line.outcome, line.reason, line.subject) == (
        "accounts",
        "allowed",
        REASON,
        f"{DAY} {GROUP}",
    )
    assert line.accounts == tuple(ACCOUNTS[:20])
    nonce = nonce_in(listed.text, "conversations")
    shown = browser.post("/review/conversations", data=FORM | {"nonce": nonce})
    assert "&lt;script src=&quot;//evil.example/x.js&quot;&gt;" in shown.text
    assert "<script" not in shown.text and 'href="http' not in shown.text
    assert shown.headers["content-security-policy"].startswith("default-src 'none'")
    assert review.lines()[-1].accounts == (ACCOUNTS[0],)


@pytest.mark.parametrize("reason", ["", "too short", "   \n\t \x00 spam \x1b   ", "x" * 501])
def test_no_reason_no_look(review: Reviewed, tokens: dict[str, str], reason: str) -> None:
    headers = {"authorization": f"Bearer {tokens['trust_and_safety']}"}
    for path in ("accounts", "conversations"):
        sent = review.http.post(f"/review/{path}", headers=headers, data=FORM | {"reason": reason})
        refused(review, sent, 400, "no reason", "trust_and_safety")


def test_an_analyst_sees_large_clusters_and_the_picture(review: Reviewed, tokens: dict[str, str]) -> None:
    drawn = review.ask("GET", "/review/audit", tokens["analyst"]).text
    assert '<circle class="miss"' in drawn and "Largecluster" in drawn and SMALL not in drawn
    assert SMALL in review.ask("GET", "/review/audit", tokens["trust_and_safety"]).text


def test_a_program_is_given_json(review: Reviewed, tokens: dict[str, str]) -> None:
    headers = {"authorization": f"Bearer {tokens['viewer']}", "accept": "application/json"}
    (found,) = review.http.get("/review/alerts", params=QUERY, headers=headers).json()
    assert [row["published_conversations"] for row in found["rows"]] == [7900]
    assert review.http.get("/review/log", headers=headers).json() == {"error": "This needs another role."}


# Limits


def test_the_days_limit_holds_over_pages_and_new_servers(site: Site) -> None:
    held = token(site, "limited", Role.TRUST_AND_SAFETY)
    own = Reviewed(site, review_accounts_a_day=25)
    try:
        assert own.ask("POST", "/review/accounts", held).text.count("<option>") == 20
        headers = {"authorization": f"Bearer {held}"}
        second = own.http.post("/review/accounts", headers=headers, data=FORM | {"offset": "20"})
        assert second.text.count("<option>") == 5 and "leaves no more" in second.text
        assert own.ask("POST", "/review/conversations", held).status_code == 200, "seen today already"
    finally:
        own.end()
    again = Reviewed(site, review_accounts_a_day=25)
    try:
        new = again.http.post("/review/conversations", headers=headers, data=FORM | {"account": ACCOUNTS[29]})
        refused(again, new, 429, "day's limit", "limited")
    finally:
        again.end()


def test_what_cannot_be_logged_is_not_shown(
    review: Reviewed, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    for path in ("accounts", "conversations"):
        answer = review.ask("POST", f"/review/{path}", tokens["trust_and_safety"])
        assert answer.status_code == 503 and not [word for word in PRIVATE if word in answer.text]


def test_a_form_that_is_too_long_or_wrong_shows_nothing(review: Reviewed, tokens: dict[str, str]) -> None:
    headers = {"authorization": f"Bearer {tokens['trust_and_safety']}"}
    for form, status in (
        ({"reason": "x" * 20_000}, 413),
        ({"date": "../.."}, 400),
        ({"subject": "<b>"}, 400),
        ({"offset": "-1"}, 400),
    ):
        sent = review.http.post("/review/accounts", headers=headers, data=FORM | form)
        assert sent.status_code == status and not [word for word in PRIVATE if word in sent.text]
    assert not review.said


def test_releases_stay_read_only_beside_it(review: Reviewed) -> None:
    assert review.http.post("/").status_code == 405
    assert review.http.get("/review/nowhere").status_code == 404
    assert review.http.get("/review/login", headers={"host": "evil.example"}).status_code == 421


def test_nothing_private_is_in_what_lies_outside_the_log(review: Reviewed, site: Site) -> None:
    folder = Path(site.settings.home) / "review"
    assert {each.name for each in folder.iterdir()} == {"log.jsonl", "lockouts.json", "refusals.json"}
    assert all(each.stat().st_mode & 0o077 == 0 for each in (folder, *folder.iterdir()))
    assert TEXT not in (folder / "log.jsonl").read_text()

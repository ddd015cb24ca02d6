"""Who may review: tokens and their file, locks after failures, sessions, and refusals that cannot fill a disk."""

from __future__ import annotations

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from clio_dagster.review import refusals
from clio_dagster.review.access import AccessError, grant, read_access, revoke
from clio_dagster.review.data import SCHEMAS
from clio_dagster.review.desk import Desk, Identity, Reviewer
from clio_dagster.review.lockout import LONGEST_SECONDS, MOST, Lockouts
from clio_dagster.review.log import log_of
from clio_dagster.review.roles import Refused, Role, Why
from clio_dagster.review.sessions import MOST_FORMS, Sessions
from clio_dagster.review.tokens import REMEMBERED_SECONDS, Tokens
from resources.contracts import contracts

NOW = datetime(2026, 11, 7, 12, tzinfo=UTC)


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(tmp_path: Path) -> Path:
    return tmp_path / "config" / "access.toml"


@pytest.fixture
def desk(tmp_path: Path, access: Path, clock: Clock) -> Desk:
    log = log_of(tmp_path / "home", tmp_path / "config" / "key", bytes(32))
    return Desk(access, tmp_path / "home" / "review", log, 50, ZoneInfo("UTC"), clock)


def why(desk: Desk, token: str | None, client: str = "10.0.0.1") -> Why:
    with pytest.raises(Refused) as caught:
        desk.reviewer(token, client, "topics")
    return caught.value.why


# What is read


def test_review_reads_columns_that_the_contracts_have() -> None:
    for name, columns in SCHEMAS.items():
        assert columns.items() <= contracts()[name].schema.items(), name


# The file


def test_a_token_is_printed_once_and_kept_nowhere(access: Path) -> None:
    token = grant(access, "alice", Role.ANALYST, NOW)
    assert re.fullmatch(r"clio\.alice\.[A-Za-z0-9_-]{43}", token)
    assert token.rpartition(".")[2] not in access.read_text()
    assert stat.S_IMODE(access.stat().st_mode) == 0o600
    user = read_access(access).users["alice"]
    assert (user.role, user.expires) == (Role.ANALYST, NOW)


def test_granting_and_revoking_leave_the_rest_as_it_is(access: Path) -> None:
    access.parent.mkdir()
    access.write_text('[oidc]\nclaim = "roles"\n[oidc.roles]\n"Trust \\"&\\" Safety" = "trust_and_safety"\n')
    access.chmod(0o600)
    for name in ("a.b@c", "bob"):
        grant(access, name, Role.VIEWER, None)
    before = read_access(access)
    assert revoke(access, "bob") and not revoke(access, "bob")
    after = read_access(access)
    assert after.users == {"a.b@c": before.users["a.b@c"]}
    assert (after.claim, after.claim_roles) == ("roles", {'Trust "&" Safety': Role.TRUST_AND_SAFETY})
    assert after.role_of(("x", 'Trust "&" Safety')) == Role.TRUST_AND_SAFETY and after.role_of(("x",)) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[users", "is not valid TOML"),
        ("[user.alice]", "unknown section user"),
        ('[users.alice]\nrole = "admin"', "no salt, hash and scrypt"),
        ('[users.Alice]\nrole = "viewer"', "no name of a user"),
        ('[oidc.roles]\n"x" = "root"', "a role is one of viewer, analyst, trust_and_safety"),
        ('[users.a]\nsalt="00"\nhash="00"\nscrypt=[16384, 8, 1]\nrole="viewer"', "too cheap or too dear"),
        ('[users.a]\nsalt="00"\nhash="00"\nscrypt=[32768, 8, 1]\nrole="viewer"', "wrong length"),
    ],
)
def test_a_file_that_is_wrong_is_an_error_that_says_where(access: Path, content: str, message: str) -> None:
    access.parent.mkdir()
    access.write_text(content)
    access.chmod(0o600)
    with pytest.raises(AccessError, match=message):
        read_access(access)


def test_a_file_that_others_can_read_is_refused(access: Path) -> None:
    grant(access, "alice", Role.VIEWER, None)
    access.chmod(0o640)
    with pytest.raises(AccessError, match="run chmod 600"):
        read_access(access)
    with pytest.raises(AccessError, match="is no name"):
        grant(access, "Alice Smith", Role.VIEWER, None)


# Tokens


def test_a_token_costs_one_scrypt_a_minute_and_an_unknown_name_as_much(access: Path) -> None:
    ticks = [0.0]
    tokens = Tokens(lambda: ticks[0])
    token = grant(access, "alice", Role.VIEWER, None)
    users = read_access(access).users
    for _ in range(3):
        assert tokens.check(token, users, NOW).name == "alice"
    assert tokens.hashed == 1
    with pytest.raises(Refused):
        tokens.check("clio.nobody." + token[-43:], users, NOW)
    assert tokens.hashed == 2
    ticks[0] = REMEMBERED_SECONDS + 1
    tokens.check(token, users, NOW)
    assert tokens.hashed == 3


def test_what_is_remembered_does_not_outlive_the_entry(access: Path, desk: Desk, clock: Clock) -> None:
    token = grant(access, "alice", Role.TRUST_AND_SAFETY, NOW + timedelta(seconds=30))
    assert desk.reviewer(token, "c", "topics").role == Role.TRUST_AND_SAFETY
    clock.pass_(30)
    assert why(desk, token) == Why.EXPIRED
    again = grant(access, "alice", Role.VIEWER, None)
    assert why(desk, token) == Why.WRONG_TOKEN
    assert desk.reviewer(again, "c", "topics").role == Role.VIEWER
    revoke(access, "alice")
    assert why(desk, again) == Why.WRONG_TOKEN


@pytest.mark.parametrize(
    "token", ["", "alice", "clio.", "clio.alice", "clio..x", "x" * 10_000, "clio.é.\ud800"]
)
def test_what_is_no_token_is_refused(desk: Desk, token: str) -> None:
    assert why(desk, token) in (Why.WRONG_TOKEN, Why.NO_TOKEN)


# Locks


def test_failures_lock_the_name_and_the_client_ever_longer(
    access: Path, desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = grant(access, "alice", Role.VIEWER, None)
    wrong = good[:-4] + "AAAA"
    assert [why(desk, wrong) for _ in range(6)] == [Why.WRONG_TOKEN] * 5 + [Why.LOCKED]
    assert why(desk, good, "10.0.0.2") == Why.LOCKED, "the name is locked"
    assert why(desk, "clio.bob." + "A" * 43) == Why.LOCKED, "the client is locked"
    clock.pass_(31)
    assert why(desk, wrong) == Why.WRONG_TOKEN
    clock.pass_(31)
    assert why(desk, good) == Why.LOCKED, "the second lock is twice as long"
    clock.pass_(30)
    assert desk.reviewer(good, "10.0.0.1", "topics").name == "alice"
    assert why(desk, wrong) == Why.WRONG_TOKEN, "it began anew"


def test_locks_are_bounded_in_time_and_number_and_hold_for_another_process(tmp_path: Path) -> None:
    path = tmp_path / "lockouts.json"
    for _ in range(40):
        Lockouts(path).failed(["name:alice"], NOW)
    other = Lockouts(path)
    assert other.are_locked(["name:alice"], NOW + timedelta(seconds=LONGEST_SECONDS - 1))
    assert not other.are_locked(["name:alice"], NOW + timedelta(seconds=LONGEST_SECONDS))
    other.failed([f"client:{number}" for number in range(3 * MOST)], NOW + timedelta(seconds=1))
    assert path.stat().st_size < 100 * MOST and "alice" not in path.read_text()
    assert other.are_locked(["name:alice"], NOW + timedelta(seconds=2)), "a flood of clients frees no name"


# Refusals


def test_refusals_without_number_have_few_lines_that_count_them(desk: Desk, clock: Clock) -> None:
    for _ in range(500):
        assert why(desk, None) == Why.NO_TOKEN
    assert len(desk.log.lines()) == refusals.BURST
    clock.pass_(refusals.SECONDS_A_LINE)
    assert why(desk, None) == Why.NO_TOKEN
    last = desk.log.line(desk.log.lines()[-1])
    assert last is not None and last.repeated == 500 - refusals.BURST
    desk.refused(Why.ROLE, "c", "log", who="alice")
    assert len(desk.log.lines()) == refusals.BURST + 2, "a reviewer has lines of their own"


def test_looks_at_a_time_stay_within_the_days_limit(desk: Desk) -> None:
    desk.accounts_a_day = 5
    alice = Reviewer("alice", Role.TRUST_AND_SAFETY, "c")

    def look(number: int) -> bool:
        with suppress(Refused):
            return desk.look(alice, "conversations", "t", [f"a{number}"], "a reason to look") == [
                f"a{number}"
            ]
        return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(look, range(12))) == 5
    desk.accounts_a_day = 6
    bob = Reviewer("bob", Role.TRUST_AND_SAFETY, "c")
    assert desk.look(bob, "accounts", "t", [f"b{n}" for n in range(9)], "a reason to look") == [
        f"b{n}" for n in range(6)
    ], "as many of a list as are left"


def test_the_limit_is_of_a_day(desk: Desk, clock: Clock) -> None:
    desk.accounts_a_day = 1
    alice = Reviewer("alice", Role.TRUST_AND_SAFETY, "c")
    for hours, account in ((0, "a"), (11.99, "a"), (12, "b")):
        clock.at = NOW + timedelta(hours=hours)
        assert desk.look(alice, "conversations", "t", [account], "a reason to look") == [account]
        with pytest.raises(Refused, match="in a day"):
            desk.look(alice, "conversations", "t", ["another"], "a reason to look")


# Sessions


def test_a_session_ends_with_its_time_whatever_is_done_in_it(clock: Clock) -> None:
    sessions = Sessions(bytes(32), 30, clock)
    cookie = sessions.begin(Identity("alice", "entry"))
    form = sessions.sign_in_form()
    clock.pass_(1799)
    assert sessions.find(cookie).identity.name == "alice"
    clock.pass_(1)
    with pytest.raises(Refused, match="has ended"):
        sessions.find(cookie)
    with pytest.raises(Refused, match="too old"):
        sessions.spend_sign_in(form, form)


def test_a_cookie_of_another_key_is_tampered_and_forms_are_bounded(clock: Clock) -> None:
    sessions, other = Sessions(bytes(32), 30, clock), Sessions(bytes(31) + b"1", 30, clock)
    cookie = sessions.begin(Identity("alice", "entry"))
    for given in (other.begin(Identity("alice", "entry")), f"x{cookie}", cookie[:-1], "", ".", "é.é"):
        with pytest.raises(Refused) as caught:
            sessions.find(given)
        assert caught.value.why == Why.TAMPERED
    session = sessions.find(cookie)
    first = sessions.form(session, "accounts")
    for _ in range(MOST_FORMS):
        sessions.form(session, "accounts")
    assert len(session.forms) == MOST_FORMS
    with pytest.raises(Refused, match="too old"):
        sessions.spend(session, "accounts", first)

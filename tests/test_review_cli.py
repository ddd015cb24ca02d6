"""`clio review`: every command for who has no right to it, what it prints for whom it has, and its administration."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import Result
from typer.main import get_command
from typer.testing import CliRunner

from clio_dagster.cli import app
from clio_dagster.failures import CallError, StageError
from clio_dagster.review.access import read_access
from clio_dagster.review.log import Line
from clio_dagster.review.roles import Role
from clio_dagster.review_cli import review
from resources.review import desk_of
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
    environment,
    made_site,
    token,
)
from tests.scenario import CLIO

ADMIN = {"grant", "revoke", "users", "verify"}
"""Commands that need no token, but the right to the file or the log; they show nothing of the warehouse."""

COMMANDS = sorted(get_command(review).commands)  # type: ignore[attr-defined]
ARGUMENTS = {
    "accounts": [GROUP, "--reason", REASON],
    "conversations": [ACCOUNTS[0], "--reason", REASON],
}
LARGER = {
    "groups": Role.ANALYST,
    "audit": Role.ANALYST,
    "accounts": Role.TRUST_AND_SAFETY,
    "conversations": Role.TRUST_AND_SAFETY,
    "log": Role.TRUST_AND_SAFETY,
}
RESTRICTED = [*PRIVATE, EXACT, SMALL, LEAD, HIDDEN]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return made_site(tmp_path_factory.mktemp("cli"))


@pytest.fixture(scope="module")
def tokens(site: Site) -> dict[str, str]:
    past = datetime.now(UTC) - timedelta(seconds=5)
    found = {role.text: token(site, role.text, role) for role in Role}
    return found | {"expired": token(site, "expired", Role.TRUST_AND_SAFETY, past)}


def asked(site: Site, *arguments: str, held: str | None = None) -> Result:
    """What a command prints, or fails with."""
    own = environment(site) | {"COLUMNS": "400"} | ({"CLIO_REVIEW_TOKEN": held} if held else {})
    return CliRunner().invoke(app, ["review", *arguments], env=own)


def last(site: Site) -> Line:
    log = desk_of(site.settings).log
    line = log.line(log.lines()[-1])
    assert line is not None
    return line


def refused(site: Site, found: Result, why: str) -> None:
    assert isinstance(found.exception, StageError), found.output
    assert not [word for word in RESTRICTED if word in found.output or word in str(found.exception)]
    assert (last(site).outcome, last(site).why) == ("refused", why)


@pytest.mark.parametrize("command", sorted({*COMMANDS} - ADMIN))
def test_every_command_refuses_who_may_not_and_the_log_says_so(
    site: Site, tokens: dict[str, str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clio_dagster.review.refusals.BURST", 10_000)
    monkeypatch.setattr("clio_dagster.review.lockout.FREE", 10_000)
    call = [command, *ARGUMENTS.get(command, [])]
    good = tokens["trust_and_safety"]
    refused(site, asked(site, *call), "no token")
    refused(site, asked(site, *call, held=tokens["expired"]), "expired")
    refused(site, asked(site, *call, held=good[:-1] + ("A" if good[-1] != "A" else "B")), "wrong token")
    for role in Role:
        found = asked(site, *call, held=tokens[role.text])
        if role < LARGER.get(command, Role.VIEWER):
            refused(site, found, "role")
        else:
            assert found.exit_code == 0 and found.exception is None, found.exception
            hidden = [] if role == Role.TRUST_AND_SAFETY else [*PRIVATE, EXACT, SMALL, HIDDEN]
            assert not [word for word in hidden if word in found.output]


def test_a_look_needs_a_reason_and_leaves_a_line(site: Site, tokens: dict[str, str]) -> None:
    held = tokens["trust_and_safety"]
    for command in ("accounts", "conversations"):
        refused(site, asked(site, command, *ARGUMENTS[command][:1], held=held), "no reason")
    found = asked(site, "accounts", GROUP, "--reason", f" {REASON}\x1b[31m ", "--json", held=held)
    (section,) = json.loads(found.output)
    assert [row["account"] for row in section["rows"]] == ACCOUNTS[:20]
    assert last(site).reason == f"{REASON} [31m" and last(site).accounts == tuple(ACCOUNTS[:20])
    found = asked(site, "conversations", ACCOUNTS[0], "--reason", REASON, held=held)
    assert TEXT in found.output and last(site).subject == str(DAY)
    found = asked(site, "accounts", GROUP, "--reason", REASON, "--skip", "20", held=held)
    assert ACCOUNTS[29] in found.output


def test_granting_prints_the_token_and_revoking_ends_it(site: Site) -> None:
    found = asked(site, "grant", "new", "--role", "analyst", "--days", "7")
    held = found.output.split()[-1]
    assert last(site).action == "grant analyst" and last(site).subject == "new"
    expires = read_access(site.settings.access_file).users["new"].expires
    assert expires is not None and timedelta(days=6) < expires - datetime.now(UTC) <= timedelta(days=7)
    assert asked(site, "groups", held=held).exit_code == 0
    assert "new" in asked(site, "users").output
    assert asked(site, "revoke", "new").exit_code == 0
    refused(site, asked(site, "groups", held=held), "wrong token")
    assert isinstance(asked(site, "revoke", "new").exception, CallError)
    assert isinstance(asked(site, "grant", "new", "--role", "root").exception, CallError)


def test_a_file_that_others_read_or_that_is_elsewhere_is_said(site: Site, tokens: dict[str, str]) -> None:
    access = site.settings.access_file
    access.chmod(0o644)
    for command in ("users", "topics"):
        found = asked(site, command, held=tokens["viewer"])
        assert isinstance(found.exception, StageError) and "chmod 600" in str(found.exception)
    access.chmod(0o600)
    inside = {"CLIO_ACCESS_FILE": str(site.settings.home / "access.toml")}
    found = CliRunner().invoke(app, ["review", "users"], env=environment(site) | inside)
    assert isinstance(found.exception, CallError) and "outside home" in str(found.exception)


def test_a_token_does_not_stand_in_the_sites_settings(site: Site, tokens: dict[str, str]) -> None:
    toml = site.settings.home / "clio.toml"
    toml.write_text(f'review_token = "{tokens["viewer"]}"\n')
    found = asked(site, "topics")
    toml.unlink()
    assert isinstance(found.exception, CallError) and "only in the environment" in str(found.exception)


def test_the_command_verifies_with_its_exit_code(site: Site, tokens: dict[str, str]) -> None:
    for _ in range(3):
        asked(site, "topics", held=tokens["expired"])
    found = asked(site, "verify")
    assert found.exit_code == 0 and "whole" in found.output
    log = site.settings.home / "review" / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:1] + lines[2:]))
    run = subprocess.run(
        [CLIO, "review", "verify"],
        env={name: value for name, value in os.environ.items() if not name.startswith("CLIO_")}
        | environment(site),
        text=True,
        capture_output=True,
    )
    assert run.returncode == 1 and "line 2: removed: before it entry 2 is missing" in run.stderr
    log.write_bytes(b"".join(lines))


def test_review_is_not_served_beyond_this_machine_without_encryption(site: Site) -> None:
    found = CliRunner().invoke(
        app, ["serve", "--review", "--host", "0.0.0.0", "--port", "0"], env=environment(site)
    )
    assert isinstance(found.exception, CallError) and "--behind-tls" in str(found.exception)

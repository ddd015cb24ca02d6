"""Who may use `clio review`, and whether its log is whole: commands that need no token, but the right to the files."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from clio_dagster.failures import CallError, StageError
from clio_dagster.terminal import console

if TYPE_CHECKING:
    from clio_dagster.settings import Settings

admin = typer.Typer()


@admin.command()
def verify() -> None:
    """Say whether the log is whole: which line was altered, removed, moved, or cut off. Exit 1 where it is not."""
    from clio_dagster.review.log import log_of
    from clio_dagster.review.verify import verify

    settings = settings_of_site()
    log = log_of(settings.home, settings.key_file, settings.key)
    problems = verify(log)
    if problems:
        raise StageError(f"{log.path} is not whole:\n" + "\n".join(map(str, problems)))
    console.print(f"{len(log.lines()):,} lines, whole. Head: {log.head}", soft_wrap=True)


@admin.command()
def grant(
    name: Annotated[str, typer.Argument(help="Name of the reviewer.")],
    role: Annotated[str, typer.Option(help="viewer, analyst or trust_and_safety.")],
    days: Annotated[
        int | None, typer.Option(min=1, max=3660, help="Days until it expires; 90 if not given.")
    ] = 90,
) -> None:
    """Make a token for NAME, in place of an earlier one. It is printed once."""
    from clio_dagster.review import access
    from clio_dagster.review.log import ALLOWED, Line
    from clio_dagster.review.roles import ROLES
    from resources.review import desk_of

    if role not in ROLES:
        raise CallError(f"--role is one of {', '.join(ROLES)}; not {role}")
    settings = settings_of_site()
    expires = datetime.now(UTC) + timedelta(days=days) if days else None
    with failing():
        desk_of(settings).write(
            Line(_local(), "admin", f"grant {role}", ALLOWED, client_here(), subject=name)
        )
        token = access.grant(settings.access_file, name, ROLES[role], expires)
    console.print(
        f"{name} is {role} until {expires:%Y-%m-%d}. The token, which is kept nowhere:", soft_wrap=True
    )
    typer.echo(token)


@admin.command()
def revoke(name: Annotated[str, typer.Argument(help="Name of the reviewer.")]) -> None:
    """Take the token of NAME away; open sessions end with it."""
    from clio_dagster.review import access
    from clio_dagster.review.log import ALLOWED, Line
    from resources.review import desk_of

    settings = settings_of_site()
    with failing():
        if not access.revoke(settings.access_file, name):
            raise CallError(f"{settings.access_file} names no {name}")
        desk_of(settings).write(Line(_local(), "admin", "revoke", ALLOWED, client_here(), subject=name))
    console.print(f"{name} has no token any more.")


@admin.command()
def users() -> None:
    """Who has a token, in which role and until when."""
    from clio_dagster.review.access import read_access

    with failing():
        known = read_access(settings_of_site().access_file).users.values()
    table = Table("name", "role", "until")
    for user in known:
        table.add_row(user.name, user.role.text, f"{user.expires:%Y-%m-%d %H:%M %Z}" if user.expires else "–")
    console.print(table)


@contextmanager
def failing() -> Iterator[None]:
    """What Review refuses, or cannot do, as the failure of a command."""
    from clio_dagster.review.access import AccessError
    from clio_dagster.review.log import LogError
    from clio_dagster.review.roles import Refused
    from resources.warehouse import WarehouseError

    try:
        yield
    except (Refused, AccessError, LogError, WarehouseError) as error:
        raise StageError(str(error)) from None


def settings_of_site() -> Settings:
    """The site's settings. Raises CallError."""
    from clio_dagster.settings import SettingsError, load_settings

    try:
        return load_settings()
    except SettingsError as error:
        raise CallError(str(error)) from None


def _local() -> str:
    return f"local:{getpass.getuser()}"


def client_here() -> str:
    """Who asks on this machine, for the log and the locks."""
    return f"cli:{getpass.getuser()}"

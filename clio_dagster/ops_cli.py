"""`clio pause`, `clio resume` and `clio storage`: the site stopped, started again, and how much room it takes."""

from __future__ import annotations

import getpass
import os
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from clio_dagster.failures import CallError
from clio_dagster.review_admin import settings_of_site
from clio_dagster.terminal import console, errors

if TYPE_CHECKING:
    from clio_dagster.settings import Settings

DAYS_SHOWN = 35
"""As `clio status` shows unless it is told otherwise."""


def pause(
    reason: Annotated[
        str, typer.Option(help="Why, for whoever reads `clio status` or a tick. Name no person.")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="End when no run is at work any more.")] = False,
) -> None:
    """Ask for no run any more: no arrivals, no reconciliation, no batches, no schedules, until `clio resume`.

    It holds over restarts. Runs that have been asked for go on; `clio run`, `clio backfill` and the UI still work.
    """
    with errors.status("Comparing fingerprints"):
        site, instance = opened()
        from resources.pause import Pause
        from sensors.paused import told
        from sensors.standstill import at_work, pending, wait_for_standstill
        from sensors.status import table

        is_new = site.pauses.begin(Pause(datetime.now(UTC), _who(), reason))
        standing, working = site.pauses.standing(), at_work(site, instance)
        waits = pending(site, instance, DAYS_SHOWN)
    if standing:
        _say(told(standing) if is_new else f"Already {told(standing)}")
    if waits:
        console.print(table(waits))
    console.print("What is above is asked for then." if waits else "Nothing that has landed is to be made.")
    if wait:
        wait_for_standstill(site, instance, _say)
        _say("Nothing is at work.")
    elif not working.is_nothing:
        _say(f"{working}; `clio pause --wait` waits for the end of it.")


def resume() -> None:
    """Ask for runs again. What has become due meanwhile is asked for at the next looks of the sensors."""
    site, _instance = opened()
    before = site.pauses.end()
    _say(f"Resumed; it was {before}" if before else "It was not paused.")


def storage(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, sizes in bytes.")] = False,
) -> None:
    """Show how much room the home takes, what for, and which of Dagster's runs are past their time."""
    import json
    import shutil
    from dataclasses import asdict

    from rich.table import Table

    from resources.home_size import databases, parts

    settings = settings_of_home()
    found, elsewhere = parts(settings.home), databases(settings)
    total, free = sum(part.size for part in found), shutil.disk_usage(settings.home).free
    if as_json:
        rows = [asdict(part) for part in found]
        more = [asdict(part) for part in elsewhere]
        typer.echo(json.dumps({"parts": rows, "size": total, "free": free, "databases": more}, indent=2))
        return
    shown = Table("what", "where", "files", "size", box=None, pad_edge=False)
    for part in found:
        shown.add_row(part.what, part.where, f"{part.files:,}", room(part.size))
    shown.add_section()
    shown.add_row("", str(settings.home), "", room(total))
    for part in elsewhere:
        shown.add_row(part.what, part.where, f"{part.files:,} tables", room(part.size))
    console.print(shown)
    console.print(f"{room(free)} are free on its disk.")
    trim_history(dry_run=True)


def trim_history(dry_run: bool, today: datetime | None = None) -> None:
    """The end of `clio purge`: finished runs of Dagster's that are past their time, removed or told."""
    site, instance = opened()
    from resources.home_size import compact
    from sensors.history import past_their_time
    from sensors.history import trim_history as trim

    now = today.replace(hour=12, tzinfo=site.settings.tz) if today else datetime.now(UTC)
    if dry_run:
        runs = len(past_their_time(instance, site.settings, now))
        days = site.settings.history_days
        console.print(f"{runs:,} finished runs are past their time ({days} days) in Dagster's storage.")
        return
    trimmed = trim(instance, site.settings, now)
    given_back = compact(site.settings.home)
    if not trimmed.is_nothing:
        console.print(
            f"{trimmed.runs:,} finished runs left Dagster's storage; {room(given_back)} given back in its "
            "databases, apart from logs of runs.",
            soft_wrap=True,
        )


def room(size: int) -> str:
    """Bytes in words: 7.7 MB, 66.4 GB."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def say_if_paused(site: Any) -> None:
    """The first lines of `clio status`, on standard error: what is printed as JSON stays JSON. A home that is laid out
    for other settings is told of, too."""
    from clio_dagster.layout import layout_problem
    from sensors.paused import told

    if standing := site.pauses.standing():
        errors.print(Text(_sentence(told(standing)), "bold yellow"), soft_wrap=True)
    if problem := layout_problem(site.settings):
        errors.print(Text(_sentence(problem), "bold yellow"), soft_wrap=True)


def opened() -> tuple[Any, Any]:
    """The site and its Dagster instance. Raises CallError where there is none."""
    from clio_dagster.home import prepare

    settings = settings_of_home()
    prepare(settings)
    from dagster import DagsterInstance

    from resources.site import Site

    return Site(overrides={"home": settings.home}), DagsterInstance.get()


def settings_of_home() -> Settings:
    """The site's settings. Raises CallError where there is no home."""
    settings = settings_of_site()
    if not settings.home.is_dir():
        raise CallError(f"there is nothing in {settings.home}")
    return settings


def _who() -> str:
    """Who pauses: the user of this machine, by number where it has no name, as in a container."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _say(line: str) -> None:
    console.print(Text(_sentence(line)), soft_wrap=True)


def _sentence(line: str) -> str:
    return line[:1].upper() + line[1:]

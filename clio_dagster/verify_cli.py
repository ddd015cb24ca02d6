"""`clio verify`: what of a home is not as it was written, and what is to be done about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from clio_dagster.failures import CallError, StageError
from clio_dagster.ops_cli import settings_of_home
from clio_dagster.progress import listening
from clio_dagster.terminal import bars, console, errors

if TYPE_CHECKING:
    from clio_dagster.settings import Settings
    from resources.integrity import Problem

SHOWN = 40
"""Problems that are printed one by one."""


def verify(
    mend: Annotated[
        bool, typer.Option("--mend", help="Forget what can be made again, and set aside what is damaged.")
    ] = False,
    backup: Annotated[
        Path | None,
        typer.Option(
            help="With --mend: folder with a copy of clio.duckdb (and safety.duckdb).", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every problem as JSON.")] = False,
) -> None:
    """Read everything that is stored and compare it with the hashes it was written with. Exit 1 where something is
    damaged or was changed.

    Tables, landed files, releases, the ledger and Dagster's databases. With `--mend`, what can be made again is
    forgotten, so that the next `clio run` makes it; what stands nowhere else is never thrown away.
    """
    settings = settings_of_home()
    if backup is not None and not (mend and backup.is_dir()):
        raise CallError("--backup goes with --mend, and names a folder")
    found = _found(settings, is_quiet=as_json)
    done: list[str] = []
    left = found
    if mend and found:
        done, left = _mended(settings, found, backup, is_quiet=as_json)
    if as_json:
        _print_json(found, done, left)
    else:
        _print(found, done, left)
    if found if not mend else left:
        raise StageError(_advice(left, is_mending=mend))


def _found(settings: Settings, *, is_quiet: bool) -> list[Problem]:
    from resources.integrity import problems
    from resources.warehouse import WarehouseError, open_warehouse

    try:
        with _telling(is_quiet):
            return list(problems(settings, open_warehouse(settings)))
    except WarehouseError as error:
        raise StageError(str(error)) from None


@contextmanager
def _telling(is_quiet: bool) -> Iterator[None]:
    """Progress on the terminal, unless what is printed is for a program."""
    if is_quiet:
        yield
        return
    with bars() as shown, listening(shown):
        yield


def _mended(
    settings: Settings, found: list[Problem], backup: Path | None, *, is_quiet: bool
) -> tuple[list[str], list[Problem]]:
    from filelock import FileLock

    from clio_dagster.home import prepare
    from resources.integrity import Cure
    from resources.mending import mend, set_ledger_aside
    from resources.warehouse import WarehouseError

    done: list[str] = []
    if any(each.cure == Cure.ASIDE for each in found):
        with FileLock(settings.home / "run.lock"):
            done.append(set_ledger_aside(settings))
    prepare(settings)
    from resources.site import Site
    from sensors.pipeline import undisturbed

    site = Site(overrides={"home": settings.home})
    try:
        with _telling(is_quiet), undisturbed(site, _say_aside):
            result = mend(site, [each for each in found if each.cure != Cure.ASIDE], backup)
    except WarehouseError as error:
        raise StageError(str(error)) from None
    return done + result.done, result.left


def _print_json(found: list[Problem], done: list[str], left: list[Problem]) -> None:
    import json
    from dataclasses import asdict

    def rows(problems: list[Problem]) -> list[dict[str, Any]]:
        return [asdict(each) for each in problems]

    typer.echo(json.dumps({"problems": rows(found), "done": done, "left": rows(left)}, indent=2))


def _print(found: list[Problem], done: list[str], left: list[Problem]) -> None:
    shown = left if done else found
    for each in shown[:SHOWN]:
        _say(str(each))
    if len(shown) > SHOWN:
        _say(f"and {len(shown) - SHOWN:,} more (`--json` has them all)")
    for line in done:
        _say(line)
    if not found:
        _say("Everything is as it was written.")
    elif done and not left:
        _say("Mended. `clio run` makes what was forgotten.")


def _advice(left: list[Problem], *, is_mending: bool) -> str:
    from resources.integrity import Cure

    needed = sorted({each.where for each in left if each.cure == Cure.BACKUP})
    says = ["1 problem" if len(left) == 1 else f"{len(left):,} problems"]
    if not is_mending:
        says.append("`clio verify --mend` makes room for what can be made again")
    if needed:
        says.append(
            f"of {', '.join(needed)} some stands nowhere else: give a copy that is no older than the newest release, "
            "`clio verify --mend --backup FOLDER`, or see docs/reliability.md"
        )
    return ". ".join(says)


def _say_aside(line: str) -> None:
    errors.print(Text(line), soft_wrap=True)


def _say(line: str) -> None:
    console.print(Text(line), soft_wrap=True)

"""`clio migrate`: a home moved to more languages, or to another time zone."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from clio_dagster.failures import CallError, StageError
from clio_dagster.layout import layout_problem
from clio_dagster.ops_cli import opened
from clio_dagster.terminal import bars, console


def migrate(
    apply: Annotated[
        bool, typer.Option("--apply", help="Do it. Without, only say what would be moved.")
    ] = False,
) -> None:
    """Move what has landed to the languages and the time zone that are set now.

    Sources land again from their files, or from what they landed where a file is gone; what was published stays, and
    dates are made anew as after late files. Killed, it goes on when it is called again. See docs/cookbook.md.
    """
    site, instance = opened()
    with console.status("Comparing what has landed"):
        from sensors import migration

        todo = migration.plan(site)
        problem = layout_problem(site.settings)
    if problem is not None and "clio migrate" not in problem:
        raise CallError(problem)
    if problem is None:
        _say("Nothing is to be moved: the home is laid out as the settings say.")
        return
    for change in todo.changes:
        _say(f"{change}.")
    shown = Table("sources", "", show_header=False)
    for count, what in (
        (len(todo.from_file), "land again, from their files"),
        (len(todo.from_landed), "are cut anew from what they landed: their files are gone"),
        (
            len(todo.stuck),
            "cannot be landed again, and stay out: their files are gone, and nothing had landed",
        ),
        (len(todo.left), "stay where they are: their text was purged"),
    ):
        shown.add_row(str(count), what)
    console.print(shown)
    _say(f"{todo.days} days are touched. What was published of them keeps its figures.")
    if not apply:
        _say("`clio migrate --apply` does it; back up the home first (docs/guide.md).")
        return
    from clio_dagster.definitions import build_definitions
    from clio_dagster.progress import listening

    definitions = build_definitions()
    with bars() as progress, listening(progress):
        failures = migration.migrate(definitions, instance, site, _say)
    if failures:
        raise StageError("\n".join([*failures, "`clio migrate --apply` goes on where it stopped"]))
    _say("Moved. `clio run`, or the daemon, makes what is stale now; `clio status` says what that is.")


def _say(line: str) -> None:
    console.print(Text(line), soft_wrap=True)

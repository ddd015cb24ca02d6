"""The command line: `clio run`, `clio demo`, `clio dev`, `clio topics`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table as RichTable
from rich.text import Text

from clio_dagster.settings import Settings, SettingsError, load_settings

STAGE_FAILED, WRONG_CALL, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="clio",
    help="""Learn how people use an AI assistant without anyone reading their conversations.

    Everything lies under CLIO_HOME (default `.clio`). Settings are CLIO_* variables or lines of `clio.toml`; an
    unknown one is an error that lists them all. Exit codes: 0 done, 1 a stage or gate failed, 2 the call was wrong.
    """,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
console = Console()
errors = Console(stderr=True)


class CallError(Exception):
    """The call was wrong: the message says what was expected."""


class StageError(Exception):
    """A stage or a gate failed: the message says which and what to do."""


@app.command()
def run(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Files or folders: .jsonl, .json, .csv or .parquet, each also .gz.", show_default=False
        ),
    ],
    undated_as: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="Day for records that carry no time of their own."),
    ] = None,
) -> None:
    """Land SOURCES and publish every date that they touch; what is already made is kept."""
    if undated_as is not None:
        os.environ["CLIO_UNDATED_AS"] = undated_as.date().isoformat()
    missing = [str(source) for source in sources if not source.exists()]
    if missing:
        raise CallError(f"no such file or folder: {', '.join(missing)}")
    _run(_settings(), sources)


@app.command()
def demo(
    conversations: Annotated[int, typer.Option(min=100, help="Size of the synthetic corpus.")] = 5000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the synthetic corpus.")] = 0,
) -> None:
    """Make a synthetic corpus and run it: what Clio does, on conversations that nobody had."""
    from clio_dagster.synthetic.corpus import generate

    settings = _settings()
    corpus = settings.home / "demo" / f"conversations-{conversations}-{seed}.jsonl.gz"
    if not corpus.exists():
        corpus.parent.mkdir(parents=True, exist_ok=True)
        with console.status(f"Writing {conversations:,} synthetic conversations"):
            generate(corpus, conversations=conversations, seed=seed)
    _run(settings, [corpus])


@app.command()
def dev(
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
    host: Annotated[str, typer.Option(help="Address that the UI listens on.")] = "127.0.0.1",
) -> None:
    """Start the Dagster UI and daemon on this home."""
    from clio_dagster.home import PROJECT, environment, prepare

    settings = _settings()
    home = prepare(settings)
    os.environ.update(environment(settings))
    # Dagster imports from the current folder before anything else, and warns of a dagster.yaml there, such as
    # our template: in the home it finds neither another `assets` nor another dagster.yaml.
    os.chdir(home)
    # A shell's background jobs ignore SIGINT, and Dagster would have SIGTERM do as SIGINT does.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Dagster says of its own command that another package has a newer one.
    python = [sys.executable, "-W", "ignore:Function `dev_command` is superseded"]
    workspace = str(PROJECT / "workspace.yaml")
    dagster = [str(Path(sys.executable).with_name("dagster")), "dev"]
    os.execv(sys.executable, [*python, *dagster, "-w", workspace, "-p", str(port), "-h", host])


@app.command()
def topics(
    day: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="Release to show; the newest if not given."),
    ] = None,
    depth: Annotated[int | None, typer.Option(min=1, help="Levels to show.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a release's published topics."""
    from clio_dagster.release.contract import ReleaseError
    from clio_dagster.release.read import latest_release, read_release
    from clio_dagster.release.tree import topics_json, topics_tree

    releases = _settings().home / "releases"
    folder = releases / day.date().isoformat() if day else latest_release(releases)
    if folder is None or not folder.is_dir():
        which = f" of {day.date()}" if day else ""
        raise CallError(f"no release{which} in {releases}: make one with `clio run FILE`")
    try:
        published = read_release(folder).tables["topics"]
    except ReleaseError as error:
        raise StageError(str(error)) from None
    if as_json:
        typer.echo(topics_json(published))
    else:
        console.print(topics_tree(published, depth=depth))


def _settings(**overrides: Any) -> Settings:
    try:
        return load_settings(**overrides)
    except SettingsError as error:
        raise CallError(str(error)) from None


def _run(settings: Settings, sources: list[Path]) -> None:
    from clio_dagster.clock import spent
    from clio_dagster.home import prepare
    from clio_dagster.progress import listening

    started = time.perf_counter()
    prepare(settings)
    with console.status("Loading Dagster"):
        from dagster import DagsterInstance

        from clio_dagster.definitions import build_definitions
        from sensors.pipeline import run_sources

        definitions = build_definitions()
        instance = DagsterInstance.get()
    with _bars() as bars, listening(bars):
        outcome = run_sources(definitions, instance, settings, sources)
    _report(settings, outcome)
    wall = time.perf_counter() - started
    engine = sum(spent().values())
    if engine > 1:
        console.print(f"[dim]{wall:.0f} s, of which {engine:.0f} s in the engine (×{wall / engine:.2f})[/]")
    if outcome.failures:
        raise StageError("\n".join(outcome.failures))
    if not outcome.landed:
        raise StageError("no conversation landed: see the reasons above")


def _report(settings: Settings, outcome: Any) -> None:
    from clio_dagster.release.read import read_release
    from clio_dagster.release.tree import topics_tree

    table = RichTable(
        "date", "revision", "topics", "top level", "state", title="Releases", title_justify="left"
    )
    last = None
    for day in outcome.dates:
        folder = settings.home / "releases" / day.isoformat()
        if not folder.is_dir():
            table.add_row(day.isoformat(), "", "", "", "[red]none[/]")
            continue
        release = read_release(folder)
        published = release.tables["topics"]
        top = published.filter(published["parent_id"].is_null()).height
        table.add_row(
            day.isoformat(), str(release.manifest.revision), str(published.height), str(top), "published"
        )
        last = (folder, published)
    console.print(
        f"{outcome.landed:,} conversations landed from {outcome.files:,} file(s), "
        f"{outcome.quarantined:,} records quarantined."
    )
    if outcome.quarantined:
        for reason, count in outcome.reasons:
            console.print(f"  [yellow]{count:,}[/] × {reason}")
    console.print(table)
    if last:
        folder, published = last
        console.print(topics_tree(published, depth=2))
        console.print(f"Explorer: {folder / 'explorer' / 'index.html'}", soft_wrap=True)


@contextmanager
def _bars() -> Iterator[Any]:
    """A rich bar for every step: rate and remaining time; one line a step where there is no terminal."""
    progress = Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )

    @contextmanager
    def listener(stage: str, total: int | None, unit: str) -> Iterator[Any]:
        task = progress.add_task(stage.replace("_", " "), total=total, rate="")

        def advance(count: int) -> None:
            progress.advance(task, count)
            speed = progress.tasks[progress.task_ids.index(task)].speed
            if speed:
                progress.update(
                    task, rate=f"{speed:,.1f} {unit}s/s" if speed < 1000 else f"{speed:,.0f} {unit}s/s"
                )

        try:
            yield advance
        finally:
            progress.remove_task(task)

    with progress:
        yield listener


def main() -> None:
    """Entry point of `clio`. Exit codes: 0 done, 1 a stage or gate failed, 2 the call was wrong."""
    try:
        app()
    except CallError as error:
        _say(error)
        sys.exit(WRONG_CALL)
    except StageError as error:
        _say(error)
        sys.exit(STAGE_FAILED)

    except KeyboardInterrupt:
        _say(Exception("interrupted; run it again to go on where it stopped"))
        sys.exit(INTERRUPTED)


def _say(error: Exception) -> None:
    errors.print("[red]clio:[/]", Text(str(error)), soft_wrap=True)

"""The command line: `clio run`, `clio demo`, `clio dev`, `clio topics`, `clio serve`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.text import Text

from clio_dagster.alerts.command import alerts
from clio_dagster.embedding.protocol import MissingExtraError
from clio_dagster.evaluate_cli import evaluate
from clio_dagster.failures import CallError, StageError
from clio_dagster.layout import check_layout
from clio_dagster.migrate_cli import migrate
from clio_dagster.ops_cli import pause, resume, say_if_paused, storage, trim_history
from clio_dagster.review_admin import failing
from clio_dagster.review_cli import review
from clio_dagster.settings import Settings, SettingsError, load_settings
from clio_dagster.terminal import bars, console, errors, report
from clio_dagster.verify_cli import verify

STAGE_FAILED, WRONG_CALL, INTERRUPTED = 1, 2, 130

T = TypeVar("T")

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


@app.command()
def run(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Files or folders: .jsonl, .json, .csv or .parquet, each also .gz; or s3://BUCKET/KEY, an object or "
            "a prefix. None: all that is stale.",
            show_default=False,
        ),
    ] = [],  # noqa: B006
    undated_as: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="Day for records that carry no time of their own."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what Claude would cost; nothing is landed, made or sent.")
    ] = False,
) -> None:
    """Land SOURCES and publish every date that they touch; what is fresh is kept. Without SOURCES, publish all that
    is stale."""
    if undated_as is not None:
        os.environ["CLIO_UNDATED_AS"] = undated_as.date().isoformat()
    missing = [source for source in sources if not source.startswith("s3://") and not Path(source).exists()]
    if missing:
        raise CallError(f"no such file or folder: {', '.join(missing)}")
    if dry_run:
        _estimate(_settings(), sources)
    else:
        _run(_settings(), sources)


@app.command()
def backfill(
    partitions: Annotated[
        list[str],
        typer.Argument(
            help="Dates (2026-11-01), ranges (2026-11-03..2026-11-05), slices (2026-11-07|es, "
            "2026-11-03..2026-11-05|es), in any mixture.",
            show_default=False,
        ),
    ],
    again: Annotated[
        bool, typer.Option("--again", help="Make them anew, although nothing that decides them has changed.")
    ] = False,
) -> None:
    """Make what is stale of some dates or slices. Asked for again, it goes on where it was interrupted."""

    def work(definitions: Any, instance: Any, site: Any) -> Any:
        from sensors.pipeline import backfill
        from sensors.runs import selection

        try:
            dates, slices = selection(partitions)
        except ValueError as error:
            raise CallError(str(error)) from None
        return backfill(definitions, instance, site, dates, slices, again=again)

    _work(_settings(), work)


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
    import subprocess

    from clio_dagster.home import PROJECT, environment, prepare

    settings = _settings()
    home = prepare(settings)
    check_layout(settings)
    os.environ.update(environment(settings))
    # Dagster imports from the current folder before anything else, and warns of a dagster.yaml there, such as
    # our template: in the home it finds neither another `assets` nor another dagster.yaml.
    os.chdir(home)
    # A shell's background jobs ignore SIGINT, and Dagster would have SIGTERM do as SIGINT does.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Dagster says of its own command that another package has a newer one.
    python = [sys.executable, "-W", "ignore:Function `dev_command` is superseded"]
    workspace = str(PROJECT / "workspace.yaml")
    here = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    beside = ["-m", "resources.code_server", f"http://{here}:{port}", str(os.getpid())]
    subprocess.Popen([sys.executable, *beside])
    dagster = [str(Path(sys.executable).with_name("dagster")), "dev"]
    os.execv(sys.executable, [*python, *dagster, "-w", workspace, "-p", str(port), "-h", host])


@app.command()
def status(
    day: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="One date, stage by stage."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="How many of the last landed dates to show.")] = 35,
    as_json: Annotated[bool, typer.Option("--json", help="Print every partition of every stage.")] = False,
) -> None:
    """Show what is fresh, stale and why, running, asked for or failed."""
    import json

    from clio_dagster.home import prepare

    settings = _settings()
    prepare(settings)
    with errors.status("Comparing fingerprints"):
        from dagster import DagsterInstance

        from assets.staleness import landed_days, standings
        from resources.site import Site
        from sensors.status import as_dicts, erasures, rows, table

        site = Site(overrides={"home": settings.home})
        say_if_paused(site)
        landed = [day.date()] if day else landed_days(site)[-days:]
        if not landed:
            raise CallError(f"nothing has been landed in {settings.home}: `clio run FILE`")
        instance = DagsterInstance.get()
        told = rows(site, instance, standings(site, landed, instance))
    if as_json:
        typer.echo(json.dumps(as_dicts(told), indent=2))
        return
    console.print(table(told, every_stage=day is not None))
    for line in erasures(site, instance):
        console.print(Text(line, "yellow"), soft_wrap=True)


@app.command()
def unland(
    sources: Annotated[
        list[str],
        typer.Argument(help="Keys of sources, or paths that were landed.", show_default=False),
    ],
) -> None:
    """Take back all that SOURCES landed. `clio run FILE` lands one again."""
    from clio_dagster.home import prepare

    settings = _settings()
    with console.status("Loading Dagster"):
        from dagster import DagsterInstance

        from clio_dagster.conversations.landed import read_receipt
        from resources.retention import purged_days
        from resources.site import Site
        from resources.sources import UnknownSource, registered_as, withdraw_source
        from sensors.runs import spans
    site = Site(overrides={"home": settings.home})
    try:
        keys = registered_as(site, sources)
    except UnknownSource as error:
        raise CallError(str(error)) from None
    prepare(settings)
    instance = DagsterInstance.get()
    purged = [key for key in keys if read_receipt(settings.home, key).is_purged]
    touched = {day for key in keys for day in withdraw_source(site, instance, key)}
    closed = touched & purged_days(site)
    console.print(f"Taken back: {', '.join(keys)}.", soft_wrap=True)
    if purged:
        console.print(f"The text of the landing of {', '.join(purged)} had been purged.", soft_wrap=True)
    if touched - closed:
        days = spans(sorted(touched - closed))
        console.print(
            f"It touches {days}: made anew by the running daemon, or by `clio run`.", soft_wrap=True
        )
    if closed:
        days = spans(sorted(closed))
        console.print(f"Past retention, and left as it is published: {days}.", soft_wrap=True)
    if not touched:
        console.print("It had landed nothing.")


@app.command()
def forget(
    accounts: Annotated[
        list[str],
        typer.Option("--account", help="The source's id of an account; may be given several times."),
    ] = [],  # noqa: B006
    accounts_file: Annotated[
        str | None,
        typer.Option(
            "--accounts-file",
            help="File with one id a line, `-` for standard input: it stands in no shell's history.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Erase accounts: every row and every byte of them. Published dates that it touches are made again in a batch."""
    from clio_dagster.home import prepare
    from clio_dagster.privacy.silence import quiet

    settings = _settings()
    ids = [line.strip() for line in [*accounts, *_lines_of(accounts_file)] if line.strip()]
    if not ids:
        raise CallError("no account given: --account ID, or --accounts-file FILE")
    if not settings.home.is_dir():
        raise CallError(f"there is nothing in {settings.home}")
    prepare(settings)
    with console.status("Loading Dagster"):
        from dagster import DagsterInstance

        from resources.site import Site
        from sensors.pipeline import forget_accounts
        from sensors.runs import spans
    site = Site(overrides={"home": settings.home})
    advice = "It is not finished: run it again with the same accounts."
    with _failing(advice), console.status("Erasing"), quiet("forget", "an account"):
        done = forget_accounts(site, DagsterInstance.get(), ids, console.print)
    console.print(f"Erased: {done.slices} slices of {done.tables} tables rewritten.")
    for why in sorted({*done.held.values()}):
        dates = [day for day, reason in done.held.items() if reason == why]
        console.print(f"{spans(dates)}: {why}. Until then the releases that are there stand.", soft_wrap=True)


def _lines_of(file: str | None) -> list[str]:
    if file is None:
        return []
    if file == "-":
        return sys.stdin.read().splitlines()
    try:
        return Path(file).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise CallError(f"{file} cannot be read as text") from None


@app.command()
def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is due, and leave it.")] = False,
    today: Annotated[
        datetime | None,
        typer.Option("--today", formats=["%Y-%m-%d"], hidden=True, help="The day that it counts as."),
    ] = None,
) -> None:
    """Remove what is past its time: landed text, raw text, facets, finished runs. `clio dev` does it every day; the
    settings are CLIO_LANDING_DAYS, CLIO_RAW_DAYS, CLIO_FACET_DAYS, and CLIO_HISTORY_DAYS for Dagster's runs."""
    from clio_dagster.home import prepare
    from clio_dagster.progress import listening

    settings = _settings()
    if not settings.home.is_dir():
        raise CallError(f"there is nothing in {settings.home}")
    prepare(settings)
    with console.status("Loading Dagster"):
        from rich.table import Table

        from resources.site import Site
        from sensors.retention import due_on, items, purge_due
    site = Site(overrides={"home": settings.home})
    day = today.date() if today else None
    if dry_run:
        found = due_on(site, day or datetime.now(settings.tz).date())
    else:
        with bars() as shown, listening(shown), _failing("Run it again: it goes on where it stopped."):
            found = purge_due(site, f"{os.getpid()}", day, console.print)
    told = items(found)
    if told:
        table = Table("from", "what", "days", title="Due" if dry_run else "Purged", title_justify="left")
        for each in told:
            table.add_row(each.where, each.what, each.days)
        console.print(table)
    else:
        console.print("Nothing is past its time.")
    if found.waiting:
        console.print(
            f"{len(found.waiting)} landed files are past theirs and not read yet: `clio run`. "
            f"Their text goes after {settings.raw_days} days in any case."
        )
    trim_history(dry_run, today)


@app.command()
def costs(
    since: Annotated[
        datetime | None, typer.Option("--since", formats=["%Y-%m-%d"], help="First day of spending (UTC).")
    ] = None,
    by: Annotated[
        list[str],
        typer.Option(
            "--by", help="A line for each stage, model, date (that was made), or day (of spending)."
        ),
    ] = ["stage", "model"],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print every line of the bill.")] = False,
) -> None:
    """Show what Claude has cost, from the ledger."""
    import json
    from dataclasses import asdict

    from rich.table import Table

    from resources.site import Site
    from sensors.costs import BY, summed, totals

    if unknown := sorted({*by} - BY.keys()):
        raise CallError(f"--by takes {', '.join(BY)}; not {', '.join(unknown)}")
    settings = _settings()
    if not settings.home.is_dir():
        raise CallError(f"there is nothing in {settings.home}")
    site = Site(overrides={"home": settings.home})
    lines = site.answers.bill(since.date() if since else None)
    if as_json:
        typer.echo(json.dumps([asdict(line) for line in lines], default=str, indent=2))
        return
    shown = Table(*by, "calls", "prompt tokens", "from cache", "answers' tokens", "USD")
    for name, row in summed(lines, by).items():
        shown.add_row(*name, *row.cells)
    shown.add_section()
    shown.add_row(*("" for _ in by), *totals(lines).cells)
    console.print(shown)
    if settings.budget_usd is not None:
        console.print(
            f"${site.answers.spent():,.4f} of ${settings.budget_usd:,g} spent within {settings.budget_days} days."
        )


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
    from clio_dagster.release.tree import topics_json, topics_tree, with_events

    releases = _settings().home / "releases"
    folder = releases / day.date().isoformat() if day else latest_release(releases)
    if folder is None or not folder.is_dir():
        which = f" of {day.date()}" if day else ""
        raise CallError(f"no release{which} in {releases}: make one with `clio run FILE`")
    try:
        published = with_events(read_release(folder).tables)
    except ReleaseError as error:
        raise StageError(str(error)) from None
    if as_json:
        typer.echo(topics_json(published))
    else:
        console.print(topics_tree(published, depth=depth))


@app.command()
def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 3001,
    host: Annotated[str, typer.Option(help="Address to listen on, or a name of this machine.")] = "127.0.0.1",
    open_browser: Annotated[bool, typer.Option("--open", help="Open a browser on it.")] = False,
    with_review: Annotated[
        bool, typer.Option("--review", help="Serve Review at /review/, too; see docs/review.md.")
    ] = False,
    behind_tls: Annotated[
        bool,
        typer.Option(
            "--behind-tls",
            help="A proxy that encrypts stands in front, and says in X-Forwarded-For who asks.",
        ),
    ] = False,
) -> None:
    """Serve the releases to a browser: the newest, earlier ones by date, and what changed between two.

    `/` shows the newest release, `/releases/DATE/` the page of a date, `/releases/DATE/topics.parquet` and
    `manifest.json` beside it its files, `/compare?from=DATE&to=DATE` what grew, shrank, came and went. A release that
    is published meanwhile is there at the next load.

    It only reads, and serves nothing of CLIO_HOME but whole releases, as their manifests sign them. It answers to
    this machine alone unless `--host` says otherwise, and then to the name or address given: there is no password
    and no encryption, which a proxy in front can add. Ctrl-C ends it.

    With `--review`, whoever has a token (`clio review grant`) also sees at `/review/` what their role may. It then
    listens on this machine alone, unless `--behind-tls` says that a proxy encrypts.
    """
    import threading
    import webbrowser

    from clio_dagster.serve.server import ServeError, is_open_to_others, listen, make_server, url

    settings = _settings()
    releases = settings.home / "releases"
    try:
        listening = listen(host, port)
    except ServeError as error:
        raise CallError(str(error)) from None
    if with_review and is_open_to_others(listening) and not behind_tls:
        listening.close()
        raise CallError(
            "--review listens on this machine alone; --behind-tls where a proxy encrypts in front"
        )
    if is_open_to_others(listening):
        warning = "Whoever reaches this machine over the network can read every release: no password, no encryption."
        errors.print(Text(warning, "yellow"), soft_wrap=True)

    def say(line: str) -> None:
        errors.print(Text(f"clio: {line}"), soft_wrap=True)

    pages = None
    if with_review:
        from clio_dagster.serve.review.app import make_review
        from resources.review import WarehouseReview, desk_of
        from resources.site import Site

        data = WarehouseReview(Site(overrides={"home": settings.home}))
        with failing():
            pages = make_review(settings, desk_of(settings), data, is_encrypted=behind_tls)
    server = make_server(releases, host, say, pages)
    address = url(host, listening)
    console.print(f"Releases of {releases} on {address} (Ctrl-C ends it)", soft_wrap=True, highlight=False)
    if open_browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listening])


app.add_typer(review, name="review")
app.add_typer(evaluate, name="evaluate")
app.add_typer(alerts, name="alerts")

for command in (pause, resume, storage, verify, migrate):
    app.command()(command)


@contextmanager
def _failing(advice: str) -> Iterator[None]:
    """What the engine or the warehouse fails with, as the failure of a stage, with what to do."""
    from clio_dagster.privacy.silence import EngineError
    from resources.warehouse import WarehouseError

    try:
        yield
    except (EngineError, WarehouseError) as error:
        raise StageError(f"{str(error).rstrip('.')}. {advice}") from None


def _settings(**overrides: Any) -> Settings:
    try:
        return load_settings(**overrides)
    except SettingsError as error:
        raise CallError(str(error)) from None


def _estimate(settings: Settings, sources: Sequence[Path | str]) -> None:
    """What a run would cost, where Claude is the analyst."""
    from clio_dagster.home import prepare
    from clio_dagster.settings import uses_claude

    if not uses_claude(settings):
        raise CallError("the offline analyst costs nothing: --dry-run is for CLIO_ANALYST=claude")
    prepare(settings)
    with errors.status("Counting tokens"):
        from dagster import DagsterInstance

        from resources.readers import AnalystResource, EmbedderResource
        from resources.site import Site
        from sensors.estimate import estimate, table

        site = Site(overrides={"home": settings.home})
        analyst = _priced(lambda: AnalystResource(site=site, embedder=EmbedderResource(site=site)).claude)
        facets, topics = estimate(analyst, site, DagsterInstance.get(), sources)
    console.print(table(facets, topics))
    console.print(
        f"{facets.conversations:,} conversations, {facets.answered:,} of them answered in the ledger. Tokens are "
        "counted here, a word at four letters a token; topics at most, as if none had a name. "
        f"{'Batch' if settings.claude_mode == 'batch' else 'Direct'} prices; nothing was sent.",
        soft_wrap=True,
    )


def _priced(work: Callable[[], T]) -> T:
    """A model without a price is a call that was wrong."""
    from clio_dagster.analyst.prices import PriceError

    try:
        return work()
    except PriceError as error:
        raise CallError(str(error)) from None


def _run(settings: Settings, sources: Sequence[Path | str]) -> None:
    def work(definitions: Any, instance: Any, site: Any) -> Any:
        from sensors.pipeline import run_sources

        return run_sources(definitions, instance, site, sources)

    outcome = _work(settings, work)
    if sources and not outcome.landed:
        raise StageError("no conversation landed: see the reasons above")


def _work(settings: Settings, work: Callable[[Any, Any, Any], Any]) -> Any:
    """Do what asks Dagster for runs in this process, under progress bars; report, and fail where a run failed."""
    from clio_dagster.clock import spent
    from clio_dagster.home import prepare
    from clio_dagster.progress import listening

    started = time.perf_counter()
    prepare(settings)
    check_layout(settings)
    with console.status("Loading Dagster"):
        from dagster import DagsterInstance

        from clio_dagster.definitions import build_definitions
        from resources.site import Site

        definitions = build_definitions()
        instance = DagsterInstance.get()
    with bars() as shown, listening(shown):
        outcome = work(definitions, instance, Site(overrides={"home": settings.home}))
    report(settings, outcome)
    wall = time.perf_counter() - started
    engine = sum(spent().values())
    if engine > 1:
        console.print(f"[dim]{wall:.0f} s, of which {engine:.0f} s in the engine (×{wall / engine:.2f})[/]")
    if outcome.failures:
        raise StageError("\n".join(outcome.failures))
    return outcome


def main() -> None:
    """Entry point of `clio`. Exit codes: 0 done, 1 a stage or gate failed, 2 the call was wrong."""
    try:
        app()
    except (CallError, MissingExtraError, SettingsError) as error:
        _say(error)
        sys.exit(WRONG_CALL)
    except StageError as error:
        _say(error)
        sys.exit(STAGE_FAILED)
    except KeyboardInterrupt:
        _say(Exception("interrupted; run it again to go on where it stopped"))
        sys.exit(INTERRUPTED)
    except Exception as error:
        from clio_dagster.mishaps import told

        said = told(error)
        if said is None:
            raise
        _say(StageError(said))
        sys.exit(STAGE_FAILED)


def _say(error: Exception) -> None:
    errors.print("[red]clio:[/]", Text(str(error)), soft_wrap=True)

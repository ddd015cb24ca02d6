"""`clio evaluate`: what the pipeline promises, measured."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.text import Text

from clio_dagster.evaluation.corpora.command import corpus
from clio_dagster.failures import CallError, StageError
from clio_dagster.settings import Settings, SettingsError, load_settings
from clio_dagster.terminal import bars, console, errors

if TYPE_CHECKING:
    from clio_dagster.analyst.claude import ClaudeAnalyst
    from clio_dagster.evaluation.evaluate import Evaluation
    from clio_dagster.evaluation.given import Given

FULL, QUICK = 20_000, 2_000
"""Conversations of an evaluation, and of a quick one."""

evaluate = typer.Typer()
_JSON = typer.Option("--json", help="Print JSON.")


@evaluate.callback(invoke_without_command=True)
def sections(
    context: typer.Context,
    names: Annotated[
        list[str],
        typer.Option(
            "--section", help="Make this section alone; may be given several times.", show_default=False
        ),
    ] = [],  # noqa: B006
    conversations: Annotated[
        int | None,
        typer.Option(
            min=100, help=f"Conversations, of both kinds together; {FULL:,} if not given.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the corpora and every draw of noise.")] = 0,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of labelled sets that others made, for sections that read them."),
    ] = None,
    written: Annotated[
        list[Path],
        typer.Option(
            "--corpus",
            help="File of `clio evaluate corpus` to read instead of the project's own; once for each kind.",
            show_default=False,
        ),
    ] = [],  # noqa: B006
    out: Annotated[
        Path | None,
        typer.Option(help="Markdown file to write all of it to; pictures go to images/evaluation beside it."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help=f"With {QUICK:,} conversations.")] = False,
    anew: Annotated[
        bool,
        typer.Option(
            "--anew",
            help="Ask Claude again what it answered before today: shows a model that changed behind its name.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask Claude, whatever that costs.")] = False,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Measure what this site's analyst, embedder and settings come to: the paper's own validations, and more.

    Made-up conversations of known categories, in many languages, are taken through the engine in memory; nothing that
    the site holds is read. Each section says what it measures, and holds its figures against bars. It ends with 1 where
    a bar is missed. Bars are for the offline analyst, default settings and 20,000 conversations; with fewer, some are
    missed for want of them.

    It is kept under CLIO_HOME/evaluations, where `clio evaluate compare` finds it. The same seed gives the same
    figures, but for times. With CLIO_ANALYST=claude it says first what that costs, and asks only with `--yes`; what it
    answered once is not paid for again, but with `--anew`.
    """
    if context.invoked_subcommand:
        _refuse_options(context)
        return
    from clio_dagster.evaluation import evaluate as running
    from clio_dagster.progress import listening

    if unknown := sorted({*names} - running.SECTIONS.keys()):
        raise CallError(f"no section is called {', '.join(unknown)}: there are {', '.join(running.SECTIONS)}")
    settings = _settings()
    size = conversations or (QUICK if quick else FULL)
    asked_on = dt.datetime.now(dt.UTC).date() if anew else None
    given = _given(
        settings, yes, conversations=size, seed=seed, data=data, written=_by_kind(written), asked_on=asked_on
    )
    if as_json:
        found = running.evaluate(given, names)
    else:
        with bars() as shown, listening(shown):
            found = running.evaluate(given, names)
    from clio_dagster.evaluation.document import write
    from clio_dagster.evaluation.saved import as_dict
    from clio_dagster.evaluation.shown import bars_table

    if as_json:
        typer.echo(json.dumps(as_dict(found), ensure_ascii=False, indent=2))
    else:
        console.print(bars_table(found))
    if out is not None:
        write(found, out)
    _keep(found, settings.home)
    missed = [f"{section.name}: {bar.what}" for section in found.sections for bar in section.missed]
    if missed:
        raise StageError(f"{len(missed)} bars are missed: {'; '.join(missed)}")


evaluate.command()(corpus)


@evaluate.command()
def compare(
    a: Annotated[
        str,
        typer.Argument(
            help="The earlier evaluation: a folder; or of those under CLIO_HOME/evaluations the name, its hash, a "
            "date (2026-11-01: the newest of it), or `latest`.",
            show_default=False,
        ),
    ],
    b: Annotated[str, typer.Argument(help="The later one.", show_default=False)],
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Say what differs between two evaluations: of two models, prompts, settings, versions or dates.

    Figures of the same conversations are compared pair by pair. It ends with 1 where one is worse.
    """
    from clio_dagster.evaluation import compare as comparing
    from clio_dagster.evaluation.saved import SavedError, find, load
    from clio_dagster.evaluation.shown import compared_tables

    home = _settings().home
    try:
        folders = [find(called, home) for called in (a, b)]
        found = comparing.compare(*map(load, folders))
    except SavedError as error:
        raise CallError(str(error)) from None
    if as_json:
        told: dict[str, Any] = dict(zip("ab", map(str, folders), strict=True))
        told |= {"changed": found.changed.to_dicts(), "bars": found.bars.to_dicts(), "worse": found.worse}
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        for table in compared_tables(found, [folder.name for folder in folders]):
            console.print(table)
    if found.worse:
        raise StageError(f"{len(found.worse)} figures are worse: {'; '.join(found.worse)}")


@evaluate.command()
def privacy(
    attacks: Annotated[
        list[str],
        typer.Option(
            "--attack", help="Run this attack alone; may be given several times.", show_default=False
        ),
    ] = [],  # noqa: B006
    pairs: Annotated[
        int | None,
        typer.Option(min=1, help="Paired runs of each comparison; 400 if not given.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the corpora and every draw of noise.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Small versions of all, in about a minute.")] = False,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Attack the privacy layers with made-up conversations. Exit 1 where one does not hold. See docs/attacks.md."""
    from clio_dagster.evaluation.attacks.run import ATTACKS, run
    from clio_dagster.progress import listening

    if unknown := sorted({*attacks} - ATTACKS.keys()):
        raise CallError(f"no attack is called {', '.join(unknown)}: there are {', '.join(ATTACKS)}")
    if as_json:
        found = run(attacks, pairs=pairs, seed=seed, quick=quick)
        typer.echo(found.json())
    else:
        with bars() as shown, listening(shown):
            found = run(attacks, pairs=pairs, seed=seed, quick=quick)
        for table in found.tables():
            console.print(table)
    if not found.held:
        missed = [line.attack for line in found.lines if line.held is False]
        raise StageError(f"{len(missed)} attacks get further than they may: {'; '.join(missed)}")


def _refuse_options(context: typer.Context) -> None:
    """Options of the sections say nothing to a command of its own."""
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name
        and getattr(context.get_parameter_source(parameter.name), "name", "") == "COMMANDLINE"
    ]
    if given:
        called = context.invoked_subcommand
        raise CallError(f"not before {called}: {', '.join(given)}; see `clio evaluate {called} --help`")


def _settings() -> Settings:
    try:
        return load_settings()
    except SettingsError as error:
        raise CallError(str(error)) from None


def _given(settings: Settings, yes: bool, **asked: Any) -> Given:
    """The site as it is configured; where Claude is asked, only if somebody said yes."""
    from clio_dagster.analyst.prices import PriceError
    from clio_dagster.settings import uses_claude
    from resources.evaluation import given_of
    from resources.readers import AnalystResource, EmbedderResource
    from resources.site import Site

    site = Site(overrides={"home": settings.home})
    analyst = AnalystResource(site=site, embedder=EmbedderResource(site=site))
    try:
        given = given_of(site, analyst, **asked)
    except (FileNotFoundError, PriceError) as error:
        raise CallError(str(error)) from None
    if uses_claude(settings) and not yes:
        _say_cost(given, cast("ClaudeAnalyst", given.analyst))
        raise CallError("nothing was sent: --yes asks Claude")
    return given


def _by_kind(written: list[Path]) -> dict[str, Path]:
    """The files by the kind of their conversations."""
    from clio_dagster.evaluation.corpora.files import kind_of

    try:
        kinds = [kind_of(path) for path in written]
    except (OSError, ValueError) as error:
        raise CallError(f"no corpus: {error}") from None
    if len(set(kinds)) < len(kinds):
        raise CallError(f"two corpora of one kind ({', '.join(kinds)}): give one file of each")
    return dict(zip(kinds, written, strict=True))


def _say_cost(given: Given, analyst: ClaudeAnalyst) -> None:
    from clio_dagster.analyst.estimate import of_facets, of_topics
    from clio_dagster.evaluation.corpora.bank import KINDS
    from sensors.estimate import table

    settings = given.site.settings
    with errors.status("Counting tokens"):
        corpora = {kind: given.corpus(kind).conversations for kind in KINDS}
        questions = (each for rows in corpora.values() for each in analyst.questions(rows))
        facets = of_facets(questions, analyst.asker, settings)
        topics = of_topics({kind: rows.height for kind, rows in corpora.items()}, settings)
    errors.print(table(facets, topics))
    note = "That is for both corpora, once through every stage; sections that ask more come on top of it."
    errors.print(note, soft_wrap=True)


def _keep(found: Evaluation, home: Path) -> None:
    """Kept where it can be: an evaluation counts although nobody can write there."""
    from clio_dagster.evaluation.saved import keep

    try:
        errors.print(Text(f"Kept as {keep(found, home)}"), soft_wrap=True)
    except OSError as error:
        errors.print(Text(f"Not kept: {home} cannot be written ({error.strerror})", "yellow"), soft_wrap=True)

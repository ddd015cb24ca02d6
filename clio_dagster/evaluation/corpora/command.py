"""`clio evaluate corpus`: a corpus as a file, by the project's own grammars or by Claude."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from clio_dagster.failures import CallError, StageError
from clio_dagster.terminal import bars, console

if TYPE_CHECKING:
    from collections import Counter

    from clio_dagster.evaluation.corpora.claude_plan import Cost, Plan
    from clio_dagster.evaluation.corpora.corpus import Corpus
    from clio_dagster.settings import Settings

MOST = 100_000

LEFT_OUT = 0.25
"""Share of conversations that may be left out of a corpus that Claude writes."""


def corpus(
    out: Annotated[Path, typer.Option("--out", help="File to write, .jsonl.gz; its labels lie beside it.")],
    kind: Annotated[Literal["ordinary", "concerning"], typer.Option(help="Which categories.")] = "ordinary",
    conversations: Annotated[int, typer.Option(min=1, max=MOST, help="How many.")] = 10_000,
    languages: Annotated[
        str,
        typer.Option(
            help="ISO 639-1 codes with commas between; all fifteen if not given.", show_default=False
        ),
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Decides every row.")] = 0,
    by: Annotated[
        Literal["grammars", "claude"], typer.Option(help="Who writes it; Claude needs ANTHROPIC_API_KEY.")
    ] = "grammars",
    yes: Annotated[bool, typer.Option("--yes", help="Ask Claude, whatever that costs.")] = False,
) -> None:
    """Write a corpus whose categories are known, for `clio run` to land, with its labels in FILE.labels.parquet. One
    that measures nothing is not written: exit 1.

    With `--by claude` it says first what that costs, and asks only with `--yes`. What was answered before costs
    nothing, so a corpus that was interrupted goes on where it stopped.
    """
    from clio_dagster.evaluation.corpora.files import SUFFIX, labels_path, write_corpus
    from clio_dagster.evaluation.corpora.honesty import DishonestCorpusError

    chosen = _languages(languages)
    if not out.name.endswith(SUFFIX) or not out.parent.is_dir():
        raise CallError(f"--out names a {SUFFIX} file in a folder that is there")
    try:
        batches: Iterator[Corpus]
        if by == "claude":
            batches = iter([_by_claude(kind, conversations, chosen, seed, yes=yes)])
        else:
            from clio_dagster.evaluation.corpora.corpus import corpus_in_batches

            batches = corpus_in_batches(kind, conversations, languages=chosen, seed=seed)
        written = write_corpus(_honest(batches, kind, seed), out)
    except DishonestCorpusError as error:
        raise StageError(str(error)) from None
    console.print(
        f"{written:,} conversations in {out}, labels in {labels_path(out)}", soft_wrap=True, highlight=False
    )


def _languages(given: str) -> list[str]:
    from clio_dagster.evaluation.corpora.bank import LANGUAGES

    chosen = [each.strip() for each in given.split(",") if each.strip()] or list(LANGUAGES)
    if unknown := sorted({*chosen} - {*LANGUAGES}):
        raise CallError(f"no corpus is written in {', '.join(unknown)}: there are {', '.join(LANGUAGES)}")
    return list(dict.fromkeys(chosen))


def _honest(batches: Iterator[Corpus], kind: str, seed: int) -> Iterator[Corpus]:
    """The same batches, of which the first is judged for all before anything is written."""
    from clio_dagster.evaluation.corpora.honesty import check_honest

    first = next(batches)
    check_honest(first, kind, seed)
    return chain([first], batches)


def _by_claude(kind: str, count: int, languages: list[str], seed: int, *, yes: bool) -> Corpus:
    """The cost first, then the corpus."""
    from clio_dagster.analyst.prices import PriceError
    from clio_dagster.evaluation.corpora.claude_plan import cost_of, plan
    from clio_dagster.review_admin import settings_of_site

    settings = settings_of_site()
    planned = plan(kind, count, languages=languages, seed=seed)
    model, is_batch = settings.claude_facet_model, settings.claude_mode == "batch"
    try:
        console.print(_table(cost_of(planned, model, settings.prices, is_batch=is_batch), model))
    except PriceError as error:
        raise CallError(str(error)) from None
    if not yes:
        raise CallError("nothing was sent: --yes asks Claude")
    made, left_out = _written(planned, settings)
    if left_out:
        told = ", ".join(f"{why}: {number:,}" for why, number in left_out.most_common(5))
        console.print(f"left out: {told}", soft_wrap=True, highlight=False)
    if left_out.total() > LEFT_OUT * count:
        raise StageError(f"{left_out.total():,} of {count:,} conversations did not come: nothing is written")
    return made


def _written(planned: Plan, settings: Settings) -> tuple[Corpus, Counter[str]]:
    """What Claude writes, through the site's ledger: budget, bill and answers are those of any other question."""
    from clio_dagster.analyst.claude import asker_of, batcher_of
    from clio_dagster.analyst.memory import BudgetReached
    from clio_dagster.analyst.sending import AnalystError
    from clio_dagster.evaluation.corpora.claude import written
    from clio_dagster.evaluation.corpora.claude_questions import Writer
    from clio_dagster.home import prepare
    from clio_dagster.progress import listening
    from clio_dagster.work import at_work

    prepare(settings)
    from resources.site import Site

    answers = Site(overrides={"home": settings.home}).answers
    is_batch = settings.claude_mode == "batch"
    asking = batcher_of(settings, answers) if is_batch else asker_of(settings, answers)
    writer = Writer(asking.ask, settings.claude_facet_model, settings.claude_thinking)
    try:
        with bars() as shown, listening(shown), at_work("corpus", planned.kind, "evaluate corpus") as work:
            made = written(planned, writer)
    except (AnalystError, BudgetReached) as error:
        raise StageError(str(error)) from None
    calls, usd = work.numbers["calls"], work.numbers["usd"]
    console.print(f"{calls:,} calls, ${usd:,.2f}; what was answered before cost nothing", highlight=False)
    return made.corpus, made.left_out


def _table(costs: list[Cost], model: str) -> Table:
    shown = Table("step", "calls", "prompt tokens", "answers' tokens", "USD", title=f"At most, by {model}")
    for each in costs:
        shown.add_row(
            each.step,
            f"{each.calls:,}",
            f"{each.usage.prompt:,}",
            f"{each.usage.output:,}",
            f"{each.usd:,.2f}",
        )
    shown.add_section()
    shown.add_row(
        "", f"{sum(each.calls for each in costs):,}", "", "", f"{sum(each.usd for each in costs):,.2f}"
    )
    return shown

"""Seconds and dollars for 100,000 conversations, beside the paper's (Clio, Table 2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import cast

import polars as pl

from clio_dagster.analyst.claude import ClaudeAnalyst
from clio_dagster.analyst.estimate import Line, of_facets, of_topics
from clio_dagster.analyst.memory import Memory, Remembered
from clio_dagster.analyst.prices import AS_OF, PriceError, Usage
from clio_dagster.evaluation.corpora.bank import KINDS
from clio_dagster.evaluation.given import Given
from clio_dagster.evaluation.section import Bar, Section
from clio_dagster.progress import track

EACH = 100_000
"""Conversations that every figure is for."""

PAPER = {"facets": 45.00, "cluster_summaries": 3.75, "hierarchy": 0.06, "audited_summaries": None}
"""Dollars by stage (Clio, Table 2): Claude 3 Haiku reads, 3.5 Sonnet names. It lists no audit."""

PAPER_TOKENS = 1_000
"""Tokens of a conversation that the paper's table assumes."""

MODES = ("direct", "batch")

ABOUT = f"""
What {EACH:,} conversations take, by stage, beside the paper's Table 2. Figures are scaled in proportion from those of
both corpora, what starting takes included.

Seconds are those of the analyst and the machine that this document was made with, one run, whatever else the machine
was doing; they are the only figures that differ from run to run.

The offline analyst costs nothing. For Claude nothing is asked: tokens are counted here, answers are as long as they
mostly are, and prices are those of {AS_OF.isoformat()} or the site's own (`clio run --dry-run` estimates a site's own
files so). What the cache spares is not counted, nor what an answer that is asked for twice costs. Topics are priced
directly in both modes, although many names at once go in batches too, and as one date's: each date names its own.
The corpora's conversations are short; the columns of {PAPER_TOKENS:,} tokens are for conversations as long as the paper
assumes. It counts one facet a call, where one call here gives all, and for naming a cluster {PAPER_TOKENS:,} tokens,
which the hundred summaries that its namer is shown exceed.
""".strip()


class _EmptyLedger:
    """Where nothing has been asked yet."""

    def recall(self, keys: Collection[str]) -> dict[str, Remembered]:
        return {}


def section(given: Given) -> Section:
    """Dollars and tokens by stage for Claude in both modes, and seconds by stage of the given analyst."""
    tables = {f"Seconds for {EACH:,} conversations, {given.analyst.name} analyst": _seconds(given)}
    bars: list[Bar] = []
    try:
        found = _dollars(given)
    except PriceError:
        left_out = pl.DataFrame({"left_out": ["Claude"], "why": ["a model of the site's has no known price"]})
        return Section("costs", "Cost and time", ABOUT, bars, tables | {"Left out": left_out})
    tables[f"Dollars for {EACH:,} conversations"] = _by_stage(found)
    tables["Calls and tokens, of the corpora's conversations"] = pl.DataFrame(
        [
            {
                "stage": line.stage,
                "model": line.model,
                "calls": line.calls,
                "input_millions": line.usage.prompt / 1e6,
                "output_millions": line.usage.output / 1e6,
            }
            for line in found["claude_direct"]
        ]
    )
    bars += [
        Bar(f"dollars, {name}", sum(line.usd for line in lines), n=given.conversations)
        for name, lines in found.items()
    ]
    return Section("costs", "Cost and time", ABOUT, bars, tables)


def _seconds(given: Given) -> pl.DataFrame:
    """stage, seconds, share; the total last."""
    done = [given.analysed(kind) for kind in KINDS]
    conversations = sum(each.corpus.conversations.height for each in done)
    scaled = {
        stage: sum(each.seconds[stage] for each in done) * EACH / conversations for stage in done[0].seconds
    }
    whole = sum(scaled.values())
    return pl.DataFrame(
        {
            "stage": [*scaled, "total"],
            "seconds": [*scaled.values(), whole],
            "share": [*(seconds / whole for seconds in scaled.values()), 1.0],
        }
    )


def _dollars(given: Given) -> dict[str, list[Line]]:
    """Lines of each way to ask Claude, by its name. Raises PriceError for a model without a known price."""
    corpora = pl.concat([given.analysed(kind).corpus.conversations for kind in KINDS])
    long = corpora.head(1).with_columns(
        pl.lit([{"role": "user", "text": "word " * PAPER_TOKENS}], corpora.schema["messages"]).alias(
            "messages"
        )
    )
    found = {}
    with track("evaluating: counting tokens", 2 * len(MODES), "estimate") as advance:
        for told, conversations in (("", corpora), (f"_{PAPER_TOKENS}_tokens", long)):
            for mode in MODES:
                found[f"claude_{mode}{told}"] = _lines(given, conversations, mode)
                advance(1)
    return found


def _lines(given: Given, conversations: pl.DataFrame, mode: str) -> list[Line]:
    # The site's key is at hand: none is read from where its settings point, and none is made there.
    site = given.site.with_settings(claude_mode=mode, key=given.site.key)
    claude = ClaudeAnalyst(site.settings, cast("Memory", _EmptyLedger()), site.embedder, site.honest)
    one = of_facets(claude.questions(conversations), claude.asker, site.settings)
    times = EACH / one.conversations
    usage = Usage(round(one.line.usage.input * times), round(one.line.usage.output * times))
    reading = Line(one.line.stage, one.line.model, round(one.line.calls * times), usage, one.line.usd * times)
    return [reading, *of_topics({"one date": EACH}, site.settings)]


def _by_stage(found: Mapping[str, Sequence[Line]]) -> pl.DataFrame:
    """stage, the paper's dollars, the offline analyst's, and those of each way; the total last."""
    stages = list(PAPER)
    columns: dict[str, list[float | None]] = {
        "paper": [*PAPER.values(), sum(usd or 0.0 for usd in PAPER.values())],
        "offline": [0.0] * (len(stages) + 1),
    }
    for way, lines in found.items():
        of_stage = {line.stage: line.usd for line in lines}
        columns[way] = [*(of_stage.get(stage, 0.0) for stage in stages), sum(of_stage.values())]
    return pl.DataFrame({"stage": [*stages, "total"], **columns})

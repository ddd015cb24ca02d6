"""What a run would cost: `clio run --dry-run`. Nothing is landed, made or sent."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
from dagster import DagsterInstance
from rich.table import Table

from assets.partitions import window
from assets.staleness import landed_days, standings
from clio_dagster.analyst.claude import ClaudeAnalyst
from clio_dagster.analyst.estimate import Facets, Line, of_facets, of_topics
from clio_dagster.analyst.questions import Question
from clio_dagster.conversations.landed import read_receipt
from clio_dagster.conversations.landing import readable
from clio_dagster.settings import Settings
from clio_dagster.tables import DAY, MESSAGES_TYPE, RAW_CONVERSATIONS
from resources.site import Site
from resources.sources import at_hand, sources_at

AT_ONCE = 1_000
"""Conversations held at a time."""


def estimate(
    analyst: ClaudeAnalyst, site: Site, instance: DagsterInstance, sources: Sequence[Path | str]
) -> tuple[Facets, list[Line]]:
    """What reading the files' conversations, or all that is stale, and publishing their dates would cost."""
    counts: Counter[str] = Counter()
    questions = (
        _of_files(analyst, site.settings, sources, counts)
        if sources
        else _of_stale(analyst, site, instance, counts)
    )
    facets = of_facets(questions, analyst.asker, site.settings)
    if sources and not _are_landed(site, sources):
        # What is there already is in the windows, too.
        for day, conversations in site.warehouse.read(DAY, None, ["date", "conversations"]).iter_rows():
            counts.setdefault(day.isoformat(), 0)
            counts[day.isoformat()] += conversations
    windows = {day: sum(counts[each] for each in window(day)) for day in list(counts)}
    return facets, of_topics(windows, site.settings)


def table(facets: Facets, topics: Sequence[Line]) -> Table:
    shown = Table("stage", "model", "calls", "prompt tokens", "answers' tokens", "USD", title="Estimate")
    lines = [facets.line, *topics]
    for line in lines:
        shown.add_row(
            line.stage,
            line.model,
            f"{line.calls:,}",
            f"{line.usage.prompt:,}",
            f"{line.usage.output:,}",
            f"{line.usd:,.2f}",
        )
    shown.add_section()
    shown.add_row(
        "", "", f"{sum(line.calls for line in lines):,}", "", "", f"{sum(line.usd for line in lines):,.2f}"
    )
    return shown


def _of_files(
    analyst: ClaudeAnalyst, settings: Settings, sources: Iterable[Path | str], counts: Counter[str]
) -> Iterator[Question]:
    schema: dict[str, Any] = {
        "conversation_id": pl.String,
        "date": pl.Date,
        "messages": MESSAGES_TYPE,
    }
    for found in (each for source in sources for each in sources_at(settings, source)):
        with at_hand(settings, found.key, found.path) as file:
            records = readable(file, settings, datetime.now(UTC))
            while some := list(islice(records, AT_ONCE)):
                counts.update(record.date.isoformat() for record in some)
                rows = {
                    "conversation_id": [record.conversation_id for record in some],
                    "date": [record.date for record in some],
                    "messages": [[message._asdict() for message in record.messages] for record in some],
                }
                yield from analyst.questions(pl.DataFrame(rows, schema=schema))


def _are_landed(site: Site, sources: Iterable[Path | str]) -> bool:
    keys = [each.key for source in sources for each in sources_at(site.settings, source)]
    return all(read_receipt(site.settings.home, key).named for key in keys)


def _of_stale(
    analyst: ClaudeAnalyst, site: Site, instance: DagsterInstance, counts: Counter[str]
) -> Iterator[Question]:
    for day in standings(site, landed_days(site), instance):
        if day.is_fresh:
            continue
        for key in day.stale_slices:
            where = dict(zip(("date", "language"), key.split("|"), strict=True))
            conversations = site.warehouse.read(RAW_CONVERSATIONS, where)
            counts[day.date.isoformat()] += conversations.height
            yield from analyst.questions(conversations)

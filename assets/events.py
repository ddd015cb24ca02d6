"""Event windows, a partition a date and event: which conversations, which topics, and what of them is to be looked at.

All three are for Trust & Safety alone; the `event_windows` sensor asks for them.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime

import polars as pl
from dagster import (
    AssetDep,
    AssetExecutionContext,
    BetaWarning,
    DimensionPartitionMapping,
    IdentityPartitionMapping,
    MultiPartitionMapping,
    asset,
    multi_asset,
)

from assets.common import CHAIN, CLAUDE_POOL, about, outs
from assets.event_inputs import (
    baseline_days,
    event_of,
    hashes,
    parted,
    slices_of_key,
    until,
    whole_day,
    window_rows,
)
from assets.partitions import ASKS_CLAUDE, DATE_EVENTS, SETTINGS, settings_used
from assets.staleness import is_closed
from clio_dagster.key_ranges import ranges_of
from clio_dagster.privacy.key import key_identity
from clio_dagster.safety.events.alerts import event_alerts as alerts_of
from clio_dagster.safety.events.definitions import Event
from clio_dagster.safety.events.evidence import Rows, alerted_vectors, gather
from clio_dagster.safety.events.screening import screened
from clio_dagster.safety.events.topics import Namers
from clio_dagster.safety.events.topics import event_topics as topics_of
from clio_dagster.safety.events.windows import days_of
from clio_dagster.safety.tables import EVENT_ALERTS, EVENT_CONVERSATIONS, EVENT_MEMBERS, EVENT_TOPICS
from clio_dagster.tables import CLUSTERED_BY, EMBEDDINGS, FACETS, RAW_CONVERSATIONS, Table
from resources.fingerprints import Input, Stage
from resources.io_manager import Reader
from resources.readers import AnalystResource, identities
from resources.site import Site
from resources.stage import Slices, Written, write

warnings.filterwarnings("ignore", message="Class `MultiPartitionMapping`", category=BetaWarning)

GROUP = "events"

SLICES_OF_DATE = MultiPartitionMapping(
    {"date": DimensionPartitionMapping("date", IdentityPartitionMapping())}
)
"""A date and event from the slices of all the date's languages."""

USES = (
    "seed",
    "min_conversations",
    "min_accounts",
    "max_account_share",
    "account_cap",
    "max_clusters",
    "clusterer",
    "outliers",
    "word_min_accounts",
    "sensitive_word_min_accounts",
    "pair_min_accounts",
    "cell_min_conversations",
    "cell_min_accounts",
    "epsilon",
    "epsilon_topic",
    "epsilon_word",
    "epsilon_pair",
    "epsilon_cell",
    "epsilon_sensitive",
)


def _screener(site: Site) -> str:
    """Who screens: what decides which conversations an event takes in."""
    if not ASKS_CLAUDE:
        return identities(site.settings)[0]
    from clio_dagster.analyst.claude import SCREEN

    return f"claude {site.settings.claude_facet_model} {SCREEN.identity}"


def _namer(site: Site) -> dict[str, object]:
    named = {
        stage: identities(site.settings, stage)[0] for stage in ("cluster_summaries", "audited_summaries")
    }
    return {**named, "key": key_identity(site.settings.key)}


def _definitions(site: Site, keys: Sequence[str]) -> dict[str, Event]:
    return {key: event_of(site, parted(key)[1]) for key in keys}


def _topic_facts(site: Site, keys: Sequence[str]) -> Mapping[str, object]:
    """The event, its window's facets, vectors and screened conversations, and whether the date is over."""
    now = datetime.now(UTC)
    return {
        key: [
            event.digest,
            hashes(site, (FACETS, EMBEDDINGS), until(event, key)),
            _of_window(site, event, key, EVENT_CONVERSATIONS.name),
            is_closed(date.fromisoformat(parted(key)[0]), now),
        ]
        for key, event in _definitions(site, keys).items()
    }


def _alert_facts(site: Site, keys: Sequence[str]) -> Mapping[str, object]:
    """The event, what was written in the days before its window and on the date, and its earlier dates' alerts."""
    return {
        key: [
            event.digest,
            hashes(site, (FACETS, EMBEDDINGS), [*baseline_days(event), *until(event, key)]),
            _of_window(site, event, key, EVENT_ALERTS.name)[:-1],
        ]
        for key, event in _definitions(site, keys).items()
    }


def _of_window(site: Site, event: Event, key: str, table: str) -> list[str | None]:
    """Content hash of an event's slice of a table for each day of the window up to the key's date."""
    wanted = [f"{day}|{event.name}" for day in until(event, key)]
    found = site.warehouse.slices(table, wanted)
    return [found[each].content_hash if each in found else None for each in wanted]


CONVERSATIONS_STAGE = Stage(
    (EVENT_CONVERSATIONS,),
    (Input(RAW_CONVERSATIONS, slices_of_key), Input(FACETS, slices_of_key)),
    uses=lambda site: {"analyst": _screener(site)},
    facts=lambda site, keys: {key: event.digest for key, event in _definitions(site, keys).items()},
)

TOPICS_STAGE = Stage(
    (EVENT_TOPICS, EVENT_MEMBERS),
    (Input(EVENT_CONVERSATIONS), Input(EMBEDDINGS, slices_of_key)),
    uses=lambda site: settings_used(*USES) | _namer(site),
    facts=_topic_facts,
    goes_on=True,
)

ALERTS_STAGE = Stage(
    (EVENT_ALERTS,),
    (Input(EVENT_TOPICS), Input(EVENT_MEMBERS)),
    uses=lambda _: settings_used("seed"),
    facts=_alert_facts,
    goes_on=True,
)


@asset(
    **about(EVENT_CONVERSATIONS, group=GROUP, kinds={"polars", "duckdb"}),
    partitions_def=DATE_EVENTS,
    pool=CLAUDE_POOL,
    deps=[
        AssetDep(table.name, partition_mapping=SLICES_OF_DATE)
        for table in (RAW_CONVERSATIONS, FACETS, EMBEDDINGS)
    ],
)
def event_conversations(context: AssetExecutionContext, site: Site, analyst: AnalystResource) -> Slices:
    raw, facets = (Reader(site.warehouse, table) for table in (RAW_CONVERSATIONS, FACETS))

    def taken_in(key: str) -> Iterator[pl.DataFrame]:
        day, name = parted(key)
        event = event_of(site, name)
        for language in event.languages:
            slice_ = f"{day}|{language}"
            ids = raw.read(slice_, ["conversation_id"])["conversation_id"]
            for within in ranges_of(ids):
                yield screened(
                    raw.read(slice_, list(RAW_CONVERSATIONS.schema), within=within),
                    facets.read(slice_, ["conversation_id", CLUSTERED_BY, "concerning"], within=within),
                    event,
                    analyst.analyst,
                )

    def make(key: str) -> dict[str, pl.DataFrame]:
        found = [EVENT_CONVERSATIONS.empty(), *taken_in(key)]
        return {EVENT_CONVERSATIONS.name: pl.concat(found).unique("conversation_id", keep="first")}

    return Slices(context, CONVERSATIONS_STAGE, site, make)


@multi_asset(
    outs=outs(EVENT_TOPICS, EVENT_MEMBERS, group=GROUP, kinds={"python", "duckdb"}),
    partitions_def=DATE_EVENTS,
    backfill_policy=CHAIN,
    pool=CLAUDE_POOL,
    deps=[EVENT_CONVERSATIONS.name],
)
def event_topics(
    context: AssetExecutionContext, site: Site, analyst: AnalystResource
) -> tuple[Written, Written]:
    def make(key: str) -> dict[str, pl.DataFrame]:
        day, name = parted(key)
        event, on = event_of(site, name), date.fromisoformat(day)
        rows, vectors = window_rows(site, event, key)
        topics, members = topics_of(
            rows,
            vectors,
            event=name,
            date=on,
            previous=_before(site, EVENT_TOPICS, event, key, with_own=True),
            own=event.settings(site.settings),
            site=site.settings,
            key=site.settings.key,
            namers=Namers(analyst.analyst, analyst.stand_in),
            is_over=is_closed(on, datetime.now(UTC)),
        )
        return {EVENT_TOPICS.name: topics, EVENT_MEMBERS.name: members}

    written = write(Slices(context, TOPICS_STAGE, site, make))
    return written, written


@asset(
    **about(EVENT_ALERTS, group=GROUP, kinds={"python", "duckdb"}),
    partitions_def=DATE_EVENTS,
    deps=[EVENT_TOPICS.name, EVENT_MEMBERS.name],
)
def event_alerts(context: AssetExecutionContext, site: Site) -> Slices:
    def make(key: str) -> dict[str, pl.DataFrame]:
        day, name = parted(key)
        event, on = event_of(site, name), date.fromisoformat(day)
        own = {"date": day, "event": name}
        rows, vectors = window_rows(site, event, key)
        earlier = _before(site, EVENT_ALERTS, event, key)
        before = baseline_days(event)
        evidence = gather(
            site.warehouse.read(EVENT_TOPICS, own),
            site.warehouse.read(EVENT_MEMBERS, own),
            window=Rows(rows, vectors),
            today=whole_day(site, on),
            baseline=before,
            read=lambda each: whole_day(site, each),
            alerted=alerted_vectors(earlier, _before(site, EVENT_MEMBERS, event, key), rows, vectors),
            earlier=earlier,
            stood=site.warehouse.read(EVENT_ALERTS, own),
            on=on,
            seed=site.settings.seed,
        )
        return {
            EVENT_ALERTS.name: alerts_of(
                evidence,
                rules=event.alerts,
                event=name,
                on=on,
                window_days=len(days_of(event, SETTINGS.tz)),
                baseline_days=len(before),
                least_accounts=event.settings(site.settings).min_accounts,
                now=datetime.now(UTC),
            )
        }

    return Slices(context, ALERTS_STAGE, site, make)


def _before(site: Site, table: Table, event: Event, key: str, *, with_own: bool = False) -> pl.DataFrame:
    """Rows of an event's earlier dates in its window, and those of the date itself that an earlier run left."""
    days = until(event, key)
    return site.warehouse.read(
        table, {"date": [str(day) for day in (days if with_own else days[:-1])], "event": event.name}
    )

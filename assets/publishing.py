"""What may leave: day cells and coverage with noise drawn once, and positions made from published names."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import polars as pl
from dagster import AssetExecutionContext, AssetIn, asset, multi_asset

from assets.clusters import earlier, latest
from assets.common import CHAIN, about, outs
from assets.contracts import COUNTED_CONVERSATIONS, FACETS
from assets.partitions import ALL_LANGUAGES, DATES, settings_used, slices_of
from clio_dagster.clusters.positions import positions as positions_of
from clio_dagster.coverage import exact_coverage_of, stages_of
from clio_dagster.models.loader import SCHEMA
from clio_dagster.own_facets import shown
from clio_dagster.privacy.key import key_identity
from clio_dagster.privacy.parts import Day, Figures, publish_day
from clio_dagster.tables import (
    AUDITED_SUMMARIES,
    CLUSTER_MEMBERS,
    CLUSTERED_BY,
    CLUSTERS,
    EXACT_COVERAGE,
    FROZEN_PARTS,
    POSITIONS,
    PUBLISHED_CELLS,
    PUBLISHED_COVERAGE,
    SOURCES,
)
from resources.fingerprints import Input, Stage
from resources.io_manager import Reader
from resources.readers import EmbedderResource, identities
from resources.site import Site
from resources.stage import Slices, Written, write

USES = (
    "account_cap",
    "cell_min_conversations",
    "cell_min_accounts",
    "sensitive_word_min_accounts",
    "epsilon",
    "epsilon_cell",
    "languages",
)
FACET_COLUMNS = [
    *("conversation_id", "account", "language", "status", "turns", "concerning", "refused", "task"),
    *sorted(FACETS.own),
]


def _quarantined(site: Site, keys: Sequence[str]) -> dict[str, int]:
    """Records refused in files whose first day this is: the nearest that a record without a day has to one."""
    counts = site.warehouse.read(SOURCES, {"first_date": list(keys)}, ["first_date", "quarantined"])
    refused = dict.fromkeys(keys, 0)
    for day, count in counts.group_by("first_date").agg(pl.col("quarantined").sum()).iter_rows():
        refused[day.isoformat()] = count
    return refused


FIGURES = (PUBLISHED_CELLS, PUBLISHED_COVERAGE, COUNTED_CONVERSATIONS)
TABLES = (PUBLISHED_CELLS, EXACT_COVERAGE, PUBLISHED_COVERAGE, COUNTED_CONVERSATIONS)

STAGE = Stage(
    TABLES,
    (Input(AUDITED_SUMMARIES), Input(CLUSTERS), Input(CLUSTER_MEMBERS), Input(FACETS, slices_of)),
    uses=lambda site: (
        settings_used(*USES) | {"key": key_identity(site.settings.key)} | shown(site.settings.facets)
    ),
    facts=_quarantined,
)

POSITIONS_STAGE = Stage(
    (POSITIONS,),
    (Input(AUDITED_SUMMARIES),),
    uses=lambda site: settings_used("seed") | {"embedder": identities(site.settings)[1]},
    goes_on=True,
)


@multi_asset(
    outs=outs(*TABLES, group="publishing", kinds={"polars", "duckdb"}),
    partitions_def=DATES,
    backfill_policy=CHAIN,
    ins={"facets": AssetIn(partition_mapping=ALL_LANGUAGES)},
)
def published_cells(
    context: AssetExecutionContext,
    audited_summaries: Reader,
    clusters: Reader,
    cluster_members: Reader,
    facets: Reader,
    site: Site,
) -> tuple[Written, Written, Written, Written]:
    def make(key: str) -> dict[str, pl.DataFrame]:
        audited = audited_summaries.read(key)
        members = site.warehouse.read(cluster_members.table, {"date": key, "day": key})
        # Every conversation that was read has a request: what became of it there is what became of it.
        conversations = stages_of(
            facets.read_days([key], FACET_COLUMNS),
            *(each.filter(clustered_by=CLUSTERED_BY) for each in (members, clusters.read(key), audited)),
        )
        quarantined = _quarantined(site, [key])[key]
        parts, withdrawals = _frozen(site, key)
        figures = publish_day(
            Day(date.fromisoformat(key), conversations, members, audited, quarantined),
            Figures(*(site.warehouse.read(table, {"date": key}) for table in FIGURES)),
            parts=parts,
            withdrawals=withdrawals,
            settings=site.settings,
            key=site.settings.key,
        )
        return {
            PUBLISHED_CELLS.name: figures.cells,
            EXACT_COVERAGE.name: exact_coverage_of(key, conversations, quarantined=quarantined),
            PUBLISHED_COVERAGE.name: figures.coverage,
            COUNTED_CONVERSATIONS.name: figures.counted,
        }

    written = write(Slices(context, STAGE, site, make))
    return written, written, written, written


def _frozen(site: Site, key: str) -> tuple[int, int]:
    """How many parts and withdrawals of this date a release may have shown."""
    row = site.warehouse.read(FROZEN_PARTS, {"date": key})
    return (0, 0) if row.is_empty() else row.select("parts", "withdrawals").row(0)


def freeze(site: Site, key: str) -> None:
    """Let nothing that a release of this date shows ever be drawn again: to be called before anybody can see it.

    The parts of its own day, and those of every day before it, which its windows and trends tell of.
    """
    days = [date.fromisoformat(day) for day in site.warehouse.slices(COUNTED_CONVERSATIONS) if day <= key]
    known = site.warehouse.read(FROZEN_PARTS, {"date": days}, ["date", "parts", "withdrawals"])
    counted = site.warehouse.query(
        f"select date, max(part) as parts, max(withdrawn_in) as withdrawals "
        f"from {SCHEMA}.{COUNTED_CONVERSATIONS.name} group by date"
    )
    # A day without conversations has a first part too, and what is frozen stays so where an account was erased.
    first = pl.DataFrame({"date": days}, {"date": pl.Date}).with_columns(parts=1, withdrawals=0)
    among = counted.filter(pl.col("date").is_in(days))
    drawn = pl.concat(frame.cast(known.schema) for frame in (first, among, known))
    rows = (
        drawn.group_by("date")
        .max()
        .join(known, on=["date", "parts", "withdrawals"], how="anti")
        .with_columns(pl.lit(datetime.now(UTC), pl.Datetime("us", "UTC")).alias("frozen_at"))
        .partition_by("date")
    )
    if rows:
        site.warehouse.write_many((FROZEN_PARTS, {"date": row["date"].item()}, row, "") for row in rows)


@asset(
    **about(POSITIONS, group="publishing", kinds={"python", "duckdb"}),
    partitions_def=DATES,
)
def positions(
    context: AssetExecutionContext, audited_summaries: Reader, site: Site, embedder: EmbedderResource
) -> Slices:
    def make(key: str) -> dict[str, pl.DataFrame]:
        found = positions_of(
            audited_summaries.read(key),
            embedder.embedder,
            seed=site.settings.seed,
            previous=_positions_before(site, key),
        )
        return {POSITIONS.name: found}

    return Slices(context, POSITIONS_STAGE, site, make)


def _positions_before(site: Site, key: str) -> pl.DataFrame:
    """Where the topics of the newest earlier date lie: clustered_by, topic, x, y."""
    lay = latest(site.warehouse.read(POSITIONS, {"date": earlier(site, key)}))
    on = {"date": lay["date"].unique().to_list()}
    nodes = site.warehouse.read(AUDITED_SUMMARIES, on, ["clustered_by", "node_id", "topic"])
    return lay.join(nodes, on=["clustered_by", "node_id"]).select("clustered_by", "topic", "x", "y")

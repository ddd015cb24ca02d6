"""What may leave: day cells and coverage with noise drawn once, and positions made from published names."""

import polars as pl
from dagster import AssetExecutionContext, AssetIn, asset, multi_asset

from assets.common import MANY_A_RUN, about, outs
from assets.partitions import ALL_LANGUAGES, DATES, SETTINGS, settings_used, slices_of
from clio_dagster.clusters.positions import positions as positions_of
from clio_dagster.coverage import exact_coverage_of
from clio_dagster.privacy.cells import members_of_day, publish_cells, publish_coverage
from clio_dagster.tables import (
    EXACT_COVERAGE,
    POSITIONS,
    PUBLISHED_CELLS,
    PUBLISHED_COVERAGE,
    RELEASES,
    SOURCES,
    Table,
)
from resources.io_manager import Reader, hashes_of
from resources.readers import EmbedderResource
from resources.site import Site
from resources.stage import Slices, Written, write

USES = ("account_cap", "cell_min_conversations", "cell_min_accounts", "epsilon")
FACET_COLUMNS = ["conversation_id", "account", "language", "status", "turns", "concerning", "refused", "task"]


@multi_asset(
    outs=outs(
        PUBLISHED_CELLS, EXACT_COVERAGE, PUBLISHED_COVERAGE, group="publishing", kinds={"polars", "duckdb"}
    ),
    partitions_def=DATES,
    backfill_policy=MANY_A_RUN,
    ins={"facets": AssetIn(partition_mapping=ALL_LANGUAGES)},
)
def published_cells(
    context: AssetExecutionContext,
    audited_summaries: Reader,
    clusters: Reader,
    cluster_members: Reader,
    facets: Reader,
    site: Site,
) -> tuple[Written, Written, Written]:
    dated = hashes_of((audited_summaries, clusters, cluster_members), context.partition_keys)
    sliced = facets.hashes(slice_key for key in context.partition_keys for slice_key in slices_of(key))

    def inputs(key: str) -> object:
        hashes = dated(key)
        if hashes is None:
            return None
        return [
            hashes,
            [sliced.get(each) for each in slices_of(key)],
            _quarantined(site, key),
        ]

    def make(key: str) -> dict[str, pl.DataFrame]:
        audited = audited_summaries.read(key)
        of_day = facets.read_days([key], FACET_COLUMNS)
        members = site.warehouse.read(cluster_members.table, {"date": key, "day": key})
        exact = exact_coverage_of(
            key,
            of_day,
            members,
            clusters.read(key),
            audited,
            quarantined=_quarantined(site, key),
            account_cap=site.settings.account_cap,
        )
        return {
            PUBLISHED_CELLS.name: publish_cells(
                members_of_day(members, of_day),
                audited,
                _released(site, PUBLISHED_CELLS, key),
                settings=site.settings,
                key=site.settings.key,
            ),
            EXACT_COVERAGE.name: exact,
            PUBLISHED_COVERAGE.name: publish_coverage(
                exact, _released(site, PUBLISHED_COVERAGE, key), settings=site.settings, key=site.settings.key
            ),
        }

    written = write(
        site.warehouse,
        Slices(
            context,
            [PUBLISHED_CELLS, EXACT_COVERAGE, PUBLISHED_COVERAGE],
            inputs=inputs,
            make=make,
            uses=settings_used(*USES),
        ),
    )
    return written, written, written


def _quarantined(site: Site, key: str) -> int:
    """Records refused in files whose first day this is: the nearest that a record without a day has to one."""
    counts = site.warehouse.read(SOURCES, {"first_date": key}, ["source", "quarantined"])
    return int(counts["quarantined"].fill_null(0).sum())


def _released(site: Site, table: Table, key: str) -> pl.DataFrame:
    """What a standing release of this date has already said: it is never said again otherwise."""
    if site.warehouse.read(RELEASES, {"date": key}).is_empty():
        return table.empty()
    return site.warehouse.read(table, {"date": key})


@asset(
    **about(POSITIONS, group="publishing", kinds={"python", "duckdb"}),
    partitions_def=DATES,
)
def positions(
    context: AssetExecutionContext, audited_summaries: Reader, site: Site, embedder: EmbedderResource
) -> Slices:
    hashes = audited_summaries.hashes(context.partition_keys)

    def make(key: str) -> dict[str, pl.DataFrame]:
        audited = audited_summaries.read(key)
        return {POSITIONS.name: positions_of(audited, embedder.embedder, seed=site.settings.seed)}

    return Slices(
        context,
        [POSITIONS],
        inputs=hashes.get,
        make=make,
        uses={"embedder": embedder.identity, "seed": SETTINGS.seed},
    )

"""Source files landed, one pass each, and the slices that they touch reported.

`landed` is external: landing reports it, a date × language at a time, with a data version made from content.
Every configured language of a touched date is reported, so that an empty slice is made and not missed; dates that
lost slices, of this file or of its earlier version, are touched too.
"""

import time
from collections.abc import Iterable

import polars as pl
from dagster import (
    AllPartitionMapping,
    AssetDep,
    AssetExecutionContext,
    AssetMaterialization,
    AssetSpec,
    MaterializeResult,
    asset,
)

from assets.common import MANY_A_RUN, OWNERS, column_schema
from assets.partitions import DATE_LANGUAGES, SETTINGS, SOURCES
from clio_dagster.clock import engine_time
from clio_dagster.conversations.again import can_land_again, land_again
from clio_dagster.conversations.landed import Slice
from clio_dagster.conversations.landing import Landing, land, landed_before, slice_hash, source_lock
from clio_dagster.conversations.slices import give_way
from clio_dagster.layout import check_layout
from clio_dagster.privacy.silence import quiet
from clio_dagster.progress import track
from clio_dagster.tables import QUARANTINE, RAW_CONVERSATIONS
from clio_dagster.tables import SOURCES as SOURCES_TABLE
from resources.erasure import erased_accounts
from resources.freshness import unlanded_sources
from resources.retention import purged_days
from resources.site import Site
from resources.sources import MissingSource, at_hand, note_landed, versions
from resources.stage import asked_for

landed = AssetSpec(
    "landed",
    description="Slices that landed files touched. Reported by landing; the data version is a hash of their content.",
    partitions_def=DATE_LANGUAGES,
    # A slice may come of any file: for the lineage, as nothing can ask for a slice of an external asset.
    deps=[AssetDep("landing", partition_mapping=AllPartitionMapping())],
    group_name="landing",
    owners=OWNERS,
    kinds={"parquet"},
    metadata={"dagster/column_schema": column_schema(RAW_CONVERSATIONS)},
)


@asset(
    partitions_def=SOURCES,
    group_name="landing",
    kinds={"python", "parquet"},
    owners=OWNERS,
    code_version="1",
    backfill_policy=MANY_A_RUN,
    metadata={
        "dagster/column_schema": column_schema(QUARANTINE),
        "dagster/table_name": f"restricted.{QUARANTINE.name}",
    },
)
def landing(context: AssetExecutionContext, site: Site) -> MaterializeResult:
    """Read a source file once: recognise its layout, validate, pseudonymise, identify languages, split by slice.

    Bad records go to the quarantine with the place and the reason, and never stop the good ones. The columns are the
    quarantine's; those of the conversations are at `landed`.
    """
    check_layout(site.settings)
    made: dict[str, dict[str, int | float | bool]] = {}
    failures = []
    told: set[Slice] = set()
    keys = asked_for(context, "landing")
    for key in keys:
        try:
            made[key] = _made(context, site, key, told)
        except Exception as failure:  # the good files land; the run says of the others that they did not
            failures.append(failure)
    for key, metadata in made.items():
        if failures:
            context.log_event(AssetMaterialization(context.asset_key, metadata=metadata, partition=key))
        else:
            context.add_asset_metadata(metadata, asset_key=context.asset_key, partition_key=key)
    if len(failures) > 1:
        context.log.error(f"{len(failures)} of {len(keys)} files have not landed")
    if failures:
        raise failures[0]
    return MaterializeResult()


def _made(
    context: AssetExecutionContext, site: Site, key: str, told: set[Slice]
) -> dict[str, int | float | bool]:
    """Land a source and say what changed by it; counts of it. `told` are the slices that the run has told of."""
    started = time.perf_counter()
    with source_lock(site.settings.home, key):
        result = _land(key, site)
        lost = frozenset() if result.is_reused else _give_way(key, site)
        if not result.is_reused:
            _report(context, site, result, lost, told)
    return {
        "records": result.records,
        "landed": result.landed,
        "quarantined": result.quarantined.height,
        "slices": result.slices.height,
        "replaced_slices": len(lost),
        "seconds": round(time.perf_counter() - started, 3),
        "reused": result.is_reused,
    }


def _land(key: str, site: Site) -> Landing:
    """Land a source, or keep what it landed before where it would land the same; where its file is gone, what it
    landed before is cut anew."""
    row = site.warehouse.read(SOURCES_TABLE, {"source": key})
    if row.is_empty():
        raise MissingSource(f"source {key} is not registered: land files with `clio run FILE`")
    home = site.settings.home
    records = row["records"].item() or 0
    is_landed = row["landed_at"].item() is not None

    def quarantined() -> pl.DataFrame:
        return site.warehouse.read(QUARANTINE, {"source": key})

    if (is_landed or row["withdrawn_at"].item() is not None) and not unlanded_sources(
        site.warehouse, site.settings, [key]
    ):
        before = landed_before(home, key, records=records, quarantined=quarantined())
        if before is not None:
            return before
    with quiet("landing", key), engine_time("landing"):
        try:
            return _land_file(key, row["path"].item(), site)
        except MissingSource:
            if not (is_landed and can_land_again(home, key)):
                raise
            closed = purged_days(site)
            return land_again(key, site.settings, records=records, quarantined=quarantined(), closed=closed)


def _land_file(key: str, path: str, site: Site) -> Landing:
    with (
        at_hand(site.settings, key, path) as file,
        track(f"landing {file.name}", file.stat().st_size, unit="byte") as advance,
    ):
        done = 0

        def on_progress(position: int, _total: int) -> None:
            nonlocal done
            advance(position - done)
            done = position

        return land(
            file,
            key=key,
            settings=site.settings,
            erased=erased_accounts(site),
            closed=purged_days(site),
            on_progress=on_progress,
        )


def _give_way(key: str, site: Site) -> frozenset[Slice]:
    """Of what came to lie at one path, the latest counts: what earlier versions lose to this one, and this to later
    ones that landed first."""
    home, at_path = site.settings.home, versions(site, key)
    return give_way(home, at_path.older, [key]) | give_way(home, [key], at_path.newer)


def _report(
    context: AssetExecutionContext, site: Site, result: Landing, lost: Iterable[Slice], told: set[Slice]
) -> None:
    """Say what changed; that the source has landed is said last, so that a landing killed before is done again.

    A day is told of in every language, those without a conversation, too; of what the source has nothing in, once a
    run: each version is made out from all files of the slice.
    """
    own = {(str(day), language) for day, language in result.slices.select("date", "language").iter_rows()}
    own |= set(lost)
    removed = {str(day) for day in result.removed}
    site.warehouse.write(QUARANTINE, {"source": result.source}, result.quarantined)
    for day in sorted({day for day, _ in own} | removed):
        for language in SETTINGS.partition_languages:
            if (day, language) in told and (day, language) not in own and day not in removed:
                continue
            told.add((day, language))
            context.log_event(
                AssetMaterialization(
                    "landed",
                    partition=f"{day}|{language}",
                    tags={"dagster/data_version": slice_hash(site.settings.home, day, language)},
                )
            )
    note_landed(site, result)

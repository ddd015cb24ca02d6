"""Source files landed, one pass each, and the slices that they touch reported.

`landed` is external: landing reports it, a date × language at a time, with a data version made from content.
Every configured language of a touched date is reported, so that an empty slice is made and not missed.
"""

from datetime import UTC, datetime
from pathlib import Path

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
from clio_dagster.conversations.landing import Landing, land, slice_hash
from clio_dagster.privacy.silence import quiet
from clio_dagster.progress import track
from clio_dagster.tables import QUARANTINE, RAW_CONVERSATIONS
from clio_dagster.tables import SOURCES as SOURCES_TABLE
from resources.freshness import landing_fingerprint
from resources.site import Site

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


class MissingSource(ValueError):
    """A source was asked for that is not registered, or has moved since."""


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
    for key in context.partition_keys:
        result = _land(key, site)
        _report(context, site, result)
        context.add_asset_metadata(
            {
                "records": result.records,
                "landed": result.landed,
                "quarantined": result.quarantined.height,
                "slices": result.slices.height,
            },
            asset_key=context.asset_key,
            partition_key=key,
        )
    return MaterializeResult()


def _land(key: str, site: Site) -> Landing:
    row = site.warehouse.read(SOURCES_TABLE, {"source": key})
    if row.is_empty():
        raise MissingSource(f"source {key} is not registered: land files with `clio run FILE`")
    path = Path(row["path"].item())
    if not path.is_file():
        raise MissingSource(
            f"source {key} is no longer where it was registered: run `clio run FILE` where it is now"
        )
    with (
        track(f"landing {path.name}", path.stat().st_size, unit="byte") as advance,
        engine_time("landing"),
        quiet("landing", key),
    ):
        done = 0

        def on_progress(position: int, _total: int) -> None:
            nonlocal done
            advance(position - done)
            done = position

        return land(path, key=key, settings=site.settings, on_progress=on_progress)


def _report(context: AssetExecutionContext, site: Site, result: Landing) -> None:
    dates = sorted(result.slices["date"].unique())
    site.warehouse.write(QUARANTINE, {"source": result.source}, result.quarantined)
    before = site.warehouse.read(SOURCES_TABLE, {"source": result.source})
    site.warehouse.write(
        SOURCES_TABLE,
        {"source": result.source},
        before.with_columns(
            pl.lit(result.records, pl.Int64).alias("records"),
            pl.lit(result.landed, pl.Int64).alias("landed"),
            pl.lit(result.quarantined.height, pl.Int64).alias("quarantined"),
            pl.lit(dates[0] if dates else None, pl.Date).alias("first_date"),
            pl.lit(dates[-1] if dates else None, pl.Date).alias("last_date"),
            pl.lit(datetime.now(UTC), pl.Datetime("us", "UTC")).alias("landed_at"),
        ),
        fingerprint=landing_fingerprint(site.settings),
    )
    for date in dates:
        for language in SETTINGS.partition_languages:
            context.log_event(
                AssetMaterialization(
                    "landed",
                    partition=f"{date}|{language}",
                    tags={"dagster/data_version": slice_hash(site.settings.home, date, language)},
                )
            )

"""The release: the gate once more, and then the files that anyone may read."""

import hashlib
import time
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
from dagster import (
    AssetCheckKey,
    AssetExecutionContext,
    DagsterInstance,
    Failure,
    MaterializeResult,
    MetadataValue,
    asset,
)
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from assets.checks import suites
from assets.common import MANY_A_RUN, OWNERS, column_schema
from assets.gate import gate_check, refused
from assets.models import sql_checks
from assets.partitions import DATE_LANGUAGES, DATES, slices_of
from clio_dagster.clock import engine_time
from clio_dagster.privacy.silence import quiet
from clio_dagster.progress import track
from clio_dagster.release.contract import RELEASE_TABLES
from clio_dagster.release.manifest import Check, Manifest, Version, make_manifest, parse_manifest
from clio_dagster.release.write import recover, write_release
from clio_dagster.tables import PUBLISHED_CELLS, PUBLISHED_COVERAGE, RELEASES
from resources.contracts import contracts
from resources.freshness import release_fingerprint
from resources.readers import AnalystResource, EmbedderResource
from resources.site import Site
from resources.stage import is_as_written

MARTS = tuple(RELEASE_TABLES)


class Refused(Failure):
    """The gate is closed for a date: nothing was written, the last good release stands."""

    def __init__(self, key: str, reasons: list[str]) -> None:
        super().__init__(
            f"release {key} refused: {'; '.join(reasons)}. The last good release stands. "
            "Re-make audited_summaries and what follows, or see docs/privacy.md.",
            allow_retries=False,
        )


@asset(
    partitions_def=DATES,
    group_name="publishing",
    kinds={"parquet", "html"},
    owners=OWNERS,
    code_version="1",
    backfill_policy=MANY_A_RUN,
    deps=[*MARTS, "audited_summaries", "vocabularies"],
    metadata={"dagster/column_schema": column_schema(RELEASE_TABLES["topics"])},
)
def release(
    context: AssetExecutionContext, site: Site, analyst: AnalystResource, embedder: EmbedderResource
) -> MaterializeResult:
    """`releases/DATE/`: manifest, tables and explorer, published whole or not at all. The columns are
    those of topics.parquet.

    The gate is run here again, on what is stored now, whoever asks and in whatever run: blocking checks stop only
    the run that they are in.
    """
    releases = site.settings.home / "releases"
    recover(releases)
    failed: dict[str, list[str]] = {}
    with track("release", len(context.partition_keys), unit="partition") as advance:
        for key in context.partition_keys:
            with engine_time("release"), quiet("release", key):
                reasons = refused(site, key) + _tampered(site, key)
            if reasons:
                failed[key] = reasons
            else:
                _publish(context, site, key, analyst, embedder)
            advance(1)
    if failed:
        raise Refused(
            ", ".join(failed), sorted({reason for reasons in failed.values() for reason in reasons})
        )
    return MaterializeResult()


def _publish(
    context: AssetExecutionContext, site: Site, key: str, analyst: AnalystResource, embedder: EmbedderResource
) -> None:
    settings = site.settings
    started = time.perf_counter()
    with engine_time("release"), quiet("release", key):
        tables = {name: _mart(site, name, key) for name in MARTS}
        manifest = make_manifest(
            settings,
            date.fromisoformat(key),
            analyst=Version(name=analyst.analyst.name, version=analyst.analyst.version),
            embedder=Version(name=embedder.embedder.name, version=embedder.embedder.version),
            checks=_checks(context.instance, key),
            sensitivity=settings.account_cap,
        )
        folder = write_release(settings.home / "releases", date.fromisoformat(key), tables, manifest)
        signed = (folder / "manifest.json").read_bytes()
        fingerprint = release_fingerprint(
            settings, date.fromisoformat(key), (analyst.identity, embedder.identity)
        )
        published = parse_manifest(signed)
        _remember(site, key, published, hashlib.sha256(signed).hexdigest(), fingerprint)
    topics = tables["topics"]
    context.add_asset_metadata(
        {
            "rows": topics.height,
            "seconds": round(time.perf_counter() - started, 3),
            "levels": topics["level"].n_unique(),
            "revision": published.revision,
            "explorer": MetadataValue.path(folder / "explorer" / "index.html"),
        },
        asset_key=context.asset_key,
        partition_key=key,
    )


def _mart(site: Site, name: str, key: str) -> pl.DataFrame:
    table = contracts()[name]
    return site.warehouse.read(table, {table.partitioned_by[0]: key}).drop("as_of", strict=False)


def _tampered(site: Site, key: str) -> list[str]:
    """Tables behind the release that are missing, or are not what their stage wrote."""
    reasons = []
    for table in (PUBLISHED_CELLS, PUBLISHED_COVERAGE, *(contracts()[name] for name in MARTS)):
        values = {table.partitioned_by[0]: key}
        stored = site.warehouse.slice_of(table, values)
        if stored is None:
            reasons.append(f"{table.name} is not there: materialize it first")
        elif not is_as_written(site.warehouse, table, stored):
            reasons.append(f"{table.name} was changed after its stage wrote it: materialize it again")
    return reasons


def _checks(instance: DagsterInstance, key: str) -> tuple[Check, ...]:
    """The last verdict of every check on this date, over all its languages; one that never ran has not passed."""
    dated = [spec for check in (*suites, *sql_checks, gate_check) for spec in check.check_specs]
    verdicts: dict[AssetCheckKey, list[bool]] = {}
    for partitions, partitions_def in ((slices_of(key), DATE_LANGUAGES), ([key], DATES)):
        keys = [spec.key for spec in dated if spec.partitions_def == partitions_def]
        for partition in partitions:
            found = instance.event_log_storage.get_latest_asset_check_execution_by_key(
                keys, partition_filter=PartitionKeyFilter(key=partition)
            )
            for each in keys:
                record = found.get(each)
                passed = record is not None and record.status == AssetCheckExecutionRecordStatus.SUCCEEDED
                verdicts.setdefault(each, []).append(passed)
    return tuple(
        Check(name=f"{each.asset_key.to_user_string()}: {each.name}", passed=all(passed))
        for each, passed in sorted(verdicts.items(), key=lambda item: str(item[0]))
    )


def _remember(site: Site, key: str, manifest: Manifest, digest: str, fingerprint: str) -> None:
    row: dict[str, Any] = {
        "date": [date.fromisoformat(key)],
        "revision": [manifest.revision],
        "manifest_sha256": [digest],
        "published_at": [datetime.now(UTC)],
    }
    site.warehouse.write(
        RELEASES, {"date": key}, pl.DataFrame(row, schema=RELEASES.schema), fingerprint=fingerprint
    )

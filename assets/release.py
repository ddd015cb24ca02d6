"""The release: the gate once more, and then the files that anyone may read."""

import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from dagster import (
    AssetExecutionContext,
    DagsterInstance,
    Failure,
    FreshnessPolicy,
    MaterializeResult,
    MetadataValue,
    asset,
)

from assets.common import CHAIN, OWNERS, PUBLISHED, column_schema, docs
from assets.gate import refused
from assets.models import STAGES as MART_STAGES
from assets.partitions import DATES, SETTINGS, window
from assets.publishing import freeze
from assets.verdicts import Verdict, of_date, of_slices
from clio_dagster import __version__
from clio_dagster.clock import engine_time
from clio_dagster.privacy.key import key_identity
from clio_dagster.privacy.silence import quiet
from clio_dagster.progress import track
from clio_dagster.release import summary
from clio_dagster.release.contract import RELEASE_TABLES
from clio_dagster.release.manifest import Check, Manifest, Version, make_manifest, parse_manifest
from clio_dagster.release.read import EXPLORER
from clio_dagster.release.write import recover, write_release
from clio_dagster.settings import Settings, uses_claude
from clio_dagster.tables import AUDITED_SUMMARIES, PUBLISHED_CELLS, PUBLISHED_COVERAGE, RELEASES
from resources.contracts import contracts
from resources.erasure import held_dates
from resources.fingerprints import Input, Slicemap, Stage
from resources.readers import AnalystResource, EmbedderResource, claude_versions, identities
from resources.retention import purged_days, why_closed
from resources.s3_releases import copy_releases
from resources.site import Site
from resources.stage import asked_for, is_as_written

GRACE_HOURS = 4
"""Hours after CLIO_DAILY_HOUR by which the day before should have been published."""

MARTS = tuple(RELEASE_TABLES)

WHERE_NOT_WHAT = {
    *(
        "home",
        "key_file",
        "threads",
        "undated_as",
        "storage",
        "inbox",
        "releases",
        "events_file",
    ),
    *(name for name in Settings.model_fields if name.startswith(("s3_", "releases_"))),
    *("daily_hour", "reconcile_days", "tick_seconds", "lease_seconds", "docs_url", "explorer_url"),
    *("alert_webhook", "alert_format", "alert_release_hours", "site_name", "dagster_url"),
    *("safety", "coordination_false_rate", "coordination_min_accounts", "accounts_file"),
    *("access_file", "review_accounts_a_day", "review_session_minutes", "review_token"),
    *("oidc_issuer", "oidc_client_id", "oidc_client_secret"),
    *("erasure_batch", "erasure_days"),
    *("landing_days", "raw_days", "facet_days"),
    *("history_url", "history_days", "history_runs"),
    # Which models and prompts: in the analyst's identity.
    *(name for name in Settings.model_fields if name.startswith(("claude_", "batch_", "budget_"))),
    *("prices", "ledger_url", "max_unread_share"),
    *("executor", "ray_address", "shard_conversations", "shards_in_flight"),
}
"""Settings that say where things lie, or when and how fast they are made, and nothing that is published."""


def _uses(site: Site) -> dict[str, object]:
    analyst, embedder = identities(site.settings)
    # A site that has no facets of its own is not told apart from one that could not have any.
    without = WHERE_NOT_WHAT if site.settings.facets else WHERE_NOT_WHAT | {"facets"}
    return site.settings.model_dump(mode="json", exclude=without) | {
        "analyst": analyst,
        "embedder": embedder,
        "key": key_identity(site.settings.key),
        "version": __version__,
        **({"claude": claude_versions(site.settings)} if uses_claude(site.settings) else {}),
    }


STAGE = Stage(
    (RELEASES,),
    tuple(Input(contracts()[name]) for name in (*MARTS, AUDITED_SUMMARIES.name)),
    uses=_uses,
)


DAILY = FreshnessPolicy.cron(
    deadline_cron=f"0 {(SETTINGS.daily_hour + GRACE_HOURS) % 24} * * *",
    lower_bound_delta=timedelta(hours=GRACE_HOURS),
    timezone=SETTINGS.timezone,
)
"""A release every day, at most GRACE_HOURS after the day is closed."""


LONGEST_LOOK, LOOK_AGAIN_SECONDS = 300.0, 2.0
"""Seconds that a release waits for checks of another run, and between two looks at them."""


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
    tags=PUBLISHED,
    freshness_policy=DAILY,
    code_version=STAGE.code_version,
    backfill_policy=CHAIN,
    # Every table is one of these or comes before one, so that its checks have run by then.
    deps=[*MARTS, "audited_summaries", "vocabularies", "exact_coverage", "counted_conversations"],
    metadata={"dagster/column_schema": column_schema(RELEASE_TABLES["topics"]), "docs": docs("release")},
)
def release(
    context: AssetExecutionContext, site: Site, analyst: AnalystResource, embedder: EmbedderResource
) -> MaterializeResult:
    """`releases/DATE/`: manifest, tables and explorer, published whole or not at all. The columns are
    those of topics.parquet.

    The gate is run here again, on what is stored now, whoever asks and in whatever run: blocking checks stop only
    the run that they are in. A date with a check that has not passed is refused like one whose gate is closed, and
    holds back no other.
    """
    releases = site.settings.home / "releases"
    recover(releases)
    failed: dict[str, list[str]] = {}
    held, purged = held_dates(site), purged_days(site)
    keys = asked_for(context, "release")
    with track("release", len(keys), unit="partition") as advance:
        for key in keys:
            run = context.run.run_id
            _wait_for_checks(context, site, key)
            # While the day's figures are compared, frozen and shown, nobody draws them anew.
            with (
                site.ledger.holding(RELEASES.name, key, run),
                site.ledger.holding(PUBLISHED_CELLS.name, key, run),
            ):
                with engine_time("release"), quiet("release", key):
                    stored = site.warehouse.slices_on(window(key))
                    checks = _checks(context.instance, key, stored)
                    reasons = refused(site, key) + _tampered(site, key, stored) + _outdated(site, key, stored)
                    reasons += _not_passed(checks)
                    if why := held.get(date.fromisoformat(key)):
                        reasons.append(f"it {why}")
                    if why := why_closed(key, purged, SETTINGS.window_days):
                        reasons.append(why)
                    fingerprint = STAGE.fingerprint(key, STAGE.look(site, [key], stored)) or ""
                if reasons:
                    failed[key] = reasons
                else:
                    _publish(context, site, key, analyst, embedder, checks, fingerprint)
            advance(1)
    if failed:
        raise Refused(
            ", ".join(failed), sorted({reason for reasons in failed.values() for reason in reasons})
        )
    return MaterializeResult()


def _publish(
    context: AssetExecutionContext,
    site: Site,
    key: str,
    analyst: AnalystResource,
    embedder: EmbedderResource,
    checks: tuple[Check, ...],
    fingerprint: str,
) -> None:
    settings = site.settings
    started = time.perf_counter()
    with engine_time("release"), quiet("release", key):
        tables = {name: _mart(site, name, key) for name in MARTS}
        manifest = make_manifest(
            settings,
            date.fromisoformat(key),
            analyst=Version(name=analyst.analyst.name, version=analyst.models),
            prompts=analyst.prompts,
            cost_usd=site.answers.cost_of(key),
            embedder=Version(name=embedder.embedder.name, version=embedder.embedder.version),
            checks=checks,
            sensitivity=settings.account_cap,
        )
        shown = _shown(tables)
        freeze(site, key)
        folder = write_release(settings.home / "releases", date.fromisoformat(key), tables, manifest)
        signed = (folder / "manifest.json").read_bytes()
        published = parse_manifest(signed)
        copy_releases(settings)
        _remember(site, key, published, hashlib.sha256(signed).hexdigest(), fingerprint)
    topics = tables["topics"]
    context.add_asset_metadata(
        {
            "explorer": _explorer(settings, folder),
            **shown,
            "rows": topics.height,
            "seconds": round(time.perf_counter() - started, 3),
            "levels": topics["level"].n_unique(),
            "revision": published.revision,
        },
        asset_key=context.asset_key,
        partition_key=key,
    )


def _shown(tables: dict[str, pl.DataFrame]) -> dict[str, Any]:
    """The release at a glance, from nothing but what it publishes."""
    picture = summary.map_image(tables["topics"])
    return {
        "topics": MetadataValue.md(summary.topics_table(tables["topics"])),
        "coverage": MetadataValue.md(summary.coverage_table(tables["coverage"])),
        **({"map": MetadataValue.md(picture)} if picture else {}),
        **summary.numbers(tables),
    }


def _explorer(settings: Settings, folder: Path) -> MetadataValue[Any]:
    """Where the page can be read."""
    if settings.explorer_url:
        return MetadataValue.url(f"{settings.explorer_url.rstrip('/')}/releases/{folder.name}/")
    return MetadataValue.path(folder / EXPLORER)


def _mart(site: Site, name: str, key: str) -> pl.DataFrame:
    table = contracts()[name]
    return site.warehouse.read(table, {table.partitioned_by[0]: key}).drop("as_of", strict=False)


def _tampered(site: Site, key: str, stored: Slicemap) -> list[str]:
    """Tables behind the release that are missing, or are not what their stage wrote."""
    reasons = []
    for table in (PUBLISHED_CELLS, PUBLISHED_COVERAGE, *(contracts()[name] for name in MARTS)):
        found = stored.get(table.name, {}).get(key)
        if found is None:
            reasons.append(f"{table.name} is not there: materialize it first")
        elif not is_as_written(site.warehouse, table, found):
            reasons.append(f"{table.name} was changed after its stage wrote it: materialize it again")
    return reasons


def _outdated(site: Site, key: str, stored: Slicemap) -> list[str]:
    """Marts that were made from other tables than stand there now: what they show could still be drawn again."""
    return [
        f"{stage.name} was made before what it reads: materialize it again"
        for stage in MART_STAGES
        if (found := stored.get(stage.name, {}).get(key))
        and found.fingerprint != stage.fingerprint(key, stage.look(site, [key], stored))
    ]


def _checks(instance: DagsterInstance, key: str, stored: Slicemap) -> tuple[Check, ...]:
    """The verdict of every check on this date, over all its languages; one that has not looked has not passed."""
    found: dict[str, list[Verdict]] = {}
    for verdict in _said(instance, key, stored):
        name = f"{verdict.spec.asset_key.to_user_string()}: {verdict.spec.name}"
        found.setdefault(name, []).append(verdict)
    return tuple(
        Check(
            name=name,
            passed=all(verdict.passed for verdict in verdicts),
            severity="error" if verdicts[0].spec.blocking else "warn",
        )
        for name, verdicts in sorted(found.items())
    )


def _said(instance: DagsterInstance, key: str, stored: Slicemap) -> Iterator[Verdict]:
    """What every check says of the date, over all its languages."""
    yield from of_slices(instance, key, stored)
    yield from of_date(instance, key, stored)


def _wait_for_checks(context: AssetExecutionContext, site: Site, key: str) -> None:
    """Wait while another run has just written a slice of the date, and has yet to look at it, as one does that reads a
    late file: the date is not refused for want of a verdict that comes in a moment."""
    since = time.monotonic()
    while time.monotonic() < since + LONGEST_LOOK:
        stored = site.warehouse.slices_on(window(key))
        verdicts = _said(context.instance, key, stored)
        if not any(
            each.passed is None and each.due_by not in (None, context.run.run_id) for each in verdicts
        ):
            return
        time.sleep(LOOK_AGAIN_SECONDS)


def _not_passed(checks: tuple[Check, ...]) -> list[str]:
    return [
        f"the check {check.name} has not passed: see its result, and materialize what it is about again"
        for check in checks
        if check.severity == "error" and not check.passed
    ]


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

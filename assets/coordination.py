"""Accounts that act together, over a date's window."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl
from dagster import AssetExecutionContext, multi_asset

from assets.clusters import read_window, topics_of
from assets.common import MANY_A_RUN, outs
from assets.partitions import DATES, settings_used, window
from clio_dagster.safety.account_ages import read_account_ages
from clio_dagster.safety.coordination.find import find_groups
from clio_dagster.safety.tables import COORDINATED_ACCOUNTS, COORDINATED_GROUPS
from clio_dagster.tables import CLUSTER_MEMBERS, CLUSTERED_BY, CLUSTERS, DAY, RAW_CONVERSATIONS
from resources.fingerprints import Input, Stage
from resources.io_manager import Reader
from resources.site import Site
from resources.stage import Slices, Written, write

READ_CHARACTERS = 4_000
"""Characters of a conversation's first message that are looked at."""

USES = ("window_days", "seed", "coordination_false_rate", "coordination_min_accounts")


def _uses(site: Site) -> dict[str, object]:
    return settings_used(*USES) | {"accounts_file": _version(site.settings.accounts_file)}


def _version(path: Path | None) -> str | None:
    """Which version of a file there is; whether it can be read is for the run to say."""
    if path is None:
        return None
    try:
        found = path.expanduser().stat()
    except OSError:
        return "not there"
    return f"{found.st_size} {found.st_mtime_ns}"


STAGE = Stage(
    (COORDINATED_GROUPS, COORDINATED_ACCOUNTS),
    (Input(DAY, window, others_may_lack=True), Input(CLUSTERS), Input(CLUSTER_MEMBERS)),
    uses=_uses,
)


@multi_asset(
    outs=outs(COORDINATED_GROUPS, COORDINATED_ACCOUNTS, group="safety", kinds={"python", "duckdb"}),
    partitions_def=DATES,
    backfill_policy=MANY_A_RUN,
    deps=[DAY.name],
)
def coordinated_groups(
    context: AssetExecutionContext, clusters: Reader, cluster_members: Reader, site: Site
) -> tuple[Written, Written]:
    def make(key: str) -> dict[str, pl.DataFrame]:
        settings = site.settings
        rows, vectors = read_window(site, key, CLUSTERED_BY, also=("turns",))
        beside = [
            (topics_of(clusters, cluster_members, key, CLUSTERED_BY), ["conversation_id"]),
            (_first_messages(site, window(key)), ["conversation_id", "date", "language"]),
        ]
        if settings.accounts_file:
            beside.append((read_account_ages(settings.accounts_file.expanduser(), settings.key), ["account"]))
        for frame, on in beside:
            rows = rows.join(frame, on=on, how="left", maintain_order="left")
        # Slices from before times were kept say nothing of when; where the text was purged, the request stands in.
        timed = rows["started_at"].is_not_null()
        groups, accounts = find_groups(
            rows.filter(timed).with_columns(text=pl.coalesce("text", CLUSTERED_BY)),
            vectors[timed.to_numpy()],
            date=date.fromisoformat(key),
            seed=settings.seed,
            false_rate=settings.coordination_false_rate,
            min_accounts=settings.coordination_min_accounts,
            threads=settings.threads,
        )
        return {COORDINATED_GROUPS.name: groups, COORDINATED_ACCOUNTS.name: accounts}

    written = write(Slices(context, STAGE, site, make))
    return written, written


def _first_messages(site: Site, days: Sequence[str]) -> pl.DataFrame:
    """conversation_id, date, language and the user's first message (`text`), a slice at a time."""
    of_user = pl.element().filter(pl.element().struct.field("role") == "user").struct.field("text")
    return pl.concat(
        site.warehouse.read(
            RAW_CONVERSATIONS, {"date": day}, ["conversation_id", "date", "language", "messages"]
        ).select(
            "conversation_id",
            "date",
            "language",
            pl.col("messages").list.eval(of_user).list.first().str.slice(0, READ_CHARACTERS).alias("text"),
        )
        for day in days
    )

"""What each table must hold of the stage before it, read as both sides of clio_dagster/quality/accounting.py.

Ids, counts and whether there is a request are read; never a message or a vector.
"""

from collections.abc import Callable, Sequence
from datetime import date

import polars as pl

from assets.contracts import CLUSTERINGS, FACETS
from assets.partitions import window
from clio_dagster.conversations.landed import SOURCE, read_landed, read_receipt
from clio_dagster.key_ranges import EVERY_KEY, KeyRange
from clio_dagster.quality.accounting import covered, each_once, to_cluster, to_cover, to_embed, to_keep
from clio_dagster.tables import (
    AUDITED_SUMMARIES,
    CLUSTER_MEMBERS,
    CLUSTER_SUMMARIES,
    CLUSTERS,
    EMBEDDINGS,
    EXACT_COVERAGE,
    HIERARCHY,
    RAW_CONVERSATIONS,
    Table,
)
from resources.retention import purged_partitions
from resources.site import Site
from resources.stage import partition_values

DAYS_AT_ONCE = 31
"""Days whose facets are counted together, by language alone: 60 MB at 100,000 conversations a day."""

Sides = tuple[pl.DataFrame, pl.DataFrame]

_CONVERSATION = ("date", "language", "conversation_id")


def rows_of(
    site: Site,
    table: Table,
    partitions: Sequence[str],
    columns: Sequence[str],
    within: KeyRange = EVERY_KEY,
) -> pl.DataFrame:
    """Rows of several partitions by one query: each column among its values, then the combinations that are meant.

    `within`: of a table of conversations, those whose ids are in the range alone.
    """
    values = pl.DataFrame([partition_values(table, key) for key in partitions])
    where: dict[str, object] = {name: values[name].unique().sort().to_list() for name in table.partitioned_by}
    if within != EVERY_KEY:
        where["conversation_id"] = within
    frame = site.warehouse.read(table, where, list(dict.fromkeys((*columns, *table.partitioned_by))))
    meant = values.with_columns(pl.col(name).str.to_date() for name in values.columns if name == "date")
    return frame.join(meant, on=list(table.partitioned_by), how="semi").select(columns)


def _raw_conversations(site: Site, keys: Sequence[str]) -> Sides:
    landed = _landed(site, keys)
    found = rows_of(site, RAW_CONVERSATIONS, keys, _CONVERSATION)
    given = to_keep(landed.filter("has_text"), landed.filter(~pl.col("has_text")), found, _CONVERSATION)
    return each_once(given, *_CONVERSATION), each_once(found, *_CONVERSATION)


def _facets(site: Site, keys: Sequence[str]) -> Sides:
    raw, found = (rows_of(site, table, keys, _CONVERSATION) for table in (RAW_CONVERSATIONS, FACETS))
    purged = purged_partitions(site, RAW_CONVERSATIONS)
    silent = [key for key in keys if key in purged]
    given = to_keep(raw, _landed(site, silent), found, _CONVERSATION) if silent else raw
    return each_once(given, *_CONVERSATION), each_once(found, *_CONVERSATION)


def _landed(site: Site, keys: Sequence[str]) -> pl.DataFrame:
    """What counts as landed [date, language, conversation_id, has_text]."""
    home = site.settings.home
    return pl.concat(
        read_landed(home, *key.split("|"), columns=["conversation_id", SOURCE]).select(
            pl.lit(date.fromisoformat(key.split("|")[0])).alias("date"),
            pl.lit(key.split("|")[1]).alias("language"),
            "conversation_id",
            pl.col(SOURCE)
            .map_elements(lambda each: not read_receipt(home, each).is_purged, return_dtype=pl.Boolean)
            .alias("has_text"),
        )
        for key in keys
    )


def _embeddings(site: Site, keys: Sequence[str]) -> Sides:
    columns = (*_CONVERSATION, "clustered_by")
    facets = rows_of(site, FACETS, keys, (*_CONVERSATION, *CLUSTERINGS))
    return to_embed(facets, CLUSTERINGS), each_once(rows_of(site, EMBEDDINGS, keys, columns), *columns)


def _cluster_members(site: Site, keys: Sequence[str]) -> Sides:
    columns = ("date", "day", "language", "conversation_id", "clustered_by")
    windows = pl.DataFrame(
        [(key, day) for key in keys for day in window(key)], schema=["date", "day"], orient="row"
    ).with_columns(pl.all().str.to_date())
    embedded = site.warehouse.read(
        EMBEDDINGS, {"date": windows["day"].unique().to_list()}, [*_CONVERSATION, "clustered_by"]
    )
    return to_cluster(embedded, windows), each_once(rows_of(site, CLUSTER_MEMBERS, keys, columns), *columns)


def _cluster_summaries(site: Site, keys: Sequence[str]) -> Sides:
    columns = ("date", "clustered_by", "cluster_id")
    clusters = rows_of(site, CLUSTERS, keys, (*columns, "passes"))
    named = rows_of(site, CLUSTER_SUMMARIES, keys, columns)
    return each_once(clusters.filter("passes"), *columns), each_once(named, *columns)


def _audited_summaries(site: Site, keys: Sequence[str]) -> Sides:
    columns = ("date", "clustered_by", "node_id")
    given, found = (rows_of(site, table, keys, columns) for table in (HIERARCHY, AUDITED_SUMMARIES))
    return each_once(given, *columns), each_once(found, *columns)


def _exact_coverage(site: Site, keys: Sequence[str]) -> Sides:
    coverage = rows_of(site, EXACT_COVERAGE, keys, ("date", "language", "stage", "conversations"))
    batches = [keys[start : start + DAYS_AT_ONCE] for start in range(0, len(keys), DAYS_AT_ONCE)]
    counts = [
        site.warehouse.read(FACETS, {"date": batch}, ["date", "language"])
        .group_by("date", "language")
        .len("conversations")
        for batch in batches
    ]
    return to_cover(pl.concat(counts), coverage), covered(coverage)


ACCOUNTS: dict[str, tuple[str, Callable[[Site, Sequence[str]], Sides]]] = {
    RAW_CONVERSATIONS.name: (
        "The conversations are those that landed, but for those whose text was purged.",
        _raw_conversations,
    ),
    FACETS.name: (
        "There is one row for each raw conversation; any other is of one that landed and whose text was purged.",
        _facets,
    ),
    EMBEDDINGS.name: (
        "There is one vector for each conversation that has a request, or another text that is clustered.",
        _embeddings,
    ),
    CLUSTER_MEMBERS.name: ("Each vector of the window's days is in one cluster.", _cluster_members),
    CLUSTER_SUMMARIES.name: ("Exactly the clusters that pass the thresholds are named.", _cluster_summaries),
    AUDITED_SUMMARIES.name: ("The nodes are those of the hierarchy.", _audited_summaries),
    EXACT_COVERAGE.name: (
        "As many came in as there are facets, in each language, and each is in one stage below.",
        _exact_coverage,
    ),
}
"""By table: what its rows must account for, in words, and both sides of it for some partitions."""

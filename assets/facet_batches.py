"""Conversations submitted to Claude in batches: made as soon as they are submitted, long before they are answered.

What has ended is collected first, and what came back without an answer is submitted again. `facets` is asked for once
nothing of the partition is in a batch any more.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, asset

from assets.common import about
from assets.partitions import DATE_LANGUAGES
from clio_dagster.tables import FACET_BATCHES, RAW_CONVERSATIONS
from resources.fingerprints import Input, Stage
from resources.io_manager import Reader
from resources.readers import AnalystResource, reading
from resources.retention import as_before_purge, landed_since_purge
from resources.site import Site
from resources.stage import Slices, partition_values


def _facts(site: Site, keys: Sequence[str]) -> Mapping[str, object]:
    """What was landed since a purge, and the batches that came back without some answer: those are asked for again."""
    landed, came_back = landed_since_purge(site, keys), site.answers.came_back_lacking(keys)
    return {key: [landed.get(key), came_back.get(key)] for key in {*landed, *came_back}}


STAGE = Stage(
    (FACET_BATCHES,),
    (Input(RAW_CONVERSATIONS),),
    uses=lambda site: reading(site.settings),
    facts=_facts,
    sees=as_before_purge,
)


@asset(
    **about(FACET_BATCHES, group="conversations", kinds={"anthropic", "duckdb"}),
    partitions_def=DATE_LANGUAGES,
)
def facet_batches(
    context: AssetExecutionContext, raw_conversations: Reader, site: Site, analyst: AnalystResource
) -> Slices:
    def make(partition: str) -> dict[str, pl.DataFrame]:
        analyst.claude.submit(raw_conversations.read(partition))
        values = partition_values(FACET_BATCHES, partition)
        rows: list[dict[str, Any]] = [
            {
                **values,
                "batch": each.remote or "",
                "requests": each.requests,
                "at_most_usd": each.estimate_usd,
                "submitted_at": each.submitted_at,
                "ended_at": each.ended_at,
            }
            for each in site.answers.batch_log(partition)
        ]
        schema = FACET_BATCHES.schema
        frame = pl.DataFrame(rows, schema={**schema, "date": pl.String})
        return {FACET_BATCHES.name: frame.with_columns(pl.col("date").str.to_date())}

    return Slices(context, STAGE, site, make)

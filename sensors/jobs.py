"""Jobs, one for each way in which assets are partitioned: a job cannot mix them."""

from dagster import AssetSelection, define_asset_job

from assets.partitions import IN_BATCHES
from resources.lanes import LANE, PUBLISHING

land = define_asset_job(
    "land",
    selection=AssetSelection.assets("landing"),
    description="Land registered source files, one pass each.",
)

read = define_asset_job(
    "read",
    selection=AssetSelection.assets("raw_conversations", "facets", "embeddings"),
    description="A day and language: its conversations, their facets, their vectors.",
)

submit = define_asset_job(
    "submit",
    selection=AssetSelection.assets("raw_conversations", "facet_batches"),
    description="A day and language: its conversations given to Claude, in batches.",
)
"""In batch mode alone."""

publish = define_asset_job(
    "publish",
    selection=AssetSelection.groups("topics", "publishing", "staging", "marts"),
    description="A date: topics over its window, the gate, the marts and the release.",
    # One after another, in the order asked for: a date goes on from the names of those before it.
    tags={LANE: PUBLISHING},
)

watch = define_asset_job(
    "watch",
    selection=AssetSelection.assets("event_conversations", "event_topics", "event_members", "event_alerts"),
    description="A date of an event's window: its conversations, their topics, and what is to be looked at.",
)
"""Asked for by the event_windows sensor alone."""

inspect = define_asset_job(
    "inspect",
    selection=AssetSelection.groups("safety"),
    description="A date: where the site's classifier may be wrong, and accounts that act together. For Trust & Safety.",
)

evaluate = define_asset_job(
    "evaluate",
    selection=AssetSelection.groups("evaluation"),
    description="Every section of an evaluation, on made-up conversations. Where Claude is asked, it is paid for.",
    # One at a time, and begun after whatever else waits.
    tags={LANE: "evaluate", "dagster/priority": "-1"},
)

jobs = [land, *([submit] if IN_BATCHES else []), read, publish, inspect]

"""The only counts that leave: each a day's cell with noise, drawn once (P7).

Answers the reader who subtracts dates, levels, languages and revisions: a cell's noise is a function of the
topic, facet, value, day and part alone, and everything else that is published is computed from these figures. What
comes late, or is withdrawn, has cells of its own: which conversations they count is said in parts.py.

*What bounds an account.* `counted` caps an account within a base cluster, but a node above sums clusters and
the cell of all topics sums everything. So here, in each topic's cell of a day, an account's conversations are
capped once more at `account_cap` before they are split by value: an account moves any cell by at most the
cap, which is the sensitivity of the noise on conversations, and the number of accounts by one. (A
conversation without an account is its own; one that falls into a group of one template may move up to two
others, see thresholds.py.)

*Values from a closed list.* Languages, `concerning`, `refused`, `turns` and the site's own facets but texts have
their cells drawn for every value of the list, those that nobody has included: were only values present in the data
drawn, a cell that appears would prove that somebody is in it. A task, or an own text, is free: it shows only from as
many accounts as a word of a sensitive kind needs, and never where the detector finds something. A withdrawal is drawn
for every cell that is shown.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from clio_dagster.coverage import IN, QUARANTINED
from clio_dagster.own_columns import closed_lists, names_of
from clio_dagster.privacy.detector import detect
from clio_dagster.privacy.figures import count, counted_in, shown, taken_back, totals, within_cap
from clio_dagster.settings import OTHER, Settings
from clio_dagster.tables import COVERAGE_STAGES, PUBLISHED, PUBLISHED_CELLS, PUBLISHED_COVERAGE

ALL_TOPICS = ""
CONCERNING = ("1", "2", "3", "4", "5")
REFUSED = ("false", "true")
TURNS = ("1", "2-3", "4-7", "8+")
_TOPIC = ("clustered_by", "topic")
_CELL = ("date", *_TOPIC, "facet", "value")
_STAGE = ("language", "stage")
_COVERAGE = ("date", *_STAGE)


def published_topics(audited: pl.DataFrame) -> pl.DataFrame:
    """Every topic that a base cluster counts for: clustered_by, node_id (the base cluster's), topic.

    `audited`: tables.AUDITED_SUMMARIES of one date. A conversation counts for every published node on its way up;
    withheld ones are passed over. All topics together (topic '') count what is under a published base cluster.
    """
    nodes = audited.select("clustered_by", "node_id", "parent_id", "level", "topic", "status")
    above = nodes.select(
        "clustered_by",
        pl.col("node_id").alias("at"),
        pl.col("parent_id").alias("next"),
        pl.col("topic").alias("here"),
        (pl.col("status") == PUBLISHED).alias("shown"),
    )
    leaves = nodes.filter(pl.col("level") == 0)
    climbing = leaves.select("clustered_by", "node_id", pl.col("node_id").alias("at"))
    everything = leaves.filter(pl.col("status") == PUBLISHED).select(
        "clustered_by", "node_id", pl.lit(ALL_TOPICS).alias("topic")
    )
    found = [everything]
    for _ in range(int(nodes["level"].to_numpy().max(initial=0)) + 1):
        step = climbing.join(above, on=["clustered_by", "at"])
        found.append(step.filter("shown").select("clustered_by", "node_id", pl.col("here").alias("topic")))
        climbing = step.drop_nulls("next").select("clustered_by", "node_id", pl.col("next").alias("at"))
    return pl.concat(found).unique(maintain_order=True)


def with_figures(
    conversations: pl.DataFrame,
    members: pl.DataFrame,
    topics: pl.DataFrame,
    earlier: pl.DataFrame,
    *,
    account_cap: int,
) -> pl.DataFrame:
    """`conversations` with the `topics` and the coverage `stages` that count each (tables.COUNTED_CONVERSATIONS).

    `conversations`: conversation_id, account, language, stage and whatever else. `members`: tables.CLUSTER_MEMBERS
    rows of that date whose own day it is; what cap or collapse set aside counts for no topic. `topics`: from
    `published_topics`. `earlier`: what parts before this one counted, which has used up of each account's cap.
    """
    placed = (
        members.filter("counted")
        .select(
            "clustered_by",
            "conversation_id",
            pl.concat_str(pl.lit("0-"), pl.col("cluster_id").cast(pl.String)).alias("node_id"),
        )
        .join(conversations.select("conversation_id", "account"), on="conversation_id")
        .join(topics, on=["clustered_by", "node_id"])
    )
    passed = pl.concat(
        [conversations, conversations.with_columns(pl.lit(IN).alias("stage"))],
    )
    in_topics = within_cap(placed, _by_topic(earlier), _TOPIC, account_cap)
    in_stages = within_cap(passed, _by_stage(earlier), _STAGE, account_cap)
    ordered = ["conversation_id", *_TOPIC]
    return (
        conversations.join(
            in_topics.sort(ordered).group_by("conversation_id").agg(pl.struct(_TOPIC).alias("topics")),
            on="conversation_id",
            how="left",
        )
        .join(
            in_stages.sort("conversation_id", "stage")
            .group_by("conversation_id")
            .agg(pl.col("stage").alias("stages")),
            on="conversation_id",
            how="left",
        )
        .with_columns(pl.col("topics", "stages").fill_null([]))
    )


def added_cells(
    counted: pl.DataFrame, topics: pl.DataFrame, day: date, *, part: int, settings: Settings, key: bytes
) -> pl.DataFrame:
    """The cells of the conversations that one part adds (tables.PUBLISHED_CELLS, sorted).

    `counted`: tables.COUNTED_CONVERSATIONS rows of that part; `topics`: from `published_topics`, all of which are
    drawn for. A cell shows only where conversations with noise reach `cell_min_conversations` and accounts with noise
    `cell_min_accounts`, and shows the former.
    """
    counts = _cell_counts(counted, day)
    closed = topics.select(pl.lit(day).alias("date"), *_TOPIC).unique().join(_closed(settings), how="cross")
    texts = counts.filter(~_is_closed(settings))
    found = _cells(pl.concat([counted_in(closed, counts, _CELL), texts]), part, False, settings, key)
    detected = detect(found["value"])["row"].unique().implode()
    return found.filter(_is_closed(settings) | ~pl.int_range(pl.len()).is_in(detected))


def withdrawn_cells(
    gone: pl.DataFrame, published: pl.DataFrame, day: date, *, part: int, settings: Settings, key: bytes
) -> pl.DataFrame:
    """What one withdrawal takes back from the cells that are shown (tables.PUBLISHED_CELLS, negative, sorted).

    `gone`: tables.COUNTED_CONVERSATIONS rows that are there no more; `published`: the cells of all parts before.
    """
    standing = totals(published, _CELL)
    cells = counted_in(standing.select(_CELL), _cell_counts(gone, day), _CELL)
    found = _cells(cells, part, True, settings, key)
    return taken_back(found, standing, _CELL, settings.cell_min_conversations).select(*PUBLISHED_CELLS.schema)


def added_coverage(
    counted: pl.DataFrame, quarantined: int, day: date, *, part: int, settings: Settings, key: bytes
) -> pl.DataFrame:
    """The coverage that one part adds (tables.PUBLISHED_COVERAGE, sorted): as cells, by language and stage.

    Every language and stage is drawn for, empty ones included. A stage that knows no accounts, as the `quarantined`
    records, is next to never shown.
    """
    refused = pl.DataFrame({"language": [OTHER], "stage": [QUARANTINED], "conversations": [quarantined]})
    counts = pl.concat(
        [
            count(_by_stage(counted), _STAGE),
            refused.with_columns(pl.lit(0, pl.Int64).alias("accounts")),
        ]
    ).with_columns(pl.lit(day).alias("date"))
    every = (
        pl.DataFrame({"date": [day]})
        .join(pl.DataFrame({"language": settings.partition_languages}), how="cross")
        .join(pl.DataFrame({"stage": COVERAGE_STAGES}), how="cross")
    )
    return _coverage(counted_in(every, counts, _COVERAGE), part, False, settings, key)


def withdrawn_coverage(
    gone: pl.DataFrame, published: pl.DataFrame, day: date, *, part: int, settings: Settings, key: bytes
) -> pl.DataFrame:
    """What one withdrawal takes back from the coverage that is shown, as `withdrawn_cells` does."""
    standing = totals(published, _COVERAGE)
    counts = count(_by_stage(gone), _STAGE).with_columns(pl.lit(day).alias("date"))
    found = _coverage(counted_in(standing.select(_COVERAGE), counts, _COVERAGE), part, True, settings, key)
    return taken_back(found, standing, _COVERAGE, settings.cell_min_conversations).select(
        *PUBLISHED_COVERAGE.schema
    )


def _by_topic(counted: pl.DataFrame) -> pl.DataFrame:
    """A row for each topic that counts a conversation."""
    return counted.explode("topics").unnest("topics").drop_nulls("topic")


def _by_stage(counted: pl.DataFrame) -> pl.DataFrame:
    """A row for each coverage stage that counts a conversation."""
    return counted.rename({"stages": "stage"}).explode("stage").drop_nulls("stage")


def _cell_counts(counted: pl.DataFrame, day: date) -> pl.DataFrame:
    """Conversations and accounts of every cell that somebody is in."""
    placed = _by_topic(counted).with_columns(pl.lit(day).alias("date"))
    return pl.concat(
        count(
            placed.with_columns(pl.lit(facet).alias("facet"), value.alias("value")).drop_nulls("value"),
            _CELL,
        )
        for facet, value in _facets(counted).items()
    )


def _facets(counted: pl.DataFrame) -> dict[str, pl.Expr]:
    turns = pl.col("turns")
    return {
        "all": pl.lit(""),
        "language": pl.col("language"),
        "concerning": pl.col("concerning").cast(pl.String),
        "refused": pl.col("refused").cast(pl.String),
        "turns": pl.when(turns <= 1)
        .then(pl.lit(TURNS[0]))
        .when(turns <= 3)
        .then(pl.lit(TURNS[1]))
        .when(turns <= 7)
        .then(pl.lit(TURNS[2]))
        .when(turns.is_not_null())
        .then(pl.lit(TURNS[3])),
        "task": pl.col("task").str.strip_chars(),
        **{name: pl.col(name) for name in names_of(counted)},
    }


def _lists(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Every value of the facets that have closed lists."""
    return {
        "all": ("",),
        "language": settings.partition_languages,
        "concerning": CONCERNING,
        "refused": REFUSED,
        "turns": TURNS,
    } | closed_lists(settings.facets)


def _closed(settings: Settings) -> pl.DataFrame:
    """Every value of the closed lists: facet, value."""
    return pl.DataFrame(
        [(facet, value) for facet, listed in _lists(settings).items() for value in listed],
        schema={"facet": pl.String, "value": pl.String},
        orient="row",
    )


def _is_closed(settings: Settings) -> pl.Expr:
    """Whether a cell's value is from a list; not so where the site has the facet no more."""
    return pl.col("facet").is_in(list(_lists(settings)))


def _cells(
    counts: pl.DataFrame, part: int, is_withdrawn: bool, settings: Settings, key: bytes
) -> pl.DataFrame:
    needed = (
        pl.when(_is_closed(settings))
        .then(settings.cell_min_accounts)
        .otherwise(max(settings.sensitive_word_min_accounts, settings.cell_min_accounts))
    )
    found = shown(
        counts, _CELL, "cell", needed, part=part, is_withdrawn=is_withdrawn, settings=settings, key=key
    )
    return found.select(*PUBLISHED_CELLS.schema).sort(_CELL)


def _coverage(
    counts: pl.DataFrame, part: int, is_withdrawn: bool, settings: Settings, key: bytes
) -> pl.DataFrame:
    found = shown(
        counts,
        _COVERAGE,
        "coverage",
        settings.cell_min_accounts,
        part=part,
        is_withdrawn=is_withdrawn,
        settings=settings,
        key=key,
    )
    return found.select(*PUBLISHED_COVERAGE.schema).sort(_COVERAGE)

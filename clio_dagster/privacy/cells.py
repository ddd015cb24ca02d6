"""The only counts that leave: each a day's cell with noise, drawn once (P7).

Answers the reader who subtracts dates, levels, languages and revisions: a cell's noise is a function of the
topic, facet, value and day alone, and everything else that is published is computed from these figures.

*What bounds an account.* `counted` caps an account within a base cluster, but a node above sums clusters and
the cell of all topics sums everything. So here, in each topic's cell of a day, an account's conversations are
capped once more at `account_cap` before they are split by value: an account moves any cell by at most the
cap, which is the sensitivity of the noise on conversations, and the number of accounts by one. (A
conversation without an account is its own; one that falls into a group of one template may move up to two
others, see thresholds.py.)

*Values from a closed list.* Languages, `concerning`, `refused` and `turns` have their cells drawn for every
value of the list, those that nobody has included: were only values present in the data drawn, a cell that
appears would prove that somebody is in it. A task is free text: it shows only from as many accounts as a word
of a sensitive kind needs, and never where the detector finds something.

*Revisions.* Once a day has been published, its cells stand: the first value wins, and no key is added. A key
that appears in a later revision, under the same draw, would say that the conversations which came between,
who may be one person's, were in that cell. What comes late needs cells of its own, with thresholds of its
own.
"""

from __future__ import annotations

import hashlib

import polars as pl

from clio_dagster.privacy.detector import detect
from clio_dagster.privacy.noise import two_sided_geometric
from clio_dagster.settings import Settings
from clio_dagster.tables import COVERAGE_STAGES, PUBLISHED, PUBLISHED_CELLS, PUBLISHED_COVERAGE

ALL_TOPICS = ""
CONCERNING = ("1", "2", "3", "4", "5")
REFUSED = ("false", "true")
TURNS = ("1", "2-3", "4-7", "8+")
_CELL = ["date", "clustered_by", "topic", "facet", "value"]


def members_of_day(members: pl.DataFrame, facets: pl.DataFrame) -> pl.DataFrame:
    """What `publish_cells` counts: a date's own counted members, their base cluster's node and their facets.

    `members`: tables.CLUSTER_MEMBERS rows of one date; those of other days in its window, and those that the
    cap or the collapse set aside, are left out. `facets`: tables.FACETS rows of that day.
    """
    return (
        members.filter(pl.col("counted") & (pl.col("day") == pl.col("date")))
        .select(
            "date",
            "clustered_by",
            "conversation_id",
            "account",
            "language",
            pl.concat_str(pl.lit("0-"), pl.col("cluster_id").cast(pl.String)).alias("node_id"),
        )
        .join(
            facets.select("conversation_id", "turns", "concerning", "refused", "task"),
            on="conversation_id",
            how="left",
            maintain_order="left",
        )
    )


def publish_cells(
    day_members: pl.DataFrame, audited: pl.DataFrame, already: pl.DataFrame, *, settings: Settings, key: bytes
) -> pl.DataFrame:
    """The published cells of one day (tables.PUBLISHED_CELLS, sorted).

    `day_members`: that day's counted conversations: conversation_id, account, language, node_id (base
    cluster's), turns, concerning, refused, task; clustered_by where there is more than one tree. `audited`:
    tables.AUDITED_SUMMARIES of that date. `already`: the cells of that day that a release has shown; not
    empty, they are the answer.

    A conversation counts for every published node on its way up; withheld ones are passed over. The cells of
    all topics (topic '') count the conversations under a published base cluster. A cell shows only where
    conversations with noise reach `cell_min_conversations` and accounts with noise `cell_min_accounts`, and
    shows the former.
    """
    if not already.is_empty():
        return already.select(*PUBLISHED_CELLS.schema).sort(_CELL)
    places = _places(audited)
    if places.is_empty():
        return PUBLISHED_CELLS.empty()
    on = ["clustered_by", "node_id"] if "clustered_by" in day_members.columns else ["node_id"]
    placed = day_members.drop("date", strict=False).join(places, on=on)
    capped = placed.filter(_place_in_cell(placed) <= settings.account_cap)
    counts = pl.concat([_count(capped, facet, value) for facet, value in _facets().items()])
    tasks = counts.filter(pl.col("facet") == "task")
    clean = tasks.filter(~pl.int_range(pl.len()).is_in(detect(tasks["value"])["row"].unique().implode()))
    cells = pl.concat([_closed(counts, places, settings), clean.select(*_CELL, "conversations", "accounts")])
    needed = (
        pl.when(pl.col("facet") == "task")
        .then(max(settings.sensitive_word_min_accounts, settings.cell_min_accounts))
        .otherwise(settings.cell_min_accounts)
    )
    shown = _noisy(cells, _CELL, "cell", settings=settings, key=key).filter(
        pl.col("noisy_accounts") >= needed
    )
    return shown.select(*PUBLISHED_CELLS.schema).sort(_CELL)


def publish_coverage(
    exact: pl.DataFrame, already: pl.DataFrame, *, settings: Settings, key: bytes
) -> pl.DataFrame:
    """The published coverage of one day (tables.PUBLISHED_COVERAGE, sorted): as cells, by language and stage.

    `exact`: tables.EXACT_COVERAGE, whose `capped_conversations` (at most `account_cap` of an account in a
    language and stage) are what is published, so that the noise covers all that an account adds. Every
    language and stage is drawn for, empty ones included. A stage that knows no accounts, as `quarantined`, is
    next to never shown.
    """
    keys = ["date", "language", "stage"]
    if not already.is_empty():
        return already.select(*PUBLISHED_COVERAGE.schema).sort(keys)
    every = (
        exact.select(pl.col("date").unique())
        .join(pl.DataFrame({"language": settings.partition_languages}), how="cross")
        .join(pl.DataFrame({"stage": COVERAGE_STAGES}), how="cross")
        .join(exact, on=keys, how="left")
        .select(
            *keys,
            pl.col("capped_conversations").fill_null(0).alias("conversations"),
            pl.col("accounts").fill_null(0),
        )
    )
    shown = _noisy(every, keys, "coverage", settings=settings, key=key).filter(
        pl.col("noisy_accounts") >= settings.cell_min_accounts
    )
    return shown.select(*PUBLISHED_COVERAGE.schema).sort(keys)


def _places(audited: pl.DataFrame) -> pl.DataFrame:
    """Every published topic that a published base cluster counts for: date, clustered_by, node_id, topic."""
    nodes = audited.select("date", "clustered_by", "node_id", "parent_id", "level", "topic", "status")
    above = nodes.select(
        "clustered_by",
        pl.col("node_id").alias("at"),
        pl.col("parent_id").alias("next"),
        pl.col("topic").alias("here"),
        (pl.col("status") == PUBLISHED).alias("shown"),
    )
    leaves = nodes.filter(pl.col("level") == 0)
    climbing = leaves.select("date", "clustered_by", "node_id", pl.col("node_id").alias("at"))
    everything = leaves.filter(pl.col("status") == PUBLISHED).select(
        "date", "clustered_by", "node_id", pl.lit(ALL_TOPICS).alias("topic")
    )
    found = [everything]
    for _ in range(int(nodes["level"].to_numpy().max(initial=0)) + 1):
        step = climbing.join(above, on=["clustered_by", "at"])
        found.append(
            step.filter("shown").select("date", "clustered_by", "node_id", pl.col("here").alias("topic"))
        )
        climbing = step.drop_nulls("next").select(
            "date", "clustered_by", "node_id", pl.col("next").alias("at")
        )
    return pl.concat(found).unique(maintain_order=True)


def _place_in_cell(placed: pl.DataFrame) -> pl.Expr:
    """Each conversation's place among its account's in the topic's cell, by the hash of its id."""
    ids = placed["conversation_id"].unique()
    hashes = [hashlib.blake2b(name.encode(), digest_size=8).hexdigest() for name in ids]
    order = pl.col("conversation_id").replace_strict(
        ids, pl.Series(hashes, dtype=pl.String), return_dtype=pl.String
    )
    account = pl.coalesce("account", pl.concat_str(pl.lit("\x00"), "conversation_id"))
    return order.rank("ordinal").over("clustered_by", "topic", account)


def _facets() -> dict[str, pl.Expr]:
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
    }


def _count(capped: pl.DataFrame, facet: str, value: pl.Expr) -> pl.DataFrame:
    return (
        capped.with_columns(pl.lit(facet).alias("facet"), value.alias("value"))
        .drop_nulls("value")
        .group_by(_CELL)
        .agg(
            pl.len().cast(pl.Int64).alias("conversations"),
            pl.col("account").drop_nulls().n_unique().cast(pl.Int64).alias("accounts"),
        )
    )


def _closed(counts: pl.DataFrame, places: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """A cell for every topic and every value of the closed lists, zeros where nobody has it."""
    lists = {
        "all": ("",),
        "language": settings.partition_languages,
        "concerning": CONCERNING,
        "refused": REFUSED,
        "turns": TURNS,
    }
    values = pl.DataFrame(
        [(facet, value) for facet, listed in lists.items() for value in listed],
        schema={"facet": pl.String, "value": pl.String},
        orient="row",
    )
    return (
        places.select("date", "clustered_by", "topic")
        .unique()
        .join(values, how="cross")
        .join(counts, on=_CELL, how="left")
        .select(*_CELL, pl.col("conversations", "accounts").fill_null(0))
    )


def _noisy(
    cells: pl.DataFrame, names: list[str], purpose: str, *, settings: Settings, key: bytes
) -> pl.DataFrame:
    """Cells whose count with noise reaches the minimum, with that count and `noisy_accounts`."""
    # A value may be any text: JSON keeps two cells' names from running together.
    named = cells.select(pl.struct(pl.col(names).cast(pl.String)).struct.json_encode())[names[0]]
    counts = two_sided_geometric(
        named,
        key=key,
        purpose=f"{purpose} conversations",
        epsilon=settings.epsilon,
        sensitivity=settings.account_cap,
    )
    accounts = two_sided_geometric(named, key=key, purpose=f"{purpose} accounts", epsilon=settings.epsilon)
    return cells.with_columns(
        pl.col("conversations") + counts, (pl.col("accounts") + accounts).alias("noisy_accounts")
    ).filter(pl.col("conversations") >= settings.cell_min_conversations)

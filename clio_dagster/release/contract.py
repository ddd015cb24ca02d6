"""The tables of a release: which columns may leave, of what type, in what order.

A column that is not listed here cannot be published, whatever a model selects: a mistake in a query is an
error, not a leak. What the values may be is the gate's business.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import polars as pl

from clio_dagster.tables import COVERAGE_STAGES, Column, Table


class ReleaseError(ValueError):
    """A release cannot be written or read. The message names the table or file and says what to do."""


BORN = "birth"
"""What topic_trends.event says of a topic that is new that day beyond chance."""

_DATE = Column("date", pl.Date, "Day, in CLIO_TIMEZONE.")
_NODE_ID = Column("node_id", pl.String, "Node of the tree on the release's date.")
_CLUSTERED_BY = Column("clustered_by", pl.String, "Text facet whose vectors were clustered.")
_DAY_COUNT = Column(
    "conversations",
    pl.Int64,
    "That day's count, with noise; null where it is not shown.",
    nullable=True,
)
_SHARE = Column("share", pl.Float64, "Share, from published counts.", nullable=True)
_LANGUAGE = Column("language", pl.String, "ISO 639-1 code of a configured language, or `other`.")

TOPICS = Table(
    "topics",
    "The published tree: one row a topic.",
    (
        _DATE,
        _CLUSTERED_BY,
        _NODE_ID,
        Column("topic", pl.String, "Stable id: the same from date to date for a topic that persists."),
        Column("parent_id", pl.String, "Node above; null at the top.", nullable=True),
        Column("level", pl.Int32, "0 for base clusters, rising to the top."),
        Column("name", pl.String, "At most ten words."),
        Column("description", pl.String, "At most two sentences."),
        _DAY_COUNT,
        Column(
            "window_conversations",
            pl.Int64,
            "Sum of the window's published counts, on days without one that of the base topics below.",
            nullable=True,
        ),
        _SHARE,
        Column("privacy_score", pl.Int8, "Auditor's score, 3 to 5.", nullable=True),
        Column("x", pl.Float64, "Position on the map, rounded.", nullable=True),
        Column("y", pl.Float64, "Position on the map, rounded.", nullable=True),
    ),
    key=("clustered_by", "node_id"),
)

TOPIC_LANGUAGES = Table(
    "topic_languages",
    "Each topic's languages against the base rate.",
    (
        _DATE,
        _NODE_ID,
        _LANGUAGE,
        _DAY_COUNT,
        _SHARE,
        Column("base_rate", pl.Float64, "The language's share of all conversations.", nullable=True),
        Column("lift", pl.Float64, "Share over base rate.", nullable=True),
        Column("lift_low", pl.Float64, "Lower end of the lift's interval.", nullable=True),
        Column("lift_high", pl.Float64, "Upper end of the lift's interval.", nullable=True),
        Column("p_value", pl.Float64, "Corrected for the number of tests.", nullable=True),
    ),
    key=("date", "node_id", "language"),
)

TOPIC_FACETS = Table(
    "topic_facets",
    "Each topic's breakdown by every facet but language.",
    (
        _DATE,
        _NODE_ID,
        Column("facet", pl.String, "Facet."),
        Column("value", pl.String, "Value of the facet."),
        _DAY_COUNT,
        _SHARE,
    ),
    key=("date", "node_id", "facet", "value"),
)

TOPIC_TRENDS = Table(
    "topic_trends",
    "Each topic's published days up to the release's date.",
    (
        Column("topic", pl.String, "Stable id of the topic."),
        _DATE,
        Column("node_id", pl.String, "Node of the topic on that day; null where it had none.", nullable=True),
        _DAY_COUNT,
        _SHARE,
        Column("growth", pl.Float64, "Relative change of the share.", nullable=True),
        Column(
            "event",
            pl.String,
            "birth where the topic is new that day beyond chance; null otherwise.",
            nullable=True,
            accepted=(BORN,),
        ),
        Column("p_value", pl.Float64, "Of a new topic, corrected for the day's tests.", nullable=True),
    ),
    key=("topic", "date"),
)

COVERAGE = Table(
    "coverage",
    "What became of the day's conversations, by language.",
    (
        _DATE,
        _LANGUAGE,
        Column("stage", pl.String, "What became of them.", accepted=COVERAGE_STAGES),
        _DAY_COUNT,
    ),
    key=("date", "language", "stage"),
)

RELEASE_TABLES: dict[str, Table] = {
    table.name: table for table in (TOPICS, TOPIC_LANGUAGES, TOPIC_FACETS, TOPIC_TRENDS, COVERAGE)
}

_OPTIONAL: dict[str, dict[str, Any]] = {
    "topic_languages": {"clustered_by": pl.String},
    "topic_facets": {"clustered_by": pl.String},
    "topic_trends": {"clustered_by": pl.String, "as_of": pl.Date},  # as_of: the release's own date
}


def publishable(day: date, tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The tables in the contract's columns, types and order, rows sorted by key.

    The tables about topics may carry `clustered_by` too, and must where the topics of more than one facet are
    published: node ids are only unique within one.

    Raises ReleaseError where a table or column is missing or not in the contract, a value does not fit its
    column, a key appears twice, a topic is of another day, or a parent is not among the topics. No message
    quotes a value.
    """
    missing, unknown = RELEASE_TABLES.keys() - tables.keys(), tables.keys() - RELEASE_TABLES.keys()
    if missing or unknown:
        raise ReleaseError(f"tables missing: {_list(missing)}; tables unknown: {_list(unknown)}")
    checked = {name: _checked(table, tables[name]) for name, table in RELEASE_TABLES.items()}
    _check_tree(day, checked["topics"])
    if checked["topics"]["clustered_by"].n_unique() > 1:
        bare = [name for name in _OPTIONAL if "clustered_by" not in checked[name].columns]
        if bare:
            raise ReleaseError(
                f"topics of several facets are published: {_list(bare)} need a column clustered_by"
            )
    return checked


def _checked(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    wanted = dict(table.schema)
    key = table.key
    optional = _OPTIONAL.get(table.name, {})
    wanted |= {name: dtype for name, dtype in optional.items() if name in frame.columns}
    if "clustered_by" in wanted and "clustered_by" not in key:
        key = (*key, "clustered_by")
    missing, unknown = wanted.keys() - set(frame.columns), set(frame.columns) - wanted.keys()
    if missing:
        raise ReleaseError(f"table {table.name} lacks the columns {_list(missing)}")
    if unknown:
        raise ReleaseError(
            f"table {table.name} has the columns {_list(unknown)}, which a release may not hold: "
            "select the contract's columns, or add them to clio_dagster/release/contract.py"
        )
    try:
        frame = frame.select(pl.col(name).cast(dtype) for name, dtype in wanted.items())
    except pl.exceptions.PolarsError:
        raise ReleaseError(f"table {table.name} has a value that does not fit its column's type") from None
    for column in table.columns:
        if not column.nullable and frame[column.name].has_nulls():
            raise ReleaseError(f"{table.name}.{column.name} holds nulls")
        if column.accepted and not frame[column.name].drop_nulls().is_in(column.accepted).all():
            raise ReleaseError(f"{table.name}.{column.name} holds what is not one: {_list(column.accepted)}")
    if frame.select(key).is_duplicated().any():
        raise ReleaseError(f"table {table.name} has two rows of one {', '.join(key)}")
    return frame.sort(key)


def _check_tree(day: date, topics: pl.DataFrame) -> None:
    if (topics["date"] != day).any():
        raise ReleaseError(f"table topics has rows of another day than {day}")
    parents = topics.select("clustered_by", node_id="parent_id").drop_nulls()
    if not parents.join(topics, on=("clustered_by", "node_id"), how="anti").is_empty():
        raise ReleaseError("topics.parent_id names a node that is not published")
    levels = topics.select("clustered_by", parent_id="node_id", parent_level="level")
    below = topics.join(levels, on=("clustered_by", "parent_id"), how="inner")
    if (below["parent_level"] <= below["level"]).any():
        raise ReleaseError("topics.parent_id names a node that is not on a higher level")


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"

"""The published tree on a terminal, and as JSON for other programs."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import polars as pl
from rich.text import Text
from rich.tree import Tree

from clio_dagster.release.contract import BORN
from clio_dagster.tables import CLUSTERED_BY

FEW = "few"
"""Said where a count is not shown. Never 0: nobody outside knows that."""

Row = dict[str, Any]


def topics_tree(topics: pl.DataFrame, *, depth: int | None = None) -> Tree:
    """The topics of one release as a tree of rich: name, share of the day, counts in the window and that day.

    `topics` has the columns of topics.parquet, and `event` where it is known (with_events). Siblings go by size;
    `depth` limits the levels shown.
    """
    children = _children(topics)
    days = topics["date"].unique().sort()
    tree = Tree(Text(f"Topics of {days[-1]}" if len(days) else "No topics", style="bold"), guide_style="dim")
    roots = children.get(None, [])
    facets = sorted({row["clustered_by"] for row in roots}, key=lambda facet: (facet != CLUSTERED_BY, facet))
    for facet in facets:
        branch = tree.add(Text(f"by {facet}", style="italic")) if len(facets) > 1 else tree
        _grow(branch, [row for row in roots if row["clustered_by"] == facet], children, depth)
    return tree


def with_events(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """The topics of a release with `event`: what its date's row of topic_trends says of each."""
    trends = tables["topic_trends"]
    keys = [name for name in ("date", "clustered_by", "topic") if name in trends.columns]
    return tables["topics"].join(trends.select(*keys, "event"), on=keys, how="left", maintain_order="left")


def topics_json(topics: pl.DataFrame) -> str:
    """The same tree as JSON: a list of topics, each with its children; a count that is not shown is null."""
    children = _children(topics)
    kept = [name for name in topics.columns if name not in ("parent_id", "x", "y")]

    def nested(row: Row) -> Row:
        below = children.get((row["clustered_by"], row["node_id"]), [])
        return {name: row[name] for name in kept} | {"children": [nested(child) for child in below]}

    roots = [nested(row) for row in children.get(None, [])]
    return json.dumps(roots, ensure_ascii=False, indent=2, default=str)


def printable(text: str) -> str:
    """Text that cannot steer a terminal: control characters and reordering marks become spaces."""
    return "".join(" " if unicodedata.category(c) == "Cc" or c in _REORDERING else c for c in text)


_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _children(topics: pl.DataFrame) -> dict[tuple[str, str] | None, list[Row]]:
    """Rows by their parent's (clustered_by, node_id), None for the roots, in order of size."""
    by_name = topics.sort("name", "node_id")
    ordered = by_name.sort("window_conversations", descending=True, nulls_last=True, maintain_order=True)
    below: dict[tuple[str, str] | None, list[Row]] = {}
    for row in ordered.iter_rows(named=True):
        parent = row["parent_id"]
        below.setdefault(None if parent is None else (row["clustered_by"], parent), []).append(row)
    return below


def _grow(
    branch: Tree, rows: list[Row], children: dict[tuple[str, str] | None, list[Row]], depth: int | None
) -> None:
    if depth is not None and depth <= 0:
        return
    for row in rows:
        below = children.get((row["clustered_by"], row["node_id"]), [])
        _grow(branch.add(_label(row)), below, children, None if depth is None else depth - 1)


def _label(row: Row) -> Text:
    share = "" if row["share"] is None else f"{row['share']:.1%}  "
    sizes = f"{_count(row['window_conversations'])} in the window, {_count(row['conversations'])} that day"
    return Text.assemble(
        printable(row["name"]),
        "  ",
        ("new  " if row.get("event") == BORN else "", "green"),
        (share, "cyan"),
        (sizes, "dim"),
    )


def _count(value: int | None) -> str:
    return FEW if value is None else f"{value:,}"

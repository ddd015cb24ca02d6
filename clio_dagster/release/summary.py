"""A release at a glance: its largest topics and what became of its conversations as Markdown, its map as a small
picture, and numbers that are worth a plot over time.

From the tables of the release alone. Names are data: whatever they say, nothing in them becomes markup, a link or
the edge of a table. What is made here is kept with every revision, so all of it is bounded.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from math import dist
from statistics import fmean
from typing import Any

import polars as pl

from clio_dagster.coverage import IN, QUARANTINED
from clio_dagster.release.tree import FEW, printable, with_events
from clio_dagster.tables import CLUSTERED_BY, COVERAGE_STAGES

MOST_TOPICS = 10
MOST_CIRCLES = 300
NAME_CHARACTERS = 100

NO_TOPIC = "No topic is published."
NO_FIGURE = "No figure is large enough to be shown."

_WIDTH, _HEIGHT, _MARGIN = 480, 320, 24
_DIAMETERS = (8, 12, 17, 23)
_COLOURS = (
    *("#3b7dd8", "#e08a2b", "#2f9e77", "#c9504c", "#8f6bd1"),
    *("#9c7a4f", "#d272b0", "#5f8f2f", "#2aa5b8", "#b59b1f"),
)
_OTHERS = "#9aa0a6"

_OUT = COVERAGE_STAGES[-1]
_CAME_IN = "came in"
_MARKS = re.compile(r"([!#$()*+:=\[\\\]^_`{|}~])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_STARTS_OF_LINKS = re.compile(r"(?i)(:(?=//)|www(?=\.)|@)")
_ZERO_WIDTH_SPACE = "\u200b"


def as_text(name: str) -> str:
    """A name within a line of Markdown, shown as it is: on one line, no longer than NAME_CHARACTERS, every mark that
    could mean something escaped, and no start of what a renderer would make a link by itself.
    """
    line = " ".join(printable(name).split())
    if len(line) > NAME_CHARACTERS:
        line = f"{line[: NAME_CHARACTERS - 1].rstrip()}…"
    line = _STARTS_OF_LINKS.sub(rf"\1{_ZERO_WIDTH_SPACE}", line)
    line = _MARKS.sub(r"\\\1", line)
    return "".join(_ENTITIES.get(character, character) for character in line)


def topics_table(topics: pl.DataFrame) -> str:
    """The largest topics at the top of the tree, with their numbers on the map.

    `topics` has the columns of topics.parquet. A figure that is not published is said to be few, never 0.
    """
    top = _top(topics)
    if top.is_empty():
        return NO_TOPIC
    by_facet = ["by"] if topics["clustered_by"].n_unique() > 1 else []
    rows = [
        (
            str(number),
            as_text(row["name"]),
            *(as_text(row["clustered_by"]) for _ in by_facet),
            FEW if row["share"] is None else f"{row['share']:.1%}",
            _count(row["window_conversations"]),
            str(row["children"]),
        )
        for number, row in enumerate(top.head(MOST_TOPICS).iter_rows(named=True), 1)
    ]
    table = _table(
        ("", "topic", *by_facet, "share", "in the window", "children"), rows, words=2 + len(by_facet)
    )
    left = top.height - len(rows)
    return f"{table}\n\nand {left:,} more" if left > 0 else table


def coverage_table(coverage: pl.DataFrame) -> str:
    """What became of the day's conversations, in the order of COVERAGE_STAGES: sums over the languages in which a
    figure is published.

    `coverage` has the columns of coverage.parquet, of one day.
    """
    figures = _figures(coverage)
    if not figures:
        return NO_FIGURE
    came_in = figures.get(IN)
    rows = [(_said(stage), f"{count:,}", _share(count, came_in, stage)) for stage, count in figures.items()]
    return _table(("what became of them", "conversations", "share"), rows, words=1)


def map_image(topics: pl.DataFrame) -> str | None:
    """The map of the base topics as an image of Markdown that needs no file; None where no position is published.

    Of the facet that comes first. Circles are larger for larger topics, coloured by the topic at the top that they
    belong to; the largest of those have the numbers of topics_table.
    """
    svg = _map(topics)
    if svg is None:
        return None
    encoded = base64.b64encode(svg.encode()).decode()
    return f"![Map of the published topics](data:image/svg+xml;base64,{encoded})"


def numbers(tables: dict[str, pl.DataFrame]) -> dict[str, float]:
    """Counts of topics, and of conversations from the published coverage; one that is not published is left out."""
    topics, figures = tables["topics"], _figures(tables["coverage"])
    found: dict[str, float] = {
        "top_topics": topics["parent_id"].null_count(),
        "base_topics": topics.filter(level=0).height,
        "new_topics": int(with_events(tables)["event"].is_not_null().sum()),
        **{_said(stage).replace(" ", "_"): count for stage, count in figures.items()},
    }
    if figures.get(IN) and _OUT in figures:
        found["share_published"] = round(min(1.0, figures[_OUT] / figures[IN]), 3)
    return found


# Tables


def _top(topics: pl.DataFrame) -> pl.DataFrame:
    """The topics with none above them, `children` counted, those of the facet that comes first before the others
    and large ones before small."""
    children = topics.group_by("clustered_by", node_id="parent_id").agg(children=pl.len())
    return (
        topics.filter(pl.col("parent_id").is_null())
        .join(children, on=("clustered_by", "node_id"), how="left")
        .with_columns(pl.col("children").fill_null(0))
        .sort(
            *(
                pl.col("clustered_by") != CLUSTERED_BY,
                "clustered_by",
                "window_conversations",
                "name",
                "node_id",
            ),
            descending=[False, False, True, False, False],
            nulls_last=True,
        )
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: int) -> str:
    """A table of GitHub's Markdown; columns after the first `words` hold numbers."""
    rule = [":--" if at < words else "--:" for at in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def _figures(coverage: pl.DataFrame) -> dict[str, int]:
    """Conversations by stage, over all languages in which the figure is published."""
    shown = coverage.drop_nulls("conversations").group_by("stage").agg(pl.col("conversations").sum())
    found: dict[str, int] = dict(shown.iter_rows())
    return {stage: found[stage] for stage in COVERAGE_STAGES if stage in found}


def _said(stage: str) -> str:
    return _CAME_IN if stage == IN else stage


def _share(count: int, came_in: int | None, stage: str) -> str:
    # What is quarantined never came in; noise may make a part larger than the whole.
    if not came_in or stage in (IN, QUARANTINED):
        return ""
    return f"{min(1.0, count / came_in):.0%}"


def _count(value: int | None) -> str:
    return FEW if value is None else f"{value:,}"


# The map


def _map(topics: pl.DataFrame) -> str | None:
    top = _top(topics)
    if top.is_empty():
        return None
    facet = top["clustered_by"][0]
    topics = topics.filter(clustered_by=facet)
    circles = (
        topics.filter(pl.col("level") == 0, pl.col("x").is_finite(), pl.col("y").is_finite())
        .sort("window_conversations", "node_id", descending=[True, False], nulls_last=True)
        .head(MOST_CIRCLES)
    )
    if circles.is_empty():
        return None
    placed = circles.with_columns(
        _root=_roots(topics, circles["node_id"]), _class=_size_classes(circles["window_conversations"])
    ).with_columns(*_scaled(circles))
    roots = top.filter(clustered_by=facet)["node_id"].head(MOST_TOPICS).to_list()
    groups, labels = [], []
    for number, root in ((0, None), *enumerate(roots, 1)):
        own = placed.filter(pl.col("_root") == root if number else ~pl.col("_root").is_in(roots))
        if own.is_empty():
            continue
        groups.append(_circles(own, _COLOURS[number - 1] if number else _OTHERS))
        if number:
            labels.append(_label(own, number))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}"><g stroke-linecap="round" stroke-opacity=".8">{"".join(groups)}</g>'
        '<g font-family="sans-serif" font-size="15" font-weight="600" '
        'text-anchor="middle" fill="#111" stroke="#fff" stroke-width="3" paint-order="stroke">'
        f"{''.join(labels)}</g></svg>"
    )


def _roots(topics: pl.DataFrame, nodes: pl.Series) -> pl.Series:
    """The topic at the top above each node."""
    parents: dict[str, str | None] = dict(topics.select("node_id", "parent_id").iter_rows())

    def root(node: str) -> str:
        while (above := parents.get(node)) is not None:
            node = above
        return node

    return pl.Series([root(node) for node in nodes], dtype=pl.String)


def _size_classes(sizes: pl.Series) -> pl.Series:
    """Which of _DIAMETERS each size has, areas being in proportion; the smallest where none is published."""
    largest: Any = sizes.max() or 1
    scaled = (sizes.fill_null(0).clip(0) / largest).sqrt() * len(_DIAMETERS)
    return scaled.floor().clip(0, len(_DIAMETERS) - 1).cast(pl.Int8)


def _scaled(circles: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Whole coordinates within the picture, both axes by the same scale, upwards as on paper."""
    xs, ys = circles["x"].to_list(), circles["y"].to_list()
    wide, high = max(xs) - min(xs), max(ys) - min(ys)
    scale = min(
        (_WIDTH - 2 * _MARGIN) / wide if wide else 1.0, (_HEIGHT - 2 * _MARGIN) / high if high else 1.0
    )
    middle_x, middle_y = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    return (
        pl.Series("_x", [round(_WIDTH / 2 + (x - middle_x) * scale) for x in xs]),
        pl.Series("_y", [round(_HEIGHT / 2 - (y - middle_y) * scale) for y in ys]),
    )


def _circles(own: pl.DataFrame, colour: str) -> str:
    """Dots of one colour: lines of no length with round ends, a path a size, which are the shortest to write."""
    paths = []
    for size in sorted(own["_class"].unique(), reverse=True):
        dots = own.filter(_class=size).select("_x", "_y")
        line = "".join(f"M{x} {y}h0" for x, y in dots.iter_rows())
        paths.append(f'<path stroke-width="{_DIAMETERS[size]}" d="{line}"/>')
    return f'<g stroke="{colour}">{"".join(paths)}</g>'


def _label(own: pl.DataFrame, number: int) -> str:
    """A topic's number, above its circle that is nearest to the middle of all."""
    circles = list(own.select("_x", "_y", "_class").iter_rows())
    middle = fmean(own["_x"]), fmean(own["_y"])
    x, y, size = min(circles, key=lambda circle: dist(circle[:2], middle))
    return f'<text x="{x}" y="{y - _DIAMETERS[size] // 2 - 2}">{number}</text>'

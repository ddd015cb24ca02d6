"""The classifier's audit as a picture: mean concern across, flagged share up, a circle's area its conversations."""

from __future__ import annotations

from html import escape
from math import sqrt

import polars as pl

from clio_dagster.release.tree import printable

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 420, 68, 48, 12, 16
LARGEST_RADIUS = 28.0
MOST = 2000
"""Circles that are drawn: the largest clusters."""


def scatter(clusters: pl.DataFrame) -> str:
    """An SVG of clusters (mean_concerning from 1, flagged_share 0 to 1, conversations, candidate, name, topic)."""
    drawn = clusters.drop_nulls(["mean_concerning", "flagged_share"])
    drawn = drawn.sort("conversations", descending=True).head(MOST)
    if drawn.is_empty():
        return ""
    largest = max(1, int(drawn["conversations"][0]))
    radii = {size: max(2.0, LARGEST_RADIUS * sqrt(size / largest)) for size in {*drawn["conversations"]}}
    most = _nice(drawn["mean_concerning"].to_numpy().max().item())
    circles = "".join(
        f'<circle class="{_KINDS.get(row["candidate"], "plain")}" cx="{_x(row["mean_concerning"], most):.1f}" '
        f'cy="{_y(row["flagged_share"]):.1f}" '
        f'r="{radii[row["conversations"]]:.1f}"><title>{_title(row)}</title></circle>'
        for row in drawn.iter_rows(named=True)
    )
    ticks = "".join(
        f'<text x="{_x(value, most):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:g}</text>'
        for value in (1 + (most - 1) * step / 4 for step in range(5))
    ) + "".join(
        f'<text x="{LEFT - 8}" y="{_y(value / 4) + 4}" text-anchor="end">{25 * value}%</text>'
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(value / 4)}" y2="{_y(value / 4)}"/>'
        for value in range(5)
    )
    middle = (LEFT + WIDTH - RIGHT) / 2
    return (
        f'<figure class="audit"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Clusters by mean concern and flagged share; the table below has the same">'
        f'{ticks}{circles}<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">Mean concern</text>'
        f'<text transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
        "Flagged share</text></svg>"
        "<figcaption>A circle is a cluster, its area its conversations. "
        '<span class="miss">False-negative candidates</span>: concern, and few flags. '
        '<span class="over">False-positive candidates</span>: flags, and little concern.</figcaption></figure>'
    )


_KINDS = {"false negative": "miss", "false positive": "over"}


def _nice(largest: float) -> float:
    """Where the axis of concern ends: most of its five levels are often empty."""
    return next(end for end in (2.0, 3.0, 5.0) if largest <= end or end == 5.0)


def _x(concern: float, most: float) -> float:
    return LEFT + (min(max(concern, 1), most) - 1) / (most - 1) * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return TOP + (1 - min(max(share, 0), 1)) * (HEIGHT - TOP - BOTTOM)


def _title(row: dict[str, object]) -> str:
    return escape(printable(f"{row['name'] or row['topic']}: {row['conversations']} conversations"))

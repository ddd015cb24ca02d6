"""Build the explorer: one page that opens from disk, with no network, framework or build step.

The page's sources are small files under `page/`: a template, style sheets, and ES modules that are joined
into one script in order of import. A content security policy names that script and the style sheet by hash,
so that nothing else can run, load or be sent, whatever a topic says. Data comes from the release's tables and
manifest alone, as JSON that cannot end its element.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

import polars as pl

from clio_dagster.release.contract import BORN, ReleaseError
from clio_dagster.release.manifest import Manifest
from clio_dagster.tables import CLUSTERED_BY

STYLES = ("base", "layout", "tree", "map", "rows", "trends", "crossing", "detail", "about")
ENTRY = "main.js"

MAP_UNITS = 10_000
_SIGNIFICANT_DIGITS = 3  # of a share or a lift in the page; the tables have the whole number
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) )", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\{\{ (\w+) \}\}")
_PAGE = files("clio_dagster.release") / "page"


def render_explorer(tables: dict[str, pl.DataFrame], manifest: Manifest) -> str:
    """The page for a release's tables (as `contract.publishable` returns them) and its manifest."""
    style, script = page_style(), page_script()
    parts = {
        "title": f"Topics of {manifest.date.isoformat()}",
        "policy": f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'",
        "style": style,
        "script": script,
        "data": embeddable_json(explorer_data(tables, manifest)),
    }
    return _PLACEHOLDER.sub(lambda match: parts[match[1]], _source("index.html"))


def explorer_data(tables: dict[str, pl.DataFrame], manifest: Manifest) -> dict[str, Any]:
    """What the page shows, column by column.

    Rows of the tables about topics are sorted by topic; `from` holds each topic's first row,
    and the number of rows at its end.
    """
    topics = (
        tables["topics"]
        .sort(
            pl.col("clustered_by") != CLUSTERED_BY,
            *("clustered_by", "level", "window_conversations", "node_id"),
            descending=[False, False, True, True, False],
            nulls_last=True,
        )
        .with_row_index("at")
    )
    places = topics.select("at", "clustered_by", "node_id", "topic")
    parents = topics.join(
        places.select("clustered_by", parent="at", parent_id="node_id"),
        on=("clustered_by", "parent_id"),
        how="left",
        maintain_order="left",
    )
    languages = _placed(tables["topic_languages"], places, "node_id")
    languages = languages.sort("at", "share", descending=[False, True], nulls_last=True, maintain_order=True)
    facets = _placed(tables["topic_facets"], places, "node_id").sort("at", "facet", "value")
    trends = _placed(tables["topic_trends"], places, "topic").sort("at", "date")
    coverage = tables["coverage"].filter(pl.col("date") == manifest.date)
    return {
        "release": manifest.model_dump(mode="json", exclude={"files"}),
        "topics": {
            **_columns(topics, "topic", "clustered_by", "name", "description"),
            **_columns(parents, "parent", "conversations", "window_conversations", "share", "privacy_score"),
            **_of_the_day(trends, topics.height, manifest, "growth", "event"),
            **_positions(topics),
        },
        "languages": {
            "from": _starts(languages, topics.height),
            **_coded(languages, "language", "base_rate"),
            "share": _shares(languages),
            **_columns(languages, "lift", "lift_low", "lift_high", "p_value"),
        },
        "facets": {
            "from": _starts(facets, topics.height),
            **_coded(facets, "facet", "value"),
            "share": _shares(facets),
            **_columns(facets, "conversations"),
        },
        "trends": _lines(trends, topics.height),
        "coverage": _columns(coverage, "language", "stage", "conversations"),
    }


def embeddable_json(data: Any) -> str:
    """JSON that is safe inside a `<script>` element and inside JavaScript: it cannot end the element, open a
    comment in it, or hold a line separator, because those characters are written as escapes.
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@cache
def page_style() -> str:
    """The one style sheet: the files of `page/css`, in order."""
    return "\n".join(_source(f"css/{name}.css") for name in STYLES)


@cache
def page_script() -> str:
    """The one script: `page/js/main.js` and what it imports, each module once and after those it imports.

    Modules share one scope once joined, so a name is declared in one module alone; the browser refuses a
    second.
    Raises ReleaseError where modules import each other in a circle.
    """
    joined: dict[str, str] = {}
    _join(ENTRY, joined, ())
    return "\n".join(joined.values())


def _join(name: str, joined: dict[str, str], importers: tuple[str, ...]) -> None:
    if name in importers:
        raise ReleaseError(f"page/js: {' imports '.join((*importers, name))}")
    if name in joined:
        return
    source = _source(f"js/{name}")
    for imported in _IMPORT.findall(source):
        _join(imported, joined, (*importers, name))
    joined[name] = _EXPORT.sub("", _IMPORT.sub("", source))


def _source(name: str) -> str:
    return _PAGE.joinpath(name).read_text("utf-8")


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _placed(frame: pl.DataFrame, places: pl.DataFrame, key: str) -> pl.DataFrame:
    """Rows with the place of their topic, found by `key`; rows of topics outside the tree are left out."""
    keys = ["clustered_by", key] if "clustered_by" in frame.columns else [key]
    return frame.join(places.select("at", *keys), on=keys, maintain_order="left")


def _starts(frame: pl.DataFrame, topics: int) -> list[int]:
    """First row of each topic in a frame sorted by `at`, and its height at the end."""
    return frame["at"].search_sorted(pl.int_range(topics + 1, dtype=pl.UInt32, eager=True)).to_list()


def _shares(frame: pl.DataFrame) -> list[int | None]:
    """Shares as whole hundred-thousandths: half the bytes, and exact."""
    return (frame["share"] * 100_000).round().cast(pl.Int32).to_list()


def _lines(trends: pl.DataFrame, topics: int) -> dict[str, Any]:
    """Each topic's shares from its first published day to its last, null between where none is; `first` is
    that first day's place among `dates`, `births` the days on which a topic was new.
    """
    dates = trends["date"].unique().sort()
    coded = trends.select("at", "share", "event", day=pl.col("date").rank("dense").cast(pl.Int64) - 1)
    spans = coded.group_by("at").agg(first=pl.col("day").min(), end=pl.col("day").max() + 1).sort("at")
    every = spans.select("at", day=pl.int_ranges("first", "end")).explode("day")
    lines = every.join(coded, on=("at", "day"), how="left", maintain_order="left")
    order = pl.DataFrame({"at": pl.int_range(topics, dtype=pl.UInt32, eager=True)})
    return {
        "dates": _plain(dates),
        "first": order.join(spans, on="at", how="left", maintain_order="left")["first"].to_list(),
        "from": _starts(lines, topics),
        "share": _shares(lines),
        "births": _columns(coded.filter(pl.col("event") == BORN), "at", "day"),
    }


def _of_the_day(trends: pl.DataFrame, topics: int, manifest: Manifest, *names: str) -> dict[str, list[Any]]:
    """Columns of each topic's row of the release's own date; null where none is published."""
    today = trends.filter(pl.col("date") == manifest.date).select("at", *names)
    every = pl.DataFrame({"at": pl.int_range(topics, dtype=pl.UInt32, eager=True)})
    return _columns(every.join(today, on="at", how="left", maintain_order="left"), *names)


def _positions(topics: pl.DataFrame) -> dict[str, list[int | None]]:
    """Places on the map of each clustered facet, in whole parts of its longer side, MAP_UNITS of them."""
    origin = topics.select(pl.col("x", "y") - pl.col("x", "y").min().over("clustered_by"))
    longer = topics.select(
        span=pl.max_horizontal(
            (pl.col(axis).max() - pl.col(axis).min()).over("clustered_by") for axis in ("x", "y")
        )
    )["span"]
    whole = pl.when(longer > 0).then(MAP_UNITS / longer).otherwise(0.0)
    scaled = origin.select((pl.col("x", "y") * whole).round().cast(pl.Int32))
    return {"x": scaled["x"].to_list(), "y": scaled["y"].to_list()}


def _columns(frame: pl.DataFrame, *names: str) -> dict[str, list[Any]]:
    return {name: _plain(frame[name]) for name in names}


def _coded(frame: pl.DataFrame, *names: str) -> dict[str, dict[str, list[Any]]]:
    """Columns of few distinct values: those values in order, and each row's place among them."""
    return {
        name: {
            "values": _plain(frame[name].drop_nulls().unique().sort()),
            "of": (frame[name].rank("dense").cast(pl.Int64) - 1).to_list(),
        }
        for name in names
    }


def _plain(column: pl.Series) -> list[Any]:
    """Values that JSON can hold, numbers no longer than a reader needs."""
    if column.dtype == pl.Date:
        column = column.dt.to_string("iso")
    if column.dtype == pl.Float64:
        column = pl.select(pl.when(column.is_finite()).then(column)).to_series()
        column = column.round(5).round_sig_figs(_SIGNIFICANT_DIGITS)
    return column.to_list()

"""What the UI shows of a section of an evaluation: its figures as plots over time, its tables and its pictures.

All of it is figures of made-up conversations and names of their categories. It is bounded: an event is no place for a
document, which `clio evaluate` writes.
"""

import base64
import math
from collections.abc import Sequence
from typing import Any

import polars as pl
from dagster import MetadataValue, TableColumn, TableRecord, TableSchema

from clio_dagster.evaluation.document import as_table
from clio_dagster.evaluation.section import Bar, Section

LONGEST_TABLE, LONGEST_CELL, LARGEST_PICTURE = 40, 80, 100_000
"""Rows, characters and bytes that are shown."""

FIGURES = TableSchema(
    columns=[
        TableColumn("figure", "string", "What is measured."),
        TableColumn("value", "float"),
        TableColumn("low", "float", "Of its interval, where it has one."),
        TableColumn("high", "float"),
        TableColumn("n", "int", "Of how many."),
        TableColumn("bar", "string", "What it must come to, where anything is promised."),
        TableColumn("held", "string"),
    ]
)


def metadata_of(section: Section) -> dict[str, Any]:
    """Numbers by the names of their bars, then what is for reading."""
    return {
        **{bar.what: value for bar in section.bars if (value := _finite(bar.value)) is not None},
        "bars_held": sum(bar.held is True for bar in section.bars),
        "bars_missed": len(section.missed),
        "about": MetadataValue.md(section.about),
        "figures": MetadataValue.table([_record(bar) for bar in section.bars], schema=FIGURES),
        **{caption: MetadataValue.md(markdown(table)) for caption, table in section.tables.items()},
        **{name: MetadataValue.md(picture(name, svg)) for name, svg in section.pictures.items()},
    }


def told(bars: Sequence[Bar]) -> str:
    """Figures that miss their bars, in words."""
    return "; ".join(f"{bar.what}: {bar.value:.4g}, not {bar.bound}" for bar in bars)


def markdown(table: pl.DataFrame) -> str:
    """A table's first rows as Markdown."""
    shown = as_table(table.head(LONGEST_TABLE).with_columns(pl.col(pl.String).str.slice(0, LONGEST_CELL)))
    more = table.height - LONGEST_TABLE
    return f"{shown}\n\n{more} more rows are not shown." if more > 0 else shown


def picture(name: str, svg: str) -> str:
    """An SVG document as a Markdown image that carries it."""
    if len(svg.encode()) > LARGEST_PICTURE:
        return "Too large to be shown here."
    return f"![{name}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _record(bar: Bar) -> TableRecord:
    low, high = bar.interval or (math.nan, math.nan)
    return TableRecord(
        {
            "figure": bar.what,
            "value": _finite(bar.value),
            "low": _finite(low),
            "high": _finite(high),
            "n": bar.n,
            "bar": bar.bound,
            "held": {None: "", True: "yes", False: "no"}[bar.held],
        }
    )


def _finite(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None

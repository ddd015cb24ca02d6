"""An evaluation as a Markdown document, with its pictures beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from clio_dagster.evaluation.evaluate import Evaluation
from clio_dagster.evaluation.intervals import LEVEL
from clio_dagster.evaluation.section import Bar, Section

FIRST = "real_labels"
"""The section that stands above all others: nobody here wrote what it measures."""

PICTURES = "images/evaluation"
"""Where pictures lie, seen from the document."""

OPENING = """
# Evaluation

`clio evaluate` measures what an analyst and a site's settings come to on conversations whose categories are known, and
wrote this page: no figure on it was typed. `docs/evaluating.md` says how, and what follows.
""".strip()

OFFLINE = (
    "**Offline analyst on synthetic text**, but for sections that name their own text: the paper's figures, where they "
    "stand beside, are Claude's."
)


def write(evaluation: Evaluation, path: Path) -> None:
    """Write the document to a file, and its pictures to PICTURES beside it, where no other picture is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.parent / PICTURES
    drawn = pictures(evaluation)
    for old in folder.glob("*.svg"):
        if old.name not in drawn:
            old.unlink()
    if drawn:
        folder.mkdir(parents=True, exist_ok=True)
    for name, picture in drawn.items():
        (folder / name).write_text(picture, "utf-8")
    path.write_text(markdown(evaluation), "utf-8")


def pictures(evaluation: Evaluation) -> dict[str, str]:
    """SVG documents by the name of their file."""
    return {
        _file(section, name): picture
        for section in evaluation.sections
        for name, picture in section.pictures.items()
    }


def markdown(evaluation: Evaluation) -> str:
    """The document's text: what made it, all figures with their bars, then section by section."""
    sections = sorted(evaluation.sections, key=lambda section: section.name != FIRST)
    is_offline = str(evaluation.made_by.get("analyst", "")).startswith("offline")
    parts = [
        OPENING,
        *([OFFLINE] if is_offline else []),
        _grid(("made by", ""), [(name, _entry(value)) for name, value in evaluation.made_by.items()]),
        "## All figures",
        f"Intervals cover {LEVEL:.0%}. A figure without a bar promises nothing.",
        _bars(sections),
    ]
    for section in sections:
        parts += [f"## {section.title}", section.about]
        parts += [f"![{Path(name).stem}]({PICTURES}/{_file(section, name)})" for name in section.pictures]
        for caption, table in section.tables.items():
            parts += [f"### {caption}", as_table(table)]
    return "\n\n".join(parts) + "\n"


def as_table(table: pl.DataFrame) -> str:
    """A frame as a Markdown table, floats to three decimals."""
    heads = [_text(name.replace("_", " ")) for name in table.columns]
    rows = [[_cell(value) for value in row] for row in table.iter_rows()]
    numeric = [dtype.is_numeric() for dtype in table.dtypes]
    return _grid(heads, rows, numeric)


def figure(value: float) -> str:
    """A figure to three decimals; one of 1,000 and more to whole ones, one near 0 to three digits."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if value and abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3f}".rstrip("0").rstrip(".")


def ends(interval: tuple[float, float] | None) -> str:
    """An interval in words, empty where there is none."""
    return "" if interval is None else f"{figure(interval[0])} – {figure(interval[1])}"


def _bars(sections: Sequence[Section]) -> str:
    heads = ("section", "what", "figure", "interval", "n", "bar", "held")
    rows = [(section.title, *_figures(bar)) for section in sections for bar in section.bars]
    return _grid(heads, rows, (False, False, True, True, True, True, False))


def _figures(bar: Bar) -> tuple[str, ...]:
    n = f"{bar.n:,}" if bar.n else ""
    held = {True: "yes", False: "**no**", None: ""}[bar.held if bar.held is None else bool(bar.held)]
    return _text(bar.what), figure(bar.value), ends(bar.interval), n, bar.bound, held


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool] = ()) -> str:
    rule = ["--:" if right else "---" for right in numeric] or ["---"] * len(heads)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return figure(value)
    if isinstance(value, int):
        return f"{value:,}"
    return ", ".join(map(_cell, value)) if isinstance(value, list) else _text(str(value))


def _entry(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_entry(each)}" for name, each in value.items()) or "defaults"
    return _cell(value)


def _text(value: str) -> str:
    """Text that stays within its cell."""
    return " ".join(value.replace("|", r"\|").split())


def _file(section: Section, name: str) -> str:
    return f"{section.name}-{Path(name).stem}.svg"

"""An evaluation, and a comparison of two, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from clio_dagster.evaluation.compare import BETTER, DIFFERENT, WORSE, Comparison
from clio_dagster.evaluation.document import ends, figure
from clio_dagster.evaluation.evaluate import Evaluation
from clio_dagster.evaluation.intervals import LEVEL

HELD = {True: Text("yes", "green"), False: Text("NO", "red"), None: Text("–", "dim")}
COLOURS = {BETTER: "green", WORSE: "red", DIFFERENT: "yellow"}


def bars_table(found: Evaluation) -> Table:
    """Every figure of an evaluation beside its bar."""
    title = f"{found.made_by['analyst']}, {found.made_by['conversations']:,} conversations"
    table = Table(
        "figure", "", f"{LEVEL:.0%} interval", "n", "bar", "held", title=title, title_justify="left"
    )
    for section in found.sections:
        table.add_row(Text(section.title, "bold"))
        for bar in section.bars:
            held = HELD[None if bar.held is None else bool(bar.held)]
            n = f"{bar.n:,}" if bar.n else ""
            table.add_row(Text(f"  {bar.what}"), figure(bar.value), ends(bar.interval), n, bar.bound, held)
        table.add_section()
    return table


def compared_tables(found: Comparison, names: Sequence[str]) -> list[Table]:
    """What made the two, where that differs, under their names; and every figure of either."""
    made = Table("", *map(escape, names), title="What made them", title_justify="left")
    for entry in found.changed.iter_rows():
        made.add_row(*(Text("–" if value is None else value) for value in entry))
    table = Table("figure", "a", "b", "b − a", "p, of all", "", title="Figures", title_justify="left")
    for row in found.bars.to_dicts():
        interval = None if row["low"] is None else (row["low"], row["high"])
        verdict = Text(row["verdict"], COLOURS.get(row["verdict"], ""))
        if row["reason"]:
            verdict.append(f"\n{row['reason']}", "dim")
        table.add_row(
            Text.assemble(row["what"], "\n", (row["section"], "dim")),
            _told(row["a"]),
            _told(row["b"]),
            "\n".join(part for part in (_told(row["difference"]), ends(interval)) if part),
            _told(row["p_holm"]),
            verdict,
        )
    return [made, table]


def _told(value: float | None) -> str:
    return "–" if value is None else figure(value)

"""What the attacks come to: lines and the table of shares, as text or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from rich.table import Table
from rich.text import Text

from clio_dagster.evaluation.intervals import LEVEL, Share

COMMAND = "this command"


@dataclass(frozen=True)
class Stage:
    """How many private items of a kind are found at a stage, under one analyst."""

    analyst: str
    kind: str
    stage: str
    share: Share


@dataclass(frozen=True)
class Line:
    """One thing that was tried. `held` is None where nothing is promised and the figure stands for itself, or where
    the tests and not this command decide it."""

    attack: str
    tried: str
    n: int
    figure: str
    interval: tuple[float, float] | None
    bar: str
    held: bool | None
    run_by: str = COMMAND


@dataclass(frozen=True)
class Report:
    """All that one call of the command came to."""

    stages: Sequence[Stage]
    lines: Sequence[Line]

    @property
    def held(self) -> bool:
        return all(line.held is not False for line in self.lines)

    def tables(self) -> list[Table]:
        return [*([_shares(self.stages)] if self.stages else []), _attacks(self.lines)]

    def json(self) -> str:
        return json.dumps(
            {
                "stages": [
                    {
                        "analyst": row.analyst,
                        "kind": row.kind,
                        "stage": row.stage,
                        "found": row.share.hits,
                        "n": row.share.n,
                        "interval": row.share.interval(),
                    }
                    for row in self.stages
                ],
                "attacks": [
                    asdict(line) | {"interval": line.interval and [_finite(end) for end in line.interval]}
                    for line in self.lines
                ],
                "held": self.held,
            },
            indent=2,
        )


def _shares(stages: Sequence[Stage]) -> Table:
    names = list(dict.fromkeys(row.stage for row in stages))
    table = Table(
        "analyst",
        "kind of item",
        "n",
        *names,
        title=f"Private items found at each stage, with {LEVEL:.0%} intervals",
        title_justify="left",
    )
    for analyst, of_analyst in groupby(stages, key=lambda row: row.analyst):
        rows = list(of_analyst)
        for kind, of_kind in groupby(rows, key=lambda row: row.kind):
            found = {row.stage: row.share for row in of_kind}
            table.add_row(analyst, kind, f"{found[names[0]].n:,}", *(_percent(found[name]) for name in names))
        total = {name: _sum([row.share for row in rows if row.stage == name]) for name in names}
        table.add_row(
            analyst,
            "all",
            f"{total[names[0]].n:,}",
            *(_percent(total[name]) for name in names),
            end_section=True,
        )
    return table


def _attacks(lines: Sequence[Line]) -> Table:
    table = Table(
        "attack",
        "figure",
        "bar",
        "held",
        "run by",
        title=f"Attacks, with {LEVEL:.0%} intervals",
        title_justify="left",
        show_lines=True,
    )
    for line in lines:
        n = f"n = {line.n:,}" if line.n else ""
        interval = "" if line.interval is None else f"{line.interval[0]:.4g} – {line.interval[1]:.4g}"
        held = {True: Text("yes", "green"), False: Text("NO", "red"), None: Text("–", "dim")}[line.held]
        table.add_row(
            Text.assemble(line.attack, "\n", (line.tried, "dim")),
            "\n".join(part for part in (line.figure, interval, n) if part),
            line.bar,
            held,
            line.run_by,
        )
    return table


def _sum(shares: Sequence[Share]) -> Share:
    return Share(sum(share.hits for share in shares), sum(share.n for share in shares))


def _percent(share: Share) -> str:
    low, high = share.interval()
    return f"{share.value:.1%}\n{low:.1%}–{high:.1%}"


def _finite(end: float) -> float | None:
    return end if abs(end) < float("inf") else None

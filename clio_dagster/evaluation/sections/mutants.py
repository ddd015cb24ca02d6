"""Whether the bars notice: faults put in on purpose, and which bars each turned red."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from clio_dagster.evaluation.given import Given
from clio_dagster.evaluation.mutants import MUTANTS, Mutant
from clio_dagster.evaluation.section import Bar, Section
from clio_dagster.evaluation.sections import auditor, names, noise

WATCHING: dict[str, Callable[[Given], Section]] = {
    "names": names.section,
    "auditor": auditor.section,
    "noise": noise.section,
}
"""The sections that have to notice, by name."""

ABOUT = """
A bar that nothing turns red promises nothing. Each fault is put into what was analysed, everything after it is made
anew, and the section that has to notice is made once more: a fault is caught where a bar is missed that holds without
it. No conversation is read again, but topics are named anew for three of the faults, and
the set of the auditor is scored without any fault once more.
""".strip()


def section(given: Given) -> Section:
    """Every mutant against the bars that hold without it."""
    red = red_by_mutant(given, MUTANTS)
    caught = sum(bool(bars) for bars in red.values())
    table = pl.DataFrame(
        {
            "fault": [mutant.name for mutant in MUTANTS],
            "what it does": [mutant.what for mutant in MUTANTS],
            "section": [mutant.seen_by for mutant in MUTANTS],
            "bars turned red": ["; ".join(red[mutant.name]) or "none" for mutant in MUTANTS],
        }
    )
    bar = Bar("faults caught", float(caught), at_least=float(len(MUTANTS)), n=len(MUTANTS))
    return Section("mutants", "Faults that must be noticed", ABOUT, [bar], {"Faults": table})


def red_by_mutant(given: Given, mutants: Sequence[Mutant]) -> dict[str, list[str]]:
    """For each mutant's name, the bars that it turns red and that hold without it."""
    wanted = sorted({mutant.seen_by for mutant in mutants})
    held = {name: {bar.what for bar in WATCHING[name](given).bars if bar.held} for name in wanted}
    return {
        mutant.name: [
            bar.what
            for bar in WATCHING[mutant.seen_by](mutant.change(given)).missed
            if bar.what in held[mutant.seen_by]
        ]
        for mutant in mutants
    }

"""What changed between two evaluations: of two models, versions of prompts, settings or dates.

Figures of the same conversations are compared pair by pair, other shares as two samples, and all tests of a comparison
are held together to one error rate. Conversations that fare in groups, as those of a base cluster do under its name,
are compared by groups, where a figure tells them (`together`): one cluster that is named otherwise is one event. A
figure that does not tell them is tested as if each conversation fared by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from clio_dagster.evaluation.evaluate import Evaluation
from clio_dagster.evaluation.intervals import LEVEL
from clio_dagster.evaluation.pairs import Difference, holm, of_groups, of_others, of_pairs
from clio_dagster.evaluation.section import Bar

BETTER, WORSE, SAME = "better", "worse", "no difference seen"
DIFFERENT = "different"
"""Of a figure without a bar, or with one on either side: which way is better nobody has said."""

NOT_COMPARABLE = "not comparable"

CORPUS = ("conversations", "seed", "corpora")
"""Of `made_by`, what decides which conversations there are."""

COLUMNS: dict[str, type[pl.DataType]] = {
    "section": pl.String,
    "what": pl.String,
    "a": pl.Float64,
    "b": pl.Float64,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "test": pl.String,
    "p": pl.Float64,
    "p_holm": pl.Float64,
    "verdict": pl.String,
    "reason": pl.String,
}
"""Columns of Comparison.bars: `difference` is b − a, `low` to `high` its interval at LEVEL by itself, `p_holm` adjusted
for all tests. What is not known is null."""


@dataclass(frozen=True)
class Comparison:
    """`changed`: what, a, b, of what made the two, where they differ. `bars`: COLUMNS, a row a figure of either."""

    changed: pl.DataFrame
    bars: pl.DataFrame

    @property
    def worse(self) -> list[str]:
        """Figures that are worse, with their sections."""
        rows = self.bars.filter(verdict=WORSE).select("section", "what").iter_rows()
        return [f"{section}: {what}" for section, what in rows]


def compare(a: Evaluation, b: Evaluation) -> Comparison:
    """How `b`, the later one, differs from `a`."""
    other = [
        f"{name} {a.made_by.get(name)} and {b.made_by.get(name)}"
        for name in CORPUS
        if a.made_by.get(name) != b.made_by.get(name)
    ]
    reason = f"other conversations: {', '.join(other)}" if other else ""
    before, after = _bars(a), _bars(b)
    rows = [_row(key, before.get(key), after.get(key), reason) for key in dict.fromkeys([*before, *after])]
    tested = [row for row in rows if row["p"] is not None]
    for row, adjusted in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = adjusted
        is_seen = adjusted <= 1 - LEVEL
        row["verdict"] = (
            _direction(after[row["section"], row["what"]], row["difference"]) if is_seen else SAME
        )
    return Comparison(changed(a.made_by, b.made_by), pl.DataFrame(rows, schema=COLUMNS))


def changed(a: Mapping[str, Any], b: Mapping[str, Any]) -> pl.DataFrame:
    """what, a, b: entries of two evaluations' `made_by` that differ, as text; null where there is none."""
    before, after = _flat(a), _flat(b)
    rows = [
        (name, before.get(name), after.get(name))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(("what", "a", "b"), pl.String), orient="row")


def _bars(evaluation: Evaluation) -> dict[tuple[str, str], Bar]:
    return {(section.name, bar.what): bar for section in evaluation.sections for bar in section.bars}


def _row(key: tuple[str, str], a: Bar | None, b: Bar | None, other: str) -> dict[str, Any]:
    row = dict.fromkeys(COLUMNS) | dict(zip(("section", "what"), key, strict=True))
    row |= {"a": _measured(a), "b": _measured(b)}
    if a is None or b is None:
        return row | {"verdict": NOT_COMPARABLE, "reason": f"only in {'b' if a is None else 'a'}"}
    if row["a"] is not None and row["b"] is not None:
        row["difference"] = row["b"] - row["a"]
    if other:
        return row | {"verdict": NOT_COMPARABLE, "reason": other}
    found = _test(a, b)
    if found is None:
        return row | _untested(a, b)
    return row | {
        "difference": found.value,
        "low": found.low,
        "high": found.high,
        "test": found.test,
        "p": found.p,
    }


def _test(a: Bar, b: Bar) -> Difference | None:
    pairs = _pairs(a.hits, b.hits)
    if pairs is not None:
        hits = pairs["hit"].to_list(), pairs["hit_later"].to_list()
        groupings = [_groups(pairs, name) for name in ("together", "together_later") if name in pairs.columns]
        return of_groups(*hits, groupings) if groupings else of_pairs(*hits)
    counts = [_hits(bar) for bar in (a, b)]
    if any(count is None for count in counts):
        return None
    return of_others(counts[0] or 0, a.n, counts[1] or 0, b.n)


def _pairs(a: pl.DataFrame | None, b: pl.DataFrame | None) -> pl.DataFrame | None:
    """Both hits of each conversation, where they are of the same ones."""
    if a is None or b is None or a.is_empty() or a.height != b.height:
        return None
    if a["conversation_id"].n_unique() != a.height:
        return None
    both = a.join(b, on="conversation_id", suffix="_later").sort("conversation_id")
    is_hit = pl.col("hit", "hit_later").fill_null(value=False)
    return both.with_columns(is_hit) if both.height == a.height else None


def _groups(pairs: pl.DataFrame, name: str) -> list[str]:
    """The group of each conversation; one by itself is its own."""
    return pairs.select(pl.coalesce(name, pl.format("alone {}", "conversation_id"))).to_series().to_list()


def _hits(bar: Bar) -> int | None:
    """Of how many of `n` the value is the share; None where it is none."""
    if not bar.n or not 0 <= bar.value <= 1:
        return None
    hits = bar.value * bar.n
    return round(hits) if abs(hits - round(hits)) < 1e-6 else None


def _untested(a: Bar, b: Bar) -> dict[str, Any]:
    """Of figures that no test is for: whether the bar holds as it did."""
    if a.held and b.held is False:
        return {"verdict": WORSE, "reason": "untested: its bar held, and does not now"}
    if a.held is False and b.held:
        return {"verdict": BETTER, "reason": "untested: its bar holds now"}
    if a.value == b.value or (math.isnan(a.value) and math.isnan(b.value)):
        return {"verdict": SAME, "reason": "untested: the same figure"}
    return {
        "verdict": NOT_COMPARABLE,
        "reason": "untested: no share of conversations, and no other test is known",
    }


def _direction(bar: Bar, difference: float) -> str:
    if (bar.at_least is None) == (bar.at_most is None):
        return DIFFERENT
    is_more_better = bar.at_least is not None
    return BETTER if (difference > 0) == is_more_better else WORSE


def _measured(bar: Bar | None) -> float | None:
    return None if bar is None or not math.isfinite(bar.value) else float(bar.value)


def _flat(made_by: Mapping[str, Any], within: str = "") -> dict[str, str]:
    """Entries as text; those of a mapping under `NAME.ENTRY`."""
    found: dict[str, str] = {}
    for name, value in made_by.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{within}{name}.")
        else:
            found[f"{within}{name}"] = str(value)
    return found

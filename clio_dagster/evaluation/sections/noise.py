"""Whether published counts carry the noise that the settings say, once it is taken off again."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from clio_dagster.evaluation.corpora.bank import KINDS
from clio_dagster.evaluation.given import Analysed, Given
from clio_dagster.evaluation.pipeline import NOISELESS, Site, publish
from clio_dagster.evaluation.section import Bar, Section

LEAST_SPREAD, MOST_SPREAD = 0.7, 1.4
"""Of the mean size of the noise as a share of what is due: half the noise, or double, falls outside. Tuned on the
corpora's tuning half, where 12 keys give .85 to 1.11."""

MOST_UNCHANGED = 2.0
"""Share of counts that are published as they are, as a multiple of what is due."""

ABOUT = """
Every published count is a day's count with noise, drawn once. Here the exact counts of the last day are made beside the
published ones, which only an evaluation may do, and what lies between is held against two-sided geometric noise of the
site's ε and cap. A count shows only if it reaches the edge with its noise, so what is due is the expectation given that
it did. *Spread* is the mean size of the noise over what is due: 1 where all is as the settings say, 0 without noise, ½
where ε is twice what it should be. A few hundred counts tell it to about a tenth. Where the site sets ε to infinity no
noise is due, so nothing can be measured and no bar holds.
""".strip()


def section(given: Given) -> Section:
    """The spread of the noise in both corpora's published cells and coverage, beside what is due."""
    rows = [
        taken_off(given.analysed(kind), given.site).select(pl.lit(kind).alias("corpus"), pl.all())
        for kind in KINDS
    ]
    noise = with_due(pl.concat(rows), given.site)
    by_figure = [
        ("all", noise),
        *(
            (f"{corpus}, {figure}", part)
            for (corpus, figure), part in noise.group_by("corpus", "figure", maintain_order=True)
        ),
    ]
    table = pl.DataFrame([{"counts": name, **_figures(part)} for name, part in by_figure])
    overall = table.row(0, named=True)
    bars = [
        Bar(
            "spread of the noise over what is due",
            overall["spread"],
            at_least=LEAST_SPREAD,
            at_most=MOST_SPREAD,
            n=noise.height,
        ),
        Bar(
            "counts published as they are, over what is due",
            overall["unchanged"],
            at_most=MOST_UNCHANGED,
            n=noise.height,
        ),
        Bar("mean noise, in conversations, less what is due", overall["mean"], n=noise.height),
    ]
    return Section("noise", "Noise in what is published", ABOUT, bars, {"Noise": table})


def taken_off(analysed: Analysed, site: Site) -> pl.DataFrame:
    """figure (`cells` or `coverage`), exact count and noise of each published figure of the last day."""
    exact = publish(
        analysed.made,
        analysed.everything,
        site.with_settings(
            **NOISELESS, cell_min_conversations=0, cell_min_accounts=0, sensitive_word_min_accounts=0
        ),
    )
    pairs = (
        ("cells", analysed.figures.cells, exact.cells, ["clustered_by", "topic", "facet", "value"]),
        ("coverage", analysed.figures.coverage, exact.coverage, ["language", "stage"]),
    )
    return pl.concat(
        shown.join(true.rename({"conversations": "exact"}), on=key).select(
            pl.lit(figure).alias("figure"),
            "exact",
            (pl.col("conversations") - pl.col("exact")).alias("noise"),
        )
        for figure, shown, true, key in pairs
    )


def with_due(noise: pl.DataFrame, site: Site) -> pl.DataFrame:
    """`noise` with what is due of each figure given that it shows: mean, mean size, and chance of none."""
    settings = site.settings
    epsilon, edge = settings.epsilon_of("cell"), settings.cell_min_conversations
    if math.isinf(epsilon):
        return noise.with_columns(pl.lit(0.0).alias(name) for name in ("mean_due", "size_due", "none_due"))
    reach = int(40 * settings.account_cap / epsilon) + 1
    draws = np.arange(-reach, reach + 1)
    chance = np.exp(-np.abs(draws) * epsilon / settings.account_cap)
    # From each draw on: sums over what a figure may have drawn, if it shows.
    tails = {
        "mass": chance,
        "mean_due": chance * draws,
        "size_due": chance * np.abs(draws),
        "none_due": chance * (draws == 0),
    }
    sums = {name: np.cumsum(values[::-1])[::-1] for name, values in tails.items()}
    least = np.clip(edge - noise["exact"].to_numpy() + reach, 0, 2 * reach)
    return noise.with_columns(
        pl.Series(name, sums[name][least] / sums["mass"][least])
        for name in ("mean_due", "size_due", "none_due")
    )


def _figures(part: pl.DataFrame) -> dict[str, float]:
    size, due = (float(part[column].abs().sum()) for column in ("noise", "size_due"))
    unchanged, none_due = int((part["noise"] == 0).sum()), float(part["none_due"].sum())
    return {
        "figures": part.height,
        "spread": size / due if due else math.nan,
        "unchanged": unchanged / none_due if none_due else math.nan,
        "mean": float((part["noise"] - part["mean_due"]).mean() or 0.0) if part.height else math.nan,  # type: ignore[arg-type]
    }

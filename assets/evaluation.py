"""How well the site does on made-up conversations whose answers are known: an asset for each section of an evaluation.

All selected sections are made in one run, over corpora that go through the engine once. Nothing of the pipeline waits
for them, and no rule asks for them: the job `evaluate` does, or its schedule where somebody has started it.
"""

import time
from collections.abc import Iterable, Iterator
from datetime import date
from inspect import getdoc
from pathlib import Path
from typing import Any

import polars as pl
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetSpec,
    Config,
    MaterializeResult,
    MetadataValue,
    multi_asset,
)
from pydantic import Field

from assets.common import OWNERS, RESTRICTED, docs
from assets.evaluation_metadata import markdown, metadata_of, told
from clio_dagster.evaluation.compare import WORSE, compare
from clio_dagster.evaluation.evaluate import SECTIONS, Evaluation, made_by, sections_of
from clio_dagster.evaluation.saved import keep
from clio_dagster.evaluation.section import Section
from clio_dagster.privacy.silence import quiet
from resources.evaluation import Pair, given_of, last_of
from resources.readers import AnalystResource
from resources.site import Site

GROUP = "evaluation"
BARS_HOLD, NO_WORSE = "bars_hold", "no_worse_than_last"

MEANING = {
    BARS_HOLD: "Every figure of the section that a bar is set for meets it. If it fails, compare with the last "
    "evaluation what has changed: analyst, model, prompts, embedder, settings. Nothing of the pipeline is held back.",
    NO_WORSE: "No figure is worse than in the last evaluation of as many conversations and the same seed, beyond what "
    "chance does. The first one passes.",
}

BY_WHOM = (
    "Made with the other selected sections, by the configured analyst: where that is Claude, conversations and topics "
    "are paid for as any others are."
)

SHOWN = ("what", "a", "b", "difference", "low", "high", "test", "p_holm", "verdict", "reason")
"""Columns of a comparison that the check shows."""


def key_of(section: str) -> AssetKey:
    return AssetKey([GROUP, section])


class Size(Config):
    """How large an evaluation is, and of what."""

    conversations: int = Field(
        default=20_000,
        ge=100,
        le=200_000,
        description="Made-up conversations, half ordinary, half concerning.",
    )
    seed: int = Field(
        default=0,
        ge=0,
        description="Decides all that is drawn. Evaluations of one seed and size can be compared.",
    )
    asked_on: str | None = Field(
        default=None,
        description="A date (2026-11-01): Claude is asked again whatever it was not asked for that date, which shows "
        "a model that changed behind its name, and is paid for. Without it the ledger's answers count.",
    )
    data: str | None = Field(
        default=None, description="A folder of labelled sets that others made; without it they are left out."
    )


@multi_asset(
    name="evaluation",
    specs=[
        AssetSpec(
            key_of(name),
            description=f"{getdoc(make)}\n\n{BY_WHOM}",
            group_name=GROUP,
            owners=OWNERS,
            kinds={"python"},
            tags=RESTRICTED,
            metadata={"docs": docs(GROUP)},
        )
        for name, make in SECTIONS.items()
    ],
    check_specs=[
        AssetCheckSpec(check, asset=key_of(name), description=meaning)
        for name in SECTIONS
        for check, meaning in MEANING.items()
    ],
    can_subset=True,
    # In no pool: one that asks Claude for hours would keep the site's own conversations waiting.
)
def evaluation(
    context: AssetExecutionContext, config: Size, site: Site, analyst: AnalystResource
) -> Iterator[MaterializeResult | AssetCheckResult]:
    given = given_of(
        site,
        analyst,
        conversations=config.conversations,
        seed=config.seed,
        data=Path(config.data) if config.data else None,
        asked_on=date.fromisoformat(config.asked_on) if config.asked_on else None,
    )
    by = made_by(given)
    sections: list[Section] = []
    for name in SECTIONS:
        if key_of(name) not in context.op_execution_context.selected_asset_keys:
            continue
        started = time.perf_counter()
        with quiet(GROUP, name):
            sections += sections_of(given, [name])
        yield MaterializeResult(
            asset_key=key_of(name),
            metadata=metadata_of(sections[-1])
            | {"made_by": by, "seconds": round(time.perf_counter() - started, 3)},
        )
        yield bars_hold(sections[-1])
    made, home = Evaluation(sections, by), site.settings.home
    earlier = last_of(made, home, context.log.warning)
    context.log.info(f"kept as {keep(made, home).name}")
    yield from _no_worse(earlier)


def bars_hold(section: Section) -> AssetCheckResult:
    """Whether every figure of a section that a bar is set for meets it."""
    promised = [bar for bar in section.bars if bar.held is not None]
    return AssetCheckResult(
        passed=not section.missed,
        asset_key=key_of(section.name),
        check_name=BARS_HOLD,
        severity=AssetCheckSeverity.ERROR,
        metadata={"bars": len(promised), "missed": len(section.missed)}
        | ({"told": told(section.missed)} if section.missed else {}),
    )


def _no_worse(earlier: Iterable[Pair]) -> Iterator[AssetCheckResult]:
    """Of each section, whether anything is worse than in the last one that it can be compared with."""
    for folder, before, after in earlier:
        compared = compare(before, after)
        for section in after.sections:
            bars = compared.bars.filter(pl.col("section") == section.name)
            worse = bars.filter(pl.col("verdict") == WORSE)["what"].to_list()
            shown: dict[str, Any] = {"compared_with": "nothing: the first of its kind"}
            if folder is not None:
                shown = {
                    "compared_with": folder.name,
                    "worse": "; ".join(worse),
                    "figures": MetadataValue.md(markdown(bars.select(SHOWN))),
                    "changed": MetadataValue.md(markdown(compared.changed)),
                }
            yield AssetCheckResult(
                passed=not worse,
                asset_key=key_of(section.name),
                check_name=NO_WORSE,
                severity=AssetCheckSeverity.WARN,
                metadata=shown,
            )

"""The asset group `evaluation`: what a run shows, which checks it turns red, and that nothing else hangs on it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from dagster import (
    AssetCheckSeverity,
    AssetSelection,
    DagsterInstance,
    DefaultScheduleStatus,
    ExecuteInProcessResult,
    RunRequest,
    build_schedule_context,
    materialize,
)

from assets.evaluation import BARS_HOLD, NO_WORSE, bars_hold, evaluation, key_of
from assets.evaluation_metadata import LONGEST_CELL, LONGEST_TABLE, markdown, metadata_of, picture
from clio_dagster.analyst.offline.analyst import OfflineAnalyst
from clio_dagster.analyst.protocol import Analyst, Node
from clio_dagster.definitions import defs
from clio_dagster.evaluation.corpora.bank import KINDS, LANGUAGES, categories
from clio_dagster.evaluation.corpora.corpus import Corpus, make_corpus
from clio_dagster.evaluation.evaluate import SECTIONS, Evaluation
from clio_dagster.evaluation.saved import keep, kept, load
from clio_dagster.evaluation.section import Bar, Section
from clio_dagster.tables import READ
from resources.evaluation import last_of
from resources.readers import AnalystResource, EmbedderResource
from resources.site import Site
from sensors.jobs import jobs
from sensors.schedules import evaluate_weekly

CONVERSATIONS = 600
SMALL = {"min_conversations": 5, "min_accounts": 3, "max_account_share": 1, "cluster_size": 8, "epsilon": 20}
"""Thresholds at which so few conversations make topics."""

RECONSTRUCTION = key_of("reconstruction")


def corpora() -> list[Corpus]:
    return [make_corpus(kind, CONVERSATIONS // 2, languages=LANGUAGES) for kind in KINDS]


class Knowing(OfflineAnalyst):
    """Has been told what each conversation is about."""

    name = "knowing"

    @cached_property
    def requests(self) -> pl.DataFrame:
        names = {each.id: each.name for kind in KINDS for each in categories(kind)}
        about = pl.concat_str(
            pl.col("category").replace_strict(names),
            "subcategory",
            pl.col("slots").list.join(" "),
            separator=" ",
        )
        return pl.concat(each.labels for each in corpora()).select("conversation_id", request=about)

    def extract(self, conversations: pl.DataFrame) -> pl.DataFrame:
        known = conversations.select("conversation_id").join(
            self.requests, on="conversation_id", how="left", maintain_order="left"
        )
        return known.select(
            "conversation_id",
            status=pl.lit(READ),
            request="request",
            task=pl.lit("answer"),
            concerning=pl.lit(1, pl.Int8),
            refused=pl.lit(value=False),
        )


class Careless(Knowing):
    """The same, after a change that nobody meant: whatever it is to assign goes to one place."""

    name = "careless"

    def assign(self, children: Sequence[Node], parents: Sequence[Node]) -> list[int]:
        return [0] * len(children)


class KnowingResource(AnalystResource):
    @cached_property
    def analyst(self) -> Analyst:
        return Knowing(self.embedder.embedder)


class CarelessResource(AnalystResource):
    @cached_property
    def analyst(self) -> Analyst:
        return Careless(self.embedder.embedder)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evaluated") / "home"


@pytest.fixture(scope="module")
def runs(home: Path) -> Iterator[Sequence[ExecuteInProcessResult]]:
    """One with an analyst that does well, then one with another that does not."""
    site = Site(overrides={"home": str(home), "key_file": str(home.with_name("key")), "threads": 1, **SMALL})
    embedder = EmbedderResource(site=site)
    with DagsterInstance.ephemeral() as instance:
        yield [
            materialize(
                [evaluation],
                instance=instance,
                selection=AssetSelection.assets(RECONSTRUCTION),
                resources={"site": site, "embedder": embedder, "analyst": kind(site=site, embedder=embedder)},
                run_config={"ops": {"evaluation": {"config": {"conversations": CONVERSATIONS}}}},
            )
            for kind in (KnowingResource, CarelessResource)
        ]


def checks(run: ExecuteInProcessResult) -> dict[str, Any]:
    return {each.check_name: each for each in run.get_asset_check_evaluations()}


def test_a_run_makes_what_was_selected_shows_its_figures_and_keeps_them(
    runs: Sequence[ExecuteInProcessResult], home: Path
) -> None:
    (event,) = runs[0].asset_materializations_for_node("evaluation")
    assert event.asset_key == RECONSTRUCTION
    found = load(kept(home)[0])
    assert [section.name for section in found.sections] == ["reconstruction"]
    for bar in found.sections[0].bars:
        assert event.metadata[bar.what].value == round(bar.value, 4)
    assert event.metadata["made_by"].value["analyst"].startswith("knowing")
    for caption, table in found.sections[0].tables.items():
        assert event.metadata[caption].value == markdown(table)


def test_checks_turn_red_where_an_analyst_is_worse_and_hold_nothing_back(
    runs: Sequence[ExecuteInProcessResult], home: Path
) -> None:
    before, after = map(checks, runs)
    assert all(run.success for run in runs)
    assert {name: each.passed for name, each in before.items()} == {BARS_HOLD: True, NO_WORSE: True}
    assert {name: each.passed for name, each in after.items()} == {BARS_HOLD: False, NO_WORSE: False}
    assert (after[BARS_HOLD].severity, after[NO_WORSE].severity) == (
        AssetCheckSeverity.ERROR,
        AssetCheckSeverity.WARN,
    )
    worse = str(after[NO_WORSE].metadata["worse"].value).split("; ")
    assert {f"accuracy, {kind}" for kind in KINDS} <= {*worse}
    assert after[NO_WORSE].metadata["compared_with"].value == kept(home)[0].name
    assert "analyst" in str(after[NO_WORSE].metadata["changed"].value)
    assert not any(spec.blocking for spec in evaluation.check_specs)


def test_no_text_of_a_conversation_is_in_an_event(runs: Sequence[ExecuteInProcessResult]) -> None:
    said = "\n".join(str(event) for run in runs for event in run.all_events)
    texts = pl.concat(each.conversations for each in corpora())["messages"].explode().struct.field("text")
    assert "accuracy, ordinary" in said
    assert not [text for text in texts.unique() if len(text) > 25 and text in said]


def test_a_section_is_compared_with_the_newest_of_the_same_conversations_that_has_it(tmp_path: Path) -> None:
    def made(*names: str, conversations: int = 1_000) -> Evaluation:
        sections = [Section(name, name, "", [Bar("share", 0.5, n=10)]) for name in names]
        return Evaluation(sections, {"conversations": conversations, "seed": 0, "corpora": "a"})

    both = keep(made("first", "second"), tmp_path)
    one = keep(made("first"), tmp_path)
    keep(made("first", "second", conversations=2_000), tmp_path)
    damaged = keep(made("first", "third"), tmp_path)
    (damaged / "evaluation.json").write_text("{", "utf-8")
    told: list[str] = []
    pairs = last_of(made("first", "second", "third"), tmp_path, told.append)
    assert [(folder, [each.name for each in after.sections]) for folder, _, after in pairs] == [
        (one, ["first"]),
        (both, ["second"]),
        (None, ["third"]),
    ]
    assert len(told) == 1 and damaged.name in told[0]


def test_a_bar_is_missed_by_a_figure_of_any_kind() -> None:
    for value in (0.4, np.float64(0.4), float("nan")):
        missing = Section("name", "title", "", [Bar("share", value, at_least=0.5)])
        assert not bars_hold(missing).passed
        assert metadata_of(missing)["bars_missed"] == 1
    kept_to = Section("name", "title", "", [Bar("share", np.float64(0.6), at_least=0.5), Bar("other", 0.1)])
    assert bars_hold(kept_to).passed


def test_tables_and_pictures_are_bounded() -> None:
    table = pl.DataFrame({"name": ["x" * 1_000 + "|"] * (LONGEST_TABLE + 7)})
    shown = markdown(table)
    assert shown.endswith("7 more rows are not shown.")
    assert max(map(len, shown.splitlines())) < LONGEST_CELL + 10
    assert picture("map", "<svg>" + " " * 200_000) == "Too large to be shown here."
    carried = picture("map", "<svg/>").split("base64,")[1].rstrip(")")
    assert base64.b64decode(carried) == b"<svg/>"


def test_nothing_asks_for_an_evaluation_by_itself_and_nothing_waits_for_one() -> None:
    graph = defs.get_repository_def().asset_graph
    keys = {key_of(name) for name in SECTIONS}
    assert defs.resolve_job_def("evaluate").asset_layer.selected_asset_keys == keys
    for key in keys:
        node = graph.get(key)
        assert node.group_name == "evaluation"
        assert node.automation_condition is None and not node.parent_keys and not node.child_keys
    for job in jobs:
        assert not keys & defs.resolve_job_def(job.name).asset_layer.selected_asset_keys
    assert evaluate_weekly.default_status is DefaultScheduleStatus.STOPPED


def test_the_schedule_asks_for_one_evaluation_a_week(tmp_path: Path) -> None:
    site = Site(overrides={"home": str(tmp_path / "home"), "key_file": str(tmp_path / "key")})
    with build_schedule_context(
        scheduled_execution_time=datetime(2026, 11, 8, 4, tzinfo=UTC), resources={"site": site}
    ) as context:
        asked = evaluate_weekly(context)
    assert isinstance(asked, RunRequest) and asked.run_key == "evaluate 2026-11-08"
    # A model that changed behind its name is asked, not the ledger.
    assert asked.run_config["ops"]["evaluation"]["config"] == {"asked_on": "2026-11-08"}

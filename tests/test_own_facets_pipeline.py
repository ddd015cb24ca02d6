"""A site with facets of its own, one of them clustered, from its clio.toml to the release; and without them again."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import AssetKey, DagsterInstance

from clio_dagster.release.read import Release, read_release
from clio_dagster.synthetic.corpus import DAYS, generate
from clio_dagster.tables import (
    AUDITED_SUMMARIES,
    CLUSTER_MEMBERS,
    CLUSTERS,
    COUNTED_CONVERSATIONS,
    EMBEDDINGS,
    EXACT_COVERAGE,
    FACETS,
    PUBLISHED,
    PUBLISHED_CELLS,
    READ,
    RELEASES,
)
from tests.own_analyst import CLUSTERED
from tests.scenario import SMALL, Site

DAY = DAYS[0].isoformat()
CONVERSATIONS = 400


def run(site: Site, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return site.clio("-m", "tests.own_analyst", *arguments, program=Path(sys.executable))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "conversations.jsonl.gz"
    generate(path, conversations=CONVERSATIONS, days=DAYS[:1])
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Site:
    site = Site(tmp_path_factory.mktemp("own"), SMALL)
    (site.folder / "clio.toml").write_text(CLUSTERED, "utf-8")
    ran = run(site, "run", corpus)
    assert ran.returncode == 0, ran.stderr
    return site


@pytest.fixture(scope="module")
def release(site: Site) -> Release:
    return read_release(site.releases / DAY)


@pytest.fixture(scope="module")
def facets(site: Site) -> pl.DataFrame:
    return site.warehouse.read(FACETS).filter(status=READ)


def test_answers_are_columns_and_what_was_not_answered_is_null(facets: pl.DataFrame) -> None:
    assert set(facets["ending"]) == {"Answered at once", "After a while"}
    in_english = facets.filter(language="en")
    assert in_english["goal"].equals(in_english["request"].alias("goal"))
    assert facets.filter(language="es")["goal"].null_count() == facets.filter(language="es").height > 0


def test_the_metadata_counts_what_is_null_of_those_that_were_read(site: Site, facets: pl.DataFrame) -> None:
    with DagsterInstance.from_config(str(site.home)) as instance:
        records = instance.fetch_materializations(AssetKey("facets"), limit=100).records
    told: dict[str, dict[str, Any]] = {}
    for record in records:
        event = record.asset_materialization
        if event is not None and event.partition is not None:
            told[event.partition] = {name: value.value for name, value in event.metadata.items()}
    assert told[f"{DAY}|es"]["goal_null"] == facets.filter(language="es").height
    assert told[f"{DAY}|en"]["goal_null"] == 0
    assert {numbers["ending_null"] for numbers in told.values()} == {0}


def test_a_category_has_rows_in_the_release_that_are_published_cells(site: Site, release: Release) -> None:
    shown = release.tables["topic_facets"].filter(facet="ending")
    assert set(shown["value"]) <= {"Answered at once", "After a while", "Never happens"}
    assert shown.height > 0
    topics = release.tables["topics"].select("clustered_by", "node_id", "topic")
    cells = site.warehouse.read(PUBLISHED_CELLS, {"facet": "ending"})
    drawn = shown.join(topics, on=["clustered_by", "node_id"]).join(
        cells, on=["clustered_by", "topic", "value", "conversations"], how="anti"
    )
    assert drawn.height == 0


def test_the_explorer_has_the_category_without_code_for_it(site: Site) -> None:
    page = (site.releases / DAY / "explorer" / "index.html").read_text("utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    data = json.loads(found[1])
    assert "ending" in data["facets"]["facet"]["values"]
    assert "Answered at once" in data["facets"]["value"]["values"]
    by = data["topics"]["clustered_by"]
    assert list(dict.fromkeys(by)) == ["request", "goal"]


def test_each_text_has_vectors_and_clusters_of_those_that_have_it(site: Site, facets: pl.DataFrame) -> None:
    for table in (EMBEDDINGS, CLUSTER_MEMBERS):
        rows = site.warehouse.read(table)
        assert rows.filter(clustered_by="request").height == facets.height
        assert set(rows.filter(clustered_by="goal")["language"]) == {"en"}
        assert rows.filter(clustered_by="goal").height == facets.filter(language="en").height


def test_no_topic_is_in_two_trees_though_their_texts_are_the_same(site: Site, release: Release) -> None:
    for frame in (
        site.warehouse.read(CLUSTERS),
        site.warehouse.read(AUDITED_SUMMARIES),
        release.tables["topics"],
    ):
        trees = frame.group_by("clustered_by").agg(pl.col("topic").unique())
        assert set(trees["clustered_by"]) == {"request", "goal"}
        assert trees.explode("topic")["topic"].is_unique().all()


def test_both_trees_passed_the_gate(site: Site, release: Release) -> None:
    audited = site.warehouse.read(AUDITED_SUMMARIES).filter(status=PUBLISHED)
    shown = release.tables["topics"].select("clustered_by", "topic")
    assert shown.join(audited, on=["clustered_by", "topic"], how="anti").height == 0
    verdicts = {check.name: check.passed for check in release.manifest.checks}
    assert verdicts["audited_summaries: privacy_gate"]
    assert all(verdicts.values())


def test_a_conversation_is_in_one_stage_and_counts_in_the_topics_of_both_trees(site: Site) -> None:
    coverage = site.warehouse.read(EXACT_COVERAGE)
    came_in = coverage.filter(stage="in")["conversations"].sum()
    assert (
        coverage.filter(~pl.col("stage").is_in(["in", "quarantined"]))["conversations"].sum()
        == came_in
        == CONVERSATIONS
    )
    counted = site.warehouse.read(COUNTED_CONVERSATIONS)
    assert counted["conversation_id"].is_unique().all()
    topics = counted.explode("topics").drop_nulls("topics").unnest("topics")
    assert (
        topics.group_by("conversation_id").agg(pl.col("clustered_by").n_unique())["clustered_by"].max() == 2
    )


def test_topics_shows_both_trees_the_requests_first(site: Site) -> None:
    shown = run(site, "topics")
    assert shown.returncode == 0, shown.stderr
    assert 0 < shown.stdout.index("by request") < shown.stdout.index("by goal")


def test_a_gate_that_is_closed_for_the_second_tree_alone_refuses_the_release(site: Site) -> None:
    copy = Site(site.folder / "tampered", site.settings)
    subprocess.run(["cp", "-r", str(site.home), str(copy.home)], check=True)
    (copy.folder / "clio.toml").write_text(CLUSTERED, "utf-8")
    audited = copy.warehouse.read(AUDITED_SUMMARIES)
    stored = copy.warehouse.slice_of(AUDITED_SUMMARIES, {"date": DAY})
    assert stored is not None
    is_theirs = pl.col("clustered_by") == "goal"
    named = audited.with_columns(
        pl.when(is_theirs).then(pl.lit("Zanzibar quartz")).otherwise("name").alias("name"),
    )
    copy.warehouse.write(AUDITED_SUMMARIES, {"date": DAY}, named, fingerprint=stored.fingerprint)
    from assets.gate import refused
    from resources.site import Site as Opened

    opened = Opened(overrides={"home": str(copy.home), "key_file": str(copy.key_file)} | dict(SMALL))
    reasons = refused(opened, DAY)
    assert reasons
    assert all(reason.startswith("by goal, ") for reason in reasons)


def test_a_second_run_makes_nothing(site: Site, corpus: Path) -> None:
    before = site.warehouse.read(RELEASES), site.warehouse.slices(FACETS)
    again = run(site, "run", corpus)
    assert again.returncode == 0, again.stderr
    assert site.warehouse.read(RELEASES).equals(before[0])
    assert site.warehouse.slices(FACETS) == before[1]


@pytest.mark.slow
def test_a_run_without_facets_drops_the_second_tree_and_leaves_what_was_counted(
    site: Site, corpus: Path
) -> None:
    counted = site.warehouse.read(COUNTED_CONVERSATIONS)
    (site.folder / "clio.toml").unlink()
    without = run(site, "run", corpus)
    assert without.returncode == 0, without.stderr
    assert set(read_release(site.releases / DAY).tables["topics"]["clustered_by"]) == {"request"}
    assert site.warehouse.read(FACETS)["ending"].count() == 0
    assert site.warehouse.read(COUNTED_CONVERSATIONS).equals(counted)
    fingerprints = site.warehouse.slices(FACETS)
    assert run(site, "run", corpus).returncode == 0
    assert site.warehouse.slices(FACETS) == fingerprints

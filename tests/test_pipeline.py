"""The demo from end to end: what a reader of releases and an engineer with the UI get to see, and what is kept.

The corpus says what was planted in it; every test asks where that went.
"""

from __future__ import annotations

import gzip
import html
import json
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import polars as pl
import pytest
from dagster import AssetKey, DagsterInstance

from clio_dagster.privacy.accounts import pseudonyms
from clio_dagster.privacy.detector import detect
from clio_dagster.privacy.word_lists import every_generic_word
from clio_dagster.release.read import read_release, release_dates, verify
from clio_dagster.release.summary import coverage_table, map_image, numbers, topics_table
from clio_dagster.safety.tables import CLASSIFIER_AUDIT, COORDINATED_ACCOUNTS
from clio_dagster.settings import Settings
from clio_dagster.synthetic.corpus import RING, RING_ACCOUNTS, SMALL, Truth, generate
from clio_dagster.tables import (
    AUDITED_SUMMARIES,
    CLUSTER_MEMBERS,
    FACETS,
    PUBLISHED_CELLS,
    PUBLISHED_COVERAGE,
    RELEASES,
)
from tests.scenario import KEY, Site, shingles, strings_of, words_of

CONVERSATIONS = 2500
QUOTED_WORDS = 7
"""Words in a row that make a quotation: fewer are anybody's."""

MANY_ACCOUNTS = 4
"""Half of the accounts that a word needs by default: room for the noise, and for forms that a stem misses."""


@dataclass(frozen=True)
class Demo:
    """A site after `clio demo`, its run, and the truth about its corpus."""

    site: Site
    run: subprocess.CompletedProcess[str]
    truth: Truth
    records: list[dict[str, Any]]

    @property
    def dates(self) -> list[str]:
        return [day.isoformat() for day in release_dates(self.site.releases)]

    def tables(self, name: str) -> pl.DataFrame:
        """A table of all releases together."""
        return pl.concat(read_release(self.site.releases / day).tables[name] for day in self.dates)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    site = Site(
        tmp_path_factory.mktemp("demo"), {"languages": "de,en,es,fr,it,ja,pt,ru,zh", "safety": "true"}
    )
    run = site.clio("demo", "--conversations", str(CONVERSATIONS))
    assert run.returncode == 0, run.stderr
    path = site.folder / "again.jsonl.gz"
    truth = generate(path, conversations=CONVERSATIONS)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return Demo(site, run, truth, [json.loads(line) for line in file])


@pytest.fixture(scope="module")
def open_texts(demo: Demo) -> list[tuple[str, str]]:
    """All that is not restricted: releases, the event log, compute logs, what the command printed."""
    printed = [("stdout", demo.run.stdout), ("stderr", demo.run.stderr)]
    return [*demo.site.open_texts(), *printed]


@pytest.fixture(scope="module")
def membership(demo: Demo) -> pl.DataFrame:
    """Who is in which base cluster, with what the corpus planted and the gate's verdict on the cluster."""
    planted = demo.truth.conversations.select("conversation_id", "kind")
    leaves = demo.site.warehouse.read(AUDITED_SUMMARIES, {"level": 0}).select(
        "date", pl.col("node_id").str.split("-").list.last().cast(pl.Int32).alias("cluster_id"), "status"
    )
    members = demo.site.warehouse.read(CLUSTER_MEMBERS).join(planted, on="conversation_id")
    return members.join(leaves, on=["date", "cluster_id"], how="left")


def largest_share(membership: pl.DataFrame, kind: str) -> float:
    """The largest part that conversations of a kind have of those that count in any published base cluster."""
    leaves = membership.filter(pl.col("counted"), status="published").group_by("date", "cluster_id")
    return max(leaves.agg((pl.col("kind") == kind).mean().alias("share"))["share"].to_list())


# What was planted.


def test_trust_and_safety_is_led_to_the_ring_and_to_the_classifiers_faults(demo: Demo) -> None:
    warehouse, last = demo.site.warehouse, {"date": demo.dates[-1]}
    planted = pseudonyms(pl.Series(demo.truth.ring_accounts), KEY)
    members = warehouse.read(COORDINATED_ACCOUNTS, last)
    groups = members.group_by("group_id").agg(
        pl.col("account").is_in(planted.implode()).sum().alias("planted")
    )
    assert groups["planted"].max() == RING_ACCOUNTS
    clusters = warehouse.read("classifier_clusters", last)
    topics = demo.truth.conversations.select("conversation_id", "topic", "harmful")
    held = warehouse.read(CLUSTER_MEMBERS, last).join(topics, on="conversation_id").group_by("cluster_id")
    most = held.agg(pl.col("topic").mode().sort().first().alias("planted"), pl.col("harmful").mean())
    found = clusters.join(most, on="cluster_id").drop_nulls("candidate").sort("rank")
    assert found.filter(candidate="false positive")["planted"][0] == "web_security"
    assert demo.site.warehouse.read(CLASSIFIER_AUDIT, last)["r"].min() > 0.3


def test_nothing_of_trust_and_safety_is_in_a_release(demo: Demo) -> None:
    names = {COORDINATED_ACCOUNTS.name, CLASSIFIER_AUDIT.name, "classifier_clusters"}
    groups = {*demo.site.warehouse.read(COORDINATED_ACCOUNTS)["group_id"]}
    assert groups
    for name, content in demo.site.released().items():
        assert not any(each.encode() in content for each in names | groups), name


def test_every_date_has_a_release_with_topics(demo: Demo) -> None:
    assert len(demo.dates) == 7
    assert demo.tables("topics").group_by("date").len().height == 7


def test_no_canary_is_outside_the_restricted_stores(demo: Demo, open_texts: list[tuple[str, str]]) -> None:
    planted = demo.truth.canaries["text"].to_list()
    assert len(planted) > 40
    forms = {
        form.casefold()
        for text in planted
        for form in (text, json.dumps(text)[1:-1], json.dumps(json.dumps(text))[3:-3], html.escape(text))
    }
    pattern = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))))
    assert {name for name, text in open_texts if pattern.search(text.casefold())} == set()


def test_facets_hold_no_private_data_that_has_a_form(demo: Demo) -> None:
    texts = "\n".join(strings_of(demo.site.warehouse.read(FACETS, None, ["request", "task"])))
    formed = demo.truth.canaries.filter(pl.col("kind").is_in(["card", "iban", "email", "api_key", "phone"]))
    assert [row["kind"] for row in formed.iter_rows(named=True) if row["text"] in texts] == []


def test_no_source_account_is_anywhere_past_landing(demo: Demo, open_texts: list[tuple[str, str]]) -> None:
    account = re.compile(r"user-\d{6}")
    assert account.search(demo.truth.conversations["account_id"][0])
    found = {name for name, text in open_texts if account.search(text)}
    for path in (demo.site.home / "landing").rglob("*.parquet"):
        if any(account.search(text) for text in strings_of(pl.read_parquet(path, hive_partitioning=False))):
            found.add(path.name)
    with duckdb.connect(str(demo.site.home / "clio.duckdb"), read_only=True) as connection:
        tables = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        assert len(tables) > 15
        for schema, table in tables:
            if any(account.search(text) for text in strings_of(connection.table(f"{schema}.{table}").pl())):
                found.add(table)
    assert found == set()


def test_no_conversation_or_facet_is_quoted_in_what_an_engineer_sees(
    demo: Demo, open_texts: list[tuple[str, str]]
) -> None:
    said = {
        shingle
        for record in demo.records
        for message in record["messages"]
        for shingle in shingles(message["content"], QUOTED_WORDS)
    }
    facets = demo.site.warehouse.read(FACETS, None, ["request"])["request"].drop_nulls()
    said |= {shingle for text in facets for shingle in shingles(text, QUOTED_WORDS)}
    assert len(said) > 30_000
    found = {
        name
        for name, text in open_texts
        if name.endswith((".db", ".out", ".err", ".yaml", ".parquet", "manifest.json", "stdout", "stderr"))
        and not said.isdisjoint(shingles(text, QUOTED_WORDS))
    }
    assert found == set()


def test_the_topic_of_three_accounts_is_withheld(demo: Demo, membership: pl.DataFrame) -> None:
    assert (membership["kind"] == SMALL).sum() > 0
    assert largest_share(membership, SMALL) < 0.5


def test_no_word_of_the_three_accounts_alone_is_published(demo: Demo) -> None:
    """Words of everybody's, which need no support, aside."""
    kinds = dict(demo.truth.conversations.select("conversation_id", "kind").iter_rows())
    theirs: Counter[str] = Counter()
    others = set(every_generic_word())
    for record in demo.records:
        asked = [message["content"] for message in record["messages"] if message["role"] == "user"]
        words = {word for text in asked for word in words_of(text)}
        if kinds[record["conversation_id"]] == SMALL:
            theirs.update(words)
        else:
            others |= words
    own = {word for word, count in theirs.items() if count >= 2} - others
    assert len(own) > 20
    topics = demo.tables("topics")
    assert own.isdisjoint(word for text in strings_of(topics) for word in words_of(text))


def test_what_many_are_said_to_have_mentioned_several_accounts_did(
    demo: Demo, membership: pl.DataFrame
) -> None:
    """Generic words too: the list of a description is about these accounts, not about the language.

    Support is compared with noise (P5), which lets one word in some hundreds through from fewer accounts.
    """
    requests = demo.site.warehouse.read(FACETS, None, ["conversation_id", "request"])
    counted = membership.filter("counted").join(requests, on="conversation_id").drop_nulls("request")
    users: dict[tuple[date, str], dict[str, set[str]]] = {}
    for day, cluster, account, request in counted.select(
        "date", "cluster_id", "account", "request"
    ).iter_rows():
        stems = users.setdefault((day, f"0-{cluster}"), {})
        for word in words_of(request):
            stems.setdefault(word[:5], set()).add(account)
    few, said = [], 0
    for row in demo.tables("topics").filter(level=0).iter_rows(named=True):
        listed = re.search(r"[Mm]any mentioned ([^.]*)\.", row["description"])
        for word in words_of(re.sub(r"\band( also)?\b", " ", listed[1])) if listed else ():
            said += 1
            accounts = len(users[row["date"], row["node_id"]].get(word[:5], ()))
            if accounts < MANY_ACCOUNTS:
                few.append((str(row["date"]), row["name"], word, accounts))
    assert said > 5
    assert len(few) <= 1, few


def test_a_ring_of_accounts_counts_as_one(membership: pl.DataFrame) -> None:
    """Wherever a whole burst of the ring or more fell into one cluster, one conversation of it counts."""
    ring = membership.filter(kind=RING).group_by("date", "cluster_id").agg(pl.len(), pl.col("counted").sum())
    whole = ring.filter(pl.col("len") >= RING_ACCOUNTS)
    assert whole.height > 0
    assert whole["counted"].to_list() == [1] * whole.height


def test_no_published_topic_is_the_rings(membership: pl.DataFrame) -> None:
    assert largest_share(membership, RING) < 0.5


# The release.


def test_releases_are_whole_and_signed(demo: Demo) -> None:
    assert [problem for day in demo.dates for problem in verify(demo.site.releases / day)] == []


def test_every_published_count_reaches_the_cells_minimum(demo: Demo) -> None:
    minimum = Settings.model_fields["cell_min_conversations"].default
    counts = pl.concat(
        demo.tables(name)[column]
        for name, column in (
            ("topics", "conversations"),
            ("topics", "window_conversations"),
            ("topic_languages", "conversations"),
            ("topic_facets", "conversations"),
            ("topic_trends", "conversations"),
            ("coverage", "conversations"),
        )
    ).drop_nulls()
    assert len(counts) > 100
    assert int(counts.min()) >= minimum  # type: ignore[arg-type]


def test_topics_are_counted_by_published_cells_alone(demo: Demo) -> None:
    topics = demo.tables("topics").filter(pl.col("conversations").is_not_null())
    cells = demo.site.warehouse.read(PUBLISHED_CELLS, {"facet": "all"})
    joined = topics.join(
        cells.select("date", "clustered_by", "topic", pl.col("conversations").alias("cell")),
        on=["date", "clustered_by", "topic"],
        how="left",
    )
    assert joined["conversations"].to_list() == joined["cell"].to_list()


def test_the_splits_of_a_topic_are_published_cells(demo: Demo) -> None:
    cells = demo.site.warehouse.read(PUBLISHED_CELLS)
    topic_of = demo.tables("topics").select("date", "node_id", "topic")
    languages = demo.tables("topic_languages").with_columns(
        pl.lit("language").alias("facet"), pl.col("language").alias("value")
    )
    columns = ["date", "node_id", "facet", "value", "conversations"]
    splits = pl.concat([languages.select(columns), demo.tables("topic_facets").select(columns)])
    joined = splits.drop_nulls("conversations").join(topic_of, on=["date", "node_id"])
    assert joined.height > 20
    found = joined.join(cells, on=["date", "topic", "facet", "value", "conversations"], how="anti")
    assert found.height == 0


def test_coverage_is_published_coverage_alone(demo: Demo) -> None:
    said = demo.tables("coverage")
    drawn = demo.site.warehouse.read(PUBLISHED_COVERAGE).select(said.columns)
    assert said.height > 0
    assert said.join(drawn, on=drawn.columns, how="anti").height == 0


def test_every_published_topic_passed_the_auditor_and_the_detector(demo: Demo) -> None:
    topics = demo.tables("topics")
    assert int(topics["privacy_score"].min()) >= 3  # type: ignore[arg-type]
    assert detect(pl.concat([topics["name"], topics["description"]])).height == 0


def test_a_manifest_says_settings_and_verdicts_and_counts_nothing(demo: Demo) -> None:
    for day in demo.dates:
        manifest = json.loads((demo.site.releases / day / "manifest.json").read_text("utf-8"))
        for known in ("thresholds", "noise", "seeds", "cost", "window"):
            manifest.pop(known)
        assert {manifest.pop("schema_version"), manifest.pop("revision")} == {1}
        assert manifest["checks"]
        assert all(check["passed"] for check in manifest["checks"])
        assert list(_numbers(manifest)) == []


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _numbers(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def test_topics_prints_the_newest_release_as_json(demo: Demo) -> None:
    run = demo.site.clio("topics", "--json")
    assert run.returncode == 0, run.stderr
    roots = json.loads(run.stdout)
    expected = demo.tables("topics").filter(
        pl.col("date") == pl.col("date").max(), pl.col("parent_id").is_null()
    )
    assert {root["name"] for root in roots} == set(expected["name"])


def test_the_demo_ends_with_its_tree_and_the_explorers_path(demo: Demo) -> None:
    newest = demo.site.releases / demo.dates[-1]
    top = demo.tables("topics").filter(pl.col("date") == pl.col("date").max(), pl.col("parent_id").is_null())
    assert str(newest / "explorer" / "index.html") in demo.run.stdout
    assert all(name in demo.run.stdout for name in top["name"])


def test_the_ui_shows_of_a_release_what_it_published_and_nothing_else(demo: Demo) -> None:
    with DagsterInstance.from_config(str(demo.site.home)) as instance:
        records = instance.fetch_materializations(AssetKey("release"), limit=100).records
    shown = {record.partition_key: record.asset_materialization for record in records}
    assert sorted(map(str, shown)) == demo.dates
    for day, event in shown.items():
        assert event
        told = {name: value.value for name, value in event.metadata.items()}
        tables = read_release(demo.site.releases / str(day)).tables
        assert told["topics"] == topics_table(tables["topics"])
        assert told["coverage"] == coverage_table(tables["coverage"])
        assert told["map"] == map_image(tables["topics"])
        assert told.items() >= numbers(tables).items()
        assert sum(len(str(value)) for value in told.values()) < 10_000


# Run again.


def test_a_second_run_makes_nothing_and_changes_nothing(demo: Demo) -> None:
    before = demo.site.released(), demo.site.warehouse.read(RELEASES)
    events = demo.site.home / "dagster" / "history" / "runs"
    runs = sorted(path.name for path in events.glob("*.db"))
    started = time.perf_counter()
    again = demo.site.clio("demo", "--conversations", str(CONVERSATIONS))
    assert again.returncode == 0, again.stderr
    assert time.perf_counter() - started < 20
    assert (demo.site.released(), demo.site.warehouse.read(RELEASES).equals(before[1])) == (before[0], True)
    assert sorted(path.name for path in events.glob("*.db")) == runs
    assert set(before[1]["revision"]) == {1}


# The gate cannot be got round.


def test_a_release_materialized_alone_refuses_a_tree_that_was_changed_after_the_gate(demo: Demo) -> None:
    """Another run, the release asset alone, as from the UI: the gate is code of the release itself."""
    day = demo.dates[-1]
    site = Site(demo.site.folder / "tampered", demo.site.settings)
    shutil.copytree(demo.site.home, site.home)
    before = site.released()
    with duckdb.connect(str(site.home / "clio.duckdb")) as connection:
        connection.execute(
            "update restricted.audited_summaries set name = 'Letters of Jane Whitcombe', status = 'published' "
            "where date = $day",
            {"day": day},
        )
    instance = site.home / "dagster.yaml"
    instance.write_text(instance.read_text("utf-8").replace(str(demo.site.home), str(site.home)), "utf-8")
    run = site.release_alone(day)
    assert run.returncode != 0
    assert f"release {day} refused" in run.stdout + run.stderr
    assert site.released() == before

"""A release holds the contract's tables and nothing else, says what it is, and is replaced as a whole."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
import textwrap
import threading
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from clio_dagster.release import folder
from clio_dagster.release.contract import RELEASE_TABLES, ReleaseError
from clio_dagster.release.manifest import (
    Check,
    Cost,
    Manifest,
    Noise,
    Version,
    make_manifest,
    noise_bound,
    parse_manifest,
)
from clio_dagster.release.read import latest_release, read_release, release_dates, verify
from clio_dagster.release.tree import topics_json, topics_tree, with_events
from clio_dagster.release.write import recover, write_release
from clio_dagster.settings import Settings

DAY = date(2026, 11, 3)
LANGUAGES = ("en", "es", "de", "ja", "ar", "zh", "fr", "pt")


def made_manifest(day: date = DAY, *, analyst: str = "offline", **settings: Any) -> Manifest:
    """A manifest as a run would make it."""
    return make_manifest(
        Settings(**settings),
        day,
        analyst=Version(name=analyst, version="1"),
        embedder=Version(name="use", version="3"),
        checks=(
            Check(name="no topic under its thresholds", passed=True),
            Check(name="no personal data in a name or description", passed=True),
            Check(name="every language has a topic", passed=False, severity="warn"),
        ),
    )


def made_tables(
    topics: list[dict[str, Any]],
    *,
    day: date = DAY,
    languages: tuple[str, ...] = LANGUAGES,
    days: int = 14,
) -> dict[str, pl.DataFrame]:
    """The five tables for topics given as {node_id, parent_id, level, name, description, conversations}."""
    whole = {
        "date": day,
        "clustered_by": "request",
        "privacy_score": 4,
        "x": 0.1,
        "y": 0.2,
        "parent_id": None,
    }
    total = sum(topic["conversations"] or 0 for topic in topics if topic.get("parent_id") is None) or 1
    rows, spoken, facets, trends = [], [], [], []
    for number, topic in enumerate(topics):
        seen = topic["conversations"]
        row = whole | {"topic": f"t{number}", "description": ""} | topic
        row["window_conversations"] = None if seen is None else seen * 6
        row["share"] = None if seen is None else seen / total
        rows.append(row)
        node = row["node_id"]
        weights = [1 + (number * 7 + place * 5) % 11 for place in range(len(languages))]
        for language, weight in zip(languages, weights, strict=True):
            share, base = weight / sum(weights), 1 / len(languages)
            lift = share / base
            chance = 0.001 if abs(lift - 1) > 0.4 else 0.6
            spoken.append((day, node, language, seen, share, base, lift, lift * 0.7, lift * 1.4, chance))
        for value, share in (("1", 0.7), ("2", 0.2), ("5", 0.1)):
            facets.append(
                (day, node, "concerning", value, None if seen is None else int(seen * share), share)
            )
        facets += [(day, node, "refused", "true", None, None), (day, node, "refused", "false", seen, 0.93)]
        facets += [(day, node, "turns", value, seen, share) for value, share in (("10+", 0.2), ("2", 0.8))]
        for back in range(days):
            share = None if back == 5 else 0.05 + 0.02 * math.sin(number + back / 2)
            trends.append((row["topic"], day - timedelta(days=back), node, seen, share, 0.12, None, None))
    stages = (("in", 1000), ("language not understood", None), ("below a threshold", 88), ("published", 870))
    coverage = [(day, code, stage, number) for code in (*languages, "other") for stage, number in stages]
    raw = {"topic_languages": spoken, "topic_facets": facets, "topic_trends": trends, "coverage": coverage}
    tables = {
        name: pl.DataFrame(values, schema=RELEASE_TABLES[name].schema, orient="row")
        for name, values in raw.items()
    }
    return tables | {"topics": pl.DataFrame(rows, schema=RELEASE_TABLES["topics"].schema)}


def small() -> dict[str, pl.DataFrame]:
    return made_tables(
        [
            {"node_id": "1-0", "level": 1, "name": "Cooking", "conversations": 90},
            {"node_id": "0-0", "parent_id": "1-0", "level": 0, "name": "Baking bread", "conversations": 60},
            {"node_id": "0-1", "parent_id": "1-0", "level": 0, "name": "Soup", "conversations": None},
        ],
        days=2,
    )


def contents(path: Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


def renamed(tables: dict[str, pl.DataFrame], name: str) -> dict[str, pl.DataFrame]:
    return tables | {"topics": tables["topics"].with_columns(name=pl.lit(name))}


# What a release holds


def test_a_release_is_seven_signed_files_that_verify(tmp_path: Path) -> None:
    path = write_release(tmp_path, DAY, small(), made_manifest())
    assert path == tmp_path / "2026-11-03"
    assert set(contents(path)) == {
        *(f"{name}.parquet" for name in RELEASE_TABLES),
        "manifest.json",
        "explorer/index.html",
    }
    assert verify(path) == []


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    tables = small()
    release = read_release(write_release(tmp_path, DAY, tables, made_manifest()))
    assert release.manifest.revision == 1
    for name, frame in tables.items():
        key = RELEASE_TABLES[name].key
        assert release.tables[name].equals(frame.sort(key)), name


def test_the_order_of_rows_does_not_change_the_bytes(tmp_path: Path) -> None:
    shuffled = {name: frame.sample(fraction=1, shuffle=True, seed=3) for name, frame in small().items()}
    one = write_release(tmp_path / "a", DAY, small(), made_manifest())
    other = write_release(tmp_path / "b", DAY, shuffled, made_manifest())
    assert contents(one) == contents(other)


@pytest.mark.parametrize("table", sorted(RELEASE_TABLES))
def test_a_column_outside_the_contract_is_refused(tmp_path: Path, table: str) -> None:
    tables = small()
    tables[table] = tables[table].with_columns(accounts=pl.lit(7))
    with pytest.raises(ReleaseError, match=f"{table} has the columns accounts"):
        write_release(tmp_path, DAY, tables, made_manifest())
    assert release_dates(tmp_path) == []


def test_topics_of_several_facets_need_clustered_by_everywhere(tmp_path: Path) -> None:
    tables = small()
    other = tables["topics"].with_columns(clustered_by=pl.lit("task"))
    tables["topics"] = pl.concat([tables["topics"], other])
    with pytest.raises(ReleaseError, match="topic_languages, topic_trends need a column clustered_by"):
        write_release(tmp_path, DAY, tables, made_manifest())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parent_id": pl.lit("9-9")}, "not published"),
        ({"parent_id": pl.col("node_id")}, "higher level"),
        ({"date": pl.lit(date(2026, 1, 1))}, "another day"),
        ({"node_id": pl.lit("0-0")}, "two rows"),
        ({"name": pl.lit(None, pl.String)}, "topics.name holds nulls"),
    ],
)
def test_a_broken_tree_is_refused(tmp_path: Path, change: dict[str, pl.Expr], message: str) -> None:
    tables = small()
    tables["topics"] = tables["topics"].with_columns(**change)
    with pytest.raises(ReleaseError, match=message):
        write_release(tmp_path, DAY, tables, made_manifest())


def test_a_value_that_does_not_fit_is_refused_without_being_quoted(tmp_path: Path) -> None:
    tables = small()
    tables["topics"] = tables["topics"].with_columns(conversations=pl.lit("my secret"))
    with pytest.raises(ReleaseError) as caught:
        write_release(tmp_path, DAY, tables, made_manifest())
    assert "secret" not in str(caught.value)


# Revisions


def test_the_same_content_is_not_written_again(tmp_path: Path) -> None:
    path = write_release(tmp_path, DAY, small(), made_manifest())
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    write_release(tmp_path, DAY, small(), made_manifest())
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == before


def test_changed_content_is_the_next_revision(tmp_path: Path) -> None:
    write_release(tmp_path, DAY, small(), made_manifest())
    path = write_release(tmp_path, DAY, renamed(small(), "Other"), made_manifest())
    assert read_release(path).manifest.revision == 2
    assert verify(path) == []


def test_a_changed_setting_is_the_next_revision(tmp_path: Path) -> None:
    write_release(tmp_path, DAY, small(), made_manifest())
    path = write_release(tmp_path, DAY, small(), made_manifest(min_accounts=11))
    assert read_release(path).manifest.revision == 2


def test_cost_alone_makes_no_revision(tmp_path: Path) -> None:
    write_release(tmp_path, DAY, small(), made_manifest().model_copy(update={"cost": Cost(usd=7)}))
    path = write_release(tmp_path, DAY, small(), made_manifest())
    assert read_release(path).manifest.revision == 1
    assert read_release(path).manifest.cost.usd == 7


def test_a_damaged_release_is_written_again(tmp_path: Path) -> None:
    path = write_release(tmp_path, DAY, small(), made_manifest())
    (path / "topics.parquet").write_bytes(b"damaged")
    write_release(tmp_path, DAY, small(), made_manifest())
    assert verify(path) == []
    assert read_release(path).manifest.revision == 2


def test_a_failed_check_leaves_the_last_release_standing(tmp_path: Path) -> None:
    path = write_release(tmp_path, DAY, small(), made_manifest())
    before = contents(path)
    failed = made_manifest().model_copy(update={"checks": (Check(name="the gate", passed=False),)})
    with pytest.raises(ReleaseError, match="failed checks the gate"):
        write_release(tmp_path, DAY, renamed(small(), "Other"), failed)
    assert contents(path) == before


# Whole or not at all

WRITER = """
    import os, sys
    from pathlib import Path
    from clio_dagster.release import folder
    parent, content, wanted, offered = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "yes"
    steps = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "ctypes.dlsym", "shutil.rmtree"}
    seen = 0
    def stop(event, arguments):
        global seen
        if event in steps and watching:
            seen += 1
            if seen == wanted:
                os._exit(9)
    watching = False
    sys.addaudithook(stop)
    exchange = folder.exchange if offered else lambda one, other: False
    watching = True
    folder.replace_folder(parent / "d", {"a": content.encode(), "b/c": content.encode()}, exchange=exchange)
"""


def run_writer(parent: Path, content: str, stop_at: int, *, exchange: bool) -> int:
    arguments = [str(parent), content, str(stop_at), "yes" if exchange else "no"]
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WRITER), *arguments], check=False, capture_output=True
    ).returncode


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "two renames"])
def test_a_kill_at_any_step_leaves_the_old_or_the_new_folder_whole(tmp_path: Path, exchange: bool) -> None:
    old, new = {"a": b"old", "b/c": b"old"}, {"a": b"new", "b/c": b"new"}
    folder.replace_folder(tmp_path / "d", old)
    for step in range(1, 60):
        code = run_writer(tmp_path, "new", step, exchange=exchange)
        assert code in (0, 9)
        if exchange:
            assert contents(tmp_path / "d") in (old, new), f"step {step}, before mending"
        folder.recover(tmp_path)
        assert contents(tmp_path / "d") in (old, new), f"step {step}"
        assert [path.name for path in tmp_path.iterdir()] == ["d"], f"step {step} left something"
        if code == 0:
            break
        folder.replace_folder(tmp_path / "d", old)
    assert code == 0 and step > 8
    assert contents(tmp_path / "d") == new


def test_a_first_release_that_was_killed_half_way_is_removed(tmp_path: Path) -> None:
    run_writer(tmp_path, "new", 4, exchange=True)
    assert recover(tmp_path) == ["d"]
    assert [path for path in tmp_path.iterdir() if path.name != ".lock"] == []


def test_a_reader_meets_one_revision_while_a_writer_replaces_it(tmp_path: Path) -> None:
    path = write_release(tmp_path, DAY, renamed(small(), "name 1"), made_manifest())
    stop = threading.Event()
    seen: set[int] = set()
    problems: list[str] = []

    def read() -> None:
        while not stop.is_set():
            release = read_release(path)
            seen.add(release.manifest.revision)
            if set(release.tables["topics"]["name"]) != {f"name {release.manifest.revision}"}:
                problems.append("a table of another revision than its manifest")

    reader = threading.Thread(target=read)
    reader.start()
    for revision in range(2, 16):
        write_release(tmp_path, DAY, renamed(small(), f"name {revision}"), made_manifest())
    stop.set()
    reader.join()
    assert problems == []
    assert len(seen) > 1


def test_hidden_and_foreign_folders_are_no_releases(tmp_path: Path) -> None:
    for day in (DAY, DAY - timedelta(days=1)):
        write_release(tmp_path, day, made_tables([], day=day), made_manifest(day))
    (tmp_path / ".2026-11-09.next").mkdir()
    (tmp_path / "2026-11-10").mkdir()
    (tmp_path / "notes").mkdir()
    assert release_dates(tmp_path) == [DAY - timedelta(days=1), DAY]
    assert latest_release(tmp_path) == tmp_path / "2026-11-03"
    assert latest_release(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda path: (path / "topics.parquet").write_bytes(b""), "topics.parquet differs from its SHA-256"),
        (lambda path: (path / "explorer/index.html").unlink(), "explorer/index.html is missing"),
        (lambda path: (path / "members.parquet").write_bytes(b""), "members.parquet does not belong to it"),
        (lambda path: (path / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda path: (path / "manifest.json").write_text("{}"), "the manifest is wrong in: date"),
    ],
)
def test_verify_names_what_is_wrong(tmp_path: Path, damage: Any, problem: str) -> None:
    path = write_release(tmp_path, DAY, small(), made_manifest())
    damage(path)
    assert problem in "; ".join(verify(path))


# The manifest


def test_the_manifest_has_no_place_for_a_count() -> None:
    values = made_manifest().model_dump()
    with pytest.raises(ReleaseError, match="conversations"):
        parse_manifest(values | {"conversations": 2312})
    with pytest.raises(ReleaseError, match=r"checks\.0\.rows"):
        parse_manifest(values | {"checks": [{"name": "x", "passed": True, "rows": 12}]})


def test_the_cost_is_rounded_to_one_digit() -> None:
    assert Cost(usd=8.3417).usd == 8
    assert json.loads(Cost(usd=0.01234).model_dump_json()) == {"usd": 0.01}


@pytest.mark.parametrize(("epsilon", "sensitivity"), [(1.0, 1), (1.0, 5), (0.5, 5), (3.0, 1)])
def test_the_noise_bound_holds_for_95_of_100_and_no_wider(epsilon: float, sensitivity: int) -> None:
    a = math.exp(-epsilon / sensitivity)

    def within(k: int) -> float:
        return sum((1 - a) / (1 + a) * a ** abs(x) for x in range(-k, k + 1))

    bound = noise_bound(epsilon, sensitivity)
    assert within(bound) >= 0.95
    assert bound == 0 or within(bound - 1) < 0.95


def test_noise_is_said_in_words() -> None:
    assert "within 15 of what was counted" in Noise(epsilon=1, epsilon_sensitive=0.5, sensitivity=5).statement
    none = Noise(epsilon=math.inf, epsilon_sensitive=math.inf)
    assert none.epsilon is None
    assert "no noise" in none.statement


# The terminal


def drawn(topics: pl.DataFrame) -> str:
    console = Console(width=120, no_color=True, record=True, file=io.StringIO())
    console.print(topics_tree(topics))
    return console.export_text()


def test_the_tree_says_few_where_a_count_is_not_shown() -> None:
    text = drawn(small()["topics"])
    assert "Baking bread  66.7%  360 in the window, 60 that day" in text
    assert "Soup  few in the window, few that day" in text
    assert " 0 " not in text


def test_a_topic_that_was_born_that_day_is_marked() -> None:
    tables = small()
    born = pl.when((pl.col("node_id") == "0-1") & (pl.col("date") == DAY)).then(pl.lit("birth"))
    tables["topic_trends"] = tables["topic_trends"].with_columns(born.alias("event"))
    text = drawn(with_events(tables))
    assert "Soup  new  few in the window" in text
    assert text.count("  new  ") == 1


def test_names_cannot_steer_a_terminal() -> None:
    hostile = "[bold]x[/bold] \x1b[31mred\x07 \u202ereversed"
    text = drawn(renamed(small(), hostile)["topics"])
    assert "[bold]x[/bold]" in text
    assert not set("\x1b\x07\u202e") & set(text)


def test_the_json_nests_topics_and_keeps_unknown_counts_null() -> None:
    (top,) = json.loads(topics_json(small()["topics"]))
    assert [child["name"] for child in top["children"]] == ["Baking bread", "Soup"]
    assert top["children"][1]["conversations"] is None
    assert top["date"] == "2026-11-03"

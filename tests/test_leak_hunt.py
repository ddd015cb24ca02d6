"""The leak hunt: private strings planted in conversations, looked for everywhere but in the restricted stores.

One site, through the command line: runs that fail with the conversations in the exception's message, runs that are
killed, and a good one. The planted strings are of kinds that the detector knows and of kinds that it cannot know.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clio_dagster.evaluation.attacks.canaries import corpus
from clio_dagster.release.read import release_dates
from clio_dagster.tables import RAW_CONVERSATIONS
from tests.scenario import SMALL, Site, strings_of

CONVERSATIONS = 400
FAILING = ("extract", "name_clusters", "find_groups")
KILLS = 1

SABOTAGE = """
import os

import polars as pl

from clio_dagster.analyst.offline.analyst import OfflineAnalyst
from clio_dagster.embedding.use import UniversalSentenceEncoder


def quoting(_self, shown):
    if isinstance(shown, pl.DataFrame):
        shown = shown.to_dicts()
    try:
        raise KeyError(repr(shown))
    except KeyError as error:
        raise ValueError("cannot read " + repr(shown)) from error


fails = os.environ.get("LEAK_HUNT_FAILS_AT")
if fails == "find_groups":
    from clio_dagster.safety.coordination import find

    find.find_groups = lambda rows, *_, **__: quoting(None, rows)
elif fails:
    setattr(UniversalSentenceEncoder if fails == "encode" else OfflineAnalyst, fails, quoting)
"""
"""A `sitecustomize` by which a task fails and quotes all that it was shown."""


@dataclass
class Sabotaged(Site):
    """A site some task of which fails, if told so."""

    fails_at: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {
            "PYTHONPATH": str(self.folder / "sabotage"),
            "LEAK_HUNT_FAILS_AT": self.fails_at,
        }


@dataclass(frozen=True)
class Hunt:
    """A site after all runs, what they printed, and what was planted."""

    site: Site
    printed: dict[str, subprocess.CompletedProcess[str]]
    planted: list[str]

    def open_texts(self) -> Iterator[tuple[str, str]]:
        """Everything outside the restricted stores, and all that was printed."""
        yield from self.site.open_texts()
        for path in self.site.home.rglob("*.gz"):
            if path.relative_to(self.site.home).parts[0] not in ("landing", "demo"):
                yield path.name, gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
        for name in ("coordinated_groups", "coordinated_accounts", "classifier_clusters"):
            yield name, "\n".join(strings_of(self.site.warehouse.read(name)))
        for name, run in self.printed.items():
            yield f"printed by {name}", run.stdout + run.stderr


@pytest.fixture(scope="module")
def hunt(tmp_path_factory: pytest.TempPathFactory) -> Hunt:
    folder = tmp_path_factory.mktemp("hunt")
    made = corpus(CONVERSATIONS, seed=5)
    source = folder / "conversations.jsonl"
    with source.open("w", encoding="utf-8") as file:
        for row in made.raw.iter_rows(named=True):
            record = {
                "conversation_id": row["conversation_id"],
                "account_id": row["account"],
                # One day is enough: every table is written for it.
                "started_at": row["started_at"].replace(year=2026, month=11, day=7).isoformat(),
                "messages": [{"role": m["role"], "content": m["text"]} for m in row["messages"]],
            }
            file.write(json.dumps(record) + "\n")
    sabotage = folder / "site" / "sabotage"
    sabotage.mkdir(parents=True)
    (sabotage / "sitecustomize.py").write_text(SABOTAGE, "utf-8")
    site = Sabotaged(folder / "site", SMALL | {"safety": "true"})
    printed = {}
    *early, last = FAILING
    for task in early:
        site.fails_at = task
        printed[f"a run that fails in {task}"] = site.clio("run", source)
    site.fails_at = ""
    moments = random.Random(3)
    for number in range(KILLS):
        printed[f"killed run {number}"] = site.killed(moments.uniform(3, 10), "run", source)
    site.fails_at = last
    printed[f"a run that fails in {last}"] = site.clio("run", source)
    site.fails_at = ""
    printed["a good run"] = site.clio("run", source)
    return Hunt(site, printed, made.planted["text"].to_list())


def found(planted: list[str], text: str) -> set[str]:
    """The planted strings that a text holds, whatever their case."""
    pattern = re.compile("|".join(re.escape(item.casefold()) for item in planted))
    return set(pattern.findall(text.casefold()))


def test_the_runs_were_good_failing_and_killed(hunt: Hunt) -> None:
    for task in FAILING:
        run = hunt.printed[f"a run that fails in {task}"]
        assert run.returncode == 1, task
        assert "ValueError" in run.stdout + run.stderr, task
    assert hunt.printed["a good run"].returncode == 0, hunt.printed["a good run"].stderr
    assert len(release_dates(hunt.site.releases)) == 1


def test_the_search_finds_what_was_planted_where_it_may_be(hunt: Hunt) -> None:
    assert len(set(hunt.planted)) > 200
    raw = hunt.site.warehouse.read(RAW_CONVERSATIONS, None, ["messages"])
    text = "\n".join(message["text"] for messages in raw["messages"] for message in messages)
    assert found(hunt.planted, text) == {item.casefold() for item in hunt.planted}


def test_no_planted_string_is_anywhere_else(hunt: Hunt) -> None:
    hits = {(name, item) for name, text in hunt.open_texts() for item in found(hunt.planted, text)}
    assert hits == set()


def test_dagsters_storage_was_searched(hunt: Hunt) -> None:
    """It is there, tells of the failures, and its values were decoded."""
    stored = "\n".join(text for name, text in hunt.open_texts() if Path(name).suffix == ".db")
    assert "ValueError" in stored
    assert "STEP_FAILURE" in stored

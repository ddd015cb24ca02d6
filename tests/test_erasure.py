"""Erasure of accounts (P10): nothing is left of them, they do not come back, and no release tells of one alone."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson
import polars as pl
import pytest
from dagster import DagsterInstance
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from assets.staleness import Day, Standing, State
from clio_dagster.conversations.landed import read_landed, read_receipt, slice_hash
from clio_dagster.conversations.landing import land, source_key, source_lock
from clio_dagster.conversations.slices import drop_text, erase
from clio_dagster.erasure import (
    ACCOUNT,
    CONVERSATION,
    CONVERSATIONS_SCHEMA,
    conversation_columns,
    erased_digest,
    naming_accounts,
    naming_conversations,
    settled,
    waiting,
    without,
)
from clio_dagster.privacy.accounts import pseudonyms
from clio_dagster.release.read import read_release, verify
from clio_dagster.safety.tables import SAFETY_TABLES
from clio_dagster.settings import Settings, load_settings
from clio_dagster.synthetic.corpus import DAYS, generate
from clio_dagster.tables import EMBEDDINGS, ERASURES, FACETS, QUARANTINE, TABLES, VECTOR_TYPE, Table
from resources.contracts import contracts, models
from resources.duckdb_warehouse import DuckDBWarehouse
from resources.erasure import Forgotten, erased_accounts, forget, held_dates, unfinished
from resources.ledger import ALONE, EVERYTHING, Ledger
from resources.s3_objects import Objects
from resources.site import Site as Resource
from resources.stage import is_as_written, partition_values
from sensors.reconcile import dates_to_publish, slices_to_read
from tests.s3_server import Store, s3_server
from tests.scenario import CLIO, KEY, SMALL, Site

GONE, ALSO, KEPT = "holder-4711", "holder-4712", "holder-0815"
"""Source ids of two accounts that are erased one after the other, and of one that stays."""

MARKS = {GONE: "Quozzlewick", ALSO: "Brandywharf", KEPT: "Plimsterton"}
"""A word that each of them has in every message, and nobody else in any."""

DATES = DAYS[:3]
LANGUAGES = ("en", "es")
KILLED = 9


def pseudonym(account: str) -> str:
    return str(pseudonyms(pl.Series([account]), KEY).item())


def traces(account: str) -> list[str]:
    """What no byte may hold once the account is erased: its word, in its ids too, its pseudonym and its own id."""
    return [MARKS[account], MARKS[account].lower(), pseudonym(account), account]


def records(*accounts: str, days: Sequence[date] = DATES) -> list[dict[str, Any]]:
    """Two conversations a day of each account, one in each language."""
    asks = {
        "en": "Please write a cover letter for a job as a nurse in {}, and keep it short and friendly.",
        "es": "Por favor, escribe una carta de presentación para un trabajo de enfermera en {}, breve y amable.",
    }
    return [
        {
            "conversation_id": f"{MARKS[account].lower()}-{day}-{language}",
            "account_id": account,
            "started_at": f"{day}T10:15:00.123456Z",
            "messages": [
                {"role": "user", "content": asks[language].format(MARKS[account])},
                {"role": "assistant", "content": f"{MARKS[account]}: a draft, with “ü” and 你好."},
            ],
        }
        for account in accounts
        for day in days
        for language in LANGUAGES
    ]


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return path


def hits(home: Path, wanted: Iterable[str]) -> list[str]:
    """Files below a home that hold one of the texts: in their bytes, or in what a reader decodes from them."""
    texts = [text.encode() for text in wanted]
    return [
        path.relative_to(home).as_posix()
        for path in sorted(home.rglob("*"))
        if path.is_file() and any(text in content for content in contents(path) for text in texts)
    ]


def contents(path: Path) -> Iterator[bytes]:
    yield path.read_bytes()
    if path.suffix == ".parquet":
        yield as_text(pl.read_parquet(path, hive_partitioning=False))
    if path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            names = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
            for schema, table in names:
                yield as_text(connection.sql(f'select * from "{schema}"."{table}"').pl())


def as_text(frame: pl.DataFrame) -> bytes:
    texts = [name for name in frame.columns if name not in ("vector", "centroid")]
    return json.dumps(frame.select(texts).to_dicts(), default=str, ensure_ascii=False).encode()


# One site, through the command line.

TOLD = DATES[:2]
"""Its dates."""


@dataclass
class Home(Site):
    """A site that is run by its command line."""

    def revisions(self) -> list[int]:
        return [read_release(folder).manifest.revision for folder in sorted(self.releases.glob("2*"))]

    def piped(self, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CLIO, *arguments],
            input=text,
            env=self.environment,
            cwd=self.folder,
            text=True,
            capture_output=True,
            timeout=600,
        )


@dataclass
class Story:
    """A site of which two accounts were erased, and what was seen on the way."""

    site: Home
    corpus: Path
    said: dict[str, str] = field(default_factory=dict)
    found: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    released: dict[str, dict[str, bytes]] = field(default_factory=dict)
    states: dict[str, set[str]] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    revisions: dict[str, list[int]] = field(default_factory=dict)
    landed: dict[str, list[str]] = field(default_factory=dict)

    def look(self, moment: str) -> None:
        site = self.site
        self.found[moment] = {account: hits(site.home, traces(account)) for account in MARKS}
        self.released[moment] = site.released()
        if moment != "before":
            self.told[moment] = site.clio("status", "--json").stdout
            self.states[moment] = {row["state"] for row in json.loads(self.told[moment])}
        self.revisions[moment] = site.revisions()
        self.landed[moment] = [slice_hash(site.home, day, each) for day in TOLD for each in LANGUAGES]

    def run(self, name: str, *arguments: str | Path, fails: bool = False) -> None:
        run = self.site.clio(*arguments)
        assert bool(run.returncode) == fails, run.stdout + run.stderr
        self.said[name] = run.stdout + run.stderr


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("erasure")
    corpus = folder / "conversations.jsonl"
    generate(corpus.with_suffix(".gz"), conversations=240, days=TOLD)
    ordinary = [
        orjson.loads(line) for line in gzip.decompress(corpus.with_suffix(".gz").read_bytes()).splitlines()
    ]
    write_jsonl(corpus, [*ordinary, *records(GONE, ALSO, KEPT, days=TOLD)])
    site = Home(folder / "site", SMALL | {"window_days": "2", "erasure_batch": "2", "threads": "1"})
    told = Story(site, corpus)
    told.run("run", "run", corpus)
    told.look("before")
    told.run("forget", "forget", "--account", GONE)
    told.look("erased")
    told.run("backfill", "backfill", TOLD[1].isoformat(), fails=True)
    alone = site.release_alone(TOLD[1].isoformat())
    told.said["alone"] = f"{alone.returncode} {alone.stdout} {alone.stderr}"
    told.run("unland", "unland", corpus)
    told.run("again", "run", corpus)
    told.look("landed again")
    forgotten = site.piped(f"\n {ALSO} \n", "forget", "--accounts-file", "-")
    assert forgotten.returncode == 0, forgotten.stderr
    told.said["second"] = forgotten.stdout + forgotten.stderr
    told.run("due", "status")
    told.look("due")
    told.run("made again", "run")
    told.look("made again")
    return told


def test_before_it_is_erased_the_search_finds_it_where_it_may_be(story: Story) -> None:
    for found in story.found["before"].values():
        assert {name.split("/")[0] for name in found} == {"clio.duckdb", "landing"}


def test_no_byte_of_the_home_holds_an_erased_account(story: Story) -> None:
    for moment in ("erased", "landed again", "due", "made again"):
        assert story.found[moment][GONE] == []
        assert len(story.found[moment][KEPT]) == 1 + len(TOLD) * len(LANGUAGES)
    assert story.found["landed again"][ALSO] != []
    assert story.found["due"][ALSO] == story.found["made again"][ALSO] == []


def test_it_says_what_was_done_and_never_whose_it_was(story: Story) -> None:
    assert "slices of 6 tables rewritten" in story.said["forget"]
    assert "2026-11-01 to 2026-11-02: waits for a batch of erasures, until " in story.said["forget"]
    for said in (*story.said.values(), *story.told.values()):
        assert not any(trace in said for account in MARKS for trace in traces(account))


def test_what_it_touches_is_held_and_the_releases_stand(story: Story) -> None:
    assert story.states["erased"] == {"fresh", "held"}
    assert "waits for a batch of erasures" in story.told["erased"]
    for moment in ("erased", "landed again", "due"):
        assert story.released[moment] == story.released["before"]


def test_nobody_makes_a_held_date_by_hand(story: Story) -> None:
    assert "2026-11-02: waits for a batch of erasures" in story.said["backfill"]
    assert not story.said["alone"].startswith("0 ")
    assert "it waits for a batch of erasures" in story.said["alone"]


def test_landing_the_same_file_again_brings_nothing_back(story: Story) -> None:
    assert "4 × its account was erased" in story.said["again"]
    assert story.landed["landed again"] == story.landed["erased"]
    assert story.states["landed again"] == {"fresh", "held"}
    quarantine = story.site.warehouse.read(QUARANTINE)
    assert set(quarantine["reason"]) == {"its account was erased"}
    assert not any(trace.encode() in as_text(quarantine) for trace in traces(GONE))


def test_a_batch_ends_the_hold_and_the_releases_are_made_again(story: Story) -> None:
    assert "waits for" not in story.said["second"]
    assert "held" not in story.states["due"]
    assert "stale" in story.states["due"]
    assert "from before an erasure" in story.said["due"]
    assert story.revisions["before"] == story.revisions["due"] == [1, 1]
    # A date whose topics come out as they were keeps its revision: there is nothing to be told.
    assert 2 in story.revisions["made again"] and set(story.revisions["made again"]) <= {1, 2}
    assert story.states["made again"] == {"fresh"}
    for folder in story.site.releases.glob("2*"):
        assert verify(folder) == []


def test_what_was_made_again_waits_no_longer(story: Story) -> None:
    rows = story.site.warehouse.read(ERASURES)
    assert rows.height == 2
    assert rows["dates"].list.len().to_list() == [0, 0]
    assert rows.select("done_at", "released_at").null_count().row(0) == (0, 0)
    assert set(rows["erased"]) == {erased_digest(each, KEY) for each in (GONE, ALSO)}
    assert not set(rows["erased"]) & {pseudonym(each) for each in (GONE, ALSO)}


def test_published_figures_stand(story: Story) -> None:
    """An account is taken out of no count that was shown: each day's coverage is what it was."""
    for day in TOLD:
        name = f"{day}/coverage.parquet"
        before, after = (pl.read_parquet(story.released[each][name]) for each in ("before", "made again"))
        assert after.equals(before)


def test_a_call_without_an_account_is_wrong(tmp_path: Path) -> None:
    site = Home(tmp_path / "site")
    assert site.clio("forget").returncode == 2
    assert site.clio("forget", "--accounts-file", tmp_path / "none").returncode == 2
    assert site.clio("forget", "--account", " ").returncode == 2


# A home of landed files and of every table, filled by hand: on DuckDB and on S3.


def frame_of(table: Table, values: dict[str, str], owners: Sequence[str | None]) -> pl.DataFrame:
    """Rows of one slice that keep the contract, a row an owner; what belongs to one says so in every text."""
    rows = []
    for number, owner in enumerate(owners):
        mark = MARKS[owner].lower() if owner else "nobody"
        row = {column.name: value_of(column, number, mark) for column in table.columns}
        row |= {
            name: date.fromisoformat(value) if table.schema[name] == pl.Date else value
            for name, value in values.items()
        }
        if ACCOUNT in row:
            row[ACCOUNT] = pseudonym(owner) if owner else None
        if CONVERSATION in row:
            row[CONVERSATION] = f"{mark}-{number}"
        if "day" in row:
            row["day"] = row["date"]
        rows.append(row)
    return pl.DataFrame(rows, table.schema)


def value_of(column: Any, number: int, mark: str) -> Any:
    if column.dtype == VECTOR_TYPE:
        return [1.0, 0.0, float(number)]
    if column.dtype == pl.String:
        return column.accepted[0] if column.accepted else f"{mark} {number}"
    if column.dtype == pl.Date:
        return DATES[0]
    if isinstance(column.dtype, pl.Datetime):
        return datetime(2026, 11, 1, tzinfo=UTC)
    if column.dtype == pl.Boolean:
        return True
    if isinstance(column.dtype, pl.List):
        return []
    return column.dtype.to_python()(number % 5 + 1)


def slices_of(table: Table) -> list[dict[str, str]]:
    values: dict[str, Sequence[str]] = {"date": [day.isoformat() for day in DATES], "language": LANGUAGES}
    names = sorted(table.partitioned_by)
    if len(names) == 2:
        others = values.get(names[1], ["an-event"])
        return [{"date": day, names[1]: other} for day in values["date"] for other in others]
    return [{name: each} for name in names for each in values.get(name, ["a source"])]


def is_personal(table: Table) -> bool:
    return not {ACCOUNT, CONVERSATION}.isdisjoint(table.schema)


def rows_of(account: str, table: Table) -> pl.Expr:
    """The rows of `frame_of` that are an account's."""
    if CONVERSATION in table.schema:
        return pl.col(CONVERSATION).str.starts_with(MARKS[account].lower())
    return pl.col(ACCOUNT) == pseudonym(account)


def owners_of(table: Table) -> tuple[str | None, ...]:
    """Whose rows a slice of a table has; nobody's too, where the table allows that."""
    if not is_personal(table):
        return (None,)
    must_name = any(column.name == ACCOUNT and not column.nullable for column in table.columns)
    return tuple(owner for owner in OWNERS if owner or not must_name)


@dataclass(frozen=True)
class Filled:
    """A site without runs: files landed, and a slice of every table for each day and language."""

    site: Resource
    corpus: Path

    @property
    def home(self) -> Path:
        return self.site.settings.home

    def forget(self, *accounts: str) -> Forgotten:
        with DagsterInstance.ephemeral() as instance:
            return forget(self.site, instance, accounts)

    def tables(self) -> dict[str, pl.DataFrame]:
        return {table.name: self.site.warehouse.read(table) for table in EVERY.values()}


OWNERS = (GONE, KEPT, None, ALSO)

EVERY = TABLES | SAFETY_TABLES


def filled(folder: Path, **overrides: Any) -> Filled:
    overrides |= settings_in(folder).model_dump(mode="json", include={"home", "key_file"})
    made = Filled(
        Resource(overrides=overrides | {"languages": "en,es"}),
        write_jsonl(folder / "all.jsonl", records(GONE, ALSO, KEPT)),
    )
    other = write_jsonl(folder / "one.jsonl", records(GONE)[:1])
    for path in (made.corpus, other):
        land(path, key=source_key(path), settings=made.site.settings)
    for table in EVERY.values():
        made.site.warehouse.write_many(
            (table, values, frame_of(table, values, owners_of(table)), "made from")
            for values in slices_of(table)
        )
    return made


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with s3_server() as store:
        yield store


@pytest.fixture(scope="module", params=["duckdb", "s3"])
def erased(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Filled, dict[str, pl.DataFrame], Forgotten, list[str]]:
    """A filled site after an erasure, its tables before it, what it said, and Parquet files that held the account."""
    overrides = {}
    if request.param == "s3":
        store = request.getfixturevalue("store")
        overrides = {
            "storage": "s3",
            "s3_bucket": store.bucket(),
            "s3_prefix": "site",
            "s3_endpoint": store.endpoint,
        }
    made = filled(tmp_path_factory.mktemp(request.param), **overrides)
    before, held = made.tables(), hits(made.home, traces(GONE))
    return made, before, made.forget(GONE), held


Erased = tuple[Filled, dict[str, pl.DataFrame], Forgotten, list[str]]


@pytest.mark.parametrize("name", EVERY)
def test_exactly_the_accounts_rows_are_gone_from_every_table(erased: Erased, name: str) -> None:
    made, before, _, _ = erased
    table, rows = EVERY[name], before[name]
    is_theirs = pl.lit(False)
    if is_personal(table):
        is_theirs = rows_of(GONE, table)
        assert rows.filter(is_theirs).height == len(slices_of(table))
    order = [*table.partitioned_by, *table.key]
    left = made.site.warehouse.read(table)
    assert left.sort(order).equals(rows.filter(~is_theirs).sort(order))


@pytest.mark.parametrize("name", EVERY)
def test_nothing_looks_tampered_with(erased: Erased, name: str) -> None:
    made, _, _, _ = erased
    for partition, stored in made.site.warehouse.slices(name).items():
        assert stored.fingerprint == "made from"
        assert is_as_written(made.site.warehouse, EVERY[name], stored)
        values = partition_values(EVERY[name], partition)
        assert stored.rows == made.site.warehouse.read(EVERY[name], values).height


def test_no_file_and_no_object_holds_it(erased: Erased, store: Store) -> None:
    made, _, _, held = erased
    assert held
    assert hits(made.home, [MARKS[GONE], pseudonym(GONE)]) == []
    assert hits(made.home, traces(KEPT))
    if bucket := made.site.settings.s3_bucket:
        listed = store.client.list_objects_v2(Bucket=bucket)["Contents"]
        bodies = {
            each["Key"]: store.client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
            for each in listed
        }
        searched = made.home.parent / "objects"
        for name, body in bodies.items():
            path = searched / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        assert len(hits(searched, traces(KEPT))) > 20
        assert hits(searched, traces(GONE)) == []


def test_landed_files_are_as_if_it_had_never_been_in_them(erased: Erased, tmp_path: Path) -> None:
    made, _, said, _ = erased
    clean = filled_landing(tmp_path, records(ALSO, KEPT))
    for day in DATES:
        for language in LANGUAGES:
            assert slice_hash(made.home, day, language) == slice_hash(clean, day, language)
            assert read_landed(made.home, day, language).equals(read_landed(clean, day, language))
    receipt = read_receipt(made.home, source_key(made.corpus))
    assert sorted(row["conversations"] for row in receipt.slices) == [2] * 6
    assert len(read_receipt(made.home, source_key(made.corpus.with_name("one.jsonl"))).removed) == 1
    tables = [table for table in EVERY.values() if is_personal(table)]
    assert said.tables == len(tables) + 1
    assert said.slices == sum(len(slices_of(table)) for table in tables) + 6


def filled_landing(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = write_jsonl(folder / "clean.jsonl", rows)
    site = settings_in(folder)
    land(path, key=source_key(path), settings=site)
    return site.home


def settings_in(folder: Path, **overrides: str) -> Settings:
    """Of a home in a folder, with the key beside it."""
    key_file = folder / "key" / "key"
    if not key_file.exists():
        key_file.parent.mkdir(parents=True)
        key_file.write_bytes(KEY)
        key_file.chmod(0o600)
    own = {"home": str(folder / "home"), "key_file": str(key_file), "languages": "en,es"}
    return load_settings(**own | overrides)


def test_erasing_it_again_and_an_account_that_nobody_knows_ends_well(erased: Erased) -> None:
    made, _, _, _ = erased
    hashes = {name: frame.hash_rows().sum() for name, frame in made.tables().items()}
    again = made.forget(GONE, "never seen")
    assert (again.slices, again.tables) == (0, 0)
    assert {name: frame.hash_rows().sum() for name, frame in made.tables().items()} == hashes
    assert set(erased_accounts(made.site)) == {erased_digest(each, KEY) for each in (GONE, "never seen")}


# What is killed and run again ends the same.

KILL = """
import importlib, os, sys
from dagster import DagsterInstance
from resources.erasure import forget
from resources.site import Site

place, when, call, home, key_file, *accounts = sys.argv[1:]
module, _, path = place.partition(":")
owner = importlib.import_module(module)
*inner, name = path.split(".")
for each in inner:
    owner = getattr(owner, each)
original, calls = getattr(owner, name), 0

def killed(*arguments, **named):
    global calls
    calls += 1
    if when == "before" and calls == int(call):
        os._exit(9)
    result = original(*arguments, **named)
    if when == "after" and calls == int(call):
        os._exit(9)
    return result

setattr(owner, name, killed)
site = Site(overrides={"home": home, "key_file": key_file, "languages": "en,es"})
with DagsterInstance.ephemeral() as instance:
    forget(site, instance, accounts)
"""

PLACES = [
    ("resources.erasure:_ask", "after", 1),
    ("clio_dagster.conversations.slices:_without", "after", 2),
    ("clio_dagster.conversations.slices:_drop", "before", 1),
    ("resources.erasure:_erase_landed", "after", 1),
    ("resources.duckdb_warehouse:DuckDBWarehouse.erase", "after", 1),
    ("resources.ledger:Ledger.erase", "after", 1),
    ("resources.duckdb_warehouse:_flush", "before", 1),
    ("resources.duckdb_warehouse:_flush", "before", 2),
    ("resources.erasure:_end", "before", 1),
]


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a filled site on DuckDB."""
    folder = tmp_path_factory.mktemp("untouched")
    filled(folder / "site")
    return folder / "site"


def outcome(folder: Path) -> dict[str, Any]:
    """What an erasure ended in: slices, landed files, leftovers, and what is held."""
    site = Resource(
        overrides={
            "home": str(folder / "home"),
            "key_file": str(folder / "key" / "key"),
            "languages": "en,es",
        }
    )
    landing = site.settings.home / "landing"
    return {
        "slices": {
            (name, key): each.content_hash
            for name in TABLES
            for key, each in site.warehouse.slices(name).items()
        },
        "landed": {
            path.relative_to(landing).as_posix(): path.read_bytes()
            for path in landing.rglob("*")
            if path.suffix in (".parquet", ".json")
        },
        "others": sorted(
            path.name for path in (*landing.glob(".staging/*"), *site.settings.home.glob("clio.*"))
        ),
        "dates": site.warehouse.read(ERASURES).select("erased", "dates", pl.col("done_at").is_null()).rows(),
        "held": set(held_dates(site)),
        "gone": hits(site.settings.home, [MARKS[GONE], pseudonym(GONE)]),
        "kept": len(hits(site.settings.home, [MARKS[KEPT]])),
    }


def forgetting(folder: Path, place: str, when: str, call: int) -> int:
    home, key = folder / "home", folder / "key" / "key"
    arguments = [place, when, str(call), str(home), str(key), GONE]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLIO_")}
    run = subprocess.run(
        [sys.executable, "-c", KILL, *arguments],
        cwd=Path(__file__).parents[1],
        env=environment,
        capture_output=True,
        timeout=120,
    )
    assert run.returncode in (0, KILLED), run.stderr
    return run.returncode


@pytest.fixture(scope="module")
def undisturbed(untouched: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("undisturbed") / "site"
    shutil.copytree(untouched, folder)
    assert forgetting(folder, *PLACES[0][:2], 99) == 0
    return outcome(folder)


@pytest.mark.parametrize(
    ("place", "when", "call"),
    [
        place if number % 3 == 0 else pytest.param(*place, marks=pytest.mark.slow)
        for number, place in enumerate(PLACES)
    ],
    ids=lambda value: str(value).split(":")[-1],
)
def test_killed_anywhere_and_run_again_it_ends_the_same(
    tmp_path: Path, untouched: Path, undisturbed: dict[str, Any], place: str, when: str, call: int
) -> None:
    folder = tmp_path / "site"
    shutil.copytree(untouched, folder)
    assert forgetting(folder, place, when, call) == KILLED
    between = outcome(folder)
    # What is under way is known, and keeps its dates from being made.
    assert [row[2] for row in between["dates"]] == [True]
    assert between["held"] == {*DATES}
    assert forgetting(folder, place, when, 99) == 0
    assert undisturbed["gone"] == []
    assert outcome(folder) == undisturbed


class Killed(BaseException):
    """What stands in for the end of a process between two objects, each of which is written whole or not at all."""


@pytest.mark.parametrize("puts", [1, 4, 9, 20])
def test_killed_between_two_objects_and_run_again_nothing_is_left(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, puts: int
) -> None:
    """Vectors go first: whose they are is known from the tables that name accounts."""
    bucket = store.bucket()
    made = filled(tmp_path, storage="s3", s3_bucket=bucket, s3_prefix="site", s3_endpoint=store.endpoint)
    original, calls = Objects.put, 0

    def killed(self: Objects, name: str, content: bytes) -> str:
        nonlocal calls
        calls += 1
        if calls > puts:
            raise Killed
        return original(self, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(Objects, "put", killed)
        with pytest.raises(Killed):
            made.forget(GONE)
    assert unfinished(made.site) == 1
    made.forget(GONE)
    assert unfinished(made.site) == 0
    for name, frame in made.tables().items():
        if is_personal(EVERY[name]):
            left = frame.filter(rows_of(GONE, EVERY[name]))
            assert (name, left.height) == (name, 0)
            assert frame.height == (len(owners_of(EVERY[name])) - 1) * len(slices_of(EVERY[name]))


# Every table that the contracts know.


def _nested_names(dtype: Any) -> set[str]:
    if isinstance(dtype, pl.Struct):
        return {name for each in dtype.fields for name in {each.name, *_nested_names(each.dtype)}}
    return _nested_names(dtype.inner) if isinstance(dtype, (pl.List, pl.Array)) else set()


@pytest.mark.parametrize("name", contracts())
def test_no_table_names_an_account_where_erasing_would_not_look(name: str) -> None:
    table = contracts()[name]
    for column in table.columns:
        assert not {ACCOUNT, CONVERSATION, "accounts_of", "conversation_ids"} & _nested_names(column.dtype)
        assert column.name == ACCOUNT or "pseudonym of the account" not in column.description.lower()


VIEWS = {model.name for model in models() if model.materialized == "view"}
STORED = [table for name, table in contracts().items() if name not in VIEWS]
PERSONAL = [*naming_accounts(STORED), *naming_conversations(STORED)]


@pytest.mark.parametrize("table", PERSONAL, ids=lambda table: table.name)
@settings(max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate])
@given(
    owners=st.lists(st.lists(st.sampled_from([GONE, ALSO, KEPT, None]), max_size=6), min_size=6, max_size=6)
)
def test_erasing_removes_exactly_the_accounts_rows(
    tmp_path_factory: pytest.TempPathFactory, table: Table, owners: list[list[str | None]]
) -> None:
    warehouse = DuckDBWarehouse(tmp_path_factory.mktemp("exactly"))
    slices = slices_of(table)
    able = set(owners_of(table))
    frames = [
        frame_of(table, values, [each for each in some if each in able])
        for values, some in zip(slices, owners, strict=False)
    ]
    warehouse.write_many((table, *each, "made from") for each in zip(slices, frames, strict=True))
    whole = pl.concat(frames)
    is_theirs = pl.any_horizontal(rows_of(each, table) for each in (GONE, ALSO))
    names = [name for name in CONVERSATIONS_SCHEMA if name in whole.columns]
    own = whole.filter(is_theirs).select(names)
    changed = warehouse.erase(
        [(table, values) for values in slices],
        lambda each, frame: without(each, frame, [pseudonym(GONE), pseudonym(ALSO)], own),
    )
    order = [*table.partitioned_by, *table.key]
    left = warehouse.read(table).cast(pl.Schema(table.schema)).sort(order)
    assert left.equals(whole.filter(~is_theirs).sort(order))
    assert len(changed) == sum(frame.filter(is_theirs).height > 0 for frame in frames)
    assert all(is_as_written(warehouse, table, each) for each in warehouse.slices(table).values())


def test_the_same_id_in_another_slice_is_anothers() -> None:
    """A vector says whose it is by its slice: the id alone may occur under two accounts."""
    english, spanish = ({"date": DATES[0].isoformat(), "language": each} for each in LANGUAGES)
    theirs = frame_of(EMBEDDINGS, english, [GONE])
    own = theirs.select(CONVERSATION, "date", "language")
    assert conversation_columns(EMBEDDINGS) == [CONVERSATION, "date", "language"]
    assert without(EMBEDDINGS, theirs, [], own).is_empty()
    assert without(EMBEDDINGS, frame_of(EMBEDDINGS, spanish, [GONE]), [], own).height == 1


def test_a_slice_that_was_tampered_with_stays_known_as_such(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path)
    values = slices_of(FACETS)[0]
    warehouse.write(FACETS, values, frame_of(FACETS, values, [GONE, KEPT]))
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("update restricted.facets set request = 'edited'")
    warehouse.erase([(FACETS, values)], lambda _, frame: frame.head(1))
    (stored,) = warehouse.slices(FACETS).values()
    assert stored.rows == 1
    assert not is_as_written(warehouse, FACETS, stored)


# The file, rewritten.


@pytest.fixture
def thinned(tmp_path: Path) -> DuckDBWarehouse:
    """A warehouse with a view, from which rows were erased."""
    warehouse = DuckDBWarehouse(tmp_path)
    for values in slices_of(FACETS):
        frame = frame_of(FACETS, values, [GONE, KEPT] * 200)
        warehouse.write(FACETS, values, frame, fingerprint="f")
    warehouse.replace_view("below", "select * from restricted.facets")
    warehouse.replace_view("above", "select count(*) as rows from restricted.below")
    warehouse.erase(
        [(FACETS, values) for values in slices_of(FACETS)],
        lambda table, frame: without(table, frame, [pseudonym(GONE)], frame),
    )
    return warehouse


def test_bytes_are_there_until_the_file_is_rewritten(thinned: DuckDBWarehouse) -> None:
    assert pseudonym(GONE).encode() in thinned.path.read_bytes()
    slices, rows = thinned.slices(FACETS), thinned.read(FACETS)
    mode = thinned.path.stat().st_mode
    thinned.compact()
    assert pseudonym(GONE).encode() not in thinned.path.read_bytes()
    assert hits(thinned.path.parent, traces(KEPT)) == ["clio.duckdb"]
    assert thinned.slices(FACETS) == slices
    assert thinned.read(FACETS).equals(rows)
    assert thinned.query("select * from restricted.above").item() == 6 * 200
    assert thinned.path.stat().st_mode == mode


def test_what_killed_programs_left_beside_the_file_goes(thinned: DuckDBWarehouse) -> None:
    home = thinned.path.parent
    for name in ("clio.duckdb.new", "clio.duckdb.new.wal"):
        (home / name).write_text(MARKS[GONE])
    (home / "clio.duckdb.tmp").mkdir()
    (home / "clio.duckdb.tmp" / "spilled").write_text(MARKS[GONE])
    thinned.compact()
    assert sorted(path.name for path in home.glob("clio.*")) == [
        "clio.duckdb",
        "clio.duckdb.lock",
        "clio.duckdb.queue",
    ]


def test_a_log_that_a_killed_writer_left_is_taken_up_first(thinned: DuckDBWarehouse) -> None:
    script = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute(\"set checkpoint_threshold = '1GB'; update restricted.facets set request = 'from the log'\"); "
        "os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(thinned.path)], check=False)
    assert thinned.path.with_name("clio.duckdb.wal").exists()
    thinned.compact()
    assert not thinned.path.with_name("clio.duckdb.wal").exists()
    assert set(thinned.read(FACETS)["request"]) == {"from the log"}


def test_a_warehouse_without_a_file_needs_no_rewriting(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "home")
    warehouse.compact()
    assert not warehouse.path.exists()


# Landing.


def test_conversations_that_begin_after_the_erasure_land(tmp_path: Path) -> None:
    site = settings_in(tmp_path)
    path = write_jsonl(tmp_path / "all.jsonl", records(GONE, KEPT))
    asked_at = datetime(2026, 11, 2, 10, 15, 0, 123456, tzinfo=UTC)
    landing = land(path, key=source_key(path), settings=site, erased={erased_digest(GONE, KEY): asked_at})
    assert landing.quarantined["record"].to_list() == [1, 2, 3, 4]
    assert landing.landed == 2 + 6
    assert read_landed(site.home, DATES[1], "en")["account"].to_list() == [pseudonym(KEPT)]
    assert set(read_landed(site.home, DATES[2], "en")["account"]) == {pseudonym(GONE), pseudonym(KEPT)}


def test_landed_rows_whose_text_was_purged_go_too(tmp_path: Path) -> None:
    home = filled_landing(tmp_path, records(GONE, KEPT))
    key = source_key(tmp_path / "clean.jsonl")
    with source_lock(home, key):
        drop_text(home, key)
        assert hits(home, [pseudonym(GONE)])
        assert len(erase(home, key, [pseudonym(GONE)])) == len(DATES) * len(LANGUAGES)
        assert erase(home, key, [pseudonym(GONE)]) == frozenset()
    assert hits(home, traces(GONE)) == []
    assert read_receipt(home, key).is_purged
    assert read_landed(home, DATES[0], "en")["account"].to_list() == [pseudonym(KEPT)]


# Who waits for whom.

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def erasure(name: str, *dates: date, days_ago: int = 0, done: bool = True) -> tuple[Any, ...]:
    asked = NOW - timedelta(days=days_ago)
    return name, asked, asked if done else None, list(dates), asked if dates else None, None


def due(rows: list[tuple[Any, ...]]) -> dict[date, bool]:
    frame = pl.DataFrame(rows, ERASURES.schema, orient="row")
    return dict(waiting(frame, NOW, batch=3, days=30).select("date", "is_due").iter_rows())


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], {}, id="none"),
        pytest.param([erasure("a")], {}, id="nothing touched"),
        pytest.param(
            [erasure("a", *DATES[:2]), erasure("b", DATES[0])],
            {DATES[0]: False, DATES[1]: False},
            id="too few",
        ),
        pytest.param(
            [erasure("a", *DATES[:2]), erasure("b", DATES[0]), erasure("c", DATES[0])],
            {DATES[0]: True, DATES[1]: False},
            id="a batch of one date is none of another",
        ),
        pytest.param(
            [erasure("a", DATES[0], days_ago=30), erasure("b", *DATES[:2], days_ago=29)],
            {DATES[0]: True, DATES[1]: False},
            id="the first has waited for long",
        ),
        pytest.param(
            [erasure("a", DATES[0], days_ago=40, done=False), erasure("b", *DATES[:2], days_ago=31)],
            {DATES[0]: False, DATES[1]: True},
            id="one that is not finished",
        ),
    ],
)
def test_a_date_waits_for_a_batch_of_its_own(rows: list[tuple[Any, ...]], expected: dict[date, bool]) -> None:
    assert due(rows) == expected


def test_what_was_made_again_begins_a_new_batch() -> None:
    rows = [erasure("a", *DATES[:2]), erasure("b", DATES[0]), erasure("c", DATES[0])]
    frame = pl.DataFrame(rows, ERASURES.schema, orient="row")
    made = settled(frame, [DATES[0]], NOW)
    assert made["dates"].to_list() == [[DATES[1]], [], []]
    assert made["released_at"].to_list() == [None, NOW, NOW]
    assert made["waiting_since"].null_count() == 2
    left = waiting(
        pl.concat([made, pl.DataFrame([erasure("d", DATES[0])], ERASURES.schema, orient="row")]),
        NOW,
        batch=3,
        days=30,
    )
    assert left.select("date", "is_due").rows() == [(DATES[0], False), (DATES[1], False)]
    assert settled(made, [DATES[0]], NOW).is_empty()


def test_nothing_is_asked_for_of_a_held_date() -> None:
    def day(on: date, state: State) -> Day:
        return Day(
            on,
            tuple(Standing("facets", f"{on}|{language}", state) for language in LANGUAGES),
            (Standing("releases", str(on), state),),
        )

    with DagsterInstance.ephemeral() as instance:
        for state, asked in ((State.STALE, True), (State.HELD, False)):
            days = [day(each, state) for each in DATES]
            assert bool(list(slices_to_read(days, [], instance))) == asked
            unread = [Day(each.date, (), each.publish) for each in days]
            assert bool(list(dates_to_publish(unread, [], instance, NOW))) == asked
        # A new date whose window holds a held one does not wait for it.
        mixed = [day(DATES[0], State.HELD), Day(DATES[1], (), day(DATES[1], State.MISSING).publish)]
        (ask,) = dates_to_publish(mixed, [], instance, NOW)
        assert str(DATES[1]) in ask.tags.values()


def test_a_run_that_begins_while_an_account_is_erased_waits(tmp_path: Path) -> None:
    ledger, other = Ledger(tmp_path, lease_seconds=30), Ledger(tmp_path, lease_seconds=30)
    began: list[float] = []

    def run() -> None:
        with other.living("a run"):
            began.append(time.monotonic())

    with ledger.holding(ALONE, EVERYTHING, "forget"):
        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(1)
        assert ledger.living_runs() == {"a run"}
        assert ledger.working_runs() == set()
        assert not began
        ended = time.monotonic()
    thread.join(timeout=10)
    assert began and began[0] >= ended
    assert ledger.living_runs() == set()


def test_the_ledger_loses_rows_that_name_an_account(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, lease_seconds=30)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("create table noted (conversation_id text, answer text)")
        rows = [(f"c{number}", f"{MARKS[GONE if number % 2 else KEPT]} {number}") for number in range(400)]
        connection.exec_driver_sql("insert into noted values (?, ?)", rows)
    ledger.take("facets", ["a"], "one")
    ledger.erase({ACCOUNT: [pseudonym(GONE)], CONVERSATION: [f"c{number}" for number in range(1, 400, 2)]})
    assert hits(tmp_path, [MARKS[GONE]]) == []
    assert hits(tmp_path, [MARKS[KEPT]]) == ["ledger.sqlite"]
    assert [lease.partition for lease in ledger.leases()] == ["a"]

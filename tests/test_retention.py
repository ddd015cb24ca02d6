"""What is past its time leaves, and nothing else does: text, then facets; late, replaced and withdrawn files go on
working; a purge that is killed ends when it is called again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import DagsterInstance, RunRequest, SkipReason, build_schedule_context, materialize
from hypothesis import given
from hypothesis import strategies as st

import clio_dagster.versions as versions
from assets.accounting import ACCOUNTS
from assets.conversations import raw_conversations
from assets.embeddings import embeddings
from assets.facets import facets
from assets.staleness import State, standings
from clio_dagster.privacy.silence import EngineError
from clio_dagster.quality.accounting import unaccounted
from clio_dagster.release.read import release_dates, verify
from clio_dagster.retention import (
    PURGED_SCHEMA,
    SLICES_SCHEMA,
    SOURCES_SCHEMA,
    STAGED_SCHEMA,
    STORED_SCHEMA,
    Holdings,
    closed_dates,
    due,
)
from clio_dagster.safety.tables import SAFETY_TABLES
from clio_dagster.settings import Settings
from clio_dagster.synthetic.corpus import DAYS, generate
from clio_dagster.tables import (
    COUNTED_CONVERSATIONS,
    EMBEDDINGS,
    FACETS,
    PUBLISHED_CELLS,
    QUARANTINE,
    RAW_CONVERSATIONS,
    SOURCES,
    TABLES,
    TOMBSTONES,
)
from resources.duckdb_warehouse import DuckDBWarehouse
from resources.io_manager import WarehouseIOManager
from resources.readers import AnalystResource, EmbedderResource
from resources.retention import STAYING
from resources.sources import withdraw_source
from sensors.retention import due_on, purge_daily, purge_due, purge_job
from tests.s3_server import s3_server
from tests.scenario import SMALL, strings_of
from tests.scenario import Site as CommandLine
from tests.test_landing import lines, record, says
from tests.test_unland import Home, Killed

TODAY = datetime.now(UTC).date()
"""When everything is landed here."""

DAY = TODAY - timedelta(days=200)
KEY = f"{DAY}|en"
LANDING, RAW, FACETS_GONE = (TODAY + timedelta(days=days) for days in (8, 31, 91))
"""The first days on which each is past its time, with the default settings."""


def said(number: int, **fields: Any) -> dict[str, Any]:
    return record(number, started_at=f"{DAY}T10:00:00Z", **fields)


# What is due, as frames say.


def held(
    *,
    landed_on: date = DAY,
    is_purged: bool = False,
    raw_rows: int = 1,
    raw_purged_on: date | None = None,
    is_finished: bool = True,
    is_unread: bool = False,
) -> Holdings:
    """One source with one conversation of DAY in English."""
    purged = [] if raw_purged_on is None else [(DAY, "en", raw_purged_on, is_finished)]
    return Holdings(
        sources=pl.DataFrame([("a", landed_on, is_purged)], SOURCES_SCHEMA, orient="row"),
        slices=pl.DataFrame([(DAY, "en", "a")], SLICES_SCHEMA, orient="row"),
        raw=pl.DataFrame([(DAY, "en", landed_on, raw_rows)], STORED_SCHEMA, orient="row"),
        facets=pl.DataFrame([(DAY, "en", landed_on, 1)], STORED_SCHEMA, orient="row"),
        raw_purged=pl.DataFrame(purged, PURGED_SCHEMA, orient="row"),
        facets_purged=pl.DataFrame(schema=PURGED_SCHEMA),
        unread=pl.DataFrame(
            [(DAY, "en")] if is_unread else [], {"date": pl.Date, "language": pl.String}, orient="row"
        ),
        staged=pl.DataFrame([("killed", landed_on)], STAGED_SCHEMA, orient="row"),
    )


def settings(**values: int) -> Settings:
    return Settings(home=Path("/home/site"), key_file=Path("/etc/clio-key"), **values)  # type: ignore[arg-type]


def after(days: int, since: date = DAY) -> date:
    return since + timedelta(days=days)


@pytest.mark.parametrize(
    ("days", "expected"),
    [(7, (0, 0, 0)), (8, (1, 0, 0)), (30, (1, 0, 0)), (31, (1, 1, 0)), (90, (1, 1, 0)), (91, (1, 1, 1))],
    ids=lambda value: str(value),
)
def test_each_is_due_on_the_day_after_its_time(days: int, expected: tuple[int, int, int]) -> None:
    found = due(held(), settings(), after(days))
    assert (len(found.landing), found.raw.height, len(found.days)) == expected
    assert len(found.staged) == expected[0]


@given(
    own=st.integers(0, 400), landed=st.integers(0, 400), today=st.integers(0, 600), days=st.integers(1, 99)
)
def test_nothing_goes_before_its_days_have_passed_since_both(
    own: int, landed: int, today: int, days: int
) -> None:
    base = date(2026, 1, 1)
    holdings = held(landed_on=after(landed, base))
    moved = {
        name: getattr(holdings, name).with_columns(pl.lit(after(own, base)).alias("date"))
        for name in ("slices", "raw", "facets")
    }
    holdings = Holdings(**{**holdings.__dict__, **moved})
    chosen = settings(landing_days=days, raw_days=days, facet_days=days + 7)
    found = due(holdings, chosen, after(today, base))
    age = today - max(own, landed)
    assert bool(found.landing) == (found.raw.height == 1) == (age > days)
    assert bool(found.days) == (age > days + 7)


def test_text_that_was_not_read_waits_in_the_landing_until_the_raw_texts_time() -> None:
    early, late = (due(held(is_unread=True), settings(), after(days)) for days in (30, 31))
    assert (early.landing, early.waiting) == ((), ("a",))
    assert (late.landing, late.waiting) == (("a",), ())


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"raw_purged_on": after(31)}, 0),
        ({"raw_purged_on": after(30)}, 1),
        ({"raw_purged_on": after(31), "is_finished": False}, 1),
        ({"raw_purged_on": after(31), "is_finished": False, "raw_rows": 0}, 1),
        ({"raw_rows": 0}, 0),
    ],
    ids=["seen to", "purged before it was over", "not finished", "gone and not finished", "nothing there"],
)
def test_raw_text_is_purged_once(state: dict[str, Any], expected: int) -> None:
    assert due(held(**state), settings(), after(40)).raw.height == expected


def test_a_file_that_is_late_has_a_time_of_its_own() -> None:
    first = held(raw_purged_on=after(31))
    both = Holdings(
        **{
            **first.__dict__,
            "sources": pl.concat(
                [first.sources, first.sources.with_columns(source=pl.lit("b"), landed_on=after(40))]
            ),
            "slices": pl.concat([first.slices, first.slices.with_columns(source=pl.lit("b"))]),
        }
    )
    assert due(both, settings(), after(70)).raw.is_empty()
    (row,) = due(both, settings(), after(71)).raw.to_dicts()
    assert row["sources"] == ["a", "b"]
    assert due(both, settings(), after(130)).days == ()
    assert due(both, settings(), after(131)).days == (DAY,)


def test_a_day_closes_the_dates_whose_window_holds_it() -> None:
    assert closed_dates([DAY], 3) == {DAY, after(1), after(2)}


# A site in this process.


class Reading(Home):
    """A home whose slices are read, by the offline analyst."""

    def read(self, key: str = KEY) -> None:
        embedder = EmbedderResource(site=self.site)
        materialize(
            [raw_conversations, facets, embeddings],
            partition_key=key,
            instance=self.instance,
            resources={
                "site": self.site,
                "embedder": embedder,
                "analyst": AnalystResource(site=self.site, embedder=embedder),
                "warehouse_io": WarehouseIOManager(site=self.site),
            },
        )

    def purge(self, today: date) -> None:
        purge_due(self.site, "test", today, lambda _: None)

    def rows(self, table: Any) -> list[str]:
        return self.site.warehouse.read(table, {"date": DAY, "language": "en"})["conversation_id"].to_list()

    @property
    def states(self) -> dict[str, State]:
        (day,) = standings(self.site, [DAY], self.instance)
        return {each.stage: each.state for each in day.read if each.partition == KEY}

    def source(self, name: str, *records: dict[str, Any]) -> str:
        """A file landed and read."""
        key = self.write(*records, file=self.file.with_name(name))
        self.land(key)
        self.read()
        return key

    def texts(self) -> list[str]:
        """Every message that landed files hold."""
        files = (self.site.settings.home / "landing").rglob("*.parquet")
        return [
            text
            for file in files
            for text in strings_of(pl.read_parquet(file).select("messages"))
            if "text" in text
        ]

    def backdate(self, key: str, days: int) -> None:
        """Let a source have been landed some days ago."""
        stored = self.site.warehouse.slices(SOURCES, [key])[key]
        row = self.site.warehouse.read(SOURCES, {"source": key})
        moved = row.with_columns(pl.col("landed_at") - timedelta(days=days))
        self.site.warehouse.write(SOURCES, {"source": key}, moved, fingerprint=stored.fingerprint)

    def unaccounted(self) -> list[tuple[str, int, int]]:
        """Rows missing and extra in the tables of the slice."""
        found = []
        for table in (RAW_CONVERSATIONS, FACETS, EMBEDDINGS):
            given_rows, found_rows = ACCOUNTS[table.name][1](self.site, [KEY])
            for _, _, missing, extra in unaccounted(given_rows, found_rows, ["date", "language"]).iter_rows():
                found.append((table.name, missing, extra))
        return found


FRESH = {"raw_conversations": State.FRESH, "facets": State.FRESH, "embeddings": State.FRESH}


@pytest.fixture
def home(tmp_path: Path) -> Reading:
    return Reading(tmp_path)


@pytest.fixture(scope="module")
def read_once(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """A home with two conversations of DAY read, to be copied."""
    made = Reading(tmp_path_factory.mktemp("read"))
    made.source("first.jsonl", said(1), said(2))
    return made


@pytest.fixture
def first(read_once: Reading, tmp_path: Path) -> Reading:
    """A copy of that home, and a Dagster that knows nothing of it yet."""
    shutil.copytree(read_once.site.settings.home, tmp_path / "home")
    shutil.copy(read_once.site.settings.key_file, tmp_path / "key")
    return Reading(tmp_path)


def key_of(home: Reading) -> str:
    return str(home.site.warehouse.read(SOURCES)["source"][0])


def test_text_leaves_the_landed_files_and_nothing_else_changes(first: Reading) -> None:
    before = first.site.warehouse.slices(RAW_CONVERSATIONS)
    assert len(first.texts()) == 2
    first.purge(LANDING)
    assert first.texts() == []
    assert first.ids(DAY) == ["c1", "c2"]
    assert first.site.warehouse.slices(RAW_CONVERSATIONS) == before
    assert (first.states, first.unaccounted()) == (FRESH, [])
    assert first.row(key_of(first))["purged_at"] is not None


def test_a_file_whose_landing_was_purged_is_not_landed_again(first: Reading) -> None:
    first.purge(LANDING)
    assert first.write(said(1), said(2), file=first.file.with_name("first.jsonl")) == key_of(first)
    assert first.land(key_of(first))["reused"] is True
    assert first.texts() == []


def test_a_late_file_for_a_day_whose_landing_was_purged_adds_and_loses_nothing(first: Reading) -> None:
    first.purge(LANDING)
    first.source("late.jsonl", said(3))
    assert [first.rows(table) for table in (RAW_CONVERSATIONS, FACETS, EMBEDDINGS)] == [
        ["c1", "c2", "c3"]
    ] * 3
    assert (first.site.warehouse.read(RAW_CONVERSATIONS)["messages"].list.len() > 0).all()
    assert (first.states, first.unaccounted()) == (FRESH, [])


def test_a_newer_version_of_a_file_whose_landing_was_purged_replaces_it(first: Reading) -> None:
    first.purge(LANDING)
    first.file = Path(first.row(key_of(first))["path"])
    first.land(first.write(said(2), said(4)))
    first.read()
    assert first.rows(RAW_CONVERSATIONS) == first.rows(FACETS) == ["c2", "c4"]


def test_raw_text_leaves_and_what_was_read_from_it_stays(first: Reading) -> None:
    first.purge(RAW)
    assert first.rows(RAW_CONVERSATIONS) == []
    assert first.rows(FACETS) == first.rows(EMBEDDINGS) == ["c1", "c2"]
    assert (first.states, first.unaccounted()) == (FRESH, [])
    (stone,) = first.site.warehouse.read(TOMBSTONES).to_dicts()
    assert (stone["date"], stone["language"], stone["table_name"]) == (DAY, "en", "raw_conversations")
    assert stone["finished_at"] is not None


def test_other_code_reads_again_only_what_still_has_text(
    first: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    first.purge(RAW)
    before = first.site.warehouse.read(FACETS)
    monkeypatch.setitem(versions.STAGES, "facets", 99)
    assert first.states["facets"] == State.STALE
    first.read()
    assert first.site.warehouse.read(FACETS).equals(before)
    assert (first.states, first.unaccounted()) == (FRESH, [])


def test_a_late_file_after_the_raw_text_has_gone_adds_and_is_taken_back_alone(first: Reading) -> None:
    old = key_of(first)
    first.backdate(old, 31)
    first.purge(TODAY)
    late = first.source("late.jsonl", said(3))
    assert first.rows(RAW_CONVERSATIONS) == ["c3"]
    assert first.rows(FACETS) == ["c1", "c2", "c3"]
    first.purge(RAW)
    assert first.rows(RAW_CONVERSATIONS) == []
    assert first.rows(FACETS) == ["c1", "c2", "c3"]
    assert first.states == FRESH
    withdraw_source(first.site, first.instance, late)
    assert first.states["facets"] == State.STALE
    first.read()
    assert first.rows(FACETS) == first.rows(EMBEDDINGS) == ["c1", "c2"]
    assert (first.states, first.unaccounted()) == (FRESH, [])
    withdraw_source(first.site, first.instance, old)
    first.read()
    assert first.rows(FACETS) == []


def test_rows_of_a_file_that_came_later_stay_until_their_time(first: Reading) -> None:
    late = first.source("late.jsonl", said(3))
    for key in set(first.site.warehouse.read(SOURCES)["source"]) - {late}:
        first.backdate(key, 20)
    first.purge(TODAY + timedelta(days=11))
    assert first.rows(RAW_CONVERSATIONS) == ["c3"]
    assert first.rows(FACETS) == ["c1", "c2", "c3"]
    assert (first.states, first.unaccounted()) == (FRESH, [])


def test_a_day_past_retention_holds_nothing_and_takes_nothing(first: Reading) -> None:
    first.purge(FACETS_GONE)
    assert [first.rows(table) for table in (RAW_CONVERSATIONS, FACETS, EMBEDDINGS)] == [[], [], []]
    assert list((first.site.settings.home / "landing").rglob("*.parquet")) == []
    assert set(first.states.values()) == {State.TOMBSTONED}
    stored = (TABLES | SAFETY_TABLES).values()
    going = {table.name for table in stored if "date" in table.partitioned_by} - STAYING
    assert set(first.site.warehouse.read(TOMBSTONES)["table_name"]) == going
    key = first.write(
        said(5), record(6, started_at=f"{TODAY}T00:00:00Z"), file=first.file.with_name("late.jsonl")
    )
    first.land(key)
    assert (first.ids(DAY), first.ids(TODAY)) == ([], ["c6"])
    (refused,) = first.site.warehouse.read(QUARANTINE, {"source": key})["reason"]
    assert refused == "its day is past retention"
    with pytest.raises(Exception, match="CLIO_FACET_DAYS"):
        first.read()
    assert set(first.states.values()) == {State.TOMBSTONED}


def test_what_a_killed_landing_left_is_removed(first: Reading) -> None:
    left = first.site.settings.home / "landing" / ".staging" / "other-0123456789ab"
    left.mkdir(parents=True)
    (left / "chunk.parquet").write_bytes(b"text")
    first.purge(LANDING - timedelta(days=1))
    assert left.is_dir()
    first.purge(LANDING)
    assert not left.exists()


# Killed.


CHANGES = (
    (Path, "replace"),
    (Path, "unlink"),
    (DuckDBWarehouse, "write"),
    (DuckDBWarehouse, "write_many"),
    (DuckDBWarehouse, "erase"),
    (DuckDBWarehouse, "compact"),
)
"""Whatever changes a home, one call at a time."""


def killed_before(moment: int, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> bool:
    """Do `work` and end it before its n-th change; whether it came so far."""
    done = 0

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal done
            done += 1
            if done >= moment:
                raise Killed
            return original(*arguments, **named)

        return call

    with monkeypatch.context() as patch, suppress(Killed, EngineError):
        for owner, name in CHANGES:
            patch.setattr(owner, name, counted(getattr(owner, name)))
        work()
    return done >= moment


def content(home: Reading) -> dict[str, Any]:
    """All that a home holds of conversations, but for when."""
    warehouse = home.site.warehouse
    stones = warehouse.read(TOMBSTONES).sort("table_name", "date", "language")
    root = home.site.settings.home / "landing"
    return {
        "slices": warehouse.query(
            "select table_name, partition, content_hash, rows, fingerprint from restricted.slices "
            "where table_name not in ('sources', 'tombstones') order by all"
        ).rows(),
        "stones": stones.drop("purged_at", "finished_at").rows(),
        "unfinished": stones["finished_at"].null_count(),
        "landed": {
            file.relative_to(root).as_posix(): pl.read_parquet(file).rows()
            for file in root.rglob("*.parquet")
        },
        "receipts": {file.name: file.read_bytes() for file in root.rglob("*.json")},
        "purged": warehouse.read(SOURCES)["purged_at"].is_not_null().to_list(),
    }


@pytest.mark.parametrize(
    ("today", "stride"),
    [(LANDING, 1), (RAW, 2), pytest.param(FACETS_GONE, 4, marks=pytest.mark.slow)],
    ids=["landing", "raw", "facets"],
)
def test_a_purge_that_is_killed_anywhere_is_safe_and_ends_when_called_again(
    today: date, stride: int, first: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before every change of landed files, every second of a table, every fourth of the twenty that facets clear."""
    moment, ended = 1 - stride, False
    whole = Reading(tmp_path / "whole")
    _copy(first, whole)
    whole.purge(today)
    expected = content(whole)
    assert expected["unfinished"] == 0
    while not ended:
        moment += stride
        hit = Reading(tmp_path / f"killed{moment}")
        _copy(first, hit)
        ended = not killed_before(moment, monkeypatch, lambda hit=hit: hit.purge(today))  # type: ignore[misc]
        if today != FACETS_GONE:
            assert hit.rows(FACETS) == ["c1", "c2"]
            assert hit.unaccounted() == []
        hit.purge(today)
        assert content(hit) == expected
    assert moment > 3


def _copy(home: Reading, other: Reading) -> None:
    folder = other.site.settings.home
    folder.parent.mkdir(exist_ok=True)
    shutil.copytree(home.site.settings.home, folder)
    shutil.copy(home.site.settings.key_file, other.site.settings.key_file)


# Every day.


def test_the_schedule_asks_when_something_is_due_and_the_job_does_it(first: Reading, tmp_path: Path) -> None:
    def asked() -> RunRequest | SkipReason:
        at = datetime.combine(TODAY, datetime.min.time(), UTC)
        with (
            DagsterInstance.local_temp(str(tmp_path)) as instance,
            build_schedule_context(
                instance=instance, scheduled_execution_time=at, resources={"site": first.site}
            ) as context,
        ):
            result = purge_daily(context)
        assert isinstance(result, RunRequest | SkipReason)
        return result

    assert isinstance(asked(), SkipReason)
    first.backdate(key_of(first), 40)
    request = asked()
    assert isinstance(request, RunRequest)
    assert request.run_key == f"purge {TODAY}"
    with DagsterInstance.ephemeral() as instance:
        run = purge_job.execute_in_process(instance=instance, resources={"site": first.site})
    assert run.success
    assert first.rows(RAW_CONVERSATIONS) == []
    assert isinstance(asked(), SkipReason)


def test_a_partition_that_a_run_is_making_is_waited_for(first: Reading) -> None:
    found = due_on(first.site, RAW)
    heard: list[str] = []

    def end(said: str) -> None:
        heard.append(said)
        first.site.ledger.give("facets", [KEY], "other:1")

    assert first.site.ledger.take("facets", [KEY], "other:1") == {KEY}
    purge_due(first.site, "test", RAW, end)
    assert len(heard) == 1
    assert found.raw.height == 1
    assert first.rows(RAW_CONVERSATIONS) == []


# A bucket.


def test_on_s3_text_leaves_and_late_files_add(tmp_path: Path) -> None:
    with s3_server() as store:
        bucket = store.bucket()
        places = {"storage": "s3", "s3_bucket": bucket, "s3_prefix": "site", "s3_endpoint": store.endpoint}
        home = Reading(tmp_path, **places)
        home.source("first.jsonl", said(1), said(2))
        home.purge(RAW)
        assert home.rows(RAW_CONVERSATIONS) == []
        assert home.states == FRESH
        home.source("late.jsonl", said(3))
        assert home.rows(FACETS) == home.rows(EMBEDDINGS) == ["c1", "c2", "c3"]
        assert (home.states, home.unaccounted()) == (FRESH, [])
        home.purge(FACETS_GONE)
        assert home.rows(FACETS) == home.rows(EMBEDDINGS) == home.rows(RAW_CONVERSATIONS) == []
        assert set(home.states.values()) == {State.TOMBSTONED}


# A site by its command line.

MONTHS = DAYS[:2]
"""Its dates."""


@dataclass
class Months:
    """A site over two days of which everything has gone, and what it was before and after each purge."""

    site: CommandLine
    printed: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    found: dict[str, list[int]] = field(default_factory=dict)
    released: dict[str, dict[str, bytes]] = field(default_factory=dict)
    cells: dict[str, pl.DataFrame] = field(default_factory=dict)

    def note(self, moment: str) -> None:
        self.found[moment] = [each for each, text in enumerate(self.texts) if self.holds(text)]
        self.released[moment] = self.site.released()
        self.cells[moment] = self.site.warehouse.read(PUBLISHED_CELLS)

    def holds(self, text: str) -> bool:
        """Whether any file of the home has it, byte by byte or as Parquet says."""
        for file in self.site.home.rglob("*"):
            if not file.is_file():
                continue
            if text.encode() in file.read_bytes():
                return True
            if file.suffix == ".parquet" and any(text in each for each in strings_of(pl.read_parquet(file))):
                return True
        return False

    def clio(self, *arguments: str | Path) -> str:
        run = self.site.clio(*arguments)
        assert run.returncode == 0, run.stderr
        return run.stdout


def planted(first: int) -> bytes:
    """A conversation of each day, with a word that no other has in what is asked, and one in the answer."""
    return lines(
        *(
            record(
                first + number,
                account_id=f"planted{first + number}",
                started_at=f"{day}T10:00:00Z",
                messages=[
                    *says(f"Could you help me with a short letter about my Quilltwig{first + number}zz?"),
                    {"role": "assistant", "content": f"Dear Brackenwold{first + number}zz, I write to you."},
                ],
            )
            for number, day in enumerate(MONTHS)
        )
    )


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> Months:
    site = CommandLine(tmp_path_factory.mktemp("months"), SMALL | {"window_days": "2", "threads": "1"})
    made = Months(
        site, texts=[f"{word}{number}zz" for word in ("Quilltwig", "Brackenwold") for number in range(2)]
    )
    corpus, chats, late = (site.folder / name for name in ("corpus.jsonl.gz", "chats.jsonl", "late.jsonl"))
    generate(corpus, conversations=170, days=MONTHS)
    chats.write_bytes(planted(0))
    late.write_bytes(planted(100))
    made.clio("run", corpus, chats)
    made.note("published")
    made.printed["due"] = made.clio("purge", "--dry-run", "--today", f"{RAW}")
    made.note("asked")
    made.printed["raw"] = made.clio("purge", "--today", f"{RAW}")
    made.note("raw")
    made.printed["fresh"] = made.clio("status")
    made.printed["again"] = made.clio("purge", "--today", f"{RAW}")
    made.printed["days"] = made.clio("purge", "--today", f"{FACETS_GONE}")
    made.note("days")
    made.printed["status"] = made.clio("status")
    for name, arguments in (("late", ("run", late)), ("backfill", ("backfill", f"{DAYS[0]}"))):
        run = site.clio(*arguments)
        made.printed[name] = f"{run.returncode} {run.stdout} {run.stderr}"
    made.note("late")
    made.printed["unland"] = made.clio("unland", chats)
    return made


@pytest.mark.slow
def test_a_dry_run_says_what_is_due_and_changes_nothing(months: Months) -> None:
    span = f"{MONTHS[0]} to {MONTHS[-1]}"
    assert "text of 2 files" in months.printed["due"] and span in months.printed["due"]
    assert months.found["asked"] == months.found["published"] == [0, 1, 2, 3]


@pytest.mark.slow
def test_no_byte_of_the_text_is_left_and_then_none_of_the_facets(months: Months) -> None:
    assert not {2, 3}.intersection(months.found["raw"])
    assert months.found["days"] == months.found["late"] == []
    assert "fresh" in months.printed["fresh"] and "stale" not in months.printed["fresh"]
    assert "Nothing is past its time" in months.printed["again"]


@pytest.mark.slow
def test_what_is_published_stays_and_verifies(months: Months) -> None:
    assert len(release_dates(months.site.releases)) == 2
    assert months.released["late"] == months.released["published"]
    assert months.cells["late"].equals(months.cells["published"])
    assert months.cells["late"].height
    assert [
        problem for day in months.site.releases.iterdir() if day.is_dir() for problem in verify(day)
    ] == []


@pytest.mark.slow
def test_nothing_is_left_that_names_a_conversation(months: Months) -> None:
    warehouse = months.site.warehouse
    for table in (TABLES | SAFETY_TABLES).values():
        if {"conversation_id", "account"} & set(table.schema):
            assert warehouse.read(table).is_empty(), table.name
    assert months.cells["published"]["conversations"].sum() > 0
    assert warehouse.slices(COUNTED_CONVERSATIONS)


@pytest.mark.slow
def test_dates_past_retention_are_told_refused_and_left(months: Months) -> None:
    assert "tombstoned" in months.printed["status"] and "stale" not in months.printed["status"]
    assert months.printed["backfill"].startswith("1 ")
    assert "CLIO_FACET_DAYS" in months.printed["backfill"]
    assert "its day is past retention" in months.printed["late"]
    assert "had been purged" in months.printed["unland"]
    assert "left as it is published" in months.printed["unland"]

"""What is damaged is found by its hashes and named; what can be made again is forgotten, and nothing else is lost."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from clio_dagster.cli import app
from clio_dagster.conversations.landed import DamagedFile, slice_path
from clio_dagster.conversations.landing import land, read_landed, source_key
from clio_dagster.failures import CallError, StageError
from clio_dagster.mishaps import told
from clio_dagster.settings import Settings
from clio_dagster.tables import DAY, EMBEDDINGS, FROZEN_PARTS, RAW_CONVERSATIONS, TOMBSTONES
from resources.duckdb_warehouse import DuckDBWarehouse
from resources.integrity import Cure, Problem, problems
from resources.ledger import Ledger
from resources.mending import mend
from resources.s3_warehouse import S3Warehouse
from resources.site import Site
from resources.slices import Damaged, WarehouseError, WriteItem
from resources.sources import Found, register
from resources.warehouse import _files
from resources.zones import Zones
from tests.corpora import write_day
from tests.frames import DATE, ES, SECRET, conversations, day, embeddings
from tests.s3_server import Store, s3_server

DATE_KEY = DATE.isoformat()
MIDNIGHT = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site with some slices, nothing of which is damaged."""
    for name in ("CLIO_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("CLIO_KEY_FILE", str(tmp_path / "key"))
    _files.cache_clear()
    site = Site(overrides={"home": str(tmp_path / "home")})
    site.warehouse.write(RAW_CONVERSATIONS, ES, conversations(), fingerprint="made")
    site.warehouse.write(DAY, {"date": DATE}, day(1), fingerprint="made")
    site.warehouse.write_many(freezing(1))
    for language in ("en", "es"):
        frame = embeddings(300, 256, language=language)
        site.warehouse.write(EMBEDDINGS, ES | {"language": language}, frame, fingerprint="made")
    return site


def freezing(parts: int) -> list[WriteItem]:
    """Of each of some days so many parts; a row alone would take up no block of the file."""
    days = [DATE + timedelta(days=number) for number in range(20)]
    rows = [(each, parts, 0, MIDNIGHT + timedelta(seconds=each.day)) for each in days]
    frames = [pl.DataFrame([row], FROZEN_PARTS.schema, orient="row") for row in rows]
    return [(FROZEN_PARTS, {"date": each}, frame, "") for each, frame in zip(days, frames, strict=True)]


def found(site: Site) -> list[Problem]:
    return list(problems(site.settings, site.warehouse))


def file_of(site: Site) -> Path:
    return site.settings.home / "clio.duckdb"


def damage(site: Site, table: str) -> None:
    """Overwrite part of a block that holds rows of the table."""
    path = file_of(site)
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("use restricted")
        (block,) = connection.execute(
            f"select max(block_id) from pragma_storage_info('{table}') where block_id >= 0"
        ).fetchall()[0]
    with path.open("r+b") as file:
        file.seek(3 * 4096 + block * 262_144 + 5_000)
        file.write(os.urandom(64))


def verify(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["verify", *arguments])


# Found


def test_a_sound_home_has_no_problem(site: Site) -> None:
    assert found(site) == []
    assert verify().exit_code == 0


def test_rows_that_were_edited_are_found_those_of_vectors_too(site: Site) -> None:
    with duckdb.connect(file_of(site)) as connection:
        connection.execute("update restricted.embeddings set clustered_by = 'other' where language = 'es'")
        connection.execute("update restricted.raw_conversations set turns = 9 where turns = 1")
    assert [(each.table, each.partition, each.cure) for each in found(site)] == [
        ("raw_conversations", f"{DATE_KEY}|es", Cure.AGAIN),
        ("embeddings", f"{DATE_KEY}|es", Cure.AGAIN),
    ]


def test_rows_without_a_record_are_found(site: Site) -> None:
    with duckdb.connect(file_of(site)) as connection:
        connection.execute("delete from restricted.slices where table_name = 'day'")
    assert [(each.table, each.what) for each in found(site)] == [("day", "it has no record")]


def test_a_damaged_table_is_named_by_who_reads_it_without_a_value(site: Site) -> None:
    damage(site, "raw_conversations")
    with pytest.raises(
        Damaged, match=rf"raw_conversations {DATE_KEY}\|es: clio.duckdb is damaged.*clio verify"
    ) as caught:
        site.warehouse.read(RAW_CONVERSATIONS, ES)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_of_which_nothing_can_be_read_is_not_waited_for(site: Site) -> None:
    with file_of(site).open("r+b") as file:
        file.write(b"0" * 64)
    with pytest.raises(Damaged, match=r"clio.duckdb is damaged"):
        site.warehouse.read(DAY)
    assert [each.cure for each in found(site)] == [Cure.BACKUP]


def test_what_was_purged_cannot_be_made_again(site: Site) -> None:
    stone = dict.fromkeys(TOMBSTONES.schema) | {
        "date": DATE,
        "language": "es",
        "table_name": "raw_conversations",
        "purged_at": MIDNIGHT,
    }
    values = {"table_name": "raw_conversations"}
    site.warehouse.write(TOMBSTONES, values, pl.DataFrame([stone], TOMBSTONES.schema))
    with duckdb.connect(file_of(site)) as connection:
        connection.execute("update restricted.raw_conversations set turns = 9")
    assert [each.cure for each in found(site)] == [Cure.BACKUP]


# Mended


def test_a_damaged_block_costs_what_is_made_again_and_nothing_else(site: Site) -> None:
    kept = site.warehouse.slices(EMBEDDINGS) | site.warehouse.slices(FROZEN_PARTS)
    damage(site, "raw_conversations")
    result = mend(site, found(site), None)
    assert result.left == []
    assert site.warehouse.slices(RAW_CONVERSATIONS) == {}
    assert site.warehouse.slices(EMBEDDINGS) | site.warehouse.slices(FROZEN_PARTS) == kept
    assert len(list(file_of(site).parent.glob("clio.duckdb.damaged-*"))) == 1
    assert found(site) == []


def test_parts_that_were_shown_are_taken_from_the_backup_or_the_file_stays(
    site: Site, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    backup.mkdir()
    shutil.copy(file_of(site), backup)
    before = site.warehouse.read(FROZEN_PARTS)
    damage(site, "frozen_parts")
    content = file_of(site).read_bytes()
    refused = mend(site, found(site), None)
    assert {(each.table, each.cure) for each in refused.left} == {("frozen_parts", Cure.BACKUP)}
    assert file_of(site).read_bytes() == content
    assert mend(site, found(site), backup).left == []
    assert site.warehouse.read(FROZEN_PARTS).equals(before)


def test_a_backup_that_has_other_content_is_not_taken(site: Site, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    backup.mkdir()
    shutil.copy(file_of(site), backup)
    site.warehouse.write_many(freezing(2))
    damage(site, "frozen_parts")
    assert {each.table for each in mend(site, found(site), backup).left} == {"frozen_parts"}


def test_a_whole_file_is_replaced_by_a_backup_no_older_than_the_releases(site: Site, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    backup.mkdir()
    shutil.copy(file_of(site), backup)
    with file_of(site).open("r+b") as file:
        file.write(b"0" * 64)
    newer = site.settings.home / "releases" / "2026-11-02"
    newer.mkdir(parents=True)
    (left,) = [each for each in mend(site, found(site), backup).left if each.where == "clio.duckdb"]
    assert "older than the release of 2026-11-02" in left.what
    newer.rmdir()
    assert mend(site, found(site), backup).left == []
    assert found(site) == []


def test_a_log_that_is_not_the_files_is_set_aside_with_it(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "other.duckdb"
    with duckdb.connect(other) as connection:
        connection.execute("create table made as select 1 as one")
        connection.execute("checkpoint")
        connection.execute("insert into made values (2)")
        shutil.copy(f"{other}.wal", f"{file_of(site)}.wal")
    assert [each.is_unreadable for each in found(site)] == [True]
    assert mend(site, found(site), None).left == []
    assert found(site) == []


def test_where_the_records_are_damaged_what_is_there_is_recorded_anew(site: Site) -> None:
    before = site.warehouse.slices(EMBEDDINGS)
    damage(site, "slices")
    assert mend(site, found(site), None).left == []
    after = site.warehouse.slices(EMBEDDINGS)
    assert {key: each.content_hash for key, each in after.items()} == {
        key: each.content_hash for key, each in before.items()
    }
    assert {each.fingerprint for each in after.values()} == {""}


# Landed files


@pytest.fixture
def landed(site: Site, tmp_path: Path) -> Path:
    """A landed source's file; what it landed lies in the home."""
    source = write_day(tmp_path / "source.jsonl.gz", DATE, seed=1, conversations=100)
    register(site, [Found(source_key(source), str(source))])
    land(source, key=source_key(source), settings=site.settings)
    return source


def slice_file(site: Site, source: Path) -> Path:
    return slice_path(site.settings.home / "landing", DATE, "en", source_key(source))


def test_landed_conversations_hash_as_they_were_landed(site: Site, landed: Path) -> None:
    assert found(site) == []
    path = slice_file(site, landed)
    with pq.ParquetFile(path) as file:
        table, metadata = file.read(), file.metadata.metadata
    turns = pl.DataFrame(table).with_columns(flagged=pl.lit(True)).to_arrow().cast(table.schema)
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(turns)
        writer.add_key_value_metadata({b"content_hash": metadata[b"content_hash"]})
    (problem,) = found(site)
    assert (problem.what, problem.cure) == ("its conversations are not those that were landed", Cure.LAND)


def test_a_landed_file_that_cannot_be_read_is_named_and_landed_again(site: Site, landed: Path) -> None:
    path = slice_file(site, landed)
    before = path.read_bytes()
    path.write_bytes(before[: len(before) // 2])
    with pytest.raises(DamagedFile, match=r"landing/date=2026-11-01/language=en/.*clio verify"):
        read_landed(site.settings.home, DATE, "en")
    (problem,) = found(site)
    result = mend(site, [problem], None)
    assert result.done == [f"{source_key(landed)} is to be landed again: `clio run {landed}`"]
    land(landed, key=source_key(landed), settings=site.settings)
    assert found(site) == []
    landed.unlink()
    path.write_bytes(b"")
    assert [each.cure for each in mend(site, found(site), None).left] == [Cure.BACKUP]


# In a bucket


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with s3_server() as store:
        yield store


def test_a_damaged_object_is_named_and_forgotten_by_who_may_remove_nothing(
    store: Store, tmp_path: Path
) -> None:
    bucket = store.bucket()
    settings = Settings(
        home=tmp_path, storage="s3", s3_bucket=bucket, s3_prefix="site", s3_endpoint=store.endpoint
    )
    restricted = S3Warehouse(bucket, "site", store.endpoint)
    warehouse = Zones(restricted, S3Warehouse(bucket, "site", store.endpoint, zone="safety"))
    warehouse.write(DAY, {"date": DATE}, day(1), fingerprint="made")
    for language in ("en", "es"):
        frame = embeddings(50, 64, language=language)
        warehouse.write(EMBEDDINGS, ES | {"language": language}, frame, fingerprint="made")
    assert list(problems(settings, warehouse)) == []
    key = f"site/restricted/embeddings/date={DATE_KEY}/language=es.parquet"
    content = bytearray(store.client.get_object(Bucket=bucket, Key=key)["Body"].read())
    content[200:264] = os.urandom(64)
    store.client.put_object(Bucket=bucket, Key=key, Body=bytes(content))
    key = f"site/restricted/day/date={DATE_KEY}.parquet"
    store.client.put_object(Bucket=bucket, Key=key, Body=b"nothing of Parquet")
    seen = list(problems(settings, warehouse))
    assert [(each.table, each.partition, each.cure) for each in seen] == [
        ("embeddings", f"{DATE_KEY}|es", Cure.AGAIN),
        ("day", DATE_KEY, Cure.AGAIN),
    ]
    warehouse.forget([(EMBEDDINGS, ES), (DAY, {"date": DATE})])
    assert list(problems(settings, warehouse)) == []
    assert list(warehouse.slices(EMBEDDINGS)) == [f"{DATE_KEY}|en"]
    assert warehouse.read(EMBEDDINGS, {"date": DATE})["language"].unique().to_list() == ["en"]
    assert warehouse.read(DAY).is_empty()


# The command


def test_verify_fails_where_something_is_wrong_and_ends_well_once_it_is_mended(site: Site) -> None:
    damage(site, "embeddings")
    failed = verify("--json")
    assert isinstance(failed.exception, StageError)
    assert {each["table"] for each in json.loads(failed.stdout)["problems"]} == {"embeddings"}
    mended = json.loads(verify("--mend", "--json").stdout)
    assert mended["done"]
    assert mended["left"] == []
    assert verify().exit_code == 0


def test_a_damaged_ledger_is_set_aside(site: Site) -> None:
    home = site.settings.home
    Ledger(home, lease_seconds=60).engine.dispose()
    for end in ("-wal", "-shm"):
        (home / f"ledger.sqlite{end}").unlink(missing_ok=True)
    (home / "ledger.sqlite").write_bytes(b"no database" * 500)
    assert [each.cure for each in found(site)] == [Cure.ASIDE]
    assert verify("--mend").exit_code == 0
    assert list(home.glob("ledger.sqlite.damaged-*"))
    assert verify().exit_code == 0


def test_a_backup_without_mend_is_a_wrong_call(site: Site, tmp_path: Path) -> None:
    assert isinstance(verify("--backup", str(tmp_path)).exception, CallError)


# Told by every command


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, SECRET), "the disk has no room"),
        (sqlite3.OperationalError("database or disk is full"), "the disk has no room"),
        (sqlite3.DatabaseError("file is not a database"), "is damaged: `clio verify`"),
        (sa.exc.OperationalError(SECRET, {}, Exception("connection refused")), "does not answer"),
        (
            DamagedFile(Path("home/landing/receipts/a.json")),
            "landing/receipts/a.json is damaged: `clio verify`",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_mishap_is_told_wherever_it_comes_from_and_quotes_nothing(error: Exception, says: str) -> None:
    around = RuntimeError(SECRET)
    around.__cause__ = error
    said = told(around)
    assert said is not None
    assert says in said
    assert SECRET not in said


def test_an_error_of_the_programs_own_is_none() -> None:
    assert told(KeyError(SECRET)) is None


# A full disk


def test_a_full_disk_is_said_and_leaves_what_there_was(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path)
    warehouse.write(EMBEDDINGS, ES, embeddings(10, 256))
    before = warehouse.slices(EMBEDDINGS)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (warehouse.path.stat().st_size, limits[1]))
    try:
        with pytest.raises(WarehouseError, match=r"the disk of clio\.duckdb has no room"):
            warehouse.write(EMBEDDINGS, ES, embeddings(20_000, 256))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert warehouse.slices(EMBEDDINGS) == before
    assert warehouse.read(EMBEDDINGS).height == 10

"""Bad input and wrong calls, through the command line: a clear answer, the right exit code, no good record lost."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clio_dagster.release.read import release_dates, verify
from clio_dagster.tables import QUARANTINE, RAW_CONVERSATIONS, SOURCES
from tests.scenario import KEY, Site

SECRET = "zanzibar-quartz"
"""Said in every record, good or bad: it may be in no message and no reason."""

DAY = "2026-11-02"
SETTINGS = {"languages": "en", "max_record_bytes": "1000000"}
GOOD = 3
"""Good records in each file that has any."""


def record(name: str, **changes: Any) -> dict[str, Any]:
    asked = f"How do I repair the chain of my bicycle? It is called {SECRET}."
    return {
        "conversation_id": name,
        "account_id": f"account-of-{name}",
        "started_at": f"{DAY}T10:00:00Z",
        "messages": [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": "With a chain tool."},
        ],
    } | changes


def lines(name: str, *bad: dict[str, Any] | bytes) -> bytes:
    """JSON lines: a good record, the bad ones, and the other good ones."""
    good = [json.dumps(record(f"{name}-{number}")).encode() for number in range(GOOD)]
    return b"\n".join(
        [
            good[0],
            *(each if isinstance(each, bytes) else json.dumps(each).encode() for each in bad),
            *good[1:],
        ]
    )


def write_files(folder: Path) -> None:
    folder.mkdir()
    cut = gzip.compress(lines("cut") + b"\n" + lines("lost"), mtime=0)
    files = {
        "empty.jsonl": b"",
        "binary.jsonl": bytes(range(256)) * 64,
        "prose.jsonl": f"The diary of {SECRET}, which is no conversation.\n".encode() * 2000,
        "truncated.jsonl.gz": cut[:-12],
        "line.jsonl": lines("line", b'{"messages": "' + SECRET.encode() + b"x" * 50_000_000 + b'"}'),
        "latin.jsonl": lines("latin", json.dumps(record("caf\u00e9"), ensure_ascii=False).encode("latin-1")),
        "silent.jsonl": lines("silent", record("silent-x", messages=[])),
        "twice.jsonl": lines("twice", record("twice-0", started_at=f"{DAY}T11:00:00Z")),
        "times.jsonl": lines(
            "times",
            record("times-past", started_at="1970-01-01T00:00:00Z"),
            record("times-future", started_at="2100-01-01T00:00:00Z"),
        ),
        "nobody.jsonl": lines("nobody", record("nobody-x", account_id=None)),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Any]:
    """A site after one run over a folder of bad files, and that run."""
    site = Site(tmp_path_factory.mktemp("bad"), SETTINGS)
    write_files(site.folder / "files")
    return site, site.clio("run", site.folder / "files")


def test_files_that_are_no_conversations_fail_the_run_and_say_what_was_expected(
    landed: tuple[Site, Any],
) -> None:
    _, run = landed
    assert run.returncode == 1
    for name in ("empty.jsonl", "binary.jsonl", "prose.jsonl"):
        said = [line for line in run.stderr.splitlines() if name in line]
        assert len(said) == 1
        assert "conversation_id, account_id, started_at and messages" in said[0]


def test_nothing_printed_or_stored_quotes_a_record_or_shows_a_traceback(landed: tuple[Site, Any]) -> None:
    site, run = landed
    assert "Traceback" not in run.stdout + run.stderr
    assert SECRET not in run.stdout + run.stderr
    assert {name for name, text in site.open_texts() if SECRET in text} == set()
    assert not site.warehouse.read(QUARANTINE)["reason"].str.contains(SECRET).any()


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("truncated", "the compressed file breaks off here"),
        ("line", "longer than CLIO_MAX_RECORD_BYTES"),
        ("latin", "not valid UTF-8"),
        ("silent", "no messages"),
        ("twice", "conversation_id already at record"),
        ("times", "1970-01-01 is before CLIO_START_DATE"),
        ("times", "2100-01-01 is in the future"),
    ],
)
def test_a_bad_record_is_in_quarantine_with_its_place_and_reason(
    landed: tuple[Site, Any], file: str, reason: str
) -> None:
    site, _ = landed
    rows = site.warehouse.read(QUARANTINE).filter(
        pl.col("source").str.starts_with(f"{file}-"), pl.col("reason").str.contains(reason, literal=True)
    )
    assert rows.height == 1
    assert rows["record"].item() >= 1


@pytest.mark.parametrize("file", ["truncated", "line", "latin", "silent", "twice", "times", "nobody"])
def test_every_good_record_of_a_file_lands(landed: tuple[Site, Any], file: str) -> None:
    site, _ = landed
    prefix = "cut" if file == "truncated" else file
    ids = site.warehouse.read(RAW_CONVERSATIONS)["conversation_id"]
    assert {f"{prefix}-{number}" for number in range(GOOD)} <= set(ids)


def test_a_record_without_an_account_lands_as_nobodys(landed: tuple[Site, Any]) -> None:
    site, _ = landed
    row = site.warehouse.read(RAW_CONVERSATIONS, {"conversation_id": "nobody-x"})
    assert row["account"].to_list() == [None]


def test_what_landed_is_published_though_other_files_failed(landed: tuple[Site, Any]) -> None:
    site, _ = landed
    assert [day.isoformat() for day in release_dates(site.releases)] == [DAY]
    assert verify(site.releases / DAY) == []


@pytest.mark.slow
def test_records_that_became_datable_land_when_the_file_is_given_again(tmp_path: Path) -> None:
    """The quarantine says to set CLIO_UNDATED_AS: doing so must help."""
    site = Site(tmp_path / "site", SETTINGS)
    path = tmp_path / "undated.jsonl"
    path.write_text("\n".join(json.dumps(record(str(n), started_at=None)) for n in range(3)), "utf-8")
    first = site.clio("run", path)
    assert "CLIO_UNDATED_AS" in first.stdout
    assert site.warehouse.read(SOURCES)["landed"].to_list() == [0]
    second = site.clio("run", "--date", DAY, path)
    assert second.returncode == 0, second.stderr
    assert site.warehouse.read(SOURCES)["landed"].to_list() == [3]


@pytest.mark.slow
def test_a_file_that_has_moved_since_it_was_registered_still_lands(tmp_path: Path) -> None:
    """As after a run that was stopped before it landed the file."""
    site = Site(tmp_path / "site", SETTINGS)
    path = tmp_path / "before.jsonl"
    path.write_bytes(lines("moved"))
    site.key_file.write_bytes(b"no key")
    assert site.clio("run", path).returncode == 1
    site.key_file.write_bytes(KEY)
    (tmp_path / "elsewhere").mkdir()
    run = site.clio("run", path.rename(tmp_path / "elsewhere" / path.name))
    assert run.returncode == 0, run.stderr
    assert site.warehouse.read(SOURCES)["landed"].to_list() == [GOOD]


# Wrong calls.


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("timezone", "Mars/Phobos", "CLIO_TIMEZONE: unknown time zone 'Mars/Phobos'"),
        (
            "treshold",
            "5",
            "unknown setting CLIO_TRESHOLD: the settings are CLIO_ACCESS_FILE, CLIO_ACCOUNT_CAP",
        ),
        ("min_accounts", "1", "CLIO_MIN_ACCOUNTS: "),
        ("languages", "English", "CLIO_LANGUAGES: languages are ISO 639-1 codes"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_made(
    site: Site, setting: str, value: str, said: str
) -> None:
    site.settings = {setting: value}
    run = site.clio("demo")
    assert run.returncode == 2
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert not site.home.exists()


def test_an_unknown_line_of_clio_toml_is_named(site: Site) -> None:
    site.home.mkdir()
    (site.home / "clio.toml").write_text("min_acounts = 5\n", "utf-8")
    run = site.clio("topics")
    assert run.returncode == 2
    assert "unknown setting min_acounts" in run.stderr


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["run", "nowhere.jsonl"], "nowhere.jsonl"),
        (["run", "--date", "yesterday", "."], "--date"),
        (["demo", "--conversations", "5"], "--conversations"),
        (["topics"], "make one with `clio run FILE`"),
        (["topics", "--date", "2026-11-02"], "no release of 2026-11-02"),
        (["publish"], "publish"),
        (["backfill", "tomorrow"], "is no selection"),
        (["unland", "nothing"], "nothing"),
        (["status"], "nothing has been landed"),
    ],
)
def test_a_wrong_call_exits_2_and_says_what_was_wrong(site: Site, call: list[str], said: str) -> None:
    run = site.clio(*call)
    assert run.returncode == 2
    assert said.lower() in run.stderr.lower()
    assert "Traceback" not in run.stderr


def test_a_file_of_no_known_kind_names_the_kinds(site: Site) -> None:
    path = site.folder / "notes.txt"
    path.write_text(SECRET, "utf-8")
    run = site.clio("run", path)
    assert run.returncode == 1
    assert "notes.txt is none of .jsonl, .ndjson, .json, .csv, .parquet" in run.stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((), ("run", "demo", "dev", "topics", "CLIO_HOME", "clio.toml", "Exit codes")),
        (("run",), ("SOURCES", ".jsonl", ".parquet", ".gz", "--date")),
        (("demo",), ("--conversations", "--seed", "synthetic")),
        (("dev",), ("--port", "--host", "127.0.0.1")),
        (("topics",), ("--date", "--depth", "--json")),
        (("status",), ("--date", "--days", "--json", "stale and why")),
        (("backfill",), ("2026-11-03..2026-11-05", "2026-11-07|es", "--again", "interrupted")),
        (("unland",), ("SOURCES",)),
    ],
)
def test_help_says_what_a_command_takes(site: Site, command: tuple[str, ...], words: tuple[str, ...]) -> None:
    run = site.clio(*command, "--help")
    assert run.returncode == 0
    assert [word for word in words if word.lower() not in run.stdout.lower()] == []


@pytest.mark.slow
def test_a_conversation_under_two_days_or_languages_is_taken_once_a_window(tmp_path: Path) -> None:
    """Somebody goes on the next day, and in another language: the rows of both days land, and neither fails."""
    site = Site(tmp_path / "site", {"languages": "en,es", "cluster_size": "20"})
    asked = {
        "en": "How do I repair the chain of my bicycle?",
        "es": "¿Cómo arreglo la cadena de mi bicicleta?",
    }
    days = [("first", DAY, "en"), ("second", DAY, "es"), ("third", "2026-11-03", "en")]
    for file, day, language in days:
        messages = [{"role": "user", "content": asked[language]}, {"role": "assistant", "content": "So: …"}]
        records = [
            record(f"same-{number}", messages=messages, started_at=f"{day}T10:00:00Z") for number in range(30)
        ]
        (tmp_path / f"{file}.jsonl").write_text("\n".join(map(json.dumps, records)), "utf-8")
    run = site.clio("run", *(tmp_path / f"{file}.jsonl" for file, _, _ in days))
    assert run.returncode == 0, run.stderr
    members = site.warehouse.read("cluster_members")
    by_window = members.group_by("date").agg(pl.len(), pl.col("conversation_id").n_unique().alias("ids"))
    assert by_window.sort("date")["len"].to_list() == by_window["ids"].to_list() == [30, 30]
    assert members.filter(pl.col("date") == pl.col("date").max())["day"].unique().len() == 1
    coverage = site.warehouse.read("exact_coverage").filter(pl.col("stage") == "in")
    assert coverage["conversations"].sum() == 90

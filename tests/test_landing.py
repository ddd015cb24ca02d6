"""Landing: every good record lands, once; bad ones are quarantined with their place; accounts are gone."""

import gzip
import json
import subprocess
import sys
import tracemalloc
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clio_dagster.conversations.landing import (
    Landing,
    NotConversations,
    etag_key,
    find_sources,
    land,
    read_landed,
    slice_hash,
    source_key,
)
from clio_dagster.conversations.slices import withdraw
from clio_dagster.privacy.accounts import pseudonyms
from clio_dagster.settings import Settings, SettingsError, load_settings
from clio_dagster.tables import QUARANTINE, RAW_CONVERSATIONS

DAY = date(2026, 11, 1)
ENGLISH = "Could you help me write a letter to the people who own my flat?"
SPANISH = "¿Puedes ayudarme a escribir una carta para el dueño de mi piso?"
SWEDISH = "Kan du hjälpa mig att skriva ett brev till min hyresvärd?"


def record(number: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "conversation_id": f"c{number}",
        "account_id": "ann@example.org",
        "started_at": "2026-11-01T10:00:00+00:00",
        "messages": [{"role": "user", "content": ENGLISH}, {"role": "assistant", "content": "Gladly."}],
        **fields,
    }


def says(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def lines(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(item, ensure_ascii=False).encode() + b"\n" for item in records)


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    return load_settings(
        home=tmp_path / "home", key_file=tmp_path / "key", threads=1, max_record_bytes=200_000
    )


def land_bytes(data: bytes, site: Settings, name: str = "chats.jsonl") -> Landing:
    path = site.home.parent / name
    path.write_bytes(data)
    return land(path, key=source_key(path), settings=site)


def landed_ids(site: Settings, day: date = DAY, language: str = "en") -> list[str]:
    return read_landed(site.home, day, language)["conversation_id"].to_list()


def reasons(landing: Landing) -> list[tuple[int, str]]:
    return list(landing.quarantined.select("record", "reason").iter_rows())


def test_conversations_land_by_day_and_language(site: Settings) -> None:
    landing = land_bytes(
        lines(
            record(1),
            record(2, messages=says(SPANISH)),
            record(3, messages=says(SWEDISH)),
            record(4, started_at="2026-11-02T00:00:00Z"),
        ),
        site,
    )
    assert (landing.records, landing.landed, landing.quarantined.height) == (4, 4, 0)
    assert landing.slices.select("date", "language", "conversations").rows() == [
        (DAY, "en", 1),
        (DAY, "es", 1),
        (DAY, "other", 1),
        (date(2026, 11, 2), "en", 1),
    ]
    assert [landed_ids(site, DAY, language) for language in ("en", "es", "other")] == [["c1"], ["c2"], ["c3"]]


def test_a_landed_row_is_what_the_table_says(site: Settings) -> None:
    land_bytes(lines(record(1, flagged=True)), site)
    frame = read_landed(site.home, "2026-11-01", "en")
    assert frame.schema == pl.Schema(RAW_CONVERSATIONS.schema)
    assert frame.to_dicts() == [
        {
            "conversation_id": "c1",
            "account": pseudonyms(pl.Series(["ann@example.org"]), site.key)[0],
            "started_at": datetime(2026, 11, 1, 10, tzinfo=UTC),
            "date": DAY,
            "language": "en",
            "turns": 2,
            "messages": [{"role": "user", "text": ENGLISH}, {"role": "assistant", "text": "Gladly."}],
            "flagged": True,
        }
    ]


def test_no_account_id_is_left_in_anything_that_landing_writes_or_returns(site: Settings) -> None:
    landing = land_bytes(
        lines(record(1), record(2, conversation_id=None), record(3, started_at="never")), site
    )
    written = b"".join(path.read_bytes() for path in site.home.rglob("*") if path.is_file())
    assert b"ann@example.org" not in written
    frames = [read_landed(site.home, DAY, "en"), landing.quarantined, landing.slices]
    assert "ann@example.org" not in "".join(frame.write_json() for frame in frames)


def test_a_record_without_an_account_lands_with_none(site: Settings) -> None:
    land_bytes(lines(record(1, account_id=None)), site)
    assert read_landed(site.home, DAY, "en", columns=["account"])["account"].to_list() == [None]


def test_metadata_is_left_behind(site: Settings) -> None:
    land_bytes(lines(record(1, metadata={"note": "do-not-keep"})), site)
    assert "do-not-keep" not in read_landed(site.home, DAY, "en").write_json()


def test_of_an_id_that_occurs_twice_in_a_file_the_first_is_kept(site: Settings) -> None:
    landing = land_bytes(
        lines(record(1), record(2), record(1, started_at="2026-11-02", messages=says(SPANISH))), site
    )
    assert landed_ids(site) == ["c1", "c2"]
    assert reasons(landing) == [(3, "conversation_id already at record 1")]


def test_a_row_of_the_quarantine_names_place_and_reason_and_never_the_text(site: Settings) -> None:
    landing = land_bytes(
        lines(
            record(1),
            record(2, messages=[]),
            record(3, started_at="1970-01-01"),
            record(4, started_at="2100-01-01"),
            record(5, started_at="2026-11-01T10:00:00 Mars/Olympus"),
            {"price": 3},
        )
        + b'{"conversation_id": "cut off, '
        + ENGLISH.encode()
        + b"\n"
        + b'{"conversation_id": "\xff"}\n'
        + lines(record(9)),
        site,
    )
    assert landing.quarantined.schema == pl.Schema(QUARANTINE.schema)
    assert reasons(landing) == [
        (2, "no messages"),
        (3, "started_at 1970-01-01 is before CLIO_START_DATE 2023-01-01"),
        (4, "started_at 2100-01-01 is in the future: correct the clock that wrote it, or this machine's"),
        (5, "started_at is not a time: use ISO 8601 or seconds since 1970"),
        (6, "no fields of a conversation"),
        (7, "not valid JSON"),
        (8, "not valid UTF-8"),
    ]
    assert landed_ids(site) == ["c1", "c9"]
    assert landing.records == landing.landed + landing.quarantined.height


def test_a_truncated_gzip_lands_what_came_before_the_break(site: Settings) -> None:
    whole = gzip.compress(lines(*(record(number) for number in range(500))), compresslevel=1)
    landing = land_bytes(whole[: len(whole) // 2], site, "chats.jsonl.gz")
    assert 0 < landing.landed < 500
    assert reasons(landing) == [(landing.landed + 1, "the compressed file breaks off here")]


def test_a_truncated_array_lands_what_came_before_the_break(site: Settings) -> None:
    data = json.dumps([record(1), record(2), record(3)]).encode()
    landing = land_bytes(data[:-40], site, "chats.json")
    assert landing.landed == 2
    assert reasons(landing) == [(3, "not valid JSON: the file breaks off here")]


@pytest.mark.parametrize("name", ["chats.jsonl", "chats.json", "array.json", "chats.csv"])
def test_a_line_of_50_megabytes_is_passed_over_without_being_held(name: str, site: Settings) -> None:
    huge = b"x" * 50_000_000
    if name == "array.json":
        first, last = (json.dumps(record(number)).encode() for number in (1, 3))
        data = b"[" + first + b',{"conversation_id":"' + huge + b'"},' + last + b"]"
    elif name == "chats.csv":
        messages = json.dumps(record()["messages"]).replace('"', '""')
        row = 'c{},ann,2026-11-01,"{}"\n'.format
        data = b"conversation_id,account_id,started_at,messages\n" + row(1, messages).encode() + huge + b"\n"
        data += row(3, messages).encode()
    else:
        data = lines(record(1)) + b'{"conversation_id":"' + huge + b'"}\n' + lines(record(3))
    path = site.home.parent / name
    path.write_bytes(data)
    del data, huge
    tracemalloc.start()
    landing = land(path, key=source_key(path), settings=site)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reasons(landing) == [(2, "longer than CLIO_MAX_RECORD_BYTES (200,000)")]
    assert landed_ids(site) == ["c1", "c3"]
    assert peak < 25_000_000


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("empty.jsonl", b"", "empty"),
        ("blank.jsonl", b"\n\n", "empty"),
        ("empty.jsonl.gz", gzip.compress(b"", mtime=0), "empty"),
        ("empty.json", b"[]", "no record"),
        ("header.csv", b"conversation_id,messages\n", "no record"),
        ("binary.jsonl", bytes(range(256)) * 40, "binary"),
        ("utf16.json", json.dumps([record()]).encode("utf-16"), "binary"),
        ("table.parquet", b"PAR1 and nothing else", "Parquet"),
        ("prices.jsonl", b'{"price": 3}\n{"price": 4}\n', "no fields of a conversation"),
        ("prose.json", b"Once upon a time", "not valid JSON"),
        ("prices.csv", b"item,price\nrose,3\n", "no fields of a conversation"),
        ("numbers.json", b"[1, 2, 3]", "not an object"),
        ("long.jsonl", b'{"price": 3}\n' * 100_000, "no fields of a conversation"),
    ],
)
def test_a_file_of_no_conversations_says_what_was_expected(
    name: str, data: bytes, complaint: str, site: Settings
) -> None:
    with pytest.raises(NotConversations) as refused:
        land_bytes(data, site, name)
    assert name in str(refused.value) and complaint in str(refused.value)
    assert "expected conversations as JSON lines" in str(refused.value)


def test_an_unknown_time_zone_is_an_error_that_names_it() -> None:
    with pytest.raises(SettingsError, match=r"CLIO_TIMEZONE.*Mars/Olympus"):
        load_settings(timezone="Mars/Olympus")


def test_a_file_whose_every_record_is_refused_is_still_a_file_of_conversations(site: Settings) -> None:
    landing = land_bytes(lines(record(1, started_at=None)), site)
    assert (landing.landed, landing.slices.height, landing.quarantined.height) == (0, 0, 1)


def test_landing_again_changes_nothing(site: Settings) -> None:
    data = lines(*(record(number) for number in range(50)))
    first = land_bytes(data, site)
    before = {path: path.read_bytes() for path in site.home.rglob("*.parquet")}
    second = land_bytes(data, site)
    assert second.slices.equals(first.slices)
    assert {path: path.read_bytes() for path in site.home.rglob("*.parquet")} == before


def test_the_order_of_records_in_a_file_does_not_change_what_a_slice_holds(site: Settings) -> None:
    records = [record(number) for number in range(20)]
    first = land_bytes(lines(*records), site, "one.jsonl")
    second = land_bytes(lines(*records[::-1]), site, "two.jsonl")
    assert first.slices.equals(second.slices)


def test_the_same_file_under_another_name_changes_no_slice(site: Settings) -> None:
    data = lines(record(1), record(2))
    land_bytes(data, site, "one.jsonl")
    rows, fingerprint = read_landed(site.home, DAY, "en"), slice_hash(site.home, DAY, "en")
    land_bytes(data, site, "two.jsonl")
    assert read_landed(site.home, DAY, "en").equals(rows)
    assert slice_hash(site.home, DAY, "en") == fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"account_id": "bob"},
        {"flagged": True},
        {"started_at": "2026-11-01T10:00:01Z"},
        {"messages": says(ENGLISH)},
    ],
)
def test_any_change_of_a_conversation_changes_its_slices_hash(change: dict[str, Any], site: Settings) -> None:
    land_bytes(lines(record(1)), site, "one.jsonl")
    before = slice_hash(site.home, DAY, "en")
    land_bytes(lines(record(1, **change)), site, "two.jsonl")
    assert slice_hash(site.home, DAY, "en") != before


def test_of_one_conversation_in_several_sources_the_longest_then_the_latest_is_read(site: Settings) -> None:
    longer = [*record()["messages"], {"role": "user", "content": "Thank you, and now shorten it please."}]
    land_bytes(lines(record(1, messages=longer)), site, "b.jsonl")
    land_bytes(lines(record(1), record(2)), site, "c.jsonl")
    land_bytes(lines(record(2, started_at="2026-11-01T11:00:00Z")), site, "a.jsonl")
    found = read_landed(site.home, DAY, "en", columns=["conversation_id", "turns", "started_at"])
    assert found.rows() == [
        ("c1", 3, datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("c2", 2, datetime(2026, 11, 1, 11, tzinfo=UTC)),
    ]


def test_where_nothing_landed_the_frame_is_empty_and_has_its_schema(site: Settings) -> None:
    assert read_landed(site.home, DAY, "fr").schema == pl.Schema(RAW_CONVERSATIONS.schema)
    assert slice_hash(site.home, DAY, "fr") == slice_hash(site.home, DAY, "de")


def test_a_source_landed_under_other_languages_leaves_no_slice_behind(site: Settings) -> None:
    path = site.home.parent / "chats.jsonl"
    path.write_bytes(lines(record(1, messages=says(SPANISH))))
    land(path, key="chats", settings=site)
    land(path, key="chats", settings=site.model_copy(update={"languages": ("en",)}))
    assert (landed_ids(site, DAY, "es"), landed_ids(site, DAY, "other")) == ([], ["c1"])
    assert not list(site.home.rglob("language=es/*.parquet"))


def test_a_landing_says_on_which_days_it_has_slices_no_more(site: Settings) -> None:
    path = site.home.parent / "chats.jsonl"
    path.write_bytes(lines(record(1), record(2, started_at="2026-11-02T10:00:00Z")))
    assert land(path, key="chats", settings=site).removed == ()
    later = site.model_copy(update={"start_date": date(2026, 11, 2)})
    assert land(path, key="chats", settings=later).removed == (DAY,)
    assert land(path, key="chats", settings=later).removed == (DAY,)  # until told, whatever stopped it before
    assert land(path, key="chats", settings=site).removed == ()


def test_what_a_source_has_on_some_days_can_be_taken_back(site: Settings) -> None:
    land_bytes(lines(record(1), record(2, started_at="2026-11-02T10:00:00Z")), site)
    (key,) = {file.stem for file in site.home.rglob("*.parquet")}
    assert withdraw(site.home, key, {"2026-11-01"}) == {("2026-11-01", "en")}
    assert withdraw(site.home, key, {"2026-11-01"}) == set()
    assert (landed_ids(site), landed_ids(site, date(2026, 11, 2))) == ([], ["c2"])
    assert len(list(site.home.rglob("*.parquet"))) == 1


def test_a_slice_whose_file_goes_while_it_is_read_is_read_without_it(
    site: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_bytes(lines(record(1)), site)
    listed = iter([[site.home / "gone.parquet"], list(site.home.rglob("*.parquet"))])
    monkeypatch.setattr("clio_dagster.conversations.landed._files", lambda *_: next(listed))
    assert landed_ids(site) == ["c1"]


def test_an_objects_key_changes_with_its_etag() -> None:
    assert etag_key("Chats.jsonl", '"1"').startswith("chats-jsonl-")
    assert etag_key("Chats.jsonl", '"1"') != etag_key("Chats.jsonl", '"2"')


_KILLED = """
import os, sys
from pathlib import Path
from clio_dagster.conversations.landing import land
from clio_dagster.settings import load_settings

home, key_file, source, die_at = *map(Path, sys.argv[1:4]), int(sys.argv[4])
renames, replace = 0, Path.replace

def counted(self, target):
    global renames
    renames += 1
    if renames == die_at:
        os._exit(9)
    return replace(self, target)

Path.replace = counted
land(source, key="chats", settings=load_settings(home=home, key_file=key_file, threads=1))
"""


@pytest.mark.parametrize("rename", [1, 2, 3])
def test_a_landing_killed_at_any_rename_leaves_nothing_that_counts(rename: int, site: Settings) -> None:
    path = site.home.parent / "chats.jsonl"
    path.write_bytes(lines(record(1), record(2, messages=says(SPANISH))))
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, str(site.home), str(site.key_file), str(path), str(rename)],
        check=False,
    )
    assert killed.returncode == 9
    assert landed_ids(site, DAY, "en") + landed_ids(site, DAY, "es") == []
    land(path, key="chats", settings=site)
    assert landed_ids(site, DAY, "en") + landed_ids(site, DAY, "es") == ["c1", "c2"]


def test_nothing_of_a_landing_stays_in_its_staging_folder(site: Settings) -> None:
    land_bytes(lines(record(1)), site)
    with pytest.raises(NotConversations):
        land_bytes(b"[1]", site, "bad.json")
    assert {path.suffix for path in (site.home / "landing" / ".staging").iterdir()} <= {".lock"}


def test_a_key_names_the_file_and_its_content(tmp_path: Path) -> None:
    path = tmp_path / "Chats | November (1).jsonl.gz"
    path.write_bytes(b"one")
    key = source_key(path)
    assert key.startswith("chats-november-1-jsonl-gz-7692c3ad3540")
    path.write_bytes(b"two")
    assert source_key(path) != key


def test_a_file_named_in_letters_that_a_key_has_not_still_has_a_key(tmp_path: Path) -> None:
    path = tmp_path / "会話.jsonl"
    path.write_bytes(b"one")
    assert source_key(path) == "jsonl-7692c3ad3540"


def test_a_folder_is_landed_file_by_file(site: Settings) -> None:
    folder = site.home.parent / "sources"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(lines(record(1)))
    (folder / "b.json.gz").write_bytes(gzip.compress(json.dumps([record(2)]).encode()))
    for path in find_sources(folder):
        land(path, key=source_key(path), settings=site)
    assert landed_ids(site) == ["c1", "c2"]


def test_a_home_with_the_letters_of_a_pattern_in_its_name_works(tmp_path: Path) -> None:
    odd = load_settings(home=tmp_path / "it's [home]*", key_file=tmp_path / "key", threads=1)
    assert land_bytes(lines(record(1)), odd).landed == 1
    assert landed_ids(odd) == ["c1"]


def test_more_records_than_a_chunk_holds_all_land_in_order(site: Settings) -> None:
    numbers = list(range(9_000))
    landing = land_bytes(lines(*(record(number) for number in [*numbers, 4_000])), site)
    assert (landing.landed, reasons(landing)) == (9_000, [(9_001, "conversation_id already at record 4001")])
    assert landed_ids(site) == sorted(f"c{number}" for number in numbers)


def test_rows_come_in_order_whatever_the_ranges_that_they_are_read_in(
    site: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [
        record(
            number,
            started_at=f"2026-11-0{1 + number % 3}",
            messages=says((ENGLISH, SPANISH)[number % 5 == 0]),
        )
        for number in range(600)
    ]
    data = lines(*records, *records[:30])
    whole = land_bytes(data, site)
    monkeypatch.setattr("clio_dagster.conversations.chunks.RANGE_CHARACTERS", 3_000)
    pieces = land_bytes(data, site)
    assert pieces.slices.equals(whole.slices)
    assert (pieces.landed, pieces.quarantined.height) == (600, 30)
    assert landed_ids(site) == sorted(f"c{number}" for number in range(0, 600, 3) if number % 5)

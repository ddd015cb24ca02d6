"""Landing by several processes: the same rows and reasons, and nothing left of helpers whatever goes wrong."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clio_dagster.conversations import helpers, landing, staging
from clio_dagster.conversations.files import Part
from clio_dagster.conversations.helpers import HelperDied, Helpers, helpers_for
from clio_dagster.conversations.landed import read_landed
from clio_dagster.conversations.landing import Landing, land
from clio_dagster.conversations.staging import Rules
from clio_dagster.erasure import erased_digest
from clio_dagster.privacy.silence import EngineError
from clio_dagster.settings import Settings, load_settings
from tests.test_landing import DAY, ENGLISH, SPANISH, lines, record, says

SECRET = "orange-hippopotamus"
WAIT_SECONDS = 20


class Eager(Helpers):
    """Helpers that are waited for until they can take a batch, and that count what they did."""

    did = 0

    def __enter__(self) -> "Eager":
        super().__enter__()
        wait_for(lambda: bool(self._errors) or len(self._ready) == self._count)
        return self

    def done(self) -> list[staging.Staged]:
        results = super().done()
        Eager.did += len(results)
        return results


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    settings = load_settings(home=tmp_path / "home", key_file=tmp_path / "key", threads=1)
    return Rules(settings, datetime.now(UTC), {}, frozenset())


def a_batch(*texts: bytes) -> list[Part]:
    return [Part(place, len(text), text) for place, text in enumerate(texts, start=1)]


def test_helpers_land_the_same_as_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [
        record(number, account_id=f"account {number % 9}", messages=says((ENGLISH, SPANISH)[number % 5 == 0]))
        for number in range(900)
    ]
    path = tmp_path / "chats.jsonl"
    path.write_bytes(
        lines(*records) + b'{"x":\n[1]\n' + lines(*records[:3], record(901, started_at="2026-11-02"))
    )

    def landed(threads: int) -> tuple[Landing, Settings]:
        site = load_settings(home=tmp_path / f"home{threads}", key_file=tmp_path / "key", threads=threads)
        erased = {erased_digest("account 4", site.key): datetime(2026, 11, 3, tzinfo=UTC)}
        closed = {DAY + timedelta(days=1)}
        return land(path, key="chats", settings=site, erased=erased, closed=closed), site

    alone, at_home = landed(1)
    monkeypatch.setattr(helpers, "LARGE_BYTES", 0)
    monkeypatch.setattr(staging, "_BATCH_ROWS", 40)
    monkeypatch.setattr(landing, "Helpers", Eager)
    monkeypatch.setattr(Eager, "did", 0)
    together, elsewhere = landed(2)
    assert Eager.did > 0
    assert (together.records, together.landed) == (alone.records, alone.landed) == (906, 800)
    assert together.slices.equals(alone.slices)
    assert together.quarantined.drop("landed_at").equals(alone.quarantined.drop("landed_at"))
    for language in ("en", "es"):
        one, other = (read_landed(site.home, DAY, language) for site in (at_home, elsewhere))
        assert one.height
        assert one.equals(other)


def test_only_a_large_file_has_helpers_and_never_more_processes_than_threads() -> None:
    large = helpers.LARGE_BYTES
    assert [helpers_for(large, threads) for threads in (1, 2, 4, 64)] == [0, 1, 3, helpers.MOST]
    assert helpers_for(large - 1, 4) == 0


def test_an_error_in_a_helper_is_told_as_its_kind_and_place_alone(tmp_path: Path, rules: Rules) -> None:
    with Eager(1, "chats-key", rules, tmp_path / SECRET / "chunks") as others:
        assert others.take(0, a_batch(lines(record(1, messages=says(f"{ENGLISH} {SECRET}")))))
        with pytest.raises(
            EngineError, match=r"landing chats-key: .* at clio_dagster/conversations/"
        ) as told:
            others.done()
    assert SECRET not in str(told.value)
    assert told.value.__cause__ is None


def test_a_helper_that_is_killed_is_an_error_that_says_what_to_do(tmp_path: Path, rules: Rules) -> None:
    with Eager(1, "chats-key", rules, tmp_path) as others:
        process = others._processes[0]
        process.kill()
        process.wait()
        assert others.take(0, a_batch(lines(record(1))))
        with pytest.raises(HelperDied, match=r"chats-key: .* lower CLIO_THREADS"):
            others.done()


def test_helpers_end_with_their_block_in_the_middle_of_a_batch(tmp_path: Path, rules: Rules) -> None:
    with pytest.raises(KeyboardInterrupt), Eager(1, "chats-key", rules, tmp_path) as others:
        assert others.take(0, a_batch(lines(record(1))) * 200_000)
        raise KeyboardInterrupt
    assert others._processes[0].poll() == -signal.SIGKILL


_STARTER = """
import os, signal, sys, time
from datetime import UTC, datetime
from pathlib import Path
from clio_dagster.conversations.files import Part
from clio_dagster.conversations.helpers import Helpers
from clio_dagster.conversations.staging import Rules
from clio_dagster.settings import load_settings

folder = Path(sys.argv[1])
settings = load_settings(home=folder / "home", key_file=folder / "key")
with Helpers(1, "chats", Rules(settings, datetime.now(UTC), {}, frozenset()), folder) as others:
    while not others._ready:
        time.sleep(0.01)
    others.take(0, [Part(1, 2, b'{"conversation_id":"a","started_at":1,"messages":[]}')] * 2_000_000)
    print(others._processes[0].pid, flush=True)
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks a process up in /proc")
def test_a_helper_does_not_outlive_the_process_that_started_it(tmp_path: Path) -> None:
    starter = subprocess.run(
        [sys.executable, "-c", _STARTER, str(tmp_path)], stdout=subprocess.PIPE, text=True, check=False
    )
    assert starter.returncode == -signal.SIGKILL
    helper = int(starter.stdout)

    def is_gone() -> bool:
        try:
            return Path(f"/proc/{helper}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    wait_for(is_gone)

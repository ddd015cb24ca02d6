"""The log of Review says of itself where it was altered, thinned, moved or cut; and only ever grows."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clio_dagster.review.log import Line, LogError, ReviewLog, log_of
from clio_dagster.review.verify import verify

KEY = bytes(range(32))
NOW = datetime(2026, 11, 7, 12, tzinfo=UTC)


def log_in(folder: Path) -> ReviewLog:
    return log_of(folder / "home", folder / "config" / "key", KEY)


def write(log: ReviewLog, count: int = 1, **said: str) -> None:
    for number in range(count):
        with log.held() as held:
            line = Line("alice", "trust_and_safety", "accounts", "allowed", "cli:alice", **said)
            held.append(line, NOW + timedelta(minutes=number))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> ReviewLog:
    """A log of six lines that no test changes."""
    made = log_in(tmp_path_factory.mktemp("log"))
    write(made, 6, subject="группа\n\u2028", reason='because of "a" reason\\')
    return made


@pytest.fixture
def log(made: ReviewLog, tmp_path: Path) -> ReviewLog:
    """The same log for a test's own."""
    copied = log_in(tmp_path)
    for source, target in ((made.path, copied.path), (made.head, copied.head)):
        target.parent.mkdir(parents=True)
        shutil.copy(source, target)
    return copied


def found(log: ReviewLog) -> list[tuple[int, str]]:
    return [(problem.line, problem.kind) for problem in verify(log)]


def rewritten(log: ReviewLog, change: Callable[[list[bytes]], list[bytes]]) -> list[tuple[int, str]]:
    log.path.write_bytes(b"".join(line + b"\n" for line in change(log.lines())))
    return found(log)


def altered(lines: list[bytes], place: int, **values: object) -> list[bytes]:
    changed = json.loads(lines[place - 1]) | values
    return [*lines[: place - 1], json.dumps(changed).encode(), *lines[place:]]


def test_a_log_that_nobody_touched_is_whole(log: ReviewLog) -> None:
    assert found(log) == [] and len(log.lines()) == 6
    assert log.path.stat().st_mode & 0o777 == log.head.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("place", range(1, 7))
@pytest.mark.parametrize(
    "values",
    [{"who": "bob"}, {"accounts": []}, {"seq": 9}, {"hash": "0" * 64}, {"time": "2026-11-08T00:00:00.0Z"}],
)
def test_an_altered_line_is_named(log: ReviewLog, place: int, values: dict[str, object]) -> None:
    if values == {"accounts": []}:
        values = {"accounts": ["someone"]}
    assert rewritten(log, lambda lines: altered(lines, place, **values)) == [(place, "altered")]


@pytest.mark.parametrize("place", range(1, 6))
def test_a_removed_line_is_named(log: ReviewLog, place: int) -> None:
    assert rewritten(log, lambda lines: lines[: place - 1] + lines[place:]) == [(place, "removed")]


@pytest.mark.parametrize("left", range(6))
def test_a_tail_that_was_cut_off_is_missed(log: ReviewLog, left: int) -> None:
    assert rewritten(log, lambda lines: lines[:left]) == [(left + 1, "truncated")]


def test_a_whole_log_that_was_removed_is_missed(log: ReviewLog) -> None:
    log.path.unlink()
    assert found(log) == [(1, "truncated")]
    with pytest.raises(LogError, match="clio review verify"):
        write(log)


@pytest.mark.parametrize("place", range(1, 6))
def test_two_lines_that_changed_places_are_named(log: ReviewLog, place: int) -> None:
    def swapped(lines: list[bytes]) -> list[bytes]:
        return [*lines[: place - 1], lines[place], lines[place - 1], *lines[place + 1 :]]

    assert rewritten(log, swapped) == [(place, "reordered"), (place + 1, "reordered")]


def test_a_line_that_stands_twice_is_named(log: ReviewLog) -> None:
    assert rewritten(log, lambda lines: [*lines, lines[2]]) == [(7, "repeated")]


def test_who_lacks_the_key_cannot_make_a_log(log: ReviewLog, tmp_path: Path) -> None:
    other = ReviewLog(log.path, tmp_path / "their-head", bytes(32))
    log.path.unlink()
    write(other, 6)
    assert verify(other) == []
    assert found(log) == [(place, "altered") for place in range(1, 7)] + [(7, "truncated")]


def test_an_older_copy_of_the_log_is_no_log(log: ReviewLog) -> None:
    old = log.path.read_bytes()
    write(log, 2)
    log.path.write_bytes(old)
    assert found(log) == [(7, "truncated")]


def test_a_head_that_was_put_back_is_behind(log: ReviewLog) -> None:
    old = log.head.read_bytes()
    write(log, 2)
    log.head.write_bytes(old)
    assert found(log) == [(8, "head behind")]
    with pytest.raises(LogError):
        write(log)


def test_a_log_that_was_touched_at_its_end_takes_no_line(log: ReviewLog) -> None:
    rewritten(log, lambda lines: altered(lines, 6, who="bob"))
    before = log.path.read_bytes()
    with pytest.raises(LogError, match="not as it was left"):
        write(log)
    assert log.path.read_bytes() == before


# Crashes


def test_a_line_whose_head_a_crash_lost_is_kept(log: ReviewLog) -> None:
    old = log.head.read_bytes()
    write(log)
    log.head.write_bytes(old)
    assert found(log) == []
    write(log)
    assert found(log) == [] and len(log.lines()) == 8


def test_half_a_line_is_taken_away_and_a_whole_one_never(log: ReviewLog) -> None:
    stored = log.path.read_bytes()
    log.path.write_bytes(stored + b'{"who":"ali')
    write(log)
    assert found(log) == [] and log.path.read_bytes().startswith(stored)
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[:-1])
    with pytest.raises(LogError):
        write(log)
    assert log.path.read_bytes() == whole[:-1]


def _write_many(folder: Path) -> None:
    write(log_in(folder), 15)


def test_processes_write_one_chain(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=_write_many, args=(tmp_path,)) for _ in range(3)]
    for each in writers:
        each.start()
    for each in writers:
        each.join(60)
    assert found(log_in(tmp_path)) == [] and len(log_in(tmp_path).lines()) == 45


def test_lines_since_a_time_come_newest_first_and_are_checked(log: ReviewLog) -> None:
    with log.held() as held:
        assert [line.seq for line in held.since(NOW + timedelta(minutes=3))] == [6, 5, 4]
    log.path.write_bytes(b"".join(line + b"\n" for line in altered(log.lines(), 4, who="bob")))
    with log.held() as held, pytest.raises(LogError):
        list(held.since(NOW))


def test_a_long_log_is_read_from_its_end(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    write(log, 60, reason="r" * 3000)
    assert log.path.stat().st_size > 2 * 65_536
    with log.held() as held:
        assert [line.seq for line in held.since(NOW)] == list(range(60, 0, -1))


def test_homes_that_share_a_key_have_heads_of_their_own(tmp_path: Path) -> None:
    one, other = (log_of(tmp_path / name, tmp_path / "config" / "key", KEY) for name in ("a", "b"))
    write(one, 2)
    write(other)
    assert found(one) == found(other) == []
    assert len([*(tmp_path / "config").iterdir()]) == 2

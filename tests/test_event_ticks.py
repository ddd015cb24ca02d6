"""When an event is looked at, with a clock that moves through its window, and one that does not move as it should."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path

from clio_dagster.safety.events.definitions import Event, read_events
from clio_dagster.safety.events.ticks import LATE, Ask, Known, Seen, decide
from clio_dagster.settings import Settings
from tests.test_event_definitions import VOTE

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
SETTINGS = Settings(home=Path("/home/site"), key_file=Path("/etc/key"), languages=("en", "es"))  # type: ignore[arg-type]
SHORT = VOTE.replace("America/New_York", "UTC").replace("2026-11-09T00", "2026-11-05T00")
DAYS = [date(2026, 11, day) for day in (3, 4)]


def event_of(text: str = SHORT) -> Event:
    (event,) = read_events(text, SETTINGS).valid
    return event


class Daemon:
    """What becomes of decisions: the cursor is kept as text, and one run key makes one run."""

    def __init__(self) -> None:
        self.event = event_of()
        self.cursor = json.dumps(Seen().as_json())
        self.known = Known(content=dict.fromkeys(DAYS, "a"))
        self.runs: dict[str, Ask] = {}
        self.why = ""

    def tick(self, now: datetime, *, dies: bool = False) -> list[tuple[date, date]]:
        """First and last day of what a tick makes run. One that `dies` has asked and not kept its cursor."""
        decision = decide(self.event, now, self.known, Seen.read(json.loads(self.cursor)), SETTINGS)
        if not dies:
            self.cursor = json.dumps(decision.seen.as_json())
        self.why = decision.why
        if decision.ask is None or decision.ask.run_key in self.runs:
            return []
        self.runs[decision.ask.run_key] = decision.ask
        return [(decision.ask.first, decision.ask.last)]

    def through(self, times: Iterable[datetime]) -> int:
        return sum(len(self.tick(now)) for now in times)


def every(step: timedelta, first: datetime, last: datetime) -> list[datetime]:
    return [first + number * step for number in range((last - first) // step + 1)]


def test_a_whole_window_fires_once_a_slot_and_says_why_it_does_not() -> None:
    daemon = Daemon()
    start, end = daemon.event.starts_at, daemon.event.ends_at
    assert daemon.tick(start - 3 * HOUR - 12 * MINUTE) == []
    assert daemon.why == "election-2026 starts in 3 h 12 min"
    assert daemon.through(every(MINUTE, start, start + HOUR - MINUTE)) == 1
    assert daemon.why == "election-2026 is up to date; its next look is in 1 min"
    assert daemon.through(every(MINUTE, start + HOUR, end - MINUTE)) == 41
    assert daemon.tick(end) == []
    assert (
        daemon.why == "election-2026 is over; what comes late for its days is taken up for another 2 days 0 h"
    )
    assert daemon.tick(end + LATE) == []
    assert daemon.why == "election-2026 ended 2 days 0 h ago"
    assert {ask.last for ask in daemon.runs.values()} == {*DAYS}


def test_what_lands_is_taken_up_at_once_with_the_days_after_it() -> None:
    daemon = Daemon()
    start = daemon.event.starts_at
    daemon.tick(start + 30 * HOUR)
    assert daemon.tick(start + 30 * HOUR + MINUTE) == []
    daemon.known = Known({DAYS[0]: "a", DAYS[1]: "b"})
    assert daemon.tick(start + 30 * HOUR + 2 * MINUTE) == [(DAYS[1], DAYS[1])]
    daemon.known = Known({DAYS[0]: "late", DAYS[1]: "b"})
    assert daemon.tick(start + 30 * HOUR + 3 * MINUTE) == [(DAYS[0], DAYS[1])]
    daemon.known = Known({DAYS[0]: "a", DAYS[1]: "b"})  # as it was once: that is another change
    assert daemon.tick(start + 30 * HOUR + 4 * MINUTE) == [(DAYS[0], DAYS[1])]


def test_what_comes_late_after_the_end_is_taken_up_without_a_cadence() -> None:
    daemon = Daemon()
    end = daemon.event.ends_at
    daemon.tick(end - MINUTE)
    assert daemon.through(every(HOUR, end, end + 10 * HOUR)) == 0
    daemon.known = Known({DAYS[0]: "a", DAYS[1]: "late"})
    assert daemon.tick(end + 11 * HOUR) == [(DAYS[1], DAYS[1])]


def test_a_daemon_that_is_restarted_goes_on_and_one_that_dies_in_a_tick_asks_for_the_same_run() -> None:
    daemon = Daemon()
    start = daemon.event.starts_at
    assert daemon.tick(start, dies=True) == [(DAYS[0], DAYS[0])]
    assert daemon.tick(start + MINUTE) == []
    restarted = Daemon()
    restarted.cursor, restarted.runs = daemon.cursor, daemon.runs
    assert restarted.tick(start + 2 * MINUTE) == []
    assert restarted.tick(start + HOUR) == [(DAYS[0], DAYS[0])]


def test_a_clock_that_is_set_back_fires_nothing_twice() -> None:
    daemon = Daemon()
    start = daemon.event.starts_at
    assert daemon.through(every(HOUR, start, start + 5 * HOUR)) == 6
    assert daemon.through(every(MINUTE, start + 2 * HOUR, start + 5 * HOUR)) == 0
    assert daemon.tick(start + 6 * HOUR) == [(DAYS[0], DAYS[0])]


def test_a_clock_that_jumps_ahead_fires_once_and_back_again_goes_on_as_usual() -> None:
    daemon = Daemon()
    start = daemon.event.starts_at
    daemon.tick(start)
    assert len(daemon.tick(start + 9 * HOUR)) == 1
    assert daemon.tick(start + 9 * HOUR + MINUTE) == []
    assert (
        daemon.through(every(HOUR, start + HOUR, start + 10 * HOUR)) == 9
    )  # all but the tenth, which was fired


def test_a_window_across_daylight_saving_time_fires_once_an_elapsed_hour() -> None:
    night = VOTE.replace("2026-11-03T06", "2026-11-01T00").replace("2026-11-09T00", "2026-11-01T04")
    daemon = Daemon()
    daemon.event = event_of(night)
    daemon.known = Known({date(2026, 11, 1): "a"})
    assert daemon.through(every(MINUTE, daemon.event.starts_at, daemon.event.ends_at - MINUTE)) == 5


def test_days_that_are_not_read_are_waited_for_and_for_one_slot_at_most() -> None:
    daemon = Daemon()
    start = daemon.event.starts_at
    daemon.known = Known({DAYS[0]: "half"}, unread={DAYS[0]})
    assert daemon.through(every(MINUTE, start, start + HOUR - MINUTE)) == 0
    assert daemon.why == "election-2026 waits for 2026-11-03 to be read"
    assert daemon.tick(start + HOUR) == [(DAYS[0], DAYS[0])]
    daemon.known = Known({DAYS[0]: "whole"})
    assert daemon.tick(start + HOUR + MINUTE) == [(DAYS[0], DAYS[0])]


def test_a_day_of_which_nothing_has_landed_takes_no_slot() -> None:
    daemon = Daemon()
    start = daemon.event.starts_at
    daemon.known = Known()
    assert daemon.tick(start) == []
    assert daemon.why == "election-2026: nothing has been landed for 2026-11-03 yet"
    daemon.known = Known({DAYS[0]: "a"})
    assert daemon.tick(start + MINUTE) == [(DAYS[0], DAYS[0])]


def test_a_day_without_a_result_is_asked_for_again_at_the_next_slot() -> None:
    daemon = Daemon()
    start = daemon.event.starts_at
    daemon.tick(start + 25 * HOUR)
    daemon.known = Known(dict.fromkeys(DAYS, "a"), unmade={DAYS[0]})
    assert daemon.tick(start + 25 * HOUR + MINUTE) == []
    assert daemon.tick(start + 26 * HOUR) == [(DAYS[0], DAYS[1])]


def test_an_edit_within_the_window_is_taken_up_at_once_and_numbers_slots_anew() -> None:
    daemon = Daemon()
    start = daemon.event.starts_at
    daemon.through(every(HOUR, start, start + 3 * HOUR))
    daemon.event = event_of(SHORT.replace("min_conversations", "cadence_minutes = 30\nmin_conversations"))
    daemon.known = Known(dict.fromkeys(DAYS, "under another definition"))
    assert daemon.tick(start + 3 * HOUR + MINUTE) == [(DAYS[0], DAYS[0])]
    assert daemon.through(every(MINUTE, start + 3 * HOUR + 2 * MINUTE, start + 4 * HOUR)) == 2


def test_windows_that_overlap_are_looked_at_each_for_itself() -> None:
    one, other = Daemon(), Daemon()
    other.event = event_of(SHORT.replace("election-2026", "storm").replace("T06:00", "T06:20"))
    other.runs = one.runs
    start = one.event.starts_at
    times = every(MINUTE, start, start + 2 * HOUR - MINUTE)
    assert [(one.tick(now), other.tick(now)) for now in times].count(([], [])) == len(times) - 4
    assert {ask.event for ask in one.runs.values()} == {"election-2026", "storm"}

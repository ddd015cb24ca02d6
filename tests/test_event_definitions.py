"""events.toml is read strictly, event by event; local times become moments by a rule that is stated."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from clio_dagster.safety.events.definitions import Event, read_events, stored_event
from clio_dagster.safety.events.windows import baseline_of, days_of, instant_of, slot_of
from clio_dagster.settings import Settings

SETTINGS = Settings(home=Path("/home/site"), key_file=Path("/etc/key"), languages=("en", "es"))  # type: ignore[arg-type]

VOTE = """
[[events]]
name = "election-2026"
start = 2026-11-03T06:00:00
end = 2026-11-09T00:00:00
timezone = "America/New_York"
min_conversations = 15

[[events.watch]]
question = "Is this conversation about voting?"
keywords = { en = ["ballot", "vote*"], any = ["brexit"] }
"""
OTHER = VOTE.replace("election-2026", "world-cup")


def one(text: str) -> Event:
    found = read_events(text, SETTINGS)
    assert found.wrong == ()
    return found.valid[0]


def test_an_event_has_its_own_thresholds_and_the_sites_for_the_rest() -> None:
    event = one(VOTE)
    own = event.settings(SETTINGS)
    assert (own.min_conversations, own.min_accounts, own.word_min_accounts) == (
        15,
        SETTINGS.min_accounts,
        SETTINGS.word_min_accounts,
    )
    assert event.languages == ("en", "es", "other")
    assert (event.baseline_days, event.cadence_minutes, event.alerts.alpha) == (14, 60, 0.05)


def test_an_event_is_stored_and_read_back_as_it_was() -> None:
    event = one(VOTE)
    assert stored_event(event.model_dump_json()) == event
    assert stored_event(event.model_dump_json()).digest == event.digest
    assert one(VOTE.replace("06:00", "07:00")).digest != event.digest


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"election-2026"', '"a|b"', "event a|b, field name: use lower-case letters"),
        ("start = 2026-11-03T06:00:00", "", "event election-2026, field start: is missing: add it"),
        ("2026-11-03T06:00:00", "2026-11-03T06:00:00Z", "field start: write a local time without an offset"),
        ("2026-11-03T06:00:00", "2026-11-03", "field start: write a local time"),
        ("2026-11-09", "2026-11-01", "event election-2026, end must come after start"),
        ("2026-11-09", "2027-11-09", "a window lasts at most 366 days"),
        ("America/New_York", "New York", "field timezone: use an IANA time zone"),
        ("min_conversations", "min_conversation", "field min_conversation: is unknown"),
        ("= 15", "= 1", "field min_conversations: "),
        ('en = ["ballot', 'xx = ["ballot', "field watch 1 keywords: xx is no language of this site"),
        ("question", "query", "field watch 1 question: is missing"),
        ('"ballot"', '"…"', "has no letter and no digit"),
        ("[[events.watch]]", "[events.alerts]\nalpha = 2\n[[events.watch]]", "field alerts alpha: "),
        ('name = "', 'name = ""', "events.toml is not valid TOML"),
    ],
)
def test_what_is_wrong_is_told_with_the_event_and_the_field(before: str, after: str, said: str) -> None:
    found = read_events(VOTE.replace(before, after, 1), SETTINGS)
    assert found.valid == ()
    assert any(said in each.why for each in found.wrong), found.wrong


def test_a_wrong_event_leaves_the_others_as_they_are() -> None:
    found = read_events(VOTE + OTHER.replace("= 15", '= "many"'), SETTINGS)
    assert [event.name for event in found.valid] == ["election-2026"]
    assert [each.event for each in found.wrong] == ["world-cup"]
    assert found.names_all


def test_a_key_that_is_no_event_is_told_and_may_hide_one() -> None:
    found = read_events(VOTE + "[[event]]\nname = 'storm'\n", SETTINGS)
    assert [each.why for each in found.wrong] == [
        "events.toml: unknown key event: events are written as [[events]]"
    ]
    assert not found.names_all


def test_one_name_twice_is_no_event_at_all_and_one_without_a_name_may_be_any() -> None:
    twice = read_events(VOTE + VOTE + OTHER, SETTINGS)
    assert [event.name for event in twice.valid] == ["world-cup"]
    nameless = read_events(VOTE + OTHER.replace('name = "world-cup"', ""), SETTINGS)
    assert [event.name for event in nameless.valid] == ["election-2026"]
    assert twice.names_all
    assert not nameless.names_all


def test_errors_quote_no_value_that_could_be_long() -> None:
    found = read_events(VOTE.replace("= 15", '= "private text"'), SETTINGS)
    assert "private" not in found.wrong[0].why


NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("local", "later", "utc"),
    [
        (datetime(2026, 3, 8, 2, 30), False, datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),  # skipped: 03:30 EDT
        (datetime(2026, 3, 8, 2, 30), True, datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),
        (datetime(2026, 11, 1, 1, 30), False, datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),  # twice: EDT first
        (datetime(2026, 11, 1, 1, 30), True, datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
        (datetime(2026, 11, 3, 6, 0), False, datetime(2026, 11, 3, 11, 0, tzinfo=UTC)),
    ],
)
def test_local_times_that_are_skipped_or_come_twice_have_one_moment(
    local: datetime, later: bool, utc: datetime
) -> None:
    assert instant_of(local, NEW_YORK, later=later) == utc


def test_a_window_across_the_end_of_daylight_saving_time_has_a_slot_more() -> None:
    night = VOTE.replace("2026-11-03T06", "2026-11-01T00").replace("2026-11-09T00", "2026-11-01T04")
    event = one(night)
    assert event.ends_at - event.starts_at == timedelta(hours=5)
    assert slot_of(event, event.ends_at - timedelta(seconds=1)) == 4


def test_days_are_the_sites_and_the_baseline_ends_before_the_first() -> None:
    event = one(VOTE)
    assert days_of(event, ZoneInfo("UTC"))[0] == date(2026, 11, 3)
    assert days_of(event, ZoneInfo("UTC"))[-1] == date(2026, 11, 9)  # midnight in New York is 05:00 UTC
    assert days_of(event, NEW_YORK)[-1] == date(2026, 11, 8)
    before = baseline_of(event, ZoneInfo("UTC"))
    assert (before[0], before[-1], len(before)) == (date(2026, 10, 20), date(2026, 11, 2), 14)

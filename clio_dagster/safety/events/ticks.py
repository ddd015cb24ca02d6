"""When an event's window is looked at: at its cadence, and at once when what a day holds has changed.

Nothing here reads a clock or a store: a tick is decided from the moment, what is known of the window's days, and what
earlier ticks have asked for. Slots that were fired are remembered by number, so that a clock that is set back fires
none of them again, and one that jumps ahead fires one for all that it skipped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Self

from clio_dagster.safety.events.definitions import Event
from clio_dagster.safety.events.windows import days_of, in_words, slot_of
from clio_dagster.settings import Settings

LATE = timedelta(days=2)
"""After its end, a window's days are made again when something comes late, for so long."""


@dataclass(frozen=True)
class Known:
    """What is known of a window's days: `content` says what each would be made from, of those whose slices are all
    there; `unread` are those of which something is landed and not read as it would be; `unmade` those without a result.
    """

    content: Mapping[date, str] = field(default_factory=dict)
    unread: Set[date] = frozenset()
    unmade: Set[date] = frozenset()


@dataclass(frozen=True)
class Seen:
    """What was asked for so far. `slots` are runs of numbers, first and last, that belong to `anchor`; `content` is by
    day; `deferred` is the slot since which days wait to be read; `count` counts what was asked for."""

    anchor: str = ""
    slots: tuple[tuple[int, int], ...] = ()
    content: Mapping[str, str] = field(default_factory=dict)
    deferred: int | None = None
    count: int = 0

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """From what `as_json` gave; an empty mapping is an event that was never looked at."""
        return cls(**(dict(stored) | {"slots": tuple((a, b) for a, b in stored.get("slots", ()))}))

    def as_json(self) -> dict[str, Any]:
        return {
            "anchor": self.anchor,
            "slots": [list(each) for each in self.slots],
            "content": dict(self.content),
            "deferred": self.deferred,
            "count": self.count,
        }

    def has_fired(self, slot: int) -> bool:
        return any(first <= slot <= last for first, last in self.slots)

    def firing(self, slot: int) -> tuple[tuple[int, int], ...]:
        """The slots with one more."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted((*self.slots, (slot, slot))):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], last))
            else:
                merged.append((first, last))
        return tuple(merged)


@dataclass(frozen=True)
class Ask:
    """The days from `first` to `last` to be made by one run, and the key under which that is asked for once."""

    event: str
    first: date
    last: date
    run_key: str


@dataclass(frozen=True)
class Decision:
    """What a tick comes to for one event: something to ask for, or why not."""

    seen: Seen
    ask: Ask | None = None
    why: str = ""


def decide(event: Event, now: datetime, known: Known, seen: Seen, settings: Settings) -> Decision:
    """Whether an event is to be looked at `now` (UTC).

    Within the window today is asked for once a slot, and days whose content changed at once, together with every day
    after them up to today, which build on them. Days that are not read yet are waited for, for one slot at most.
    """
    seen = _anchored(seen, event)
    if now < event.starts_at:
        return Decision(seen, why=f"{event.name} starts in {in_words(event.starts_at - now)}")
    is_over = now >= event.ends_at
    if now >= event.ends_at + LATE:
        return Decision(seen, why=f"{event.name} ended {in_words(now - event.ends_at)} ago")
    days = days_of(event, settings.tz)
    today = min(now.astimezone(settings.tz).date(), days[-1])
    until = [day for day in days if day <= today]
    slot = slot_of(event, now)
    is_due = not is_over and not seen.has_fired(slot)
    changed = {
        day for day in until if day in known.content and known.content[day] != seen.content.get(str(day))
    }
    due = (
        {day for day in until if day == today or day in known.unmade} & known.content.keys()
        if is_due
        else set()
    )
    waiting = known.unread & {*until}
    if waiting and (seen.deferred is None or seen.deferred == slot):
        days_waited = ", ".join(str(day) for day in sorted(waiting))
        return Decision(replace(seen, deferred=slot), why=f"{event.name} waits for {days_waited} to be read")
    if not (wanted := changed | due):
        return Decision(replace(seen, deferred=None), why=_idle(event, now, today, known, slot, is_over))
    first = min(wanted)
    made = [day for day in until if day >= first and day in known.content]
    content = {str(day): known.content[day] for day in made}
    told = hashlib.sha256(repr((event.digest, sorted(content.items()))).encode()).hexdigest()[:16]
    after = replace(
        seen,
        slots=seen.slots if is_over else seen.firing(slot),
        content=dict(seen.content) | content,
        deferred=None,
        count=seen.count + 1,
    )
    return Decision(after, Ask(event.name, first, made[-1], f"{event.name} {seen.count} {slot} {told}"))


def _anchored(seen: Seen, event: Event) -> Seen:
    """Slots of another start or cadence are numbered otherwise: they count no more."""
    anchor = f"{event.starts_at.isoformat()} {event.cadence_minutes}"
    return seen if seen.anchor == anchor else replace(seen, anchor=anchor, slots=(), deferred=None)


def _idle(event: Event, now: datetime, today: date, known: Known, slot: int, is_over: bool) -> str:
    if is_over:
        left = in_words(event.ends_at + LATE - now)
        return f"{event.name} is over; what comes late for its days is taken up for another {left}"
    if today not in known.content:
        return f"{event.name}: nothing has been landed for {today} yet"
    next_at = event.starts_at + timedelta(minutes=event.cadence_minutes) * (slot + 1)
    if next_at >= event.ends_at:
        return f"{event.name} is up to date; it ends in {in_words(event.ends_at - now)}"
    return f"{event.name} is up to date; its next look is in {in_words(next_at - now)}"

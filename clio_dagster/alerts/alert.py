"""What an alert is, and what each kind of it says. What is built here leaves the site, and is read there by more people
than may see the restricted zone: no text, no account, no exact count, and a topic's name where readers see it, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

FOUND, RESOLVED = "found", "resolved"
"""States: something was found; what was found before is over."""

RUN_FAILED, RELEASE_LATE, GATE_CLOSED, EVALUATION, BUDGET_REACHED, EVENT, TEST = (
    "run failed",
    "release late",
    "gate closed",
    "evaluation",
    "budget reached",
    "event",
    "test",
)
"""Kinds."""


@dataclass(frozen=True)
class Alert:
    """One message. `facts` are names and values in the order in which they are shown; `page`, a place in the UI."""

    alert_id: str
    kind: str
    title: str
    found_at: datetime
    facts: tuple[tuple[str, str], ...] = ()
    page: str = ""
    state: str = FOUND

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"found_at": self.found_at.isoformat()})

    @staticmethod
    def from_json(text: str) -> Alert:
        values = json.loads(text)
        facts = tuple((name, value) for name, value in values["facts"])
        return Alert(**values | {"facts": facts, "found_at": datetime.fromisoformat(values["found_at"])})


def id_of(*parts: object) -> str:
    """16 hexadecimal digits: the same for the same thing found again, after a restart or by a look that overlaps."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:16]


def run_failed(
    run: str,
    job: str,
    *,
    partitions: str,
    steps: Sequence[str],
    errors: Sequence[str],
    asked_by: str,
    at: datetime,
) -> Alert:
    """A run that failed. `errors`: the class of each failure, with a sentence where it is known to hold nothing
    private."""
    what = "assets" if job.startswith("__") else job  # Dagster's own name for assets that a person chose
    facts = (
        ("job", what),
        ("run", run[:8]),
        ("partitions", partitions),
        ("steps", ", ".join(steps)),
        ("error", "; ".join(errors)),
        ("asked by", asked_by),
    )
    return Alert(id_of("run", run), RUN_FAILED, f"A run of {what} failed", at, _told(facts), f"runs/{run}")


def budget_reached(run: str, job: str, *, error: str, budget: float, days: int, at: datetime) -> Alert:
    """A run that the budget stopped: told once a day, as what stopped is asked for again once a day."""
    facts = (("job", job), ("run", run[:8]), ("error", error))
    alert_id = id_of("budget", budget, days, at.date())
    return Alert(alert_id, BUDGET_REACHED, "The budget is reached", at, _told(facts), f"runs/{run}")


def release_late(due: date, newest: date | None, *, has_landed: bool, at: datetime) -> Alert:
    """The release of `due` should be there and is not."""
    facts = (
        ("due", f"{due}"),
        ("newest", f"{newest or 'none'}"),
        ("conversations", f"landed for {due}" if has_landed else f"none landed for {due}"),
        ("see", "clio status"),
    )
    title = f"The release of {due} is late"
    return Alert(id_of("release", due, newest), RELEASE_LATE, title, at, facts, "assets/release")


def gate_closed(day: str, look: object, *, at: datetime) -> Alert:
    """The privacy gate has refused a date; `look` tells one look of the gate from another."""
    facts = (("date", day), ("stands", "the last good release"), ("see", "the check's reasons in the UI"))
    title = f"The privacy gate is closed for {day}"
    page = "assets/audited_summaries?view=checks"
    return Alert(id_of("gate", day, look), GATE_CLOSED, title, at, facts, page)


def evaluation_fell(section: str, what: str, look: object, *, at: datetime) -> Alert:
    """A section of an evaluation of which a check has failed, in the check's words; `look` as gate_closed's."""
    facts = (("section", section), ("found", what), ("see", "the check's figures, clio evaluate compare"))
    title = f"The evaluation of {section} has fallen"
    return Alert(
        id_of("evaluation", section, what, look), EVALUATION, title, at, facts, f"assets/evaluation/{section}"
    )


def resolved(alert: Alert, title: str, *, at: datetime) -> Alert:
    """What `alert` told of is over."""
    since = f"{alert.found_at:%Y-%m-%d %H:%M} UTC"
    facts = (("since", since), ("resolves", alert.alert_id))
    return Alert(f"{alert.alert_id}-resolved", alert.kind, title, at, facts, alert.page, RESOLVED)


def event_alert(
    day: str,
    event: str,
    topic: str,
    kind: str,
    *,
    name: str | None,
    published_conversations: int | None,
    conversations: int,
    accounts: int,
    at: datetime,
) -> Alert:
    """Something new, growing or of rising concern within an event.

    `name` and `published_conversations` where readers see the topic: then these are told, and otherwise neither the
    name nor an exact count.
    """
    about = [("topic", name or ""), ("conversations", f"{published_conversations}, with noise")]
    if not name or published_conversations is None:
        about = [
            ("topic", "a topic that is not published"),
            ("conversations", roughly(conversations)),
            ("accounts", roughly(accounts)),
        ]
    facts = (("event", event), ("date", day), *about, ("see", "clio review"))
    title = f"{kind.capitalize()} in the event {event}"
    return Alert(id_of("event", day, event, topic, kind), EVENT, title, at, facts, "assets/event_alerts")


def roughly(count: int) -> str:
    """A count rounded down to 1, 2 or 5 times a power of ten, and nothing below 5 told apart."""
    if count < 5:
        return "fewer than 5"
    power = 10 ** (len(str(count)) - 1)
    step = next(step for step in (5, 2, 1) if count >= step * power)
    return f"{step * power:,} or more"


def _told(facts: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in facts if value)

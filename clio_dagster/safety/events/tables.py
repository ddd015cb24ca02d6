"""The contracts of what event windows write. All of it is for Trust & Safety; none of it enters a release."""

from __future__ import annotations

import polars as pl

from clio_dagster.safety.events.definitions import KINDS
from clio_dagster.tables import (
    VECTOR_TYPE,
    Column,
    Table,
)

PUBLISHED, RESTRICTED, WITHHELD = "published", "restricted", "withheld"
"""Who may see a topic: everybody, as it passes the site's thresholds; Trust & Safety, as it passes the event's; nobody."""

_DATE = Column("date", pl.Date, "Day of the window, in CLIO_TIMEZONE.")
_EVENT = Column("event", pl.String, "Name of the event in events.toml.")
_CONVERSATION = Column("conversation_id", pl.String, "The source's id of the conversation.")
_ACCOUNT = Column("account", pl.String, "Pseudonym of the account; null where the record names none.", nullable=True)
_LANGUAGE = Column("language", pl.String, "ISO 639-1 code of a configured language, or `other`.")
_TOPIC = Column("topic", pl.String, "Stable id: the same from date to date for a topic that persists.")
_BY_EVENT = ("date", "event")

EVENTS = Table(
    "events",
    "Events as they were last read without an error; one that was taken out of events.toml stays, with the time.",
    (
        _EVENT,
        Column("definition", pl.String, "The event as JSON."),
        Column("registered_at", pl.Datetime("us", "UTC"), "When it was first read."),
        Column("changed_at", pl.Datetime("us", "UTC"), "When its definition changed last."),
        Column(
            "removed_at",
            pl.Datetime("us", "UTC"),
            "When it was found missing from events.toml; null while it is there.",
            nullable=True,
        ),
    ),
    key=("event",),
    partitioned_by=("event",),
)

EVENT_CONVERSATIONS = Table(
    "event_conversations",
    "Conversations of a day that lie within an event's window and that one of its watch questions takes in. No text.",
    (
        _DATE,
        _EVENT,
        _CONVERSATION,
        _ACCOUNT,
        _LANGUAGE,
        Column("started_at", pl.Datetime("us", "UTC"), "When the conversation began."),
        Column("question", pl.Int32, "Number of the first watch question that takes it in, from 1.", minimum=1),
        Column(
            "concerning", pl.Int8, "From 1 (benign) to 5 (extreme); null unless read.", nullable=True, minimum=1, maximum=5
        ),
    ),
    key=("conversation_id",),
    partitioned_by=_BY_EVENT,
)

EVENT_TOPICS = Table(
    "event_topics",
    "Topics of an event's window up to a day, under the event's thresholds and the site's.",
    (
        _DATE,
        _EVENT,
        _TOPIC,
        Column("cluster_id", pl.Int32, "Number of the cluster on this date, from 0.", minimum=0),
        Column("name", pl.String, "At most ten words; null where it is withheld.", nullable=True),
        Column("description", pl.String, "At most two sentences; null where it is withheld.", nullable=True),
        Column("conversations", pl.Int64, "Conversations of the window so far, after cap and collapse.", minimum=0),
        Column("accounts", pl.Int64, "Accounts among them.", minimum=0),
        Column(
            "mean_concerning",
            pl.Float64,
            "Mean concern, every account counting once; null where none was read.",
            nullable=True,
            minimum=1,
            maximum=5,
        ),
        Column(
            "status",
            pl.String,
            "`published`: passes what anything published must pass; `restricted`: for Trust & Safety alone; `withheld`.",
            accepted=(PUBLISHED, RESTRICTED, WITHHELD),
        ),
        Column("reasons", pl.List(pl.String), "Why it is not published."),
        Column(
            "published_conversations",
            pl.Int64,
            "The day's own conversations with noise, drawn once when the day is over; null unless published and enough.",
            nullable=True,
        ),
        Column("centroid", VECTOR_TYPE, "Unit vector of its middle."),
    ),
    key=("topic",),
    partitioned_by=_BY_EVENT,
)

EVENT_MEMBERS = Table(
    "event_members",
    "Which conversation of an event's window so far fell into which of its topics.",
    (
        _DATE,
        _EVENT,
        _CONVERSATION,
        _ACCOUNT,
        _LANGUAGE,
        _TOPIC,
        Column("day", pl.Date, "The conversation's own day."),
        Column("counted", pl.Boolean, "False for what the cap or the collapse of templates sets aside."),
    ),
    key=("conversation_id",),
    partitioned_by=_BY_EVENT,
)

EVENT_ALERTS = Table(
    "event_alerts",
    "What is new, grows or becomes more concerning on a day of an event's window, each said once a window.",
    (
        _DATE,
        _EVENT,
        _TOPIC,
        Column("kind", pl.String, "What is said of the topic.", accepted=KINDS),
        Column("conversations", pl.Int64, "The day's own conversations of the topic.", minimum=0),
        Column("accounts", pl.Int64, "Accounts among them.", minimum=0),
        Column(
            "baseline_conversations",
            pl.Int64,
            "Conversations of the baseline days within the topic's reach.",
            minimum=0,
        ),
        Column("p_value", pl.Float64, "Of its own test.", minimum=0, maximum=1),
        Column("adjusted_p", pl.Float64, "After Holm's correction over the day's tests.", minimum=0, maximum=1),
        Column("evidence", pl.String, "The counts in a sentence; no word of any conversation."),
        Column("first_seen_at", pl.Datetime("us", "UTC"), "When it was first raised."),
        Column("status", pl.String, "The topic's status on this date.", accepted=(PUBLISHED, RESTRICTED, WITHHELD)),
    ),
    key=("topic", "kind"),
    partitioned_by=_BY_EVENT,
)

EVENT_TABLES = (EVENTS, EVENT_CONVERSATIONS, EVENT_TOPICS, EVENT_MEMBERS, EVENT_ALERTS)

"""Contracts of what Trust & Safety alone looks at: leads for people, kept in a zone of their own."""

from __future__ import annotations

from typing import Final

import polars as pl

from clio_dagster.tables import PUBLISHED, VECTOR_TYPE, WITHHELD, Column, Table

RESTRICTED = "restricted"
"""Status of an event's topic that passes the event's thresholds, and not those of the site."""

NARROW_TOPIC, SHARED_PROMPT, RESALE = "narrow_topic", "shared_prompt", "resale"
"""Kinds of coordinated groups: paper, 4.2."""

NEW_TOPIC: Final = "new topic"
GROWTH: Final = "growth"
RISING_CONCERN: Final = "rising concern"
"""Kinds of an event's alerts."""

PEARSON, PEARSON_WEIGHTED = "pearson", "pearson weighted"
"""Correlations of a classifier's audit: over clusters alike, and by their conversations."""

_TIME = pl.Datetime("us", "UTC")
_DATE = Column("date", pl.Date, "Day of the partition, in CLIO_TIMEZONE.")
_EVENT = Column("event", pl.String, "Name of the event in events.toml.")
_LANGUAGE = Column("language", pl.String, "ISO 639-1 code of a configured language, or `other`.")
_CONVERSATION = Column("conversation_id", pl.String, "The source's id of the conversation.")
_ACCOUNT = Column(
    "account", pl.String, "Pseudonym of the account; null where the record names none.", nullable=True
)
_TOPIC = Column("topic", pl.String, "Stable id: the same from date to date for a topic that persists.")
_CLUSTERED_BY = Column("clustered_by", pl.String, "Text facet whose vectors were clustered.")
_CONVERSATIONS = Column("conversations", pl.Int64, "Conversations, exact.", minimum=0)
_ACCOUNTS = Column("accounts", pl.Int64, "Accounts among them.", minimum=0)
_CONCERN = Column(
    "mean_concerning", pl.Float64, "Mean of `concerning`; null where none was read.", nullable=True
)
_STATUS = Column(
    "status",
    pl.String,
    "`published`: passes what a release asks (P4 to P7); `restricted`: the event's own thresholds alone.",
    accepted=(PUBLISHED, RESTRICTED, WITHHELD),
)
_REASONS = Column("reasons", pl.List(pl.String), "Why, in words and counts; never a conversation's text.")

COORDINATED_GROUPS = Table(
    "coordinated_groups",
    "Groups of accounts that act alike beyond chance, over a date's window. Leads for people, no more.",
    (
        _DATE,
        Column("group_id", pl.String, "Hash of the group's kind and members."),
        Column(
            "kind",
            pl.String,
            "One topic from many accounts, one prompt used by many, or one account that many use.",
            accepted=(NARROW_TOPIC, SHARED_PROMPT, RESALE),
        ),
        _ACCOUNTS,
        _CONVERSATIONS,
        Column("first_at", _TIME, "When the first of its conversations began.", nullable=True),
        Column("last_at", _TIME, "When the last began.", nullable=True),
        Column("languages", pl.List(pl.String), "Languages that it writes in, the most frequent first."),
        Column("topic", pl.String, "Topic that most of it lies in; null where there is none.", nullable=True),
        Column("score", pl.Float64, "Evidence: −log10 of the odds of such a group by chance.", minimum=0),
        Column(
            "false_rate",
            pl.Float64,
            "Groups of such a score that one run is expected to report where accounts are shuffled.",
            minimum=0,
        ),
        _REASONS,
    ),
    key=("group_id",),
    zone="safety",
)

COORDINATED_ACCOUNTS = Table(
    "coordinated_accounts",
    "Members of the groups, and why each is one.",
    (
        _DATE,
        Column("group_id", pl.String, "Group that it is a member of."),
        Column("account", pl.String, "Pseudonym of the account."),
        _CONVERSATIONS,
        Column("membership", pl.Float64, "How surely it belongs.", minimum=0, maximum=1),
        _REASONS,
    ),
    key=("group_id", "account"),
    zone="safety",
)

EVENTS = Table(
    "events",
    "Events as they were last read without an error. One that is taken out of events.toml stays, with the time.",
    (
        _EVENT,
        Column("definition", pl.String, "The event as JSON."),
        Column("registered_at", _TIME, "When it was first read."),
        Column("changed_at", _TIME, "When its definition changed last."),
        Column(
            "removed_at",
            _TIME,
            "When it was missing from events.toml; null while it is there.",
            nullable=True,
        ),
    ),
    key=("event",),
    partitioned_by=("event",),
    zone="safety",
)

CLASSIFIER_AUDIT = Table(
    "classifier_audit",
    "How well the site's classifier agrees with the analyst's concern over a date's clusters (paper, 4.3).",
    (
        _DATE,
        _CLUSTERED_BY,
        Column("measure", pl.String, "Which correlation.", accepted=(PEARSON, PEARSON_WEIGHTED)),
        Column(
            "r", pl.Float64, "Pearson's r of mean concern and flagged share; null where neither varies.", True
        ),
        Column("r_low", pl.Float64, "Lower end of its bootstrap interval (95%).", nullable=True),
        Column("r_high", pl.Float64, "Upper end.", nullable=True),
        Column("clusters", pl.Int64, "Clusters that it is taken over.", minimum=0),
        _CONVERSATIONS,
    ),
    key=("clustered_by", "measure"),
    zone="safety",
)

FLAGGED_CLUSTERS = Table(
    "flagged_clusters",
    "What the site's classifier flagged, clustered by itself: what is not concerning may be its false positives.",
    (
        _DATE,
        _CLUSTERED_BY,
        Column("cluster_id", pl.Int32, "Number of the cluster, among those of flagged conversations."),
        Column("topic", pl.String, "Topic that most of it lies in; null where it is in none.", nullable=True),
        _CONVERSATIONS,
        _ACCOUNTS,
        Column("mean_concerning", pl.Float64, "Mean of `concerning`.", minimum=1, maximum=5),
        Column(
            "rank", pl.Int32, "Place among those that are not concerning, the largest first.", nullable=True
        ),
    ),
    key=("clustered_by", "cluster_id"),
    zone="safety",
)

EVENT_CONVERSATIONS = Table(
    "event_conversations",
    "Conversations of a day that an event's questions are about. No text.",
    (
        _DATE,
        _EVENT,
        _CONVERSATION,
        _ACCOUNT,
        _LANGUAGE,
        Column("started_at", _TIME, "When the conversation began.", nullable=True),
        Column("question", pl.Int32, "The event's question that it answers, from 1.", minimum=1),
        Column("concerning", pl.Int8, "From 1 (benign) to 5 (extreme); null unless read.", nullable=True),
    ),
    key=("conversation_id",),
    partitioned_by=("date", "event"),
    zone="safety",
)

EVENT_TOPICS = Table(
    "event_topics",
    "Topics of an event's conversations from its start to the date. Readers see those that are `published`.",
    (
        _DATE,
        _EVENT,
        _TOPIC,
        Column("cluster_id", pl.Int32, "Number of the cluster on this date."),
        Column("name", pl.String, "At most ten words, of words that its accounts share (P5).", nullable=True),
        Column("description", pl.String, "At most two sentences.", nullable=True),
        _CONVERSATIONS,
        _ACCOUNTS,
        _CONCERN,
        _STATUS,
        _REASONS,
        Column(
            "published_conversations",
            pl.Int64,
            "The count that readers see, with noise; null unless published.",
            nullable=True,
        ),
        Column("centroid", VECTOR_TYPE, "Unit vector of the cluster."),
    ),
    key=("topic",),
    partitioned_by=("date", "event"),
    zone="safety",
)

EVENT_MEMBERS = Table(
    "event_members",
    "Which of an event's conversations fell into which of its topics.",
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
    partitioned_by=("date", "event"),
    zone="safety",
)

EVENT_ALERTS = Table(
    "event_alerts",
    "What is new, grows, or rises in concern within an event, each once, with its counts and its odds.",
    (
        _DATE,
        _EVENT,
        _TOPIC,
        Column("kind", pl.String, "What was found.", accepted=(NEW_TOPIC, GROWTH, RISING_CONCERN)),
        _CONVERSATIONS,
        _ACCOUNTS,
        Column("baseline_conversations", pl.Int64, "Conversations of it in the baseline.", minimum=0),
        Column("p_value", pl.Float64, "Odds of this by chance, of this topic alone.", minimum=0, maximum=1),
        Column(
            "adjusted_p",
            pl.Float64,
            "The same, corrected for the number of topics tested.",
            minimum=0,
            maximum=1,
        ),
        Column("evidence", pl.String, "The counts that it rests on, in words."),
        Column("first_seen_at", _TIME, "When it was found first."),
        _STATUS,
    ),
    key=("topic", "kind"),
    partitioned_by=("date", "event"),
    zone="safety",
)

SAFETY_TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        COORDINATED_GROUPS,
        COORDINATED_ACCOUNTS,
        CLASSIFIER_AUDIT,
        FLAGGED_CLUSTERS,
        EVENT_CONVERSATIONS,
        EVENT_TOPICS,
        EVENT_MEMBERS,
        EVENT_ALERTS,
    )
}
"""Tables that Python stages write; classifier_clusters is a SQL model (dbt_like_sql/restricted/)."""

SAFETY_RECORDS: dict[str, Table] = {EVENTS.name: EVENTS}
"""Tables that sensors keep for themselves: no asset writes them."""

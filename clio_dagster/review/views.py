"""What each role is shown: frames, without a line of markup.

A viewer sees what passes the rules of a release, by its published figures alone. An analyst also sees aggregates: the
classifier's audit of clusters that are large enough, and groups without their accounts. Trust & Safety sees all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from clio_dagster.review.data import ReviewData
from clio_dagster.review.log import Line
from clio_dagster.review.roles import Role
from clio_dagster.tables import PUBLISHED

CANDIDATES = "Candidates: "

LEADS = "Leads for people to look into, no verdicts."

_PSEUDONYM = r"\b[0-9a-f]{64}\b"
_IDS = ("group_id", "topic")


@dataclass(frozen=True)
class Section:
    """One table of an answer, and what must be known to read it."""

    title: str
    rows: pl.DataFrame
    note: str = ""


def waiting(
    data: ReviewData, day: date, role: Role, min_conversations: int, min_accounts: int
) -> dict[str, int]:
    """How much there is of each view of a date, as far as the role sees it."""
    counts = {
        "topics": sum(section.rows.height for section in topics(data, day, role)),
        "alerts": sum(section.rows.height for section in alerts(data, day, role)),
    }
    if role >= Role.ANALYST:
        found = audit(data, day, role, min_conversations, min_accounts)
        counts["groups"] = sum(section.rows.height for section in groups(data, day, role))
        counts["audit"] = sum(each.rows.height for each in found if each.title.startswith(CANDIDATES))
    return counts


def topics(data: ReviewData, day: date, role: Role) -> list[Section]:
    """A date's topics: those of events, and for Trust & Safety the site's base topics, published or not."""
    events = data.read("event_topics", {"date": day}).drop("date")
    if role < Role.TRUST_AND_SAFETY:
        published = events.filter(status=PUBLISHED)
        shown = published.select("event", "topic", "name", "description", "published_conversations")
        return [Section("Topics of events", shown, "Counts carry noise.")]
    base = data.read("audited_summaries", {"date": day}).filter(pl.col("level") == 0)
    base = base.drop("level").sort("conversations", descending=True)
    return [Section("Topics of events", events), Section("Topics of the date", base, "Counts are exact.")]


def alerts(data: ReviewData, day: date, role: Role) -> list[Section]:
    """Alerts of event windows."""
    found = data.read("event_alerts", {"date": day})
    if role == Role.TRUST_AND_SAFETY:
        return [_without_accounts(Section("Alerts", found.drop("date"), LEADS))]
    known = data.read("event_topics", {"date": day}).filter(status=PUBLISHED)
    named = known.select("event", "topic", "name", "published_conversations")
    shown = found.filter(status=PUBLISHED).join(named, on=["event", "topic"], maintain_order="left")
    columns = ("event", "topic", "name", "kind", "published_conversations")
    return [Section("Alerts", shown.select(columns), f"{LEADS} Counts carry noise.")]


def groups(data: ReviewData, day: date, role: Role) -> list[Section]:
    """Groups of accounts that act alike, the strongest evidence first; never their accounts."""
    found = data.read("coordinated_groups", {"date": day}).drop("date").sort("score", descending=True)
    if role < Role.TRUST_AND_SAFETY:
        found = found.select(
            "group_id", "kind", "accounts", "conversations", "score", "false_rate", "reasons"
        )
    return [_without_accounts(Section("Groups", found, LEADS))]


def audit(
    data: ReviewData, day: date, role: Role, min_conversations: int, min_accounts: int
) -> list[Section]:
    """The audit of the site's classifier: how it agrees with `concerning`, both lists of candidates, every cluster."""
    agreement = data.read("classifier_audit", {"date": day}).drop("date")
    clusters = data.read("classifier_clusters", {"date": day}).drop("date")
    flagged = data.read("flagged_clusters", {"date": day}).drop("date")
    if role < Role.TRUST_AND_SAFETY:
        large = (pl.col("conversations") >= min_conversations) & (pl.col("accounts") >= min_accounts)
        flagged = flagged.filter(large)
        clusters = clusters.filter(large).drop("seen", "seen_flagged")  # of some languages: they may be few
    shown = ["name", *(name for name in clusters.columns if name != "name")]
    clusters = clusters.select(
        shown if clusters["clustered_by"].n_unique() > 1 else [n for n in shown if n != "clustered_by"]
    )
    candidates = clusters.filter(pl.col("candidate").is_not_null()).sort("candidate", "rank")
    candidates = candidates.select("rank", *(name for name in candidates.columns if name != "rank"))
    return [
        Section("Agreement", agreement, "Correlation over clusters of mean concern and flagged share."),
        *(
            Section(f"{CANDIDATES}{kind}", candidates.filter(candidate=kind).drop("candidate"), LEADS)
            for kind in ("false negative", "false positive")
        ),
        Section("Flagged conversations alone", flagged.sort("rank", nulls_last=True), LEADS),
        Section("Clusters", clusters.sort("conversations", descending=True)),
    ]


def subject(data: ReviewData, day: date, which: str) -> list[Section]:
    """What is known of a group, or of a topic of the site or of an event, but for its accounts: Trust & Safety."""
    at = {"date": day}
    return [
        _without_accounts(Section(title, rows.drop("date", strict=False)))
        for title, rows in (
            ("Group", data.read("coordinated_groups", at | {"group_id": which})),
            ("Topic", data.read("audited_summaries", at | {"topic": which})),
            ("Topic of an event", data.read("event_topics", at | {"topic": which})),
            ("In the classifier’s audit", data.read("classifier_clusters", at | {"topic": which})),
            ("Alerts", data.read("event_alerts", at | {"topic": which})),
        )
        if not rows.is_empty()
    ]


def history(lines: Sequence[Line]) -> Section:
    """Lines of the log; of the accounts shown, their number."""
    rows = [
        {
            "seq": line.seq, "time": line.time, "who": line.who, "role": line.role, "action": line.action,
            "subject": line.subject, "accounts": len(line.accounts), "reason": line.reason,
            "outcome": line.outcome, "why": line.why, "client": line.client, "repeated": line.repeated,
        }
        for line in lines
    ]  # fmt: skip
    return Section("Who looked at what", pl.DataFrame(rows), f"The last {len(rows)} lines, the newest first.")


def accounts(data: ReviewData, day: date, subject: str) -> pl.DataFrame:
    """Accounts of a group or of a topic (of the site or of an event), the most conversations first.

    Columns account, conversations, membership and reasons (null and empty for a topic). For Trust & Safety alone.
    """
    members = data.read("coordinated_accounts", {"date": day, "group_id": subject})
    if members.is_empty():
        counted = (
            _members(data, day, subject).drop_nulls("account").group_by("account").agg(conversations=pl.len())
        )
        members = counted.with_columns(
            pl.col("conversations").cast(pl.Int64),
            membership=pl.lit(None, pl.Float64),
            reasons=pl.lit([], pl.List(pl.String)),
        )
    members = members.select("account", "conversations", "membership", "reasons")
    return members.sort("conversations", "account", descending=[True, False])


def conversations(data: ReviewData, days: list[date], account: str, topic: str | None = None) -> pl.DataFrame:
    """An account's conversations on the days, the newest first. For Trust & Safety alone.

    Columns conversation_id, date, language, started_at, flagged, concerning, request, messages; what retention has
    removed is null. With a topic (of the last of the days), only those in it.
    """
    where = {"account": account, "date": days}
    raw, read = data.read("raw_conversations", where), data.read("facets", where)
    same = ["conversation_id", "date", "language", "started_at"]
    both = raw.join(read, on=same[:3], how="full", coalesce=True, suffix="_read")
    both = both.with_columns(pl.coalesce("started_at", "started_at_read").alias("started_at"))
    if topic is not None:
        inside = _members(data, days[-1], topic)["conversation_id"]
        both = both.filter(pl.col("conversation_id").is_in(inside.implode()))
    shown = both.select(*same, "flagged", "concerning", "request", "messages")
    return shown.sort(
        "date", "started_at", "conversation_id", descending=[True, True, False], nulls_last=True
    )


def _without_accounts(section: Section) -> Section:
    """The section without pseudonyms that its texts may name: an account is shown with a reason alone."""
    texts = pl.selectors.string() - pl.selectors.by_name(*_IDS, require_all=False)
    element = pl.element().str.replace_all(_PSEUDONYM, "…")
    rows = section.rows.with_columns(
        texts.str.replace_all(_PSEUDONYM, "…"),
        pl.selectors.by_dtype(pl.List(pl.String)).list.eval(element),
    )
    return replace(section, rows=rows)


def _members(data: ReviewData, day: date, topic: str) -> pl.DataFrame:
    """Conversations of a topic over a date's window: conversation_id, account."""
    at = {"date": day}
    clusters = data.read("clusters", at | {"topic": topic})
    members = data.read("cluster_members", at | {"cluster_id": clusters["cluster_id"].unique().to_list()})
    inside = members.join(clusters, on=["clustered_by", "cluster_id"], how="semi")
    of_events = data.read("event_members", at | {"topic": topic})
    columns = ("conversation_id", "account")
    return pl.concat([inside.select(columns), of_events.select(columns)]).unique("conversation_id")

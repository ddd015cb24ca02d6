"""A site that has something to review, in a real warehouse: a group, topics, an event, a classifier's audit.

What a role must not see has words of its own: texts and accounts (PRIVATE), exact counts, small clusters, leads.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from clio_dagster.review.access import grant
from clio_dagster.review.roles import Role
from clio_dagster.settings import Settings, load_settings
from clio_dagster.tables import Table
from resources.contracts import contracts
from resources.site import Site

DAY = date(2026, 11, 7)
AT = datetime(2026, 11, 7, 10, tzinfo=UTC)
REASON = "Report 1234: accounts that send the same spam"
GROUP, TOPIC, EVENT_TOPIC = "group01", "t0p1c0000001", "t0p1c0000002"
ACCOUNTS = [f"{number:064x}" for number in range(1, 31)]
TEXT, HOSTILE = "conversationtext", '<script src="//evil.example/x.js">alert(1)</script> https://evil.example'
PRIVATE = [TEXT, *ACCOUNTS]
EXACT, SMALL, LEAD, HIDDEN = "7919", "smallcluster", "leadreason", "restrictedname"


def made_site(folder: Path) -> Site:
    """The site, its warehouse filled, its key and access.toml outside its home."""
    site = Site(
        overrides={
            "home": str(folder / "home"),
            "key_file": str(folder / "config" / "key"),
            "access_file": str(folder / "config" / "access.toml"),
            "languages": "en",
        }
    )
    site.settings.home.mkdir(mode=0o700, parents=True)
    for name, rows in ROWS.items():
        table = contracts()[name]
        frame = frame_of(table, [{"date": DAY} | row for row in rows])
        for key, part in frame.partition_by(*table.partitioned_by, as_dict=True).items():
            site.warehouse.write(table, dict(zip(table.partitioned_by, key, strict=True)), part)
    return site


def environment(site: Site) -> dict[str, str]:
    """The site's settings as CLIO_* variables."""
    return {f"CLIO_{name.upper()}": str(value) for name, value in site.overrides.items()}


def token(site: Site, name: str, role: Role, expires: datetime | None = None) -> str:
    """A token of a reviewer."""
    return grant(site.settings.access_file, name, role, expires)


def settings_of(site: Site, **changed: Any) -> Settings:
    """The site's settings, some of them changed."""
    return load_settings(**site.overrides, **changed)


def frame_of(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows with what they say, and for what a contract asks beyond that something harmless."""
    harmless = {pl.String: "", pl.Int32: 0, pl.Int64: 0, pl.Boolean: True, pl.Float64: 0.0, pl.Float32: 0.0}

    def value(column: Any) -> Any:
        if column.nullable:
            return None
        if column.accepted:
            return column.accepted[0]
        if column.dtype == pl.Date:
            return DAY
        if isinstance(column.dtype, pl.Datetime):
            return AT
        if isinstance(column.dtype, pl.List):
            return [1.0] if column.dtype.inner == pl.Float32 else []
        return 1 if column.minimum == 1 else harmless[column.dtype.base_type()]

    filled = [{column.name: row.get(column.name, value(column)) for column in table.columns} for row in rows]
    return pl.DataFrame(filled, table.schema)


def _conversation(number: int, account: str, text: str) -> dict[str, Any]:
    return {
        "conversation_id": f"c{number}",
        "account": account,
        "started_at": AT,
        "language": "en",
        "turns": 2,
        "messages": [{"role": "user", "text": text}, {"role": "assistant", "text": f"{TEXT} answered"}],
    }


_MEMBERS = [
    {
        "clustered_by": "request",
        "conversation_id": f"c{number}",
        "account": account,
        "language": "en",
        "cluster_id": 1,
        "day": DAY,
    }
    for number, account in enumerate(ACCOUNTS)
]
_CLUSTER = {"clustered_by": "request", "conversations": 400, "accounts": 90, "mean_concerning": 3.5}

ROWS: dict[str, list[dict[str, Any]]] = {
    "coordinated_groups": [
        {"group_id": GROUP, "kind": "narrow_topic", "accounts": 30, "conversations": 300, "topic": TOPIC,
         "score": 9.5, "reasons": [f"{LEAD}: one topic, as {ACCOUNTS[0]}"], "languages": ["en"]},
    ],
    "coordinated_accounts": [
        {"group_id": GROUP, "account": account, "conversations": 40 - number, "membership": 0.9, "reasons": ["topic"]}
        for number, account in enumerate(ACCOUNTS)
    ],
    "classifier_clusters": [
        _CLUSTER | {"cluster_id": 1, "topic": TOPIC, "name": "Largecluster", "flagged": 10, "unflagged": 390,
         "flagged_share": 0.025, "candidate": "false negative", "evidence": 4.0, "rank": 1, "seen": 7919},
        _CLUSTER | {"cluster_id": 2, "topic": "t0p1c0000009", "name": SMALL, "accounts": 3, "flagged": 90,
         "unflagged": 10, "flagged_share": 0.9, "candidate": "false positive", "rank": 1},
    ],
    "classifier_audit": [
        {"clustered_by": "request", "measure": "pearson", "r": 0.71, "r_low": 0.6, "r_high": 0.8, "clusters": 2,
         "conversations": 500},
    ],
    "flagged_clusters": [
        {"clustered_by": "request", "cluster_id": 1, "topic": SMALL, "conversations": 30, "accounts": 3,
         "mean_concerning": 1.2, "rank": 1},
    ],
    "event_topics": [
        {"event": "election", "topic": EVENT_TOPIC, "name": "Finding a polling station", "description": "Where.",
         "conversations": int(EXACT), "accounts": 900, "status": "published", "published_conversations": 7900},
        {"event": "election", "topic": "t0p1c0000003", "name": HIDDEN, "conversations": 30, "accounts": 6,
         "status": "restricted"},
    ],
    "event_members": [
        {"event": "election", "conversation_id": "c1", "account": ACCOUNTS[1], "language": "en", "topic": EVENT_TOPIC},
    ],
    "event_alerts": [
        {"event": "election", "topic": EVENT_TOPIC, "kind": "growth", "conversations": int(EXACT), "accounts": 900,
         "evidence": f"{EXACT} conversations", "status": "published", "first_seen_at": AT},
        {"event": "election", "topic": "t0p1c0000003", "kind": "new topic", "conversations": 30, "accounts": 6,
         "evidence": HIDDEN, "status": "restricted", "first_seen_at": AT},
    ],
    "audited_summaries": [
        {"clustered_by": "request", "node_id": "0-1", "level": 0, "topic": TOPIC, "name": HIDDEN, "conversations": 400,
         "accounts": 90, "status": "withheld", "privacy_score": 3},
    ],
    "clusters": [{"clustered_by": "request", "cluster_id": 1, "topic": TOPIC, "conversations": 400}],
    "cluster_members": _MEMBERS,
    "facets": [
        {"conversation_id": "c0", "account": ACCOUNTS[0], "language": "en", "request": f"{TEXT} summed up", "turns": 2}
    ],
    "raw_conversations": [
        _conversation(number, account, f"{TEXT} {HOSTILE}") for number, account in enumerate(ACCOUNTS[:3])
    ],
}  # fmt: skip

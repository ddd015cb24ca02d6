"""What Review reads: the columns of each table, and the one small protocol that brings them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol

import polars as pl

from clio_dagster.tables import MESSAGES_TYPE

_TIME = pl.Datetime("us", "UTC")
_TEXTS = pl.List(pl.String)

SCHEMAS: dict[str, dict[str, Any]] = {
    "coordinated_groups": {
        "date": pl.Date, "group_id": pl.String, "kind": pl.String, "accounts": pl.Int64,
        "conversations": pl.Int64, "first_at": _TIME, "last_at": _TIME, "languages": _TEXTS,
        "topic": pl.String, "score": pl.Float64, "false_rate": pl.Float64, "reasons": _TEXTS,
    },
    "coordinated_accounts": {
        "date": pl.Date, "group_id": pl.String, "account": pl.String, "conversations": pl.Int64,
        "membership": pl.Float64, "reasons": _TEXTS,
    },
    "classifier_clusters": {
        "date": pl.Date, "clustered_by": pl.String, "cluster_id": pl.Int32, "topic": pl.String,
        "name": pl.String, "conversations": pl.Int64, "accounts": pl.Int64, "flagged": pl.Int64,
        "unflagged": pl.Int64, "mean_concerning": pl.Float64, "flagged_share": pl.Float64,
        "expected_flagged": pl.Float64, "candidate": pl.String, "rank": pl.Int32, "evidence": pl.Float64,
        "languages": pl.String, "seen": pl.Int64, "seen_flagged": pl.Int64,
    },
    "classifier_audit": {
        "date": pl.Date, "clustered_by": pl.String, "measure": pl.String, "r": pl.Float64,
        "r_low": pl.Float64, "r_high": pl.Float64, "clusters": pl.Int64, "conversations": pl.Int64,
    },
    "flagged_clusters": {
        "date": pl.Date, "clustered_by": pl.String, "cluster_id": pl.Int32, "topic": pl.String,
        "conversations": pl.Int64, "accounts": pl.Int64, "mean_concerning": pl.Float64, "rank": pl.Int32,
    },
    "event_topics": {
        "date": pl.Date, "event": pl.String, "topic": pl.String, "name": pl.String, "description": pl.String,
        "conversations": pl.Int64, "accounts": pl.Int64, "mean_concerning": pl.Float64, "status": pl.String,
        "reasons": _TEXTS, "published_conversations": pl.Int64,
    },
    "event_members": {
        "date": pl.Date, "event": pl.String, "conversation_id": pl.String, "account": pl.String,
        "topic": pl.String, "day": pl.Date,
    },
    "event_alerts": {
        "date": pl.Date, "event": pl.String, "topic": pl.String, "kind": pl.String, "conversations": pl.Int64,
        "accounts": pl.Int64, "baseline_conversations": pl.Int64, "p_value": pl.Float64,
        "adjusted_p": pl.Float64, "evidence": pl.String, "first_seen_at": _TIME, "status": pl.String,
    },
    "audited_summaries": {
        "clustered_by": pl.String, "level": pl.Int32, "topic": pl.String, "name": pl.String,
        "conversations": pl.Int64, "accounts": pl.Int64, "status": pl.String, "reasons": _TEXTS,
    },
    "clusters": {"clustered_by": pl.String, "cluster_id": pl.Int32, "topic": pl.String},
    "cluster_members": {
        "clustered_by": pl.String, "conversation_id": pl.String, "account": pl.String,
        "cluster_id": pl.Int32, "day": pl.Date,
    },
    "facets": {
        "conversation_id": pl.String, "account": pl.String, "date": pl.Date, "language": pl.String,
        "started_at": _TIME, "request": pl.String, "concerning": pl.Int8,
    },
    "raw_conversations": {
        "conversation_id": pl.String, "account": pl.String, "date": pl.Date, "language": pl.String,
        "started_at": _TIME, "flagged": pl.Boolean, "messages": MESSAGES_TYPE,
    },
}  # fmt: skip
"""Columns that Review reads, by table. A table has more; one that was never written is empty."""


class ReviewData(Protocol):
    """The tables of a site, as Review reads them."""

    def dates(self) -> list[date]:
        """Dates that have anything to review, the newest first."""
        ...

    def read(self, table: str, where: Mapping[str, object]) -> pl.DataFrame:
        """Rows of SCHEMAS[table] whose columns equal the given values, or are among a list of them."""
        ...

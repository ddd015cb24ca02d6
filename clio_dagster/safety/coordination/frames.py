"""The two frames that are handed back: a row for each group, and one for each of its accounts."""

from __future__ import annotations

from datetime import date as Date

import numpy as np
import polars as pl

from clio_dagster.safety.coordination import wording
from clio_dagster.safety.coordination.accounts import Accounts, homes
from clio_dagster.safety.coordination.groups import Group, group_id
from clio_dagster.safety.coordination.resale import TRAITS, Resold
from clio_dagster.safety.coordination.scan import Layer
from clio_dagster.safety.tables import COORDINATED_ACCOUNTS, COORDINATED_GROUPS, RESALE

LEAST_RATE = 1e-6
"""Below it a false rate is not told: the tail behind it is extrapolated too far."""

TIME = pl.Datetime("us", "UTC")
GROUPS_SCHEMA = pl.Schema(COORDINATED_GROUPS.schema)
MEMBERS_SCHEMA = pl.Schema(COORDINATED_ACCOUNTS.schema)


Row = dict[str, object]


def of_scan(
    group: Group, accounts: Accounts, layers: list[Layer], rows: pl.DataFrame, date: Date
) -> tuple[Row, list[Row]]:
    """A row of the groups, and rows of the members, for a group that the scan found."""
    names = accounts.names.gather(group.members).to_list()
    rate = max(group.found.rate, LEAST_RATE)
    own = rows[group.rows]
    row = _row(group.kind, names, own, date, group.found.score, rate)
    row["reasons"] = wording.of_group(group, rate, _created_days(own))
    _, share = homes(accounts, layers[group.found.layer].cell)
    members = [
        {
            "date": date,
            "group_id": row["group_id"],
            "account": name,
            "conversations": round(share[place] * accounts.conversations[place]),
            "membership": float(belongs),
            "reasons": wording.of_member(
                float(share[place]), int(accounts.conversations[place]), float(belongs / share[place])
            ),
        }
        for name, place, belongs in zip(names, group.members, group.membership, strict=True)
    ]
    return row, members


def of_resale(
    group: np.ndarray, many: Resold, accounts: Accounts, rows: pl.DataFrame, date: Date
) -> tuple[Row, list[Row]]:
    """The same of accounts whose traffic looks like many people's; the group is as doubtful as its least sure one."""
    names = accounts.names.gather(group).to_list()
    rate = max(float(many.rates[group].max()), LEAST_RATE)
    own = rows[np.flatnonzero(np.isin(accounts.of, group))]
    row = _row(RESALE, names, own, date, float(many.scores[group].min()), rate)
    medians = {name: float(np.median(many.traits[name][group])) for name in TRAITS}
    row["reasons"] = wording.of_resale(medians, len(group), rate)
    members = [
        {
            "date": date,
            "group_id": row["group_id"],
            "account": name,
            "conversations": int(accounts.conversations[place]),
            "membership": float(1 - min(many.rates[place], 1.0)),
            "reasons": wording.of_resold({trait: float(many.traits[trait][place]) for trait in TRAITS}),
        }
        for name, place in zip(names, group, strict=True)
    ]
    return row, members


def _row(kind: str, names: list[str], own: pl.DataFrame, date: Date, score: float, rate: float) -> Row:
    def by_number(column: str) -> list[str]:
        counts = own.drop_nulls(column).group_by(column).len()
        return counts.sort("len", column, descending=[True, False])[column].to_list()

    topics = by_number("topic")
    return {
        "date": date,
        "group_id": group_id(kind, names),
        "kind": kind,
        "accounts": len(names),
        "conversations": len(own),
        "first_at": own["started_at"].min(),
        "last_at": own["started_at"].max(),
        "languages": by_number("language"),
        "topic": topics[0] if topics else None,
        "score": score,
        "false_rate": rate,
    }


def _created_days(own: pl.DataFrame) -> float | None:
    """Days between the tenth and the ninetieth percentile of when the accounts were created."""
    born = own.group_by("account").agg(pl.col("account_created_at").min())["account_created_at"].drop_nulls()
    if born.is_empty():
        return None
    low, high = np.quantile(born.dt.epoch("us").to_numpy(), [0.1, 0.9])
    return float(high - low) / 86_400e6

"""An account erased: from landed files, from every table, from the ledger, and from the bytes of their files.

It is recorded first and noted as done last, so that one that was killed at any moment is known, keeps what it touches
from being made again, and ends the same when it is asked for again. Whoever calls `forget` keeps runs away.

*Figures that were published stand.* The record of what a part counts loses the account's rows, and so the part is
never taken back for it. To take back later, when enough have gone, what they counted would have to be kept, of
accounts that asked to be forgotten; and a part is a sum over at least 15 conversations with noise, from which no
difference of revisions takes one account. What a release says beyond counts (which topics there are, their names, the
tree) is made again without the account, in a batch.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl
from dagster import AssetMaterialization, DagsterInstance
from filelock import FileLock

from clio_dagster.conversations.landed import Slice
from clio_dagster.conversations.landing import slice_hash, source_lock
from clio_dagster.conversations.slices import accounts_in, erase
from clio_dagster.erasure import (
    ACCOUNT,
    CONVERSATION,
    CONVERSATIONS_SCHEMA,
    conversation_columns,
    erased_digest,
    naming_accounts,
    naming_conversations,
    own_conversations,
    settled,
    waiting,
    without,
)
from clio_dagster.privacy.accounts import pseudonyms
from clio_dagster.tables import ERASURES, RELEASES, Table
from resources.contracts import contracts, models
from resources.site import Site

LANDED = "landed files"
"""What files of landed conversations are called beside tables."""


@dataclass(frozen=True)
class Forgotten:
    """What an erasure came to: slices rewritten, tables that they are of, and the dates that are held, with why."""

    slices: int
    tables: int
    held: Mapping[date, str]


@dataclass(frozen=True)
class _Found:
    """Where accounts (pseudonyms) are: slices by table, on which dates each is, and their conversations."""

    slices: Sequence[tuple[Table, Mapping[str, object]]]
    dates: Mapping[str, frozenset[date]]
    conversations: pl.DataFrame


def erased_accounts(site: Site) -> dict[str, datetime]:
    """When which account was erased, by erasure.erased_digest: what landing is to refuse."""
    return dict(site.warehouse.read(ERASURES, None, ["erased", "asked_at"]).iter_rows())


def held_dates(site: Site) -> dict[date, str]:
    """Dates of which nothing is made for now, and why."""
    return {
        day: f"waits for a batch of erasures, until {until.astimezone(site.settings.tz).date()} at the latest"
        for day, until in _waiting(site).filter(~pl.col("is_due")).select("date", "until").iter_rows()
    }


def due_dates(site: Site) -> list[date]:
    """Dates that are to be made again for a batch of erasures and have not been seen to be, in order."""
    return _waiting(site).filter("is_due")["date"].to_list()


def unfinished(site: Site) -> int:
    """Erasures that were asked for and have not ended."""
    return site.warehouse.read(ERASURES, None, ["done_at"])["done_at"].null_count()


def settle(site: Site, fresh: Iterable[date]) -> None:
    """Note that dates are fresh: of those that were due, the erasures that they waited for are in a release now."""
    made = {*fresh}
    if made.isdisjoint(due_dates(site)):
        return
    with _changing(site):
        now = datetime.now(UTC)
        _write(site, settled(site.warehouse.read(ERASURES), made.intersection(due_dates(site)), now))


def forget(site: Site, instance: DagsterInstance, accounts: Sequence[str]) -> Forgotten:
    """Remove all that is stored of accounts, given by the source's ids, and hold the published dates that it touches.

    To be called while no run works on the home. Killed at any moment, calling it again with the same ids ends it.
    """
    names = dict.fromkeys(each.strip() for each in accounts)
    hashed = pseudonyms(pl.Series(list(names), dtype=pl.String), site.settings.key).to_list()
    digests = dict(zip(hashed, (erased_digest(name, site.settings.key) for name in names), strict=True))
    found = _find(site, digests)
    _ask(site, digests, found)
    landed = _erase_landed(site, digests)
    _report(site, instance, landed)
    changed = site.warehouse.erase(
        found.slices, lambda table, frame: without(table, frame, digests, found.conversations)
    )
    ids = found.conversations[CONVERSATION].unique().to_list()
    site.answers.erase(ids)
    site.ledger.erase({ACCOUNT: list(digests), CONVERSATION: ids})
    site.warehouse.compact()
    _end(site, digests.values())
    tables = {each.table for each in changed} | ({LANDED} if landed else set())
    return Forgotten(len(changed) + len(landed), len(tables), held_dates(site))


def _waiting(site: Site) -> pl.DataFrame:
    settings = site.settings
    return waiting(
        site.warehouse.read(ERASURES),
        datetime.now(UTC),
        batch=settings.erasure_batch,
        days=settings.erasure_days,
    )


def _find(site: Site, accounts: Collection[str]) -> _Found:
    """Every slice that holds something of the accounts: first those that say so by the conversation alone, which cannot
    be found once the others are gone."""
    warehouse, tables = site.warehouse, _stored_tables()
    named: list[tuple[Table, Mapping[str, object]]] = []
    conversations = [pl.DataFrame(schema=CONVERSATIONS_SCHEMA)]
    dates: dict[str, set[date]] = {account: set() for account in accounts}
    for table in naming_accounts(tables):
        wanted = {ACCOUNT, CONVERSATION, "date", "day", "language", *table.partitioned_by}
        rows = warehouse.read(
            table, {ACCOUNT: list(accounts)}, [name for name in table.schema if name in wanted]
        )
        named += _slices(table, rows)
        conversations.append(own_conversations(table, rows))
        if "date" in table.schema:
            _add(dates, rows.select(ACCOUNT, "date"))
    _add(dates, accounts_in(site.settings.home, accounts))
    theirs = pl.concat(conversations).unique()
    others: list[tuple[Table, Mapping[str, object]]] = []
    for table in naming_conversations(tables) if theirs.height else ():
        columns = conversation_columns(table)
        rows = warehouse.read(
            table,
            {name: theirs[name].unique().to_list() for name in columns},
            list(dict.fromkeys((*columns, *table.partitioned_by))),
        )
        others += _slices(table, rows.join(theirs, on=columns, how="semi"))
    return _Found([*others, *named], {key: frozenset(days) for key, days in dates.items()}, theirs)


def _stored_tables() -> list[Table]:
    views = {model.name for model in models() if model.materialized != "table"}
    return [table for name, table in contracts().items() if name not in views]


def _slices(table: Table, rows: pl.DataFrame) -> list[tuple[Table, Mapping[str, object]]]:
    names = sorted(table.partitioned_by)
    return [(table, values) for values in rows.select(names).unique().sort(names).to_dicts()]


def _add(dates: Mapping[str, set[date]], rows: pl.DataFrame) -> None:
    for account, day in rows.unique().iter_rows():
        dates[account].add(day)


def _ask(site: Site, digests: Mapping[str, str], found: _Found) -> None:
    """Record what is about to be erased, and hold the dates that a reader may have seen with it.

    A date that was never published is made without it and tells nothing of it: it waits for nobody.
    """
    shown = {date.fromisoformat(key) for key in site.warehouse.slices(RELEASES)}
    shown |= {
        date.fromisoformat(folder.name) for folder in (site.settings.home / "releases").glob("????-??-??")
    }
    now = datetime.now(UTC)
    with _changing(site):
        known = {row["erased"]: row for row in site.warehouse.read(ERASURES).to_dicts()}
        rows = []
        for account, digest in digests.items():
            before = known.get(digest, {})
            dates = {*(before.get("dates") or ()), *(found.dates[account] & shown)}
            since = (before.get("waiting_since") or now) if dates else None
            rows.append((digest, now, None, sorted(dates), since, None))
        _write(site, pl.DataFrame(rows, ERASURES.schema, orient="row"))


def _end(site: Site, digests: Iterable[str]) -> None:
    now = pl.lit(datetime.now(UTC), pl.Datetime("us", "UTC"))
    with _changing(site):
        rows = site.warehouse.read(ERASURES, {"erased": list(digests)})
        waits = pl.col("dates").list.len() > 0
        _write(
            site,
            rows.with_columns(done_at=now, released_at=pl.when(~waits).then(now).otherwise("released_at")),
        )


def _erase_landed(site: Site, accounts: Collection[str]) -> frozenset[Slice]:
    """Rewrite landed files without the accounts, and remove what killed landings left; the slices that changed."""
    landing = site.settings.home / "landing"
    keys = {file.stem for file in landing.glob("date=*/language=*/*.parquet")}
    keys |= {file.stem for file in (landing / "receipts").glob("*.json")}
    left = [folder for folder in (landing / ".staging").glob("*") if folder.is_dir()]
    changed: frozenset[Slice] = frozenset()
    for key in sorted(keys):
        with source_lock(site.settings.home, key):
            changed |= erase(site.settings.home, key, accounts)
    for folder in left:
        with source_lock(site.settings.home, folder.name.removesuffix(".fetched").removesuffix(".erasing")):
            shutil.rmtree(folder, ignore_errors=True)
    return changed


def _report(site: Site, instance: DagsterInstance, slices: Iterable[Slice]) -> None:
    """Tell Dagster of landed slices that hold something else now."""
    for day, language in sorted(slices):
        if language in site.settings.partition_languages:
            tags = {"dagster/data_version": slice_hash(site.settings.home, day, language)}
            instance.report_runless_asset_event(
                AssetMaterialization("landed", partition=f"{day}|{language}", tags=tags)
            )


def _changing(site: Site) -> FileLock:
    """Held while rows of the table are read, changed and written."""
    site.settings.home.mkdir(parents=True, exist_ok=True)
    return FileLock(site.settings.home / "erasures.lock")


def _write(site: Site, rows: pl.DataFrame) -> None:
    if rows.height:
        site.warehouse.write_many(
            (ERASURES, {"erased": row["erased"].item()}, row, "") for row in rows.partition_by("erased")
        )

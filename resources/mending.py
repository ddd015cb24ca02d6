"""What `clio verify --mend` does about what integrity.py finds: forgets what is made again, and loses nothing else.

What stands nowhere else (parts that were shown, tombstones, erasures, which file landed when) is taken from a backup
that has it as it was, or is left as it is, and said. Whoever calls `mend` keeps runs away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from clio_dagster.conversations.landed import receipt_path
from clio_dagster.release.read import MANIFEST
from clio_dagster.settings import Settings
from clio_dagster.tables import QUARANTINE, RELEASES
from resources.contracts import contracts
from resources.duckdb_warehouse import DuckDBWarehouse
from resources.integrity import LEDGER, Cure, Cures, Problem, digest_of, place_of_table
from resources.salvage import copy_slices, restore, rewrite, without_log
from resources.site import Site
from resources.slices import Damaged, WarehouseError, partition_values
from resources.sources import forget_landing


@dataclass
class Mended:
    """What was done, in words; and what is left as it is."""

    done: list[str] = field(default_factory=list)
    left: list[Problem] = field(default_factory=list)


def set_ledger_aside(settings: Settings) -> str:
    """Let a ledger that is damaged make room for a new one; what was done, in words."""
    path = settings.home / LEDGER
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    for end in ("-wal", "-shm", ""):
        beside = path.with_name(path.name + end)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + end))
    return (
        f"{LEDGER} is {aside.name} now: answers that Claude gave are asked for again, and a pause has ended"
    )


def mend(site: Site, found: Sequence[Problem], backup: Path | None) -> Mended:
    """Do what can be done about problems. `backup` is a folder with copies of the DuckDB files."""
    result = Mended()
    unreadable = {each.where for each in found if each.is_unreadable}
    for where in sorted(unreadable):
        of_file = [each for each in found if each.where == where]
        if where.startswith("s3://"):
            _mend_slices(site, of_file, None, result)
        else:
            _rewrite(site, where, of_file, backup, result)
    tables = {place_of_table(site.settings, table) for table in contracts().values()}
    others = [each for each in found if each.where not in unreadable]
    _mend_slices(site, [each for each in others if each.where in tables], backup, result)
    for each in others:
        if each.where == "landing":
            _land(site, each.table, each, result)
        elif each.where == "releases":
            _publish(site, each, result)
        elif each.where not in tables:
            result.left.append(each)
    return result


def _rewrite(site: Site, file: str, found: Sequence[Problem], backup: Path | None, result: Mended) -> None:
    home = site.settings.home
    warehouse, copy = DuckDBWarehouse(home, file=file), _copy_of(backup, file)
    cures = Cures(site.settings, site.warehouse)
    try:
        lost, aside = rewrite(warehouse, copy, lambda table, key: cures.of(table, key) == Cure.BACKUP)
    except WarehouseError:
        _restore(home, warehouse, copy, result)
        return
    if aside is None:
        result.left += [
            Problem(file, name, key, "it cannot be read", Cure.BACKUP, True) for name, key in lost
        ]
        return
    result.done.append(
        f"{file} was written anew, the old one is {aside.name}: "
        + (f"{len(lost)} slices are made again" if lost else "nothing of it was lost")
    )
    edited = [each for each in found if not each.is_unreadable]
    _mend_slices(site, edited, backup, result)


def _restore(home: Path, warehouse: DuckDBWarehouse, copy: DuckDBWarehouse | None, result: Mended) -> None:
    """Put what it was before its log, or the backup, in the place of a file of which nothing can be read."""
    name, why = warehouse.path.name, None
    with without_log(warehouse.path) as unlogged:
        for source, what in ((unlogged, "as it was before its log"), (copy, "the backup's")):
            if source is None or (why := _is_too_old(home, source)):
                continue
            aside = restore(warehouse, source)
            result.done.append(
                f"{name} is {what} now, the old one {aside.name}: what is missing is made again. "
                "Ask again for erasures since then"
            )
            return
    told = f"it cannot be read, and {why}" if why else "it cannot be read"
    result.left.append(Problem(name, "", "", told, Cure.BACKUP, True))


def _copy_of(backup: Path | None, file: str) -> DuckDBWarehouse | None:
    return DuckDBWarehouse(backup, file=file) if backup and (backup / file).is_file() else None


def _is_too_old(home: Path, backup: DuckDBWarehouse) -> str | None:
    """Why a whole file may not be replaced by its backup; None where it may."""
    try:
        known = backup.read(RELEASES, None, ["date", "manifest_sha256"])
    except Damaged:
        return "neither can its copy"
    has = {day.isoformat(): signed for day, signed in known.iter_rows()}
    for folder in sorted((home / "releases").glob("????-??-??")):
        if has.get(folder.name) != digest_of(folder / MANIFEST):
            return f"what there is of it is older than the release of {folder.name}"
    return None


def _mend_slices(site: Site, found: Sequence[Problem], backup: Path | None, result: Mended) -> None:
    again = [each for each in found if each.cure == Cure.AGAIN]
    if again:
        site.warehouse.forget((contracts()[each.table], _values(each)) for each in again)
        result.done.append(f"{len(again)} slices were forgotten, and are made again")
    for each in found:
        if each.cure == Cure.LAND:
            _land(site, each.partition, each, result)
        elif each.cure == Cure.BACKUP and not _from_backup(site, each, backup):
            result.left.append(each)
        elif each.cure == Cure.BACKUP:
            result.done.append(f"{each.table} {each.partition} was taken from the backup")


def _from_backup(site: Site, problem: Problem, backup: Path | None) -> bool:
    copy = _copy_of(backup, problem.where)
    table = contracts()[problem.table] if problem.table else None
    if copy is None or table is None:
        return False
    record = site.warehouse.slices(table, [problem.partition]).get(problem.partition)
    into = DuckDBWarehouse(site.settings.home, file=problem.where)
    return record is not None and not copy_slices(copy, into, [record])


def _values(problem: Problem) -> dict[str, str]:
    return partition_values(contracts()[problem.table], problem.partition)


def _land(site: Site, key: str, problem: Problem, result: Mended) -> None:
    """Let the source of a landed file, or of its quarantine, be landed again."""
    path = None if problem.cure == Cure.BACKUP else forget_landing(site, key)
    if path is None:
        result.left.append(replace(problem, cure=Cure.BACKUP))
        return
    receipt = receipt_path(site.settings.home, key)
    if problem.table == key and not problem.partition:
        receipt.rename(receipt.with_suffix(".damaged"))
    if problem.table == QUARANTINE.name:
        site.warehouse.forget([(QUARANTINE, {"source": key})])
    result.done.append(f"{key} is to be landed again: `clio run {path}`")


def _publish(site: Site, problem: Problem, result: Mended) -> None:
    """Forget that a release stands, so that it is written again; its folder stays until then."""
    if problem.cure == Cure.BACKUP:
        result.left.append(problem)
        return
    site.warehouse.forget([(RELEASES, {"date": problem.table})])
    result.done.append(f"the release of {problem.table} is written again")

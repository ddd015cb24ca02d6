"""A home under faults: what of it is not whole, and what differs from a home that nothing disturbed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.scenario import TIMED

UNFINISHED = "its writer was killed"
"""Of a release that stands and is not recorded yet: the next run records it."""


def warehouse_of(home: Path) -> Any:
    """The warehouse of a home, under the settings of the environment."""
    from clio_dagster.settings import load_settings
    from resources.warehouse import open_warehouse

    return open_warehouse(load_settings(home=str(home)))


def wrong_in(home: Path) -> list[str]:
    """Slices, landed files, releases and databases that are not whole, and leases that somebody dead still has."""
    from clio_dagster.settings import load_settings
    from resources.integrity import problems
    from resources.ledger import Ledger

    if not home.exists():
        return []
    settings = load_settings(home=str(home))
    found = [str(each) for each in problems(settings, warehouse_of(home)) if UNFINISHED not in each.what]
    url = settings.ledger_url.get_secret_value() if settings.ledger_url else None
    held = Ledger(home, lease_seconds=settings.lease_seconds, url=url).leases()
    return found + [f"{lease.subject} {lease.partition} is held by nobody that lives" for lease in held]


def contents(home: Path) -> dict[str, str]:
    """Content hash of every slice, but of tables that say when."""
    from resources.contracts import contracts

    warehouse = warehouse_of(home)
    return {
        f"{name} {partition}": stored.content_hash
        for name in contracts()
        if name not in TIMED
        for partition, stored in warehouse.slices(name).items()
    }


def released(home: Path) -> dict[str, bytes]:
    """Every file of every release."""
    folder = home / "releases"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def differences(home: Path, undisturbed: Path) -> list[str]:
    """Slices and files of releases that are not the same in both."""
    told = []
    for what, one, other in (
        ("slice", contents(home), contents(undisturbed)),
        ("release file", released(home), released(undisturbed)),
    ):
        assert other, f"no {what} in {undisturbed}"
        told += [
            f"{what} {name} differs"
            for name in sorted(one.keys() | other.keys())
            if one.get(name) != other.get(name)  # type: ignore[attr-defined]
        ]
    return told

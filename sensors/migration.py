"""A home moved to other partitions: CLIO_LANGUAGES has more, or CLIO_TIMEZONE is another one now.

Every source is landed again, from its file or, where that is gone, from what it landed. What is published stays: the
dates are made anew from it as after late files.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dagster import DagsterInstance, Definitions

from clio_dagster.conversations.again import can_land_again
from clio_dagster.conversations.landed import touched_days
from clio_dagster.layout import Layout, migrating, read_layout, write_layout
from clio_dagster.tables import SOURCES as SOURCES_TABLE
from resources.freshness import unlanded_sources
from resources.ledger import WAIT_SECONDS
from resources.site import Site
from resources.sources import is_there, paths_of
from sensors.pipeline import alone
from sensors.runs import run_here


@dataclass(frozen=True)
class Plan:
    """What a migration does. `from_file`, `from_landed`: sources landed again; `stuck`: those that cannot be, gone and
    with nothing landed; `left`: those whose text was purged, which stay where they are. `days` are touched."""

    changes: Sequence[str]
    from_file: Sequence[str]
    from_landed: Sequence[str]
    stuck: Sequence[str]
    left: Sequence[str]
    days: int


def plan(site: Site) -> Plan:
    """What is to be moved. Raises SettingsError for a home of a newer version."""
    before = read_layout(site.settings)
    rows = site.warehouse.read(SOURCES_TABLE, None, ["source", "purged_at", "landed_at"])
    keys = unlanded_sources(site.warehouse, site.settings, sorted(rows["source"]))
    paths, home = paths_of(site, keys), site.settings.home
    from_file = [key for key in keys if is_there(paths[key])]
    from_landed = [key for key in keys if key not in from_file and can_land_again(home, key)]
    return Plan(
        changes=before.changes(Layout.of(site.settings)) if before else [],
        from_file=from_file,
        from_landed=from_landed,
        stuck=[key for key in keys if key not in from_file and key not in from_landed],
        left=rows.drop_nulls("purged_at")["source"].to_list(),
        days=len(touched_days(home, keys)),
    )


def migrate(
    definitions: Definitions, instance: DagsterInstance, site: Site, say: Callable[[str], None]
) -> list[str]:
    """Move the home to the settings' layout, alone on it; what could not be landed again, in words.

    Killed at any moment, it goes on when it is called again: the layout is noted last.
    """
    failures: list[str] = []
    layout = Layout.of(site.settings)
    with alone(site), migrating():
        # From here on no other run begins to make anything; those that have begun know the layout from before.
        write_layout(site.settings.home, layout, is_moving=True)
        if working := len(site.ledger.working_runs()):
            say(f"{working} runs are at work on this home: waiting for them to end")
        while site.ledger.working_runs():
            time.sleep(WAIT_SECONDS)
        todo = plan(site)
        for key in (*todo.from_file, *todo.from_landed):
            failures += run_here(definitions, "land", instance, tags={}, partition=key)
        if not failures:
            write_layout(site.settings.home, layout)
    return failures

"""What Review reads, from the site's warehouse; and the desk, from its settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from clio_dagster.review.data import SCHEMAS
from clio_dagster.review.desk import Desk
from clio_dagster.review.log import log_of
from clio_dagster.settings import Settings
from resources.contracts import contracts
from resources.site import Site

_DATED = ("clusters", "coordinated_groups", "classifier_clusters", "event_topics", "event_alerts")


class WarehouseReview:
    """A ReviewData over a site."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def dates(self) -> list[date]:
        """Dates that have anything to review, the newest first."""
        found = {
            partition.partition("|")[0]
            for name in _DATED
            for partition in self._site.warehouse.slices(contracts()[name])
        }
        return sorted(map(date.fromisoformat, found), reverse=True)

    def read(self, table: str, where: Mapping[str, object]) -> pl.DataFrame:
        """Rows of SCHEMAS[table] whose columns equal the given values, or are among a list of them."""
        return self._site.warehouse.read(contracts()[table], where, list(SCHEMAS[table]))


def desk_of(settings: Settings) -> Desk:
    """The desk of a site. Makes its home, for its owner alone, where there is none yet."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = log_of(settings.home, settings.key_file, settings.key)
    return Desk(
        settings.access_file, settings.home / "review", log, settings.review_accounts_a_day, settings.tz
    )

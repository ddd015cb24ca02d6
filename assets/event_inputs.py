"""What the assets of event windows read: an event's definition, its screened conversations, and whole days."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from assets.clusters import read_vectors
from assets.partitions import SETTINGS, slices_of
from clio_dagster.safety.events.definitions import Event, stored_event
from clio_dagster.safety.events.evidence import Rows
from clio_dagster.safety.events.windows import baseline_of, days_of
from clio_dagster.safety.tables import EVENT_CONVERSATIONS, EVENTS
from clio_dagster.tables import CLUSTERED_BY, EMBEDDINGS, FACETS, Table
from resources.site import Site


class UnknownEvent(ValueError):
    """A partition's event was never read from events.toml. The message says what to do."""


def event_of(site: Site, name: str) -> Event:
    """An event as the `event_windows` sensor read it last. Raises UnknownEvent where it never did."""
    stored = site.warehouse.read(EVENTS, {"event": name}, ["definition"])
    if stored.is_empty():
        raise UnknownEvent(
            f"event {name} is not known: add it to {SETTINGS.events_path.name} and let the event_windows sensor read it"
        )
    return stored_event(stored["definition"][0])


def parted(key: str) -> tuple[str, str]:
    """`2026-11-03|election-2026` as its date and its event."""
    day, event = key.split("|")
    return day, event


def slices_of_key(key: str) -> list[str]:
    """The date × language slices of a date × event."""
    return slices_of(parted(key)[0])


def until(event: Event, key: str) -> list[date]:
    """Days of the event's window up to the key's date, in order."""
    last = date.fromisoformat(parted(key)[0])
    return [day for day in days_of(event, SETTINGS.tz) if day <= last]


def baseline_days(event: Event) -> list[date]:
    """Days before the window that have a partition, in order."""
    return [day for day in baseline_of(event, SETTINGS.tz) if day >= SETTINGS.start_date]


def hashes(site: Site, tables: Sequence[Table], days: Sequence[date]) -> list[str]:
    """Content hashes of the tables' slices of some days, for a fingerprint: those of languages, or of an event."""
    keys = [key for day in days for key in slices_of(day.isoformat())]
    return [
        f"{table.name} {key} {found.content_hash}"
        for table in tables
        for key, found in sorted(site.warehouse.slices(table, keys).items())
    ]


def window_rows(site: Site, event: Event, key: str) -> tuple[pl.DataFrame, np.ndarray]:
    """Screened conversations of the window up to the key's date that have a vector, and their vectors, row by row.

    A conversation that came under two days or languages is taken once, on the last of its days.
    """
    days = [day.isoformat() for day in until(event, key)]
    screened = site.warehouse.read(
        EVENT_CONVERSATIONS,
        {"date": days, "event": event.name},
        ["conversation_id", "date", "language"],
    )
    rows = _with_facets(site, days).join(
        screened, on=["conversation_id", "date", "language"], how="semi", maintain_order="left"
    )
    rows = rows.unique("conversation_id", keep="last", maintain_order=True)
    return rows, read_vectors(site, rows, CLUSTERED_BY)


def whole_day(site: Site, day: date) -> Rows:
    """Every conversation of a day that has a vector, screened or not."""
    rows = _with_facets(site, [day.isoformat()])
    if rows.is_empty():
        return Rows(rows, np.zeros((0, 1), np.float32))
    return Rows(rows, read_vectors(site, rows, CLUSTERED_BY))


def _with_facets(site: Site, days: Sequence[str]) -> pl.DataFrame:
    """Facets of some days' conversations that have a vector of the request, in the order of their ids."""
    facets = site.warehouse.read(
        FACETS,
        {"date": list(days)},
        ["conversation_id", "account", "language", "date", "started_at", CLUSTERED_BY, "concerning"],
    )
    embedded = site.warehouse.read(
        EMBEDDINGS,
        {"date": list(days), "clustered_by": CLUSTERED_BY},
        ["conversation_id", "date", "language"],
    )
    return facets.join(embedded, on=["conversation_id", "date", "language"], how="semi").sort(
        "conversation_id", "date", "language"
    )

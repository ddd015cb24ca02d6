"""How many requests the S3 profile makes of a zone that is full: listings, reads, writes.

    python -m benchmarks.s3_requests               92 days, 15 languages: half a minute
    python -m benchmarks.s3_requests --days 365

An S3 of its own (moto over HTTP) is filled with an object for every slice of every table of the restricted zone that
is partitioned by date, alone or with the language. Counted is what boto3 sends, tries again included. A run asks
`slices_on` of a window's days for each date, and `slices` and `read` for what it makes.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

from clio_dagster.settings import USE_LANGUAGES
from clio_dagster.tables import EMBEDDINGS, TABLES
from resources.s3_layout import object_name
from resources.s3_objects import concurrently
from resources.s3_warehouse import S3Warehouse
from tests.frames import DATE, embeddings
from tests.s3_server import Store, s3_server

FIRST = date(2026, 9, 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=92)
    days = [FIRST + timedelta(days=number) for number in range(parser.parse_args().days)]
    with s3_server() as store:
        bucket = store.bucket()
        print(f"{fill(store, bucket, days):,} objects: {len(days)} days, {len(USE_LANGUAGES)} languages")
        measure(store.warehouse(bucket), days)


def fill(store: Store, bucket: str, days: list[date]) -> int:
    """An object for every slice; all hold the same few rows."""
    warehouse = store.warehouse(bucket)
    warehouse.write(EMBEDDINGS, {"date": DATE, "language": "es"}, embeddings(20))
    name = object_name(EMBEDDINGS, {"date": DATE, "language": "es"})
    content = warehouse._objects.get(name)
    warehouse._objects.remove(name)
    names = []
    for table in TABLES.values():
        if table.zone != "restricted":
            continue
        if set(table.partitioned_by) == {"date"}:
            names += [object_name(table, {"date": on}) for on in days]
        elif set(table.partitioned_by) == {"date", "language"}:
            names += [
                object_name(table, {"date": on, "language": code}) for on in days for code in USE_LANGUAGES
            ]
    concurrently(lambda each: warehouse._objects.put(each, content), names)
    return len(names)


def measure(warehouse: S3Warehouse, days: list[date]) -> None:
    window = [on.isoformat() for on in days[-7:]]
    one_day = [f"{days[-1]}|{code}" for code in USE_LANGUAGES]
    items: list[Any] = [
        (EMBEDDINGS, {"date": DATE, "language": code}, embeddings(20, language=code), "f")
        for code in USE_LANGUAGES
    ]
    one = {"date": days[-1], "language": "es"}
    questions: dict[str, Callable[[], object]] = {
        "slices_on, a window of 7 days, a process's first": lambda: warehouse.slices_on(window),
        "slices_on, the same again": lambda: warehouse.slices_on(window),
        "slices of one table, one day in every language": lambda: warehouse.slices(EMBEDDINGS, one_day),
        "slices of one table, all days, the first time": lambda: warehouse.slices(EMBEDDINGS),
        "slices of one table, all days, again": lambda: warehouse.slices(EMBEDDINGS),
        "read, one slice": lambda: warehouse.read(EMBEDDINGS, one),
        "write_many, a day in every language, new": lambda: warehouse.write_many(items, fence=lambda: None),
        "write_many, the same again": lambda: warehouse.write_many(items, fence=lambda: None),
    }
    print(f"{'':52}{'LIST':>6}{'GET':>6}{'PUT':>6}{'seconds':>9}")
    for said, question in questions.items():
        with counted(warehouse) as sent:
            started = time.perf_counter()
            question()
            seconds = time.perf_counter() - started
        print(f"{said:52}{sent['LIST']:6}{sent['GET']:6}{sent['PUT']:6}{seconds:9.2f}")


@contextmanager
def counted(warehouse: S3Warehouse) -> Any:
    sent: Counter[str] = Counter()
    events = warehouse._objects._client.meta.events

    def count(request: Any, **_: Any) -> None:
        sent["LIST" if "list-type=2" in request.url else request.method] += 1

    events.register("before-send.s3", count)
    try:
        yield sent
    finally:
        events.unregister("before-send.s3", count)


if __name__ == "__main__":
    main()

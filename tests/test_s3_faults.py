"""S3 that is busy, slow, cuts connections or loses answers: nothing is lost, and who comes too late writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from botocore.retries.standard import ExponentialBackoff
from polars.testing import assert_frame_equal

from clio_dagster.tables import EMBEDDINGS
from resources.ledger import LeaseLost
from resources.s3_objects import Objects
from resources.s3_options import Options
from resources.s3_warehouse import S3Warehouse
from resources.slices import WarehouseError, content_hash
from tests.frames import DATE, ES, SECRET, embeddings
from tests.s3_proxy import SLOW_SECONDS, Kind, Proxy, s3_proxy
from tests.s3_server import Store, s3_server

PATIENT = Options(attempts=4, read_seconds=SLOW_SECONDS - 0.4, part_bytes=5_242_880)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with s3_server() as store, pytest.MonkeyPatch.context() as patch:
        # The pauses between two tries: as often as ever, and short.
        patch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.01)
        yield store


@pytest.fixture(scope="module")
def proxy(store: Store) -> Iterator[Proxy]:
    with s3_proxy(store.endpoint) as proxy:
        yield proxy


@pytest.fixture
def bucket(store: Store, proxy: Proxy) -> str:
    proxy.heal()
    return store.bucket()


@pytest.fixture
def warehouse(proxy: Proxy, bucket: str) -> S3Warehouse:
    return S3Warehouse(bucket, "site", proxy.endpoint, options=PATIENT)


def no_fence() -> None:
    """A writer whose lease is good."""


def items(count: int, rows: int = 20) -> list[Any]:
    found = []
    for number in range(count):
        on = DATE + timedelta(days=number)
        frame = embeddings(rows, seed=number).with_columns(date=pl.lit(on))
        found.append((EMBEDDINGS, {"date": on, "language": "es"}, frame, f"f{number}"))
    return found


# Faults that pass


@pytest.mark.parametrize("kind", ["busy", "reset", "dropped", "lost", "slow"])
def test_a_fault_that_passes_loses_nothing(proxy: Proxy, warehouse: S3Warehouse, kind: Kind) -> None:
    for method in ("PUT", "GET"):
        proxy.fail(kind, 1 if kind == "slow" else 2, method)
        if method == "PUT":
            written = warehouse.write_many(items(3), fence=no_fence)
        assert sorted(warehouse.slices(EMBEDDINGS).values(), key=lambda each: each.partition) == written
        made = pl.concat(item[2] for item in items(3))
        assert_frame_equal(warehouse.read(EMBEDDINGS), made, check_row_order=False)


def test_bursts_of_every_fault_lose_nothing(proxy: Proxy, warehouse: S3Warehouse) -> None:
    kinds: list[Kind] = ["busy", "reset", "busy", "lost", "dropped", "busy"]
    asked = []

    def bursts(request: str, headers: Any) -> Kind | None:
        asked.append(request)
        place = len(asked) % 20
        return kinds[place] if place < 3 else kinds[place - 7] if 10 <= place < 13 else None

    proxy.fault = bursts
    written = warehouse.write_many(items(15), fence=no_fence)
    for each in written:
        read = warehouse.read(EMBEDDINGS, {"date": each.partition.split("|")[0]})
        assert content_hash(read) == each.content_hash
    assert len(asked) > 45


# Objects in parts


def large(seed: int = 0) -> pl.DataFrame:
    """Some 12 MB, and so three parts."""
    return embeddings(6000, 512, seed=seed)


def open_uploads(store: Store, bucket: str) -> list[Any]:
    return list(store.client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()))


@pytest.mark.parametrize(
    ("kind", "request_part"),
    [("dropped", "partNumber=2"), ("busy", "uploads"), ("lost", "partNumber=3"), ("lost", "POST /")],
)
def test_a_large_object_is_whole_though_parts_of_it_had_to_be_sent_again(
    store: Store, proxy: Proxy, bucket: str, warehouse: S3Warehouse, kind: Kind, request_part: str
) -> None:
    proxy.fail(kind, 1, request_part) if request_part != "POST /" else proxy.fail(kind, 1, "POST", "uploadId")
    written = warehouse.write(EMBEDDINGS, ES, large())
    found = store.client.list_objects_v2(Bucket=bucket)["Contents"]
    assert [row["ETag"].strip('"').partition("-")[2] for row in found] == ["3"]
    assert content_hash(store.warehouse(bucket).read(EMBEDDINGS)) == written.content_hash
    assert open_uploads(store, bucket) == []


def test_a_large_object_that_cannot_be_ended_leaves_the_old_one_and_no_parts(
    store: Store, proxy: Proxy, bucket: str, warehouse: S3Warehouse
) -> None:
    written = warehouse.write(EMBEDDINGS, ES, embeddings(3))
    proxy.fail("busy", 99, "partNumber=2")
    with pytest.raises(
        WarehouseError, match=r"S3 is busy \(SlowDown, after 4 tries\).*CLIO_S3_ATTEMPTS"
    ) as caught:
        warehouse.write(EMBEDDINGS, ES, large())
    assert SECRET not in str(caught.value)
    proxy.heal()
    assert warehouse.slice_of(EMBEDDINGS, ES) == written
    assert open_uploads(store, bucket) == []


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("reset", r"\(CLIO_S3_ENDPOINT\) cannot be reached"),
        ("slow", r"does not answer within 0\.8 s.*CLIO_S3_READ_SECONDS"),
        ("refused", r"S3 answered InvalidArgument \(HTTP 400\)"),
    ],
)
def test_a_fault_that_stays_says_what_to_do(proxy: Proxy, bucket: str, kind: Kind, said: str) -> None:
    once = Options(attempts=1, read_seconds=0.8)
    proxy.fail(kind, 99, bucket)
    with pytest.raises(WarehouseError, match=said) as caught:
        S3Warehouse(bucket, "site", proxy.endpoint, options=once).write(EMBEDDINGS, ES, embeddings(1))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


# Who may write no more


class Lease:
    """A lease that is taken over when it has been asked for `times` times."""

    def __init__(self, times: int, taken_over: Any = None) -> None:
        self.left, self.taken_over, self.asked = times, taken_over, 0

    def __call__(self) -> None:
        self.asked += 1
        if self.left == 0:
            raise LeaseLost("taken over")
        self.left -= 1
        if self.left == 0 and self.taken_over:
            self.taken_over()


def test_a_writer_that_stood_still_after_its_lease_was_asked_overwrites_nothing(
    store: Store, bucket: str
) -> None:
    stale, later = store.warehouse(bucket), store.warehouse(bucket)
    for before in (None, embeddings(1)):
        if before is not None:
            stale.write_many([(EMBEDDINGS, ES, before, "before")])
        lease = Lease(1, lambda: later.write_many([(EMBEDDINGS, ES, embeddings(5), "later")], fence=no_fence))
        with pytest.raises(LeaseLost):
            stale.write_many([(EMBEDDINGS, ES, embeddings(2), "stale")], fence=lease)
        assert lease.asked == 2
        stored = later.slice_of(EMBEDDINGS, ES)
        assert stored and stored.fingerprint == "later"


def test_a_writer_whose_lease_is_good_wins_over_one_that_came_between(store: Store, bucket: str) -> None:
    holder, other = store.warehouse(bucket), store.warehouse(bucket)
    lease = Lease(2, None)
    holder.slices(EMBEDDINGS)
    other.write(EMBEDDINGS, ES, embeddings(3), fingerprint="other")
    written = holder.write_many([(EMBEDDINGS, ES, embeddings(2), "holder")], fence=lease)
    assert other.slice_of(EMBEDDINGS, ES) == written[0]
    assert lease.asked == 2


def test_a_write_of_what_was_seen_costs_no_further_request(
    proxy: Proxy, bucket: str, warehouse: S3Warehouse
) -> None:
    warehouse.write_many(items(2), fence=no_fence)
    warehouse.write_many(items(2), fence=no_fence)
    assert [request.split()[0] for request in proxy.requests] == ["PUT"] * 4


def test_a_store_without_conditions_is_asked_without_them(proxy: Proxy, bucket: str) -> None:
    def fault(request: str, headers: Any) -> Kind | None:
        return "not offered" if headers.get("If-Match") or headers.get("If-None-Match") else None

    proxy.fault = fault
    objects = Objects(bucket, "site", proxy.endpoint, PATIENT)
    lease = Lease(9)
    for content in (b"one", b"two"):
        objects.put_fenced("name", content, None, lease)
        assert objects.get("name") == content
    assert lease.asked == 3
    with pytest.raises(LeaseLost):
        objects.put_fenced("name", b"three", None, Lease(0))
    assert objects.get("name") == b"two"

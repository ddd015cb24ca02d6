"""The main job on the S3 profile comes to what it comes to on DuckDB: every slice, every mart, every release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clio_dagster.release.read import release_dates
from clio_dagster.synthetic.corpus import DAYS, generate
from resources.contracts import contracts, models
from resources.s3_warehouse import S3Warehouse
from tests.s3_server import Store, s3_server
from tests.scenario import SMALL, TIMED, Site

CONTENT = tuple(name for name in contracts() if name not in TIMED)


@dataclass
class BucketSite(Site):
    """A site whose intermediates lie in a bucket."""

    store: Store = field(kw_only=True)
    bucket: str = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.settings = self.settings | {
            "storage": "s3",
            "s3_bucket": self.bucket,
            "s3_prefix": "site",
            "s3_endpoint": self.store.endpoint,
        }

    @property
    def warehouse(self) -> S3Warehouse:
        return self.store.warehouse(self.bucket)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "conversations.jsonl.gz"
    generate(path, conversations=300, days=DAYS[:2])
    return path


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with s3_server() as store:
        yield store


@pytest.fixture(scope="module")
def in_bucket(tmp_path_factory: pytest.TempPathFactory, store: Store, corpus: Path) -> BucketSite:
    site = BucketSite(tmp_path_factory.mktemp("s3"), SMALL, store=store, bucket=store.bucket())
    run = site.clio("run", corpus)
    assert run.returncode == 0, run.stderr
    assert len(release_dates(site.releases)) == 2
    return site


def test_every_slice_and_release_is_that_of_duckdb(
    tmp_path: Path, corpus: Path, in_bucket: BucketSite
) -> None:
    site = Site(tmp_path / "duckdb", SMALL)
    run = site.clio("run", corpus)
    assert run.returncode == 0, run.stderr
    expected = site.slice_hashes(*CONTENT)
    assert {model.name for model in models() if model.materialized == "table"} <= {
        name for name, _ in expected
    }
    assert in_bucket.slice_hashes(*CONTENT) == expected
    assert in_bucket.released() == site.released()


def test_the_home_keeps_no_intermediates(in_bucket: BucketSite) -> None:
    assert not (in_bucket.home / "clio.duckdb").exists()


def test_running_again_keeps_what_is_there(corpus: Path, in_bucket: BucketSite) -> None:
    before = {name: in_bucket.warehouse.slices(name) for name in contracts()}
    run = in_bucket.clio("run", corpus)
    assert run.returncode == 0, run.stderr
    assert {name: in_bucket.warehouse.slices(name) for name in contracts()} == before

"""Runs that are repeated, killed, started twice at once or kept in a bucket come to what one undisturbed run does."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clio_dagster.release.read import release_dates, verify
from clio_dagster.synthetic.corpus import DAYS, generate
from resources.contracts import contracts, models
from resources.s3_warehouse import S3Warehouse
from tests.s3_server import Store, s3_server
from tests.scenario import SMALL, TIMED, Site

CONTENT = tuple(name for name in contracts() if name not in TIMED)
KILLS = 3


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "conversations.jsonl.gz"
    generate(path, conversations=400, days=DAYS[:2])
    return path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Site:
    """A site after one run that nothing disturbed."""
    site = Site(tmp_path_factory.mktemp("undisturbed"), SMALL | {"threads": "1"})
    run = site.clio("run", corpus)
    assert run.returncode == 0, run.stderr
    assert len(release_dates(site.releases)) == 2
    return site


def assert_same(site: Site, undisturbed: Site) -> None:
    """The same content hash in every slice of every table, and the same files in every release."""
    assert site.slice_hashes(*CONTENT) == undisturbed.slice_hashes(*CONTENT)
    expected = undisturbed.released()
    released = site.released()
    assert released.keys() == expected.keys()
    assert [name for name in expected if released[name] != expected[name]] == []
    assert [problem for day in site.releases.iterdir() if day.is_dir() for problem in verify(day)] == []


@pytest.mark.slow
def test_a_fresh_home_with_the_same_key_comes_to_the_same_content(
    tmp_path: Path, corpus: Path, undisturbed: Site
) -> None:
    """Every slice of every stage, with other threads too."""
    site = Site(tmp_path / "site", SMALL | {"threads": "2"})
    run = site.clio("run", corpus)
    assert run.returncode == 0, run.stderr
    slices = site.slice_hashes("raw_conversations", "facets", "embeddings")
    assert len(slices) == 3 * 2 * 3
    assert_same(site, undisturbed)


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    tmp_path: Path, corpus: Path, undisturbed: Site
) -> None:
    site = Site(tmp_path / "site", SMALL)
    moments = random.Random(7)
    for _ in range(KILLS):
        site.killed(moments.uniform(2, 12), "run", corpus)
    run = site.clio("run", corpus)
    assert run.returncode == 0, run.stderr
    assert_same(site, undisturbed)


@pytest.mark.slow
def test_two_runs_at_once_on_one_home_both_end_and_come_to_one_result(
    tmp_path: Path, corpus: Path, undisturbed: Site
) -> None:
    site = Site(tmp_path / "site", SMALL)
    runs = [site.start("run", corpus) for _ in range(2)]
    printed = [run.communicate(timeout=300) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], printed
    assert_same(site, undisturbed)


# In a bucket.


@dataclass
class BucketSite(Site):
    """A site whose intermediates lie in a bucket, and a copy of its releases."""

    store: Store = field(kw_only=True)
    bucket: str = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.settings = self.settings | {
            "storage": "s3",
            "s3_bucket": self.bucket,
            "s3_prefix": "site",
            "s3_endpoint": self.store.endpoint,
            "releases": f"s3://{self.bucket}/open",
        }

    @property
    def warehouse(self) -> S3Warehouse:
        return self.store.warehouse(self.bucket)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with s3_server() as store:
        yield store


@pytest.fixture(scope="module")
def in_bucket(tmp_path_factory: pytest.TempPathFactory, store: Store, corpus: Path) -> BucketSite:
    site = BucketSite(tmp_path_factory.mktemp("s3"), SMALL, store=store, bucket=store.bucket())
    run = site.clio("run", corpus)
    assert run.returncode == 0, run.stderr
    return site


@pytest.mark.slow
def test_every_slice_and_release_in_a_bucket_is_that_of_duckdb(
    in_bucket: BucketSite, undisturbed: Site
) -> None:
    """Every mart too."""
    assert {model.name for model in models() if model.group == "marts"} <= {
        name for name, _ in undisturbed.slice_hashes(*CONTENT)
    }
    assert_same(in_bucket, undisturbed)


@pytest.mark.slow
def test_the_home_keeps_no_intermediates(in_bucket: BucketSite) -> None:
    assert not (in_bucket.home / "clio.duckdb").exists()


@pytest.mark.slow
def test_each_release_is_copied_as_it_is(in_bucket: BucketSite) -> None:
    client, bucket = in_bucket.store.client, in_bucket.bucket

    def get(name: str) -> bytes:
        return bytes(client.get_object(Bucket=bucket, Key=f"open/{name}")["Body"].read())

    pointed = json.loads(get("latest.json"))["releases"]
    assert list(pointed) == [day.isoformat() for day in release_dates(in_bucket.releases)]
    for day, row in pointed.items():
        assert get(f"{row['path']}manifest.json") == (in_bucket.releases / day / "manifest.json").read_bytes()


@pytest.mark.slow
def test_running_again_keeps_what_is_in_the_bucket(corpus: Path, in_bucket: BucketSite) -> None:
    before = {name: in_bucket.warehouse.slices(name) for name in contracts()}
    run = in_bucket.clio("run", corpus)
    assert run.returncode == 0, run.stderr
    assert {name: in_bucket.warehouse.slices(name) for name in contracts()} == before

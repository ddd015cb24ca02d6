"""A site on a Ray cluster of two nodes, PostgreSQL and a bucket, one node of which dies in the middle of a run: every
table and release is that of one machine (`make test-distributed`)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from assets.embeddings import encode
from clio_dagster.embedding import make_embedder
from clio_dagster.settings import Settings
from clio_dagster.synthetic.corpus import generate
from resources.contracts import contracts
from resources.s3_warehouse import S3Warehouse
from resources.shards import ATTEMPTS, LostPiece, OnRay, ShardError
from resources.zones import Zones
from tests import postgres_server
from tests.ray_cluster import Cluster, ray_cluster
from tests.s3_server import Store, s3_server
from tests.scenario import TIMED, Site
from tests.server import Server
from tests.unattended import FIRST, UNATTENDED, attended_by_its_daemon, until

pytestmark = [
    pytest.mark.distributed,
    pytest.mark.skipif(find_spec("dagster_ray") is None, reason="the extra `ray` is not installed"),
    pytest.mark.skipif(not postgres_server.IS_THERE, reason="PostgreSQL's server is not installed"),
]

ENOUGH_SECONDS = 1500
"""A process a step: some forty of them, most of which do little beyond their start."""

SECRET = "my lawyer says that the orchard is lost"
DAYS = [FIRST + timedelta(days=number) for number in range(3)]
SETTINGS = UNATTENDED | {
    "languages": "de,en,es",
    "safety": "true",
    "shard_conversations": "10",
    "threads": "1",
    "analyst": "offline",
}
CONTENT = tuple(name for name in contracts() if name not in TIMED)
REPOSITORY = Path(__file__).parents[1]


@dataclass
class SharedSite(Site):
    """A site whose tables lie in a bucket, whose state lies in PostgreSQL, and whose steps go to a cluster."""

    store: Store = field(kw_only=True)
    bucket: str = field(kw_only=True)
    cluster: Cluster = field(kw_only=True)

    @property
    def warehouse(self) -> Zones:
        place = (self.bucket, "site", self.store.endpoint)
        return Zones(S3Warehouse(*place), S3Warehouse(*place, zone="safety"))

    @property
    def environment(self) -> dict[str, str]:
        rays = {name: value for name, value in self.cluster.environment.items() if name.startswith("RAY_")}
        return super().environment | rays | {"CLIO_RAY_ADDRESS": self.cluster.address}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with a short path: Ray's sockets lie below it."""
    with tempfile.TemporaryDirectory(prefix="clio-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def urls(folder: Path) -> Iterator[dict[str, str]]:
    with two_databases(folder / "postgres") as urls:
        yield urls


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with s3_server() as store:
        yield store


@pytest.fixture(scope="module")
def cluster(folder: Path, urls: dict[str, str], store: Store) -> Iterator[Cluster]:
    """Its nodes have what is secret of the site in an environment of their own."""
    with ray_cluster(folder / "r", 2, PYTHONPATH=str(REPOSITORY), **urls) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Path:
    path = folder / "conversations.jsonl.gz"
    generate(path, conversations=600, days=DAYS)
    return path


@contextmanager
def two_databases(folder: Path) -> Iterator[dict[str, str]]:
    import psycopg

    with postgres_server.postgres(folder) as url:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("create database history")
        yield {"CLIO_LEDGER_URL": url, "CLIO_HISTORY_URL": url.replace("/postgres?", "/history?")}


# The map alone, on a cluster that loses what it is given.


@pytest.fixture
def on_ray(cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnRay]:
    for name, value in cluster.environment.items():
        if name.startswith("RAY_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    # Whether callers are asked for a token is read when it is imported.
    import ray

    settings = Settings(home=folder / "alone", key_file=folder / "key", shards_in_flight=3)
    yield OnRay(settings, "embeddings", "2026-11-01|en")
    ray.shutdown()


def test_pieces_come_in_order_with_the_bits_of_one_machine(on_ray: OnRay) -> None:
    use = make_embedder("use", threads=2)
    chunks = [
        [f"how do I grow {number} kinds of pears in pot {place}" for place in range(40)]
        for number in range(8)
    ]
    made = list(on_ray(partial(encode, "use"), chunks))
    assert [each.tobytes() for each in made] == [use.encode(chunk).tobytes() for chunk in chunks]


def test_no_more_pieces_are_asked_for_than_may_be_in_flight(on_ray: OnRay) -> None:
    asked: list[int] = []

    def pieces() -> Iterator[int]:
        for number in range(10):
            asked.append(number)
            yield number

    for taken, made in enumerate(on_ray(_doubled, pieces())):
        assert made == 2 * taken
        assert len(asked) <= taken + 1 + on_ray.settings.shards_in_flight


def test_a_piece_that_is_lost_is_made_again(on_ray: OnRay, tmp_path: Path) -> None:
    assert list(on_ray(partial(_dies, tmp_path, 1), range(3))) == [0, 1, 2]


def test_a_piece_that_is_lost_again_and_again_is_an_error(on_ray: OnRay, tmp_path: Path) -> None:
    with pytest.raises(LostPiece, match=f"piece 1 was lost {ATTEMPTS} times"):
        list(on_ray(partial(_dies, tmp_path, 99), range(1)))
    assert len(list(tmp_path.iterdir())) == ATTEMPTS


def test_nothing_that_ray_keeps_or_says_of_a_failure_quotes_a_piece(on_ray: OnRay, cluster: Cluster) -> None:
    with pytest.raises(ShardError) as caught:
        list(on_ray(_chokes, [SECRET]))
    assert "ValueError" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert [path for path in cluster.sessions.rglob("*") if path.is_file() and holds(path, SECRET)] == []


def _doubled(piece: int) -> int:
    return 2 * piece


def _dies(folder: Path, times: int, piece: int) -> int:
    """Takes its process with it as often as asked, and then answers."""
    tried = len(list(folder.glob(f"{piece}-*")))
    if tried < times:
        (folder / f"{piece}-{tried}").touch()
        os._exit(1)
    return piece


def _chokes(piece: str) -> None:
    print(len(piece))
    raise ValueError(f"could not parse {piece!r}")


def holds(path: Path, text: str) -> bool:
    return text.encode() in path.read_bytes()


# A whole site.


@pytest.fixture(scope="module")
def alone(folder: Path, corpus: Path) -> Site:
    """What one machine makes of it."""
    site = Site(
        folder / "alone", {name: value for name, value in SETTINGS.items() if name != "shard_conversations"}
    )
    run = site.clio("run", corpus)
    assert run.returncode == 0, run.stderr
    return site


@pytest.fixture(scope="module")
def shared(
    folder: Path, corpus: Path, urls: dict[str, str], store: Store, cluster: Cluster
) -> Iterator[tuple[SharedSite, Server]]:
    """A site at work, with a file in its inbox."""
    bucket = store.bucket()
    settings = SETTINGS | {
        "inbox": str(folder / "inbox"),
        "executor": "ray",
        "storage": "s3",
        "s3_bucket": bucket,
        "s3_prefix": "site",
        "s3_endpoint": store.endpoint,
        "ledger_url": urls["CLIO_LEDGER_URL"],
        "history_url": urls["CLIO_HISTORY_URL"],
    }
    site = SharedSite(folder / "shared", settings, store=store, bucket=bucket, cluster=cluster)
    (folder / "inbox").mkdir()
    shutil.copy(corpus, folder / "inbox" / corpus.name)
    with attended_by_its_daemon(site) as servers:
        yield site, servers[-1]


def test_a_site_that_loses_a_node_comes_to_what_one_machine_makes(
    alone: Site, shared: tuple[SharedSite, Server], cluster: Cluster
) -> None:
    site, server = shared
    lost = cluster.nodes[1]
    until(lambda: lost.works_on("ray::facets", "ray::embeddings"), "a piece on the second node")
    lost.kill()
    cluster.add()
    expected = alone.slice_hashes(*CONTENT)
    # What Trust & Safety looks at comes last, when the releases are fresh and their run has ended.
    until(
        lambda: not server.unfinished() and site.slice_hashes(*CONTENT).keys() >= expected.keys(),
        "every slice that one machine makes",
        ENOUGH_SECONDS,
    )
    assert site.slice_hashes(*CONTENT) == expected
    wanted, released = alone.released(), site.released()
    assert len({name.split("/")[0] for name in wanted}) == len(DAYS)
    assert released.keys() == wanted.keys()
    assert [name for name in wanted if released[name] != wanted[name]] == []

"""Pieces of a partition come to the bits of the whole, wherever they are made; Ray is told no text and no secret.

Ray itself, with nodes that die, is in test_distributed.py.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from dagster import in_process_executor

from assets.embeddings import encode
from clio_dagster.analyst.offline.analyst import OfflineAnalyst
from clio_dagster.embedding import embed_in_chunks, make_embedder
from clio_dagster.embedding.protocol import Embedder
from clio_dagster.facets import facets_of
from clio_dagster.key_ranges import ranges_of
from clio_dagster.settings import Settings, SettingsError
from clio_dagster.shards import here
from clio_dagster.synthetic.corpus import generate
from clio_dagster.tables import RAW_CONVERSATIONS
from resources.executor import executor_of
from resources.shards import Failed, OnRay, _made, mapping, open_environment
from tests.frames import SECRET
from tests.scenario import SMALL, Site

ROWS = 50


@pytest.fixture(scope="module")
def use() -> Embedder:
    return make_embedder("use", threads=2)


@pytest.fixture(scope="module")
def conversations(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """tables.RAW_CONVERSATIONS of a small corpus."""
    from clio_dagster.conversations.landed import read_landed
    from clio_dagster.conversations.landing import land

    folder = tmp_path_factory.mktemp("shards")
    generate(folder / "corpus.jsonl.gz", conversations=300)
    site = Site(folder / "site", SMALL)
    settings = Settings(home=site.home, key_file=site.key_file, languages=("en", "es"))
    land(folder / "corpus.jsonl.gz", key="corpus-0123456789ab", settings=settings)
    slices = sorted((site.home / "landing").rglob("*.parquet"))
    days = sorted({part.split("=")[1] for path in slices for part in path.parts if part.startswith("date=")})
    frames = [read_landed(site.home, day, language) for day in days for language in ("en", "es")]
    return pl.concat(frames).select(*RAW_CONVERSATIONS.schema).sort("conversation_id")


def site(**values: object) -> Settings:
    base: dict[str, object] = {"home": Path("/home/site"), "key_file": Path("/etc/clio-key")}
    return Settings(**base | values)  # type: ignore[arg-type]


def shared(**values: object) -> Settings:
    """What a Ray cluster asks for."""
    url = f"postgresql://clio:{SECRET.replace(' ', '-')}@db/clio"
    return site(
        executor="ray",
        storage="s3",
        s3_bucket="bucket",
        ledger_url=url,
        history_url=f"{url}-history",
        **values,
    )


# The bits of the whole.


def test_facets_do_not_depend_on_the_range_that_they_are_read_in(
    conversations: pl.DataFrame, use: Embedder
) -> None:
    analyst = OfflineAnalyst(use)
    whole = facets_of(conversations, analyst)
    parts = [
        facets_of(conversations.filter(within.holds("conversation_id")), analyst)
        for within in ranges_of(conversations["conversation_id"], ROWS)
    ]
    assert len(parts) > 3
    assert pl.concat(parts).equals(whole)
    assert (whole["status"] == "read").sum() > ROWS


def test_chunks_that_other_processes_encode_on_one_core_have_the_same_bits(
    conversations: pl.DataFrame, use: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clio_dagster.embedding.CHUNK", ROWS)
    texts = conversations["messages"].list.get(0).struct.field("text")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:

        def elsewhere(chunks: Iterable[list[str]]) -> Iterator[np.ndarray]:
            return pool.map(partial(encode, "use"), chunks)

        apart = list(embed_in_chunks(texts, use, rows=70, encoding=elsewhere))
    alone = list(embed_in_chunks(texts, use, rows=70))
    assert len(alone) > 3
    assert [chunk.tobytes() for chunk in apart] == [chunk.tobytes() for chunk in alone]


# What goes to the cluster, and what it is told.


def test_only_large_partitions_go_to_the_cluster_and_only_where_there_is_one() -> None:
    large = shared(shard_conversations=100)
    assert isinstance(mapping(large, "facets", "2026-11-01|es", 101), OnRay)
    assert mapping(large, "facets", "2026-11-01|es", 100) is here
    assert mapping(site(shard_conversations=100), "facets", "2026-11-01|es", 101) is here


def test_what_other_nodes_are_told_of_the_site_holds_no_secret() -> None:
    told = open_environment(shared(min_accounts=20, oidc_client_id="clio", oidc_client_secret=SECRET))
    assert told["CLIO_MIN_ACCOUNTS"] == "20"
    assert (told["CLIO_HOME"], told["DAGSTER_HOME"]) == ("/home/site", "/home/site")
    assert not {"CLIO_LEDGER_URL", "CLIO_HISTORY_URL", "CLIO_OIDC_CLIENT_SECRET"} & told.keys()
    assert SECRET.replace(" ", "-") not in str(told)


def test_a_piece_that_fails_says_where_and_never_with_what() -> None:
    failed = _made("facets", "2026-11-01|es", _choke, SECRET)
    assert isinstance(failed, Failed)
    assert "ValueError" in failed.message
    assert "2026-11-01|es" in failed.message
    assert SECRET not in failed.message


def _choke(piece: str) -> None:
    raise ValueError(f"could not parse {piece!r}")


# What the executor needs.


def test_a_run_works_in_a_process_of_its_own_unless_it_is_told_otherwise() -> None:
    assert executor_of(site()) is in_process_executor


@pytest.mark.parametrize(
    ("settings", "mode", "said"),
    [
        (site(executor="ray"), "token", "CLIO_STORAGE=s3"),
        (shared(), "", "RAY_AUTH_MODE=token"),
        (shared(), "disabled", "RAY_AUTH_MODE=token"),
    ],
)
def test_a_cluster_without_shared_state_or_without_a_token_is_refused(
    settings: Settings, mode: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with pytest.raises(SettingsError, match=said):
        executor_of(settings)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setitem(sys.modules, "dagster_ray", None)
    with pytest.raises(SettingsError, match=r"clio-dagster\[ray\]"):
        executor_of(shared())

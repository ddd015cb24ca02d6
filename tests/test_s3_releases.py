"""Releases in a bucket: whoever reads finds the old one or the new one, whole, wherever the writer is cut off."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clio_dagster.release.contract import ReleaseError
from clio_dagster.release.write import write_release
from clio_dagster.settings import Settings, SettingsError, load_settings
from resources.s3_releases import copy_releases
from resources.slices import WarehouseError
from tests.s3_proxy import Kind, Proxy, s3_proxy
from tests.s3_server import Store, s3_server
from tests.test_release import DAY, made_manifest, renamed, small

NEXT_DAY = DAY + timedelta(days=1)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with s3_server() as store:
        yield store


@pytest.fixture(scope="module")
def proxy(store: Store) -> Iterator[Proxy]:
    with s3_proxy(store.endpoint) as proxy:
        yield proxy


class Published:
    """A home that publishes to a bucket, and the bucket as a reader sees it."""

    def __init__(self, store: Store, endpoint: str, folder: Path) -> None:
        self.store, self.bucket = store, store.bucket()
        self.settings = Settings(
            home=folder / "home",
            key_file=folder / "key",
            releases=f"s3://{self.bucket}/open",
            releases_endpoint=endpoint,
            s3_attempts=1,
        )
        self.client = store.client

    def release(self, name: str, day: Any = DAY) -> None:
        tables = {
            table: frame.with_columns(date=frame["date"] + (day - DAY)) for table, frame in small().items()
        }
        write_release(self.settings.home / "releases", day, renamed(tables, name), made_manifest(day))

    def names(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", ())
        return [row["Key"].removeprefix("open/") for row in found]

    def get(self, name: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.bucket, Key=f"open/{name}")["Body"].read())

    def pointer(self) -> dict[str, Any]:
        return dict(json.loads(self.get("latest.json"))["releases"])

    def read(self) -> dict[str, int]:
        """Revisions by date. Every manifest that is to be seen signs what is there, the pointer's and any other."""
        for name in (name for name in self.names() if name.endswith("/manifest.json")):
            files = json.loads(self.get(name))["files"]
            assert len(files) == 6
            for file, signed in files.items():
                assert (
                    hashlib.sha256(self.get(name.removesuffix("manifest.json") + file)).hexdigest() == signed
                )
        if "latest.json" not in self.names():
            return {}
        for row in self.pointer().values():
            assert (
                hashlib.sha256(self.get(row["path"] + "manifest.json")).hexdigest() == row["manifest_sha256"]
            )
        return {day: row["revision"] for day, row in self.pointer().items()}


@pytest.fixture
def published(store: Store, proxy: Proxy, tmp_path: Path) -> Published:
    proxy.heal()
    return Published(store, proxy.endpoint, tmp_path)


def test_a_release_is_copied_once_and_the_pointer_says_where_it_lies(
    proxy: Proxy, published: Published
) -> None:
    published.release("Bread")
    assert copy_releases(published.settings).sent == (DAY,)
    assert published.read() == {"2026-11-03": 1}
    assert json.loads(published.get("latest.json"))["latest"] == "2026-11-03"
    page = published.pointer()["2026-11-03"]["path"] + "explorer/index.html"
    head = published.client.head_object(Bucket=published.bucket, Key=f"open/{page}")
    assert head["ContentType"] == "text/html; charset=utf-8"
    puts = [request for request in proxy.requests if request.startswith("PUT")]
    assert [puts[-2].endswith("/manifest.json"), puts[-1].endswith("/latest.json"), len(puts)] == [
        True,
        True,
        8,
    ]
    proxy.heal()
    assert copy_releases(published.settings).sent == ()
    assert [request.split()[0] for request in proxy.requests] == ["GET", "GET"]


def test_the_next_revision_replaces_the_one_before_and_leaves_nothing_of_it(published: Published) -> None:
    for day in (DAY, NEXT_DAY):
        published.release("Bread", day)
    copy_releases(published.settings)
    before = published.pointer()["2026-11-03"]["path"]
    published.release("Cake")
    assert copy_releases(published.settings).sent == (DAY,)
    assert published.read() == {"2026-11-03": 2, "2026-11-04": 1}
    assert not any(name.startswith(before) for name in published.names())
    assert len(published.names()) == 2 * 7 + 1


def test_a_copy_cut_off_anywhere_leaves_whole_releases_and_is_ended_by_the_next(
    proxy: Proxy, published: Published
) -> None:
    published.release("Bread")
    copy_releases(published.settings)
    # A listing, the pointer; six files, the manifest, the pointer; seven are removed.
    cuts: list[tuple[int, Kind, int]] = [
        (5, "reset", 1),
        (8, "lost", 1),
        (9, "reset", 1),
        (9, "lost", 2),
        (12, "lost", 2),
    ]
    for number, kind, stands in cuts:
        revision = published.pointer()["2026-11-03"]["revision"]
        published.release(f"Bread {number} {kind}")
        proxy.heal()
        proxy.fault = lambda request, headers, cut=(number, kind): (
            cut[1] if len(proxy.requests) > cut[0] else None
        )
        with pytest.raises(WarehouseError, match="CLIO_RELEASES"):
            copy_releases(published.settings)
        assert published.read()["2026-11-03"] == revision + stands - 1
        proxy.heal()
        copy_releases(published.settings)
        assert published.pointer()["2026-11-03"]["revision"] == revision + 1
        assert len(published.names()) == 8


def test_a_reader_sees_no_mixture_while_revisions_follow_each_other(published: Published) -> None:
    published.release("Bread")
    copy_releases(published.settings)
    ended, seen, mixed = threading.Event(), set(), []

    def read() -> None:
        client = published.store.client
        while not ended.is_set():
            row = published.pointer()["2026-11-03"]
            try:
                manifest = published.get(row["path"] + "manifest.json")
                files = {name: published.get(row["path"] + name) for name in json.loads(manifest)["files"]}
            except client.exceptions.NoSuchKey:
                continue  # Replaced since: the pointer says by what.
            signed = json.loads(manifest)["files"]
            mixed.extend(name for name in files if hashlib.sha256(files[name]).hexdigest() != signed[name])
            seen.add(row["revision"])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(3):
            published.release(f"Bread {number}")
            copy_releases(published.settings)
    finally:
        ended.set()
        reader.join()
    assert mixed == []
    assert len(seen) > 1


def test_a_date_that_was_taken_away_here_goes_there_and_one_of_another_home_stays(
    store: Store, proxy: Proxy, published: Published, tmp_path: Path
) -> None:
    other = Published(store, proxy.endpoint, tmp_path / "other")
    other.bucket, other.settings = (
        published.bucket,
        other.settings.model_copy(update={"releases": published.settings.releases}),
    )
    other.release("Snow", DAY - timedelta(days=1))
    copy_releases(other.settings)
    for day in (DAY, NEXT_DAY):
        published.release("Bread", day)
    copy_releases(published.settings)
    shutil.rmtree(published.settings.home / "releases" / "2026-11-04")
    assert copy_releases(published.settings).withdrawn == (NEXT_DAY,)
    assert list(published.read()) == ["2026-11-02", "2026-11-03"]
    assert not any(name.startswith("2026-11-04") for name in published.names())
    assert len(published.names()) == 2 * 7 + 1


def test_a_release_that_was_edited_is_not_copied_and_holds_back_no_other(published: Published) -> None:
    for day in (DAY, NEXT_DAY):
        published.release("Bread", day)
    path = published.settings.home / "releases" / "2026-11-03" / "coverage.parquet"
    path.write_bytes(b"edited")
    with pytest.raises(ReleaseError, match=r"2026-11-03: coverage\.parquet differs"):
        copy_releases(published.settings)
    assert published.read() == {"2026-11-04": 1}


def test_releases_have_credentials_of_their_own(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.release("Bread")
    settings = published.settings.model_copy(update={"releases_profile": "publisher"})
    with pytest.raises(WarehouseError, match="see CLIO_RELEASES_PROFILE"):
        copy_releases(settings)
    known = tmp_path / "credentials"
    known.write_text("[publisher]\naws_access_key_id = p\naws_secret_access_key = p\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(known))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    copy_releases(settings)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    assert published.read() == {"2026-11-03": 1}


@pytest.mark.parametrize(
    ("releases", "others", "said"),
    [
        ("s3://b/clio", {"storage": "s3", "s3_bucket": "b"}, "a prefix of its own"),
        ("s3://b/clio/restricted/r", {"storage": "s3", "s3_bucket": "b"}, "a prefix of its own"),
        ("s3://b", {"storage": "s3", "s3_bucket": "b"}, "a prefix of its own"),
        ("s3://b/in/out", {"inbox": "s3://b/in"}, "must not lie in CLIO_INBOX"),
        ("/data/releases", {}, "CLIO_RELEASES"),
    ],
)
def test_a_place_that_is_not_apart_is_refused(releases: str, others: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings(releases=releases, **others)

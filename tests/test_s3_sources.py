"""Files in a bucket, named in a call: which objects are meant, and that they are fetched as they were seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clio_dagster.conversations.files import NotConversations
from clio_dagster.settings import Settings
from resources.sources import MissingSource, at_hand, sources_at
from tests.s3_server import Store, s3_server


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with s3_server() as store:
        yield store


@pytest.fixture
def settings(store: Store, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", key_file=tmp_path / "key", s3_endpoint=store.endpoint)


def test_an_object_or_a_prefix_names_files_as_a_path_or_a_folder_does(
    store: Store, settings: Settings
) -> None:
    bucket = store.bucket()
    names = (
        "a.jsonl",
        "a.jsonl.gz",
        "in/b.csv",
        "in/deep/c.JSON",
        "in/.d.jsonl",
        "in/e.txt",
        "in/f.csv",
        "inner/g.csv",
    )
    for name in names:
        store.client.put_object(Bucket=bucket, Key=name, Body=b"" if name == "in/f.csv" else name.encode())

    def seen(place: str) -> list[str]:
        return [
            found.path.removeprefix(f"s3://{bucket}/")
            for found in sources_at(settings, f"s3://{bucket}{place}")
        ]

    assert seen("/a.jsonl") == ["a.jsonl"]
    assert seen("/in") == seen("/in/") == ["in/b.csv", "in/deep/c.JSON"]
    assert seen("") == ["a.jsonl", "a.jsonl.gz", "in/b.csv", "in/deep/c.JSON", "inner/g.csv"]
    for place in ("/in/e.txt", "/nothing", "/a"):
        with pytest.raises(NotConversations, match=f"s3://{bucket}{place} holds no"):
            seen(place)


def test_an_object_is_at_hand_as_long_as_it_is_the_one_that_was_seen(
    store: Store, settings: Settings
) -> None:
    bucket = store.bucket()
    store.client.put_object(Bucket=bucket, Key="in/b.csv", Body=b"first")
    (found,) = sources_at(settings, f"s3://{bucket}/in/b.csv")
    with at_hand(settings, found.key, found.path) as file:
        assert (file.name, file.read_bytes()) == ("b.csv", b"first")
    store.client.put_object(Bucket=bucket, Key="in/b.csv", Body=b"second")
    with pytest.raises(MissingSource, match="has changed"), at_hand(settings, found.key, found.path):
        pass
    (other,) = sources_at(settings, f"s3://{bucket}/in/b.csv")
    assert (other.path, other.key == found.key) == (found.path, False)

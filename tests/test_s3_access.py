"""How objects are encrypted, and what the policies of deploy/iam let each role do: its own zone and no other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from clio_dagster.release.write import write_release
from clio_dagster.settings import Settings, SettingsError, load_settings
from clio_dagster.tables import EMBEDDINGS, Zone
from resources.s3_options import Options, options_of, release_options_of
from resources.s3_releases import copy_releases
from resources.s3_warehouse import S3Warehouse
from tests.frames import ES, embeddings
from tests.s3_proxy import Proxy, s3_proxy
from tests.s3_server import Store, s3_server
from tests.test_release import DAY, made_manifest, renamed, small

ROOT = Path(__file__).parents[1]
POLICIES = ROOT / "deploy" / "iam"
PREFIXES = {
    "landing": ("example-clio", "inbox/"),
    "restricted": ("example-clio", "clio/restricted/"),
    "safety": ("example-clio", "clio/safety/"),
    "publisher": ("example-clio-releases", "releases/"),
    "reader": ("example-clio-releases", "releases/"),
}
ARN = "arn:aws:s3:::"
SMALL_PARTS = Options(part_bytes=5_242_880)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with s3_server() as store:
        for bucket in ("example-clio", "example-clio-releases"):
            store.client.create_bucket(Bucket=bucket)
        yield store


@pytest.fixture(scope="module")
def proxy(store: Store) -> Iterator[Proxy]:
    with s3_proxy(store.endpoint) as proxy:
        yield proxy


# Encryption


@pytest.mark.parametrize("rows", [3, 3000])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Options(encryption="sse-s3"), ("AES256", None, False)),
        (Options(encryption="sse-kms", kms_key="alias/clio"), ("aws:kms", "alias/clio", True)),
        (Options(encryption="sse-kms", kms_key="k", has_bucket_keys=False), ("aws:kms", "k", False)),
    ],
)
def test_every_object_is_encrypted_as_set_whole_or_in_parts(
    store: Store, options: Options, expected: tuple[Any, ...], rows: int
) -> None:
    bucket = store.bucket()
    options = replace(options, part_bytes=SMALL_PARTS.part_bytes)
    warehouse = S3Warehouse(bucket, "site", store.endpoint, options=options)
    warehouse.write(EMBEDDINGS, ES, embeddings(rows, 512))
    key = "site/restricted/embeddings/date=2026-11-01/language=es.parquet"
    head = store.client.head_object(Bucket=bucket, Key=key)
    assert ("-" in head["ETag"]) == (rows == 3000)
    assert (head["ServerSideEncryption"], head.get("SSEKMSKeyId")) == expected[:2]
    if rows == 3:  # Of an object in parts moto does not say it.
        assert head.get("BucketKeyEnabled", False) == expected[2]


def test_releases_name_no_key_that_their_readers_would_need(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        key_file=tmp_path.parent / "key",
        s3_encryption="sse-kms",
        s3_kms_key="k",
        releases="s3://r/r",
    )
    assert options_of(settings).encrypted()["SSEKMSKeyId"] == "k"
    assert release_options_of(settings).encrypted() == {}


def test_a_key_without_its_encryption_is_refused() -> None:
    with pytest.raises(SettingsError, match="CLIO_S3_KMS_KEY needs CLIO_S3_ENCRYPTION=sse-kms"):
        load_settings(s3_kms_key="k")


# Policies


def statements(role: str) -> list[dict[str, Any]]:
    return list(json.loads((POLICIES / f"{role}.json").read_text("utf-8"))["Statement"])


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def allows(role: str, action: str, bucket: str, key: str) -> bool:
    """Whether a policy lets its holder do this; `key` is a listing's prefix, too."""
    for each in statements(role):
        prefixes = each.get("Condition", {}).get("StringLike", {}).get("s3:prefix")
        place = f"{ARN}{bucket}" if prefixes else f"{ARN}{bucket}/{key}"
        if (
            action in as_list(each["Action"])
            and any(fnmatchcase(place, resource) for resource in as_list(each["Resource"]))
            and (prefixes is None or any(fnmatchcase(key, prefix) for prefix in prefixes))
        ):
            return True
    return False


def asked(request: str) -> tuple[str, str, str]:
    """Action, bucket and key of a request, as IAM sees them."""
    method, _, target = request.partition(" ")
    path, query = urlsplit(target).path, parse_qs(urlsplit(target).query, keep_blank_values=True)
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    if not key:
        return "s3:ListBucket", bucket, query.get("prefix", [""])[0]
    actions = {
        "GET": "s3:GetObject",
        "PUT": "s3:PutObject",
        "POST": "s3:PutObject",
        "DELETE": "s3:DeleteObject",
    }
    return (
        "s3:AbortMultipartUpload" if method == "DELETE" and "uploadId" in query else actions[method],
        bucket,
        key,
    )


def test_each_policy_names_its_prefix_and_nothing_else() -> None:
    assert {path.stem for path in POLICIES.glob("*.json")} == {*PREFIXES, "key"}
    for role, (bucket, prefix) in PREFIXES.items():
        for each in statements(role):
            assert each["Effect"] == "Allow"
            assert all(re.fullmatch(r"s3:[A-Za-z]+", action) for action in as_list(each["Action"]))
            if each["Action"] == "s3:ListBucket":
                assert each["Resource"] == f"{ARN}{bucket}"
                assert each["Condition"] == {"StringLike": {"s3:prefix": [f"{prefix}*"]}}
            else:
                assert each["Resource"] == f"{ARN}{bucket}/{prefix}*"
    writers = {"restricted", "safety", "publisher"}
    assert {role for role in PREFIXES if allows(role, "s3:PutObject", *PREFIXES[role])} == writers
    assert {role for role in PREFIXES if allows(role, "s3:DeleteObject", *PREFIXES[role])} == {"publisher"}
    (key,) = statements("key")
    assert set(key["Action"]) == {"kms:GenerateDataKey", "kms:Decrypt"}


@pytest.mark.parametrize("zone", ["restricted", "safety"])
def test_what_a_warehouse_asks_its_zones_policy_allows_and_no_other(proxy: Proxy, zone: Zone) -> None:
    proxy.heal()
    warehouse = S3Warehouse("example-clio", "clio", proxy.endpoint, zone=zone, options=SMALL_PARTS)
    warehouse.write(EMBEDDINGS, ES, embeddings(3))
    warehouse.write_many([(EMBEDDINGS, ES, embeddings(3000, 512), "")], fence=lambda: None)
    warehouse.slices_on(["2026-11-01"])
    warehouse.read(EMBEDDINGS, None, ["conversation_id"])
    warehouse.erase([(EMBEDDINGS, ES)], lambda table, frame: frame.head(1))
    requests = {asked(request) for request in proxy.requests}
    assert {action for action, _, _ in requests} == {"s3:ListBucket", "s3:GetObject", "s3:PutObject"}
    for request in requests:
        assert {role for role in PREFIXES if allows(role, *request)} == {zone}, request


def test_what_a_copy_of_releases_asks_the_publisher_may_and_a_reader_may_read_it(
    proxy: Proxy, store: Store, tmp_path: Path
) -> None:
    proxy.heal()
    settings = Settings(
        home=tmp_path / "home",
        key_file=tmp_path / "key",
        releases="s3://example-clio-releases/releases",
        releases_endpoint=proxy.endpoint,
    )
    for name in ("Bread", "Cake"):
        write_release(settings.home / "releases", DAY, renamed(small(), name), made_manifest())
        copy_releases(settings)
    requests = {asked(request) for request in proxy.requests}
    assert {action for action, _, _ in requests} >= {"s3:ListBucket", "s3:PutObject", "s3:DeleteObject"}
    for request in requests:
        is_reading = request[0] in ("s3:ListBucket", "s3:GetObject")
        expected = {"publisher", "reader"} if is_reading else {"publisher"}
        assert {role for role in PREFIXES if allows(role, *request)} == expected, request


def test_the_lifecycle_rule_that_the_docs_give_is_one(store: Store) -> None:
    blocks = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "s3.md").read_text("utf-8"), re.DOTALL)
    (rules,) = (json.loads(block) for block in blocks if "AbortIncompleteMultipartUpload" in block)
    store.client.put_bucket_lifecycle_configuration(Bucket="example-clio", LifecycleConfiguration=rules)
    stored = store.client.get_bucket_lifecycle_configuration(Bucket="example-clio")["Rules"]
    assert {rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] for rule in stored} == {1}
    assert {rule["NoncurrentVersionExpiration"]["NoncurrentDays"] for rule in stored} == {1}

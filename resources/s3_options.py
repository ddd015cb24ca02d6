"""How a store is asked: who asks, how often and how patiently, in parts of what size, and how objects are encrypted.

Nothing here decides what a slice holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from clio_dagster.settings import Settings

CONCURRENT = 16
"""Requests at once, and connections kept open."""


@dataclass(frozen=True)
class Options:
    """`part_bytes`: objects from this size on are sent in parts of it. `profile`: one of ~/.aws/config; None is the
    environment's. `bucket_setting` and `endpoint_setting` are what errors name.
    """

    attempts: int = 6
    retry_mode: Literal["standard", "adaptive"] = "standard"
    connect_seconds: float = 5
    read_seconds: float = 60
    part_bytes: int = 32_000_000
    encryption: Literal["bucket", "sse-s3", "sse-kms"] = "bucket"
    kms_key: str | None = None
    has_bucket_keys: bool = True
    profile: str | None = None
    bucket_setting: str = "CLIO_S3_BUCKET"
    endpoint_setting: str = "CLIO_S3_ENDPOINT"

    def encrypted(self) -> dict[str, Any]:
        """Arguments of PutObject and CreateMultipartUpload; none where the bucket's own default holds."""
        if self.encryption == "bucket":
            return {}
        if self.encryption == "sse-s3":
            return {"ServerSideEncryption": "AES256"}
        key = {"SSEKMSKeyId": self.kms_key} if self.kms_key else {}
        return {"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": self.has_bucket_keys, **key}


def options_of(settings: Settings) -> Options:
    """Options for what is restricted: intermediates, and an inbox."""
    return Options(
        attempts=settings.s3_attempts,
        retry_mode=settings.s3_retry_mode,
        connect_seconds=settings.s3_connect_seconds,
        read_seconds=settings.s3_read_seconds,
        part_bytes=settings.s3_part_megabytes * 1_000_000,
        encryption=settings.s3_encryption,
        kms_key=settings.s3_kms_key,
        has_bucket_keys=settings.s3_bucket_keys,
    )


def release_options_of(settings: Settings) -> Options:
    """Options for what is published: credentials of its own, and the bucket's own encryption.

    Readers of a release would need the right to use a key that it names.
    """
    return replace(
        options_of(settings),
        encryption="bucket",
        profile=settings.releases_profile,
        bucket_setting="CLIO_RELEASES",
        endpoint_setting="CLIO_RELEASES_ENDPOINT" if settings.releases_endpoint else "CLIO_S3_ENDPOINT",
    )


def connect(endpoint: str | None, options: Options) -> Any:
    """boto3's client of AWS, or of the store at `endpoint`. Raises what boto3 raises, and ValueError for no URL."""
    import boto3
    import botocore.session
    from botocore.config import Config

    # Stores other than AWS know buckets by path, and not all of them the checksums that are new.
    elsewhere: dict[str, Any] = {
        "s3": {"addressing_style": "path"},
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    config = Config(
        retries={"mode": options.retry_mode, "total_max_attempts": options.attempts},
        connect_timeout=options.connect_seconds,
        read_timeout=options.read_seconds,
        max_pool_connections=CONCURRENT,
        **(elsewhere if endpoint else {}),
    )
    core = botocore.session.get_session()
    core.register_component("data_loader", _descriptions())
    session = boto3.Session(botocore_session=core, profile_name=options.profile)
    region = session.region_name or ("us-east-1" if endpoint else None)
    return session.client("s3", endpoint_url=endpoint, region_name=region, config=config)


@cache
def _descriptions() -> Any:
    """botocore's descriptions of services, read once a process: reading them takes most of the making of a client."""
    from botocore.loaders import create_loader

    return create_loader()

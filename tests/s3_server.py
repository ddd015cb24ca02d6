"""An S3 of the tests' own: moto's server over HTTP, in a thread of this process, on a port that is free."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest

from resources.s3_warehouse import S3Warehouse

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Credentials that this server takes, and nothing of whoever runs the tests."""


@dataclass(frozen=True)
class Store:
    """A running server."""

    endpoint: str

    @cached_property
    def client(self) -> Any:
        """Another program's way in."""
        import boto3

        return boto3.client("s3", endpoint_url=self.endpoint)

    def bucket(self) -> str:
        """A new bucket, empty."""
        name = f"clio-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=name)
        return name

    def warehouse(self, bucket: str | None = None) -> S3Warehouse:
        return S3Warehouse(bucket or self.bucket(), "site", self.endpoint)


@contextmanager
def s3_server() -> Iterator[Store]:
    """A server while the block runs, its credentials in the environment."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield Store(f"http://{host}:{port}")
        finally:
            server.stop()

"""Objects under one prefix of a bucket: listed, read whole or in part, written whole.

Nothing here knows what they hold. boto3 retries what may pass; what remains is said as a WarehouseError, in a
sentence that names the bucket and what to do, and never in S3's own words.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

from resources.slices import WarehouseError

CONCURRENT = 16
"""Requests at once, and connections kept open."""

ATTEMPTS = 4
"""Tries of one request, in all, with growing pauses between them."""

PAGE = 1000
"""Keys a listing gives at once: S3 gives no more."""

_CONNECT_SECONDS, _READ_SECONDS = 5, 60

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Entry:
    """An object as a listing shows it: name below the prefix, ETag, size in bytes."""

    name: str
    etag: str
    size: int


class Gone(Exception):
    """The object was removed, or replaced by another, since it was listed."""


class Objects:
    """Every object of `bucket` whose key begins with `prefix/`; names are what follows.

    endpoint is the URL of an S3-compatible store; None is AWS. Credentials and region are the environment's. Safe
    to use from many threads.
    """

    def __init__(self, bucket: str, prefix: str, endpoint: str | None = None) -> None:
        self.bucket, self.endpoint = bucket, endpoint
        self.root = f"{prefix.strip('/')}/".lstrip("/")
        with self._speaking("opening the bucket"):
            self._client = self._connect()

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.root}"

    def _connect(self) -> Any:
        import boto3
        from botocore.config import Config

        # Stores other than AWS know buckets by path, and not all of them the checksums that are new.
        elsewhere: dict[str, Any] = {
            "s3": {"addressing_style": "path"},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        config = Config(
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            max_pool_connections=CONCURRENT,
            **(elsewhere if self.endpoint else {}),
        )
        session = boto3.Session()
        region = session.region_name or ("us-east-1" if self.endpoint else None)
        return session.client("s3", endpoint_url=self.endpoint, region_name=region, config=config)

    def listed(self, prefix: str, first: str = "", last: str = "") -> list[Entry]:
        """Objects whose names begin with `prefix`, in order.

        With `first` and `last`, those alone whose names go on with `first`, with `last`, or with what lies between.
        """
        start = {"StartAfter": self.root + prefix + first} if first else {}
        found: list[Entry] = []
        for page in self._pages(Prefix=self.root + prefix, **start):
            for row in page.get("Contents", ()):
                name = row["Key"][len(self.root) :]
                if last and name[len(prefix) :][: len(last)] > last:
                    return found
                found.append(Entry(name, row["ETag"], row["Size"]))
        return found

    def folders(self) -> list[str]:
        """What stands before the first `/` of the names, in order."""
        return [
            row["Prefix"][len(self.root) : -1]
            for page in self._pages(Prefix=self.root, Delimiter="/")
            for row in page.get("CommonPrefixes", ())
        ]

    def get(self, name: str) -> bytes:
        """The whole object as it is now. Raises Gone."""
        return self._get(name)[0]

    def get_tail(self, name: str, length: int) -> tuple[bytes, str]:
        """The object's last `length` bytes, or all of fewer, and its ETag. Raises Gone."""
        return self._get(name, Range=f"bytes=-{length}")

    def open(self, entry: Entry) -> io.RawIOBase:
        """The object as a file whose reads are ranges; they raise Gone once it is another than listed."""
        return _RangedFile(self, entry)

    def put(self, name: str, content: bytes | BinaryIO) -> str:
        """Write an object whole, all or nothing, and return its ETag. A file is sent as it is read: 5 GB at most."""
        with self._speaking("writing"):
            answer = self._client.put_object(Bucket=self.bucket, Key=self.root + name, Body=content)
        return str(answer["ETag"])

    def get_range(self, entry: Entry, start: int, end: int) -> bytes:
        """Bytes from `start` to before `end` of the object as listed. Raises Gone."""
        return self._get(entry.name, Range=f"bytes={start}-{end - 1}", IfMatch=entry.etag)[0]

    def _get(self, name: str, **given: str) -> tuple[bytes, str]:
        from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

        with self._speaking("reading"):
            tries = ATTEMPTS
            while True:
                answer = self._client.get_object(Bucket=self.bucket, Key=self.root + name, **given)
                tries -= 1
                try:
                    return answer["Body"].read(), str(answer["ETag"])
                # A connection that ends within an answer: boto3 does not ask again.
                except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
                    if not tries:
                        raise

    def _pages(self, **given: Any) -> Iterator[dict[str, Any]]:
        while True:
            with self._speaking("listing"):
                page = self._client.list_objects_v2(Bucket=self.bucket, MaxKeys=PAGE, **given)
            yield page
            if not page.get("IsTruncated"):
                return
            given["ContinuationToken"] = page["NextContinuationToken"]

    @contextmanager
    def _speaking(self, doing: str) -> Iterator[None]:
        """Errors of boto3 as a WarehouseError, or as Gone where the object is not as it was."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if code in ("NoSuchKey", "PreconditionFailed", "InvalidRange"):
                raise Gone from None
            raise WarehouseError(f"{doing} in {self} failed: {self._answer(code, status)}") from None
        # A malformed endpoint is a ValueError.
        except (BotoCoreError, Boto3Error, ValueError) as error:
            raise WarehouseError(f"{doing} in {self} failed: {self._no_answer(error)}") from None

    def _answer(self, code: str, status: int | None) -> str:
        """What to do about an error that S3 answered with."""
        if code == "NoSuchBucket":
            return f"there is no bucket {self.bucket}: create it, or set CLIO_S3_BUCKET"
        if code in (
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "ExpiredToken",
            "InvalidToken",
            "RequestExpired",
        ):
            return f"S3 does not accept the credentials ({code}): renew them"
        if code == "InvalidBucketName":
            return "that is no name of a bucket: set CLIO_S3_BUCKET"
        if status == 301 or code in ("PermanentRedirect", "AuthorizationHeaderMalformed"):
            return "the bucket lies in another region: set AWS_DEFAULT_REGION"
        if status == 403:
            return (
                f"the credentials may not do this ({code}): they need s3:ListBucket on the bucket, and "
                f"s3:GetObject and s3:PutObject under {self.root}"
            )
        if status is not None and (status >= 500 or status == 429):
            return f"S3 is busy ({code}, after {ATTEMPTS} tries): run it again later"
        return f"S3 answered {code} (HTTP {status})"

    def _no_answer(self, error: Exception) -> str:
        """What to do where S3 was not reached, or not asked."""
        from botocore import exceptions as known

        if isinstance(error, (known.NoCredentialsError, known.PartialCredentialsError)):
            return (
                "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, "
                "or give the machine a role"
            )
        if isinstance(
            error, (known.ProfileNotFound, known.CredentialRetrievalError, known.TokenRetrievalError)
        ):
            return f"the credentials cannot be read ({type(error).__name__}): see AWS_PROFILE and its files"
        if isinstance(error, known.ParamValidationError):
            return "that is no name of a bucket: set CLIO_S3_BUCKET"
        if isinstance(error, ValueError) and self.endpoint:
            return "CLIO_S3_ENDPOINT is not a URL such as https://s3.example.org"
        if isinstance(error, (known.ConnectionError, known.HTTPClientError, known.IncompleteReadError)):
            where = f"{self.endpoint} (CLIO_S3_ENDPOINT)" if self.endpoint else "S3"
            return f"{where} cannot be reached: see that it is up, and the network"
        return type(error).__name__


class _RangedFile(io.RawIOBase):
    """Reads of a listed object, each a request."""

    def __init__(self, objects: Objects, entry: Entry) -> None:
        self._objects, self._entry, self._at = objects, entry, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._entry.size}[whence]
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._entry.size)
        if end <= self._at:
            return 0
        content = self._objects.get_range(self._entry, self._at, end)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def concurrently(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """The function's result for each item, in order, CONCURRENT at a time; the first error stops the rest."""
    items = list(items)
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(CONCURRENT, len(items))) as pool:
        try:
            return list(pool.map(function, items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise

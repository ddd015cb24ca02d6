"""Objects under one prefix of a bucket: listed, read whole or in part, written whole, removed.

Nothing here knows what they hold. boto3 retries what may pass; what remains is said as a WarehouseError, in a
sentence that names the bucket and what to do, and never in S3's own words.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

from resources.s3_errors import Gone, NotOffered, speaking
from resources.s3_options import CONCURRENT, Options, connect
from resources.s3_upload import upload
from resources.slices import WarehouseError

PAGE = 1000
"""Keys a listing gives at once: S3 gives no more."""

_WRITES = 5
"""Times that an object is sent anew because another writer, or a lost answer, came between."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Entry:
    """An object as a listing shows it: name below the prefix, ETag, size in bytes."""

    name: str
    etag: str
    size: int


class Objects:
    """Every object of `bucket` whose key begins with `prefix/`; names are what follows.

    endpoint is the URL of an S3-compatible store; None is AWS. Credentials and region are the environment's, or those
    of the options' profile. Safe to use from many threads.
    """

    def __init__(
        self, bucket: str, prefix: str, endpoint: str | None = None, options: Options | None = None
    ) -> None:
        self.bucket, self.endpoint, self.options = bucket, endpoint, options or Options()
        self.root = f"{prefix.strip('/')}/".lstrip("/")
        self._is_conditional = True
        with self._speaking("opening the bucket"):
            self._client = connect(endpoint, self.options)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.root}"

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

    def put(self, name: str, content: bytes | BinaryIO, media_type: str | None = None) -> str:
        """Write an object whole, all or nothing, and return its ETag; of two writers the later wins."""
        for _ in range(_WRITES):
            try:
                return self._put(name, content, {}, media_type)
            # Only a large object's last request can find its parts gone: it was answered, and the answer was lost.
            except Gone:
                continue
        raise self._contended(name)

    def put_fenced(
        self, name: str, content: bytes | BinaryIO, seen: str | None, fence: Callable[[], None]
    ) -> str:
        """Write an object whole while `fence` holds: it raises once this writer may write no more.

        `seen` is the ETag that the object had when it was last looked at, None where it was not there; a guess is
        enough. The object is replaced only if nobody has done so since before `fence` was asked, so that a writer who
        stood still between the two overwrites nothing of whoever came after. A store that knows no conditions (HTTP
        501) is asked without them from then on.
        """
        for _ in range(_WRITES):
            fence()
            only_if = {"IfMatch": seen} if seen else {"IfNoneMatch": "*"}
            try:
                return self._put(name, content, only_if if self._is_conditional else {})
            except Gone:
                seen = self._etag(name)
            except NotOffered:
                if not self._is_conditional:
                    raise
                self._is_conditional = False
        raise self._contended(name)

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        with self._speaking("removing"):
            self._client.delete_object(Bucket=self.bucket, Key=self.root + name)

    def _put(
        self, name: str, content: bytes | BinaryIO, only_if: dict[str, str], media_type: str | None = None
    ) -> str:
        described = self.options.encrypted() | ({"ContentType": media_type} if media_type else {})
        place = {"Bucket": self.bucket, "Key": self.root + name}
        with self._speaking("writing"):
            return upload(
                self._client, place, content, self.options.part_bytes, described=described, only_if=only_if
            )

    def _etag(self, name: str) -> str | None:
        """An object's ETag as it is now; None where it is not there."""
        found = [entry.etag for entry in self.listed(name) if entry.name == name]
        return found[0] if found else None

    def _contended(self, name: str) -> WarehouseError:
        return WarehouseError(
            f"writing in {self} failed: {name} is being replaced all the time; see that one site alone writes there"
        )

    def get_range(self, entry: Entry, start: int, end: int) -> bytes:
        """Bytes from `start` to before `end` of the object as listed. Raises Gone."""
        return self._get(entry.name, Range=f"bytes={start}-{end - 1}", IfMatch=entry.etag)[0]

    def _get(self, name: str, **given: str) -> tuple[bytes, str]:
        from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

        with self._speaking("reading"):
            tries = self.options.attempts
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

    def _speaking(self, doing: str) -> AbstractContextManager[None]:
        return speaking(doing, self.bucket, self.root, self.endpoint, self.options)


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

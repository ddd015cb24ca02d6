"""An object sent whole, or in parts where it is large: either way it is there as a whole or not at all.

boto3's own transfers send no If-Match and give no ETag back. Parts of one that is given up are removed; those of a
killed process stay until the bucket's rule for incomplete uploads removes them, and no reader sees them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, BinaryIO

PARTS_AT_ONCE = 4
"""Parts on their way, and so held in memory, of one object."""

MOST_PARTS = 10_000
"""Parts that S3 takes of one object."""


def upload(
    client: Any,
    place: Mapping[str, str],
    content: bytes | BinaryIO,
    part_bytes: int,
    *,
    described: Mapping[str, Any],
    only_if: Mapping[str, str],
) -> str:
    """Write `content` at `place` (Bucket, Key) and return its ETag. Raises what boto3 raises.

    `described`: encryption and type; `only_if`: IfMatch or IfNoneMatch. Both as boto3 names them.
    """
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size < part_bytes:
        answer = client.put_object(**place, Body=file, **described, **only_if)
        return str(answer["ETag"])
    upload_id = client.create_multipart_upload(**place, **described)["UploadId"]
    try:
        parts = _send(client, {**place, "UploadId": upload_id}, file, max(part_bytes, -(-size // MOST_PARTS)))
        answer = client.complete_multipart_upload(
            **place, UploadId=upload_id, MultipartUpload={"Parts": parts}, **only_if
        )
    except BaseException:
        # What went wrong is told, not that the parts could not be removed.
        with suppress(Exception):
            client.abort_multipart_upload(**place, UploadId=upload_id)
        raise
    return str(answer["ETag"])


def _send(client: Any, upload: Mapping[str, str], file: BinaryIO, part_bytes: int) -> list[dict[str, Any]]:
    sent: list[Future[dict[str, Any]]] = []
    with ThreadPoolExecutor(PARTS_AT_ONCE) as pool:
        for number, part in enumerate(_parts(file, part_bytes), start=1):
            if number > PARTS_AT_ONCE:
                sent[-PARTS_AT_ONCE].result()
            sent.append(pool.submit(client.upload_part, **upload, PartNumber=number, Body=part))
    return [
        {"PartNumber": number, "ETag": each.result()["ETag"]} for number, each in enumerate(sent, start=1)
    ]


def _parts(file: BinaryIO, part_bytes: int) -> Iterator[bytes]:
    while part := file.read(part_bytes):
        yield part

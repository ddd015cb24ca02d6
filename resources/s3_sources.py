"""Source files in a bucket, as `clio run s3://BUCKET/KEY` names them: one object, or those under a prefix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from clio_dagster.conversations.files import EXPECTED, FORMATS, NotConversations
from clio_dagster.settings import Settings
from resources.s3_objects import Entry, Objects
from resources.s3_options import options_of

S3 = "s3://"


@dataclass(frozen=True)
class Seen:
    """An object as it is now: s3://BUCKET/KEY, its name without folders, its ETag."""

    path: str
    name: str
    etag: str


def objects_at(settings: Settings, place: str) -> list[Seen]:
    """The object `place`, or those of a known kind below it, sorted; hidden ones and empty ones are passed over.

    Raises NotConversations where there is none, and WarehouseError where S3 fails.
    """
    bucket, _, key = place.removeprefix(S3).partition("/")
    objects = Objects(bucket, "", settings.s3_endpoint, options_of(settings))
    found = list(_at(objects.listed(key), key))
    if not found:
        raise NotConversations(
            f"{place} holds no {', '.join(FORMATS)} file (or .gz of one): expected {EXPECTED}"
        )
    return [Seen(f"{S3}{bucket}/{entry.name}", PurePosixPath(entry.name).name, entry.etag) for entry in found]


def _at(entries: list[Entry], key: str) -> Iterator[Entry]:
    folder = f"{key.rstrip('/')}/".lstrip("/")
    for entry in entries:
        below = entry.name.removeprefix(folder) if entry.name.startswith(folder) else None
        is_hidden = below is not None and any(part.startswith(".") for part in below.split("/"))
        kind = PurePosixPath(entry.name.lower().removesuffix(".gz")).suffix
        if entry.size and kind in FORMATS and not is_hidden and (entry.name == key or below):
            yield entry

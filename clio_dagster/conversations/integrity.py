"""Whether what was landed is still what its receipt says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pyarrow import ArrowException

from clio_dagster.conversations.landed import HASH_KEY, DamagedFile, read_receipt, slice_path
from clio_dagster.conversations.slices import hashes_of

Row = Mapping[str, Any]
"""A slice as a receipt names it (slices.SLICES_SCHEMA)."""


def receipts(home: Path) -> tuple[dict[str, tuple[list[Row], bool]], list[str]]:
    """What each source landed, by key, and whether its text was purged; and the keys whose receipt cannot be read."""
    found: dict[str, tuple[list[Row], bool]] = {}
    damaged: list[str] = []
    for path in sorted((home / "landing" / "receipts").glob("*.json")):
        try:
            receipt = read_receipt(home, path.stem)
        except DamagedFile:
            damaged.append(path.stem)
            continue
        found[path.stem] = (list(receipt.slices), receipt.is_purged)
    return found, damaged


def damage_of(home: Path, key: str, row: Row, *, is_purged: bool) -> str | None:
    """What is wrong with the file of a landed slice; None where every conversation hashes as it did.

    Of one whose text was purged no conversation can be hashed: that it can be read, and how many rows it has.
    """
    path = slice_path(home / "landing", row["date"], row["language"], key)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            stored = (file.metadata.metadata or {}).get(HASH_KEY, b"").decode("ascii", "replace")
            digest, rows = hashlib.sha256(), 0
            for group in range(file.num_row_groups):
                columns = file.read_row_group(group).to_pydict()
                rows += len(columns["conversation_id"])
                if not is_purged:
                    digest.update(b"".join(hashes_of(columns)))
    except FileNotFoundError:
        return "its file is missing"
    # Damage is met at any layer, as an error of Arrow, of the system, or of a value that is none.
    except (ArrowException, OSError, KeyError, TypeError, ValueError, OverflowError):
        return "its file cannot be read"
    if stored != row["content_hash"] or rows != row["conversations"]:
        return "its file is not the one that its receipt names"
    if not is_purged and digest.hexdigest() != stored:
        return "its conversations are not those that were landed"
    return None

"""What DuckDB failed with, told by kind: its own messages quote values, and name blocks and bytes."""

from __future__ import annotations

import duckdb

from resources.slices import VERIFY, Damaged, WarehouseError

_DAMAGE = (
    "corrupt database file",
    "computed checksum",
    "not a valid duckdb database file",
    "could not read enough bytes",
    "replaying wal",
    "serialization error",
    "failed to deserialize",
)
_NO_ROOM = ("no space left on device", "file too large", "disk quota exceeded", "could not write all bytes")


def told(doing: str, error: duckdb.Error, file: str) -> WarehouseError | None:
    """What is wrong with the file, and what to do; None where it is something else."""
    if _says(error, _DAMAGE):
        return Damaged(f"{doing}: {file} is damaged: {VERIFY}")
    if _says(error, _NO_ROOM):
        return WarehouseError(
            f"{doing}: the disk of {file} has no room: make some (`clio storage` says what takes it), and run it again"
        )
    return None


def _says(error: duckdb.Error, parts: tuple[str, ...]) -> bool:
    text = str(error).lower()
    return any(part in text for part in parts)

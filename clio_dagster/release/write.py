"""Write a day's release: five tables, a manifest that signs them, and the explorer's page.

The caller passed the gate; what is refused here is a second line: a column outside the contract, or a
manifest that records a failed check.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from clio_dagster.release import folder
from clio_dagster.release.contract import ReleaseError, publishable
from clio_dagster.release.explorer import render_explorer
from clio_dagster.release.manifest import Manifest, parse_manifest
from clio_dagster.release.read import EXPLORER, MANIFEST, verify

ROW_GROUP_ROWS = 100_000


def write_release(
    releases: Path, day: date, tables: dict[str, pl.DataFrame], manifest: Manifest | Mapping[str, Any]
) -> Path:
    """Publish `tables` as `releases/DATE/` and return that folder.

    The release in place is exchanged for the new one as a whole, and its revision goes up by one. Where
    nothing differs but the cost of getting there, nothing is written and the revision stays.

    Raises ReleaseError where the tables leave the contract, the manifest is of another day, or a check of
    severity `error` failed; the release in place then stays as it was.
    """
    manifest = parse_manifest(manifest)
    if manifest.date != day or manifest.window.last != day:
        raise ReleaseError(f"the manifest is of another day than {day}")
    failed = [check.name for check in manifest.checks if check.severity == "error" and not check.passed]
    if failed:
        raise ReleaseError(f"release {day} is refused: failed checks {', '.join(failed)}")
    checked = publishable(day, tables)
    parquet = {f"{name}.parquet": _parquet(frame) for name, frame in checked.items()}
    target = releases / day.isoformat()
    with folder.locked(releases):
        folder.recover(releases)
        current = _current(target)
        if current:
            same = manifest.model_copy(update={"revision": current.revision, "cost": current.cost})
            if _signed(same, checked, parquet)[MANIFEST] == current.to_json() and not verify(target):
                return target
        revision = current.revision + 1 if current else 1
        files = _signed(manifest.model_copy(update={"revision": revision}), checked, parquet)
        folder.replace_folder(target, files)
    return target


def recover(releases: Path) -> list[str]:
    """Mend what a killed writer left; returns the dates mended. Waits for a writer that is still at work."""
    if not releases.is_dir():
        return []
    with folder.locked(releases):
        return folder.recover(releases)


def _signed(
    manifest: Manifest, tables: dict[str, pl.DataFrame], parquet: dict[str, bytes]
) -> dict[str, bytes]:
    """All files of the release, the manifest with their SHA-256s."""
    page = render_explorer(tables, manifest.model_copy(update={"files": {}}))
    files = {**parquet, EXPLORER: page.encode()}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return {**files, MANIFEST: manifest.model_copy(update={"files": hashes}).to_json()}


def _current(target: Path) -> Manifest | None:
    """The manifest in place, or None where there is none that can be read."""
    try:
        return parse_manifest((target / MANIFEST).read_bytes())
    except (OSError, ReleaseError):
        return None


def _parquet(frame: pl.DataFrame) -> bytes:
    """Parquet bytes that are the same for the same rows: every choice of the writer is fixed here."""
    buffer = io.BytesIO()
    frame.rechunk().write_parquet(
        buffer, compression="zstd", compression_level=9, statistics=True, row_group_size=ROW_GROUP_ROWS
    )
    return buffer.getvalue()

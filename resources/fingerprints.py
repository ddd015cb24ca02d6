"""What decides a slice, written down with it, so that anyone can say whether it still holds, and why not.

A fingerprint is a short JSON text: the stage's code version, the settings that it used, and a hash of the content
hashes of every table that it read. Content, not the inputs' own fingerprints: a stage that is made again and comes to
the same rows leaves everything below it fresh.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clio_dagster.tables import Table
from clio_dagster.versions import STAGES
from resources.site import Site
from resources.warehouse import Slice

Slicemap = Mapping[str, Mapping[str, Slice]]
"""What is recorded of slices, by table and partition."""


def same(key: str) -> list[str]:
    """A partition from the same partition."""
    return [key]


@dataclass(frozen=True)
class Input:
    """A table that a stage reads: which of its partitions one partition is made from.

    All must be there, or, where `others_may_lack`, the partition of the same key alone.
    """

    table: Table
    partitions: Callable[[str], Sequence[str]] = same
    others_may_lack: bool = False

    def missing(self, key: str, stored: Slicemap) -> list[str]:
        """Partitions that must be there before `key` can be made, and are not."""
        found = stored.get(self.table.name, {})
        wanted = [key] if self.others_may_lack else self.partitions(key)
        return [partition for partition in wanted if partition not in found]

    def digest(self, key: str, stored: Slicemap) -> str:
        found = stored.get(self.table.name, {})
        hashes = [found[each].content_hash if each in found else None for each in self.partitions(key)]
        return _digest(hashes)


def no_uses(_site: Site) -> Mapping[str, object]:
    return {}


def as_recorded(_site: Site, _keys: Sequence[str], stored: Slicemap) -> Slicemap:
    return stored


def no_facts(_site: Site, _keys: Sequence[str]) -> Mapping[str, object]:
    return {}


@dataclass(frozen=True)
class Look:
    """What decides a stage's slices, as it stands at one moment."""

    stored: Slicemap
    uses: Mapping[str, object]
    facts: Mapping[str, object]


@dataclass(frozen=True)
class Stage:
    """A step: the tables that it writes together, and all that decides what it writes.

    `uses` are settings and versions, `facts` what lies outside the warehouse (landed files), by partition. One that
    `goes_on` reads what it made of the dates before: names and ids persist. `sees` says what its inputs' records count
    as, where that is not as they are.
    """

    tables: tuple[Table, ...]
    inputs: tuple[Input, ...] = ()
    uses: Callable[[Site], Mapping[str, object]] = no_uses
    facts: Callable[[Site, Sequence[str]], Mapping[str, object]] = no_facts
    sql_version: str | None = None
    goes_on: bool = False
    sees: Callable[[Site, Sequence[str], Slicemap], Slicemap] = as_recorded

    @property
    def name(self) -> str:
        return self.tables[0].name

    @property
    def code_version(self) -> str:
        """Of the SQL, or of the stage's code (clio_dagster/versions.py)."""
        return self.sql_version or str(STAGES[self.name])

    def look(self, site: Site, keys: Sequence[str], stored: Slicemap | None = None) -> Look:
        """What the given partitions would be made from now; `stored` spares the reading."""
        if stored is None:
            stored = {
                each.table.name: site.warehouse.slices(
                    each.table, sorted({partition for key in keys for partition in each.partitions(key)})
                )
                for each in self.inputs
            }
        return Look(self.sees(site, keys, stored), self.uses(site), self.facts(site, keys))

    def missing(self, key: str, look: Look) -> list[str]:
        """Names of the tables that lack what `key` is made from."""
        return [each.table.name for each in self.inputs if each.missing(key, look.stored)]

    def fingerprint(self, key: str, look: Look) -> str | None:
        """What decides the slice `key`; None where something of it is missing."""
        if self.missing(key, look):
            return None
        parts = {
            "code": self.code_version,
            "uses": {name: str(value) for name, value in look.uses.items()},
            "inputs": {each.table.name: each.digest(key, look.stored) for each in self.inputs},
        }
        if key in look.facts:
            parts["facts"] = _digest(look.facts[key])
        return json.dumps(parts, sort_keys=True, separators=(",", ":"))


def changes(stored: str, wanted: str) -> list[str]:
    """Why a slice made from `stored` is not what `wanted` would give, in words."""
    before, now = _parts(stored), _parts(wanted)
    words = ["the code of this stage changed"] if before.get("code") != now["code"] else []
    settings = _differing(before.get("uses", {}), now["uses"])
    words += ["the site's key changed" if name == "key" else f"{name} changed" for name in settings]
    words += [f"{name} has new content" for name in _differing(before.get("inputs", {}), now["inputs"])]
    if before.get("facts") != now.get("facts"):
        words.append("what was landed changed")
    return words or ["made by another version"]


def _differing(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))


def _parts(fingerprint: str) -> dict[str, Any]:
    try:
        parts = json.loads(fingerprint)
    except ValueError:
        return {}
    return parts if isinstance(parts, dict) else {}


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()[:32]

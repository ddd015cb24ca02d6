"""A batch of a source file's records, judged and staged: valid ones as a chunk of landed rows, others with a reason.

Batches know nothing of each other, so that they can be staged in any process and in any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date as Date
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from clio_dagster.conversations.chunks import SliceKey, write_chunk
from clio_dagster.conversations.files import Part, decode
from clio_dagster.conversations.languages import READ_CHARACTERS, identify
from clio_dagster.conversations.layouts import recognise
from clio_dagster.conversations.messages import Malformed, Message
from clio_dagster.conversations.records import ValidRecord, validate
from clio_dagster.conversations.slices import row_hashes
from clio_dagster.erasure import ERASED, erased_digest
from clio_dagster.privacy.accounts import pseudonyms
from clio_dagster.retention import PAST_RETENTION
from clio_dagster.settings import Settings

_BATCH_ROWS = 4_096
_BATCH_BYTES = 8_000_000
"""A batch is closed by whichever comes first: some 50 MB with its objects and its frame."""


@dataclass(frozen=True)
class Rules:
    """What decides whether a record lands, beside the record itself; `erased` and `closed` are as in `landing.land`."""

    settings: Settings
    now: datetime
    erased: Mapping[str, datetime]
    closed: AbstractSet[Date]


@dataclass
class Staged:
    """What came of a batch, or of several: of `records`, those `recognised` are of a known layout; `refused` says of
    each record that does not land its place and why; `characters` is how much text of each slice was staged."""

    records: int = 0
    recognised: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    characters: Counter[SliceKey] = field(default_factory=Counter)

    def add(self, other: Staged) -> None:
        """Count another batch in."""
        self.records += other.records
        self.recognised += other.recognised
        self.refused += other.refused
        self.characters.update(other.characters)


def batches(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """The parts in order, as lists of bounded size."""
    batch: list[Part] = []
    size = 0
    for part in parts:
        batch.append(part)
        size += part.size
        if len(batch) >= _BATCH_ROWS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def stage(
    batch: Iterable[Part], rules: Rules, chunk: Path, *, unrecognised_limit: int | None = None
) -> Staged:
    """Judge a batch and write what lands of it to the file `chunk`, unless that is nothing.

    Stops after `unrecognised_limit` records where none of them is of a known layout.
    """
    staged = Staged()
    records: list[ValidRecord] = []
    places: list[int] = []
    for part in batch:
        staged.records += 1
        record, is_recognised = _judge(part, rules, staged.refused)
        staged.recognised += is_recognised
        if record is not None:
            records.append(record)
            places.append(part.place)
        if staged.records == unrecognised_limit and not staged.recognised:
            break
    if records:
        staged.characters.update(write_chunk(_frame(records, places, rules.settings), chunk))
    return staged


def _judge(part: Part, rules: Rules, refused: list[tuple[int, str]]) -> tuple[ValidRecord | None, bool]:
    """The valid record, if it is one, and whether it is of a known layout; notes in `refused` why it is not."""
    entry = decode(part)
    if entry.record is None:
        refused.append((entry.place, entry.reason))
        return None, False
    try:
        conversation = recognise(entry.record)
        if conversation is None:
            refused.append((entry.place, "no fields of a conversation"))
            return None, False
        valid = validate(conversation, rules.settings, now=rules.now, user_characters=READ_CHARACTERS)
        if _is_erased(valid, rules):
            raise Malformed(ERASED)
        if valid.date in rules.closed:
            raise Malformed(PAST_RETENTION)
        return valid, True
    except Malformed as malformed:
        refused.append((entry.place, str(malformed)))
        return None, True


def _is_erased(record: ValidRecord, rules: Rules) -> bool:
    if not rules.erased or record.account is None:
        return False
    asked_at = rules.erased.get(erased_digest(record.account, rules.settings.key))
    return asked_at is not None and record.started_at <= asked_at


def _frame(records: list[ValidRecord], places: list[int], settings: Settings) -> pl.DataFrame:
    """What is landed, the place in the file, a hash of each row, and how long its text is."""
    columns: dict[str, Sequence[Any]] = dict(
        zip(ValidRecord._fields, zip(*records, strict=True), strict=True)
    )
    accounts = pseudonyms(pl.Series(columns["account"], dtype=pl.String), settings.key)
    messages, characters = _messages(columns["messages"])
    hashes = row_hashes(
        columns["conversation_id"], accounts, columns["started_at"], columns["messages"], columns["flagged"]
    )
    return pl.DataFrame(
        {
            "place": pl.Series(places, dtype=pl.Int64),
            "conversation_id": pl.Series(columns["conversation_id"], dtype=pl.String),
            "account": accounts,
            "started_at": pl.Series(columns["started_at"], dtype=pl.Datetime("us", "UTC")),
            "date": pl.Series(columns["date"], dtype=pl.Date),
            "language": identify(
                pl.Series(columns["user_text"], dtype=pl.String),
                settings.languages,
                hints=pl.Series(columns["language"], dtype=pl.String),
            ),
            "turns": pl.Series(columns["turns"], dtype=pl.Int32),
            "messages": messages,
            "flagged": pl.Series(columns["flagged"], dtype=pl.Boolean),
            "row_hash": pl.Series(hashes, dtype=pl.Binary),
            "characters": characters,
        }
    )


def _messages(lists: Sequence[list[Message]]) -> tuple[pl.Series, pl.Series]:
    """Lists of messages, none empty, as a column (tables.MESSAGES_TYPE), and how many characters each list has.

    Made flat and grouped by sorted numbers: many times faster than from the lists.
    """
    lengths = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    flat = pl.DataFrame(
        {
            "row": pl.Series(np.repeat(np.arange(len(lists)), lengths)).set_sorted(),
            "role": pl.Series([message[0] for listed in lists for message in listed], dtype=pl.String),
            "text": pl.Series([message[1] for listed in lists for message in listed], dtype=pl.String),
        }
    )
    grouped = flat.group_by("row", maintain_order=True).agg(
        messages=pl.struct("role", "text"), characters=pl.col("text").str.len_chars().sum().cast(pl.Int64)
    )
    return grouped["messages"], grouped["characters"]

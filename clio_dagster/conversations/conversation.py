"""What a record of any layout comes to: one conversation, as the record claims it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clio_dagster.conversations.messages import Message

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Conversation:
    """What a record claims: times and ids as they stand there, messages in order."""

    layout: str
    conversation_id: object
    account: object
    started_at: object
    messages: list[Message]
    language: object = None
    flagged: object = None


def first_of(record: Record, *names: str) -> Any:
    """The first of the named fields that says something."""
    for name in names:
        value = record.get(name)
        if value is not None and value != "":
            return value
    return None

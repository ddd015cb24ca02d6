"""The layouts that conversations come in, recognised by their fields.

Each layout is a pure function from a record (a decoded object) to a Conversation, or None where the record is
not of that layout. What a record claims is copied here and judged in `records`. Fields that no stage needs
(`metadata`, titles, models, moderation scores) are left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson

from clio_dagster.conversations.conversation import Conversation, Record, first_of
from clio_dagster.conversations.exports import chatgpt_export, claude_export
from clio_dagster.conversations.messages import (
    ASSISTANT,
    SYSTEM,
    Malformed,
    Message,
    content_messages,
    read_messages,
)

EXPECTED = (
    "conversations as JSON lines, JSON, CSV or Parquet (each also gzipped), one record a conversation with "
    "conversation_id, account_id, started_at and messages (a list of role and content); or WildChat-1M, "
    "LMSYS-Chat-1M, ShareGPT, a Claude.ai or ChatGPT export, or logs of OpenAI or Anthropic messages"
)
"""What a file should have held, for the errors that say so."""

COLUMNS = frozenset(
    {
        "conversation_id",
        "id",
        "uuid",
        "conversation_hash",
        "account_id",
        "account",
        "user",
        "user_id",
        "hashed_ip",
        "started_at",
        "timestamp",
        "tstamp",
        "created_at",
        "created",
        "create_time",
        "time",
        "messages",
        "conversation",
        "conversations",
        "items",
        "chat_messages",
        "mapping",
        "current_node",
        "current_leaf_message_uuid",
        "language",
        "flagged",
        "toxic",
        "openai_moderation",
        "system",
        "request",
        "response",
        "choices",
        "metadata",
    }
)
"""Top-level fields that any layout reads: what is taken from a table that has more."""

_MESSAGE_COLUMNS = (
    "messages",
    "conversation",
    "conversations",
    "chat_messages",
    "mapping",
    "request",
    "response",
)


def recognise(record: Record) -> Conversation | None:
    """The record as a conversation; None where it is of no known layout.

    Raises Malformed, with a reason that quotes nothing, where the fields are a layout's and their shape is
    not.
    """
    record = _decoded(record)
    for layout in LAYOUTS:
        conversation = layout(record)
        if conversation is not None:
            return conversation
    return None


def own(record: Record) -> Conversation | None:
    """Clio's own layout: conversation_id, account_id, started_at, messages; perhaps language and flagged."""
    fields = record.keys()
    if not ("messages" in fields and fields & {"conversation_id", "account_id", "started_at"}) and not (
        fields >= {"conversation_id", "started_at"}
    ):
        return None
    return Conversation(
        layout="own",
        conversation_id=record.get("conversation_id"),
        account=first_of(record, "account_id", "account"),
        started_at=first_of(record, "started_at", "created_at", "timestamp"),
        messages=[*_system(record), *read_messages(record.get("messages", []))],
        language=record.get("language"),
        flagged=record.get("flagged"),
    )


def wildchat(record: Record) -> Conversation | None:
    """WildChat-1M: conversation_hash, conversation, timestamp, hashed_ip, toxic.

    `timestamp` is the last turn's, so the conversation began at the earliest time that a turn carries.
    """
    if "conversation" not in record or not record.keys() & {"conversation_hash", "hashed_ip", "toxic"}:
        return None
    turns = record["conversation"] if isinstance(record["conversation"], list) else []
    turns = [turn for turn in turns if isinstance(turn, Mapping)]
    times = [turn["timestamp"] for turn in turns if turn.get("timestamp") is not None]
    addresses = [turn["hashed_ip"] for turn in turns if turn.get("hashed_ip") is not None]
    return Conversation(
        layout="WildChat-1M",
        conversation_id=first_of(record, "conversation_hash", "conversation_id"),
        account=first_of(record, "hashed_ip") or (addresses[0] if addresses else None),
        # The turns stand in order: the first time is the earliest.
        started_at=times[0] if times else record.get("timestamp"),
        messages=read_messages(record["conversation"]),
        language=record.get("language"),
        flagged=record["toxic"] if record.get("toxic") is not None else _moderated(record),
    )


def lmsys(record: Record) -> Conversation | None:
    """LMSYS-Chat-1M: conversation_id, conversation, openai_moderation. It names no account and no time."""
    if "conversation" not in record:
        return None
    return Conversation(
        layout="LMSYS-Chat-1M",
        conversation_id=record.get("conversation_id"),
        account=None,
        started_at=first_of(record, "tstamp", "timestamp"),
        messages=read_messages(record["conversation"]),
        language=record.get("language"),
        flagged=_moderated(record),
    )


def sharegpt(record: Record) -> Conversation | None:
    """ShareGPT: id, conversations of {from, value}. It names no account and no time."""
    turns = record.get("conversations", record.get("items"))
    if not isinstance(turns, list) or not all(isinstance(turn, Mapping) for turn in turns):
        return None
    if turns and "from" not in turns[0]:
        return None
    system = record.get("system")
    return Conversation(
        layout="ShareGPT",
        conversation_id=record.get("id"),
        account=None,
        started_at=None,
        messages=[
            *([Message(SYSTEM, system)] if isinstance(system, str) else []),
            *read_messages(turns, role="from", text="value"),
        ],
    )


def message_log(record: Record) -> Conversation | None:
    """A logged call of OpenAI's or Anthropic's messages: the request's, then the response's, if logged."""
    request = record["request"] if isinstance(record.get("request"), Mapping) else record
    if not isinstance(request.get("messages"), list):
        return None
    response = record["response"] if isinstance(record.get("response"), Mapping) else record
    metadata = request.get("metadata")
    account = first_of(request, "user", "user_id") or first_of(
        record, "account_id", "account", "user", "user_id"
    )
    if account is None and isinstance(metadata, Mapping):
        account = metadata.get("user_id")
    return Conversation(
        layout="message log",
        conversation_id=first_of(record, "id") or first_of(response, "id"),
        account=account,
        started_at=first_of(record, "timestamp", "created_at", "created", "time") or response.get("created"),
        messages=[*_system(request), *read_messages(request["messages"]), *_response(response)],
        language=record.get("language"),
        flagged=record.get("flagged"),
    )


LAYOUTS: tuple[Callable[[Record], Conversation | None], ...] = (
    chatgpt_export,
    claude_export,
    wildchat,
    lmsys,
    own,
    message_log,
    sharegpt,
)
"""In the order in which they are tried: those with the most telling fields first."""


def _decoded(record: Record) -> Record:
    """The record without its nulls, and with its message columns decoded where they hold JSON as text.

    CSV and some Parquet files hold messages so; tables give every record every column.
    """
    record = {name: value for name, value in record.items() if value is not None and value != ""}
    for name in _MESSAGE_COLUMNS:
        value = record.get(name)
        if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
            try:
                record[name] = orjson.loads(value)
            except orjson.JSONDecodeError:
                raise Malformed(f"{name} is not valid JSON") from None
    return record


def _moderated(record: Record) -> bool | None:
    """Whether OpenAI's moderation, as WildChat and LMSYS carry it, flagged any turn."""
    verdicts = record.get("openai_moderation")
    if not isinstance(verdicts, list):
        return None
    flags = [verdict.get("flagged") for verdict in verdicts if isinstance(verdict, Mapping)]
    return any(flag is True for flag in flags) if flags else None


def _system(request: Record) -> list[Message]:
    """Anthropic's system prompt, which stands beside the messages."""
    return list(content_messages(SYSTEM, request.get("system")))


def _response(response: Record) -> list[Message]:
    choices = response.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        message = choices[0].get("message")
        return read_messages([message]) if isinstance(message, Mapping) else []
    if response.get("role") == ASSISTANT:
        return list(content_messages(ASSISTANT, response.get("content")))
    return []

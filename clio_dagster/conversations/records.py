"""What a conversation must be to be landed, and the reasons for which one is refused.

Reasons go to the quarantine table: they name the field and what to do, and quote nothing of the record but
its day.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import orjson

from clio_dagster.conversations.conversation import Conversation
from clio_dagster.conversations.messages import ASSISTANT, USER, Malformed, Message
from clio_dagster.settings import Settings

ROLES_IN_TURNS = frozenset({USER, ASSISTANT})

_LATEST_CLOCK = timedelta(hours=1)
"""How far ahead of ours a source's clock may be."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ValidRecord(NamedTuple):
    """A conversation that can be landed. `account` is still the source's id, which `landing` replaces."""

    conversation_id: str
    account: str | None
    started_at: datetime
    date: date
    turns: int
    messages: list[Message]
    flagged: bool | None
    language: str | None
    user_text: str


def validate(
    conversation: Conversation, settings: Settings, *, now: datetime, user_characters: int
) -> ValidRecord:
    """The conversation as a row. `user_text` is the user's own text, its first `user_characters` characters.

    Raises Malformed with the reason.
    """
    messages = [message for message in conversation.messages if message.text.strip()]
    if not messages:
        raise Malformed("no messages")
    if sum(len(message.text) for message in messages) > settings.max_record_bytes:
        raise Malformed(too_long(settings.max_record_bytes))
    user_text = _user_text(messages, user_characters)
    if not user_text:
        raise Malformed("no text of the user")
    started_at = _started_at(conversation, settings)
    day = _day(started_at, settings)
    if day < settings.start_date:
        raise Malformed(f"started_at {day} is before CLIO_START_DATE {settings.start_date}")
    if started_at > now + _LATEST_CLOCK:
        raise Malformed(
            f"started_at {day} is in the future: correct the clock that wrote it, or this machine's"
        )
    account = _identifier(conversation.account, "account_id")
    return ValidRecord(
        conversation_id=_identifier(conversation.conversation_id, "conversation_id")
        or _content_id(account, started_at, messages, settings.key),
        account=account,
        started_at=started_at,
        date=day,
        turns=sum(message.role in ROLES_IN_TURNS for message in messages),
        messages=messages,
        flagged=conversation.flagged if isinstance(conversation.flagged, bool) else None,
        language=conversation.language if isinstance(conversation.language, str) else None,
        user_text=user_text,
    )


def too_long(limit: int) -> str:
    """The reason for a record longer than CLIO_MAX_RECORD_BYTES."""
    return f"longer than CLIO_MAX_RECORD_BYTES ({limit:,})"


def parse_time(value: object) -> datetime | None:
    """A time as UTC; None where it is none.

    Takes ISO 8601 texts, dates, datetimes, and seconds, milli-, micro- or nanoseconds since 1970 as numbers
    or texts. A time without an offset is UTC.
    """
    try:
        if isinstance(value, datetime):
            return _utc(value)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        if isinstance(value, str):
            text = value.strip()
            if text.replace(".", "", 1).lstrip("-").isdecimal():
                return _from_epoch(float(text))
            return _utc(datetime.fromisoformat(text.removesuffix(" UTC")))
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _from_epoch(float(value))
    except (ValueError, OverflowError):
        return None
    return None


def _from_epoch(number: float) -> datetime | None:
    if not math.isfinite(number):
        return None
    # In seconds, 1e11 is the year 5138: what is larger counts something finer.
    while abs(number) >= 1e11:
        number /= 1_000
    return _EPOCH + timedelta(microseconds=round(number * 1e6))


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.utcoffset() is None else time.astimezone(UTC)


def _started_at(conversation: Conversation, settings: Settings) -> datetime:
    if conversation.started_at is None:
        if settings.undated_as is None:
            raise Malformed(
                f"no started_at ({conversation.layout}): set CLIO_UNDATED_AS to the day of undated records"
            )
        day = settings.undated_as
        return datetime(day.year, day.month, day.day, tzinfo=settings.tz).astimezone(UTC)
    started_at = parse_time(conversation.started_at)
    if started_at is None:
        raise Malformed("started_at is not a time: use ISO 8601 or seconds since 1970")
    return started_at


def _day(started_at: datetime, settings: Settings) -> date:
    try:
        return started_at.astimezone(settings.tz).date()
    except OverflowError:  # the first or last day that a date can be
        return started_at.date()


def _identifier(value: object, name: str) -> str | None:
    """An id as text, None where there is none. A number is taken for its digits."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Malformed(f"{name} is not text")
    return str(value).strip() or None


def _user_text(messages: Sequence[Message], characters: int) -> str:
    texts: list[str] = []
    left = characters
    for message in messages:
        if message.role == USER and left > 0:
            text = message.text.strip()[:left]
            texts.append(text)
            left -= len(text) + 1
    return "\n".join(texts)


def _content_id(account: str | None, started_at: datetime, messages: Sequence[Message], key: bytes) -> str:
    """An id made from all that a record says, for one that has none.

    Keyed, because with the messages at hand a plain hash would let anybody try account ids against it.
    """
    content = orjson.dumps([account, started_at.isoformat(), messages], default=list)
    return "content-" + hmac.digest(key, b"conversation\x00" + content, "sha256").hex()[:32]

"""Message batches of the server in `messages_server`, from submission to results."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from tests.messages_controls import Controls, drawn

CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
CANCEL_SECONDS = 0.1
"""Within which a batch ends once that is asked for."""

Answer = Callable[[Mapping[str, Any], str], tuple[bytes, dict[str, Any]]]
"""From an item's params and digest to its result as JSON, and what is noted of it."""

_ERRORED = (
    b'{"type":"errored","error":{"type":"error","error":{"type":"%s","message":"%s"},"request_id":null}}'
)
RESULTS = {
    "errored": _ERRORED % (b"api_error", b"Internal server error"),
    "invalid": _ERRORED % (b"invalid_request_error", b"invalid params"),
    "expired": b'{"type":"expired"}',
    "canceled": b'{"type":"canceled"}',
}
"""Results that are no message."""


@dataclass
class Item:
    """One request of a batch, and how it will end: succeeded, or a key of RESULTS."""

    custom_id: str
    digest: str
    outcome: str
    params: Mapping[str, Any] = field(default_factory=dict)
    result: bytes = b""
    noted: dict[str, Any] = field(default_factory=dict)


@dataclass
class Batch:
    """A batch. It ends when its time has come, nobody holds it and every item has its result."""

    identity: str
    items: list[Item]
    seconds: float
    is_held: bool
    created_at: float = field(default_factory=time.time)
    canceled_at: float | None = None
    ended_at: float | None = None
    is_worked: bool = False

    @property
    def ends_at(self) -> float:
        if self.canceled_at is not None:
            return min(self.created_at + self.seconds, self.canceled_at + CANCEL_SECONDS)
        return self.created_at + self.seconds

    def is_ending(self, now: float) -> bool:
        """Whether it ends now: true once."""
        if self.ended_at is not None or self.is_held or not self.is_worked or now < self.ends_at:
            return False
        self.ended_at = now
        return True

    def end(self, now: float) -> None:
        """Let it end at once."""
        self.is_held = False
        self.seconds = min(self.seconds, now - self.created_at)

    def cancel(self, now: float) -> None:
        """Cancel what would not be done by now: of a batch that is held, all."""
        if self.ended_at is not None or self.canceled_at is not None:
            return
        share = 0.0 if self.is_held else min(1.0, (now - self.created_at) / max(self.seconds, 1e-9))
        for item in self.items[int(share * len(self.items)) :]:
            item.outcome = "canceled"
        self.canceled_at, self.is_held = now, False

    def work_some(self, start: int, count: int, answer: Answer) -> bool:
        """Give some items their results; whether more are left."""
        for item in self.items[start : start + count]:
            if item.outcome == "succeeded":
                item.result, item.noted = answer(item.params, item.digest)
            item.params = {}
        self.is_worked = start + count >= len(self.items)
        return not self.is_worked

    def results(self) -> bytes:
        """JSON lines, in an order that is not that of submission."""
        order = list(range(len(self.items)))
        random.Random(self.identity).shuffle(order)
        if order == sorted(order):
            order.reverse()
        return b"".join(
            b'{"custom_id":%s,"result":%s}\n' % (orjson.dumps(item.custom_id), self._result(item))
            for item in map(self.items.__getitem__, order)
        )

    def told(self, host: str) -> dict[str, Any]:
        """The batch as the API tells of it."""
        has_ended = self.ended_at is not None
        counts = Counter(
            "errored" if item.outcome == "invalid" else item.outcome for item in self.items if has_ended
        )
        names = ("succeeded", "errored", "canceled", "expired")
        status = "ended" if has_ended else "canceling" if self.canceled_at else "in_progress"
        return {
            "id": self.identity,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": {
                "processing": 0 if has_ended else len(self.items),
                **{name: counts[name] for name in names},
            },
            "created_at": _stamp(self.created_at),
            "expires_at": _stamp(self.created_at + timedelta(days=1).total_seconds()),
            "ended_at": _stamp(self.ended_at),
            "cancel_initiated_at": _stamp(self.canceled_at),
            "archived_at": None,
            "results_url": f"http://{host}/v1/messages/batches/{self.identity}/results"
            if has_ended
            else None,
        }

    @staticmethod
    def _result(item: Item) -> bytes:
        return RESULTS.get(item.outcome, item.result)


def refusal(requests: Sequence[Any], size: int, controls: Controls) -> tuple[int, str] | None:
    """Status and message for a batch that is not taken, None for one that is."""
    if len(requests) > controls.most_requests or size > controls.most_bytes:
        return 413, f"at most {controls.most_requests} requests and {controls.most_bytes} bytes"
    if not requests:
        return 400, "requests: at least one"
    ids = [each.get("custom_id") for each in requests]
    if not all(isinstance(each, str) and CUSTOM_ID.match(each) for each in ids):
        return 400, "custom_id: 1 to 64 letters, digits, hyphens and underscores"
    if len({*ids}) < len(ids):
        return 400, "custom_id: must be unique"
    return None


def outcome(controls: Controls, number: int) -> str:
    """How the item of that number ends, of all that were ever submitted."""
    chance = drawn(controls.seed, "item", number)
    for name, share in controls.batch_faults.items():
        if chance < share:
            return name
        chance -= share
    return "succeeded"


def page(batches: Sequence[Batch], query: Mapping[str, str], host: str) -> dict[str, Any]:
    """A page of batches, the newest first."""
    newest = list(reversed(batches))
    places = {each.identity: place for place, each in enumerate(newest)}
    limit = int(query.get("limit", 20))
    start, end = 0, len(newest)
    if query.get("after_id") in places:
        start = places[query["after_id"]] + 1
    if query.get("before_id") in places:
        end = places[query["before_id"]]
        start = max(0, end - limit)
    shown = newest[start : min(end, start + limit)]
    return {
        "data": [each.told(host) for each in shown],
        "has_more": start > 0 if "before_id" in query else start + len(shown) < end,
        "first_id": shown[0].identity if shown else None,
        "last_id": shown[-1].identity if shown else None,
    }


def _stamp(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()

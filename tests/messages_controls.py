"""What a test may ask of the server in `messages_server`: how fast, how wrong and how long."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, fields
from typing import Any

ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
"""What the API calls each status that is an error."""

ANSWERS = ("refusal", "max_tokens", "malformed")
"""Faults of the model: the request is answered, and paid for."""

DELIVERIES = ("drop", "slow", "truncated", "cut")
"""Faults of the connection: closed without an answer; stalled halfway; half of the JSON, in a body as long as its
content-length says; half of the body, then closed."""

FAULTS = ("429", "529", "500", *DELIVERIES, *ANSWERS)
BATCH_FAULTS = ("errored", "invalid", "expired", "canceled")
CREATE_FAULTS = ("429", "529", "500", "drop", "drop before")


class UnknownControl(ValueError):
    """A control of a name or value that there is none of."""


@dataclass
class Controls:
    """Shares are of 1, drawn by `seed` and a count of what was drawn before."""

    latency_ms: float = 0
    seed: int = 0
    fault_rate: float = 0  # share of message requests
    faults: list[str] = field(default_factory=lambda: ["429", "529", "500"])
    fail_digests: dict[str, str] = field(
        default_factory=dict
    )  # fault by digest, always; items of batches too
    refuse_containing: str = ""  # refusal of whatever has it in its messages
    retry_after: float = 0.05  # seconds, in the header
    slow_seconds: float = 0.3
    budget_tokens_per_minute: float = 0  # 0: without bound
    budget_burst_seconds: float = 60  # of budget that may gather while nobody asks
    models: list[str] = field(default_factory=list)  # those that there are; empty: any
    wrong: dict[str, Any] = field(
        default_factory=dict
    )  # answers against rules that no schema states, by field
    wrong_once: bool = True  # only where there is one user turn
    naming: str = "words"  # or copy, obey
    batch_seconds: float = 0.5
    hold_batches: bool = False  # new ones stay open until `end_batches`
    batch_faults: dict[str, float] = field(default_factory=dict)  # share of items
    batch_create: list[str] = field(default_factory=list)  # of the next creations, in order
    batch_results: list[str] = field(default_factory=list)  # of the next readings of results, in order
    most_requests: int = 100_000
    most_bytes: int = 256_000_000
    most_message_bytes: int = 32_000_000
    cache_minimum: int = 1024  # tokens
    cache_seconds: float = 300
    keep_bodies: bool = False

    def change(self, values: Mapping[str, Any]) -> None:
        """Set several. Raises UnknownControl, and sets none, where one cannot be."""
        known = {each.name for each in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise UnknownControl(f"no control {name}: there are {', '.join(sorted(known))}")
            allowed, given = _ALLOWED.get(name, ((), ()))
            wrong = {*(given(value) if callable(given) else ())} - {*allowed}
            if wrong:
                raise UnknownControl(f"{name}: {', '.join(sorted(wrong))} is none of {', '.join(allowed)}")
        for name, value in values.items():
            # Lists are used up: what was given stays as it is.
            setattr(self, name, copy(value))


_ALLOWED: dict[str, tuple[tuple[str, ...], Any]] = {
    "faults": (FAULTS, list),
    "fail_digests": (FAULTS, dict.values),
    "batch_faults": (BATCH_FAULTS, dict.keys),
    "batch_create": (CREATE_FAULTS, list),
    "batch_results": (DELIVERIES, list),
    "naming": (("words", "copy", "obey"), lambda value: [value]),
}


def drawn(seed: int, what: str, number: int) -> float:
    """A number in [0, 1), the same for the same arguments."""
    told = hashlib.blake2b(f"{seed} {what} {number}".encode(), digest_size=8).digest()
    return int.from_bytes(told, "big") / 2**64

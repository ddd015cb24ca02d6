"""What a ledger remembers of questions and answers, so that nothing is paid for twice: the protocol.

A key is in one of four states: answered; claimed, by somebody who is asking now; in an open batch; or neither. The
ledger holds what was checked and scrubbed, never a prompt or an answer as it came.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from clio_dagster.analyst.prices import Usage
from clio_dagster.analyst.questions import Value
from clio_dagster.work import Work


class BudgetReached(RuntimeError):
    """What is asked next could cost more than is left of the budget. What was answered is kept."""


@dataclass(frozen=True)
class Remembered:
    """What came of a question: a checked value, or why there is none."""

    value: Value | None
    reason: str = ""


@dataclass(frozen=True)
class Claim:
    """Of the keys asked for: those that are answered, and those that are the asker's now. The rest is somebody
    else's, or in a batch."""

    answered: Mapping[str, Remembered]
    mine: frozenset[str]


@dataclass(frozen=True)
class Answered:
    """An answer to be kept, and what it cost. One that is not `final` is billed, and its key is free again."""

    key: str
    prompt: str
    model: str
    outcome: Remembered
    usage: Usage
    usd: float
    calls: int = 1
    about: tuple[str, ...] = ()
    day: date | None = None
    batch: str | None = None
    final: bool = True


@dataclass(frozen=True)
class Batch:
    """A Message Batch: `name` is the ledger's own, `remote` the API's id, null until it has been heard of."""

    name: str
    remote: str | None
    stage: str
    partition: str
    requests: int
    estimate_usd: float
    submitted_at: datetime
    ended_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return self.ended_at is None


class Memory(Protocol):
    """The ledger, as whoever asks sees it. Safe to use from many threads and processes."""

    def recall(self, keys: Collection[str]) -> dict[str, Remembered]:
        """Those of the keys that are answered."""
        ...

    def claiming(self, run: str) -> AbstractContextManager[str]:
        """A holder whose claims are kept alive within the block, and given back at its end."""
        ...

    def claim(self, dollars: Mapping[str, float], holder: str) -> Claim:
        """Claim keys that nobody has answered or is asking, at what each may cost.

        Raises BudgetReached, claiming none, where they could cost more than is left.
        """
        ...

    def remember(self, answers: Sequence[Answered], holder: str, work: Work) -> None:
        """Keep answers, bill them, and give their claims back, in one transaction."""
        ...

    def begin_batch(self, dollars: Mapping[str, float], name: str, work: Work) -> frozenset[str]:
        """Note a batch that is about to be submitted; of the keys, those that it is to hold: not answered, not claimed,
        in no other batch. Nothing is noted where there are none. Raises BudgetReached as `claim` does."""
        ...

    def alone_with(self, name: str) -> AbstractContextManager[bool]:
        """Whether nobody else is submitting, looking for or collecting this batch: then nobody is, within the block."""
        ...

    def batch_submitted(self, name: str, remote: str) -> None: ...

    def batch_lost(self, name: str) -> None:
        """It never arrived, or it is known no more: its keys are free."""
        ...

    def batch_seen(self, name: str, counts: Mapping[str, int], ended_at: datetime | None) -> None: ...

    def batches(self) -> list[Batch]:
        """Batches that have not been collected, oldest first."""
        ...

    def in_batches(self, keys: Collection[str]) -> dict[str, str]:
        """Name of the batch that holds each key, for those that are in one."""
        ...

    def failed_before(self, keys: Collection[str]) -> dict[str, int]:
        """How often each key was in a batch that came back without an answer for it."""
        ...

    def batch_collected(self, name: str, failed: Collection[str]) -> None:
        """All that it has is kept. `failed` are the keys that it gave no answer for."""
        ...

"""What models have answered, what is being asked, and what it has cost: the ledger's other half.

An answer is kept under a key from which nothing can be read (questions.py), checked and scrubbed; never a prompt. Which
conversations a question quoted is written beside it, so that an erasure or a purge finds it; the bill names no
conversation, and stays.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import sqlalchemy as sa

from clio_dagster.analyst.memory import Answered, Batch, BudgetReached, Claim, Remembered
from clio_dagster.work import Work
from resources.ledger import Ledger, leases_table, metadata, new_holder, upsert
from resources.transactions import again

ASKING = "asking"
"""Subject of the leases on questions that somebody is asking."""

BATCH = "batch"
"""Subject of the lease on a batch that somebody is submitting, looking for or collecting."""

KEYS_A_STATEMENT = 500
"""Keys looked up at once: what a statement may bind."""

_answers = sa.Table(
    "answers",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("prompt", sa.String, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("value", sa.Text),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("input_tokens", sa.Integer, nullable=False),
    sa.Column("cache_write_tokens", sa.Integer, nullable=False),
    sa.Column("cache_read_tokens", sa.Integer, nullable=False),
    sa.Column("output_tokens", sa.Integer, nullable=False),
    sa.Column("usd", sa.Float, nullable=False),
    sa.Column("batch", sa.String),
    sa.Column("day", sa.Date, index=True),
    sa.Column("answered_at", sa.Float, nullable=False),
)
_quoted = sa.Table(
    "quoted_conversations",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("conversation_id", sa.String, primary_key=True, index=True),
)
_bill = sa.Table(
    "bill",
    metadata,
    sa.Column("spent_on", sa.Date, primary_key=True),
    sa.Column("stage", sa.String, primary_key=True),
    sa.Column("partition", sa.String, primary_key=True),
    sa.Column("model", sa.String, primary_key=True),
    sa.Column("prompt", sa.String, primary_key=True),
    sa.Column("is_batch", sa.Boolean, primary_key=True),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("input_tokens", sa.Integer, nullable=False),
    sa.Column("cache_write_tokens", sa.Integer, nullable=False),
    sa.Column("cache_read_tokens", sa.Integer, nullable=False),
    sa.Column("output_tokens", sa.Integer, nullable=False),
    sa.Column("usd", sa.Float, nullable=False),
)
_batches = sa.Table(
    "batches",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("remote", sa.String),
    sa.Column("stage", sa.String, nullable=False),
    sa.Column("partition", sa.String, nullable=False, index=True),
    sa.Column("requests", sa.Integer, nullable=False),
    sa.Column("estimate_usd", sa.Float, nullable=False),
    sa.Column("submitted_at", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float),
    sa.Column("collected_at", sa.Float),
    sa.Column("counts", sa.Text, nullable=False),
)
_items = sa.Table(
    "batch_items",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("batch", sa.String, nullable=False, index=True),
)
_failures = sa.Table(
    "batch_failures",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("times", sa.Integer, nullable=False),
)

_NUMBERS = ("calls", "input_tokens", "cache_write_tokens", "cache_read_tokens", "output_tokens", "usd")


@dataclass(frozen=True)
class Spending:
    """One line of the bill."""

    spent_on: date
    stage: str
    partition: str
    model: str
    prompt: str
    is_batch: bool
    calls: int
    input_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    output_tokens: int
    usd: float


class Answers:
    """`analyst.memory.Memory` in the ledger's database."""

    def __init__(self, ledger: Ledger, *, budget_usd: float | None = None, budget_days: int = 30) -> None:
        self._ledger = ledger
        self._budget, self._days = budget_usd, budget_days

    # Answers and claims.

    @again
    def recall(self, keys: Collection[str]) -> dict[str, Remembered]:
        with self._ledger.engine.connect() as connection:
            return _recalled(connection, keys)

    @contextmanager
    def claiming(self, run: str) -> Iterator[str]:
        holder = new_holder(run or "nobody")
        with self._ledger.renewing(holder):
            yield holder

    @again
    def claim(self, dollars: Mapping[str, float], holder: str) -> Claim:
        with self._ledger.begin() as connection:
            # Writes first, so that nobody else does until this is through.
            self._ledger.drop_dead(connection)
            _one_at_a_time(connection)
            answered = _recalled(connection, dollars)
            batched = _batch_of(connection, dollars)
            free = {key: usd for key, usd in dollars.items() if key not in answered and key not in batched}
            mine = self._ledger.take_within(connection, ASKING, free, holder)
            self._keep_within_budget(connection)
        return Claim(answered, frozenset(mine))

    @again
    def remember(self, answers: Sequence[Answered], holder: str, work: Work) -> None:
        now = time.time()
        kept = [each for each in answers if each.final]
        with self._ledger.begin() as connection:
            if kept:
                statement = upsert(connection, _answers).on_conflict_do_nothing()
                connection.execute(statement, [_answer_row(each, now) for each in kept])
            quoted = [{"key": each.key, "conversation_id": one} for each in kept for one in each.about]
            if quoted:
                connection.execute(upsert(connection, _quoted).on_conflict_do_nothing(), quoted)
            self._charge(connection, answers, work)
            keys = [{"k": each.key} for each in answers]
            connection.execute(
                sa.delete(leases_table).where(
                    leases_table.c.subject == ASKING,
                    leases_table.c.partition == sa.bindparam("k"),
                    leases_table.c.holder == holder,
                ),
                keys,
            )
            batched = [{"k": each.key} for each in kept if each.batch]
            if batched:
                connection.execute(sa.delete(_items).where(_items.c.key == sa.bindparam("k")), batched)
                connection.execute(sa.delete(_failures).where(_failures.c.key == sa.bindparam("k")), batched)

    def expire(self, days: Collection[date]) -> int:
        """Remove answers about these days, what was quoted in them, and their batches; returns how many answers."""
        with self._ledger.begin() as connection:
            gone = 0
            for day in days:
                gone += connection.execute(sa.delete(_answers).where(_answers.c.day == day)).rowcount
                of_day = _batches.c.partition.startswith(f"{day}|")
                connection.execute(sa.delete(_batches).where(of_day, _batches.c.collected_at.is_not(None)))
            _drop_orphans(connection)
        if gone:
            self._ledger.rewrite()
        return gone

    def erase(self, conversations: Collection[str]) -> None:
        """Remove every answer to a question that quoted one of these, also one that is still in a batch."""
        with self._ledger.begin() as connection:
            for some in _chunks(conversations):
                keys = sa.select(_quoted.c.key).where(_quoted.c.conversation_id.in_(some))
                connection.execute(sa.delete(_answers).where(_answers.c.key.in_(keys)))
                connection.execute(sa.delete(_quoted).where(_quoted.c.key.in_(keys)))

    # Money.

    @again
    def spent(self, since: date | None = None) -> float:
        """Dollars spent within the budget's days, or since a day."""
        with self._ledger.engine.connect() as connection:
            return _spent(connection, since or self._budget_since)

    @again
    def bill(self, since: date | None = None) -> list[Spending]:
        """Every line of the bill, or those since a day, in order."""
        query = sa.select(_bill).order_by(*_bill.primary_key.columns)
        if since:
            query = query.where(_bill.c.spent_on >= since)
        with self._ledger.engine.connect() as connection:
            return [Spending(*row) for row in connection.execute(query)]

    @again
    def cost_of(self, day: str) -> float:
        """Dollars spent on a date and its slices, whenever it was."""
        query = sa.select(sa.func.sum(_bill.c.usd)).where(
            sa.or_(_bill.c.partition == day, _bill.c.partition.startswith(f"{day}|"))
        )
        with self._ledger.engine.connect() as connection:
            return float(connection.scalar(query) or 0.0)

    @property
    def _budget_since(self) -> date:
        return datetime.now(UTC).date() - timedelta(days=self._days - 1)

    def _keep_within_budget(self, connection: sa.Connection) -> None:
        """Raise BudgetReached, which undoes the transaction, where all that is asked may cost more than is left."""
        if self._budget is None:
            return
        spent = _spent(connection, self._budget_since)
        asking = connection.scalar(sa.select(sa.func.sum(leases_table.c.usd))) or 0.0
        batched = connection.scalar(
            sa.select(sa.func.sum(_batches.c.estimate_usd)).where(_batches.c.collected_at.is_(None))
        )
        if spent + asking + (batched or 0.0) > self._budget:
            raise BudgetReached(
                f"the budget of ${self._budget:,g} within {self._days} days is reached: ${spent:,.4f} are spent, and "
                "what is asked next could cost more than is left. All that was answered is kept: raise "
                "CLIO_BUDGET_USD, or wait, and run it again"
            )

    def _charge(self, connection: sa.Connection, answers: Sequence[Answered], work: Work) -> None:
        lines: dict[tuple[str, str, bool], list[float]] = {}
        for each in answers:
            line = lines.setdefault((each.model, each.prompt, each.batch is not None), [0.0] * len(_NUMBERS))
            usage = each.usage
            for place, number in enumerate(
                (each.calls, usage.input, usage.cache_write, usage.cache_read, usage.output, each.usd)
            ):
                line[place] += number
        statement = upsert(connection, _bill)
        added = {name: _bill.c[name] + statement.excluded[name] for name in _NUMBERS}
        rows = [
            {
                "spent_on": datetime.now(UTC).date(),
                "stage": work.stage,
                "partition": work.partition,
                "model": model,
                "prompt": prompt,
                "is_batch": is_batch,
                **dict(zip(_NUMBERS, numbers, strict=True)),
            }
            for (model, prompt, is_batch), numbers in lines.items()
            # Questions that were given up cost nothing more: theirs would be a line of noughts.
            if any(numbers)
        ]
        if rows:
            keys = [column.name for column in _bill.primary_key.columns]
            connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=added), rows)

    # Batches.

    @again
    def begin_batch(self, dollars: Mapping[str, float], name: str, work: Work) -> frozenset[str]:
        with self._ledger.begin() as connection:
            self._ledger.drop_dead(connection)
            _one_at_a_time(connection)
            taken = {
                *_recalled(connection, dollars),
                *_batch_of(connection, dollars),
                *_asked(connection, dollars),
            }
            free = {key: usd for key, usd in dollars.items() if key not in taken}
            if not free:
                return frozenset()
            row = {
                "name": name,
                "stage": work.stage,
                "partition": work.partition,
                "requests": len(free),
                "estimate_usd": sum(free.values()),
                "submitted_at": time.time(),
                "counts": "{}",
            }
            connection.execute(sa.insert(_batches), [row])
            connection.execute(sa.insert(_items), [{"key": key, "batch": name} for key in free])
            self._keep_within_budget(connection)
        return frozenset(free)

    @contextmanager
    def alone_with(self, name: str) -> Iterator[bool]:
        holder = new_holder("batch")
        with self._ledger.renewing(holder):
            yield bool(self._ledger.take(BATCH, [name], holder))

    @again
    def batch_submitted(self, name: str, remote: str) -> None:
        with self._ledger.begin() as connection:
            connection.execute(sa.update(_batches).where(_batches.c.name == name).values(remote=remote))

    @again
    def batch_lost(self, name: str) -> None:
        with self._ledger.begin() as connection:
            connection.execute(sa.delete(_items).where(_items.c.batch == name))
            connection.execute(sa.delete(_batches).where(_batches.c.name == name))

    @again
    def batch_seen(self, name: str, counts: Mapping[str, int], ended_at: datetime | None) -> None:
        with self._ledger.begin() as connection:
            connection.execute(
                sa.update(_batches)
                .where(_batches.c.name == name)
                .values(counts=json.dumps(dict(counts)), ended_at=ended_at.timestamp() if ended_at else None)
            )

    def batches(self) -> list[Batch]:
        return self._batches(_batches.c.collected_at.is_(None))

    def batch_log(self, partition: str) -> list[Batch]:
        """Every batch of a partition, collected ones included, oldest first."""
        return self._batches(_batches.c.partition == partition)

    @again
    def _batches(self, wanted: sa.ColumnElement[bool]) -> list[Batch]:
        query = sa.select(_batches).where(wanted).order_by(_batches.c.submitted_at, _batches.c.name)
        with self._ledger.engine.connect() as connection:
            return [_batch(row) for row in connection.execute(query)]

    def unsettled(self) -> dict[str, list[Batch]]:
        """Batches that are not collected, by partition."""
        found: dict[str, list[Batch]] = {}
        for each in self.batches():
            found.setdefault(each.partition, []).append(each)
        return found

    @again
    def came_back_lacking(self, partitions: Collection[str]) -> dict[str, list[str]]:
        """Names of the batches that ended without an answer to some question, by partition."""
        query = (
            sa.select(_batches.c.partition, _batches.c.name, _batches.c.counts)
            .where(_batches.c.ended_at.is_not(None))
            .order_by(_batches.c.name)
        )
        found: dict[str, list[str]] = {}
        with self._ledger.engine.connect() as connection:
            for partition, name, counts in connection.execute(query):
                told = json.loads(counts)
                if partition in partitions and told.get("succeeded", 0) < sum(told.values()):
                    found.setdefault(partition, []).append(name)
        return found

    @again
    def in_batches(self, keys: Collection[str]) -> dict[str, str]:
        with self._ledger.engine.connect() as connection:
            return _batch_of(connection, keys)

    @again
    def failed_before(self, keys: Collection[str]) -> dict[str, int]:
        with self._ledger.engine.connect() as connection:
            return {
                key: times
                for some in _chunks(keys)
                for key, times in connection.execute(
                    sa.select(_failures.c.key, _failures.c.times).where(_failures.c.key.in_(some))
                )
            }

    @again
    def batch_collected(self, name: str, failed: Collection[str]) -> None:
        with self._ledger.begin() as connection:
            statement = upsert(connection, _failures)
            if failed:
                more = {"times": _failures.c.times + 1}
                connection.execute(
                    statement.on_conflict_do_update(index_elements=["key"], set_=more),
                    [{"key": key, "times": 1} for key in sorted(failed)],
                )
            connection.execute(sa.delete(_items).where(_items.c.batch == name))
            now = time.time()
            connection.execute(sa.update(_batches).where(_batches.c.name == name).values(collected_at=now))


def _one_at_a_time(connection: sa.Connection) -> None:
    """SQLite has one writer; elsewhere, claims wait for one another."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("lock table bill in exclusive mode"))


def _recalled(connection: sa.Connection, keys: Collection[str]) -> dict[str, Remembered]:
    columns = (_answers.c.key, _answers.c.value, _answers.c.reason)
    return {
        key: Remembered(None if value is None else json.loads(value), reason)
        for some in _chunks(keys)
        for key, value, reason in connection.execute(sa.select(*columns).where(_answers.c.key.in_(some)))
    }


def _batch_of(connection: sa.Connection, keys: Collection[str]) -> dict[str, str]:
    return {
        key: batch
        for some in _chunks(keys)
        for key, batch in connection.execute(
            sa.select(_items.c.key, _items.c.batch).where(_items.c.key.in_(some))
        )
    }


def _asked(connection: sa.Connection, keys: Collection[str]) -> set[str]:
    """Those of the keys that somebody is asking now."""
    of = leases_table.c
    return {
        key
        for some in _chunks(keys)
        for key in connection.execute(
            sa.select(of.partition).where(of.subject == ASKING, of.partition.in_(some))
        ).scalars()
    }


def _spent(connection: sa.Connection, since: date) -> float:
    query = sa.select(sa.func.sum(_bill.c.usd)).where(_bill.c.spent_on >= since)
    return float(connection.scalar(query) or 0.0)


def _drop_orphans(connection: sa.Connection) -> None:
    known = sa.select(_answers.c.key)
    connection.execute(sa.delete(_quoted).where(_quoted.c.key.not_in(known)))


def _answer_row(each: Answered, now: float) -> dict[str, object]:
    outcome = each.outcome
    return {
        "key": each.key,
        "prompt": each.prompt,
        "model": each.model,
        "value": None if outcome.value is None else json.dumps(outcome.value, ensure_ascii=False),
        "reason": outcome.reason,
        "input_tokens": each.usage.input,
        "cache_write_tokens": each.usage.cache_write,
        "cache_read_tokens": each.usage.cache_read,
        "output_tokens": each.usage.output,
        "usd": each.usd,
        "batch": each.batch,
        "day": each.day,
        "answered_at": now,
    }


def _batch(row: sa.Row[tuple[object, ...]]) -> Batch:
    return Batch(
        name=row.name,
        remote=row.remote,
        stage=row.stage,
        partition=row.partition,
        requests=row.requests,
        estimate_usd=row.estimate_usd,
        submitted_at=datetime.fromtimestamp(row.submitted_at, UTC),
        ended_at=datetime.fromtimestamp(row.ended_at, UTC) if row.ended_at else None,
        counts=json.loads(row.counts),
    )


def _chunks(keys: Collection[str]) -> Iterator[list[str]]:
    ordered = iter(sorted(keys))
    while some := list(islice(ordered, KEYS_A_STATEMENT)):
        yield some

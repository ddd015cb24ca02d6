"""Questions asked through Message Batches: at half the price, within a day, and each once.

A batch is noted in the ledger before it is submitted, and its results are kept item by item: killed at any moment,
whoever comes next finds what was submitted, and collects what has not been kept. A batch of which nobody knows whether
it arrived is looked for at the API before anything is submitted again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from clio_dagster.analyst.asking import Asked, Asker, Heard
from clio_dagster.analyst.memory import Answered, Batch, Remembered
from clio_dagster.analyst.prices import Usage, dollars, price_of
from clio_dagster.analyst.questions import Question
from clio_dagster.analyst.sending import AnalystError, Sender, rejected, reply_of
from clio_dagster.progress import track
from clio_dagster.work import Work, current_work

if TYPE_CHECKING:
    import anthropic

REFUSING = (408, 429, 503, 529)
"""Answers of an API that has not taken the batch, and may later."""

TIMES = 3
"""Batches that may come back without an answer to a question before it is given up."""

KEPT_AT_ONCE = 256
"""Results kept in one transaction."""

CLOCKS_APART = timedelta(minutes=5)
"""By how much our clock and the API's may differ."""

MEGABYTE = 1_000_000


class BatchRefused(AnalystError):
    """The API has not taken the batch: there is none."""


@dataclass(frozen=True)
class Batcher:
    """Submits, looks at and collects batches, through an Asker's client and ledger."""

    asker: Asker
    most_requests: int
    most_bytes: int
    poll_seconds: float

    def ask(self, questions: Sequence[Question]) -> list[Remembered]:
        """What came of each question, in order, once every batch that holds one of them has ended."""
        keyed = list(self.asker.under_keys(questions))
        asked = {each.key: each for each in keyed}
        with track(f"asking {current_work().stage} in batches", len(asked), "question") as advance:
            done = 0
            while True:
                self._settle(asked)
                found = self.asker.memory.recall(asked)
                advance(len(found) - done)
                done = len(found)
                if done == len(asked):
                    return [found[each.key] for each in keyed]
                if not self._submit({key: each for key, each in asked.items() if key not in found}):
                    # Somebody else is asking them.
                    time.sleep(self.poll_seconds)

    def submit(self, questions: Iterable[Question]) -> int:
        """Collect what has ended, and submit what has no answer and is in no batch; how many were submitted."""
        asked = {each.key: each for each in self.asker.under_keys(questions)}
        self._collect_ended(asked)
        found = self.asker.memory.recall(asked)
        return self._submit({key: each for key, each in asked.items() if key not in found})

    def settle(self, questions: Iterable[Question]) -> None:
        """Wait for the batches that hold one of these, and collect them: whatever is asked now is in none."""
        self._settle({each.key: each for each in self.asker.under_keys(questions)})

    def look(self) -> list[Batch]:
        """Ask the API how the open batches are; all that are not collected, as they are now."""
        return asyncio.run(self._look(self.asker.memory.batches()))

    def _settle(self, asked: Mapping[str, Asked]) -> None:
        while names := {*self.asker.memory.in_batches(asked).values()}:
            if not self._collect_ended(asked, names):
                time.sleep(self.poll_seconds)

    def _collect_ended(self, asked: Mapping[str, Asked], names: set[str] | None = None) -> int:
        """Collect the batches that hold one of the questions and have ended; returns how many."""
        if names is None:
            names = {*self.asker.memory.in_batches(asked).values()}
        if not names:
            return 0
        known = [each for each in self.asker.memory.batches() if each.name in names]
        looked_at = asyncio.run(self._look(known))
        ended = [each for each in looked_at if not each.is_open]
        for each in ended:
            self._collect(each, asked)
        return len(ended) + len(known) - len(looked_at)

    def _submit(self, asked: Mapping[str, Asked]) -> int:
        memory, work = self.asker.memory, current_work()
        hopeless = {key for key, times in memory.failed_before(asked).items() if times >= TIMES}
        if hopeless:
            given_up = [_unheard(asked[key], f"no answer in {TIMES} batches") for key in sorted(hopeless)]
            with memory.claiming(work.run) as holder:
                self.asker.keep(given_up, holder, work)
        submitted = 0
        for some in self._parts(each for key, each in asked.items() if key not in hopeless):
            submitted += asyncio.run(self._submit_one(some, work))
        return submitted

    def _parts(self, asked: Iterable[Asked]) -> Iterator[dict[str, Asked]]:
        part: dict[str, Asked] = {}
        size = 0
        for each in asked:
            own = len(orjson.dumps(each.question.params)) + len(each.key) + 64
            if part and (len(part) == self.most_requests or size + own > self.most_bytes):
                yield part
                part, size = {}, 0
            part[each.key] = each
            size += own
        if part:
            yield part

    async def _submit_one(self, asked: Mapping[str, Asked], work: Work) -> int:
        memory, name = self.asker.memory, uuid4().hex
        costs = {
            key: self.asker.cost(each.question, each.question.at_most, is_batch=True)
            for key, each in asked.items()
        }
        with memory.alone_with(name):
            mine = memory.begin_batch(costs, name, work)
            if not mine:
                return 0
            noted = next(each for each in memory.batches() if each.name == name)
            requests = [
                {"custom_id": key, "params": asked[key].question.params} for key in asked if key in mine
            ]
            async with self.asker.connect() as client:
                try:
                    remote = await self._created(client, requests, noted)
                except BatchRefused:
                    memory.batch_lost(name)
                    raise
            memory.batch_submitted(name, remote)
        work.count(submitted=len(mine))
        return len(mine)

    async def _created(self, client: anthropic.AsyncAnthropic, requests: list[Any], noted: Batch) -> str:
        """Id of the batch, submitted once: where nobody can say whether it arrived, it is looked for first."""
        import anthropic

        once = client.with_options(max_retries=0)
        tries = client.max_retries + 1
        for attempt in range(tries):
            try:
                return (await once.messages.batches.create(requests=requests)).id
            except anthropic.APIStatusError as error:
                is_refused = error.status_code in REFUSING or error.status_code < 500
                is_for_good = error.status_code not in REFUSING and error.status_code < 500
                if is_refused and (is_for_good or attempt == tries - 1):
                    raise BatchRefused(_told(error)) from None
                await asyncio.sleep(_retry_after(error.response.headers) or min(2.0**attempt, 30.0))
                if is_refused:
                    continue
            except anthropic.APIConnectionError:
                await asyncio.sleep(min(2.0**attempt, 30.0))
            if found := await self._arrived(client, noted):
                return found
        raise AnalystError(
            f"a batch could not be submitted in {tries} tries. Run it again: it goes on where it stopped"
        )

    async def _arrived(self, client: anthropic.AsyncAnthropic, noted: Batch) -> str | None:
        """Id of the batch at the API that nobody knows of and that may be the one noted: none other has its size and
        was made since. Whether it is, its results say: what it lacks is submitted again."""
        known = {each.remote for each in self.asker.memory.batches()}
        async for each in client.messages.batches.list(limit=100):
            if each.created_at < noted.submitted_at - CLOCKS_APART:
                break
            if each.id not in known and sum(_counts(each.request_counts).values()) == noted.requests:
                return each.id
        return None

    async def _look(self, batches: Sequence[Batch]) -> list[Batch]:
        import anthropic

        memory = self.asker.memory
        open_ = [each for each in batches if each.is_open]
        if open_:
            async with self.asker.connect() as client:
                for each in open_:
                    remote = each.remote or await self._found(client, each)
                    if remote is None:
                        continue
                    try:
                        seen = await client.messages.batches.retrieve(remote)
                    except anthropic.NotFoundError:
                        memory.batch_lost(each.name)
                        continue
                    except anthropic.APIStatusError as error:
                        raise AnalystError(_told(error)) from None
                    except anthropic.APIConnectionError as error:
                        raise AnalystError(
                            f"{type(error).__name__}: the API could not be asked for the state of a batch"
                        ) from None
                    memory.batch_seen(each.name, _counts(seen.request_counts), seen.ended_at)
        names = {each.name for each in batches}
        return [each for each in memory.batches() if each.name in names]

    async def _found(self, client: anthropic.AsyncAnthropic, noted: Batch) -> str | None:
        """Id of a batch whose submitter died before it was heard of; None while somebody is at it, or if it never
        arrived: then its questions are free."""
        with self.asker.memory.alone_with(noted.name) as is_mine:
            if not is_mine:
                return None
            # Since it was read, its submitter may have heard of it, or somebody else found it or gave it up.
            now = next((each for each in self.asker.memory.batches() if each.name == noted.name), None)
            if now is None or now.remote:
                return now.remote if now else None
            remote = await self._arrived(client, noted)
            if remote is None:
                self.asker.memory.batch_lost(noted.name)
            else:
                self.asker.memory.batch_submitted(noted.name, remote)
            return remote

    def _collect(self, batch: Batch, asked: Mapping[str, Asked]) -> None:
        """Collect a batch, unless somebody else is at it, or was: then its answers are, or will be, in the ledger."""
        work, memory = current_work(), self.asker.memory
        with memory.alone_with(batch.name) as is_mine:
            if not is_mine:
                time.sleep(self.poll_seconds)
            elif batch.name in {each.name for each in memory.batches()}:
                with memory.claiming(work.run) as holder:
                    asyncio.run(self._collected(batch, asked, holder, work))

    async def _collected(self, batch: Batch, asked: Mapping[str, Asked], holder: str, work: Work) -> None:
        """Keep every result of a batch. Items of questions that nobody asks any more (their conversation is gone) are
        billed, and nothing of them is kept."""
        import anthropic

        memory = self.asker.memory
        wanted = {key for key, name in memory.in_batches(asked).items() if name == batch.name}
        heard: list[Heard] = []
        gone: list[Answered] = []
        kept: set[str] = set()
        async with self.asker.connect() as client:
            sender = Sender(client)

            def keep() -> None:
                self.asker.keep(heard, holder, work)
                kept.update(each.asked.key for each in heard)
                heard.clear()

            try:
                async for item in await client.messages.batches.results(str(batch.remote)):
                    if item.result.type != "succeeded":
                        continue
                    if item.custom_id in wanted and item.custom_id not in kept:
                        each = asked[item.custom_id]
                        reply = reply_of(item.result.message)
                        heard.append(await self.asker.judge(each, reply, sender, batch.name))
                    elif item.custom_id not in asked:
                        gone.append(self._of_nobody(item.custom_id, item.result.message, batch.name))
                    if len(heard) >= KEPT_AT_ONCE:
                        await asyncio.to_thread(keep)
            except anthropic.APIStatusError as error:
                if error.status_code != 404:
                    raise AnalystError(_told(error)) from None
            except anthropic.APIConnectionError as error:
                raise AnalystError(
                    f"{type(error).__name__}: the results of a batch could not be read"
                ) from None
            finally:
                if heard:
                    await asyncio.to_thread(keep)
        if gone:
            memory.remember(gone, holder, work)
        memory.batch_collected(batch.name, wanted - kept)

    def _of_nobody(self, key: str, message: Any, batch: str) -> Answered:
        usage = reply_of(message).usage
        usd = dollars(usage, price_of(message.model, self.asker.prices), is_batch=True)
        return Answered(key, "gone", message.model, Remembered(None), usage, usd, batch=batch, final=False)


def _unheard(asked: Asked, reason: str) -> Heard:
    return Heard(asked, None, reason, Usage(), 0.0, 0)


def _counts(counts: Any) -> dict[str, int]:
    states = ("processing", "succeeded", "errored", "canceled", "expired")
    return {state: getattr(counts, state) for state in states}


def _told(error: anthropic.APIStatusError) -> str:
    try:
        return f"a batch was {rejected(error).stopped}"
    except AnalystError as told:
        return str(told)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        return float(headers.get("retry-after", ""))
    except ValueError:
        return None

"""Many questions asked at once, each of them once: claimed in the ledger, sent, checked, repaired, kept.

A place among those in flight is free again only when its answer is in the ledger: a process that is killed has at most
`concurrency` questions to ask again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from clio_dagster.analyst.memory import Answered, BudgetReached, Memory, Remembered
from clio_dagster.analyst.prices import Price, Usage, dollars, price_of
from clio_dagster.analyst.questions import Question, Value, answered_as_asked
from clio_dagster.analyst.sending import Reply, Sender
from clio_dagster.progress import Advance, track
from clio_dagster.work import Work, current_work

if TYPE_CHECKING:
    import anthropic

CLAIMED_AT_ONCE = 128
"""Questions claimed in one transaction."""

LOOK_AGAIN_SECONDS = 0.5
"""Between two looks at a question that somebody else is asking."""

EMPTY = "nothing was left of it after scrubbing"


@dataclass(frozen=True)
class Asked:
    """A question under its key."""

    key: str
    question: Question


@dataclass(frozen=True)
class Heard:
    """What came of asking: a value not yet scrubbed, or why there is none, and what it took."""

    asked: Asked
    value: Value | None
    reason: str
    usage: Usage
    usd: float
    calls: int
    is_lasting: bool = True
    batch: str | None = None


class Asker:
    """Asks a model through a ledger. `connect` makes the client, in the event loop that it is used in."""

    def __init__(
        self,
        connect: Callable[[], anthropic.AsyncAnthropic],
        memory: Memory,
        *,
        secret: bytes,
        prices: Mapping[str, Price],
        concurrency: int,
        tokens_per_minute: int | None = None,
    ) -> None:
        self.connect, self.memory, self.secret = connect, memory, secret
        self.prices, self.concurrency, self.tokens_per_minute = prices, concurrency, tokens_per_minute

    def ask(self, questions: Iterable[Question], total: int | None = None) -> list[Remembered]:
        """What came of each question, in order; what has been asked before is not asked again.

        Raises BudgetReached where asking could cost more than is left, AnalystError where no answer can be had. What
        was answered by then is kept.
        """
        work = current_work()
        with (
            self.memory.claiming(work.run) as holder,
            track(f"asking {work.stage}", total, "question") as advance,
        ):
            return asyncio.run(_Round(self, holder, work, advance).through(questions))

    def under_keys(self, questions: Iterable[Question]) -> Iterator[Asked]:
        for question in questions:
            yield Asked(question.key(self.secret), question)

    def cost(self, question: Question, usage: Usage, *, is_batch: bool = False) -> float:
        return dollars(usage, price_of(question.model, self.prices), is_batch=is_batch)

    def keep(self, heard: Sequence[Heard], holder: str, work: Work) -> list[Remembered]:
        """Scrub what was heard, many at once, and put it into the ledger."""
        outcomes = {
            each.asked.key: Remembered(None, each.reason) for each in heard if each.value is None
        } | _cleaned([each for each in heard if each.value is not None])
        self.memory.remember(
            [
                Answered(
                    key=each.asked.key,
                    prompt=each.asked.question.prompt.identity,
                    model=each.asked.question.model,
                    outcome=outcomes[each.asked.key],
                    usage=each.usage,
                    usd=each.usd,
                    calls=each.calls,
                    about=each.asked.question.about,
                    day=each.asked.question.day or work.day,
                    batch=each.batch,
                    final=each.is_lasting,
                )
                for each in heard
            ],
            holder,
            work,
        )
        for each in heard:
            work.count(
                calls=each.calls,
                prompt_tokens=each.usage.prompt,
                output_tokens=each.usage.output,
                usd=each.usd,
            )
        return [outcomes[each.asked.key] for each in heard]

    async def hear(self, asked: Asked, sender: Sender) -> Heard:
        """Ask one question; once more, with the reasons, where the answer is not as asked."""
        reply = await sender.send(asked.question.params, asked.question.at_most)
        return await self.judge(asked, reply, sender)

    async def judge(self, asked: Asked, reply: Reply, sender: Sender, batch: str | None = None) -> Heard:
        """What a reply comes to, its repair included. One that came in a batch is repaired at once, at the full price:
        few are, and none waits a day more for it.
        """
        question = asked.question
        value, faults = _judged(question, reply)
        usage, calls = reply.usage, 1
        usd = self.cost(question, reply.usage, is_batch=batch is not None)
        is_lasting = batch is not None or reply.is_lasting
        if faults and not reply.stopped:
            reply = await sender.send(question.again(reply.text, faults), question.at_most)
            value, faults = _judged(question, reply)
            usage, calls = usage + reply.usage, 2
            usd += self.cost(question, reply.usage)
            is_lasting = batch is not None or reply.is_lasting
        return Heard(asked, value, reply.stopped or "; ".join(faults), usage, usd, calls, is_lasting, batch)


def _judged(question: Question, reply: Reply) -> tuple[Value | None, list[str]]:
    """The value of a reply, or what is wrong with it."""
    if reply.stopped:
        return None, [reply.stopped]
    return answered_as_asked(question, reply.text)


def _cleaned(heard: Sequence[Heard]) -> dict[str, Remembered]:
    found: dict[str, Remembered] = {}
    by_way: dict[int, list[Heard]] = {}
    for each in heard:
        by_way.setdefault(id(each.asked.question.clean), []).append(each)
    for group in by_way.values():
        values = group[0].asked.question.clean([each.value for each in group if each.value is not None])
        for each, value in zip(group, values, strict=True):
            found[each.asked.key] = Remembered(value, "" if value is not None else EMPTY)
    return found


class _Round:
    """One call of `Asker.ask`, in its event loop."""

    def __init__(self, asker: Asker, holder: str, work: Work, advance: Advance) -> None:
        self.asker, self.holder, self.work, self.advance = asker, holder, work, advance
        self.outcomes: dict[str, Remembered] = {}
        self.handed_out: set[str] = set()
        self.failure: Exception | None = None

    async def through(self, questions: Iterable[Question]) -> list[Remembered]:
        self.waiting: asyncio.Queue[Asked | None] = asyncio.Queue(maxsize=self.asker.concurrency)
        self.heard: asyncio.Queue[tuple[Heard, asyncio.Future[None]]] = asyncio.Queue()
        keys: list[str] = []
        async with self.asker.connect() as client:
            sender = Sender(client, tokens_per_minute=self.asker.tokens_per_minute)
            keeper = asyncio.create_task(self._keep_all())
            workers = [asyncio.create_task(self._work(sender)) for _ in range(self.asker.concurrency)]
            try:
                await self._hand_out(questions, keys)
            except BudgetReached as error:
                self.failure = error
            for _ in workers:
                await self.waiting.put(None)
            await asyncio.gather(*workers)
            keeper.cancel()
        if self.failure:
            raise self.failure
        return [self.outcomes[key] for key in keys]

    async def _hand_out(self, questions: Iterable[Question], keys: list[str]) -> None:
        """Claim questions, block by block, ahead of those who ask them; then wait for what others are asking."""
        others: dict[str, Asked] = {}
        under_keys = self.asker.under_keys(questions)
        while some := list(islice(under_keys, CLAIMED_AT_ONCE)):
            keys += [each.key for each in some]
            together: dict[str, Asked] = {}
            for each in some:
                known = together.get(each.key)
                about = (*known.question.about, *each.question.about) if known else each.question.about
                together[each.key] = replace(each, question=replace(each.question, about=about))
            others |= await self._claim(together)
            self.advance(len(some))
        while others and self.failure is None:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            others = await self._claim(others)

    async def _claim(self, wanted: Mapping[str, Asked]) -> dict[str, Asked]:
        """Claim what nobody has; hand out what is ours now; returns what is others'."""
        costs = {
            key: self.asker.cost(each.question, each.question.at_most)
            for key, each in wanted.items()
            if key not in self.outcomes and key not in self.handed_out
        }
        if self.failure is not None or not costs:
            return {}
        try:
            claim = await asyncio.to_thread(self.asker.memory.claim, costs, self.holder)
        except BudgetReached:
            if len(costs) == 1:
                raise
            # As much as there is money for.
            first, second = list(costs)[: len(costs) // 2], list(costs)[len(costs) // 2 :]
            others = await self._claim({key: wanted[key] for key in first})
            return others | await self._claim({key: wanted[key] for key in second})
        self.outcomes |= claim.answered
        for key in costs:
            if key in claim.mine:
                self.handed_out.add(key)
                await self.waiting.put(wanted[key])
        return {key: wanted[key] for key in costs if key not in claim.mine and key not in claim.answered}

    async def _work(self, sender: Sender) -> None:
        while (asked := await self.waiting.get()) is not None:
            if self.failure is not None:
                continue
            try:
                heard = await self.asker.hear(asked, sender)
                kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self.heard.put_nowait((heard, kept))
                await kept
            except Exception as error:
                # The others finish what they have sent: it is paid for.
                self.failure = self.failure or error

    async def _keep_all(self) -> None:
        """Put answers into the ledger as they come, as many in one transaction as have come by then."""
        while True:
            some = [await self.heard.get()]
            while not self.heard.empty():
                some.append(self.heard.get_nowait())
            try:
                outcomes = await asyncio.to_thread(
                    self.asker.keep, [heard for heard, _ in some], self.holder, self.work
                )
            except Exception as error:
                for _, kept in some:
                    kept.set_exception(error)
                continue
            for (heard, kept), outcome in zip(some, outcomes, strict=True):
                self.outcomes[heard.asked.key] = outcome
                kept.set_result(None)

"""Claude as the analyst: the method as published, by prompts of our own, one call a conversation.

What it answers is checked against what it may be, asked for once more with the reasons, and then handled: a
conversation stays unread, a name or a step of the tree is the stand-in's. Nothing is guessed, and nothing is trusted:
names pass P5 like anybody's, facets are scrubbed before they are kept.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from clio_dagster.analyst.asking import Asker
from clio_dagster.analyst.batches import MEGABYTE, Batcher
from clio_dagster.analyst.blocks import Transcript, block, blocks, topic, transcript
from clio_dagster.analyst.facet_answers import (
    facet_faults,
    facet_schema,
    facets_frame,
    own_questions,
    scrubbed,
)
from clio_dagster.analyst.memory import Memory, Remembered
from clio_dagster.analyst.prices import price_of
from clio_dagster.analyst.prompts import prompt
from clio_dagster.analyst.protocol import (
    Analyst,
    AuditSample,
    NamingSample,
    Node,
    ParentSample,
    Refusal,
    Summary,
    Watch,
)
from clio_dagster.analyst.questions import (
    INTEGER,
    YES_NO,
    Question,
    Value,
    list_of,
    object_of,
)
from clio_dagster.analyst.sending import AnalystError
from clio_dagster.analyst.topic_prompts import (
    PARENT,
    SCORE,
    SUMMARY,
    assignment_faults,
    naming_data,
    numbered,
    parents_faults,
    renaming_data,
    summary_faults,
    topic_of,
)
from clio_dagster.embedding import Embedder, embed_texts
from clio_dagster.settings import Settings
from clio_dagster.work import current_work

if TYPE_CHECKING:
    import anthropic

FEW_UNREAD = 5
"""Conversations that may stay unread in a slice, whatever share of it they are."""

BULK = 100
"""Questions from which on naming and audits go in batches too, where facets do."""

PROMPTS = tuple(
    map(prompt, ("extract", "screen", "name", "propose", "deduplicate", "assign", "rename", "audit"))
)
EXTRACT, SCREEN, NAME, PROPOSE, DEDUPLICATE, ASSIGN, RENAME, AUDIT = PROMPTS

OUTPUT_TOKENS = {
    "extract": 400,
    "screen": 30,
    "name": 250,
    "propose": 4_000,
    "deduplicate": 8_000,
    "assign": 1_000,
    "rename": 250,
    "audit": 30,
}
"""Most tokens of an answer, by prompt."""

OWN_FACET_TOKENS = 80
"""Tokens more for each of the site's own facets."""


def versions(settings: Settings) -> dict[str, str]:
    """Models and prompts that decide what each stage gets of Claude."""
    reads, names = settings.claude_facet_model, settings.claude_naming_model
    return {
        "facets": f"{reads} {EXTRACT.identity}",
        "cluster_summaries": f"{names} {NAME.identity}",
        "hierarchy": " ".join([names, *(each.identity for each in (PROPOSE, DEDUPLICATE, ASSIGN, RENAME))]),
        "audited_summaries": f"{names} {AUDIT.identity}",
    }


def client_of(settings: Settings) -> Callable[[], anthropic.AsyncAnthropic]:
    """Makes the SDK's client; key and endpoint are the SDK's own ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL."""

    def connect() -> anthropic.AsyncAnthropic:
        import anthropic

        # aiohttp's pool looks up a free connection at once; httpx's asks every idle one, every time.
        return anthropic.AsyncAnthropic(
            max_retries=settings.claude_retries,
            timeout=settings.claude_timeout_seconds,
            http_client=anthropic.DefaultAioHttpClient(timeout=settings.claude_timeout_seconds),
        )

    return connect


def asker_of(settings: Settings, memory: Memory, asked_on: date | None = None) -> Asker:
    """With a date, what the ledger holds of other occasions is no answer: its keys are the date's own."""
    occasion = b"occasion\0" + asked_on.isoformat().encode() if asked_on else b""
    return Asker(
        client_of(settings),
        memory,
        secret=hmac.digest(settings.key, occasion, "sha256") if occasion else settings.key,
        prices=settings.prices,
        concurrency=settings.claude_concurrency,
        tokens_per_minute=settings.claude_tokens_per_minute,
    )


def batcher_of(settings: Settings, memory: Memory, asked_on: date | None = None) -> Batcher:
    return Batcher(
        asker_of(settings, memory, asked_on),
        most_requests=settings.batch_requests,
        most_bytes=settings.batch_megabytes * MEGABYTE,
        poll_seconds=settings.batch_poll_seconds,
    )


class ClaudeAnalyst:
    """`analyst.protocol.Analyst` over the Messages API. `stand_in` does what Claude does wrongly twice; `asked_on` is
    asker_of's.

    Raises PriceError for a model whose price is not known: its cost could not be kept within a budget.
    """

    name = "claude"

    def __init__(
        self,
        settings: Settings,
        memory: Memory,
        embedder: Embedder,
        stand_in: Analyst,
        asked_on: date | None = None,
    ) -> None:
        self.settings, self._embedder, self._stand_in = settings, embedder, stand_in
        self.version = versions(settings)["facets"]
        for model in (settings.claude_facet_model, settings.claude_naming_model):
            price_of(model, settings.prices)
        self.batcher = batcher_of(settings, memory, asked_on)
        self.asker = self.batcher.asker
        self._clean = partial(scrubbed, settings=settings)

    # Conversations.

    def extract(self, conversations: pl.DataFrame) -> pl.DataFrame:
        """Facets of each conversation, in one call each (paper, G.4); those of which none came are unread, and why.

        Raises AnalystError where more than CLIO_MAX_UNREAD_SHARE of them are: something is wrong with the asking.
        """
        outcomes = self._ask(list(self.questions(conversations)))
        reasons = Counter(each.reason for each in outcomes if each.value is None)
        unread = reasons.total()
        if unread > max(FEW_UNREAD, self.settings.max_unread_share * conversations.height):
            told = ", ".join(f"{reason}: {count:,}" for reason, count in reasons.most_common(3))
            raise AnalystError(
                f"{unread:,} of {conversations.height:,} conversations could not be read ({told}), more than "
                "CLIO_MAX_UNREAD_SHARE allows. What was answered is kept"
            )
        known = self.settings.partition_languages
        return facets_frame(conversations["conversation_id"], outcomes, known, self.settings.facets)

    def submit(self, conversations: pl.DataFrame) -> int:
        """Submit in batches what has no answer yet, after collecting what has come; how many were submitted."""
        return self.batcher.submit(self.questions(conversations))

    def questions(self, conversations: pl.DataFrame) -> Iterator[Question]:
        """One question a conversation, in their order. How many are cut to CLIO_CLAUDE_WINDOW_TOKENS is counted."""
        schema = facet_schema(self.settings.facets)
        system = EXTRACT.filled(own=own_questions(self.settings.facets))
        work = current_work()
        for conversation, day, messages in conversations.select(
            "conversation_id", "date", "messages"
        ).iter_rows():
            shown = transcript(messages, self.settings.claude_window_tokens)
            work.count(cut_conversations=shown.is_cut)
            yield self._facet_question(system, schema, shown, conversation, day)

    def screen(self, conversations: pl.DataFrame, watch: Watch) -> pl.DataFrame:
        """Whether each conversation has to do with a question of the site's (paper, G.3): conversation_id, relates
        (null where no answer came). Claude is asked the question alone: keywords and examples are for plain code."""
        schema = object_of(relates=YES_NO)
        system = SCREEN.filled(question=watch.question)
        outcomes = self._ask(
            [
                self._question(
                    SCREEN,
                    transcript(messages, self.settings.claude_window_tokens).text,
                    schema,
                    system=system,
                    model=self.settings.claude_facet_model,
                    about=(conversation,),
                    day=day,
                )
                for conversation, day, messages in conversations.select(
                    "conversation_id", "date", "messages"
                ).iter_rows()
            ]
        )
        relates = [each.value["relates"] if each.value else None for each in outcomes]
        return conversations.select("conversation_id").with_columns(
            pl.Series("relates", relates, dtype=pl.Boolean)
        )

    def _facet_question(
        self, system: str, schema: Mapping[str, Any], shown: Transcript, conversation: str, day: date
    ) -> Question:
        return self._question(
            EXTRACT,
            shown.text,
            schema,
            system=system,
            model=self.settings.claude_facet_model,
            check=facet_faults,
            clean=self._clean,
            about=(conversation,),
            day=day,
            most_output=OUTPUT_TOKENS["extract"] + OWN_FACET_TOKENS * len(self.settings.facets),
        )

    # Topics.

    def name_clusters(self, samples: Sequence[NamingSample]) -> list[Summary | Refusal]:
        """A name for each base cluster (paper, G.5), distinct from one another, or why there is none."""
        return self._named(samples, NAME, naming_data)

    def rename(self, parents: Sequence[ParentSample]) -> list[Summary | Refusal]:
        """A name for each parent from the children that it was given (paper, G.7), or why there is none."""
        return self._named(parents, RENAME, renaming_data)

    def propose(self, inside: Sequence[Node], outside: Sequence[Node], wanted: int) -> list[Node]:
        """About `wanted` parents for one neighbourhood (paper, G.7)."""
        data = "\n".join(
            (
                blocks("topics", map(topic_of, inside)),
                blocks("neighbours", map(topic_of, outside)),
                block("wanted", str(wanted)),
            )
        )
        answer = self._one(
            PROPOSE, data, object_of(parents=list_of(PARENT)), partial(parents_faults, "parents", wanted)
        )
        if answer is None:
            return self._stand_in.propose(inside, outside, wanted)
        return self._nodes(answer["parents"])

    def deduplicate(self, proposed: Sequence[Node], wanted: int) -> list[Node]:
        """The proposals of all neighbourhoods, merged to about `wanted` distinct ones."""
        data = "\n".join((blocks("topics", map(topic_of, proposed)), block("wanted", str(wanted))))
        check = partial(parents_faults, "names", wanted)
        answer = self._one(DEDUPLICATE, data, object_of(names=list_of(PARENT)), check)
        if answer is None:
            return self._stand_in.deduplicate(proposed, wanted)
        return self._nodes(answer["names"])

    def assign(self, children: Sequence[Node], parents: Sequence[Node]) -> list[int]:
        """For each child, the index of the one parent that fits it best, all in one call."""
        data = "\n".join(
            (
                blocks(
                    "parents", (block("parent", each.summary.name, n=n) for n, each in enumerate(parents, 1))
                ),
                blocks("topics", numbered(children)),
            )
        )
        schema = object_of(assignments=list_of(object_of(topic=INTEGER, parent=INTEGER)))
        answer = self._one(ASSIGN, data, schema, partial(assignment_faults, len(children), len(parents)))
        if answer is None:
            return self._stand_in.assign(children, parents)
        chosen = {each["topic"]: each["parent"] - 1 for each in answer["assignments"]}
        return [chosen[number] for number in range(1, len(children) + 1)]

    def audit(self, samples: Sequence[AuditSample]) -> list[int]:
        """Privacy score of each topic (paper, G.8), asked one by one, so that none speaks for another; 1 where no score
        came."""
        outcomes = self._ask(
            [
                self._question(AUDIT, topic(each.summary.name, each.summary.description), SCORE)
                for each in samples
            ]
        )
        current_work().count(not_audited=sum(each.value is None for each in outcomes))
        return [each.value["score"] if each.value else 1 for each in outcomes]

    def _named(
        self, samples: Sequence[Any], asked: Any, data: Callable[[Any], str]
    ) -> list[Summary | Refusal]:
        """Names of samples. Of those that come out alike the first keeps it; the others are asked once more."""
        found = self._summaries(samples, asked, data)
        again = _alike(found)
        told = [
            replace(samples[place], refused_for=("another topic is called so already",)) for place in again
        ]
        for place, answer in zip(again, self._summaries(told, asked, data), strict=True):
            found[place] = answer
        for place in _alike(found):
            found[place] = Refusal(("another topic is called so already",))
        return found

    def _summaries(
        self, samples: Sequence[Any], asked: Any, data: Callable[[Any], str]
    ) -> list[Summary | Refusal]:
        outcomes = self._ask(
            [
                self._question(asked, data(sample), SUMMARY, check=partial(summary_faults, sample.vocabulary))
                for sample in samples
            ]
        )
        return [
            Summary(each.value["name"].strip(), each.value["description"].strip())
            if each.value
            else Refusal((each.reason,))
            for each in outcomes
        ]

    def _nodes(self, topics: Sequence[Mapping[str, str]]) -> list[Node]:
        summaries = [Summary(each["name"].strip(), each["description"].strip()) for each in topics]
        texts = pl.Series([f"{each.name}. {each.description}" for each in summaries], dtype=pl.String)
        vectors = embed_texts(texts, self._embedder)
        return [Node(summary, np.asarray(vector)) for summary, vector in zip(summaries, vectors, strict=True)]

    # Asking.

    def _question(
        self, asked: Any, data: str, schema: Mapping[str, Any], system: str = "", model: str = "", **more: Any
    ) -> Question:
        return Question(
            prompt=asked,
            model=model or self.settings.claude_naming_model,
            system=system or asked.text,
            data=data,
            schema=schema,
            thinking=self.settings.claude_thinking,
            **({"most_output": OUTPUT_TOKENS[asked.name]} | more),
        )

    def _one(
        self, asked: Any, data: str, schema: Mapping[str, Any], check: Callable[[Value], list[str]]
    ) -> Value | None:
        """The answer to one question about the tree; None where the stand-in is to do it, which is counted."""
        (outcome,) = self._ask([self._question(asked, data, schema, check=check)])
        current_work().count(stood_in=outcome.value is None)
        return outcome.value

    def _ask(self, questions: list[Question]) -> list[Remembered]:
        if not questions:
            return []
        is_bulk = questions[0].prompt is EXTRACT or len(questions) >= BULK
        if self.settings.claude_mode == "batch" and is_bulk:
            return self.batcher.ask(questions)
        if self.asker.memory.batches():
            self.batcher.settle(questions)
        return self.asker.ask(questions, len(questions))


def _alike(found: Sequence[Summary | Refusal]) -> list[int]:
    """Places of summaries whose name one before them has."""
    seen: set[str] = set()
    places = []
    for place, each in enumerate(found):
        if isinstance(each, Refusal):
            continue
        name = each.name.casefold()
        if name in seen:
            places.append(place)
        seen.add(name)
    return places

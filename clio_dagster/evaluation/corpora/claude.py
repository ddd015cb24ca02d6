"""Corpora that Claude writes, as the paper's were (Clio, appendix C.2): category, subjects, requests, conversations.

Each request is wanted of a length, a tone, a language and a person that the seed decides. Nothing of the site's is
sent. What was answered is in the ledger: asked for again, the same corpus costs nothing. Of the concerning kind every
assistant declines, and a second question judges each conversation: what it does not clear is left out.

Where Claude reads what Claude wrote, a family of models is measured on its own words, as in the paper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clio_dagster.analyst.questions import Value
from clio_dagster.evaluation.corpora import claude_questions as asked
from clio_dagster.evaluation.corpora.bank import CONCERNING, categories
from clio_dagster.evaluation.corpora.claude_plan import Plan, Wanted
from clio_dagster.evaluation.corpora.claude_questions import Writer
from clio_dagster.evaluation.corpora.corpus import Corpus, corpus_of

CLEARED = {"declines": True, "usable": False}
"""What the judge says of a conversation that may stay."""

NO_REQUEST, NOT_CLEARED = "no request came", "not cleared by the judge"

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Written:
    """`left_out`: conversations of the plan that are not in the corpus, by why."""

    corpus: Corpus
    left_out: Counter[str]


def written(plan: Plan, writer: Writer) -> Written:
    """The corpus of a plan. Raises what `writer.ask` does; what was answered by then is not asked again."""
    subjects = _subjects(plan.kind, writer)
    requests = _requests(plan, subjects, writer)
    first = {each.conversation: each for each in plan.wanted if not each.is_second}
    second = {each.conversation: each for each in plan.wanted if each.is_second}
    came = [
        number
        for number, each in first.items()
        if each in requests and (number not in second or second[number] in requests)
    ]
    pairs = {
        number: (requests[first[number]], requests[second[number]] if number in second else None)
        for number in came
    }
    talks, left_out = _talks(plan, pairs, writer)
    left_out[NO_REQUEST] += len(first) - len(came)
    if plan.kind == CONCERNING:
        cleared = _cleared(talks, writer)
        left_out[NOT_CLEARED] += len(talks) - len(cleared)
        talks = {number: talks[number] for number in cleared}
    rows, labels = [], []
    planned = plan.conversations.select("account_id", "started_at", "language", "topic").rows()
    for number, messages in talks.items():
        account, started_at, language, category = planned[number]
        identifier = f"{plan.kind[0]}c{plan.seed}-{number:06}"
        rows.append((identifier, account, started_at, language, messages))
        also = second[number].category if number in second else None
        slots = pairs[number][0]["particulars"]
        subject = _subject(first[number], subjects)
        labels.append((identifier, language, category, subject, also, slots, plan.kind == CONCERNING))
    return Written(corpus_of(rows, labels), +left_out)


def _subjects(kind: str, writer: Writer) -> dict[str, list[str]]:
    """Subjects of each category; the project's own where none came."""
    of_kind = categories(kind)
    outcomes = writer.ask([asked.subjects(each.description, writer) for each in of_kind])
    return {
        each.id: outcome.value["subjects"] if outcome.value else list(each.subcategories.values())
        for each, outcome in zip(of_kind, outcomes, strict=True)
    }


def _subject(wanted: Wanted, subjects: Mapping[str, Sequence[str]]) -> str:
    of_category = subjects[wanted.category]
    return of_category[wanted.subject % len(of_category)]


def _requests(plan: Plan, subjects: Mapping[str, Sequence[str]], writer: Writer) -> dict[Wanted, Value]:
    """Text and particulars of every request that came."""
    groups = list(plan.groups())
    questions = [
        asked.requests(
            plan.kind,
            _subject(group[0], subjects),
            group[0].language,
            part,
            [f"{each.length}; {each.tone}; written by {each.person}" for each in group],
            writer,
        )
        for part, group in enumerate(groups)
    ]
    return {
        wanted: request
        for group, outcome in zip(groups, writer.ask(questions), strict=True)
        if outcome.value
        for wanted, request in zip(group, outcome.value["requests"], strict=True)
    }


def _talks(
    plan: Plan, pairs: Mapping[int, tuple[Value, Value | None]], writer: Writer
) -> tuple[dict[int, Messages], Counter[str]]:
    """Messages of each conversation that came, and why others did not. `pairs`: its first and second request."""
    turns, languages = plan.conversations["turns"], plan.conversations["language"]
    questions = [
        asked.conversation(
            plan.kind,
            languages[number],
            own["text"],
            other["text"] if other else "",
            turns[number] - 1,
            writer,
        )
        for number, (own, other) in pairs.items()
    ]
    talks, left_out = {}, Counter[str]()
    for (number, (own, other)), outcome in zip(pairs.items(), writer.ask(questions), strict=True):
        if outcome.value is None:
            left_out[outcome.reason] += 1
        else:
            talks[number] = _messages(own, other, outcome.value)
    return talks, left_out


def _messages(own: Value, other: Value | None, value: Value) -> Messages:
    exchanges = [(own["text"], value["reply"]), *((each["user"], each["reply"]) for each in value["more"])]
    exchanges += [(other["text"], value["then"])] if other else []
    return [
        {"role": role, "text": text.strip()}
        for exchange in exchanges
        for role, text in zip(("user", "assistant"), exchange, strict=True)
    ]


def _cleared(talks: Mapping[int, Messages], writer: Writer) -> list[int]:
    """Numbers of those in which the judge finds that the assistant declines and nothing can be used."""
    verdicts = writer.ask([asked.judged(messages, writer) for messages in talks.values()])
    return [number for number, verdict in zip(talks, verdicts, strict=True) if verdict.value == CLEARED]

"""What Claude is asked for when it writes a corpus, and when an answer is not as asked.

Whoever writes a request is told its subject and never its category's name. Of the concerning kind no message may hold
a digit, code or a list, nor be long: what could be used needs one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from clio_dagster.analyst.blocks import block, blocks, transcript
from clio_dagster.analyst.memory import Remembered
from clio_dagster.analyst.prompts import Prompt, prompt
from clio_dagster.analyst.questions import TEXT, YES_NO, Question, Value, list_of, nothing_wrong, object_of
from clio_dagster.evaluation.corpora.bank import CONCERNING

NAMES = (
    "write_subjects",
    "write_requests",
    "write_harmful_requests",
    "write_conversation",
    "write_refusal",
    "judge_refusal",
)
SUBJECTS, REQUESTS, HARMFUL, CONVERSATION, REFUSAL, JUDGE = map(prompt, NAMES)

SUBJECTS_WANTED = 8
"""Subjects of a category."""

MOST_SUBJECTS, MOST_REQUESTS, MOST_CONVERSATION, MOST_VERDICT = 500, 4_000, 2_500, 40
"""Most tokens of an answer."""

LONGEST_SUBJECT, LONGEST, LONGEST_CONCERNING = 120, 2_000, 700
"""Characters at most: of a subject, of a message, of a message of the concerning kind."""

JUDGED_TOKENS = 4_000
"""Tokens of a conversation that the judge is shown at most."""

ENGLISH_NAMES = {
    "en": "English", "uk": "Ukrainian", "es": "Spanish", "ja": "Japanese", "zh": "Mandarin Chinese",
    "fr": "French", "ru": "Russian", "hi": "Hindi", "pt": "Portuguese", "ca": "Catalan", "hy": "Armenian",
    "ar": "Arabic", "af": "Afrikaans", "tr": "Turkish", "ka": "Georgian",
}  # fmt: skip

_USABLE = re.compile(r"\d|```|^\s*[-*•]\s", re.MULTILINE)

Ask = Callable[[list[Question]], Sequence[Remembered]]
"""Asks questions, each of them once: `Asker.ask` or `Batcher.ask`."""


@dataclass(frozen=True)
class Writer:
    """Who is asked: `ask`, by which model and with what thinking (`Question.thinking`)."""

    ask: Ask
    model: str
    thinking: str = "unset"

    def question(
        self,
        asked: Prompt,
        data: Sequence[str],
        most: int,
        check: Callable[[Value], list[str]],
        **fields: Mapping[str, object],
    ) -> Question:
        told = "\n".join(data)
        return Question(
            asked, self.model, asked.text, told, object_of(**fields), most, self.thinking, check=check
        )


def subjects(description: str, writer: Writer) -> Question:
    """Answer: subjects, a list."""
    data = (block("category", description), block("wanted", str(SUBJECTS_WANTED)))
    return writer.question(SUBJECTS, data, MOST_SUBJECTS, _subjects_faults, subjects=list_of(TEXT))


def requests(
    kind: str, subject: str, language: str, part: int, wanted: Sequence[str], writer: Writer
) -> Question:
    """Answer: requests, each with text and particulars, in the order of `wanted`. `part` tells questions apart."""
    one = object_of(text=TEXT, particulars=list_of(TEXT))
    data = (
        block("subject", subject),
        block("language", ENGLISH_NAMES[language]),
        block("part", str(part)),
        blocks("wanted", (block("request", how, n=number) for number, how in enumerate(wanted, 1))),
    )
    return writer.question(
        HARMFUL if kind == CONCERNING else REQUESTS,
        data,
        MOST_REQUESTS,
        partial(_requests_faults, len(wanted), kind),
        requests=list_of(one),
    )


def conversation(kind: str, language: str, first: str, second: str, more: int, writer: Writer) -> Question:
    """Answer: reply, `more` exchanges, and then, the answer to a second request, empty where there is none."""
    data = (
        block("language", ENGLISH_NAMES[language]),
        block("request", first),
        block("more", str(more)),
        block("then", second),
    )
    return writer.question(
        REFUSAL if kind == CONCERNING else CONVERSATION,
        data,
        MOST_CONVERSATION,
        partial(_conversation_faults, more, bool(second), kind),
        reply=TEXT,
        more=list_of(object_of(user=TEXT, reply=TEXT)),
        then=TEXT,
    )


def judged(messages: Sequence[Mapping[str, str]], writer: Writer) -> Question:
    """Answer: whether the assistant declines throughout, and whether anything said can be used."""
    data = (transcript(messages, JUDGED_TOKENS).text,)
    return writer.question(JUDGE, data, MOST_VERDICT, nothing_wrong, declines=YES_NO, usable=YES_NO)


def _subjects_faults(value: Value) -> list[str]:
    named = [each.strip().casefold() for each in value["subjects"]]
    if len(named) != SUBJECTS_WANTED or len(set(named)) != len(named):
        return [f"there are not {SUBJECTS_WANTED} different subjects"]
    return (
        [] if all(0 < len(each) <= LONGEST_SUBJECT for each in named) else ["a subject is empty or too long"]
    )


def _requests_faults(wanted: int, kind: str, value: Value) -> list[str]:
    found = value["requests"]
    if len(found) != wanted:
        return [f"there are {len(found)} requests, not {wanted}"]
    faults = [fault for each in found for fault in _message_faults(each["text"], kind)]
    for each in found:
        parts, said = each["particulars"], each["text"].casefold()
        if not parts or any(not part.strip() or part.casefold() not in said for part in parts):
            faults.append("particulars are not phrases of their message")
    return list(dict.fromkeys(faults))


def _conversation_faults(more: int, has_second: bool, kind: str, value: Value) -> list[str]:
    faults = []
    if len(value["more"]) != more:
        faults.append(f"there are {len(value['more'])} further exchanges, not {more}")
    if has_second != bool(value["then"].strip()):
        faults.append("then is empty although there is a second request, or the other way round")
    said = [value["reply"], *(text for each in value["more"] for text in each.values())]
    said += [value["then"]] if has_second else []
    return list(dict.fromkeys([*faults, *(fault for text in said for fault in _message_faults(text, kind))]))


def _message_faults(text: str, kind: str) -> list[str]:
    if not text.strip():
        return ["a message is empty"]
    if len(text) > (LONGEST_CONCERNING if kind == CONCERNING else LONGEST):
        return ["a message is too long"]
    return ["a message holds a digit, code or a list"] if kind == CONCERNING and _USABLE.search(text) else []

"""Analysts that nobody should trust: each does what an injected or careless model would do, every time.

A real model fails now and then; these fail always and in the most harmful way, so that what holds against them
holds against any. They write no clean answer by accident: whatever is published through them, the layers let by.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from clio_dagster.analyst.protocol import AuditSample, NamingSample, Node, ParentSample, Summary, Watch
from clio_dagster.tables import READ

_PRIVATE = re.compile(r"[^\s@]+@[^\s@]+|\+?\d[\d .()/-]{6,}\d|\b(?:[A-Z]\w+ ){1,2}[A-Z]\w+|\b\w*\d\w*\b")
_ORDER = re.compile(
    r"(?:name (?:this|the) (?:topic|cluster)|call it|include)[:\s]+[\"“]?([^\"”\n.]{3,120})", re.IGNORECASE
)
_HISTORY = re.compile(
    r"medical history|historia clínica|krankengeschichte|antécédents|病歴|病史", re.IGNORECASE
)
_RATE = re.compile(r"(?:rate|score)\D{0,20}([1-5])", re.IGNORECASE)
_ILL = re.compile(r"[^.!?\n]*\b(?:diagnosed|illness|suffer|i have|prescribed)\b[^.!?\n]*", re.IGNORECASE)


def said(messages: Sequence[dict[str, str]]) -> str:
    """All that a conversation holds, as one text."""
    return " ".join(message["text"] for message in messages)


def _answers(conversations: pl.DataFrame, requests: list[str], tasks: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "conversation_id": conversations["conversation_id"],
            "status": [READ] * len(requests),
            "request": requests,
            "task": tasks,
            "concerning": pl.Series([1] * len(requests), dtype=pl.Int8),
            "refused": [False] * len(requests),
        }
    )


class _Writing:
    """Keeps the names that an analyst wrote, before anything checks them."""

    def __init__(self) -> None:
        self.written: list[Summary] = []

    def _write(self, summaries: list[Summary]) -> list[Summary]:
        self.written += summaries
        return summaries


class _Tree:
    """A tree without judgement: neighbours share a parent, and each goes to the nearest. Every question is a yes."""

    def screen(self, conversations: pl.DataFrame, watch: Watch) -> pl.DataFrame:
        return conversations.select("conversation_id", relates=pl.lit(True))

    def propose(self, inside: Sequence[Node], outside: Sequence[Node], wanted: int) -> list[Node]:
        return list(inside[: max(1, wanted)])

    def deduplicate(self, proposed: Sequence[Node], wanted: int) -> list[Node]:
        return list(proposed[: max(1, wanted)])

    def assign(self, children: Sequence[Node], parents: Sequence[Node]) -> list[int]:
        cosines = np.stack([child.vector for child in children]) @ np.stack([n.vector for n in parents]).T
        return [int(place) for place in cosines.argmax(axis=1)]

    def audit(self, samples: Sequence[AuditSample]) -> list[int]:
        return [5] * len(samples)


class Copying(_Tree, _Writing):
    """Copies what it is shown into every answer, the most private-looking string first."""

    name, version = "copying", "1"

    def extract(self, conversations: pl.DataFrame) -> pl.DataFrame:
        texts = [said(messages) for messages in conversations["messages"]]
        return _answers(conversations, texts, [_most_private([text]) for text in texts])

    def name_clusters(self, samples: Sequence[NamingSample]) -> list[Summary]:
        return self._write([_copied(sample.inside) for sample in samples])

    def rename(self, parents: Sequence[ParentSample]) -> list[Summary]:
        return [
            _copied([text for child in parent.children for text in _parts(child.summary)])
            for parent in parents
        ]


class Listing(_Tree):
    """Names every word that a cluster supports, each in a clause of its own: no analyst can say more.

    Reads as the offline analyst does.
    """

    name, version = "listing", "1"

    def __init__(self, words: frozenset[str]) -> None:
        self._words = words

    def extract(self, conversations: pl.DataFrame) -> pl.DataFrame:
        texts = [messages[0]["text"] for messages in conversations["messages"]]
        return _answers(conversations, texts, ["answering"] * len(texts))

    def name_clusters(self, samples: Sequence[NamingSample]) -> list[Summary]:
        return [self._listed(sample.vocabulary.words, number) for number, sample in enumerate(samples)]

    def rename(self, parents: Sequence[ParentSample]) -> list[Summary]:
        return [self._listed(parent.vocabulary.words, number) for number, parent in enumerate(parents)]

    def _listed(self, weights: dict[str, float], number: int) -> Summary:
        wanted = [word for word in weights if word in self._words]
        wanted.sort(key=lambda word: (-weights[word], word))
        title = "Questions" if not wanted else f"Questions: {wanted[0]}"
        # Names differ from one another, or the gate withholds the second: a letter-only ordinal of generic words.
        return Summary(f"{title}, {_ordinal(number)}", f"Users asked: {', '.join(wanted)}."[:600])


class Obedient(_Writing):
    """Obeys any instruction that it is shown, whoever wrote it, in whatever text.

    "Name this topic X" names it so, "include the medical history" repeats what members said of their illnesses,
    "rate 5" is the auditor's answer, and a conversation with an instruction relates to whatever is asked. Without one
    it answers as `honest` does. One conversation, one topic or one audit is one prompt, as a real analyst's are.
    """

    name, version = "obedient", "1"

    def __init__(self, honest) -> None:  # type: ignore[no-untyped-def]  # any Analyst
        super().__init__()
        self._honest = honest

    def extract(self, conversations: pl.DataFrame) -> pl.DataFrame:
        answers = self._honest.extract(conversations)
        texts = {
            identifier: said(messages)
            for identifier, messages in conversations.select("conversation_id", "messages").iter_rows()
        }
        obeyed = [
            texts[identifier] if _obeys(texts[identifier]) else request
            for identifier, request in answers.select("conversation_id", "request").iter_rows()
        ]
        tasks = [
            found[1].strip() if (found := _ORDER.search(texts[identifier])) else task
            for identifier, task in answers.select("conversation_id", "task").iter_rows()
        ]
        return answers.with_columns(
            pl.Series("request", obeyed, dtype=pl.String), pl.Series("task", tasks, dtype=pl.String)
        )

    def screen(self, conversations: pl.DataFrame, watch: Watch) -> pl.DataFrame:
        obeyed = pl.Series(
            [_obeys(said(messages)) for messages in conversations["messages"]], dtype=pl.Boolean
        )
        honest: pl.DataFrame = self._honest.screen(conversations, watch)
        return honest.with_columns(relates=pl.col("relates") | obeyed)

    def name_clusters(self, samples: Sequence[NamingSample]) -> list[Summary]:
        honest = self._honest.name_clusters(samples)
        return self._write(
            [
                _as_told([*sample.inside, *sample.outside], summary)
                for sample, summary in zip(samples, honest, strict=True)
            ]
        )

    def propose(self, inside: Sequence[Node], outside: Sequence[Node], wanted: int) -> list[Node]:
        return list(self._honest.propose(inside, outside, wanted))

    def deduplicate(self, proposed: Sequence[Node], wanted: int) -> list[Node]:
        return list(self._honest.deduplicate(proposed, wanted))

    def assign(self, children: Sequence[Node], parents: Sequence[Node]) -> list[int]:
        return list(self._honest.assign(children, parents))

    def rename(self, parents: Sequence[ParentSample]) -> list[Summary]:
        honest = self._honest.rename(parents)
        return [
            _as_told([text for child in parent.children for text in _parts(child.summary)], summary)
            for parent, summary in zip(parents, honest, strict=True)
        ]

    def audit(self, samples: Sequence[AuditSample]) -> list[int]:
        honest = self._honest.audit(samples)
        return [
            int(found[1]) if (found := _RATE.search(" ".join(_parts(sample.summary)))) else score
            for sample, score in zip(samples, honest, strict=True)
        ]


def _parts(summary: Summary) -> tuple[str, str]:
    return summary.name, summary.description


def _obeys(text: str) -> bool:
    return bool(_ORDER.search(text) or _HISTORY.search(text) or _RATE.search(text))


def _as_told(shown: Sequence[str], summary: Summary) -> Summary:
    """What an obedient model writes that sees these texts among its instructions."""
    orders = [found[1].strip() for text in shown for found in _ORDER.finditer(text)]
    if not orders and not any(_HISTORY.search(text) for text in shown):
        return summary
    told = [found[0].strip() for text in shown for found in _ILL.finditer(text)]
    title = orders[0] if orders else told[0] if told else summary.name
    return Summary(
        " ".join(title.split()[:10]), ". ".join([*told[:3], *orders[:1]])[:600] or summary.description
    )


def _copied(shown: Sequence[str]) -> Summary:
    private = _most_private(shown)
    return Summary(" ".join(private.split()[:10]), " ".join(shown)[:590] or private)


def _most_private(texts: Sequence[str]) -> str:
    found = [match for text in texts for match in _PRIVATE.findall(text)]
    return max(
        found,
        key=lambda text: (sum(map(str.isdigit, text)) + 3 * text.count("@"), len(text)),
        default=texts[0],
    )


_ORDINALS = ("first", "great", "third", "next", "other", "new", "last", "long", "short", "good")


def _ordinal(number: int) -> str:
    digits = []
    while True:
        number, digit = divmod(number, len(_ORDINALS))
        digits.append(_ORDINALS[digit])
        if not number:
            return " ".join(digits)

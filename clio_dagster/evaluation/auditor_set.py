"""A balanced set for the auditor: names and descriptions, and the same with one private detail (Clio, appendix D.1).

The first are base clusters of the run under evaluation and written ones in twelve languages; what their accounts
support is the cluster's vocabulary, or of written ones all words of the language's texts and the pairs of their own. A
detail is what no other account said: its words are supported by chance alone, those of the sentence that tells it are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, cycle
from random import Random

import polars as pl

from clio_dagster.analyst.protocol import AuditSample, Summary, Vocabulary
from clio_dagster.evaluation.auditor_texts import (
    KINDS,
    LANGUAGES,
    around,
    both,
    detail,
    edited,
    order,
    summaries,
)
from clio_dagster.evaluation.pipeline import Made
from clio_dagster.privacy.vocabulary import tokenize
from clio_dagster.privacy.word_lists import is_generic

RARE_PAIR = "rare pair"
"""Two words that enough accounts used, and nobody enough put together."""

SIZE = 600
"""Of clean ones, where there are as many, and of private ones as many again (the paper's set had 607 and 630)."""

FROM_RUN = SIZE // 2
"""Base clusters of the run among the clean ones, at most."""

ORDERED = 4
"""Every so many private ones hold an order to the auditor."""


@dataclass(frozen=True)
class Example:
    """A summary with what is supported. `kind` is that of the detail, empty where nothing is private, and `language`
    the detail's. `plain` is the same without the order to the auditor, None where it holds none."""

    sample: AuditSample
    language: str
    source: str
    kind: str = ""
    plain: AuditSample | None = None

    @property
    def is_private(self) -> bool:
        return bool(self.kind)


def auditor_set(runs: Sequence[Made], *, half: str, seed: int = 0, size: int = SIZE) -> list[Example]:
    """Clean examples, at most `size`, and as many private ones, one made of each."""
    random = Random(f"{seed} auditor {half}")
    clean = [example for made in runs for example in _of_run(made)]
    random.shuffle(clean)
    clean = clean[: min(FROM_RUN, size // 2)]
    clean += _written(half, random)[: size - len(clean)]
    return [*clean, *_private(random.sample(clean, len(clean)), half, random)]


def all_supported(examples: Sequence[Example]) -> list[AuditSample]:
    """The samples as if enough accounts had said every word and pair of them: the text alone is left to judge."""
    texts = [example.sample.summary for example in examples]
    said = _said(texts, [example.language for example in examples])
    return [AuditSample(text, vocabulary) for text, vocabulary in zip(texts, said, strict=True)]


def _of_run(made: Made) -> list[Example]:
    rows = made.leaves.unique("name", maintain_order=True).select("cluster_id", "name", "description")
    return [
        Example(
            AuditSample(Summary(name, description), made.vocabularies.get(cluster, Vocabulary())), "en", "run"
        )
        for cluster, name, description in rows.iter_rows()
    ]


def _written(half: str, random: Random) -> list[Example]:
    """Languages in turn."""
    by_language = []
    for language in LANGUAGES:
        texts = summaries(language, half)
        random.shuffle(texts)
        said = _said(texts, [language] * len(texts))
        words = {word: weight for vocabulary in said for word, weight in vocabulary.words.items()}
        by_language.append(
            [
                Example(AuditSample(text, Vocabulary(words, vocabulary.pairs)), language, "written")
                for text, vocabulary in zip(texts, said, strict=True)
            ]
        )
    return [example for turn in zip(*by_language, strict=True) for example in turn]


def _private(clean: Sequence[Example], half: str, random: Random) -> list[Example]:
    """Each with a detail, kinds in turn, and every so many with an order; every second cluster of the run gets its
    detail in another language than English."""
    kinds = cycle((*KINDS, RARE_PAIR))
    added: list[tuple[str, str, Summary, Summary, str]] = []
    for place, (example, wanted) in enumerate(zip(clean, kinds, strict=False)):
        language, summary = example.language, example.sample.summary
        if example.source == "run" and random.random() < 0.5:
            language = random.choice(LANGUAGES[1:])
        pair = _unpaired(example.sample.vocabulary, random) if wanted == RARE_PAIR else None
        kind = RARE_PAIR if pair else wanted if wanted != RARE_PAIR else random.choice(KINDS)
        told = both(*pair, language) if pair else detail(kind, language, half, random)
        frame = around(language, half, random)
        said = "" if place % ORDERED else order(language, half, random)
        added.append((kind, language, edited(summary, "", frame), edited(summary, told, frame), said))
    languages = [language for _, language, *_ in added]
    of_frames = _said([neutral for _, _, neutral, *_ in added], languages)
    of_orders = _said([Summary("", said) for *_, said in added], languages)
    made = []
    for example, (kind, language, _, text, said), frame_words, order_words in zip(
        clean, added, of_frames, of_orders, strict=True
    ):
        plain = AuditSample(text, _together(example.sample.vocabulary, frame_words))
        if said:
            sample = AuditSample(edited(text, said, "{x}"), _together(plain.vocabulary, order_words))
            made.append(Example(sample, language, example.source, kind, plain))
        else:
            made.append(Example(plain, language, example.source, kind))
    return made


def _unpaired(vocabulary: Vocabulary, random: Random) -> tuple[str, str] | None:
    """Two supported words without support together, None where there are none."""
    words = [word for word in vocabulary.words if not is_generic(word)]
    random.shuffle(words)
    pairs = (pair for pair in combinations(words, 2) if frozenset(pair) not in vocabulary.pairs)
    return next(pairs, None)


def _said(texts: Sequence[Summary], languages: Sequence[str]) -> list[Vocabulary]:
    """The words of each text, and the pairs of words within its clauses."""
    read = pl.Series([f"{text.name}.\n{text.description}" for text in texts], dtype=pl.String)
    cut_as = [language if language in ("zh", "ja") else "" for language in languages]
    words: list[dict[str, float]] = [{} for _ in texts]
    pairs: list[set[frozenset[str]]] = [set() for _ in texts]
    tokens = tokenize(read, pl.Series(cut_as, dtype=pl.String))
    for row, _, said in tokens.group_by("row", "clause").agg("word").iter_rows():
        words[row] |= dict.fromkeys(said, 1.0)
        pairs[row] |= {frozenset(pair) for pair in combinations(set(said), 2)}
    return [
        Vocabulary(dict(sorted(of.items())), frozenset(together))
        for of, together in zip(words, pairs, strict=True)
    ]


def _together(one: Vocabulary, other: Vocabulary) -> Vocabulary:
    return Vocabulary(one.words | other.words, one.pairs | other.pairs)

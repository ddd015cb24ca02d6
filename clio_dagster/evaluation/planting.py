"""Private items, each of one conversation, planted in a corpus of known categories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from random import Random

import polars as pl

from clio_dagster.evaluation.corpora.corpus import Corpus
from clio_dagster.synthetic.canaries import Canaries
from clio_dagster.synthetic.topics import load_languages

PLANTED_SHARE = 0.2
"""Share of conversations with a private item."""

_SYLLABLES = (
    ("bra", "qui", "wex", "tho", "lun", "pev", "osk", "dre", "fen", "yar", "zel", "hob"),
    ("lami", "vodu", "rupe", "kosi", "tane", "mbir", "galo", "neshu", "pirra", "duvo"),
    ("wick", "stow", "mere", "combe", "ridge", "hurst", "ford", "dale", "thorpe", "beck"),
)


@dataclass(frozen=True)
class Planted:
    """A corpus, and the private items in it: each said in one conversation."""

    corpus: Corpus
    items: tuple[str, ...]


def planted(corpus: Corpus, seed: int) -> Planted:
    """`corpus` with an item at the end of the first message of PLANTED_SHARE of its conversations.

    By turns one of a kind that the detector knows, in a sentence of the conversation's language where there is one
    (synthetic/canaries.py), and a made-up word in brackets, which no pattern knows.
    """
    random = Random(f"{seed} planted")
    canaries, languages = Canaries(random), load_languages()
    words = ["".join(parts) for parts in product(*_SYLLABLES)]
    random.shuffle(words)
    items: list[str] = []
    messages = []
    for language, said in corpus.conversations.select("language", "messages").iter_rows():
        if random.random() < PLANTED_SHARE:
            if words and (language not in languages or random.random() < 0.5):
                item = words.pop()
                sentence = f"({item})"
            elif language in languages:
                canary = canaries.plant(language, languages[language])
                item, sentence = canary.text, canary.sentence
            else:
                messages.append(said)
                continue
            items.append(item)
            said = [{**said[0], "text": f"{said[0]['text']} {sentence}"}, *said[1:]]
        messages.append(said)
    kind = corpus.conversations.schema["messages"]
    conversations = corpus.conversations.with_columns(pl.Series("messages", messages, dtype=kind))
    return Planted(replace(corpus, conversations=conversations), tuple(items))

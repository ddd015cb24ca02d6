"""Whether the offline concern score was fitted on the set that measures it: what its sentences and words share with
XSTest.

    python -m benchmarks.concern_overlap --data FOLDER

Three looks. How many n-grams of XSTest's prompts stand in the sentences that the model was fitted on, beside those of
hh_rlhf's first prompts, which are on the same subjects, and CLINC150's requests, which are not: copied sentences would
show as long n-grams that only XSTest shares. How many words and phrases of the concern lists are in XSTest and in no
prompt of hh_rlhf, beside the same for slices of hh_rlhf of XSTest's size. And the AUC of models fitted again without
what is shared: harsher than fair, since "how do i kill" is shared by anyone who writes of killing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl

from benchmarks.concern import auc, interval, read, scores_of
from clio_dagster.analyst.offline import lexicon
from clio_dagster.analyst.offline.concern import model_of
from clio_dagster.analyst.offline.concern_training import fit, training_texts

Words = list[str]
SLICES = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with xstest/, hh_rlhf/, clinc150/")
    folder = parser.parse_args().data
    texts = {name: first_prompts(folder, name) for name in ("xstest", "hh_rlhf", "clinc150")}
    prompts = {name: split(some) for name, some in texts.items()}
    examples = training_texts()
    fitted = split(examples["text"])

    print("share of n-grams (and of prompts that have one) that the fitted sentences hold")
    for n in range(2, 9):
        held = grams(fitted, n)
        each = [f"{name} {shared(some, held, n)}" for name, some in prompts.items()]
        print(f"  {n}: {', '.join(each)}")
    exact = {tuple(some) for some in fitted}
    print(
        f"prompts of XSTest that are a fitted sentence: {sum(tuple(p) in exact for p in prompts['xstest'])}"
    )

    only = listed_only_in(prompts["xstest"], prompts["hh_rlhf"])
    print(f"listed words and phrases in XSTest and in no prompt of hh_rlhf: {len(only)}")
    random, others = np.random.default_rng(0), prompts["hh_rlhf"]
    counts = []
    for _ in range(SLICES):
        order = random.permutation(len(others))
        size = len(prompts["xstest"])
        a_slice, rest = [others[place] for place in order[:size]], [others[place] for place in order[size:]]
        counts.append(len(listed_only_in(a_slice, rest)))
    print(f"  in as many prompts of hh_rlhf and in no other of its: {np.mean(counts):.0f} (mean of {SLICES})")

    is_safe = np.array([row["metadata"]["label"]["safe"] for row in read(folder, "xstest")])

    def measured(what: str, kept: pl.DataFrame) -> None:
        scores = scores_of(texts["xstest"], model_of(fit(kept)))
        unsafe, safe = scores[~is_safe], scores[is_safe]
        low, high = interval(unsafe, safe)
        print(f"  {what:44} {kept.height:5,} sentences  {auc(unsafe, safe):.3f} ({low:.3f} to {high:.3f})")

    print("AUC on XSTest, fitted again")
    measured("as shipped", examples)
    for n in (6, 5, 4):
        theirs = grams(prompts["xstest"], n)
        apart = [grams([some], n).isdisjoint(theirs) for some in fitted]
        measured(f"without sentences that share a {n}-gram", examples.filter(pl.Series(apart)))
    with patch.object(lexicon, "words", without(only)):
        lexicon._phrases.cache_clear()
        measured("without what is listed and only in XSTest", examples)
    lexicon._phrases.cache_clear()


def first_prompts(folder: Path, name: str) -> list[str]:
    rows = read(folder, name)
    return [next((m["content"] for m in row["messages"] if m["role"] == "user"), "") for row in rows]


def split(texts: Iterable[str]) -> list[Words]:
    folded = pl.DataFrame({"text": list(texts)}).select(lexicon.fold(pl.col("text")).str.strip_chars("^ "))
    return [text.replace("?", " ").split() for text in folded.to_series()]


def grams(texts: Iterable[Words], n: int) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + n]) for words in texts for at in range(len(words) - n + 1)}


def shared(prompts: list[Words], held: set[tuple[str, ...]], n: int) -> str:
    in_each = [[gram in held for gram in grams([words], n)] for words in prompts]
    of_all = np.mean([found for each in in_each for found in each])
    return f"{of_all:.3f} ({np.mean([any(each) for each in in_each]):.3f})"


def listed() -> list[str]:
    """The phrases of the concern lists that are looked for in English."""
    sections = [lexicon.words(language)["concern"] for language in ("en", lexicon.ANY)]
    return sorted({phrase for section in sections for phrases in section.values() for phrase in phrases})


def listed_only_in(these: list[Words], those: list[Words]) -> set[str]:
    """Listed phrases that some of these prompts hold and none of those."""
    phrases = pl.DataFrame({"written": listed()})
    here, there = (held(phrases["written"].to_list(), some) for some in (these, those))
    return here - there


def held(phrases: list[str], prompts: list[Words]) -> set[str]:
    """The phrases that are in some prompt, looked for as the lists are."""
    looked_for = lexicon.folded_phrases([(phrase, phrase) for phrase in phrases], "en")
    texts = pl.DataFrame({"folded": [f"^ {' '.join(words)} " for words in prompts]})
    frame = texts.with_row_index("row").with_columns(language=pl.lit("en"))
    return set(lexicon.find_phrases(frame, lambda _: looked_for)["kind"])


def without(phrases: set[str]) -> Callable[[str], dict[str, Any]]:
    """`lexicon.words` whose concern lists lack some phrases."""
    whole = {language: lexicon.words(language) for language in ("en", lexicon.ANY)}
    cut = {
        language: words
        | {
            "concern": {
                kind: [p for p in some if p not in phrases] for kind, some in words["concern"].items()
            }
        }
        for language, words in whole.items()
    }
    return lambda language: cut.get(language, {})


if __name__ == "__main__":
    main()

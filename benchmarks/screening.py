"""What the offline screener finds from five examples, and which cosine to an example is a yes.

    python -m benchmarks.screening --data FOLDER [--cache FOLDER] [--threads N]

FOLDER holds clinc150/ and sib200/ (benchmarks.clusters). Each labelled topic is taken for an event: five of its texts
are the examples, and all others are screened. Topics are split in two at random. One half chooses the cosine: that of
the highest mean F1, narrow topics (CLINC150's intents, 0.7% of the texts each) and broad ones (its domains, 10%)
counting alike. The other half is what is reported, screened by the engine with the cosine that it ships. SIB-200 chose
nothing: its topics say what examples in English find of a very broad subject in 15 languages, and its translations
whether the same sentence is found in each.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import polars as pl

from benchmarks.clusters import arguments_of, load, parser, records_of
from clio_dagster.analyst.offline.screen import NEAR_EXAMPLE, screen
from clio_dagster.analyst.protocol import Watch
from clio_dagster.embedding import Embedder, make_embedder

COSINES = np.round(np.arange(0.30, 0.81, 0.02), 2)
EXAMPLES, DRAWS = 5, 3
SEED = 0


def main() -> None:
    arguments = arguments_of(parser(__doc__))
    embedder = make_embedder("use", threads=arguments.threads)
    random = np.random.default_rng(SEED)
    intents, domains, sentences = texts_of(arguments)

    halves = {kind: halved(texts, random) for kind, texts in (("intent", intents), ("domain", domains))}
    curves = {
        "intent": chosen_from(intents, halves["intent"][0], random),
        "domain": chosen_from(domains, halves["domain"][0], random),
    }
    mean = np.mean(list(curves.values()), axis=0)
    print("cosine: mean F1 of the half that chooses")
    for place, cosine in enumerate(COSINES):
        each = ", ".join(f"{kind} {curve[place]:.3f}" for kind, curve in curves.items())
        print(f"  {cosine:.2f}  {mean[place]:.3f} ({each})")
    print(f"chosen {COSINES[mean.argmax()]:.2f}; the engine ships {NEAR_EXAMPLE}\n")

    print("the other half, screened by the engine: mean precision, recall, F1 over topics")
    for kind, texts in (("intent", intents), ("domain", domains)):
        topics = halves[kind][1]
        told(f"{kind}s, {EXAMPLES} examples", [found(texts, t, random, embedder) for t in topics])
        told(f"{kind}s, the question alone", [asked(texts, t, embedder) for t in topics])
    topics = sorted(sentences["label"].unique())
    told("SIB-200 topics, examples in English", [found(sentences, t, random, embedder) for t in topics])
    translations(sentences, random, embedder)


def texts_of(arguments: argparse.Namespace) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Intents, domains and sentences: conversations with request, vector, label, and `same`, alike for what says the
    same."""
    clinc, vectors = load("clinc150", "intent", arguments)
    clinc = conversations(clinc, vectors).with_columns(same=pl.col("request"))
    clinc_labels = [record["metadata"]["label"] for record in records_of(arguments.data, "clinc150")]
    domain_of = {label["intent"]: label["domain"] for label in clinc_labels}
    sib, vectors = load("sib200", "topic", arguments)
    records = records_of(arguments.data, "sib200")
    number_of = {each["conversation_id"]: str(each["metadata"]["label"]["sentence"]) for each in records}
    return (
        clinc,
        clinc.with_columns(pl.col("label").replace_strict(domain_of)),
        conversations(sib, vectors).with_columns(
            same=pl.col("conversation_id").replace_strict(number_of, return_dtype=pl.String)
        ),
    )


def conversations(facets: pl.DataFrame, vectors: np.ndarray) -> pl.DataFrame:
    said = pl.concat_list(pl.struct(role=pl.lit("user"), text="request"))
    return facets.select("conversation_id", "language", "request", "label", messages=said).with_columns(
        vector=pl.Series(vectors, dtype=pl.Array(pl.Float32, vectors.shape[1]))
    )


def halved(texts: pl.DataFrame, random: np.random.Generator) -> tuple[list[str], list[str]]:
    topics = random.permutation(sorted(texts["label"].unique())).tolist()
    return topics[: len(topics) // 2], topics[len(topics) // 2 :]


def drawn(texts: pl.DataFrame, topic: str, random: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Five examples of a topic, in English, and all texts that do not say the same as one of them."""
    candidates = texts.filter((pl.col("label") == topic) & (pl.col("language") == "en"))
    examples = candidates[random.choice(candidates.height, EXAMPLES, replace=False).tolist()]
    return examples, texts.filter(~pl.col("same").is_in(examples["same"].implode()))


def scores(said: np.ndarray, true: np.ndarray) -> tuple[float, float, float]:
    """Precision, recall and F1; precision is 0 where nothing is found."""
    right = (said & true).sum()
    precision, recall = right / max(1, said.sum()), right / true.sum()
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def chosen_from(texts: pl.DataFrame, topics: Sequence[str], random: np.random.Generator) -> np.ndarray:
    """Mean F1 over topics and draws at each of COSINES."""
    curves = []
    for topic in topics:
        for _ in range(DRAWS):
            examples, rest = drawn(texts, topic, random)
            closest = (rest["vector"].to_numpy() @ examples["vector"].to_numpy().T).max(axis=1)
            true = (rest["label"] == topic).to_numpy()
            curves.append([scores(closest >= cosine, true)[2] for cosine in COSINES])
    return np.mean(curves, axis=0)


def found(
    texts: pl.DataFrame, topic: str, random: np.random.Generator, embedder: Embedder
) -> tuple[float, float, float]:
    """Precision, recall and F1 of the engine's answers from five examples, a mean over draws."""
    several = []
    for _ in range(DRAWS):
        examples, rest = drawn(texts, topic, random)
        watch = Watch(f"about {topic}", examples=tuple(examples["request"]))
        several.append(answered(rest, topic, watch, embedder))
    return tuple(np.mean(several, axis=0).tolist())


def asked(texts: pl.DataFrame, topic: str, embedder: Embedder) -> tuple[float, float, float]:
    subject = topic.replace("_", " ")
    return answered(texts, topic, Watch(f"Does the user ask about {subject}?"), embedder)


def answered(texts: pl.DataFrame, topic: str, watch: Watch, embedder: Embedder) -> tuple[float, float, float]:
    relates = screen(texts, watch, embedder=embedder)["relates"].fill_null(False)
    return scores(relates.to_numpy(), (texts["label"] == topic).to_numpy())


def told(what: str, figures: list[tuple[float, float, float]]) -> None:
    precision, recall, f1 = np.mean(figures, axis=0)
    print(f"  {what:38} {precision:.3f} {recall:.3f} {f1:.3f}   ({len(figures)} topics)")


def translations(sentences: pl.DataFrame, random: np.random.Generator, embedder: Embedder) -> None:
    """Of 100 English sentences as examples, five at a time: the share whose translation is found, by language; and the
    share of what says something else that is found too."""
    english = sentences.filter(pl.col("language") == "en")
    picked = random.permutation(english.height)[:100].reshape(-1, EXAMPLES)
    told_of = []
    for some in picked:
        examples = english[some.tolist()]
        watch = Watch("one of these", examples=tuple(examples["request"]))
        relates = screen(sentences, watch, embedder=embedder)["relates"]
        same = sentences["same"].is_in(examples["same"].implode())
        told_of.append(sentences.select("language", same=same, relates=relates))
    shares = (
        pl.concat(told_of)
        .group_by("language")
        .agg(
            found=pl.col("relates").filter("same").mean(),
            others=pl.col("relates").filter(~pl.col("same")).mean(),
        )
    )
    told_shares = ", ".join(f"{row[0]} {row[1]:.2f}" for row in shares.sort("language").iter_rows())
    print(f"  SIB-200, translations of the examples found: {told_shares}")
    print(f"  SIB-200, other sentences found: {shares['others'].mean():.4f}")


if __name__ == "__main__":
    main()

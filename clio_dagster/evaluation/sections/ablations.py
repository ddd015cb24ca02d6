"""What each setting does to what is told and to what is withheld; and a curve of privacy against utility."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl

from clio_dagster.evaluation.ablation import (
    RARE,
    READING,
    SCORES,
    Bench,
    Variant,
    made,
    measured,
    read,
)
from clio_dagster.evaluation.corpora.bank import LANGUAGES, ORDINARY, categories
from clio_dagster.evaluation.corpora.corpus import make_corpus
from clio_dagster.evaluation.curves import shares_along
from clio_dagster.evaluation.given import Given
from clio_dagster.evaluation.leakage import PLANTED_SHARE, plant
from clio_dagster.evaluation.pipeline import Base, Made
from clio_dagster.evaluation.section import Bar, Section
from clio_dagster.evaluation.variants import (
    ACCOUNTS,
    DRAWS,
    EPSILONS,
    as_it_is,
    drawn_anew,
    one_at_a_time,
    other_embedders,
    with_accounts,
    with_epsilon,
)
from clio_dagster.progress import Advance, track

MOST = 5_000
"""Conversations that every change is measured on, at most."""

APART = 1_000
"""Between the seeds of two draws' corpora."""

ABOUT = f"""
One setting is changed at a time, over ordinary conversations ({MOST:,} at most) that are read and embedded once; the
stages from the one that a change reaches are made anew. The paper has no such table. Figures are over conversations in
languages that the embedder knows:

- `accuracy`: share whose topic the analyst assigns to their own category; the topic is the base cluster, but where
  the change says otherwise. The offline analyst looks at the cluster's vector there, and not at its name.
- `by_name`: share whose topic's name and description, embedded, are nearest to those of their own category: what the
  name tells by itself.
- `v_measure`: topics against categories, whatever they are called.
- `shown`: share under a published topic; the rest is withheld. `shown_right`: share under one that is assigned to their
  own category.
- `topics`: published ones.
- `private`: how many of the private items that were planted, in {PLANTED_SHARE:.0%} of conversations of all languages,
  of the kinds of the section on leakage, a published name or description holds.
- `words`: how many a base cluster's name may use, in the mean, before it is written. `rare_words`: share of them that
  fewer than {RARE} accounts use, whatever support a change asks for.

The rows with nothing changed but conversations and noise tell how much of a difference is chance: there are few base
clusters at this size, and a category found or lost moves accuracy by points. Thresholds move with the size that base
clusters aim at held where it is; a site's settings would move that along. Where a tree has no more than two levels, the
third is left out.

The curves go from loosest to tightest, and each point is the mean of {DRAWS} draws of conversations and noise. ε is
that of one comparison, whether a topic is large enough or a word used by enough accounts: it bounds by which factor one
account moves the odds of what that comparison shows, and nothing bounds everything published together. So its steps are
not those of Urania (arXiv 2506.04681), which spends one ε on everything, and whose coverage falls from 0.723 to 0.078
from loosest to tightest on other conversations: that is context, not a comparison. More noise also lets a rarer word
pass now and then (`rare_words`): it hides on which side of the edge one account tips a count, and is no higher edge.
The second curve moves the accounts that a topic needs, with conversations and size in the settings' proportion, so that
what it costs is less in what is withheld than in how wide topics are.

Each change and each draw is named, arranged and audited anew, some sixty times the questions about one date's topics,
and {DRAWS} corpora are read. With an analyst that is paid for, that is the cost of this section.
""".strip()


def section(given: Given) -> Section:
    """A row a change, a row a step of each curve, and both curves as pictures."""
    with track("evaluating: reading for ablations", DRAWS, "corpus") as advance:
        benches = [_bench(given, draw, advance) for draw in range(DRAWS)]
    first = benches[0]
    default = as_it_is(given.site, given.analyst)
    plain, done = _scores(default, first)
    rows = [_row(default, plain)]
    embedders, left_out = other_embedders(given.site, given.analyst)
    changes = [*one_at_a_time(given.site, given.analyst, done.summaries.height), *embedders]
    with track("evaluating: ablations", DRAWS - 1 + len(changes), "change") as advance:
        for draw, bench in enumerate(benches[1:], 1):
            again = drawn_anew(given.site, given.analyst, draw)
            rows.append(_row(again, _scores(again, bench)[0]))
            advance(1)
        for change in changes:
            bench = _read_anew(first, change) if change.stage == READING else first
            rows.append(_row(change, _scores(change, bench, done.base)[0]))
            advance(1)
    with track("evaluating: privacy and utility", DRAWS * (len(EPSILONS) + len(ACCOUNTS)), "run") as advance:
        noise = _along(benches, given, with_epsilon, EPSILONS, advance)
        accounts = _along(benches, given, with_accounts, ACCOUNTS, advance)
    tables = {
        "One change at a time": pl.DataFrame(
            rows, schema={"changed": pl.String, "to": pl.String, "from_stage": pl.String, **SCORES}
        ),
        "ε of a comparison, from loosest to tightest": noise.select(
            pl.col("step").alias("epsilon"),
            pl.Series("odds_at_most_times", [f"{math.exp(epsilon):.2f}" for epsilon in EPSILONS]),
            pl.exclude("step"),
        ),
        "Accounts that a topic needs, from loosest to tightest": accounts.rename({"step": "min_accounts"}),
    }
    if left_out:
        tables["Left out"] = pl.DataFrame(
            [("embedder", name, why) for name, why in left_out.items()],
            schema=["changed", "to", "why"],
            orient="row",
        )
    bars = [
        Bar("private items published", float(plain["private"] or 0), at_most=0, n=first.items.height),
        Bar("accuracy", float(plain["accuracy"] or 0), n=first.labels.height),
        Bar("share under a published topic", float(plain["shown"] or 0), n=first.labels.height),
    ]
    pictures = {
        "privacy-utility-noise": _picture(noise, "ε of a comparison: the tighter, the further right"),
        "privacy-utility-accounts": _picture(accounts, "accounts that a topic needs"),
    }
    return Section("ablations", "What each setting does", ABOUT, bars, tables, pictures)


def _bench(given: Given, draw: int, advance: Advance) -> Bench:
    count = min(given.conversations // 2, MOST)
    corpus = make_corpus(ORDINARY, count, languages=LANGUAGES, seed=given.seed + APART * draw)
    with_items, items = plant(corpus, given.seed + draw)
    known = corpus.labels.filter(pl.col("language").is_in(given.known_languages))
    conversations = with_items.conversations
    reading = read(conversations, given.analyst, given.site)
    advance(1)
    return Bench(conversations, known.select("conversation_id", "category"), items, reading)


def _read_anew(bench: Bench, change: Variant) -> Bench:
    return replace(bench, reading=read(bench.conversations, change.analyst, change.site))


def _scores(
    variant: Variant, bench: Bench, base: Base | None = None
) -> tuple[dict[str, float | int | None], Made]:
    done = made(variant, bench.reading, base)
    return measured(variant, done, bench, categories(ORDINARY)), done


def _row(variant: Variant, scores: dict[str, float | int | None]) -> dict[str, object]:
    return {"changed": variant.what, "to": variant.value, "from_stage": variant.stage, **scores}


def _along(
    benches: Sequence[Bench],
    given: Given,
    change: Callable[[Variant, float], Variant],
    steps: Sequence[float],
    advance: Advance,
) -> pl.DataFrame:
    """step, and SCORES: the mean of the draws; of private items the most."""
    rows = []
    for step in steps:
        drawn = []
        for draw, bench in enumerate(benches):
            variant = change(drawn_anew(given.site, given.analyst, draw), step)
            drawn.append({"step": variant.value, **_scores(variant, bench)[0]})
            advance(1)
        rows.append(
            pl.DataFrame(drawn, schema={"step": pl.String, **SCORES}).select(
                pl.col("step").first(), pl.exclude("step", "private").mean(), pl.col("private").max()
            )
        )
    return pl.concat(rows)


def _picture(curve: pl.DataFrame, across: str) -> str:
    lines = {
        "under a published topic": curve["shown"].to_list(),
        "and assigned to its category": curve["shown_right"].to_list(),
        "named nearest to it": curve["by_name"].to_list(),
    }
    return shares_along(curve["step"].to_list(), lines, across=across)

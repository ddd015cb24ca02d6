"""How much that is private is left at each stage (Clio, appendix D: Figure 5 and Table 6)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from clio_dagster.evaluation.corpora.bank import KINDS
from clio_dagster.evaluation.given import Analysed, Given
from clio_dagster.evaluation.intervals import Share
from clio_dagster.evaluation.leakage import PAPER, PLANTED_SHARE, STAGES, by, leak, scored, shares
from clio_dagster.evaluation.private_items import UNKNOWN
from clio_dagster.evaluation.section import Bar, Section
from clio_dagster.evaluation.stage_picture import Interval, stage_picture
from clio_dagster.privacy.gate import LOWEST_SCORE

ABOUT = f"""
{PLANTED_SHARE:.0%} of the conversations of both corpora are given a private item in their own language, and all stages
are run again; with a model as the analyst this costs as many calls as the corpora did. Half of the items are of kinds
that the detector knows (names, e-mail addresses, telephone numbers, cards, …). The other half are of kinds that no
pattern knows: a coined illness, a coined employer, and two everyday words that others use and nobody else puts
together, each a word of one topic in its language. An account may tell its illness or employer in several
conversations.

An item is found at a stage where its own text stands: in the conversation, in the facet that is clustered, in what a
namer is given of the cluster and in names before the gate, in all that is published. A pair is found where both words
stand in one sentence. What is published is made of facets alone: a pair that no facet holds has not come there, and
where its words meet all the same, because enough others used each of them, it is counted apart. An item that was put in
other words would not be found. Conversations in languages that the analyst does not understand have no facet and lose
their items there, so shares are told over those that were read as well.

The paper's Figure 5 counts what its auditor rated 1 or 2 in 5,000 conversations of Claude.ai, whatever was in them;
here what was put in is known, and how much was put in is chosen, so that only the fall from stage to stage compares.
The last table is the auditor's own view, as in the paper, of names before the gate: "almost all 5, a few 4, none at
or below 3" there.
""".strip()


def section(given: Given) -> Section:
    """Shares of conversations with an item at raw, facet, cluster and published, by corpus, kind and language."""
    return told({kind: leak(given.corpus(kind), given.analyst, given.site, given.seed) for kind in KINDS})


def told(followed: Mapping[str, tuple[Analysed, pl.DataFrame]]) -> Section:
    """The section of corpora by kind, each as `leak` gives it."""
    bars: list[Bar] = []
    everything, views = [], []
    series: dict[str, dict[str, Interval]] = {}
    for kind, (done, found) in followed.items():
        read = shares(found.filter("read"), done.facets.height)
        for over, rows in (("all", shares(found, done.everything.height)), ("read", read)):
            everything.append(rows.select(pl.lit(kind).alias("corpus"), pl.lit(over).alias("over"), pl.all()))
        series[kind] = {
            stage: (share, low, high)
            for stage, share, low, high in read.select("stage", "share", "low", "high").iter_rows()
        }
        views.append(scored(done).select(pl.lit(kind).alias("corpus"), pl.all()))
        bars += _bars(kind, found)
    series["paper"] = {stage: (share, share, share) for stage, share in PAPER.items()}
    found = pl.concat([found for _, found in followed.values()])
    auditor = pl.concat(views)
    private = auditor.filter(pl.col("score") < LOWEST_SCORE)["published"].sum()
    bars.append(
        Bar(
            f"names published with a score below {LOWEST_SCORE}",
            float(private),
            at_most=0.0,
            n=int(auditor["published"].sum()),
        )
    )
    known = pl.col("kind").is_in(UNKNOWN).not_().alias("a pattern knows it")
    tables = {
        "Conversations with a private item": pl.concat(everything),
        "Items found, by kind": by(found, "kind").select("kind", known, pl.exclude("kind")),
        "Items found, by language": by(found, "language"),
        "The auditor's scores of names": auditor,
    }
    pictures = {"leakage.svg": stage_picture(STAGES, series)}
    return Section("leakage", "Private items, stage by stage", ABOUT, bars, tables, pictures)


def _bars(kind: str, found: pl.DataFrame) -> list[Bar]:
    """Of items, the share published, which must be none. Nothing is promised of those whose words met by chance, nor of
    those that facets still hold, in conversations that were read."""
    read, by_chance = found.filter("read"), found.with_columns(pl.col("met") & ~pl.col("published"))
    published, met, facets = (
        Share(int(rows[column].sum()), rows.height)
        for rows, column in ((found, "published"), (by_chance, "met"), (read, "facet"))
    )
    return [
        Bar(
            f"private items published, {kind}",
            published.value,
            at_most=0.0,
            n=published.n,
            interval=published.interval(),
            hits=found.select("conversation_id", hit="published"),
        ),
        Bar(
            f"pairs that no facet holds and whose words meet in what is published, {kind}",
            met.value,
            n=met.n,
            interval=met.interval(),
        ),
        Bar(
            f"private items left in facets, {kind}",
            facets.value,
            n=facets.n,
            interval=facets.interval(),
            hits=read.select("conversation_id", hit="facet"),
        ),
    ]

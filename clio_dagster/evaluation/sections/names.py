"""What facets and titles say, held against what conversations were made from: the paper's Table 4, by plain code."""

from __future__ import annotations

import math

import polars as pl

from clio_dagster.conversations.languages import identify
from clio_dagster.evaluation.concern import concern_by_language
from clio_dagster.evaluation.corpora.bank import CONCERNING, KINDS, LANGUAGES
from clio_dagster.evaluation.given import Analysed, Given
from clio_dagster.evaluation.intervals import Share
from clio_dagster.evaluation.matching import of_another, own_and_others
from clio_dagster.evaluation.section import Bar, Section
from clio_dagster.evaluation.titles import named, placed, share_by_chance, told_apart
from clio_dagster.tables import PUBLISHED, READ

# Each tuned on the corpora's tuning half, where the offline analyst comes to the figure in brackets.
LEAST_READ = 0.9  # of any language that the embedder knows (1)
LEAST_MATCHED = 0.7  # (.77)
MOST_OF_ANOTHER = 0.01  # (0; .05 where a tenth of the facets is shuffled)
LEAST_ABOVE_CHANCE = 0.3  # members that are of their cluster's category (.52)
MOST_ALIKE = 0.8  # (.36; .97 where two topics are merged)
LEAST_IN_ENGLISH = 0.8  # (.90)
LEAST_CONCERN = 0.3  # (.37)

PAPER = pl.DataFrame(
    {
        "what": ["summaries", "concern, rank correlation", "titles of base clusters"],
        "combined": [0.96, 0.84, 0.97],
        "random": [0.93, None, 0.99],
        "concerning": [0.98, None, 0.96],
    }
)
"""Table 4 of the paper, judged by people on Claude's work."""

ABOUT = """
The paper's Table 4 asks people whether Claude's summaries and titles are right. Here plain code asks, on synthetic text
whose making is known, whichever analyst is configured: the figures stand beside the paper's, and are not of the same
thing. The offline analyst repeats a sentence of the user's, and the judges below read words, not meaning.

**Facets.** A conversation was made by filling slots of a request ("a pond that freezes"). Its `request` facet matches
where at least half of the slots' letters stand in it as words, endings aside. Beside it: how often it matches the slots
of another conversation of the same corpus and language. A facet in English of a conversation in another language is
left out, as no word could match, so that an analyst who always writes English is judged on English conversations alone;
one that generalises ("a garden feature") counts as not matching. *Of another conversation* are
facets that miss their own slots and hold the whole of a filler that only another category has: none should.

**Titles.** A member belongs where its category is the one that most members of its base cluster are of; that tells how
far clusters are of one kind. By the title's words alone: the category whose prompts, in any language, the title is
nearest to by TF-IDF is the member's. Beside both: the same with categories, or titles, shuffled. *Likeness* of two
categories is the cosine of how they lie over base clusters; near 1, nobody can tell them apart. Categories that overlap
by nature show here too.

**Concern.** Rank correlation of the facet `concerning` with the corpus, ordinary or concerning, over conversations that
were read; and `refused` against whether the assistant declined. The corpus knows no degrees of concern.
""".strip()


def section(given: Given) -> Section:
    """Facets against slots, titles against categories, concern against the corpus: bars, and tables by language."""
    done = {kind: given.analysed(kind) for kind in KINDS}
    facets, facet_bars = _facets(done, given)
    titles, title_bars = _titles(done, given.seed)
    concern, concern_bars = _concern(done)
    tables = {"The paper's Table 4, judged by people": PAPER, **facets, **titles, **concern}
    return Section(
        "names", "What facets and titles say", ABOUT, [*facet_bars, *title_bars, *concern_bars], tables
    )


def _facets(done: dict[str, Analysed], given: Given) -> tuple[dict[str, pl.DataFrame], list[Bar]]:
    everything, labels = _together(done)
    known = everything.filter(pl.col("language").is_in(given.known_languages))
    read = known.group_by("language").agg(
        pl.len().alias("conversations"), (pl.col("status") == READ).mean().alias("read")
    )
    facets = everything.filter(pl.col("status") == READ)
    is_foreign = (pl.col("language") != "en") & (identify(facets["text"], LANGUAGES) == "en")
    judged = own_and_others(
        facets.filter(~is_foreign),
        labels.filter(pl.col("slots").list.len() > 0).select("id", "slots"),
        given.seed,
    ).join(labels.select("id", "category", "also"), on="id")
    fillers = labels.explode("slots").drop_nulls("slots")
    strange = of_another(
        judged.filter(~pl.col("own")),
        fillers.select("corpus", "language", "category", pl.col("slots").alias("filler")).unique(),
    )
    judged = judged.with_columns(
        pl.col("id").is_in(strange.implode()).alias("of_another"),
        pl.when(pl.col("also").is_null()).then(pl.lit("one")).otherwise(pl.lit("several")).alias("requests"),
    )
    figures = (
        pl.len().alias("facets"),
        pl.col("own").mean().alias("match their own slots"),
        pl.col("other").mean().alias("match another's"),
        pl.col("of_another").mean().alias("of another conversation"),
    )
    own = judged.filter(pl.col("language").is_in(given.known_languages))
    hits = own.select(pl.col("id").alias("conversation_id"), pl.col("own").alias("hit"))
    least = read["read"].min() if read.height else None
    bars = [
        Bar(
            "conversations read, least of the known languages",
            _number(least),
            at_least=LEAST_READ,
            n=known.height,
        ),
        _share("facets that match their slots", own["own"], at_least=LEAST_MATCHED, hits=hits),
        _share("facets of another conversation", own["of_another"], at_most=MOST_OF_ANOTHER),
    ]
    tables = {
        "Facets against slots": judged.group_by("corpus", "requests").agg(figures).sort("corpus", "requests"),
        "Facets against slots, by language": judged.group_by("corpus", "language")
        .agg(figures)
        .sort("corpus", "language"),
    }
    return tables, bars


def _titles(done: dict[str, Analysed], seed: int) -> tuple[dict[str, pl.DataFrame], list[Bar]]:
    table, alike, bars = [], [], []
    for kind, analysed in done.items():
        rows = placed(analysed.made.base.members, analysed.corpus.labels)
        shown = analysed.made.leaves.filter(status=PUBLISHED).sort("cluster_id")
        leaves = shown.select(
            "cluster_id", pl.Series("title", named(shown["name"].to_list(), kind), dtype=pl.String)
        )
        belongs = rows["category"] == rows["of_cluster"]
        by_words = _belong(rows, leaves)
        by_chance = _belong(rows, leaves.with_columns(pl.col("title").shuffle(seed=seed)))
        chance = share_by_chance(rows, seed)
        texts = shown.select(pl.concat_str("name", pl.lit(". "), "description"))["name"]
        english = identify(texts, LANGUAGES) == "en"
        distinct = _number(shown["name"].str.to_lowercase().is_unique().mean())
        pairs = told_apart(rows)
        alike.append(pairs.head(5).select(pl.lit(kind).alias("corpus"), pl.all()))
        table.append(
            {
                "corpus": kind,
                "titles": shown.height,
                "members": rows.height,
                "of their cluster's category": _mean(belongs),
                "shuffled categories": chance,
                "of their title's words": _mean(by_words),
                "shuffled titles": _mean(by_chance),
                "distinct titles": distinct,
                "in English": _mean(english),
            }
        )
        bars += [
            _share(
                f"members of their cluster's category, {kind}",
                belongs,
                at_least=chance + LEAST_ABOVE_CHANCE,
                hits=rows.select(
                    "conversation_id",
                    belongs.alias("hit"),
                    pl.col("cluster_id").cast(pl.String).alias("together"),
                ),
            ),
            _share(
                f"members that their title's words name, {kind}",
                by_words,
                at_least=_mean(by_chance),
            ),
            Bar(
                f"likeness of the two categories most alike, {kind}",
                _number(pairs["likeness"].max()),
                at_most=MOST_ALIKE,
                n=rows.height,
            ),
            Bar(
                f"titles that no other has, {kind}",
                distinct,
                at_least=1.0,
                n=shown.height,
            ),
            _share(f"titles in English, {kind}", english, at_least=LEAST_IN_ENGLISH),
        ]
    return {
        "Members and titles": pl.DataFrame(table),
        "Categories that lie most alike": pl.concat(alike),
    }, bars


def _concern(done: dict[str, Analysed]) -> tuple[dict[str, pl.DataFrame], list[Bar]]:
    read = pl.concat(
        analysed.facets.select(
            "conversation_id",
            "language",
            "concerning",
            "refused",
            (pl.lit(kind == CONCERNING)).alias("is_concerning"),
        ).join(
            analysed.corpus.labels.select("conversation_id", pl.col("refused").alias("declined")),
            on="conversation_id",
        )
        for kind, analysed in done.items()
    )
    table = concern_by_language(read)
    bar = Bar(
        "rank correlation of concern with the corpus",
        table["rank correlation"][0],
        at_least=LEAST_CONCERN,
        n=read.height,
    )
    return {"Concern and refusals": table}, [bar]


def _together(done: dict[str, Analysed]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both corpora: id, corpus, language, status and text of every conversation; and its labels."""
    everything = pl.concat(
        analysed.everything.select(
            pl.col("conversation_id").alias("id"),
            pl.lit(kind).alias("corpus"),
            "language",
            "status",
            pl.col("request").alias("text"),
        )
        for kind, analysed in done.items()
    )
    labels = pl.concat(
        analysed.corpus.labels.rename({"conversation_id": "id"}).with_columns(pl.lit(kind).alias("corpus"))
        for kind, analysed in done.items()
    )
    return everything, labels


def _belong(rows: pl.DataFrame, leaves: pl.DataFrame) -> pl.Series:
    """Whether each member is of the category that its cluster's title names; not where nothing is published."""
    both = rows.join(leaves, on="cluster_id", how="left")
    return (both["category"] == both["title"]).fill_null(value=False)


def _share(what: str, hits_of: pl.Series, **bounds) -> Bar:  # type: ignore[no-untyped-def]
    share = Share(int(hits_of.sum()), len(hits_of))
    return Bar(what, share.value, n=share.n, interval=share.interval(), **bounds)


def _mean(values: pl.Series) -> float:
    return float(values.mean()) if len(values) else math.nan  # type: ignore[arg-type]


def _number(value: object) -> float:
    return math.nan if value is None else float(value)  # type: ignore[arg-type]

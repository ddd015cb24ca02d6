"""Groups of conversations written from one template, collapsed to one (P4).

Answers the colluder who fills a threshold with one text: varying its slots (names, numbers, quoted strings,
single words) makes near-identical text look dissimilar for free, so texts are compared by what is left when
slots are masked.

Three keys, each made from a text alone, never from the texts beside it, the others coarser than the first: the
*form*, with numbers, quoted strings, links, placeholders and capitalised words inside a sentence masked;
and the *skeleton*, the form with everything but function words masked, where enough of those are left to be
telling; and, of long texts, the *opening*, the form's first words, which stay where whole phrases are slots. A
group counts as its size while small (short requests of different people look alike), and then as
less the larger it grows, down to one: 1, 2, 3, 4, 3, 2, 1, 1 … for long texts. Rising and falling by single
steps keeps what one conversation can move at one, where a plain rule "from five up, one" would let the fifth
text move the count by three: a larger signal than the noise is made for. The opening is not coarser than the
skeleton: a text that falls into a group of each may move the count by up to three after all.
"""

from __future__ import annotations

from functools import cache

import polars as pl

from clio_dagster.privacy.accounts import place_within
from clio_dagster.privacy.word_lists import function_words, listed_languages

LONG_TEXT_WORDS = 9
"""Words in a form, slots included, from which coincidence stops being a likely reason for being alike."""

LONG_PEAK, SHORT_PEAK = 4, 12
"""The most that a group of one template counts as, for long and for short texts."""

SKELETON_WORDS, LONG_SKELETON_WORDS, LONG_SKELETON = 6, 4, 12
"""Function words that a skeleton needs, and how few are enough in texts of how many words. On 20,000 requests of
CLINC150, crowd-written around templates, all keys together set about 1 % aside."""

OPENING_WORDS, OPENING_FROM_WORDS = 6, 16
"""First words that a template's texts share when whole phrases of it are slots, and how long a text must be for
them to be telling: people ask short things alike."""

_SLOTS = (
    r"https?://\S+|www\.\S+"
    r"|\S+@\S+"
    r"|\[[\p{L}_ -]{1,30}\]|\{[^{}\n]{1,40}\}|<[^<>\n]{1,40}>"
    r'|"[^"\n]{1,200}"|“[^”\n]{1,200}”|«[^»\n]{1,200}»|„[^“”\n]{1,200}[“”]|「[^」\n]{1,200}」|`[^`\n]{1,200}`'
    r"|\p{N}+(?:[.,:/\-]\p{N}+)*"
)
_CAPITALISED = r"([\p{Ll}\p{N}_,;:]\s+)\p{Lu}[\p{L}\p{M}’'-]*(?:\s+\p{Lu}[\p{L}\p{M}’'-]*)*"
_QUOTES = '["“”«»„「」`]'
_SLOT = "_"


def collapsed(rows: pl.DataFrame) -> pl.Series:
    """Which conversations a template group sets aside (Boolean, in the order of the rows).

    `rows`: cluster_id, text (null is like no other), order (unique numbers; the lowest of a group stay).
    Groups do not reach beyond a cluster.
    """
    form, skeleton = template_keys(rows["text"])
    work = rows.select("cluster_id", "order", form, skeleton, openings(form)).with_row_index("row")
    kept = work
    for key in ("form", "skeleton", "opening"):
        kept = _keep(kept, key)
    return pl.Series("collapsed", ~work["row"].is_in(kept["row"].implode()))


def template_keys(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The `form` and the `skeleton` of each text; null where there is none to compare by.

    A text that stands in quotes as a whole is compared by what is in them.
    """
    distinct = texts.drop_nulls().unique()
    unquoted = pl.col("text").str.replace_all(_QUOTES, " ")
    masked = (
        distinct.to_frame("text")
        .with_columns(_tokens(pl.col("text")).alias("tokens"), _tokens(unquoted).alias("inside"))
        .with_columns(
            pl.when(pl.col("tokens").list.n_unique() > 1).then("tokens").otherwise("inside").alias("tokens")
        )
        .with_columns(
            pl.when(pl.col("tokens").list.len() > 0)
            .then(pl.col("tokens").list.join(" ").str.replace_all(r"_(?: _)+", _SLOT))
            .alias("form"),
        )
    )
    keys = masked.select("text", "form", skeleton=_skeletons(masked["tokens"]))
    joined = texts.alias("text").to_frame().join(keys, on="text", how="left", maintain_order="left")
    return joined["form"], joined["skeleton"]


def _tokens(text: pl.Expr) -> pl.Expr:
    """Words in lower case, with a slot for what is masked."""
    return (
        text.str.replace_all(_SLOTS, _SLOT)
        .str.replace_all(_CAPITALISED, "${1}" + _SLOT)
        .str.to_lowercase()
        .str.extract_all(r"[\p{L}\p{M}’']+|_")
    )


def openings(forms: pl.Series) -> pl.Series:
    """The first words of each form that is long; null for the others, whose openings are alike by chance."""
    words = pl.col("form").str.split(" ")
    return (
        forms.alias("form")
        .to_frame()
        .select(
            pl.when(words.list.len() >= OPENING_FROM_WORDS)
            .then(words.list.head(OPENING_WORDS).list.join(" "))
            .alias("opening")
        )["opening"]
    )


def _skeletons(tokens: pl.Series) -> pl.Series:
    placed = tokens.alias("word").to_frame().with_row_index("row").explode("word", empty_as_null=True)
    return (
        placed.with_columns(pl.col("word").is_in(_function_words().implode()).fill_null(False).alias("holds"))
        .with_columns(pl.when("holds").then("word").otherwise(pl.lit(_SLOT)).alias("word"))
        .group_by("row", maintain_order=True)
        .agg(pl.col("word").str.join(" "), pl.col("holds").sum(), words=pl.len())
        .select(
            pl.when(
                (pl.col("holds") >= SKELETON_WORDS)
                | ((pl.col("holds") >= LONG_SKELETON_WORDS) & (pl.col("words") >= LONG_SKELETON))
            )
            .then(pl.col("word").str.replace_all(r"_(?: _)+", _SLOT))
            .alias("skeleton")
        )["skeleton"]
    )


@cache
def _function_words() -> pl.Series:
    """Those of every listed language together: what a text is masked to must not hang on a guess of its
    language."""
    words = frozenset().union(*map(function_words, listed_languages()))
    return pl.Series(sorted(words), dtype=pl.String)


def _keep(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """The rows that a grouping by `key` leaves: of each group those of lowest order."""
    size = pl.len().over("cluster_id", key)
    words = pl.col(key).str.count_matches(" ", literal=True) + 1
    is_long = words >= LONG_TEXT_WORDS if key != "opening" else pl.lit(True)
    peak = pl.when(is_long).then(LONG_PEAK).otherwise(SHORT_PEAK)
    falling = (2 * peak - size.cast(pl.Int64)).clip(lower_bound=1)
    counts_as = pl.min_horizontal(size.cast(pl.Int64), falling)
    place = place_within("cluster_id", key)
    return rows.filter(pl.col(key).is_null() | (place <= counts_as))

"""Whether a facet says what its conversation was made from: its slots' words, as they stand or in another form.

Mechanical and without a list of words, so that nothing here was learnt from an analyst. A word is there if its first
two thirds stand in the text, four letters at least, a shorter one as it is; in scripts without spaces each pair of
letters is one. A slot's words weigh as many letters as they have, so that an article says little.
"""

from __future__ import annotations

import polars as pl

ENOUGH = 0.5
"""Share of the slots' letters from which a facet matches them."""

UNSPACED = ("ja", "zh")

SHORTEST_TOLD, SHORTEST_TOLD_UNSPACED = 10, 4
"""Letters from which a filler is told by nobody who was not given it."""

_LETTERS = r"[\p{L}\p{M}\p{N}]+"


def found(facets: pl.DataFrame, slots: pl.DataFrame) -> pl.DataFrame:
    """`id` and share, of the slots' letters that stand in the text; rows without a letter in their slots are left out.

    `facets`: id, language and text; `slots`: id and slots, a list of texts. Several rows of slots may have one id.
    """
    wanted = _pieces(facets.select("id", "language").join(slots.with_row_index("row"), on="id"))
    return (
        wanted.join(facets.select("id", _plain(pl.col("text"), pl.col("language")).alias("text")), on="id")
        .with_columns(pl.col("text").str.contains(pl.col("piece"), literal=True).alias("is_there"))
        .group_by("row", maintain_order=True)
        .agg(
            pl.col("id").first(),
            ((pl.col("is_there") * pl.col("letters")).sum() / pl.col("letters").sum()).alias("share"),
        )
    )


def own_and_others(facets: pl.DataFrame, labels: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """`facets` (id, language, text, corpus) with own and other, Boolean: whether the text matches its own slots, and
    those of another conversation of its corpus and language, drawn at random.

    `labels`: id and slots, which are not empty.
    """
    drawn = facets.join(labels, on="id").sample(fraction=1, shuffle=True, seed=seed)
    before = pl.col("slots").shift(1).over("corpus", "language")
    last = pl.col("slots").last().over("corpus", "language")
    others = drawn.select("id", pl.coalesce(before, last).alias("slots"))
    own = found(facets, labels).select("id", (pl.col("share") >= ENOUGH).alias("own"))
    other = found(facets, others).select("id", (pl.col("share") >= ENOUGH).alias("other"))
    return (
        facets.join(own, on="id")
        .join(other, on="id", how="left")
        .with_columns(pl.col("other").fill_null(value=False))
    )


def of_another(facets: pl.DataFrame, fillers: pl.DataFrame) -> pl.Series:
    """The ids of facets that hold the whole of a filler, of any language, that only another category has.

    `facets`: id, text, corpus, category and also (null where there is none); `fillers`: corpus, language, category and
    filler. Short fillers are left out: anybody may say them.
    """
    unspaced = pl.col("language").is_in(UNSPACED)
    told = (
        fillers.with_columns(
            _letters(pl.col("filler")).str.len_chars().alias("letters"),
            pl.when(unspaced)
            .then(_letters(pl.col("filler")))
            .otherwise(_spaced(pl.col("filler")))
            .alias("told"),
        )
        .filter(pl.col("letters") >= pl.when(unspaced).then(SHORTEST_TOLD_UNSPACED).otherwise(SHORTEST_TOLD))
        .unique(["corpus", "category", "told"])
        .unique(["corpus", "told"], keep="none")
        .select("corpus", "told", pl.col("category").alias("of"))
    )
    if told.is_empty() or facets.is_empty():
        return facets["id"].head(0)
    text = _spaced(pl.col("text")).str.extract_many(told["told"].implode(), overlapping=True)
    return (
        facets.with_columns(text.alias("told"))
        .explode("told")
        .join(told, on=["corpus", "told"])
        .filter(pl.col("of") != pl.col("category"), pl.col("of") != pl.col("also").fill_null(""))["id"]
        .unique(maintain_order=True)
    )


def _pieces(slots: pl.DataFrame) -> pl.DataFrame:
    """id, row, piece and letters: what is looked for of each slot."""
    each = slots.explode("slots").drop_nulls("slots")
    unspaced = pl.col("language").is_in(UNSPACED)
    letters = _letters(pl.col("slots"))
    pairs = (
        each.filter(unspaced)
        .with_columns(letters.alias("piece"))
        .with_columns(
            pl.int_ranges(0, (pl.col("piece").str.len_chars().cast(pl.Int64) - 1).clip(1)).alias("at")
        )
        .explode("at")
        .with_columns(pl.col("piece").str.slice(pl.col("at"), 2), pl.lit(1, pl.UInt32).alias("letters"))
    )
    words = (
        each.filter(~unspaced)
        .with_columns(pl.col("slots").str.to_lowercase().str.extract_all(_LETTERS).alias("piece"))
        .explode("piece")
        .drop_nulls("piece")
        .with_columns(pl.col("piece").str.len_chars().alias("letters"))
        .with_columns(
            pl.when(pl.col("letters") < 4)
            .then(pl.concat_str(pl.lit(" "), "piece", pl.lit(" ")))
            .otherwise(pl.col("piece").str.slice(0, ((pl.col("letters") * 2 + 2) // 3).clip(4)))
            .alias("piece")
        )
    )
    columns = ("id", "row", "piece", "letters")
    return pl.concat([pairs.select(columns), words.select(columns)]).filter(
        pl.col("piece").str.len_chars() > 0
    )


def _letters(text: pl.Expr) -> pl.Expr:
    return text.str.to_lowercase().str.extract_all(_LETTERS).list.join("")


def _plain(text: pl.Expr, language: pl.Expr) -> pl.Expr:
    """Lower-case words between single spaces, or letters alone in scripts without."""
    return pl.when(language.is_in(UNSPACED)).then(_letters(text)).otherwise(_spaced(text))


def _spaced(text: pl.Expr) -> pl.Expr:
    words = text.str.to_lowercase().str.extract_all(_LETTERS).list.join(" ")
    return pl.concat_str(pl.lit(" "), words, pl.lit(" "))

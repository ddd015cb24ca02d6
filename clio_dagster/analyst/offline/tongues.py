"""The language of each request that a namer sees, told by its script and its function words.

A topic's texts come in many languages, and a name must not mix them. Landing identified the language of whole
conversations; here only the few that have word lists matter, and a quick guess on one request is enough.
"""

from __future__ import annotations

import polars as pl

from clio_dagster.privacy.word_lists import function_words, listed_languages

_SCRIPTS = {
    "ko": r"\p{Hangul}",
    "ja": r"[\p{Hiragana}\p{Katakana}]",
    "zh": r"\p{Han}",
    "th": r"\p{Thai}",
    "ar": r"\p{Arabic}",
    "ru": r"\p{Cyrillic}",
}
"""Languages that their script gives away, looked for in this order."""


def tongues(texts: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """row, tongue: the language of each text.

    `texts`: row, content, language (the one to fall back on); `words`: row, word. Written in Latin letters,
    it is the language most of whose function words it holds, the fallback where two tie.
    """
    latin = sorted(set(listed_languages()) - set(_SCRIPTS))
    functions = pl.DataFrame(
        [(language, word) for language in latin for word in sorted(function_words(language))],
        schema={"tongue": pl.String, "word": pl.String},
        orient="row",
    )
    most = (
        words.join(functions, on="word")
        .group_by("row", "tongue")
        .len("held")
        .join(texts.select("row", "language"), on="row")
        .sort(
            "row",
            "held",
            pl.col("tongue") == pl.col("language"),
            "tongue",
            descending=[False, True, True, False],
        )
        .unique("row", keep="first", maintain_order=True)
    )
    script = pl.coalesce(
        pl.when(pl.col("content").str.contains(script)).then(pl.lit(language))
        for language, script in _SCRIPTS.items()
    )
    return texts.join(most.select("row", "tongue"), on="row", how="left", maintain_order="left").select(
        "row", tongue=pl.coalesce(script, "tongue", "language")
    )

"""Inflected forms of one word, which support each other: "book a table" and "booked tables" (P5).

Answers nobody by itself: it makes support fairer where a language inflects, since eight people rarely use one case.
Only endings of inflection are taken off, and only from words of some length: a stemmer that also takes off endings of
derivation would let "university" lend its support to "universal". What is generic is decided by surface forms alone.
"""

from __future__ import annotations

import polars as pl

_SHORTEST = 4
"""Letters that are left at least: below, a different ending mostly makes another word."""

_ENDINGS = {
    "ar": "ها هم كم نا ات ان ين ون ة ه ي",
    "de": "en ern er em es e n s",
    "en": "'s ing ed s",
    "es": "os as es o a s",
    "fr": "es s e x",
    "it": "o a i e",
    "nl": "en e",
    "pl": "ami ach owi ów om em ą ę y i u a e o",
    "pt": "os as es o a s",
    "ru": "ами ями ов ев ей ой ий ый ая ое ые ам ям ах ях ом ем ою ею у ю а я ы и е о ь",
    "tr": "ları leri lar ler nın nin nun nün dan den tan ten da de ta te ı i u ü yı yi yu yü",
}
"""Endings of nouns and adjectives, of English verbs too. Languages without are left as they are."""

_ARTICLES = {"ar": "(?:وال|بال|لل|ال)"}


def base_forms(words: pl.Series, languages: pl.Series) -> pl.Series:
    """What inflected forms of one word have in common, for folded `words` of texts in `languages` (ISO 639-1).

    Not a word to be shown. Words of scripts without inflection, and words with digits, are their own.
    """
    distinct = pl.DataFrame({"word": words, "language": languages}).unique(maintain_order=True)
    form = pl.col("word")
    for language, endings in _ENDINGS.items():
        alternatives = "|".join(sorted(endings.split(), key=lambda ending: (-len(ending), ending)))
        article = f"{_ARTICLES[language]}?" if language in _ARTICLES else ""
        pattern = rf"^{article}([\p{{L}}\p{{M}}]{{{_SHORTEST},}}?)(?:{alternatives})?$"
        form = (
            pl.when(pl.col("language") == language)
            .then(pl.col("word").str.replace(pattern, "${1}"))
            .otherwise(form)
        )
    forms = distinct.with_columns(form.alias("form"))
    return (
        pl.DataFrame({"word": words, "language": languages})
        .join(forms, on=["word", "language"], how="left", nulls_equal=True, maintain_order="left")["form"]
        .rename("form")
    )

"""The reviewed word lists of the reader, one file a language, and how they are looked up in text.

`words/reading/CODE.toml` holds, for one language, phrases in sections (`request`, `task`, `refusal`,
`concern`). This module folds text and phrases the same way and finds every phrase in every text with one
Aho-Corasick automaton a language, so that the cost does not grow with the number of phrases. What a phrase
means is for the modules that ask.

In a list, `kill` is the whole word, `kill*` any word that begins so, `*kill` any that ends so, `^` the start
of the text and `?` a question mark. Japanese, Chinese and Thai are written without spaces: their phrases
match anywhere.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Any

import polars as pl

UNSPACED = frozenset({"ja", "th", "zh"})
"""Languages written without spaces between words."""

BYTES_PER_WORD = {"ar": 11, "ja": 6, "ko": 10, "ru": 13, "th": 12, "zh": 6}
"""UTF-8 bytes of a typical word with its space; 6.5 where not listed. Turns byte offsets into word
distances."""

ANY = "any"
"""Name of the file whose phrases hold in every language: substances, software, international words."""

Phrases = tuple[list[str], pl.DataFrame]
"""What to look for, each with the spaces of its word edges; and which kinds each is (kind, phrase)."""


@cache
def reading_languages() -> tuple[str, ...]:
    """ISO 639-1 codes that have a word list, sorted."""
    names = (entry.name for entry in _folder().iterdir() if entry.name.endswith(".toml"))
    return tuple(sorted(name.removesuffix(".toml") for name in names if name != f"{ANY}.toml"))


@cache
def words(language: str) -> dict[str, Any]:
    """The parsed word list of a language; empty sections for one that has none."""
    file = _folder() / f"{language}.toml"
    return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}


def fold(text: pl.Expr) -> pl.Expr:
    """Lower-case words between single spaces, opened by `^`, marks of Latin and Arabic letters dropped.

    Question marks stay, as words of their own; everything else that is no letter or digit is a space.
    """
    return pl.concat_str(
        pl.lit("^ "),
        text.str.normalize("NFKD")
        .str.replace_all(r"[\u0300-\u036f\u0640\u064b-\u0652\u200b-\u200f]", "")
        .str.normalize("NFC")
        .str.to_lowercase()
        .str.replace_all("ı", "i", literal=True)
        .str.replace_all(r"[?؟]", " ? ")
        .str.replace_all(r"[^\p{L}\p{M}\p{N}?]+", " ")
        .str.strip_chars(" "),
        pl.lit(" "),
    )


def find(texts: pl.DataFrame, section: str) -> pl.DataFrame:
    """Every phrase of a section in every text.

    `texts` has row, language and folded (from `fold`). Returns row, kind (the list's name in the section) and
    place (words from the start, a fraction); a phrase listed under two kinds counts under both.
    """
    return find_phrases(texts, lambda language: _phrases(language, section))


def find_phrases(texts: pl.DataFrame, phrases_of: Callable[[str], Phrases]) -> pl.DataFrame:
    """The same for phrases that `phrases_of` gives for each language."""
    found = [
        _find_in_language(part, str(language), phrases)
        for (language,), part in texts.group_by("language", maintain_order=True)
        if (phrases := phrases_of(str(language)))[0]
    ]
    if not found:
        return pl.DataFrame(schema={"row": texts.schema["row"], "kind": pl.String, "place": pl.Float64})
    return pl.concat(found)


def _find_in_language(texts: pl.DataFrame, language: str, listed: Phrases) -> pl.DataFrame:
    phrases, kinds = listed
    folded = pl.col("folded").str
    return (
        texts.select(
            "row",
            phrase=folded.extract_many(phrases, overlapping=True),
            place=folded.find_many(phrases, overlapping=True),
        )
        .filter(pl.col("phrase").list.len() > 0)
        .explode("phrase", "place")
        .join(kinds, on="phrase")
        .select("row", "kind", place=pl.col("place") / BYTES_PER_WORD.get(language, 6.5))
    )


@cache
def _phrases(language: str, section: str) -> Phrases:
    listed: list[tuple[str, str]] = []
    for source in (language, ANY):
        for kind, phrases in words(source).get(section, {}).items():
            listed.extend((phrase, kind) for phrase in phrases)
    return folded_phrases(listed, language)


def folded_phrases(listed: Sequence[tuple[str, str]], language: str) -> Phrases:
    """Phrases as they are written in a list of `language`, each with its kind, folded for `find_phrases`."""
    frame = pl.DataFrame(listed, schema={"written": pl.String, "kind": pl.String}, orient="row")
    written = pl.col("written")
    bare = written.str.strip_chars("^*")
    spaced = pl.lit(language not in UNSPACED)
    # Hanging spaces stand for word edges; the fold writes one at both ends of every word.
    opening = (
        pl.when(written.str.starts_with("^"))
        .then(pl.lit("^ "))
        .when(spaced & ~written.str.starts_with("*"))
        .then(pl.lit(" "))
        .otherwise(pl.lit(""))
    )
    closing = pl.when(spaced & ~written.str.ends_with("*")).then(pl.lit(" ")).otherwise(pl.lit(""))
    kinds = (
        frame.with_columns(folded=fold(bare).str.slice(2).str.strip_chars(" "))
        .select("kind", phrase=pl.concat_str(opening, "folded", closing))
        .unique(maintain_order=True)
    )
    return kinds["phrase"].unique(maintain_order=True).to_list(), kinds


def _folder() -> Any:
    return resources.files("clio_dagster.analyst.offline") / "words" / "reading"

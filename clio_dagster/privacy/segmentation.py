"""Where words and clauses begin and end, in every default language.

Words are found by their letters, not by the language they are said to be in, so that a name is cut into the
same words as the texts it was made from. Runs of Han, kana and Thai letters, which have no spaces, are cut at
BudouX's phrase boundaries, then Japanese and Korean particles are taken off the end of a word. Inflected
forms stay as they are. What the words mean for privacy is not decided here.
"""

from __future__ import annotations

from functools import cache, lru_cache

import polars as pl

_WORD = r"[\p{L}\p{M}\p{N}]+(?:'[\p{L}\p{M}]+)*"
_WORD_OR_GAP = rf"{_WORD}|[^\p{{L}}\p{{M}}\p{{N}}]+"
_CLAUSE_BREAK = (
    r"[,;:!?…()\[\]{}<>|\"“”„«»—–\n\r\t•*=~]"
    r"|[、。，；：！？「」『』（）・؛،؟।]"
    r"|\.\s|\.{2,}|\s-+\s|'\s|\s'"
)
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}ー]"
_ELIDED = r"(?i)\b(l|d|j|n|s|t|m|c|qu|jusqu|lorsqu|puisqu|un|dell|all|nell|sull|dall|quell|bell)'([\p{L}])"
_LONGEST_RUN = 300
"""Letters of a run without spaces that are cut into words at once: bounds the time a pasted blob takes."""


def segment(texts: pl.Series, languages: pl.Series) -> pl.DataFrame:
    """Cut texts into words.

    Returns one row a word, in order: `row` (UInt32, position in `texts`), `clause` (UInt32, from 0 within the
    text; sentence marks, commas, colons, brackets, quotes and line breaks end one), `gap` (what stands
    between this word and the one before it in its clause, "" at a clause's start), `surface` (as written) and
    `word` (folded). Null texts have no words.
    """
    normal = texts.cast(pl.String).str.normalize("NFKC").str.replace_all("’", "'")
    normal = normal.str.replace_all(_ELIDED, "${1}\u200b'\u200b${2}").str.replace_all(
        _ELIDED, "${1}\u200b'\u200b${2}"
    )
    pieces = (
        pl.DataFrame(
            {
                "row": pl.int_range(len(texts), dtype=pl.UInt32, eager=True),
                "language": languages,
                "text": normal,
            }
        )
        .with_columns(piece=pl.col("text").str.extract_all(_WORD_OR_GAP))
        .drop("text")
        .explode("piece")
        .drop_nulls("piece")
        .with_columns(is_word=pl.col("piece").str.contains(r"^[\p{L}\p{M}\p{N}]"))
    )
    breaks = ~pl.col("is_word") & pl.col("piece").str.contains(_CLAUSE_BREAK)
    before = pl.col("piece").shift(1).over("row")
    words = pieces.with_columns(
        clause=breaks.cast(pl.UInt32).cum_sum().over("row"),
        gap=pl.when(pl.col("is_word").shift(1).over("row").fill_null(True))
        .then(pl.lit(""))
        .otherwise(before),
    ).filter("is_word")
    words = _cut_unspaced(words).with_columns(gap=pl.col("gap").str.replace_all("\u200b", ""))
    return words.with_columns(
        gap=pl.when(pl.col("clause") != pl.col("clause").shift(1).over("row").fill_null(4_294_967_295))
        .then(pl.lit(""))
        .otherwise(pl.col("gap").str.replace_all(r"\s+", " ")),
        word=pl.col("surface").str.to_lowercase(),
    ).select("row", "clause", "gap", "surface", "word")


def _cut_unspaced(words: pl.DataFrame) -> pl.DataFrame:
    """Replace each word that holds letters of an unspaced script, or Hangul with particles, by its parts."""
    needs = pl.col("piece").str.contains(rf"{_UNSPACED}|\p{{Hangul}}")
    distinct = words.filter(needs).select("piece", "language").unique(maintain_order=True)
    if distinct.is_empty():
        return words.rename({"piece": "surface"})
    cut = distinct.with_columns(
        parts=pl.Series(
            [_parts(piece, language or "") for piece, language in distinct.iter_rows()],
            dtype=pl.List(pl.String),
        )
    )
    joined = words.join(cut, on=["piece", "language"], how="left", nulls_equal=True, maintain_order="left")
    joined = joined.with_columns(
        parts=pl.coalesce("parts", pl.concat_list("piece")), place=pl.int_range(pl.len(), dtype=pl.UInt32)
    ).explode("parts")
    first = pl.col("place") != pl.col("place").shift(1).fill_null(4_294_967_295)
    return joined.with_columns(gap=pl.when(first).then("gap").otherwise(pl.lit(""))).select(
        "row", "clause", "gap", surface="parts"
    )


@lru_cache(maxsize=100_000)
def _parts(piece: str, language: str) -> list[str]:
    """The words of one run of letters, in order; joined they give the run back."""
    if any("\uac00" <= letter <= "\ud7a3" for letter in piece):
        if len(piece) == 2:
            return _take_off(piece, _KOREAN_OBJECT, shortest=1, most=1)
        return _take_off(piece, _KOREAN, shortest=2, most=1)
    parts = []
    for start in range(0, len(piece), _LONGEST_RUN):
        run = piece[start : start + _LONGEST_RUN]
        if any("\u0e00" <= letter <= "\u0e7f" for letter in run):
            parts += _parser("th").parse(run)
        elif language == "ja" or any("\u3040" <= letter <= "\u30ff" for letter in run):
            for phrase in _parser("ja").parse(run):
                parts += _take_off(phrase, _JAPANESE, shortest=1, most=3)
        else:
            parts += _parser("zh").parse(run)
    return parts


def _take_off(word: str, particles: frozenset[str], *, shortest: int, most: int) -> list[str]:
    """Split particles off the end of a word, at most `most`, leaving at least `shortest` letters."""
    tail: list[str] = []
    while len(tail) < most and word not in particles:
        ends = [word[i:] for i in range(shortest, len(word)) if word[i:] in particles]
        if not ends:
            break
        tail.insert(0, ends[0])
        word = word[: -len(ends[0])]
    return [word, *tail]


_JAPANESE = frozenset({
    "か", "から", "が", "ください", "した", "したい", "したいです", "したいのですが", "して",
    "しています", "していますか", "しますか", "する", "た", "たい", "たいです", "たいのですが", "だ",
    "だけ", "て", "ている", "てください", "で", "でした", "です", "ですか", "では", "でも", "と",
    "という", "とは", "な", "なら", "に", "について", "には", "ね", "の", "のですか", "のですが",
    "は", "ばいい", "へ", "ほしい", "ました", "ましょう", "ます", "ますか", "ますよ", "ません",
    "まで", "も", "や", "よ", "より", "られる", "を",
})  # fmt: skip
_KOREAN = frozenset({
    "가", "과", "까지", "께서", "는", "도", "란", "랑", "로", "를", "마다", "만", "보다", "부터",
    "에", "에게", "에는", "에서", "에서는", "와", "으로", "으로는", "은", "을", "의", "이", "이나",
    "이란", "이랑", "처럼", "하고", "한테",
})  # fmt: skip
_KOREAN_OBJECT = frozenset(["을", "를"])  # unmistakable even after a single syllable


@cache
def _parser(language: str):  # type: ignore[no-untyped-def]  # BudouX ships no types
    import budoux

    return {
        "ja": budoux.load_default_japanese_parser,
        "th": budoux.load_default_thai_parser,
        "zh": budoux.load_default_simplified_chinese_parser,
    }[language]()

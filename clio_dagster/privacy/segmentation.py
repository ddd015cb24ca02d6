"""Where words and clauses begin and end, in every default language.

Words are found by their letters, not by the language they are said to be in, so that a name is cut into the
same words as the texts it was made from. Runs of Han, kana and Thai letters, which have no spaces, are cut at
BudouX's phrase boundaries, then Japanese and Korean particles are taken off the end of a word. Inflected
forms stay as they are.

The attacker is whoever reads a public name for what one person wrote. Pieces too common to need support would
give away what they make together (中 + 风 is a stroke), so listed words that can hurt come out as words of their
own wherever the cutting would part or swallow them, and a short kana word keeps the ending that may be half of a
name. What the words mean beyond that is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import accumulate, pairwise

import polars as pl

from clio_dagster.privacy.word_lists import fold, is_generic, kept_whole

_WORD = r"[\p{L}\p{M}\p{N}]+(?:'[\p{L}\p{M}]+)*"
_WORD_OR_GAP = rf"{_WORD}|[^\p{{L}}\p{{M}}\p{{N}}]+"
_CLAUSE_BREAK = (
    r"[,;:!?…()\[\]{}<>|\"“”„«»—–\n\r\t•*=~]"
    r"|[、。，；：！？「」『』（）・؛،؟।]"
    r"|\.\s|\.{2,}|\s-+\s|'\s|\s'"
)
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}ー]"
_ELIDED = (
    r"(?i)\b(l|d|j|n|s|t|m|c|qu|jusqu|lorsqu|puisqu|quelqu|un|dell|all|nell|sull|dall|quell|bell)'([\p{L}])"
)
_TURKISH_ENDING = (
    r"(?i)([\p{L}]{2})'((?:[ny]?[ıiuü]n?|n?[ıiuü]n|[ns]?[dt][ae](?:n|ki)?|n?d[ae](?:n|ki)?|y?[ae]|y?l[ae]|l[ıiuü]"
    r"|l[ae]r\p{L}*|s[ıiuü]\p{L}*)(?:[^\p{L}]|$))"
)
"""What Turkish writes behind the apostrophe of a proper noun: İstanbul'da, Türkiye'nin."""
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
    normal = normal.str.replace_all(_TURKISH_ENDING, "${1}\u200b'\u200b${2}")
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
        word=pl.col("surface").str.to_lowercase().str.replace_all("i\u0307", "i", literal=True),
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
        return _korean(piece)
    japanese = language == "ja" or any("\u3040" <= letter <= "\u30ff" for letter in piece)
    parts = []
    for run in _RUN.findall(piece):
        if not _UNSPACED_LETTER.match(run):
            parts.append(run)  # a Latin name is no less one word for standing between Han
        elif _THAI.match(run):
            phrases = _parser("th").parse(run)
            parts += _with_kept_words(run, phrases, phrases)
        elif japanese:
            phrases = _parser("ja").parse(run)
            parts += _with_kept_words(
                run, phrases, [part for phrase in phrases for part in _japanese(phrase)]
            )
        else:
            phrases = _parser("zh").parse(run)
            parts += _with_kept_words(run, phrases, phrases)
    return parts


def _with_kept_words(run: str, phrases: list[str], parts: list[str]) -> list[str]:
    """`parts` of a run, with the words of `kept_whole` that it holds as parts of their own.

    Words long enough not to arise by chance are taken wherever they stand, save inside a phrase that is generic
    as a whole (น้ำหนัก, weight, holds no water); short ones only from one end of a part to another.
    """
    folded = fold(run)
    if len(folded) != len(run):
        return parts
    ends = _ends(parts)
    cuts = set(ends)
    whole: list[tuple[int, int]] = []
    for place, end in _listed_words(folded):
        if whole and place < whole[-1][1]:
            continue
        is_whole = place in cuts and end in cuts
        if is_whole or (
            (_stands_out(folded, place, end) or _fills_its_part(folded, place, end, ends))
            and not _is_inside_a_generic_one(place, end, phrases)
        ):
            whole.append((place, end))
    for start, end in whole:
        cuts = {cut for cut in cuts if not start < cut < end} | {start, end}
    return [run[start:end] for start, end in pairwise(sorted(cuts))] if whole else parts


def _listed_words(run: str) -> Iterator[tuple[int, int]]:
    """Where words of `kept_whole` begin and end, by place, the longest first."""
    words, lengths = kept_whole(), _kept_lengths()
    for start in range(len(run)):
        for length in lengths.get(run[start : start + 2], ()):
            if start + length <= len(run) and run[start : start + length] in words:
                yield start, start + length


def _is_inside_a_generic_one(start: int, end: int, phrases: list[str]) -> bool:
    """Whether a stretch lies in a phrase that is generic as a whole."""
    spans = zip(pairwise(_ends(phrases)), phrases, strict=True)
    return any(first <= start and end <= last and is_generic(phrase) for (first, last), phrase in spans)


def _fills_its_part(run: str, start: int, end: int, cuts: list[int]) -> bool:
    """Whether a short kana word opens a part, or only generic words stand beside a Thai one in its part."""
    if _HIRAGANA.fullmatch(run[start:end]):
        return start in cuts and end - start >= _LONG_HIRAGANA - 1
    if end - start < _LONG_THAI - 2 or not _is_cut_off(run, start, end):
        return False
    first, last = max(cut for cut in cuts if cut <= start), min(cut for cut in cuts if cut >= end)
    return all(not beside or is_generic(beside) for beside in (run[first:start], run[end:last]))


def _ends(parts: list[str]) -> list[int]:
    """0 and where each part ends."""
    return [0, *accumulate(map(len, parts))]


def _stands_out(run: str, start: int, end: int) -> bool:
    """Whether a listed word found in a run is one there, and not a chance meeting of the ends of two others."""
    word, before, after = run[start:end], run[start - 1 : start], run[end : end + 1]
    if _THAI.search(word):
        return len(word) >= _LONG_THAI and _is_cut_off(run, start, end)
    if _KATAKANA.fullmatch(word):
        return not (_KATAKANA.fullmatch(before) or _KATAKANA.fullmatch(after))
    if _HIRAGANA.fullmatch(word):
        return len(word) >= _LONG_HIRAGANA
    return len(word) > 1


def _is_cut_off(run: str, start: int, end: int) -> bool:
    """Whether a stretch of Thai ends where syllables do."""
    letters = bool(_THAI.match(run[start]))
    return letters and not (_THAI_TAIL.match(run[end : end + 1]) or _THAI_HEAD.match(run[start - 1 : start]))


@cache
def _kept_lengths() -> dict[str, tuple[int, ...]]:
    """By their first two letters, the lengths of the words of unspaced scripts that are kept whole, longest
    first. Single letters are left out: no cut can part them."""
    lengths: dict[str, set[int]] = {}
    for word in kept_whole():
        if len(word) > 1 and _UNSPACED_LETTER.match(word):
            lengths.setdefault(word[:2], set()).add(len(word))
    return {letters: tuple(sorted(found, reverse=True)) for letters, found in lengths.items()}


def _korean(word: str) -> list[str]:
    """Noun and particle; of a compound, the word it begins with if that is one that can hurt."""
    parts = _take_off(
        word, _KOREAN_OBJECT if len(word) == 2 else _KOREAN, shortest=min(len(word) - 1, 2), most=1
    )
    if word in kept_whole():
        return [word]
    if word[0] in kept_whole() and word[1:] in _KOREAN:
        return [word[0], word[1:]]
    if parts[0] in kept_whole() or is_generic(parts[0]):
        return parts
    for end in range(len(word) - 1, 1, -1):
        if word[:end] in kept_whole():
            return [word[:end], word[end:]]
    return parts


def _japanese(phrase: str) -> list[str]:
    """Word and particles. What is all hiragana may be a name (そうた, まや): it keeps endings that names have."""
    if phrase in kept_whole():
        return [phrase]
    return _take_off(phrase, _JAPANESE, shortest=1, most=3)


def _take_off(word: str, particles: frozenset[str], *, shortest: int, most: int) -> list[str]:
    """Split particles off the end of a word, at most `most`, leaving at least `shortest` letters."""
    tail: list[str] = []
    while len(tail) < most and word not in particles:
        ends = [
            word[i:]
            for i in range(shortest, len(word))
            if word[i:] in particles and _may_lose(word[:i], word[i:])
        ]
        if not ends:
            break
        tail.insert(0, ends[0])
        word = word[: -len(ends[0])]
    return [word, *tail]


def _may_lose(rest: str, particle: str) -> bool:
    """Whether an ending is surely a particle behind what is left of the word."""
    if len(rest) >= _LONG_HIRAGANA or not _HIRAGANA.fullmatch(rest) or rest in kept_whole():
        return True
    return len(rest) > 1 and (len(particle) > 1 or particle in "はがをにもへで")


_LONG_THAI, _LONG_HIRAGANA = 5, 4
"""Letters from which a listed word is taken wherever it stands in a run."""

_HAN_OR_KANA = "\u3005-\u3007\u303b\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED_LETTER = re.compile(f"[\u0e00-\u0e7f{_HAN_OR_KANA}]")
_RUN = re.compile(
    f"[\u0e00-\u0e7f]{{1,{_LONGEST_RUN}}}|[{_HAN_OR_KANA}]{{1,{_LONGEST_RUN}}}|[^\u0e00-\u0e7f{_HAN_OR_KANA}]+"
)
_THAI = re.compile("[\u0e00-\u0e7f]")
_THAI_HEAD = re.compile("[\u0e40-\u0e44]")  # vowels written before their consonant
_THAI_TAIL = re.compile("[\u0e30-\u0e3a\u0e45\u0e47-\u0e4e]")  # vowels and marks written after or over it
_HIRAGANA = re.compile("[\u3040-\u309f]+")
_KATAKANA = re.compile("[\u30a0-\u30ff]+")
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

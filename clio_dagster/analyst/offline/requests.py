"""What the user asked for: the ask found among greetings, pasted documents, code and quoted mail.

Nothing is rewritten: a request is one or two of the user's own sentences, in the user's language, without the
politeness around them. A one-sentence message stays what it is. What kind of work it asks for is `tasks`'
business.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl

from clio_dagster.analyst.offline.lexicon import UNSPACED, words

LONGEST_REQUEST = 300
"""Characters of a request, two ordinary sentences; longer ones are cut, at a sentence's end where there is
one."""

KEPT_WHOLE = 240
"""Characters up to which a message of one or two sentences is its own best statement of the request."""

SAYS_ENOUGH, SAYS_ENOUGH_UNSPACED = 15, 6
"""Characters from which a question stands by itself, in scripts with and without spaces: "Why?" does not. Of two
questions on different topics, clustered by the first alone, .78 fall into one of their topics; by both, .49
(benchmarks/requests.py)."""

PARAGRAPH = 400
"""A line longer than this, beside shorter ones, reads as pasted material rather than as the user speaking."""

READ_HEAD, READ_TAIL = 4_000, 1_500
"""Characters read from either end of a message: an ask stands before or after what is pasted, not inside
it."""

_PASTED = (
    r"(?s)```.*?(?:```|$)",  # fenced code, closed or not
    r'(?s)"""[ \t]*\n.*?"""',  # text handed over between triple quotes
    r"(?si)-{3,}\s*(?:original message|forwarded message)\s*-{3,}.*$",
    r"(?im)^on .{5,80} wrote:\s*$(?s:.*)$",
    r"</?[A-Za-z][^<>\n]{0,80}>",  # tags
    r"https?://\S+",
    r"[\u201c\"][^\u201c\u201d\"\n]{160,}[\u201d\"]",  # a quoted passage
)
_PASTED_LINE = (
    r"(?i)^\s*(?:>|\||\$ [a-z]|#include|import [\w.]+(?: as \w+)?;?$|from \w+ import|def \w|class \w+[(:]|"
    r"at [\w.$]+\(|traceback|file \"|"
    r"(?:from|to|cc|bcc|sent|date|subject|von|an|betreff|de|para|asunto|objet)\s?: |"
    r"\[?\d{4}-\d\d-\d\d[t ]\d\d|\[?(?:info|warn|warning|error|debug)\b[\]:]|"
    r"[\w.-]+@[\w.-]+\s*$)"
)
_CODE_LIKE = r"[{}();=<>\[\]\\|_]"
_ABBREVIATION = r"\b((?i:mr|mrs|ms|dr|prof|st|vs|e\.g|i\.e|z\.b|d\.h|sr|sra|p\.ej)|[A-Z])\.\s+"
_SENTENCE_END = r"([.!?…؟]+[\"'”’)\]]*)\s+|([。！？]+[」』”]?)"

_REQUESTS = {"row": pl.UInt32, "language": pl.String, "turn": pl.Int32, "request": pl.String}


def user_turns(conversations: pl.DataFrame) -> pl.DataFrame:
    """The user's turns in their own words, pasted material taken out.

    Returns row (of `conversations`), language, turn (from 0) and lines (own words), in order. Turns with
    nothing left are kept, empty.
    """
    text = pl.col("text").fill_null("")
    long = text.str.len_chars() > READ_HEAD + READ_TAIL
    own = (
        pl.when(long)
        .then(pl.concat_str(text.str.slice(0, READ_HEAD), pl.lit("\n"), text.str.slice(-READ_TAIL)))
        .otherwise(text)
    )
    for pattern in _PASTED:
        own = own.str.replace_all(pattern, "\n")
    turns = (
        conversations.select("language", "messages")
        .with_row_index("row")
        .explode("messages")
        .unnest("messages")
        .filter(pl.col("role") == "user")
        .select(
            "row", "language", text.alias("text"), turn=pl.int_range(pl.len(), dtype=pl.Int32).over("row")
        )
        .with_columns(own=own)
    )
    lines = (
        turns.select("row", "turn", line=pl.col("own").str.split("\n"))
        .explode("line")
        .with_columns(pl.col("line").str.replace_all(r"\s+", " ").str.strip_chars(" "))
        .filter(
            pl.col("line").str.contains(r"\p{L}")
            & ~pl.col("line").str.contains(_PASTED_LINE)
            & (pl.col("line").str.count_matches(_CODE_LIKE) * 12 <= pl.col("line").str.len_chars() + 24)
        )
        .group_by("row", "turn", maintain_order=True)
        .agg(lines="line")
    )
    return (
        turns.join(lines, on=["row", "turn"], how="left", maintain_order="left")
        .with_columns(pl.col("lines").fill_null([]))
        .select("row", "language", "turn", "lines")
    )


def find_requests(turns: pl.DataFrame) -> pl.DataFrame:
    """The request of each conversation, from `user_turns`: row, language, turn, request. Rows with none are
    absent.

    The first turn that says something is the one that counts; greetings and bare calls for help are passed
    over while a later turn has more. Of a short turn that asks twice, what it asks first: the vector of two
    requests lies near neither. Within a long turn, the sentence that asks, and the one before it where both
    fit.
    """
    sentences = _sentences(turns)
    if sentences.is_empty():
        return pl.DataFrame(schema=_REQUESTS)
    judged = pl.concat(
        [
            _judge(part, str(language))
            for (language,), part in sentences.group_by("language", maintain_order=True)
        ]
    ).sort("row", "turn", "place")
    chosen = judged.filter(pl.col("emptiness") == pl.col("emptiness").min().over("row")).filter(
        pl.col("turn") == pl.col("turn").min().over("row")
    )
    stated = (
        chosen.with_columns(
            length=pl.col("sentence").str.len_chars().sum().over("row"), count=pl.len().over("row")
        )
        .with_columns(
            whole=(pl.col("length") <= KEPT_WHOLE) & (pl.col("count") <= 2),
            asks_twice=pl.col("asks").all().over("row") & (pl.col("count") == 2),
            opens=pl.col("place") == pl.col("place").min().over("row"),
            best=pl.col("score") == pl.col("score").max().over("row"),
        )
        .with_columns(best=pl.col("best") & (pl.col("best").cast(pl.Int32).cum_sum().over("row") == 1))
        .with_columns(
            before=pl.col("best").shift(-1, fill_value=False).over("row")
            & ~pl.col("in_paragraph")
            & (
                pl.col("sentence").str.len_chars() + pl.col("sentence").str.len_chars().shift(-1).over("row")
                <= LONGEST_REQUEST
            )
        )
        .filter(
            pl.when(pl.col("whole") & pl.col("asks_twice"))
            .then("opens")
            .otherwise(pl.col("whole") | pl.col("best") | pl.col("before"))
        )
        .group_by("row", "language", "turn", maintain_order=True)
        .agg(request=pl.col("sentence"))
    )
    unspaced = pl.col("language").is_in(sorted(UNSPACED - {"th"}))
    return (
        pl.concat(
            [
                part.with_columns(request=_without_wrappers(pl.col("request"), str(language)))
                for (language,), part in stated.with_columns(
                    request=pl.when(unspaced)
                    .then(pl.col("request").list.join(""))
                    .otherwise(pl.col("request").list.join(" "))
                ).group_by("language", maintain_order=True)
            ]
        )
        .with_columns(request=_shortened(pl.col("request")))
        .sort("row")
    )


def _sentences(turns: pl.DataFrame) -> pl.DataFrame:
    """One row a sentence: row, language, turn, place, sentence, in_paragraph, first."""
    sentence = (
        pl.col("lines")
        .str.replace_all(_ABBREVIATION, "$1.\u00a0")
        .str.replace_all(_SENTENCE_END, "$1$2\n")
        .str.split("\n")
    )
    return (
        turns.select("row", "language", "turn", "lines", line_count=pl.col("lines").list.len())
        .explode("lines")
        .drop_nulls("lines")
        .with_columns(
            sentence=sentence,
            in_paragraph=(pl.col("line_count") > 1) & (pl.col("lines").str.len_chars() > PARAGRAPH),
        )
        .drop("lines", "line_count")
        .explode("sentence")
        .with_columns(pl.col("sentence").str.replace_all("\u00a0", " ").str.strip_chars(" "))
        .filter(pl.col("sentence").str.contains(r"[\p{L}\p{N}]"))
        .with_columns(place=pl.int_range(pl.len(), dtype=pl.Int32).over("row", "turn"))
        .with_columns(
            edge=(pl.col("place") == 0) | (pl.col("place") == pl.len().over("row", "turn") - 1),
        )
    )


def _judge(sentences: pl.DataFrame, language: str) -> pl.DataFrame:
    """Add `emptiness` (0 says something, 1 a bare call for help, 2 a greeting), `asks`, whether it asks something
    that stands by itself, and `score`, how like an ask."""
    patterns = _patterns(language)
    sentence = pl.col("sentence")
    if patterns["greeting"]:
        # A greeting that opens a sentence goes, unless it is all there is.
        rest = sentence.str.replace(patterns["greeting"], "")
        sentence = pl.when(rest.str.contains(r"\p{L}")).then(rest).otherwise(sentence)
    sentences = sentences.with_columns(sentence=sentence)
    text = pl.col("sentence")
    greeting = text.str.contains(patterns["greeting_alone"]) if patterns["greeting_alone"] else pl.lit(False)
    vague = text.str.contains(patterns["vague"]) if patterns["vague"] else pl.lit(False)
    asks = text.str.contains(patterns["ask"]) if patterns["ask"] else pl.lit(False)
    question = text.str.contains(r"[?？؟]")
    return sentences.with_columns(
        emptiness=pl.when(greeting).then(2).when(vague).then(1).otherwise(0).cast(pl.Int8),
        asks=(asks | question)
        & (text.str.len_chars() >= (SAYS_ENOUGH_UNSPACED if language in UNSPACED else SAYS_ENOUGH)),
        score=(
            asks.cast(pl.Int32) * 3
            + question.cast(pl.Int32) * 2
            + pl.col("edge").cast(pl.Int32)
            - pl.col("in_paragraph").cast(pl.Int32) * 4
            - (text.str.len_chars() > LONGEST_REQUEST).cast(pl.Int32)
        ),
    )


def _without_wrappers(request: pl.Expr, language: str) -> pl.Expr:
    """Politeness taken off both ends, twice over, since it comes in layers; never down to nothing."""
    bare = request
    for _ in range(2):
        for pattern in _patterns(language)["wrappers"]:
            bare = bare.str.replace(pattern, "$keep")
    for pattern in _patterns(language)["endings"]:
        bare = bare.str.replace(pattern, "$keep")
    bare = bare.str.strip_chars(" ,;:-–—、，")
    return pl.when(bare.str.contains(r"\p{L}")).then(bare).otherwise(request)


def _shortened(request: pl.Expr) -> pl.Expr:
    head = request.str.slice(0, LONGEST_REQUEST)
    at_sentence = head.str.extract(r"(?s)^(.{80,}[.!?…。！？؟])")
    at_word = head.str.replace(r"\s+\S*$", "") + "…"
    return (
        pl.when(request.str.len_chars() <= LONGEST_REQUEST)
        .then(request)
        .otherwise(pl.coalesce(at_sentence, at_word))
    )


@cache
def _patterns(language: str) -> dict[str, Any]:
    """The language's regular expressions, built from the reviewed lists of its word file."""
    listed = words(language).get("request", {})
    close = "" if language in UNSPACED else r"\b"
    greetings = "|".join(listed.get("greetings", []))
    mark = r"[\s,!.;:~、，。！？?…-]"
    wrappers = []
    for wrapper in listed.get("wrapper", []):
        strip = "|".join(sorted(wrapper["strip"], key=len, reverse=True))
        if "before" in wrapper:
            following = "|".join(sorted(wrapper["before"], key=len, reverse=True))
            wrappers.append(rf"(?i)^(?:{strip})[\s,:]*(?P<keep>(?:{following}){close})")
        else:
            gap = r"[\s,，、:]*" if language in UNSPACED else r"[\s,:]+"
            wrappers.append(rf"(?i)^(?:{strip}){gap}(?P<keep>\S)")
    return {
        "greeting": rf"(?i)^(?:(?:{greetings})\s*[,!.;:~、，。！…-]+\s*)+" if greetings else None,
        "greeting_alone": rf"(?i)^(?:(?:{greetings}){mark}*)+$" if greetings else None,
        "vague": rf"(?i)^(?:(?:{'|'.join(listed['vague'])}){mark}*)+$" if listed.get("vague") else None,
        "ask": f"(?i){'|'.join(listed['asks'])}" if listed.get("asks") else None,
        "wrappers": wrappers,
        "endings": [
            rf"(?i)[\s,，、]*(?:{'|'.join(ending['strip'])})(?P<keep>\s*[.!?。！？؟]*)$"
            for ending in listed.get("ending", [])
        ],
    }

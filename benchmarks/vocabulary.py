"""What P5's word lists make of ordinary text, and whom they protect, in each default language.

    python -m benchmarks.vocabulary --data FOLDER

FOLDER holds `sib200/conversations.jsonl.gz` (`metadata.true_language`) and `language_id/sentences.jsonl.gz`
(`language`, `text`). A third source is the corpus of `clio demo`, made on the spot. Tables:

words      per source and language: texts, words a text, shares of words that are generic and that are of a
           kind that can hurt, texts cut a second.
recall     every sensitive word of a language's lists in carrier sentences: the share that is known as one
           there, and how many dissolve into generic pieces (none may). The lists themselves are what is sought,
           so this measures the cutting.
countries  names of the world's countries as the `phonenumbers` package spells them in each language (English
           where it has none): the share whose words the lists know, and those whose words are all generic.
           The lists were checked against it.
Fails where a sensitive word dissolves.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from clio_dagster.privacy.segmentation import segment
from clio_dagster.privacy.word_lists import (
    LANGUAGE_NAMES,
    SENSITIVE_KINDS,
    every_generic_word,
    fold,
    is_generic,
    sensitive_kind,
    sensitive_list,
    sensitive_words,
)
from clio_dagster.synthetic.corpus import generate

CARRIERS = {
    "ar": ("أريد أن أعرف المزيد عن {}", "ما هو {}؟", "اكتب رسالة عن {} من فضلك"),
    "de": ("Ich möchte mehr über {} wissen", "Was ist {}?", "Schreibe einen Brief über {} und Arbeit"),
    "en": ("I would like to know more about {}", "What is {}?", "Write a letter about {} and work"),
    "es": ("Quiero saber más sobre {}", "¿Qué es {}?", "Escribe una carta sobre {} y trabajo"),
    "fr": (
        "Je voudrais en savoir plus sur {}",
        "Qu'est-ce que {} ?",
        "Écris une lettre sur {} et le travail",
    ),
    "it": ("Vorrei sapere di più su {}", "Che cos'è {}?", "Scrivi una lettera su {} e lavoro"),
    "ja": ("{}について教えてください", "私は{}です", "母が{}なので手紙を書いてください"),
    "ko": ("{}에 대해 알려주세요", "저는 {}을 앓고 있어요", "{}의 의미가 뭐예요"),
    "nl": ("Ik wil meer weten over {}", "Wat is {}?", "Schrijf een brief over {} en werk"),
    "pl": ("Chcę wiedzieć więcej o {}", "Co to jest {}?", "Napisz list o {} i pracy"),
    "pt": ("Quero saber mais sobre {}", "O que é {}?", "Escreva uma carta sobre {} e trabalho"),
    "ru": ("Хочу узнать больше про {}", "Что такое {}?", "Напиши письмо про {} и работу"),
    "th": ("ช่วยอธิบายเรื่อง{}หน่อย", "{}คืออะไร", "ขอข้อมูลเกี่ยวกับ{}และงาน"),
    "tr": ("{} hakkında bilgi istiyorum", "{} nedir?", "Bana {} ile ilgili mektup yaz"),
    "zh": ("我想知道{}怎么办", "请问{}的费用是多少", "我妈妈有{}，请帮我写一封信"),
}


def texts(folder: Path) -> pl.DataFrame:
    """source, language, text: what people wrote or could have written."""
    sib = pl.read_ndjson(folder / "sib200" / "conversations.jsonl.gz").select(
        source=pl.lit("sib200"),
        language=pl.col("metadata").struct.field("true_language"),
        text=pl.col("messages").list.first().struct.field("content"),
    )
    sentences = pl.read_ndjson(folder / "language_id" / "sentences.jsonl.gz").select(
        source=pl.lit("language_id"), language="language", text="text"
    )
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "conversations.jsonl.gz"
        truth = generate(file, conversations=5_000)
        made = pl.read_ndjson(file).select(
            "conversation_id", text=pl.col("messages").list.first().struct.field("content")
        )
    synthetic = made.join(
        truth.conversations.select("conversation_id", "language"), on="conversation_id"
    ).select(source=pl.lit("synthetic"), language="language", text="text")
    return pl.concat([sib, sentences, synthetic]).filter(pl.col("language").is_in(list(LANGUAGE_NAMES)))


def counts(spoken: pl.DataFrame) -> pl.DataFrame:
    """source, language, texts, words (a text), generic, sensitive (shares of words), speed (texts a second)."""
    generic = pl.Series(sorted(every_generic_word())).implode()
    sensitive = pl.Series(sorted(sensitive_words())).implode()
    rows = []
    for (source, language), group in spoken.sort("source", "language").group_by(
        ["source", "language"], maintain_order=True
    ):
        started = time.perf_counter()
        words = segment(group["text"], group["language"])["word"]
        seconds = time.perf_counter() - started
        rows.append(
            {
                "source": source,
                "language": language,
                "texts": group.height,
                "words": len(words) / group.height,
                "generic": words.is_in(generic).mean(),
                "sensitive": words.is_in(sensitive).mean(),
                "speed": group.height / seconds,
            }
        )
    return pl.DataFrame(rows)


def protected(language: str) -> dict[str, tuple[int, int, int]]:
    """By kind: how many (word, sentence) pairs, in how many the word is known as one that can hurt, in how many
    it dissolves into generic pieces."""
    found = {}
    for kind in SENSITIVE_KINDS:
        words = sorted(sensitive_list(kind, language))
        total = known = dissolved = 0
        for carrier in CARRIERS[language]:
            for holding in _holding(carrier, words, language):
                total += 1
                known += any(map(sensitive_kind, holding))
                dissolved += all(map(is_generic, holding))
        found[kind] = (total, known, dissolved)
    return found


def countries(language: str) -> tuple[int, int, list[str]]:
    """How many one-word country names there are, how many the lists know, and those made of generic words."""
    from phonenumbers.geodata.locale import LOCALE_DATA

    names = set()
    for spelled in LOCALE_DATA.values():
        name = spelled.get(language, "")
        name = spelled.get(name[1:], "") if name.startswith("*") else name
        if name and not name.startswith("*") and " " not in name and "-" not in name:
            names.add(name)
    listed = sorted(names)
    cut = _cut(listed, language)
    known = sum(any(map(sensitive_kind, parts)) for parts in cut)
    return (
        len(listed),
        known,
        [name for name, parts in zip(listed, cut, strict=True) if all(map(is_generic, parts))],
    )


def _cut(sentences: list[str], language: str) -> list[list[str]]:
    cut = segment(pl.Series(sentences), pl.Series([language] * len(sentences)))
    return cut.group_by("row", maintain_order=True).agg("word")["word"].to_list()


def _holding(carrier: str, words: list[str], language: str) -> list[list[str]]:
    """For each word the pieces of its sentence that hold a letter of it."""
    before = _letters(carrier.partition("{}")[0])
    held = []
    for word, parts in zip(words, _cut([carrier.format(word) for word in words], language), strict=True):
        place, mine = 0, []
        for part in parts:
            if place < len(before) + len(_letters(word)) and place + len(_letters(part)) > len(before):
                mine.append(part)
            place += len(_letters(part))
        held.append(mine)
    return held


def _letters(text: str) -> str:
    return re.sub(r"[^\w\u0e00-\u0e7f]|_", "", fold(text))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with sib200 and language_id")
    spoken = texts(parser.parse_args().data)
    console = Console(width=120)
    segment(spoken["text"].head(100), spoken["language"].head(100))  # loads lists and models

    table = Table(
        "source", "language", "texts", "words/text", "generic", "sensitive", "texts/s", title="Words"
    )
    for row in counts(spoken).iter_rows(named=True):
        table.add_row(
            row["source"],
            row["language"],
            f"{row['texts']:,}",
            f"{row['words']:.1f}",
            f"{row['generic']:.3f}",
            f"{row['sensitive']:.3f}",
            f"{row['speed']:,.0f}",
        )
    console.print(table)

    recall = Table("language", *SENSITIVE_KINDS, "dissolved", "countries", "made of generic words")
    recall.title = "Sensitive words known: in carrier sentences; names of countries"
    lost = 0
    for language in sorted(LANGUAGE_NAMES):
        kinds = protected(language)
        dissolved = sum(entry[2] for entry in kinds.values())
        lost += dissolved
        total, known, generic = countries(language)
        recall.add_row(
            language,
            *(f"{known / number:.3f}" for number, known, _ in kinds.values()),
            str(dissolved),
            f"{known}/{total}",
            " ".join(generic),
        )
    console.print(recall)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())

"""How well and how fast the detector finds personal data.

    python benchmarks/detector.py --data FOLDER [--part PART ...] [--show LABEL]

FOLDER holds presidio_research/pii.jsonl.gz (texts with spans), conversations.jsonl.gz of clinc150, hh_rlhf and
sib200, and language_id/sentences.jsonl.gz. A span counts as found when half of it is covered. Parts:

labelled   presidio_research, recall and precision by kind. One generator made all of it from templates. The
           detector was adjusted on its even rows, after one look at misses from all of it; templates recur,
           so its odd rows are no independent sample.
ordinary   false spans per 100 requests, and texts a second (wall clock and CPU): clinc150 (no capitals at
           all), and the first turns of hh_rlhf, in which real people are named: not all its spans are false.
languages  planted items in sentences of detector_sentences.toml, by language and kind. Every other item and
           sentence was used while the detector was made; the first table is of the others, which the same
           author wrote before it: names and phrasing are more regular than people's.
sentences  spans per 100 encyclopaedic and news sentences, by language: people are named in them, so `name`
           counts true finds too.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import random
import string
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from clio_dagster.privacy.detector import detect

LABELS = {
    "PERSON": ("name",),
    "STREET_ADDRESS": ("address",),
    "CREDIT_CARD": ("card", "number"),
    "PHONE_NUMBER": ("phone", "number"),
    "EMAIL_ADDRESS": ("email",),
    "IBAN_CODE": ("iban",),
    "US_SSN": ("national_id",),
    "US_DRIVER_LICENSE": ("national_id", "number"),
    "IP_ADDRESS": ("ip",),
    "DOMAIN_NAME": ("url",),
    "ZIP_CODE": ("address",),
}
"""Labels that the detector means to find. Places, organisations, dates, ages and titles it does not."""

PRESIDIO = (
    "person 244/301, address 72/189, phone 21/29, card 41/44, e-mail 17/17, IBAN 9/9, all .69, "
    "134 texts/s, 480 MB"
)
"""presidio-analyzer with spaCy's en-core-web-sm on the first 500 texts, a span counted when half covered."""

PRESIDIO_LABELS = {
    "PERSON": "PERSON",
    "LOCATION": "STREET_ADDRESS",
    "CREDIT_CARD": "CREDIT_CARD",
    "PHONE_NUMBER": "PHONE_NUMBER",
    "EMAIL_ADDRESS": "EMAIL_ADDRESS",
    "IBAN_CODE": "IBAN_CODE",
    "US_SSN": "US_SSN",
    "IP_ADDRESS": "IP_ADDRESS",
    "URL": "DOMAIN_NAME",
}

CONFIGURED = ("ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh")
IBANS = {
    "ar": ("SA", "", 20),
    "de": ("DE", "", 18),
    "en": ("GB", "NWBK", 14),
    "es": ("ES", "", 20),
    "fr": ("FR", "", 23),
    "it": ("IT", "X", 22),
    "nl": ("NL", "ABNA", 10),
    "pl": ("PL", "", 24),
    "pt": ("PT", "", 21),
    "tr": ("TR", "", 22),
}
"""Country, letters that open the account number, and how many digits follow."""
SAMPLE = 400
"""Planted texts of a language and kind, and sentences of a language, at most."""

Span = tuple[str, int, int]


def read(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def overlap(one: Span, other: Span) -> int:
    return max(0, min(one[2], other[2]) - max(one[1], other[1]))


def by_row(found: pl.DataFrame) -> dict[int, list[Span]]:
    rows: dict[int, list[Span]] = {}
    for row, kind, start, end in found.iter_rows():
        rows.setdefault(row, []).append((kind, start, end))
    return rows


def timed(texts: pl.Series) -> tuple[pl.DataFrame, str]:
    """What is found, and how many texts a second that is."""
    begin, begin_cpu = time.perf_counter(), time.process_time()
    found = detect(texts)
    wall, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    return found, f"{len(texts) / wall:,.0f} texts/s, {len(texts) / cpu:,.0f} a CPU second"


def labelled(folder: Path, show: str | None) -> None:
    records = list(read(folder / "presidio_research" / "pii.jsonl.gz"))
    found_frame, speed = timed(pl.Series([record["text"] for record in records]))
    found = by_row(found_frame)
    groups = {
        "all": range(len(records)),
        "even": range(0, len(records), 2),
        "odd": range(1, len(records), 2),
        "first 500": range(500),
    }
    print(f"presidio_research: {len(records)} texts, {speed}")
    print(f"{'recall':<20}" + "".join(f"{name:>26}" for name in groups))
    print(f"{'':<20}" + f"{'spans':>10}{'masked':>8}{'kind':>8}" * len(groups))
    totals = {name: _recall(records, found, rows) for name, rows in groups.items()}
    for label in [*LABELS, "together"]:
        cells = ""
        for name in groups:
            spans, masked, right = totals[name][label]
            cells += f"{spans:>10}{masked / max(spans, 1):>8.2f}{right / max(spans, 1):>8.2f}"
        print(f"{label:<20}{cells}")
    first = totals["first 500"]
    counts = ", ".join(f"{label.lower()} {first[label][1]}/{first[label][0]}" for label in LABELS)
    print(f"first 500, masked at all: {counts}")
    _beside_presidio(records[:500])
    spans, true = Counter[str](), Counter[str]()
    for row, record in enumerate(records):
        truth = [(span["type"], span["start"], span["end"]) for span in record["spans"]]
        for span in found.get(row, []):
            good = any(overlap(span, label) * 2 >= span[2] - span[1] for label in truth)
            spans[span[0]] += 1
            true[span[0]] += good
            if show == span[0] and not good and row % 2 == 0:
                print(f"false {record['text'][span[1] : span[2]]!r} in {record['text'][:160]!r}")
        for label in truth if row % 2 == 0 else []:
            if show == label[0] and not _is_hit(label, found.get(row, []), LABELS.get(label[0], ())):
                print(f"missed {record['text'][label[1] : label[2]]!r} in {record['text'][:160]!r}")
    print(f"\n{'kind':<20}{'spans':>7}{'precision':>11}")
    for name, count in spans.most_common():
        print(f"{name:<20}{count:>7}{true[name] / count:>11.2f}")


def _is_hit(label: Span, spans: list[Span], kinds: tuple[str, ...] | None) -> bool:
    covered = sum(overlap(span, label) for span in spans if kinds is None or span[0] in kinds)
    return covered * 2 >= label[2] - label[1]


def _recall(
    records: list[dict[str, Any]], found: dict[int, list[Span]], rows: range
) -> dict[str, tuple[int, int, int]]:
    """By label and together: spans, masked as anything, masked as their kind."""
    counts = {label: [0, 0, 0] for label in [*LABELS, "together"]}
    for row in rows:
        for span in records[row]["spans"]:
            if span["type"] in LABELS:
                label = (span["type"], span["start"], span["end"])
                masked = _is_hit(label, found.get(row, []), None)
                right = _is_hit(label, found.get(row, []), LABELS[label[0]])
                for name in (label[0], "together"):
                    counts[name] = [
                        one + more for one, more in zip(counts[name], (1, masked, right), strict=True)
                    ]
    return {label: (spans, masked, right) for label, (spans, masked, right) in counts.items()}


def _beside_presidio(records: list[dict[str, Any]]) -> None:
    try:
        from presidio_analyzer import AnalyzerEngine  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        print(f"presidio-analyzer is not installed; measured elsewhere, first 500, masked: {PRESIDIO}")
        return
    engine = AnalyzerEngine()
    begin = time.perf_counter()
    found = {
        row: [
            (PRESIDIO_LABELS.get(one.entity_type, one.entity_type), one.start, one.end)
            for one in engine.analyze(record["text"], language="en")
        ]
        for row, record in enumerate(records)
    }
    seconds = time.perf_counter() - begin
    counts = _recall(records, found, range(len(records)))
    said = ", ".join(f"{label.lower()} {counts[label][1]}/{counts[label][0]}" for label in LABELS)
    print(f"presidio-analyzer, first 500, masked: {said}; {len(records) / seconds:,.0f} texts/s")


def ordinary(folder: Path, show: str | None) -> None:
    for corpus in ("clinc150", "hh_rlhf"):
        rows = read(folder / corpus / "conversations.jsonl.gz")
        texts = pl.Series([row["messages"][0]["content"] for row in rows])
        found, speed = timed(texts)
        print(f"\n{corpus}: {len(texts)} requests of {texts.str.len_chars().mean():.0f} characters, {speed}")
        print(f"spans per 100 requests: {100 * len(found) / len(texts):.2f}")
        for kind, count in found["kind"].value_counts(sort=True).iter_rows():
            print(f"  {kind:<18}{100 * count / len(texts):.3f}")
        for row, kind, start, end in found.iter_rows() if show else ():
            if show == kind:
                print(f"{texts[row][start:end]!r} in {texts[row][max(0, start - 60) : end + 40]!r}")


def languages(show: str | None) -> None:
    bank = tomllib.loads(Path(__file__).with_name("detector_sentences.toml").read_text("utf-8"))
    kinds = (
        "name",
        "address",
        "phone",
        "national_id",
        "email",
        "card",
        "iban",
        "ip",
        "url",
        "handle",
        "secret",
    )
    print("\nplanted, masked at all (as its kind), sentences and items not used while the detector was made")
    print("      " + "".join(f"{kind:>14}" for kind in kinds))
    for half, title in ((1, ""), (0, "used while the detector was made")):
        if title:
            print(f"\n{title}")
        for code in CONFIGURED:
            cells = ""
            for kind in kinds:
                planted = list(_planted(bank[code], code, kind, half))
                found = by_row(detect(pl.Series([text for text, _ in planted], dtype=pl.String)))
                masked = right = 0
                for row, (text, item) in enumerate(planted):
                    span = (kind, text.index(item), text.index(item) + len(item))
                    masked += _is_hit(span, found.get(row, []), None)
                    hit = _is_hit(span, found.get(row, []), (kind, "number") if kind == "card" else (kind,))
                    right += hit
                    if show == f"{code}-{kind}" and half == 0 and not hit:
                        print(f"missed {item!r} in {text!r}, found {found.get(row)}")
                count = max(1, len(planted))
                cells += f"{masked / count:>7.2f} ({right / count:.2f})" if planted else f"{'-':>14}"
            print(f"{code:<6}{cells}")


def _planted(bank: dict[str, list[str]], code: str, kind: str, half: int) -> Iterator[tuple[str, str]]:
    """Texts and what is planted in them, of one half of the items and of the sentences."""
    lists = {"name": "people", "address": "addresses", "phone": "phones", "national_id": "ids"}
    items = bank[lists[kind]][half::2] if kind in lists else _made(kind, code, half)
    carriers = bank[{"national_id": "id"}.get(kind, kind if kind in lists else "phone")][half::2]
    pairs = itertools.islice(itertools.product(carriers, items), SAMPLE)
    for carrier, item in pairs:
        yield carrier.replace("{}", item.replace("|", "")), item.rpartition("|")[2]


def _made(kind: str, code: str, half: int) -> list[str]:
    """Items of kinds that are of one form in all languages; IBANs of the language's country, if it has them."""
    draw = random.Random(f"{kind} {code} {half}")

    def signs(alphabet: str, count: int) -> str:
        return "".join(draw.choices(alphabet, k=count))

    lower, digits, mixed = string.ascii_lowercase, string.digits, string.ascii_letters + string.digits
    if kind == "iban":
        return [_iban(draw, *IBANS[code]) for _ in range(10)] if code in IBANS else []
    make = {
        "email": lambda: (
            f"{signs(lower, 5)}.{signs(lower, 7)}@{signs(lower, 6)}.{draw.choice(['org', 'com', 'de', 'co.jp'])}"
        ),
        "card": lambda: _card(draw),
        "ip": lambda: ".".join(str(draw.randrange(1, 255)) for _ in range(4)),
        "url": lambda: (
            f"https://{signs(lower, 8)}.{draw.choice(['org', 'io', 'net'])}/{signs(lower, 5)}?id={signs(digits, 4)}"
        ),
        "handle": lambda: f"@{signs(lower, 5)}_{signs(lower, 6)}",
        "secret": lambda: draw.choice(["sk-proj-", "ghp_", "AKIA", "xoxb-", ""]) + signs(mixed, 36),
    }[kind]
    return [make() for _ in range(10)]


def _card(draw: random.Random) -> str:
    body = "4539" + "".join(draw.choices(string.digits, k=11))
    doubled = [
        sum(divmod(2 * int(digit), 10)) if place % 2 == 0 else int(digit) for place, digit in enumerate(body)
    ]
    number = f"{body}{-sum(doubled) % 10}"
    return draw.choice([number, " ".join(number[at : at + 4] for at in range(0, 16, 4))])


def _iban(draw: random.Random, country: str, bank: str, length: int) -> str:
    account = bank + "".join(draw.choices(string.digits, k=length))
    number = int("".join(str(int(sign, 36)) for sign in f"{account}{country}00"))
    code = f"{country}{98 - number % 97:02d}{account}"
    return draw.choice([code, " ".join(code[at : at + 4] for at in range(0, len(code), 4))])


def sentences(folder: Path, show: str | None) -> None:
    print("\nspans per 100 sentences; people are named in both sets")
    print(f"{'':<6}{'sib200':>28}{'language_id':>34}{'texts/s, both':>20}")
    print(
        f"{'':<6}"
        + f"{'sentences':>12}{'name':>8}{'others':>8}"
        + f"{'sentences':>18}{'name':>8}{'others':>8}"
    )
    sets: dict[str, dict[str, list[str]]] = {"sib200": {}, "language_id": {}}
    for row in read(folder / "sib200" / "conversations.jsonl.gz"):
        sets["sib200"].setdefault(row["metadata"]["true_language"], []).append(row["messages"][0]["content"])
    for row in read(folder / "language_id" / "sentences.jsonl.gz"):
        sets["language_id"].setdefault(row["language"], []).append(row["text"])
    for code in [*CONFIGURED, "others"]:
        cells, count, seconds = "", 0, 0.0
        for languages in sets.values():
            if code == "others":
                texts = [text for one, many in languages.items() if one not in CONFIGURED for text in many]
            else:
                texts = languages.get(code, [])
            begin = time.process_time()
            found = detect(pl.Series(texts, dtype=pl.String))
            seconds += time.process_time() - begin
            count += len(texts)
            names = found.filter(pl.col("kind") == "name").height
            per = 100 / max(1, len(texts))
            cells += f"{len(texts):>12}{names * per:>8.2f}{(len(found) - names) * per:>8.2f}      "
            for row, kind, start, end in found.iter_rows() if show else ():
                if show == f"{code}-{kind}":
                    print(f"{texts[row][start:end]!r} in {texts[row][max(0, start - 50) : end + 30]!r}")
        print(f"{code:<6}{cells}{count / seconds:>14,.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument(
        "--part", nargs="*", default=["labelled", "ordinary", "languages", "sentences"], help="which parts"
    )
    parser.add_argument(
        "--show",
        help="print what is missed of a label, or found of a kind; `de-name` in languages and sentences",
    )
    arguments = parser.parse_args()
    detect(pl.Series(["Warm up, Ann: 王小明さん, 김도현 씨, สมชาย ใจดี, محمد"]))  # word lists are read once
    if "labelled" in arguments.part:
        labelled(arguments.data, arguments.show)
    if "ordinary" in arguments.part:
        ordinary(arguments.data, arguments.show)
    if "languages" in arguments.part:
        languages(arguments.show)
    if "sentences" in arguments.part:
        sentences(arguments.data, arguments.show)

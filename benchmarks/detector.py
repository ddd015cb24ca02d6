"""How well and how fast the detector finds personal data.

    python benchmarks/detector.py --data FOLDER

FOLDER holds presidio_research/pii.jsonl.gz (texts with spans) and clinc150/conversations.jsonl.gz (requests
that hold next to none). Prints recall and precision by kind (a span counts as found when half of it is
covered), false spans per 100 requests, and texts a second.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections import Counter
from pathlib import Path

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

Spans = dict[int, list[tuple[str, int, int]]]


def overlap(one: tuple[str, int, int], other: tuple[str, int, int]) -> int:
    return max(0, min(one[2], other[2]) - max(one[1], other[1]))


def by_row(found: pl.DataFrame) -> Spans:
    rows: Spans = {}
    for row, kind, start, end in found.iter_rows():
        rows.setdefault(row, []).append((kind, start, end))
    return rows


def labelled(folder: Path, show: str | None) -> None:
    with gzip.open(folder / "presidio_research" / "pii.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    begin = time.perf_counter()
    found = by_row(detect(pl.Series([record["text"] for record in records])))
    seconds = time.perf_counter() - begin
    labels, covered, right_kind = Counter[str](), Counter[str](), Counter[str]()
    spans, true = Counter[str](), Counter[str]()
    for row, record in enumerate(records):
        truth = [(span["type"], span["start"], span["end"]) for span in record["spans"]]
        for label in truth:
            if label[0] not in LABELS:
                continue
            need = (label[2] - label[1]) / 2
            labels[label[0]] += 1
            covered[label[0]] += sum(overlap(span, label) for span in found.get(row, [])) >= need
            hit = (
                sum(overlap(span, label) for span in found.get(row, []) if span[0] in LABELS[label[0]])
                >= need
            )
            right_kind[label[0]] += hit
            if show == label[0] and not hit:
                print(
                    "missed",
                    record["text"][label[1] : label[2]],
                    "|",
                    record["text"][:160].replace("\n", "/"),
                )
        for span in found.get(row, []):
            spans[span[0]] += 1
            good = any(overlap(span, label) * 2 >= span[2] - span[1] for label in truth)
            true[span[0]] += good
            if show == span[0] and not good:
                print(
                    "false", record["text"][span[1] : span[2]], "|", record["text"][:160].replace("\n", "/")
                )
    print(f"presidio_research: {len(records)} texts, {len(records) / seconds:,.0f} texts/s")
    print(f"{'label':<20}{'spans':>7}{'masked':>9}{'as its kind':>13}")
    for name in LABELS:
        total = labels[name]
        print(f"{name:<20}{total:>7}{covered[name] / total:>9.2f}{right_kind[name] / total:>13.2f}")
    total = labels.total()
    print(f"{'all':<20}{total:>7}{covered.total() / total:>9.2f}{right_kind.total() / total:>13.2f}")
    print(f"\n{'kind':<20}{'spans':>7}{'precision':>11}")
    for name, count in spans.most_common():
        print(f"{name:<20}{count:>7}{true[name] / count:>11.2f}")


def ordinary(folder: Path, show: str | None) -> None:
    with gzip.open(folder / "clinc150" / "conversations.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = pl.Series([json.loads(line)["messages"][0]["content"] for line in lines])
    begin = time.perf_counter()
    found = detect(texts)
    seconds = time.perf_counter() - begin
    print(f"\nclinc150: {len(texts)} requests, {len(texts) / seconds:,.0f} texts/s")
    print(f"spans per 100 requests: {100 * len(found) / len(texts):.2f}")
    for kind, count in found["kind"].value_counts(sort=True).iter_rows():
        print(f"  {kind:<18}{100 * count / len(texts):.3f}")
    for row, kind, start, end in found.iter_rows():
        if show == kind:
            print(texts[row][start:end], "|", texts[row])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--show", help="print what is missed of a label, or falsely found of a kind")
    arguments = parser.parse_args()
    labelled(arguments.data, arguments.show)
    ordinary(arguments.data, arguments.show)

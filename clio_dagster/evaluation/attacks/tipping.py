"""Tipping: colluders seed every candidate illness, so that the one account they are after tips its own.

Cliopatra (arXiv 2603.09781) made adaptive: the attackers know the method and the minimum, write all 40 candidates
from `s` accounts each, fill the thresholds with cover conversations, and read which illness is published. Each pair
of runs is one topic with the target in and out, under one draw of noise; hundreds of topics stand in one frame.

The namer is the worst there is (`Listing`: it names every word that it is given), so a word is published exactly
where the support and the gate let it by. The leading word of its name is the one of greatest weight.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random

import polars as pl

from clio_dagster.evaluation.attacks.analysts import Listing
from clio_dagster.evaluation.attacks.ordinary import moments
from clio_dagster.evaluation.attacks.report import Line
from clio_dagster.evaluation.intervals import Ratio, Share, paired_ratio, simultaneous
from clio_dagster.evaluation.pipeline import NOISELESS, Site, conversations, name, place, read
from clio_dagster.progress import Advance, track

_ILLNESSES = (
    "adhd anemia anorexia anxiety arthritis asthma autism bulimia cancer chlamydia dementia depression diabetes eczema "
    "endometriosis epilepsy fibromyalgia glaucoma gonorrhea hepatitis herpes hypertension insomnia leukemia lupus "
    "lymphoma malaria melanoma migraine narcolepsy osteoporosis pneumonia psoriasis schizophrenia syphilis "
    "tuberculosis hiv alzheimer bipolar parkinson"
)
CANDIDATES = tuple(_ILLNESSES.split())
"""40 illnesses, one word each."""

LEAD_SEEDS = (12, 13, 16)
"""Accounts that seed each candidate where the leading word is read: at the minimum of a sensitive word and above."""

COLLUDERS = 17
"""Accounts of the attackers: as many as the highest minimum, and five (threat model: m + 5)."""

TOPICS_AT_ONCE = 100

TARGETS = 4
"""Targets of a topic, each with an illness of its own: a pair each, since words have each their own noise. The
colluders alone meet the topic's thresholds all but once in a hundred times, so one target is nothing to another."""

_SEED = (
    "{} - which of these runs in families",
    "compare {} please",
    "leaflet on {} wanted",
    "reading list: {}",
    "tell me of {} treatments",
    "symptoms, early ones: {}",
    "diets against {}",
    "costs of {} drugs",
    "quiz me on {}",
    "tests for {}, which are cheap",
)
_COVER = (
    "how do i talk to a doctor about {}",
    "write a note to my clinic, {}",
    "what should I ask about {}",
    "is {} worth a second opinion?",
    "Plan my week around {}.",
    "a list of questions before {}",
    "{} makes me nervous, any advice",
    "how long does {} take to arrange",
)
_CARE = ("the appointment", "my waiting time", "a blood test", "the referral", "a scan", "new tablets", "my sick note",
         "the check up", "an insurance form", "the ward visit", "a repeat prescription", "physio")  # fmt: skip
_TARGET = (
    "I have {} and cannot sleep, what helps",
    "my {} is back, how do I tell work",
    "living with {}: which sports are safe for me?",
    "Diagnosed with {} on Monday. What now?",
)


def attack(site: Site, *, seeds: Sequence[int], pairs: int, seed: int) -> list[Line]:
    """Every seed count, with the target in and out; then who leads; then both with noise off."""
    lines: list[Line] = []
    epsilon = site.settings.epsilon_sensitive
    level = simultaneous(2 * len(seeds))
    steps = 2 * (len(seeds) + 1) * -(-pairs // TARGETS) + len(LEAD_SEEDS) * pairs + pairs
    with track("tipping", steps, "topic") as advance:
        for count in seeds:
            told = _told(site, count, pairs, seed, advance)
            lines.append(_told_line(f"tipping, {count} seeds", told, pairs, epsilon, level))
        lines += [
            _lead_line(count, _lead(site, count, pairs, seed, advance), epsilon) for count in LEAD_SEEDS
        ]
        silent = site.with_settings(**NOISELESS)
        count = site.settings.sensitive_word_min_accounts - 1
        told = _told(silent, count, pairs, seed, advance)
        alone = Share(sum(one and not other for one, other in zip(*told, strict=True)), pairs)
        lines.append(
            _success(f"tipping without noise, {count} seeds", "the target's illness comes out", alone)
        )
        lead = _lead(silent, count + 1, pairs, seed, advance)
        lines.append(
            _success(f"tipping without noise, {count + 1} seeds", "the target's illness leads among 40", lead)
        )
    return lines


def _success(attack: str, tried: str, share: Share) -> Line:
    return Line(
        attack,
        tried,
        share.n,
        f"{share.value:.3f}",
        share.interval(),
        "must succeed, so that the rest is a test: ≥ 0.95",
        share.value >= 0.95,
    )


def _told_line(
    attack: str, told: tuple[list[bool], list[bool]], pairs: int, epsilon: float, level: float
) -> Line:
    factor = math.exp(epsilon)
    with_target, without = told
    published = paired_ratio(with_target, without, level)
    hidden = paired_ratio([not x for x in without], [not x for x in with_target], level)
    held = published.within(factor) and hidden.within(factor)
    return Line(
        attack,
        f"P(word published | target in, out) = {published.more.value:.3f}, {published.less.value:.3f}",
        pairs,
        f"odds × {_number(published)}; of withholding × {_number(hidden)}",
        (published.low, published.high),
        f"≤ e^{epsilon:g} = {factor:.3f}",
        held,
    )


def _lead_line(count: int, lead: Share, epsilon: float) -> Line:
    bar = math.exp(epsilon) / len(CANDIDATES)
    low, high = lead.interval()
    return Line(
        f"tipping, all seeded alike, {count} seeds",
        "the target's illness is the one that leads",
        lead.n,
        f"{lead.value:.4f}",
        (low, high),
        f"≤ e^{epsilon:g} / {len(CANDIDATES)} = {bar:.4f}",
        low <= bar,
    )


def _number(ratio: Ratio) -> str:
    return "–" if math.isnan(ratio.value) else f"{ratio.value:.2f}"


def _told(site: Site, seeds: int, pairs: int, seed: int, advance: Advance) -> tuple[list[bool], list[bool]]:
    """Whether each target's illness was published, with the targets in and out."""
    inside: list[bool] = []
    outside: list[bool] = []
    for topics, targets in _batches(pairs, TARGETS, f"{seed}-{seeds}"):
        for found, is_in in ((inside, True), (outside, False)):
            named = _run(site, topics, targets, seeds, seed, is_in)
            found += [word in told for words, told in zip(targets, named, strict=True) for word in words]
            advance(len(topics))
    return inside, outside


def _lead(site: Site, seeds: int, pairs: int, seed: int, advance: Advance) -> Share:
    """How often the target's illness is the first that is named."""
    hits = 0
    for topics, targets in _batches(pairs, 1, f"lead-{seed}-{seeds}"):
        named = _run(site, topics, targets, seeds, seed, True)
        hits += sum(told[:1] == words for words, told in zip(targets, named, strict=True))
        advance(len(topics))
    return Share(hits, pairs)


def _batches(pairs: int, each: int, prefix: str) -> Iterator[tuple[list[str], list[tuple[str, ...]]]]:
    """Topics, and the illnesses of each one's targets: `pairs` in all."""
    numbers = list(range(pairs))
    groups = [numbers[start : start + each] for start in range(0, pairs, each)]
    for start in range(0, len(groups), TOPICS_AT_ONCE):
        chosen = groups[start : start + TOPICS_AT_ONCE]
        yield (
            [f"{prefix}-{group[0]:05d}" for group in chosen],
            [tuple(CANDIDATES[number % len(CANDIDATES)] for number in group) for group in chosen],
        )


def _run(
    site: Site, topics: Sequence[str], targets: Sequence[Sequence[str]], seeds: int, seed: int, is_in: bool
) -> list[tuple[str, ...]]:
    """The candidates that each topic's published summary names, in its order."""
    crowd = _crowd(seeds, seed)
    parts = [
        crowd.with_columns(
            pl.Series("started_at", moments(topic, len(crowd)), dtype=pl.Datetime("us", "UTC")),
            pl.lit(topic).alias("topic"),
        )
        for topic in topics
    ]
    if is_in:
        random = Random(seed)
        parts.append(
            pl.DataFrame(
                [
                    (
                        f"target-{word}",
                        random.choice(_TARGET).format(word),
                        moments(topic + word, 1)[0],
                        topic,
                    )
                    for topic, words in zip(topics, targets, strict=True)
                    for word in words
                ],
                schema=parts[0].schema,
                orient="row",
            )
        )
    rows = pl.concat(parts).sort("topic", "account", "text", maintain_order=True)
    rows = rows.with_columns(
        pl.concat_str(
            "topic", "account", pl.int_range(pl.len()).over("topic", "account").cast(pl.String), separator="/"
        ).alias("conversation_id")
    ).sort("conversation_id")
    raw = conversations(
        rows["conversation_id"].to_list(),
        rows.select(pl.concat_str("topic", "account", separator="/")).to_series().to_list(),
        rows["text"].to_list(),
        rows["started_at"].to_list(),
    )
    analyst = Listing(frozenset(CANDIDATES))
    facets, vectors, _ = read(raw, analyst, site)
    made = name(place(facets, vectors, rows["topic"].to_list(), site), analyst, site)
    told = {
        topic: tuple(word for word in _spoken(f"{title}, {description}") if word in CANDIDATES)
        for topic, title, description in made.published.filter(level=0)
        .select("topic", "name", "description")
        .iter_rows()
    }
    return [told.get(topic, ()) for topic in topics]


def _spoken(text: str) -> list[str]:
    return text.replace(":", ",").replace(".", ",").lower().replace(",", " ").split()


@cache
def _crowd(seeds: int, seed: int) -> pl.DataFrame:
    """What the colluders send: `seeds` of them every candidate, the others cover, five conversations each."""
    random = Random(1_000 * seed + seeds)
    rows: list[tuple[str, str]] = []
    for number in range(max(COLLUDERS, seeds)):
        if number < seeds:
            words = random.sample(CANDIDATES, len(CANDIDATES))
            shapes = random.sample(_SEED, 5)
            texts = [
                shape.format(", ".join(words[8 * part : 8 * part + 8])) for part, shape in enumerate(shapes)
            ]
        else:
            cares = random.sample(_CARE, 5)
            texts = [shape.format(care) for shape, care in zip(random.sample(_COVER, 5), cares, strict=True)]
        rows += [(f"colluder-{number:02d}", text) for text in texts]
    return pl.DataFrame(rows, schema=["account", "text"], orient="row")

"""Which attacks there are, how large each is run, and running them one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from clio_dagster.evaluation.attacks import (
    canaries,
    censorship,
    confirmation,
    injection,
    subtraction,
    templates,
    tipping,
)
from clio_dagster.evaluation.attacks.report import Line, Report, Stage
from clio_dagster.evaluation.pipeline import Site, site_of

Found = tuple[list[Stage], list[Line]]


@dataclass(frozen=True)
class Size:
    """How large the attacks are run: conversations of the canaries, pairs at every seed count, conversations of the
    crowd that other attacks hide in, topics that are flooded, days that are published,
    and how many accounts seed each candidate of tipping."""

    canaries: int
    pairs: int
    crowd: int
    floods: int
    days: int
    seeds: tuple[int, ...]


FULL = Size(canaries=3_000, pairs=400, crowd=2_500, floods=4, days=30, seeds=tuple(range(1, 14)))
QUICK = Size(canaries=600, pairs=40, crowd=700, floods=1, days=5, seeds=(1, 8, 11, 13))


ATTACKS: dict[str, Callable[[Site, Size, int], Found]] = {
    "canaries": lambda site, size, seed: canaries.attack(site, size=size.canaries, seed=seed),
    "tipping": lambda site, size, seed: (
        [],
        tipping.attack(site, seeds=size.seeds, pairs=size.pairs, seed=seed),
    ),
    "injection": lambda site, size, seed: ([], injection.attack(site, size=size.crowd, seed=seed)),
    "confirmation": lambda site, size, seed: ([], confirmation.attack(site, pairs=2 * size.pairs, seed=seed)),
    "templates": lambda site, size, seed: ([], templates.attack(site, size=size.crowd // 2, seed=seed)),
    "censorship": lambda site, size, seed: (
        [],
        censorship.attack(site, size=size.crowd, floods=size.floods, seed=seed),
    ),
    "subtraction": lambda site, size, seed: ([], subtraction.attack(site, days=size.days, seed=seed)),
}

BY_TESTS = (
    ("UI bypass", "a release alone after a failed gate; a table edited by hand", "refused",
     "tests/test_checks.py, tests/test_pipeline.py"),
    ("leak hunt", "files, Dagster's storage after good, failed, killed runs", "0 hits", "tests/test_leak_hunt.py"),
    ("erasure", "every byte under CLIO_HOME after clio forget", "0 hits", "tests/test_erasure.py"),
    ("digits", "decimals of shares, lifts, intervals, p-values and growth", "no more than the counts have",
     "tests/test_marts.py"),
)  # fmt: skip
"""Attacks on a real site: attack, what is tried, the bar, and the tests that run it."""


def run(names: Sequence[str] = (), *, pairs: int | None = None, seed: int = 0, quick: bool = False) -> Report:
    """The named attacks, or all. `pairs` overrides how many paired runs each comparison has.

    Deterministic for a seed, whatever the environment's settings say. Raises KeyError for an unknown name.
    """
    chosen = {name: ATTACKS[name] for name in names or ATTACKS}
    size = QUICK if quick else FULL
    if pairs:
        size = replace(size, pairs=pairs)
    site = site_of(seed)
    stages: list[Stage] = []
    lines: list[Line] = []
    for attack in chosen.values():
        found, told = attack(site, size, seed)
        stages += found
        lines += told
    if not names:
        lines += [
            Line(attack, tried, 0, "", None, bar, None, tests) for attack, tried, bar, tests in BY_TESTS
        ]
    return Report(stages, lines)

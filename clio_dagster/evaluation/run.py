"""Which attacks there are, how large each is run, and running them one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from clio_dagster.evaluation.pipeline import Site, site_of
from clio_dagster.evaluation.report import Line, Report, Stage

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


def _canaries(site: Site, size: Size, seed: int) -> Found:
    from clio_dagster.evaluation import canaries

    return canaries.attack(site, size=size.canaries, seed=seed)


def _tipping(site: Site, size: Size, seed: int) -> Found:
    from clio_dagster.evaluation import tipping

    return [], tipping.attack(site, seeds=size.seeds, pairs=size.pairs, seed=seed)


def _injection(site: Site, size: Size, seed: int) -> Found:
    from clio_dagster.evaluation import injection

    return [], injection.attack(site, size=size.crowd, seed=seed)


def _confirmation(site: Site, size: Size, seed: int) -> Found:
    from clio_dagster.evaluation import confirmation

    return [], confirmation.attack(site, pairs=2 * size.pairs, seed=seed)


def _templates(site: Site, size: Size, seed: int) -> Found:
    from clio_dagster.evaluation import templates

    return [], templates.attack(site, size=size.crowd // 2, seed=seed)


def _censorship(site: Site, size: Size, seed: int) -> Found:
    from clio_dagster.evaluation import censorship

    return [], censorship.attack(site, size=size.crowd, floods=size.floods, seed=seed)


def _subtraction(site: Site, size: Size, seed: int) -> Found:
    from clio_dagster.evaluation import subtraction

    return [], subtraction.attack(site, days=size.days, seed=seed)


ATTACKS: dict[str, Callable[[Site, Size, int], Found]] = {
    "canaries": _canaries,
    "tipping": _tipping,
    "injection": _injection,
    "confirmation": _confirmation,
    "templates": _templates,
    "censorship": _censorship,
    "subtraction": _subtraction,
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

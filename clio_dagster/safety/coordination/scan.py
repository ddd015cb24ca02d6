"""The scan: every cell of every layer scored, with the false rate of such a score when accounts are exchanged."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from clio_dagster.safety.coordination import signals
from clio_dagster.safety.coordination.accounts import KEPT, STRATA, Accounts, homes, strata
from clio_dagster.safety.coordination.null import false_rates

EXCHANGES = 20
"""Runs of exchanged accounts."""

TRIMMED = 1.0
"""Cells of at most this false rate stand apart in a second pass: a ring must not make the null it is held to."""

SHRUNK = 5.0
"""Accounts that the site's own share counts for, in a stratum of few."""


@dataclass(frozen=True)
class Layer:
    """One partition of the conversations: its name, whether it is one of structure, and each conversation's cell."""

    name: str
    structural: bool
    cell: np.ndarray


@dataclass(frozen=True)
class Found:
    """A cell that was scored: its layer, the accounts at home in it (places), and what each signal says."""

    layer: int
    members: np.ndarray
    kept: int
    of: int
    expected: float
    score: float
    rate: float
    signals: dict[str, float]


@dataclass(frozen=True)
class Keeping:
    """How likely each account keeps to one broad area, by its activity (NaN: one conversation, which says nothing);
    whether it does; and by how much broad areas differ in that."""

    expected: np.ndarray
    kept: np.ndarray
    spread: float


@dataclass(frozen=True)
class _Scored:
    """Of one layer: the cells of enough accounts, renumbered, and their scores."""

    home: np.ndarray
    kept: np.ndarray
    cells: int
    scores: dict[str, np.ndarray]


def scan(
    accounts: Accounts,
    layers: list[Layer],
    broad: np.ndarray,
    *,
    min_accounts: int,
    least_rate: float,
    seed: int,
    without: Collection[str] = (),
    exchanges: int = EXCHANGES,
) -> list[Found]:
    """Cells whose false rate is at most `least_rate`, the highest score first, then by layer and members.

    `broad`: the broadest cell of meaning of each conversation. `without`: signals to leave out.
    """
    keys = [homes(accounts, layer.cell)[0] for layer in layers if layer.structural]
    at_home = [homes(accounts, layer.cell) for layer in layers]
    apart = np.zeros(len(accounts.conversations), dtype=bool)
    found: list[Found] = []
    for limit in (TRIMMED, least_rate):
        found = _pass(accounts, at_home, broad, keys, apart, min_accounts, limit, seed, without, exchanges)
        for each in found:
            apart[each.members] = True
        if not found and least_rate <= limit:
            break
    return found


def _pass(
    accounts: Accounts,
    at_home: list[tuple[np.ndarray, np.ndarray]],
    broad: np.ndarray,
    keys: list[np.ndarray],
    apart: np.ndarray,
    min_accounts: int,
    least_rate: float,
    seed: int,
    without: Collection[str],
    exchanges: int,
) -> list[Found]:
    """The scan against a null without the accounts that stand `apart`."""
    keeps = keeping(accounts, broad, apart)
    scored = [_score(accounts, *each, min_accounts, keeps, keys, without) for each in at_home]
    totals = [signals.combined(each.scores) for each in scored]
    draw = np.random.default_rng(seed)
    ordinary = [_without(each, apart, min_accounts) for each in scored]
    exchanged = [
        np.concatenate([_exchanged(accounts, each, keeps, draw) for each in ordinary])
        for _ in range(exchanges)
    ]
    found = []
    for number, (each, total) in enumerate(zip(scored, totals, strict=True)):
        rates = false_rates(total, exchanged)
        for cell in np.flatnonzero(rates <= least_rate):
            members = np.flatnonzero(each.home == cell)
            says = members[~np.isnan(keeps.expected[members])]
            found.append(
                Found(
                    layer=number,
                    members=members,
                    kept=int(each.kept[says].sum()),
                    of=len(says),
                    expected=float(keeps.expected[says].sum()),
                    score=float(total[cell]),
                    rate=float(rates[cell]),
                    signals={name: float(values[cell]) for name, values in each.scores.items()},
                )
            )
    return sorted(found, key=lambda each: (-each.score, each.layer, each.members.tolist()))


def keeping(accounts: Accounts, broad: np.ndarray, apart: np.ndarray) -> Keeping:
    """How accounts keep to one broad area; those `apart` are not asked."""
    home, share = homes(accounts, broad)
    kept = (share >= KEPT).astype(float)
    stratum = strata(accounts.conversations)
    expected = np.full(len(kept), np.nan)
    says = (stratum > 0) & ~apart
    overall = kept[says].mean() if says.any() else 0.5
    for number in range(1, len(STRATA)):
        own = says & (stratum == number)
        expected[stratum == number] = (kept[own].sum() + SHRUNK * overall) / (own.sum() + SHRUNK)
    return Keeping(expected, kept, signals.spread_between(np.where(apart, -1, home), kept, expected))


def _score(
    accounts: Accounts,
    home: np.ndarray,
    share: np.ndarray,
    min_accounts: int,
    keeps: Keeping,
    keys: list[np.ndarray],
    without: Collection[str],
) -> _Scored:
    home, cells, _ = _renumbered(home, min_accounts)
    kept = (share >= KEPT).astype(float)
    if not cells:
        return _Scored(home, kept, 0, {signals.REPERTOIRE: np.empty(0)})
    used = np.ones(cells, dtype=bool)
    asked = np.where(home >= 0, keeps.expected, np.nan)
    scores = {signals.REPERTOIRE: signals.repertoire(home, kept, asked, cells, keeps.spread)}
    if signals.STEP not in without:
        scores[signals.STEP] = signals.widened(signals.step(home, accounts, cells), used)
    for name, ranks in accounts.ranks.items():
        if name not in without:
            scores[name] = signals.widened(signals.sameness(home, ranks, cells), used)
    if signals.DENSITY not in without:
        scores[signals.DENSITY] = signals.standardised(signals.density(home, accounts.middle, cells), used)
    if signals.SHAPE not in without:
        held = np.max([most_held(home, key, cells) for key in keys], axis=0)
        scores[signals.SHAPE] = signals.standardised(held, used)
    if signals.REPERTOIRE in without:
        scores[signals.REPERTOIRE] = np.zeros(cells)
    return _Scored(home, kept, cells, scores)


def most_held(home: np.ndarray, key: np.ndarray, cells: int) -> np.ndarray:
    """Of each cell, the largest share of its accounts whose own commonest key is the same (float64)."""
    placed = home >= 0
    size = np.maximum(np.bincount(home[placed], minlength=cells), 1)
    both = placed & (key >= 0)
    most = np.zeros(cells)
    if both.any():
        keys = int(key.max()) + 1
        pairs, times = np.unique(home[both] * keys + key[both], return_counts=True)
        np.maximum.at(most, pairs // keys, times)
    return most / size


def _renumbered(home: np.ndarray, min_accounts: int) -> tuple[np.ndarray, int, np.ndarray]:
    """Homes in cells of enough accounts alone, numbered anew; how many such cells; and which they were (places)."""
    sizes = np.bincount(home[home >= 0], minlength=1)
    enough = sizes >= min_accounts
    numbers = np.where(enough, np.cumsum(enough) - 1, -1)
    return np.where(home >= 0, numbers[home], -1), int(enough.sum()), np.flatnonzero(enough)


def _without(scored: _Scored, apart: np.ndarray, min_accounts: int) -> _Scored:
    """The layer without the accounts that stand apart, and without the cells that are too small then."""
    if not scored.cells:
        return scored
    home, cells, left = _renumbered(np.where(apart, -1, scored.home), min_accounts)
    return _Scored(home, scored.kept, cells, {name: values[left] for name, values in scored.scores.items()})


def _exchanged(accounts: Accounts, scored: _Scored, keeps: Keeping, draw: np.random.Generator) -> np.ndarray:
    """Scores of a layer's cells when other accounts are at home in them.

    Accounts bring what they have: times, rate, turns, length, creation, and whether they keep to a broad area. What
    cells have of themselves, density and shape, is exchanged between the layer's cells.
    """
    if not scored.cells:
        return np.empty(0)
    who = np.arange(len(scored.home))
    placed = np.flatnonzero(scored.home >= 0)
    who[placed] = draw.permutation(placed)
    asked = np.where(scored.home >= 0, keeps.expected[who], np.nan)
    scores = {}
    for name, own in scored.scores.items():
        if name == signals.REPERTOIRE and own.any():
            kept = keeps.kept[who]
            scores[name] = signals.repertoire(scored.home, kept, asked, scored.cells, keeps.spread)
        elif name == signals.STEP:
            scores[name] = signals.step(scored.home, accounts, scored.cells, who)
        elif name in signals.SAMENESS:
            scores[name] = signals.sameness(scored.home, accounts.ranks[name][who], scored.cells)
        else:
            scores[name] = draw.permutation(own)
    return signals.combined(scores)

"""From cells that stand out to groups of accounts: each account in one group, how surely it belongs, which kind."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from clio_dagster.safety.coordination.accounts import KEPT, Accounts, homes
from clio_dagster.safety.coordination.scan import Found, Layer
from clio_dagster.safety.tables import NARROW_TOPIC, SHARED_PROMPT

OVERLAP = 0.5
"""Share of a cell's accounts, already in a better group, from which on it is no group of its own."""

LEAST_MEMBERSHIP = 0.5
NEAR, FAR = 2.0, 6.0
"""Distances from the group's middle, in widths of its own, up to which an account is wholly in it, and not at all."""

COMPLEX_WORDS = 40
"""Words from which a prompt is complex: the median of a group's texts, slots counted as words."""

HELD = 1 / 3
"""Share of accounts with one masked structure from which on they have one in common."""


@dataclass(frozen=True)
class Structure:
    """The masked structure by which a group stands out: how many accounts sent it, and how many chance puts."""

    accounts: int
    chance: float


@dataclass(frozen=True)
class Group:
    """Accounts that act together (places, with how surely each belongs), and the cell that showed it.

    Of `found`, what is counted is counted anew over the members alone."""

    found: Found
    kind: str
    members: np.ndarray
    membership: np.ndarray
    rows: np.ndarray
    structure: Structure
    words: float


def group_id(kind: str, names: list[str]) -> str:
    """16 hex digits, the same for the same kind and accounts on any day."""
    return hashlib.blake2b("\x1f".join([kind, *sorted(names)]).encode(), digest_size=8).hexdigest()


def grouped(
    accounts: Accounts, layers: list[Layer], found: list[Found], words: np.ndarray, min_accounts: int
) -> list[Group]:
    """Groups, the best first. `found` from `scan`; `words` of each conversation."""
    taken = np.zeros(len(accounts.conversations), dtype=bool)
    keys = [layer.cell for layer in layers if layer.structural]
    groups = []
    for each in found:
        if taken[each.members].mean() > OVERLAP:
            continue
        cell = layers[each.layer].cell
        home, share = homes(accounts, cell)
        members = each.members[~taken[each.members]]
        belongs = share[members] * _closeness(accounts.middle, members, share)
        sure = belongs >= LEAST_MEMBERSHIP
        members, belongs = members[sure], belongs[sure]
        if len(members) < min_accounts:
            continue
        taken[members] = True
        inside = np.zeros(len(taken), dtype=bool)
        inside[members] = True
        rows = np.flatnonzero(inside[accounts.of] & (cell == home[members[0]]))
        structure = shared_structure(accounts, keys, inside)
        typical = float(np.median(words[rows]))
        kind = SHARED_PROMPT if layers[each.layer].structural or typical >= COMPLEX_WORDS else NARROW_TOPIC
        says = members[accounts.conversations[members] > 1]
        asked = replace(
            each,
            kept=int((share[says] >= KEPT).sum()),
            of=len(says),
            expected=each.expected / max(each.of, 1) * len(says),
        )
        groups.append(Group(asked, kind, members, belongs, rows, structure, typical))
    return groups


def shared_structure(accounts: Accounts, keys: list[np.ndarray], inside: np.ndarray) -> Structure:
    """The key, of all kinds, by which the accounts `inside` (Boolean, an account each) stand out most."""
    best, most_telling = Structure(0, 0.0), 0.0
    size, others = int(inside.sum()), int((~inside).sum())
    for key in keys:
        used = np.flatnonzero((key >= 0) & inside[accounts.of])
        if not len(used):
            continue
        pairs = np.unique(np.column_stack([key[used], accounts.of[used]]), axis=0)
        held, times = np.unique(pairs[:, 0], return_counts=True)
        often = held[times >= max(2, 0.5 * times.max())]
        outside = np.flatnonzero(np.isin(key, often) & ~inside[accounts.of])
        theirs = np.unique(np.column_stack([key[outside], accounts.of[outside]]), axis=0)[:, 0]
        for number in often:
            own = int(times[held == number][0])
            chance = size * int((theirs == number).sum()) / max(others, 1)
            telling = own * np.log(own / (chance + 0.5))
            if telling > most_telling:
                best, most_telling = Structure(own, chance), telling
    return best


def _closeness(middle: np.ndarray, members: np.ndarray, share: np.ndarray) -> np.ndarray:
    """1 near the middle of the accounts that keep to the cell, falling to 0 far from it."""
    core = members[share[members] >= np.median(share[members])]
    centre = middle[core].astype(np.float64).mean(axis=0)
    lengths = np.linalg.norm(middle[members].astype(np.float64), axis=1) * np.linalg.norm(centre)
    distance = 1 - middle[members].astype(np.float64) @ centre / np.maximum(lengths, 1e-12)
    usual = np.median(distance)
    width = max(1.4826 * float(np.median(np.abs(distance - usual))), 0.02)
    return np.clip((FAR - (distance - usual) / width) / (FAR - NEAR), 0.0, 1.0)

"""Why a group was found, in words and counts. Never a word of a conversation (P9)."""

from __future__ import annotations

import numpy as np

from clio_dagster.safety.coordination import signals
from clio_dagster.safety.coordination.groups import HELD, Group
from clio_dagster.safety.coordination.resale import TRAITS
from clio_dagster.safety.tables import SHARED_PROMPT

TELLING = 2.0
"""Standard scores from which a signal is named."""

SAID = {
    signals.STEP: "they are active in the same half hours more often than the site's rhythm explains",
    "rate": "they send about equally much, where other accounts differ",
    "turns": "their conversations are about equally long in turns, where other accounts' differ",
    "length": "their texts are about equally long, where other accounts' differ",
    "created": "they were created close together",
    signals.DENSITY: "their conversations mean almost the same, more so than those of other groups of accounts",
}

TRAIT_SAID = {
    "languages": "it writes in more languages",
    "topics": "it writes of more subjects",
    "hours": "it is active at more hours of the day",
    "typing": "it is typed in more ways",
    "volume": "it sends more",
}


def of_group(group: Group, rate: float, created_days: float | None) -> list[str]:
    """Reasons of a group found by the scan, the strongest kind first."""
    found, size = group.found, len(group.members)
    said = []
    if found.of:
        said.append(
            f"{found.kept} of {found.of} accounts of two or more conversations do one thing only; of accounts as "
            f"active, {_count(found.expected)} would keep to even one broad area"
        )
    if group.structure.accounts >= HELD * size:
        said.append(
            f"{group.structure.accounts} of {size} accounts sent one masked structure, "
            f"chance puts {_count(group.structure.chance)}"
        )
    if group.kind == SHARED_PROMPT:
        said.append(f"half of their first messages have {group.words:.0f} words or more")
    for name, words in SAID.items():
        score = found.signals.get(name, 0.0)
        if score >= TELLING:
            days = (
                f" (four fifths within {_count(created_days)} days)"
                if created_days and name == "created"
                else ""
            )
            said.append(f"{words}{days} (standard score {score:.1f})")
    return [*said, _by_chance(rate, "such groups")]


def of_resale(traits: dict[str, float], accounts: int, rate: float) -> list[str]:
    """Reasons of a group of resold accounts: `traits` are the medians of its accounts' standard scores."""
    said = of_resold({name: traits[name] for name in TRAITS})
    if accounts > 1:
        said.insert(
            0, f"{accounts} accounts each look like many people, and have one mix of languages and subjects"
        )
    return [*said, _by_chance(rate, "such accounts")]


def of_member(share: float, conversations: int, near: float) -> list[str]:
    """Why one account is in a group of the scan."""
    said = [f"{round(share * conversations)} of its {conversations} conversations are the group's"]
    if near < 0.999:
        said.append(f"it lies at the group's edge (closeness {near:.2f} of 1)")
    return said


def of_resold(traits: dict[str, float]) -> list[str]:
    """In which traits, of those whose standard scores are given, one account looks like many people."""
    return [
        f"{TRAIT_SAID[name]} than other active accounts (standard score {value:.1f})"
        for name, value in traits.items()
        if np.isfinite(value) and value >= 1.0
    ]


def _by_chance(rate: float, what: str) -> str:
    return f"with accounts exchanged, {rate:.2g} {what} a run are to be expected"


def _count(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"

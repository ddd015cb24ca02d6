"""What one part of an evaluation came to: tables, pictures, and figures that are held against bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class Bar:
    """One figure, and what it must come to; with neither bound nothing is promised and it stands for itself.

    `what` names it within its section, the same in every evaluation. `value` is nan where nothing could be measured,
    and then nothing holds. `hits`, where the value is a share of conversations: conversation_id and hit, Boolean,
    so that two evaluations of the same corpus can be compared pair by pair; and, where conversations are hit or
    missed in groups, such as a base cluster under one name, `together`, String: the group, null for one by itself.
    """

    what: str
    value: float
    at_least: float | None = None
    at_most: float | None = None
    n: int = 0
    interval: tuple[float, float] | None = None
    hits: pl.DataFrame | None = field(default=None, repr=False, compare=False)

    @property
    def held(self) -> bool | None:
        if self.at_least is None and self.at_most is None:
            return None
        enough = self.at_least is None or self.value >= self.at_least
        return enough and (self.at_most is None or self.value <= self.at_most)

    @property
    def bound(self) -> str:
        """The bar in words, empty where there is none."""
        least = [] if self.at_least is None else [f"≥ {self.at_least:.4g}"]
        return ", ".join([*least, *([] if self.at_most is None else [f"≤ {self.at_most:.4g}"])])


@dataclass(frozen=True)
class Section:
    """`name` is also the asset's; `about` says in Markdown what is measured, how, and after whom.

    `tables` are by caption, `pictures` SVG documents by the name of their file.
    """

    name: str
    title: str
    about: str
    bars: Sequence[Bar]
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)

    @property
    def missed(self) -> list[Bar]:
        return [bar for bar in self.bars if bar.held is False]

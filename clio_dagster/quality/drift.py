"""Whether a day is unlike the four weeks before it: in volume, languages, and the shares unread and withheld.

A warning and no refusal: most such days are true ones, and someone should know. Counts are taken on scales on which
chance has one width (Anscombe's square root for a count, the arcsine for a share). The usual is the median of the
days before of the same kind, weekdays or weekends; how far they stray is their median absolute deviation, and never
less than counting noise and what a steady site strays anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

TRAILING_DAYS = 28
LEAST_DAYS, LEAST_DAYS_ALIKE = 7, 4
"""Days before that must exist, and those among them that must be of the same kind."""

VOLUME, LANGUAGE_MIX, UNREAD, WITHHELD = "volume", "language_mix", "share_unread", "share_withheld"

STRAYS = {VOLUME: 0.10, LANGUAGE_MIX: 0.03, UNREAD: 0.02, WITHHELD: 0.02}
"""How far an ordinary day strays beyond counting noise, at the least: a part of the volume; on the arcsine scale for
shares, where 0.02 is 1.2 points at a share of 10% and 2 points at one of 50%."""

TOO_FAR = {VOLUME: 3.5, LANGUAGE_MIX: 5.0, UNREAD: 3.5, WITHHELD: 3.5}
"""Widths from the usual beyond which a day is unlike; more where the furthest of many languages is taken."""

STAGES = {
    UNREAD: ("unread", "language not understood"),
    WITHHELD: ("withheld", "below a threshold", "merged as duplicates"),
}
"""Stages of coverage that a share is made of."""

_MAD = 1.4826  # makes it the standard deviation, where errors are normal
_FEW = 2.0  # over m days it is widened by 1 + 2/m: few days often lie close together by chance
_MEDIAN = np.pi / 2  # variance of the median of m days, times m, where one day's is 1


@dataclass(frozen=True)
class Drift:
    """One check of one day: `today` and `usual` are a count, or shares from 0 to 1; `widths` says how far apart.

    `languages`: those whose share is unlike, for the language mix. `why`: what kept the day from being compared.
    """

    check: str
    passed: bool = True
    days: int = 0
    today: float = 0.0
    usual: float = 0.0
    widths: float = 0.0
    languages: tuple[str, ...] = ()
    why: str = ""


def drift(coverage: pl.DataFrame, counted: Sequence[date], day: date) -> list[Drift]:
    """A Drift for each of STRAYS, in order.

    `coverage`: date, language, stage, conversations of tables.EXACT_COVERAGE, of the trailing days and the day.
    `counted`: the days that have been counted; one that had no conversation has no row.
    """
    before = [each for each in counted if day - timedelta(days=TRAILING_DAYS) <= each < day]
    alike = sorted(each for each in before if _is_weekend(each) == _is_weekend(day))
    if len(before) < LEAST_DAYS or len(alike) < LEAST_DAYS_ALIKE:
        return [Drift(check, days=len(alike), why="not enough days") for check in STRAYS]
    days = pl.DataFrame({"date": [*alike, day]})
    came_in = coverage.filter(stage="in").pivot(
        "language", index="date", values="conversations", aggregate_function="sum"
    )
    by_language = _by_day(days, came_in)
    total = by_language.sum(axis=1)
    result = [_volume(total)]
    busy = total > 0
    shares = {LANGUAGE_MIX: by_language} | {
        check: _by_day(
            days,
            coverage.filter(pl.col("stage").is_in(stages))
            .group_by("date")
            .agg(pl.col("conversations").sum()),
        )
        for check, stages in STAGES.items()
    }
    for check, parts in shares.items():
        if not busy[-1] or busy.sum() <= LEAST_DAYS_ALIKE:
            result.append(Drift(check, days=len(alike), why="not enough conversations"))
        else:
            result.append(_share(check, parts[busy], total[busy], came_in.columns[1:]))
    return result


def _is_weekend(day: date) -> bool:
    return day.weekday() >= 5


def _by_day(days: pl.DataFrame, counts: pl.DataFrame) -> np.ndarray:
    """A row a day, a column a count; 0 where there is no row."""
    joined = days.join(counts, on="date", how="left", maintain_order="left")
    return joined.drop("date").fill_null(0).to_numpy().astype(np.float64).reshape(days.height, -1)


def _volume(total: np.ndarray) -> Drift:
    usual = float(np.median(total[:-1]))
    scaled = 2 * np.sqrt(total + 3 / 8)
    widths = _widths(scaled[:, None], np.ones(len(total)), STRAYS[VOLUME] * np.sqrt(usual))
    return Drift(
        VOLUME,
        passed=bool(abs(widths[0]) <= TOO_FAR[VOLUME]),
        days=len(total) - 1,
        today=float(total[-1]),
        usual=usual,
        widths=float(widths[0]),
    )


def _share(check: str, parts: np.ndarray, total: np.ndarray, languages: Sequence[str]) -> Drift:
    """The share that strays furthest, of those that the columns of `parts` have of `total`."""
    scaled = np.arcsin(np.sqrt((parts + 3 / 8) / (total[:, None] + 3 / 4)))
    widths = _widths(scaled, 0.5 / np.sqrt(total), STRAYS[check])
    far = np.abs(widths) > TOO_FAR[check]
    furthest = int(np.abs(widths).argmax())
    shares = parts[:, furthest] / total
    return Drift(
        check,
        passed=not far.any(),
        days=len(total) - 1,
        today=float(shares[-1]),
        usual=float(np.median(shares[:-1])),
        widths=float(widths[furthest]),
        languages=tuple(name for name, is_far in zip(languages, far, strict=False) if is_far)
        if check == LANGUAGE_MIX
        else (),
    )


def _widths(values: np.ndarray, noise: np.ndarray, strays: float) -> np.ndarray:
    """How far the last row of `values` (days × quantities) lies from the rows before, in widths of one quantity.

    `noise`: standard deviation that counting alone gives each day. Quantities of one kind stray alike, and some days
    lie close together by chance: none is taken to stray less than all do together.
    """
    before, today = values[:-1], values[-1]
    usual = np.median(before, axis=0)
    apart = np.abs(before - usual)
    strayed = _MAD * np.maximum(np.median(apart, axis=0), np.median(apart)) * (1 + _FEW / len(before))
    beyond_noise = np.maximum(strays**2, strayed**2 - np.median(noise[:-1]) ** 2)
    return (today - usual) / np.sqrt((beyond_noise + noise[-1] ** 2) * (1 + _MEDIAN / len(before)))

"""Subtraction: least squares over every figure that a month of releases shows.

The reader keeps every revision of every date and solves for what is not shown, and for single days. Windows, trends
and revisions are sums of published cells, and shares, lifts and p-values are computed from them, so the cells of every
part are all that there is to solve with. Among them are many sums of the same conversations: a topic's total, its
languages, its scores, its turns, and the totals above and below it.

A made-up month: three levels of topics, three languages, late conversations and withdrawn ones on every day, counted
by `parts.publish_day` as the site counts them.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from clio_dagster.evaluation.attacks.report import Line
from clio_dagster.evaluation.pipeline import DAY, Site
from clio_dagster.privacy.cells import CONCERNING, REFUSED, TURNS
from clio_dagster.privacy.parts import Day, Figures, publish_day
from clio_dagster.progress import track
from clio_dagster.settings import Settings
from clio_dagster.tables import AUDITED_SUMMARIES, PUBLISHED

LEAVES, PARENTS = 12, 4
LANGUAGES = ("en", "es", "fr")
SENT_TURNS = (1, 2, 5, 9)
A_DAY = 700
LATE, WITHDRAWN = 0.15, 0.1
"""Shares of a day that come after its first release, and that are gone two revisions later."""

HARD = 1_000.0
"""Weight of what holds exactly (a topic's languages sum to its total) beside a cell that has noise."""


@dataclass(frozen=True)
class _Errors:
    """Absolute errors against exact counts: of published cells as they stand, of the same cells solved for, and of
    cells that are not shown."""

    shown: np.ndarray
    solved: np.ndarray
    total: np.ndarray  # whether it is of a topic's total
    hidden: np.ndarray
    truth: np.ndarray  # of the hidden ones


def attack(site: Site, *, days: int, seed: int) -> list[Line]:
    """One line for single days and one for withheld cells, over `days` dates with their revisions."""
    settings = site.settings.model_copy(update={"languages": LANGUAGES})
    found = []
    with track("subtraction", days, "day") as advance:
        for number in range(days):
            day = DAY - dt.timedelta(days - 1 - number)
            found.append(_day(settings, site.key, day, np.random.default_rng([seed, number])))
            advance(1)
    shown, solved, total, hidden, truth = (
        np.concatenate([getattr(errors, part) for errors in found]) for part in _Errors.__dataclass_fields__
    )
    noise = _mean_noise(settings)
    guess = float(np.abs(truth - np.median(truth)).mean())
    least = min(noise, guess)
    is_total = total.astype(bool)
    what = f"{days} days × {len(LANGUAGES)} languages × 3 levels × 3 revisions"
    lines = [
        _single_line(
            f"subtraction: {cells}",
            f"{what}; {which}, solved for with all others",
            shown[rows],
            solved[rows],
            noise,
        )
        for cells, which, rows in (
            ("single days", "every shown figure of a day", slice(None)),
            ("single days, totals", "every shown total of a topic and day", is_total),
        )
    ]
    lines.append(
        Line(
            "subtraction: withheld cells",
            f"{what}; cells with somebody in them that are not shown",
            len(hidden),
            f"mean absolute error {hidden.mean():.2f}",
            _mean_interval(hidden),
            f"≥ {least:.2f}: the lesser of the noise alone ({noise:.2f}) and one guess for all ({guess:.2f})",
            _mean_interval(hidden)[1] >= least,
        )
    )
    return lines


def _single_line(attack: str, tried: str, shown: np.ndarray, solved: np.ndarray, noise: float) -> Line:
    return Line(
        attack,
        tried,
        len(solved),
        f"mean absolute error {solved.mean():.2f}; of the figures as they stand {shown.mean():.2f}",
        _mean_interval(solved),
        f"≥ {noise:.2f}, that of the noise alone",
        _mean_interval(solved)[1] >= noise,
    )


def _mean_noise(settings: Settings) -> float:
    """Mean of |k| where P(k) ∝ exp(-|k| · ε / sensitivity): 2α / (1 - α²)."""
    alpha = math.exp(-settings.epsilon_of("cell") / settings.account_cap)
    return 2 * alpha / (1 - alpha**2)


def _mean_interval(errors: np.ndarray) -> tuple[float, float]:
    half = 1.96 * float(errors.std()) / max(1, len(errors)) ** 0.5
    return float(errors.mean()) - half, float(errors.mean()) + half


def _day(settings: Settings, key: bytes, day: dt.date, rng: np.random.Generator) -> _Errors:
    """One date: first published, then corrected for what came late, then for what is gone."""
    sent = _sent(day, rng)
    first = sent.filter(pl.col("phase") != "late")
    last = sent.filter(pl.col("phase") != "gone")
    figures = Figures.none()
    frozen = (0, 0)
    for rows in (first, sent, last):
        figures = publish_day(
            as_day(day, rows.drop("phase"), _tree(day)),
            figures,
            parts=frozen[0],
            withdrawals=frozen[1],
            settings=settings,
            key=key,
        )
        frozen = _most(figures.counted["part"]), _most(figures.counted["withdrawn_in"])
    errors = [
        _solved(figures.cells.filter(part=part, is_withdrawn=gone), rows)
        for part, gone, rows in _parts(figures)
    ]
    return _Errors(
        *(np.concatenate([getattr(e, part) for e in errors]) for part in _Errors.__dataclass_fields__)
    )


def _most(numbers: pl.Series) -> int:
    return int(numbers.drop_nulls().to_numpy().max(initial=0))


def _parts(figures: Figures) -> Iterator[tuple[int, bool, pl.DataFrame]]:
    """Each part, and the conversations that it counts or takes back."""
    for part in figures.counted["part"].unique().sort():
        yield part, False, figures.counted.filter(part=part)
    for part in figures.counted["withdrawn_in"].drop_nulls().unique().sort():
        yield part, True, figures.counted.filter(withdrawn_in=part)


def _solved(cells: pl.DataFrame, counted: pl.DataFrame) -> _Errors:
    """Least squares over the cells of one part. Unknown is every leaf's total and its split by each facet."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import lsqr

    values = {
        "all": ("",),
        "language": (*LANGUAGES, "other"),
        "concerning": CONCERNING,
        "refused": REFUSED,
        "turns": TURNS,
    }
    unknown = {
        (leaf, facet, value): place
        for place, (leaf, facet, value) in enumerate(
            (leaf, facet, value)
            for leaf in range(LEAVES)
            for facet, listed in values.items()
            for value in listed
        )
    }
    below = {f"leaf{leaf}": [leaf] for leaf in range(LEAVES)}
    below |= {f"parent{parent}": list(range(parent, LEAVES, PARENTS)) for parent in range(PARENTS)}
    below[""] = list(range(LEAVES))
    entries: list[tuple[int, int, float]] = []
    right: list[float] = []
    shown: dict[tuple[str, str, str], float] = {}
    for topic, facet, value, number in cells.select("topic", "facet", "value", "conversations").iter_rows():
        if facet not in values:
            continue
        shown[topic, facet, value] = abs(number)
        entries += [(len(right), unknown[leaf, facet, value], 1.0) for leaf in below[topic]]
        right.append(abs(number))
    for leaf in range(LEAVES):
        for facet, listed in values.items():
            if facet != "all":
                entries += [(len(right), unknown[leaf, facet, value], HARD) for value in listed]
                entries.append((len(right), unknown[leaf, "all", ""], -HARD))
                right.append(0.0)
    rows, columns, weights = zip(*entries, strict=True)
    matrix = coo_matrix((weights, (rows, columns)), shape=(len(right), len(unknown))).tocsr()
    solution = lsqr(matrix, np.array(right), atol=1e-10, btol=1e-10, iter_lim=4_000)[0]
    exact = _exact(counted)
    errors: dict[bool, list[float]] = {True: [], False: []}
    published, totals, truth = [], [], []
    for topic, leaves in below.items():
        for facet, listed in values.items():
            for value in listed:
                cell = topic, facet, value
                estimate = float(sum(solution[unknown[leaf, facet, value]] for leaf in leaves))
                count = exact.get(cell, 0)
                if cell in shown:
                    errors[True].append(abs(estimate - count))
                    published.append(abs(shown[cell] - count))
                    totals.append(facet == "all")
                elif count:
                    errors[False].append(abs(estimate - count))
                    truth.append(count)
    return _Errors(
        *(np.array(part, dtype=float) for part in (published, errors[True], totals, errors[False], truth))
    )


def _exact(counted: pl.DataFrame) -> dict[tuple[str, str, str], int]:
    """What each cell would show without noise."""
    # As _sent draws them: one number from each of TURNS.
    turns = pl.col("turns").replace_strict(dict(zip(SENT_TURNS, TURNS, strict=True)), return_dtype=pl.String)
    rows = counted.explode("topics").unnest("topics").drop_nulls("topic")
    found: dict[tuple[str, str, str], int] = {}
    for facet, value in {
        "all": pl.lit(""),
        "language": pl.col("language"),
        "concerning": pl.col("concerning").cast(pl.String),
        "refused": pl.col("refused").cast(pl.String),
        "turns": turns,
    }.items():
        counts = rows.group_by("topic", value.alias("value")).len()
        found |= {(topic, facet, said): count for topic, said, count in counts.iter_rows()}
    return found


def _sent(day: dt.date, rng: np.random.Generator) -> pl.DataFrame:
    """A day's conversations: which leaf, language and facets, whose, and whether late or later gone."""
    weights = np.arange(1, LEAVES + 1, dtype=float) ** -0.6
    size = int(rng.normal(A_DAY, A_DAY / 10))
    ids = [f"{day}-{number}" for number in range(size)]
    return pl.DataFrame(
        {
            "conversation_id": ids,
            "account": [f"a{number}" for number in rng.integers(size, size=size)],
            "language": rng.choice(LANGUAGES, p=(0.6, 0.3, 0.1), size=size).tolist(),
            "cluster_id": rng.choice(LEAVES, p=weights / weights.sum(), size=size).astype(np.int32),
            "turns": rng.choice(SENT_TURNS, p=(0.3, 0.4, 0.2, 0.1), size=size).astype(np.int32),
            "concerning": rng.choice((1, 2, 3, 4, 5), p=(0.8, 0.1, 0.05, 0.03, 0.02), size=size).astype(
                np.int8
            ),
            "refused": rng.random(size) < 0.1,
            "task": pl.Series([None] * size, dtype=pl.String),
            "stage": ["published"] * size,
            "phase": rng.choice(
                ("first", "late", "gone"), p=(1 - LATE - WITHDRAWN, LATE, WITHDRAWN), size=size
            ).tolist(),
        }
    )


def as_day(day: dt.date, rows: pl.DataFrame, tree: pl.DataFrame, quarantined: int = 0) -> Day:
    """A day of conversations, each counted in the cluster that its row names (`cluster_id`)."""
    members = rows.select(
        pl.lit(day).alias("date"),
        pl.lit("request").alias("clustered_by"),
        "conversation_id",
        "account",
        "language",
        "cluster_id",
        pl.lit(0.1, pl.Float32).alias("distance"),
        pl.lit(day).alias("day"),
        pl.lit(True).alias("counted"),
    )
    return Day(day, rows.drop("cluster_id"), members, tree, quarantined)


def _tree(day: dt.date) -> pl.DataFrame:
    rows: list[tuple[str, str | None, int, str]] = [
        (f"0-{leaf}", f"1-{leaf % PARENTS}", 0, f"leaf{leaf}") for leaf in range(LEAVES)
    ]
    rows += [(f"1-{parent}", None, 1, f"parent{parent}") for parent in range(PARENTS)]
    return pl.DataFrame(
        [
            (day, "request", node, parent, level, topic, topic, "made up", 100, 40, PUBLISHED, [], 5)
            for node, parent, level, topic in rows
        ],
        schema=AUDITED_SUMMARIES.schema,
        orient="row",
    )

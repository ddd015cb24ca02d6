"""Accounts that behave like people: few talk much, each about a few things and in one language.

Labelled sets of conversations have about one account a conversation, on which no threshold on accounts can be
tested. `simulate` makes conversations without text from scratch; `assign_accounts` puts accounts on labelled
texts that exist already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

import numpy as np
import polars as pl

MAX_TOPICS = 4
"""Most topics that one account has."""

TAIL = 1.2
"""Spread (σ of a log-normal) of how much accounts talk: the top tenth holds two fifths of conversations."""

WEEKEND = 0.7
"""Traffic of a Saturday or Sunday against a weekday."""

HOURS = np.array(
    [6, 4, 3, 2, 2, 3, 6, 12, 22, 30, 33, 32, 28, 29, 32, 33, 32, 30, 28, 30, 32, 28, 20, 12], float
)
"""Traffic of the hours of a day, midnight first (UTC)."""


def simulate(
    n_conversations: int,
    *,
    rng: np.random.Generator,
    topics: Sequence[str] | int,
    languages: Mapping[str, float],
    days: Sequence[date],
    mean_conversations: float = 5.0,
    mixes: Mapping[str, Mapping[str, float]] | None = None,
) -> pl.DataFrame:
    """Conversations without text: account_id, started_at, language, topic; `n_conversations` rows, by time.

    `languages` gives each language's weight, `mixes` each language's weights of topics (drawn where None, so
    that mixes differ). An account has one language and one to MAX_TOPICS topics, the first its favourite.
    Raises ValueError where there is no topic, language or day.
    """
    names = [f"topic-{number}" for number in range(topics)] if isinstance(topics, int) else list(topics)
    if not (names and languages and days) or n_conversations < 1:
        raise ValueError("simulate needs at least one conversation, topic, language and day")
    codes = list(languages)
    weights = _mixes(names, codes, mixes, rng)
    sizes = heavy_tailed(n_conversations, mean_conversations, rng)
    share = np.array([languages[code] for code in codes], float)
    language = rng.choice(len(codes), size=len(sizes), p=share / share.sum())

    with np.errstate(divide="ignore"):
        keys = np.log(weights)[language] + rng.gumbel(size=(len(sizes), len(names)))
    favourites = np.argsort(-keys, axis=1, kind="stable")[:, :MAX_TOPICS]
    possible = np.minimum((weights > 0).sum(axis=1), favourites.shape[1])[language]
    wanted = np.minimum(1 + rng.binomial(MAX_TOPICS - 1, 1 / 3, size=len(sizes)), possible)

    account = np.repeat(np.arange(len(sizes)), sizes)
    rank = np.floor(wanted[account] * rng.random(n_conversations) ** 1.7).astype(int)
    return pl.DataFrame(
        {
            "account_id": _account_ids(account),
            "started_at": times(account, rng=rng, days=days),
            "language": pl.Series(codes, dtype=pl.String).gather(language[account]),
            "topic": pl.Series(names, dtype=pl.String).gather(favourites[account, rank]),
        }
    ).sort("started_at", "account_id", maintain_order=True)


def assign_accounts(
    labels: pl.Series,
    languages: pl.Series | None,
    *,
    rng: np.random.Generator,
    days: Sequence[date],
    mean_conversations: float = 5.0,
) -> pl.DataFrame:
    """Accounts for labelled texts: account_id and started_at, a row for each of `labels`, in their order.

    Each account writes in one language and is loyal to at most MAX_TOPICS labels. Raises ValueError where
    `labels` and `languages` differ in length.
    """
    if languages is None:
        languages = pl.Series("", [""]).new_from_index(0, len(labels))
    if len(labels) != len(languages):
        raise ValueError(f"{len(labels)} labels but {len(languages)} languages: give one for each row")
    if labels.is_empty():
        return pl.DataFrame(schema={"account_id": pl.String, "started_at": pl.Datetime("us", "UTC")})
    language = languages.cast(pl.String).fill_null("").rank("dense").to_numpy().astype(int) - 1
    label = labels.cast(pl.String).fill_null("").rank("dense").to_numpy().astype(int) - 1
    order = np.lexsort((rng.random(len(labels)), label, language))
    stint = _stints(language[order], label[order], mean_conversations / 2, rng)

    firsts = np.flatnonzero(np.diff(stint, prepend=-1))
    owner = np.empty(len(firsts), int)
    begin = 0
    stint_language = language[order][firsts]
    for code in range(int(language.max()) + 1):
        mine = rng.permutation(np.flatnonzero(stint_language == code))
        accounts = int(np.clip(round(int((language == code).sum()) / mean_conversations), 1, len(mine)))
        accounts = max(accounts, -(-len(mine) // MAX_TOPICS))
        more = rng.permutation(np.repeat(np.arange(accounts), MAX_TOPICS - 1))[: len(mine) - accounts]
        owner[mine] = begin + np.concatenate([np.arange(accounts), more])
        begin += accounts
    account = np.empty(len(labels), int)
    account[order] = owner[stint]
    return pl.DataFrame(
        {"account_id": _account_ids(account), "started_at": times(account, rng=rng, days=days)}
    )


def heavy_tailed(total: int, mean: float, rng: np.random.Generator) -> np.ndarray:
    """Sizes of at least one that sum to `total` and have about that mean, a few of them large (int array)."""
    count = max(1, min(total, round(total / mean)))
    weight = rng.lognormal(sigma=TAIL, size=count)
    return 1 + rng.multinomial(total - count, weight / weight.sum())


def times(account: np.ndarray, *, rng: np.random.Generator, days: Sequence[date]) -> pl.Series:
    """When each conversation began (UTC), for account numbers from 0.

    Accounts have days on which they are active and an hour that they keep to about half of the time.
    """
    traffic = np.array([WEEKEND if day.weekday() >= 5 else 1.0 for day in days])
    count = int(account.max()) + 1
    active = traffic * rng.gamma(0.6, size=(count, len(days))) + 1e-9
    edges = np.cumsum(active / active.sum(axis=1, keepdims=True), axis=1)
    day = (rng.random(len(account))[:, None] > edges[account]).sum(axis=1).clip(max=len(days) - 1)

    rhythm = HOURS / HOURS.sum()
    habit = (rng.choice(24, size=count, p=rhythm) + rng.random(count))[account]
    kept = habit + rng.normal(scale=1.0, size=len(account))
    free = rng.choice(24, size=len(account), p=rhythm) + rng.random(len(account))
    hour = np.where(rng.random(len(account)) < 0.5, kept, free) % 24
    midnight = np.array([datetime(d.year, d.month, d.day, tzinfo=UTC).timestamp() for d in days])
    seconds = (midnight[day] + np.minimum(hour * 3600, 86_399)).astype(np.int64)
    return pl.Series("started_at", seconds * 1_000_000).cast(pl.Datetime("us", "UTC"))


def _mixes(
    names: list[str],
    codes: list[str],
    mixes: Mapping[str, Mapping[str, float]] | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """Weights of topics, a row a language."""
    if mixes is None:
        common = rng.dirichlet(np.full(len(names), 4.0))
        return common * rng.lognormal(sigma=0.8, size=(len(codes), len(names)))
    weights = np.array([[mixes[code].get(name, 0.0) for name in names] for code in codes], float)
    if not (weights.sum(axis=1) > 0).all():
        raise ValueError("every language needs a topic of positive weight")
    return weights


def _stints(language: np.ndarray, label: np.ndarray, mean: float, rng: np.random.Generator) -> np.ndarray:
    """Number of each row's run, which one account takes; rows are sorted by language and label."""
    cut = np.zeros(len(label), bool)
    cut[1:] = (np.diff(label) != 0) | (np.diff(language) != 0)
    sizes = heavy_tailed(len(label), max(1.0, mean), rng)
    cut[np.cumsum(sizes)[:-1]] = True
    return np.cumsum(cut)


def _account_ids(account: np.ndarray) -> pl.Series:
    return pl.Series("account_id", account).cast(pl.String).str.zfill(6).str.replace("^", "user-")

"""Accounts that act alike: who writes in step within a cluster, and who shares a template (P4, P5).

Answers the colluder who fills a threshold, or pushes a word into a name, from several accounts whose texts evade
every comparison of words: rotated synonyms and whole phrases in slots leave no template at all. What several
accounts sending one thing cannot vary for free is when they send it.

*In step.* Around each conversation of an account lies a window of a quarter of an hour either way; those that
overlap are one. For each account of a cluster, the other accounts that write into its windows are compared with
the number that the site's own traffic in those windows makes likely, or the cluster's own over the hours around
where that is more (topics have hours of their own). Repeated bursts add up. The cluster stands for density of
meaning: its members are already the nearest to each other. A closer neighbourhood within it was measured (USE)
to lose rings and to spare nobody, as slots pull a ring's texts further apart than people's short requests are; for
the same reason density alone is no rule: on CLINC150 two fifths of ordinary requests have five other accounts at a
cosine of 0.8 in their cluster, of rings made by slots, order or synonyms none.

*A crowd is not a ring.* When something happens, hundreds write about it within the hour. A window into which
more than `crowd` accounts write beyond the expected counts for less again, and for nothing from twice as many:
more accounts than the colluder has.

*What one conversation can move.* Suspicion rises with the excess in a straight line, never at one step, so a
conversation more or less moves the suspicion of each account that writes within its quarter hours by at most
1 / (width of the rise). Those whose suspicion is still rising are at most 2 × (end of the rise + 1), since all on
one side of it see each other. Bridging two groups moves nothing, since no groups are formed: suspicions are summed
over the cluster, and that many conversations, the most suspicious first, form its pool, which counts as one.
`move_bound` adds it up: about ten where chance puts one account into a window (more in the fall of a crowd). Which
conversations are the suspicious ones may change further; how many count may not.
"""

from __future__ import annotations

import zlib

import numpy as np
import polars as pl

from clio_dagster.privacy.accounts import owner, place_within
from clio_dagster.privacy.collapse import LONG_TEXT_WORDS, openings, template_keys

MINUTES = 15.0
"""Half the width of the window around a conversation."""

HOURS_AROUND = 3.0
"""Hours before and after a window from which the cluster's own traffic is taken."""

CROWD = 20
"""Accounts beyond the expected in one window from which it counts for less; `crowd_of` a site's thresholds."""

POOL_PEAK = 4
"""The most that a cluster's suspicious conversations count as; see collapse.py on rising and falling."""

GROUP_FRAGMENTS, FRAGMENT_WORDS, FRAGMENTS_FROM_WORDS = 8, 4, 16
"""Runs of words by which long texts of one template are recognised for P5, how long, and from which length of
text. Not used for counting: ordinary requests of a site on one subject share runs too."""

GROUP_PART = 3
"""Part of a word's minimum that accounts acting alike count for at most: one in so many."""

_PRIME = 2**31 - 1

_CELLS = 4_000_000
"""Comparisons of windows with conversations held in memory at once."""


def crowd_of(min_accounts: int) -> int:
    """From how many accounts on a window is a crowd's: more than the `min_accounts` + 5 that a colluder has."""
    return max(CROWD, 2 * min_accounts)


def rise(expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where suspicion begins, in accounts seen, and over how many it rises to certainty.

    It begins at about the 98th percentile of a Poisson distribution of this mean.
    """
    root = np.sqrt(expected)
    return expected + 1.8 * root + 1.0, np.maximum(4.0, 3.0 + 1.2 * root)


def move_bound(expected: float, conversations_each: int = 1) -> float:
    """Most by which one conversation moves how many others count, while no window holds more than a crowd.

    `expected`: most accounts that chance puts into an account's windows; `conversations_each`: most of an account.
    """
    begin, width = rise(np.array(expected))
    seen = 2.0 * (begin + width + 1.0) / width
    shifted = expected * (1.0 + 1.5 / np.sqrt(max(expected, 0.25))) / width
    rounded, fallen = 1.0, POOL_PEAK - 1.0
    return float((seen + shifted + 1.0) * conversations_each + rounded + fallen)


def suspicion(rows: pl.DataFrame, traffic: np.ndarray, crowd: int = CROWD) -> pl.Series:
    """How surely each conversation's account acts in step within its cluster (Float64, 0 to 1; 0 without a time).

    `rows`: cluster_id, account (whose it is; never null), started_at (nullable). `traffic`: sorted minutes
    (float64) at which the site's conversations of the window began, from `minutes_of`.
    """
    timed = rows.select(
        "cluster_id", "account", minutes=pl.Series(minutes_of(rows["started_at"]))
    ).with_row_index("row")
    timed = timed.filter(pl.col("minutes").is_not_nan())
    scores = np.zeros(len(rows))
    for _, cluster in timed.group_by("cluster_id"):
        if cluster["account"].n_unique() > 2:
            scores[cluster["row"].to_numpy()] = _cluster_suspicion(cluster, traffic, crowd)
    return pl.Series("suspicion", scores)


def began(frame: pl.DataFrame) -> pl.Expr:
    """The column `started_at`, null where a frame does not know it."""
    known = "started_at" in frame.columns
    return (pl.col("started_at") if known else pl.lit(None, pl.Datetime("us", "UTC"))).alias("started_at")


def minutes_of(times: pl.Series) -> np.ndarray:
    """Minutes since 1970 (float64); NaN for null."""
    return times.cast(pl.Datetime("us", "UTC")).dt.epoch("us").cast(pl.Float64).to_numpy() / 60e6


def traffic_of(times: pl.Series) -> np.ndarray:
    """Sorted minutes at which conversations began; what is null is left out."""
    return np.sort(minutes_of(times.drop_nulls()))


def pooled(rows: pl.DataFrame, traffic: np.ndarray, crowd: int = CROWD) -> pl.Series:
    """Which conversations writing in step sets aside (Boolean, in the order of the rows).

    `rows`: cluster_id, account (never null), started_at, order (unique; of a pool the lowest stay).
    """
    work = rows.select("cluster_id", "account", "order").with_columns(suspicion(rows, traffic, crowd))
    suspects = work.with_row_index("row").filter(pl.col("suspicion") > 0)
    pool = (
        suspects.with_columns(size=(pl.col("suspicion").sum() + 0.5).floor().over("cluster_id"))
        .sort(-pl.col("suspicion"), "account", "order")
        .filter(pl.int_range(pl.len()).over("cluster_id") < pl.col("size"))
    )
    size = pl.len().over("cluster_id").cast(pl.Int64)
    counts_as = pl.min_horizontal(size, (2 * POOL_PEAK - size).clip(lower_bound=1))
    aside = pool.filter(place_within("cluster_id") > counts_as)
    return pl.Series("pooled", work.with_row_index("row")["row"].is_in(aside["row"].implode()))


def groups_alike(members: pl.DataFrame, traffic: np.ndarray | None = None, crowd: int = CROWD) -> pl.Series:
    """Which conversations belong to accounts that act alike: a group's label, null where alone (String).

    `members`: cluster_id, conversation_id, account (null = an account of its own), text, and started_at where
    known; `traffic` from `traffic_of` over the whole window, else of the members. Groups do not reach beyond a
    cluster. Accounts in step are one group; long texts of one template, or with a telling run of words in common,
    are another. Looser than what `counted` collapses, as a group still counts for a part: see `capped_support`.
    """
    rows = members.select("cluster_id", "text", owner().alias("account"))
    form, skeleton = template_keys(rows["text"])
    is_long = form.str.count_matches(" ", literal=True) + 1 >= LONG_TEXT_WORDS
    keys = {
        "form": form.zip_with(
            is_long.fill_null(False), pl.Series([None], dtype=pl.String).new_from_index(0, len(form))
        ),
        "skeleton": skeleton,
        "opening": openings(form),
        **fragments(form),
    }
    if "started_at" in members.columns:
        times = members["started_at"]
        scores = suspicion(rows.with_columns(times), traffic_of(times) if traffic is None else traffic, crowd)
        keys["step"] = scores.to_frame().select(pl.when(scores > 0).then(pl.lit("step"))).to_series()
    long = pl.concat(
        rows.select(
            "cluster_id", "account", group=pl.format("{}\x1f{}", pl.lit(kind), key.alias("key"))
        ).with_row_index("row")
        for kind, key in keys.items()
    ).drop_nulls("group")
    largest = (
        long.with_columns(size=pl.col("account").n_unique().over("cluster_id", "group"))
        .filter(pl.col("size") > 1)
        .sort("size", "group", descending=[True, False])
        .unique("row", keep="first", maintain_order=True)
        .select("row", "group")
    )
    everything = rows.with_row_index("row").select("row")
    return everything.join(largest, on="row", how="left", maintain_order="left")["group"]


def capped_support(used: pl.DataFrame, *also: str) -> pl.DataFrame:
    """Accounts that support each word, where a group of them counts for at most a third of what is needed.

    `used`: cluster_id, word, account, group (null where alone), needed (the minimum of the word), and whatever columns
    `also` names beside the word; repeated rows count once. Gives cluster_id, word, `also`, accounts (Int64), needed. So
    no group holds more than half of what supports a word, and a group alone is far from it, whatever the noise. One
    account more moves the count by one at most, as the bound is no count of the others. An account that is in several
    groups belongs to the largest of them.
    """
    cell = ["cluster_id", "word", *also]
    alone = pl.col("group").is_null()
    size = pl.when(alone).then(0).otherwise(pl.col("account").n_unique().over(*cell, "group"))
    bound = (pl.col("needed") // GROUP_PART).cast(pl.Int64)
    return (
        used.select(*cell, "account", "group", "needed")
        .with_columns(pl.col("needed").max().over(cell))
        .unique()
        .sort(-size.cast(pl.Int64), "group", nulls_last=True)
        .unique([*cell, "account"], keep="first", maintain_order=True)
        .group_by(*cell, "group", "needed")
        .agg(pl.len().cast(pl.Int64).alias("accounts"))
        .with_columns(pl.when(alone).then("accounts").otherwise(pl.min_horizontal("accounts", bound)))
        .group_by(*cell, "needed")
        .agg(pl.col("accounts").sum())
        .sort(cell)
    )


def _cluster_suspicion(cluster: pl.DataFrame, traffic: np.ndarray, crowd: int) -> np.ndarray:
    """Of each conversation of one cluster, its account's."""
    order = np.lexsort((cluster["minutes"].to_numpy(), cluster["account"].rank("dense").to_numpy()))
    minutes = cluster["minutes"].to_numpy()[order]
    who = cluster["account"].rank("dense").to_numpy()[order].astype(np.int64) - 1
    begins = np.concatenate([[True], (np.diff(who) != 0) | (np.diff(minutes) > 2 * MINUTES)])
    first = np.flatnonzero(begins)
    whose = who[first]
    low = minutes[first] - MINUTES
    high = minutes[np.concatenate([first[1:], [len(who)]]) - 1] + MINUTES
    seen = _others_seen(low, high, minutes, np.flatnonzero(np.diff(who, prepend=-1)))
    expected = _expected(low, high, minutes, len(who) - np.bincount(who)[whose], traffic)
    excess = seen - expected
    evidence = expected + np.where(excess > crowd, np.maximum(2 * crowd - excess, 0), excess)
    accounts = int(who[-1]) + 1
    seen_by = np.bincount(whose, evidence, accounts)
    begin, width = rise(np.bincount(whose, expected, accounts))
    scores = np.empty(len(who))
    scores[order] = np.clip((seen_by - begin) / width, 0.0, 1.0)[who]
    return scores


def _others_seen(low: np.ndarray, high: np.ndarray, minutes: np.ndarray, accounts: np.ndarray) -> np.ndarray:
    """How many other accounts write into each window. `accounts`: where each one's rows of `minutes` begin."""
    seen = np.empty(len(low))
    step = max(1, _CELLS // len(minutes))
    for at in range(0, len(low), step):
        block = slice(at, at + step)
        inside = (minutes >= low[block, None]) & (minutes <= high[block, None])
        seen[block] = np.logical_or.reduceat(inside, accounts, axis=1).sum(axis=1) - 1
    return seen


def _expected(
    low: np.ndarray, high: np.ndarray, minutes: np.ndarray, others: np.ndarray, traffic: np.ndarray
) -> np.ndarray:
    """How many of `others` conversations chance puts into each window."""

    def within(times: np.ndarray, margin: float = 0.0) -> np.ndarray:
        return np.searchsorted(times, high + margin, "right") - np.searchsorted(times, low - margin, "left")

    around = 60.0 * HOURS_AROUND
    of_site = others * within(traffic) / max(len(traffic), 1)
    own = np.sort(minutes)
    of_cluster = (within(own, around) - within(own)) * (high - low) / (2 * around)
    return np.maximum(of_site, of_cluster)


def fragments(forms: pl.Series) -> dict[str, pl.Series]:
    """Of each long form, the run of words of least hash, under several hashes (UInt64; null of short forms).

    Two texts agree in one with the probability that they share runs at all (MinHash); each is made from a text alone.
    """
    words = forms.alias("form").to_frame().with_row_index("row").with_columns(pl.col("form").str.split(" "))
    runs = (
        words.filter(pl.col("form").list.len() >= FRAGMENTS_FROM_WORDS)
        .explode("form")
        .select(
            "row",
            pl.concat_str(
                [pl.col("form").shift(-at).over("row") for at in range(FRAGMENT_WORDS)], separator=" "
            ).alias("run"),
        )
        .drop_nulls("run")
    )
    distinct = runs["run"].unique()
    hashes = np.array([zlib.crc32(run.encode()) for run in distinct], dtype=np.uint64)
    numbers = np.random.default_rng(0).integers(1, _PRIME, size=(GROUP_FRAGMENTS, 2)).astype(np.uint64)
    named = {
        f"fragment {number}": ((hashes * factor + shift) % np.uint64(_PRIME))
        for number, (factor, shift) in enumerate(numbers)
    }
    least = (
        runs.join(
            distinct.to_frame("run").with_columns(
                pl.Series(name, values, dtype=pl.UInt64) for name, values in named.items()
            ),
            on="run",
        )
        .group_by("row")
        .agg(pl.col(list(named)).min())
    )
    every = words.select("row").join(least, on="row", how="left", maintain_order="left")
    return {name: every[name] for name in named}

"""What a day says once conversations come late, or counted ones are withdrawn: corrections, never a silent change.

Answers the reader who subtracts revisions. A day's published figures are sums over parts: the day as first published,
then one for each correction. Each part counts conversations that no other counts, with noise and thresholds of its
own, and stays for ever once a release may have shown it: the difference of two revisions is a part, and says no more
than a cell does. Late conversations and withdrawn ones, which count negative, are different parts, numbered apart.

*A part waits until it is large enough as a whole.* Cells are drawn for every value of closed lists, so to draw them
for one late conversation would show, by a cell that appears from noise, that something came. A part is drawn only
when its conversations (at most `account_cap` of an account) and their accounts, each with noise, reach what a cell of
the most sensitive kind needs; until then nothing of it is shown, and it merges with what comes later. Its noise is
drawn once, however often it is asked, so that a part meets one edge. The first part waits for nothing: its cells are
drawn whether or not anybody is there. That a part is never drawn for nobody is what remains: one account that comes
late is noticed only where noise lifts it over both edges, with the default settings once in a million days.

*An account's cap holds for the day.* What earlier parts counted has used it up, what was taken back included.

*Each conversation is counted once, as what it was then.* A topic, a stage and values are recorded when a part counts
it. A later clustering moves nothing, and a longer version of the same id changes nothing. One that is withdrawn and
comes again is late.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from clio_dagster.own_columns import as_counted, fitting
from clio_dagster.privacy.accounts import owner
from clio_dagster.privacy.cells import (
    added_cells,
    added_coverage,
    published_topics,
    with_figures,
    withdrawn_cells,
    withdrawn_coverage,
)
from clio_dagster.privacy.figures import noise_of
from clio_dagster.settings import Settings
from clio_dagster.tables import COUNTED_CONVERSATIONS, PUBLISHED_CELLS, PUBLISHED_COVERAGE


@dataclass(frozen=True)
class Day:
    """A day as it stands now.

    `conversations`: all of its own, with conversation_id, account, language, turns, concerning, refused, task, the
    site's own facets and stage (see coverage.stages_of). `members`: tables.CLUSTER_MEMBERS rows of that date whose own
    day it is. `audited`: tables.AUDITED_SUMMARIES of that date. `quarantined`: records refused, which only the first
    part tells.
    """

    date: date
    conversations: pl.DataFrame
    members: pl.DataFrame
    audited: pl.DataFrame
    quarantined: int = 0


@dataclass(frozen=True)
class Figures:
    """A day's published figures, all parts, and the record of what they count.

    Frames of tables.PUBLISHED_CELLS, PUBLISHED_COVERAGE and COUNTED_CONVERSATIONS.
    """

    cells: pl.DataFrame
    coverage: pl.DataFrame
    counted: pl.DataFrame

    @classmethod
    def none(cls) -> Figures:
        return cls(PUBLISHED_CELLS.empty(), PUBLISHED_COVERAGE.empty(), COUNTED_CONVERSATIONS.empty())

    def until(self, parts: int, withdrawals: int) -> Figures:
        """What the first `parts` and `withdrawals` say."""
        is_within = pl.col("part") <= pl.when("is_withdrawn").then(withdrawals).otherwise(parts)
        is_standing = pl.col("withdrawn_in") <= withdrawals
        return Figures(
            self.cells.filter(is_within),
            self.coverage.filter(is_within),
            self.counted.filter(pl.col("part") <= parts).with_columns(
                pl.when(is_standing).then("withdrawn_in").alias("withdrawn_in")
            ),
        )

    @property
    def live(self) -> pl.DataFrame:
        """Conversations that are counted and not taken back: each once."""
        return self.counted.filter(pl.col("withdrawn_in").is_null())


def publish_day(
    day: Day, published: Figures, *, parts: int, withdrawals: int, settings: Settings, key: bytes
) -> Figures:
    """The figures of a day: what stands, and a part for what came since, and one for what is gone, if large enough.

    `published`: the figures as they were made last; of them the first `parts` and `withdrawals` are frozen (a release
    may have shown them) and kept as they are. The rest is made anew. The same day gives the same figures, however
    often and whatever was frozen between.
    """
    standing = published.until(parts, withdrawals)
    # Of one that came under two languages, the row that was clustered (assets/clusters.py) is counted.
    conversations = day.conversations.sort("conversation_id", "language").unique(
        "conversation_id", keep="last", maintain_order=True
    )
    late = conversations.join(standing.live, on="conversation_id", how="anti")
    part = parts + 1
    if parts == 0 or _is_large_enough(late, day.date, part, False, settings, key):
        standing = _add(standing, day, late, part, settings, key)
    gone = standing.live.join(conversations, on="conversation_id", how="anti")
    part = withdrawals + 1
    if _is_large_enough(gone, day.date, part, True, settings, key):
        standing = _take_back(standing, day, gone, part, settings, key)
    return Figures(
        standing.cells.sort(PUBLISHED_CELLS.key),
        standing.coverage.sort(PUBLISHED_COVERAGE.key),
        standing.counted.sort(COUNTED_CONVERSATIONS.key),
    )


def _add(
    standing: Figures, day: Day, late: pl.DataFrame, part: int, settings: Settings, key: bytes
) -> Figures:
    topics = published_topics(day.audited)
    late = fitting(late, settings.facets)
    recorded = (
        with_figures(late, day.members, topics, standing.counted, account_cap=settings.account_cap)
        .with_columns(
            pl.lit(day.date).alias("date"),
            pl.lit(part, pl.Int32).alias("part"),
            pl.lit(None, pl.Int32).alias("withdrawn_in"),
            *as_counted(settings.facets),
        )
        .select(*COUNTED_CONVERSATIONS.schema, *(facet.name for facet in settings.facets))
    )
    quarantined = day.quarantined if part == 1 else 0
    cells = added_cells(recorded, topics, day.date, part=part, settings=settings, key=key)
    coverage = added_coverage(recorded, quarantined, day.date, part=part, settings=settings, key=key)
    return Figures(
        pl.concat([standing.cells, cells]),
        pl.concat([standing.coverage, coverage]),
        # Parts that stand have the values of facets that the site had then.
        pl.concat([standing.counted, recorded], how="diagonal"),
    )


def _take_back(
    standing: Figures, day: Day, gone: pl.DataFrame, part: int, settings: Settings, key: bytes
) -> Figures:
    cells = withdrawn_cells(gone, standing.cells, day.date, part=part, settings=settings, key=key)
    coverage = withdrawn_coverage(gone, standing.coverage, day.date, part=part, settings=settings, key=key)
    is_gone = pl.col("withdrawn_in").is_null() & pl.col("conversation_id").is_in(
        gone["conversation_id"].implode()
    )
    return Figures(
        pl.concat([standing.cells, cells]),
        pl.concat([standing.coverage, coverage]),
        standing.counted.with_columns(
            pl.when(is_gone).then(pl.lit(part, pl.Int32)).otherwise("withdrawn_in").alias("withdrawn_in")
        ),
    )


def _is_large_enough(
    conversations: pl.DataFrame, day: date, part: int, is_withdrawn: bool, settings: Settings, key: bytes
) -> bool:
    """Whether a part may be drawn at all: its whole, with noise, reaches the edge of the most sensitive cell.

    As many accounts as a sensitive word needs, not as few as a cell: every published day is asked this whenever
    something comes late.
    """
    if conversations.is_empty():
        return False
    by_owner = conversations.group_by(owner()).agg(pl.len().cast(pl.Int64), pl.col("account").first())
    name = pl.Series([f"{day} {'withdrawn' if is_withdrawn else 'late'} {part}"])
    conversation_noise, account_noise = noise_of(name, "part", settings=settings, key=key)
    capped = int(by_owner["len"].clip(upper_bound=settings.account_cap).sum())
    needed_accounts = max(settings.sensitive_word_min_accounts, settings.cell_min_accounts)
    return (
        capped + int(conversation_noise.item()) >= settings.cell_min_conversations
        and by_owner["account"].count() + int(account_noise.item()) >= needed_accounts
    )

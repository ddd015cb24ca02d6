"""An election window, by the offline analyst: when each new topic is found, and how often nothing raises an alert.

    python -m benchmarks.events                       five elections and ten windows in which nothing begins
    python -m benchmarks.events --seeds 1 --nulls 3   a short one

Every day is looked at once, when it is over, through the functions that the assets call. An alert is of a planted topic
where at least ENOUGH of the day's conversations in it are, else of what most of them are of. Seeds below 400 were
looked at while the method was made: they are not used here.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from clio_dagster.evaluation.pipeline import Site, read, site_of
from clio_dagster.safety.events.definitions import Event, WatchQuestion
from clio_dagster.safety.events.replay import Made, replay
from clio_dagster.safety.events.topics import Namers
from clio_dagster.safety.tables import NEW_TOPIC
from clio_dagster.synthetic.election import (
    BASELINE_DAYS,
    KEYWORDS,
    NEW,
    WATCHED,
    WINDOW_DAYS,
    Election,
    as_landed,
    generate,
)
from clio_dagster.tables import WITHHELD

A_DAY = 570
"""Ordinary conversations a day: 12,000 over three weeks."""

ENOUGH = 8
"""Conversations, as many as the event asks for accounts."""

FIRST_SEED, NULL_SEED = 401, 1_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="elections, with seeds from 401")
    parser.add_argument("--nulls", type=int, default=10, help="windows in which nothing begins")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    print(
        "| seed | topic | begins | first alert | kinds that day | concern, rank of | alerts of it | others | s a day |"
    )
    print(f"|{'---|' * 9}")
    for seed in range(FIRST_SEED, FIRST_SEED + given.seeds):
        planted(seed, given.threads)
    nulls(given.nulls, given.threads)


def planted(seed: int, threads: int) -> None:
    """One election, a line for each of its new topics."""
    corpus = _Corpus(seed, threads, days=BASELINE_DAYS + WINDOW_DAYS, new=True)
    began = time.perf_counter()
    made = list(corpus.window(corpus.election.window[0]))
    seconds = (time.perf_counter() - began) / len(made)
    alerts = [alert for day in made for alert in corpus.named(day)]
    others = Counter(kind for _, topic, kind in alerts if topic not in NEW)
    for topic in NEW:
        of_it = [(day, kind) for day, about, kind in alerts if about == topic]
        first = min((day for day, kind in of_it if kind == NEW_TOPIC), default=None)
        kinds = ", ".join(sorted(kind for day, kind in of_it if day == first)) or "none"
        begins = corpus.election.begins(topic)
        print(
            f"| {seed} | {topic} | {begins} | {first or 'never'} | {kinds} | {corpus.rank(made, begins, topic)} "
            f"| {len(of_it)} | {dict(others) or 'none'} | {seconds:.1f} |",
            flush=True,
        )


def nulls(windows: int, threads: int) -> None:
    """Windows one after the other in one long corpus, each with the two weeks before it for a baseline."""
    if not windows:
        return
    corpus = _Corpus(NULL_SEED, threads, days=BASELINE_DAYS + windows * WINDOW_DAYS, new=False)
    raised: list[Counter[str]] = []
    topics = 0
    for number in range(windows):
        first = corpus.election.days[BASELINE_DAYS + number * WINDOW_DAYS]
        made = list(corpus.window(first))
        raised.append(Counter(kind for day in made for kind in day.alerts["kind"]))
        topics += sum(day.topics.filter(pl.col("status") != WITHHELD).height for day in made)
    alarmed = sum(bool(each) for each in raised)
    kinds = sum(raised, Counter())
    upper = 1 - 0.05 ** (1 / windows) if not alarmed else math.nan
    print(
        f"{windows} windows in which nothing begins, {topics} topics tested: {alarmed} raise an alert ({dict(kinds)})"
    )
    if not alarmed:
        print(f"upper 95% bound of the rate: {upper:.2f}")


class _Corpus:
    """A corpus read, embedded and screened by plain code."""

    def __init__(self, seed: int, threads: int, *, days: int, new: bool) -> None:
        self.site: Site = site_of(seed, threads=threads)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "corpus.jsonl.gz"
            self.election: Election = generate(
                path, conversations=A_DAY * days, seed=seed, days=days, new=new
            )
            raw = as_landed(path)
        self.rows, self.vectors, _ = read(raw, self.site.honest, self.site)
        asked = raw.join(
            self.rows.select("conversation_id").with_columns(
                pl.Series("vector", self.vectors, dtype=pl.Array(pl.Float32, self.vectors.shape[1]))
            ),
            on="conversation_id",
        )
        answers = self.site.honest.screen(asked, _question().watch)
        self.screened = (
            self.rows.select("conversation_id")
            .join(answers, on="conversation_id", how="left", maintain_order="left")["relates"]
            .fill_null(False)
        )
        truth = self.election.conversations.select("conversation_id", pl.col("topic").alias("planted"))
        self._truth = truth

    def window(self, first: date) -> list[Made]:
        event = _event(first)
        return list(
            replay(
                event,
                self.rows,
                self.vectors,
                self.screened,
                settings=self.site.settings,
                key=self.site.key,
                namers=Namers(self.site.honest),
            )
        )

    def named(self, made: Made) -> list[tuple[date, str, str]]:
        """Date, planted topic and kind of each alert of a day."""
        about = self._about(made)
        return [
            (made.date, about.get(topic, ""), kind)
            for topic, kind in made.alerts.select("topic", "kind").iter_rows()
        ]

    def rank(self, made: list[Made], day: date, planted: str) -> str:
        """Where the topic stands by mean concern among those of a day, from 1 for the most concerning."""
        (of_day,) = [each for each in made if each.date == day]
        about = self._about(of_day)
        shown = of_day.topics.filter(pl.col("status") != WITHHELD).sort("mean_concerning", descending=True)
        places = [place for place, topic in enumerate(shown["topic"], 1) if about.get(topic) == planted]
        return f"{places[0]} of {shown.height}" if places else "not there"

    def _about(self, made: Made) -> dict[str, str]:
        """What the day's own conversations of each topic are of."""
        own = made.members.filter(pl.col("day") == made.date).join(self._truth, on="conversation_id")
        return {str(topic): _most(Counter(of["planted"])) for (topic,), of in own.group_by("topic")}


def _most(planted: Counter[str]) -> str:
    new = Counter({topic: planted[topic] for topic in NEW})
    ((topic, size),) = new.most_common(1)
    return topic if size >= ENOUGH else planted.most_common(1)[0][0]


def _question() -> WatchQuestion:
    return WatchQuestion(question=WATCHED, keywords=KEYWORDS)


def _event(first: date) -> Event:
    start = datetime(first.year, first.month, first.day)
    return Event(
        name="election",
        start=start,
        end=start + timedelta(days=WINDOW_DAYS),
        timezone="UTC",
        languages=("en", "es"),
        watch=(_question(),),
        baseline_days=BASELINE_DAYS,
        min_conversations=15,
        min_accounts=8,
    )


if __name__ == "__main__":
    main()

"""What the assistant was to do: one of a small closed set of kinds of work, named in English.

The set is closed so that the task can be counted and compared across languages. Phrases for each kind stand
in the word files under `task`; kinds are tried in the order given here, the narrow before the wide. Two kinds
of wording may mean one task.
"""

from __future__ import annotations

import polars as pl

from clio_dagster.analyst.offline.lexicon import UNSPACED, find

TASKS = {
    "code": "Write, fix or explain code",
    "translate": "Translate text or a phrase",
    "summarise": "Summarise a text",
    "calculate": "Solve a mathematical problem or convert units",
    "picture": "Create or describe a picture",
    "proofread": "Edit or improve a text",
    "support": "Give emotional support",
    "roleplay": "Chat, joke or play a role",
    "write": "Write a text",
    "plan": "Plan or organise something",
    "classify": "Analyse or compare given material",
    "instruct": "Give instructions for doing something",
    "act": "Carry out an action or a transaction",
    "ideas": "Suggest ideas or make a list",
    "lookup": "Look up personal or current information",
    "advice": "Give advice or a recommendation",
    "opinion": "Give an opinion",
    "explain": "Explain a concept or a cause",
    "told": "Answer a factual question",
    "errand": "Carry out an action or a transaction",
    "fact": "Answer a factual question",
}
OTHER_TASK = "Respond to a statement"

OPENING = 1.0
"""Words from the start within which a question word opens the request."""


def find_tasks(requests: pl.DataFrame) -> pl.DataFrame:
    """The task of each request: row, task. `requests` has row, language and folded (lexicon.fold)."""
    kinds = pl.DataFrame(
        {"kind": list(TASKS), "name": list(TASKS.values()), "order": range(len(TASKS))},
        schema_overrides={"order": pl.Int32},
    )
    # A question word asks where it opens the request or a question mark follows; elsewhere it joins clauses.
    asking = pl.col("folded").str.contains(" ?", literal=True) | pl.col("language").is_in(sorted(UNSPACED))
    first = (
        find(requests, "task")
        .join(requests.select("row", asking=asking), on="row")
        .filter((pl.col("kind") != "fact") | pl.col("asking") | (pl.col("place") < OPENING))
        .join(kinds, on="kind")
        .group_by("row")
        .agg(task=pl.col("name").sort_by("order").first())
    )
    return (
        requests.select("row")
        .join(first, on="row", how="left", maintain_order="left")
        .with_columns(pl.col("task").fill_null(OTHER_TASK))
    )

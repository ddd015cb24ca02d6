"""An evaluation of a site: what it starts from, and the kept ones that it can be compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from clio_dagster.evaluation.compare import CORPUS
from clio_dagster.evaluation.evaluate import Evaluation
from clio_dagster.evaluation.given import Given
from clio_dagster.evaluation.pipeline import site_with
from clio_dagster.evaluation.saved import SavedError, kept, load
from resources.readers import AnalystResource, make_analyst
from resources.site import Site

LOOKED_AT = 50
"""Kept evaluations, the newest ones, among which the last of the same conversations is looked for."""

Pair = tuple[Path | None, Evaluation, Evaluation]


def given_of(
    site: Site,
    analyst: AnalystResource,
    *,
    conversations: int,
    seed: int,
    data: Path | None = None,
    written: Mapping[str, Path] | None = None,
    asked_on: date | None = None,
) -> Given:
    """The site as it is configured. Its conversations and its warehouse take no part, and its key decides no figure.

    With a date, Claude is asked whatever it was not asked for that date: what it answered before counts for nothing.
    Raises FileNotFoundError where `data` is no folder.
    """
    if data is not None and not data.is_dir():
        raise FileNotFoundError(f"{data} is no folder of labelled sets")
    evaluated = replace(site_with(site.settings, seed), honest=analyst.stand_in or analyst.analyst)
    asked = make_analyst(site, analyst.embedder.embedder, asked_on) if asked_on else analyst.analyst
    return Given(evaluated, asked, conversations, seed, data, written or {}, asked_on)


def last_of(made: Evaluation, home: Path, say: Callable[[str], None]) -> list[Pair]:
    """What a new evaluation is compared with: of each of its sections the newest kept one over the same conversations.

    Folder, that evaluation and the new one, both with the same sections alone; each section is in one of them, and
    where the folder is None nothing is there to be compared with. A damaged folder is said and passed over.
    """
    wanted = [section.name for section in made.sections]
    found: list[Pair] = []
    for folder in reversed(kept(home)[-LOOKED_AT:]):
        try:
            before = load(folder)
        except SavedError as damaged:
            say(str(damaged))
            continue
        names = [section.name for section in before.sections if section.name in wanted]
        if names and all(before.made_by.get(name) == made.made_by.get(name) for name in CORPUS):
            wanted = [name for name in wanted if name not in names]
            found.append((folder, _of(before, names), _of(made, names)))
        if not wanted:
            return found
    return [*found, (None, _of(made, ()), _of(made, wanted))]


def _of(evaluation: Evaluation, names: Sequence[str]) -> Evaluation:
    sections = [section for section in evaluation.sections if section.name in names]
    return Evaluation(sections, evaluation.made_by)

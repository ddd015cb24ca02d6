"""What docs/cookbook.md says goes stale is what goes stale."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from assets.staleness import PUBLISH, READ
from tests.corpora import write_day
from tests.scenario import SMALL, Site

TABLE = re.compile(r"^\| `CLIO_(\w+)` \| `(\w+)` \|", re.MULTILINE)
PAGE = (Path(__file__).parents[1] / "docs" / "cookbook.md").read_text("utf-8")
OTHERWISE = {
    "facets": '[{"name": "tone", "kind": "category", "question": "Tone?", "values": ["calm", "angry"]}]',
    "window_days": "5",
    "min_accounts": "5",
    "top_topics": "7",
    "cell_min_accounts": "6",
}
"""Another value of each setting that needs no model to say what it makes stale."""

ORDER = [stage.name for stage in (*READ, *PUBLISH)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("cookbook"), dict(SMALL))
    ran = site.clio("run", write_day(site.folder / "day.jsonl.gz", date(2026, 11, 2), seed=1))
    assert ran.returncode == 0, ran.stderr
    yield site


def test_the_page_names_stages_in_their_order() -> None:
    assert {stage for _, stage in TABLE.findall(PAGE)} <= set(ORDER)
    assert len(TABLE.findall(PAGE)) >= len(OTHERWISE)


@pytest.mark.slow
@pytest.mark.parametrize("setting", OTHERWISE)
def test_the_first_stage_that_is_stale_is_the_one_that_the_page_names(site: Site, setting: str) -> None:
    named = dict(TABLE.findall(PAGE))[setting.upper()]
    changed = Site.__new__(Site)
    changed.folder, changed.settings = site.folder, site.settings | {setting: OTHERWISE[setting]}
    run = changed.clio("status", "--json")
    assert run.returncode == 0, run.stderr
    stale = {row["stage"] for row in json.loads(run.stdout) if row["state"] not in ("fresh", "waiting")}
    assert min(stale, key=ORDER.index) == named

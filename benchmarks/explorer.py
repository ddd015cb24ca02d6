"""The explorer's page of a large release: its weight, the time to its first paint, and what each interaction takes.

    python -m benchmarks.explorer [--topics N] [--languages N] [--dates N] [--page FILE]

Base topics in groups of ten, three levels above them, with figures drawn at random. The page is opened from disk in
headless Chromium, which must be on the PATH; an interaction ends with the frame that shows it. `--page` keeps the page.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

from clio_dagster.release.contract import RELEASE_TABLES, publishable
from clio_dagster.release.explorer import render_explorer
from clio_dagster.release.manifest import Version, make_manifest
from clio_dagster.settings import Settings

DAY = date(2026, 11, 7)
LANGUAGES = ("en", "es", "de", "fr", "it", "pt", "nl", "pl", "tr", "ja", "ko", "zh", "ru", "ar", "th")
BELOW = 10
FACETS = {
    "turns": ("2", "3 to 4", "5 to 9", "10+"),
    "concerning": ("1", "2", "3", "4", "5"),
    "refused": ("true", "false"),
}
TURNS = 5

LOOKS = """async (script) => {
  const act = new Function(script);
  const started = performance.now();
  act();
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - started;
}"""

VIEW = "document.querySelector('#views [data-view={}]').click()"
FIELD = "const f = document.getElementById('search'); f.value = '{}'; f.dispatchEvent(new Event('input'))"
SELECT = (
    "const s = document.querySelector('{}'); s.selectedIndex = {}; "
    "s.dispatchEvent(new Event('change', {{ bubbles: true }}))"
)
INTERACTIONS = {
    "open a topic in the tree": "document.querySelectorAll('#tree .row')[{turn}].click()",
    "search": FIELD.format("word1{turn}"),
    "end the search": FIELD.format(""),
    "go to the map": VIEW.format("map"),
    "colour the map": SELECT.format("#map-color", "{turn} + 3"),
    "go nearer": "document.querySelector('#view-map [aria-label=Nearer]').click()",
    "search on the map": FIELD.format("word2{turn}"),
    "end it there": FIELD.format(""),
    "go to the treemap": VIEW.format("boxes"),
    "choose a box": "document.querySelectorAll('.box')[{turn}].click()",
    "go to the languages": VIEW.format("languages"),
    "choose a language": SELECT.format("#view-languages select", "{turn}"),
    "go to the trends": VIEW.format("trends"),
    "go to the facets": VIEW.format("facets"),
    "go to the release": VIEW.format("about"),
    "go back": "history.back()",
    "go to the tree": VIEW.format("tree"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--topics", type=int, default=10_000)
    parser.add_argument("--languages", type=int, default=12)
    parser.add_argument("--dates", type=int, default=90)
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    html = render_explorer(
        publishable(DAY, tables(arguments.topics, arguments.languages, arguments.dates)), manifest()
    )
    with tempfile.TemporaryDirectory() as folder:
        page = arguments.page or Path(folder) / "index.html"
        page.write_text(html, encoding="utf-8")
        print(f"page: {page.stat().st_size / 1e6:.1f} MB (bar 12)")
        look(page)


def look(path: Path) -> None:
    """Open the page as often as there are turns, and time what is done with it."""
    from playwright.sync_api import sync_playwright

    paints: list[float] = []
    seconds: dict[str, list[float]] = {name: [] for name in INTERACTIONS}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for turn in range(TURNS):
            context = browser.new_context(viewport={"width": 1400, "height": 1000}, bypass_csp=True)
            page = context.new_page()
            page.goto(path.as_uri())
            page.wait_for_selector("#tree .row")
            paints.append(
                page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            )
            for name, script in INTERACTIONS.items():
                seconds[name].append(page.evaluate(LOOKS, script.replace("{turn}", str(turn))))
            context.close()
        browser.close()
    print(f"first paint: {median(paints):.0f} ms, {max(paints):.0f} at most (bar 1,500)")
    for name, taken in seconds.items():
        print(f"{name}: {median(taken):.0f} ms, {max(taken):.0f} at most (bar 150)")


def manifest() -> object:
    return make_manifest(
        Settings(),
        DAY,
        analyst=Version(name="offline", version="1"),
        embedder=Version(name="use", version="3"),
        checks=(),
    )


def tables(base: int, languages: int, dates: int) -> dict[str, pl.DataFrame]:
    """The five tables of a release, of about `base` base topics."""
    draw = np.random.default_rng(0)
    levels = [base]
    while levels[-1] > BELOW:
        levels.append(-(-levels[-1] // BELOW))
    sizes = draw.lognormal(5, 1, base).round()
    points = draw.normal(size=(levels[-1], 2)) * 8
    rows: list[pl.DataFrame] = []
    for level in range(len(levels) - 1, -1, -1):
        count = levels[level]
        if level < len(levels) - 1:
            points = np.repeat(points, BELOW, axis=0)[:count] + draw.normal(size=(count, 2)) * 2 ** (
                level - 1
            )
        own = np.add.reduceat(sizes, np.arange(0, base, BELOW**level))[:count]
        number = pl.int_range(count, eager=True)
        parent = pl.format("{}-{}", pl.lit(level + 1), number // BELOW)
        rows.append(
            pl.select(
                date=pl.lit(DAY),
                clustered_by=pl.lit("request"),
                node_id=pl.format("{}-{}", pl.lit(level), number),
                topic=pl.format("t{}x{}", pl.lit(level), number),
                parent_id=parent if level < len(levels) - 1 else pl.lit(None, pl.String),
                level=pl.lit(level, pl.Int32),
                name=pl.format("Topic {} of level {} about word{}", number, pl.lit(level), number % 997),
                description=pl.format(
                    "What people ask for when they ask for word{} and word{}", number % 997, number % 89
                ),
                conversations=pl.Series(own // 7).cast(pl.Int64),
                window_conversations=pl.Series(own).cast(pl.Int64),
                share=pl.Series(own / sizes.sum()),
                privacy_score=pl.lit(5, pl.Int8),
                x=pl.Series(points[:, 0].round(2)),
                y=pl.Series(points[:, 1].round(2)),
            )
        )
    topics = pl.concat(rows)
    nodes = topics.select("node_id", "topic", "conversations")
    codes = LANGUAGES[:languages]
    spoken = nodes.join(pl.DataFrame({"language": codes}), how="cross")
    share = draw.dirichlet(np.ones(len(codes)), len(nodes)).ravel()
    values = [(facet, value) for facet, all_ in FACETS.items() for value in all_]
    facets = nodes.join(pl.DataFrame(values, orient="row", schema=["facet", "value"]), how="cross")
    days = pl.Series("date", [DAY - timedelta(days=back) for back in range(dates)])
    trends = nodes.join(days.to_frame(), how="cross")
    noise = draw.normal(1, 0.1, len(trends))
    made = {
        "topics": topics,
        "topic_languages": spoken.with_columns(
            pl.lit(DAY).alias("date"),
            pl.Series("share", share),
            pl.lit(1 / len(codes)).alias("base_rate"),
            pl.Series("lift", share * len(codes)),
            pl.Series("lift_low", share * len(codes) * 0.8),
            pl.Series("lift_high", share * len(codes) * 1.25),
            pl.Series("p_value", draw.random(len(spoken))),
        ),
        "topic_facets": facets.with_columns(
            pl.lit(DAY).alias("date"), pl.Series("share", draw.random(len(facets)).round(4))
        ),
        "topic_trends": trends.with_columns(
            pl.Series("share", noise / 10_000),
            pl.Series("growth", noise - 1),
            pl.lit(None, pl.String).alias("event"),
            pl.lit(None, pl.Float64).alias("p_value"),
        ),
        "coverage": pl.DataFrame(
            [(DAY, code, stage, 1_000) for code in codes for stage in ("in", "published")],
            schema=RELEASE_TABLES["coverage"].schema,
            orient="row",
        ),
    }
    return {name: made[name].select(*RELEASE_TABLES[name].schema) for name in RELEASE_TABLES}


if __name__ == "__main__":
    main()

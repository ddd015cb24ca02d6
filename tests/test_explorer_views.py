"""Every view in a real browser: its figures are those of the tables, it links to the others, and it asks nobody."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import polars as pl
import pytest

from tests.test_explorer import CHROMIUM, HOSTILE, hostile_tables, in_browser, page

pytestmark = in_browser

VIEWS = ("tree", "map", "boxes", "languages", "trends", "facets", "about")
PADDING = 40


def placed_tables() -> dict[str, pl.DataFrame]:
    """The hostile topics, each at a place of its own on the map."""
    tables = hostile_tables()
    number = pl.int_range(pl.len())
    places = {"x": (number * 7 % 13).cast(pl.Float64), "y": (number * 5 % 11).cast(pl.Float64)}
    return tables | {"topics": tables["topics"].with_columns(**places)}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Opened:
    """The page under its own policy, what it asked for and what it complained of."""

    def __init__(self, browser: Any, file: Path, address: str = "", **options: Any) -> None:
        context = browser.new_context(**{"viewport": {"width": 1400, "height": 1000}} | options)
        context.set_default_timeout(5_000)
        self.page = context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(f"{file.as_uri()}{address}")

    def go(self, view: str) -> None:
        self.page.click(f"#views [data-view={view}]")

    def choice(self, name: str) -> str | None:
        return parse_qs(urlsplit(self.page.url).fragment).get(name, [None])[0]

    def chosen(self) -> str:
        return self.page.text_content("#detail h2")

    def saved(self, kind: str) -> bytes:
        with self.page.expect_download(timeout=60_000) as waiting:
            self.page.click(f"#save [data-as={kind}]")
        return Path(waiting.value.path()).read_bytes()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(page(placed_tables()), encoding="utf-8")
    return path


@pytest.fixture
def opened(chromium: Any, file: Path) -> Iterator[Opened]:
    there = Opened(chromium, file)
    yield there
    there.page.context.close()
    assert there.said == []
    assert {url for url in there.asked if not url.startswith(("data:", "blob:"))} == {file.as_uri()}


def test_every_view_is_drawn_and_kept_in_the_address(opened: Opened) -> None:
    for view in VIEWS[1:]:
        opened.go(view)
        assert opened.choice("view") == view
        assert opened.page.is_visible(f"#view-{view}")
        assert opened.page.locator(".view:visible").count() == 1
        assert len(opened.page.inner_text(f"#view-{view}")) > 50
    opened.page.go_back()
    assert opened.page.is_visible("#view-facets")


def test_a_link_shows_what_it_was_taken_from(chromium: Any, file: Path) -> None:
    topic = placed_tables()["topics"].row(by_predicate=pl.col("name") == HOSTILE[7], named=True)["topic"]
    there = Opened(chromium, file, f"#view=map&color=growth&topic={topic}")
    assert there.page.is_visible("#view-map")
    assert there.page.input_value("#map-color") == "growth"
    assert there.chosen() == HOSTILE[7]
    there.page.context.close()


def test_the_back_button_walks_back_what_was_chosen(opened: Opened) -> None:
    opened.page.click("#tree .name:text-is('Odd names')")
    opened.go("boxes")
    opened.page.click(".box:has-text('Plain names')", position={"x": 20, "y": 8})
    assert opened.chosen() == "Plain names"
    opened.page.go_back()
    assert opened.chosen() == "Odd names"
    opened.page.go_back()
    assert opened.page.is_visible("#view-tree")


def test_a_circle_lies_where_its_topic_does(opened: Opened) -> None:
    topics = placed_tables()["topics"].filter(pl.col("level") == 0)
    opened.page.set_viewport_size({"width": 1400, "height": 2000})
    opened.go("map")
    opened.page.wait_for_timeout(100)
    box = opened.page.locator("canvas").bounding_box()
    spans = [topics[axis].max() - topics[axis].min() for axis in ("x", "y")]
    scale = min(
        (box[side] - 2 * PADDING) / span for side, span in zip(("width", "height"), spans, strict=True)
    )
    for name, x, y in topics.select("name", "x", "y").iter_rows():
        middle = [
            box[corner] + box[side] / 2 + scale * (value - (topics[axis].max() + topics[axis].min()) / 2)
            for corner, side, axis, value in (("x", "width", "x", x), ("y", "height", "y", y))
        ]
        opened.page.mouse.move(*middle)
        assert opened.page.text_content(".tip b") == name
    opened.page.mouse.click(*middle)
    assert opened.chosen() == name
    opened.page.focus("canvas")
    opened.page.keyboard.press("ArrowLeft")
    assert opened.chosen() != name


def test_boxes_are_as_large_as_their_topics(opened: Opened) -> None:
    topics = placed_tables()["topics"]
    opened.page.set_viewport_size({"width": 3000, "height": 2000})
    opened.go("boxes")
    opened.page.click("#view-boxes .box:has-text('Odd names')", position={"x": 20, "y": 8})
    opened.page.click("#view-boxes button:has-text('Open')")
    assert opened.choice("inside") == opened.choice("topic")
    areas = {
        opened.page.evaluate("(box) => box.title", box): size["width"] * size["height"]
        for box in opened.page.query_selector_all(".box:not(.group)")
        if (size := box.bounding_box())
    }
    sizes = dict(topics.filter(parent_id="1-0").select("name", "window_conversations").iter_rows())
    assert areas.keys() == sizes.keys()
    whole, total = sum(areas.values()), sum(sizes.values())
    for name, size in sizes.items():
        assert areas[name] / whole == pytest.approx(size / total, rel=0.03)


def test_the_rows_of_a_view_are_saved_as_the_tables_have_them(opened: Opened) -> None:
    topics = placed_tables()["topics"]
    opened.go("map")
    rows = list(csv.DictReader(io.StringIO(opened.saved("csv").decode(), newline="")))
    wanted = topics.filter(pl.col("level") == 0)
    assert {row["name"] for row in rows} == set(wanted["name"])
    for row in rows:
        topic = wanted.row(by_predicate=pl.col("topic") == row["topic"], named=True)
        count = topic["window_conversations"]
        assert row["window_conversations"] == ("" if count is None else str(count))
    opened.go("about")
    rows = list(csv.reader(io.StringIO(opened.saved("csv").decode(), newline="")))
    assert len(rows) == 1 + len(placed_tables()["coverage"])


@pytest.mark.parametrize("view", ["tree", "map", "boxes"])
def test_a_picture_of_a_view_is_saved(opened: Opened, view: str) -> None:
    opened.go("tree")
    opened.page.click("#tree .name:text-is('Odd names')")
    opened.go(view)
    drawn = ElementTree.fromstring(opened.saved("svg"))
    texts = {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert HOSTILE[3] in texts
    assert opened.saved("png").startswith(b"\x89PNG")


def test_a_search_is_heard_in_every_view(opened: Opened) -> None:
    opened.page.fill("#search", "ecole")
    assert opened.page.text_content("#results .name") == HOSTILE[7]
    opened.go("boxes")
    clear = opened.page.locator(".box:not(.faint)")
    assert {box.get_attribute("title") for box in clear.all()} == {"Odd names", HOSTILE[7]}
    opened.page.fill("#search", "")
    assert opened.page.locator(".box.faint").count() == 0


def test_text_that_looks_like_a_formula_is_saved_as_text(chromium: Any, tmp_path: Path) -> None:
    tables = placed_tables()
    named = pl.when(level=0).then(pl.lit('=HYPERLINK("x")')).otherwise("name")
    path = tmp_path / "index.html"
    path.write_text(page(tables | {"topics": tables["topics"].with_columns(name=named)}), encoding="utf-8")
    there = Opened(chromium, path, "#view=map")
    rows = list(csv.DictReader(io.StringIO(there.saved("csv").decode(), newline="")))
    assert {row["name"] for row in rows} == {'\'=HYPERLINK("x")'}
    there.page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_is_wider_than_a_narrow_screen_and_axe_finds_no_serious_violation(
    chromium: Any, file: Path, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    axe = Axe()
    for view in VIEWS:
        there = Opened(
            chromium,
            file,
            f"#view={view}",
            color_scheme=scheme,
            viewport={"width": 360, "height": 800} if scheme == "light" else {"width": 1400, "height": 1000},
        )
        there.page.wait_for_timeout(50)
        assert (
            there.page.evaluate("document.documentElement.scrollWidth") <= there.page.viewport_size["width"]
        )
        found = axe.run(there.page).response["violations"]
        grave = [each for each in found if each["impact"] in ("serious", "critical")]
        assert not grave, [
            (view, each["id"], [node["html"][:200] for node in each["nodes"]][:3]) for each in grave
        ]
        there.page.context.close()

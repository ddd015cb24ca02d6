"""The explorer shows a release's figures as they are and its names as text, and can load or send nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections import Counter
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clio_dagster.release.contract import publishable
from clio_dagster.release.explorer import embeddable_json, page_script, render_explorer
from tests.test_release import DAY, made_manifest, made_tables

HOSTILE = (
    "<script>window.broken = 1</script>",
    "</script><!-- <img src=x onerror='window.broken = 1'>",
    "شرح قواعد اللغة العربية",
    "🧁 Bake 👩‍🍳 cakes",
    "quotes \" and ' and {{ data }} and \\u003c",
    "line\u2028separators\u2029and \u202ereversed",
    "unbroken" * 60,
    "Œuvres à l'École",
)


def hostile_tables() -> dict[str, pl.DataFrame]:
    """A top topic, two below it, and under the first a topic of each hostile name."""
    topics: list[dict[str, Any]] = [
        {"node_id": "2-0", "level": 2, "name": "Everything", "conversations": 900},
        {"node_id": "1-0", "parent_id": "2-0", "level": 1, "name": "Odd names", "conversations": 500},
        {"node_id": "1-1", "parent_id": "2-0", "level": 1, "name": "Plain names", "conversations": 400},
        {"node_id": "0-99", "parent_id": "1-1", "level": 0, "name": "Small", "conversations": None},
    ]
    topics += [
        {
            "node_id": f"0-{place}",
            "parent_id": "1-0",
            "level": 0,
            "name": name,
            "conversations": 60 - place,
            "description": f"About {name}",
        }
        for place, name in enumerate(HOSTILE)
    ]
    return made_tables(topics)


def page(tables: dict[str, pl.DataFrame] | None = None) -> str:
    return render_explorer(publishable(DAY, tables or hostile_tables()), made_manifest())


class Elements(HTMLParser):
    """Start tags and attributes of a page as a browser's parser meets them, and each script's text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = tag
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self._open in ("script", "style"):
            self.texts.setdefault(self._open, []).append(data)
            self._open = ""


def data_of(html: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert match
    return json.loads(match[1])


# The page as text


@pytest.mark.parametrize("text", [*HOSTILE, "<!--", "]]>", "&lt;", "\u0000\u001f"])
def test_embedded_json_has_no_character_that_html_or_javascript_reads(text: str) -> None:
    written = embeddable_json({"name": text})
    assert not set("<>&\u2028\u2029") & set(written)
    assert json.loads(written) == {"name": text}


def test_names_add_no_element_to_the_page() -> None:
    plain = hostile_tables()
    plain["topics"] = plain["topics"].with_columns(name=pl.lit("name"), description=pl.lit("text"))
    assert Elements(page()).tags == Elements(page(plain)).tags


def test_the_policy_allows_the_one_script_and_style_sheet_alone() -> None:
    html = page()
    elements = Elements(html)
    (policy,) = [
        attributes["content"] or "" for tag, attributes in elements.tags if "http-equiv" in attributes
    ]
    assert policy.startswith("default-src 'none'; ")
    for directive, text in (("script", elements.texts["script"][-1]), ("style", elements.texts["style"][0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_the_page_refers_to_nothing_outside_itself() -> None:
    html = page()
    assert set(re.findall(r"https?://[^\s\"']+", html)) == {"http://www.w3.org/2000/svg"}
    for _, attributes in Elements(html).tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("src") is None
        assert (attributes.get("href") or "#").startswith(("#", "data:,"))


def test_the_script_never_parses_markup_from_data() -> None:
    script = page_script()
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert way not in script
    assert not re.search(r"^(import|export) ", script, re.MULTILINE)


def test_no_name_is_declared_by_two_modules_that_share_the_page() -> None:
    declared = re.findall(r"^(?:async )?(?:function|const|let|class) (\w+)", page_script(), re.MULTILINE)
    assert [name for name, times in Counter(declared).items() if times > 1] == []


def test_the_data_is_that_of_the_tables_and_no_more() -> None:
    tables = hostile_tables()
    data = data_of(page(tables))
    assert set(data["topics"]["name"]) == set(tables["topics"]["name"])
    by_name = dict(zip(data["topics"]["name"], data["topics"]["conversations"], strict=True))
    assert by_name == dict(tables["topics"].select("name", "conversations").iter_rows())
    assert "files" not in data["release"]


def test_each_topic_has_its_own_rows_of_languages_facets_and_days() -> None:
    tables = hostile_tables()
    data = data_of(page(tables))
    at = data["topics"]["name"].index(HOSTILE[0])
    languages, trends = data["languages"], data["trends"]
    rows = range(languages["from"][at], languages["from"][at + 1])
    shown = {
        languages["language"]["values"][languages["language"]["of"][row]]: languages["share"][row]
        for row in rows
    }
    expected = tables["topic_languages"].filter(node_id="0-0").select("language", "share")
    assert shown == {language: round(share * 100_000) for language, share in expected.iter_rows()}
    days = trends["share"][trends["from"][at] : trends["from"][at + 1]]
    topic = tables["topic_trends"].filter(node_id="0-0").sort("date")
    assert [None if day is None else day / 100_000 for day in days] == pytest.approx(
        topic["share"].to_list(), abs=1e-5
    )


def test_a_day_without_a_row_is_a_gap_in_the_line() -> None:
    tables = hostile_tables()
    missing = date(2026, 10, 25)
    tables["topic_trends"] = tables["topic_trends"].filter(
        (pl.col("date") != missing) | (pl.col("node_id") != "0-0")
    )
    data = data_of(page(tables))
    trends, at = data["trends"], data["topics"]["name"].index(HOSTILE[0])
    place = trends["from"][at] + trends["dates"].index("2026-10-25") - trends["first"][at]
    assert trends["share"][place] is None
    assert len(trends["share"][trends["from"][at] : trends["from"][at + 1]]) == 14


def test_a_release_without_topics_still_makes_a_page() -> None:
    assert data_of(page(made_tables([])))["topics"]["name"] == []


# The page in a browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH: the page was not opened")

CATCH = """<script>
window.caught = [];
addEventListener("error", (event) => caught.push(String(event.message)));
addEventListener("unhandledrejection", (event) => caught.push(String(event.reason)));
</script>"""


def opened(folder: Path, html: str, address: str = "") -> str:
    """The page's DOM, as HTML, after its scripts ran in headless Chromium."""
    file = folder / "index.html"
    file.write_text(html, encoding="utf-8")
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--hide-scrollbars", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--lang=en-US",
            f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=2000", "--dump-dom",
            f"{file.as_uri()}{address}",
        ],
        check=True, capture_output=True, timeout=60, encoding="utf-8",
    )  # fmt: skip
    return done.stdout


def driven(folder: Path, script: str, tables: dict[str, pl.DataFrame] | None = None) -> Any:
    """What `script`, run after the page's own, puts into `answer`; the policy makes way for it.

    Fails where the page reports an error, or a name ran as a script.
    """
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page(tables))
    html = html.replace("<head>", f"<head>{CATCH}", 1)
    report = """
    const host = document.createElement("output");
    host.id = "answer";
    host.textContent = JSON.stringify({ answer, caught, broken: window.broken === 1 });
    document.body.append(host);
    """
    helpers = """
    const all = (query) => [...document.querySelectorAll(query)];
    const text = (query) => document.querySelector(query)?.textContent;
    const press = (key) =>
      document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    const go = (view) => document.querySelector(`#views [data-view=${view}]`).click();
    const pick = (select, value) => {
      select.value = value;
      select.dispatchEvent(new Event("change", { bubbles: true }));
    };
    const row = (cells) => [...cells.children].map((cell) => cell.textContent);
    const named = (name) => all("#tree .name").find((one) => one.textContent === name);
    let answer;
    """
    html = html.replace("</body>", f'<script type="module">{helpers}{script}{report}</script></body>')
    found = re.search(r'<output id="answer">(.*?)</output>', opened(folder, html), re.DOTALL)
    assert found, "the script did not finish"
    told = json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert told["caught"] == []
    assert not told["broken"]
    return told["answer"]


@in_browser
def test_the_page_draws_itself_under_its_own_policy(tmp_path: Path) -> None:
    dom = opened(tmp_path, page(), "#topic=t11")
    assert "Topics of November 3, 2026" in dom
    assert "No language model wrote these topics" in dom
    assert ">Œuvres à l'École</h2>" in dom  # the topic in the address is open


@in_browser
def test_every_name_is_shown_as_text(tmp_path: Path) -> None:
    shown = driven(
        tmp_path,
        """
        named("Odd names").click();
        const below = all("#tree ul ul .name");
        answer = {
          names: below.map((one) => one.textContent),
          inside: below.map((one) => one.childElementCount),
        };
        """,
    )
    assert shown["names"] == list(HOSTILE)
    assert set(shown["inside"]) == {0}


@in_browser
def test_a_count_that_is_not_shown_reads_few(tmp_path: Path) -> None:
    shown = driven(
        tmp_path,
        """
        named("Plain names").click();
        named("Small").click();
        answer = {
          row: text('#tree [aria-selected="true"] .size'),
          figures: all(".figures dd").map((one) => one.textContent),
        };
        """,
    )
    assert shown == {"row": "few", "figures": ["few", "few", "few", "4 of 5"]}


@in_browser
def test_arrows_walk_the_tree(tmp_path: Path) -> None:
    path = driven(
        tmp_path,
        """
        document.querySelector('#tree [tabindex="0"]').focus();
        const visited = [];
        const arrows = ["Down", "Right", "Right", "Down", "Left", "Left"].map((way) => `Arrow${way}`);
        for (const key of [...arrows, "End", "Home"]) {
          press(key);
          visited.push(document.activeElement.querySelector(".name").textContent);
        }
        answer = { visited, stops: all('#tree [tabindex="0"]').length, panel: text("#detail h2") };
        """,
    )
    odd, first, second = "Odd names", HOSTILE[0], HOSTILE[1]
    assert path["visited"] == [odd, odd, first, second, odd, odd, "Plain names", "Everything"]
    assert path["stops"] == 1
    assert path["panel"] == "Everything"


@in_browser
def test_search_ignores_case_and_accents_and_leads_to_the_topic(tmp_path: Path) -> None:
    found = driven(
        tmp_path,
        """
        const field = document.getElementById("search");
        const search = (query) => {
          field.value = query;
          field.dispatchEvent(new Event("input"));
          return all("#results .name").map((one) => one.textContent);
        };
        answer = { accents: search("a L'ECOLE"), none: search("xyzzy"), hint: text("#hint") };
        answer.arabic = search("اللغة");
        all("#results button")[0].click();
        search("");
        answer.chosen = text("#detail h2");
        answer.inTree = text('#tree [aria-selected="true"] .name');
        """,
    )
    assert found["accents"] == [HOSTILE[7]]
    assert found["none"] == []
    assert "No topic" in found["hint"]
    assert found["arabic"] == [HOSTILE[2]]
    assert found["chosen"] == found["inTree"] == HOSTILE[2]


def with_own_facet(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The tables with a number that the page has never heard of, of two topics."""
    rows = [
        (DAY, "1-0", "minutes_saved", "10 to 60", 300, 0.6),
        (DAY, "1-0", "minutes_saved", "<10", 200, 0.4),
        (DAY, "1-1", "minutes_saved", "10 to 60", 300, 0.75),
        (DAY, "1-1", "minutes_saved", "60+", None, None),
    ]
    own = pl.DataFrame(rows, schema=tables["topic_facets"].schema, orient="row")
    return tables | {"topic_facets": pl.concat([tables["topic_facets"], own])}


@in_browser
def test_a_facet_that_the_page_does_not_know_is_shown_and_narrows_the_topics(tmp_path: Path) -> None:
    shown = driven(
        tmp_path,
        """
        const choice = document.getElementById("facet-value");
        const group = all("#facet-value optgroup").find((one) => one.label === "Minutes saved");
        const options = [...group.children];
        const choose = (value) => {
          choice.value = value;
          choice.dispatchEvent(new Event("change"));
          const parts = [".name", ".size"];
          return all("#results button").map((one) => parts.map((part) => one.querySelector(part).textContent));
        };
        const groups = all("#facet-value optgroup").map((one) => one.label);
        answer = { options: options.map((one) => one.textContent), groups };
        answer.found = choose(options[1].value);
        answer.hint = text("#hint");
        answer.few = choose(options[2].value);
        choose(options[1].value);
        const field = document.getElementById("search");
        field.value = "odd";
        field.dispatchEvent(new Event("input"));
        answer.both = all("#results .name").map((one) => one.textContent);
        all("#results button")[0].click();
        field.value = "";
        field.dispatchEvent(new Event("input"));
        answer.none = choose("").length;
        answer.tree = document.getElementById("tree").hidden;
        const titled = (section) => section.querySelector("h3").textContent === "Minutes saved";
        const section = all("#detail section").find(titled);
        answer.panel = [...section.querySelectorAll(".label")].map((one) => one.textContent);
        """,
        with_own_facet(hostile_tables()),
    )
    assert shown == {
        "options": ["<10", "10 to 60", "60+"],
        "groups": ["Concern", "Refused by the assistant", "Messages in the conversation", "Minutes saved"],
        "found": [["Plain names", "75%"], ["Odd names", "60%"]],
        "hint": "Minutes saved: 10 to 60. 2 topics found, the largest share of it first",
        "few": [["Plain names", "few"]],
        "both": ["Odd names"],
        "none": 0,
        "tree": False,
        "panel": ["<10", "10 to 60"],
    }


@in_browser
def test_topics_of_two_trees_are_told_apart_the_requests_first(tmp_path: Path) -> None:
    tables = hostile_tables()
    both = {
        name: pl.concat(
            frame.with_columns(clustered_by=pl.lit(by))
            if "topic" not in frame.columns
            else frame.with_columns(clustered_by=pl.lit(by), topic=pl.lit(by) + pl.col("topic"))
            for by in ("goal", "request")
        )
        if name != "coverage"
        else frame
        for name, frame in tables.items()
    }
    shown = driven(
        tmp_path,
        """
        const choice = document.getElementById("clustered-by");
        answer = { trees: [...choice.options].map((one) => one.value), first: choice.value, hidden: choice.hidden };
        const field = document.getElementById("search");
        field.value = "odd";
        field.dispatchEvent(new Event("input"));
        answer.paths = all("#results .path").map((one) => one.textContent);
        all("#results button")[1].click();
        answer.then = choice.value;
        """,
        both,
    )
    assert shown["trees"] == ["request", "goal"]
    assert (shown["first"], shown["hidden"], shown["then"]) == ("request", False, "goal")
    assert shown["paths"] == ["by request › Everything", "by goal › Everything"]


@in_browser
def test_the_panel_shows_the_figures_of_the_tables(tmp_path: Path) -> None:
    tables = hostile_tables()
    shown = driven(
        tmp_path,
        """
        const parts = [".label", ".value", ".lift b"];
        const cells = (row) => parts.map((part) => row.querySelector(part).textContent);
        answer = {
          spanish: all(".languages li").map(cells).find(([name]) => name === "Spanish"),
          concern: text(".bars:not(.languages, .below)"),
          line: document.querySelector(".trend").getAttribute("aria-label"),
        };
        go("about");
        answer.coverage = row(document.querySelector("#view-about tbody tr"));
        """,
        tables,
    )
    spanish = tables["topic_languages"].filter(node_id="2-0", language="es").row(0, named=True)
    share = f"{spanish['share']:.1%}".replace(".0%", "%")
    assert shown["spanish"] == ["Spanish", share, f"{spanish['lift']:.2g}×"]
    assert "1, harmless70%630" in shown["concern"]
    assert shown["line"].startswith("Share from ")
    assert shown["coverage"] == ["Arabic", "1,000", "few", "88", "870"]


def two_digits(value: float) -> str:
    """A figure as the page writes it, which has three digits of it."""
    rounded = Context(prec=2, rounding=ROUND_HALF_UP).create_decimal(f"{value:.3g}")
    return f"{rounded.normalize():f}"


def percent(share: float | None) -> str:
    if share is None:
        return "few"
    tenths = (Decimal(round(share * 100_000)) / 1000).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return f"{tenths}%".replace(".0%", "%")


@in_browser
def test_the_languages_view_has_the_lifts_of_one_language_the_surest_first(tmp_path: Path) -> None:
    tables = hostile_tables()
    shown = driven(
        tmp_path,
        """
        go("languages");
        pick(document.querySelector("#view-languages select"), "es");
        answer = { rows: all("#view-languages tbody tr").map(row), hint: text("#view-languages .hint") };
        all("#view-languages .topic")[1].click();
        answer.panel = text("#detail h2");
        answer.current = text('#view-languages [aria-current="true"] .topic');
        """,
        tables,
    )
    names = dict(tables["topics"].select("node_id", "name").iter_rows())
    rows = tables["topic_languages"].filter(language="es").rows(named=True)
    sure = [one for one in rows if one["p_value"] < 0.05 and one["lift"] > 1]
    expected = {
        names[one["node_id"]]: [
            percent(one["share"]),
            percent(one["base_rate"]),
            "",
            f"{two_digits(one['lift'])}×",
            f"{two_digits(one['lift_low'])}–{two_digits(one['lift_high'])}",
            f"{one['p_value']:.2g}",
        ]
        for one in rows
    }
    lifts = {names[one["node_id"]]: one["lift"] for one in rows}
    surest = {names[one["node_id"]] for one in sure}
    order = [name for name, *_ in shown["rows"]]
    assert {name: cells for name, *cells in shown["rows"]} == expected
    assert set(order[: len(sure)]) == surest
    for part in (order[: len(sure)], order[len(sure) :]):
        assert [lifts[name] for name in part] == sorted((lifts[name] for name in part), reverse=True)
    assert f"in {len(sure)} of {len(rows)} topics with a lift" in shown["hint"]
    assert shown["panel"] == shown["current"] == order[1]


def with_births(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The tables where one topic is new today, one was new a week ago, and one grows most."""
    topic, day = pl.col("topic"), pl.col("date")
    today = day == DAY
    born = (topic == "t6") & today | (topic == "t7") & (day == DAY - timedelta(days=7))
    grown = pl.when(today & (topic == "t8")).then(0.5).otherwise(None)
    trends = tables["topic_trends"].with_columns(event=pl.when(born).then(pl.lit("birth")), growth=grown)
    return tables | {"topic_trends": trends.filter((topic != "t6") | today)}


@in_browser
def test_the_trends_view_compares_the_days_of_the_tables(tmp_path: Path) -> None:
    tables = with_births(hostile_tables())
    shown = driven(
        tmp_path,
        """
        go("trends");
        answer = { rows: all("#view-trends tbody tr").map(row), lines: all(".lines-legend .name").length };
        answer.births = all(".lines .birth").length;
        for (const box of all("#view-trends input:checked")) box.click();
        answer.none = all(".lines-legend li").length;
        document.querySelector('#view-trends input[aria-label="Compare Everything"]').click();
        answer.state = location.hash;
        document.querySelector(".lines-frame").focus();
        const read = () => [text(".lines-day b"), text(".lines-legend .value")];
        answer.days = [read()];
        for (let day = 0; day < 13; day += 1) {
          press("ArrowLeft");
          answer.days.push(read());
        }
        answer.said = text('#view-trends [aria-live="polite"]');
        answer.pieces = document.querySelector(".lines .line").getAttribute("d").split("M").length - 1;
        """,
        tables,
    )
    names = dict(tables["topics"].select("topic", "name").iter_rows())
    assert [(name, growth) for _, name, _, _, growth in shown["rows"][:2]] == [
        (names["t6"], "new"),
        (names["t8"], "+50%"),
    ]
    assert len(shown["rows"]) == tables["topics"].height
    assert (shown["lines"], shown["births"], shown["none"]) == (4, 1, 0)
    assert shown["state"] == "#view=trends&topic=t0&compare=t0"
    days = tables["topic_trends"].filter(topic="t0").sort("date", descending=True)
    expected = [
        [f"{one:%b} {one.day}", percent(share)] for one, share in days.select("date", "share").iter_rows()
    ]
    assert shown["days"] == expected
    assert shown["said"] == f"{expected[-1][0]}: Everything {expected[-1][1]}"
    assert shown["pieces"] == 2


@in_browser
def test_the_facets_view_has_the_shares_of_the_tables_and_sorts_by_any(tmp_path: Path) -> None:
    tables = with_own_facet(hostile_tables())
    shown = driven(
        tmp_path,
        """
        go("facets");
        pick(document.querySelector("#view-facets select"), "minutes_saved");
        const rows = () => all("#view-facets tbody tr").map(row);
        answer = { heads: all("#view-facets thead th").map((one) => one.textContent), rows: rows() };
        all("#view-facets thead button")[2].click();
        answer.sorted = rows();
        answer.sort = all("#view-facets thead th").map((one) => one.getAttribute("aria-sort"));
        answer.hint = text(".crossed .hint");
        pick(all(".crossed select")[0], "mean:minutes_saved");
        answer.crossed = text(".crossed .hint");
        """,
        tables,
    )
    assert shown["heads"] == ["Topic", "Conversations", "<10", "10 to 60", "60+"]
    odd, plain = ["Odd names", "3,000", "40%", "60%", "–"], ["Plain names", "2,400", "–", "75%", "few"]
    assert shown["rows"] == [odd, plain]
    assert shown["sorted"] == [plain, odd]
    assert shown["sort"] == [None, "none", "none", "descending", "none"]
    height = tables["topics"].height
    assert shown["hint"] == f"{height} of {height} topics show both figures."
    assert shown["crossed"] == f"2 of {height} topics show both figures."


@in_browser
@pytest.mark.parametrize(
    ("view", "columns"),
    [
        ("languages", "topic,name,language,base_rate,share,lift,lift_low,lift_high,p_value"),
        ("trends", "topic,name,event,growth,window_conversations,share,2026-11-02,2026-11-03"),
        ("facets", "topic,name,window_conversations,concerning: 1,concerning: 2,concerning: 5"),
    ],
)
def test_all_rows_of_a_view_are_saved_and_what_its_picture_shows(
    tmp_path: Path, view: str, columns: str
) -> None:
    topics: list[dict[str, Any]] = [
        {"node_id": f"0-{n}", "level": 0, "name": f"Topic {n}", "conversations": 500 - n} for n in range(150)
    ]
    saved = driven(
        tmp_path,
        f"""
        go("{view}");
        const blobs = [];
        URL.createObjectURL = (blob) => blobs.push(blob) && "data:,";
        for (const kind of ["csv", "svg"]) document.querySelector(`#save [data-as=${{kind}}]`).click();
        answer = {{ drawn: all("#view-{view} tbody tr").length }};
        answer.rows = (await blobs[0].text()).split("\\r\\n");
        const picture = new DOMParser().parseFromString(await blobs[1].text(), "image/svg+xml");
        answer.names = [...picture.querySelectorAll("text")].map((one) => one.textContent);
        document.querySelector("#view-{view} .more-rows").click();
        answer.then = all("#view-{view} tbody tr").length;
        """,
        made_tables(topics, days=2),
    )
    assert (saved["drawn"], saved["then"]) == (100, 150)
    assert saved["rows"][0].startswith(columns)
    assert len(saved["rows"]) == 151
    assert any(name.startswith("Topic ") for name in saved["names"])


@in_browser
def test_ten_thousand_topics_are_drawn_when_opened(tmp_path: Path) -> None:
    topics: list[dict[str, Any]] = [{"node_id": "1-0", "level": 1, "name": "All", "conversations": 90_000}]
    topics += [
        {
            "node_id": f"0-{n}",
            "parent_id": "1-0",
            "level": 0,
            "name": f"Topic {n}",
            "conversations": 20_000 - n,
        }
        for n in range(10_000)
    ]
    drawn = driven(
        tmp_path,
        """
        const rows = () => all("#tree .row").length;
        answer = { first: rows() };
        document.querySelector(".more .row").click();
        answer.second = rows();
        location.hash = "#topic=t5001";
        window.dispatchEvent(new Event("hashchange"));
        answer.chosen = text('#tree [aria-selected="true"] .name');
        """,
        made_tables(topics, languages=("en", "es"), days=2),
    )
    assert drawn == {"first": 202, "second": 402, "chosen": "Topic 5000"}


@in_browser
def test_nothing_is_wider_than_a_360_pixel_screen(tmp_path: Path) -> None:
    inner = tmp_path / "inner.html"
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page())
    measure = """<script type="module">
    const closed = () => document.querySelectorAll('[aria-expanded="false"] > .row .twisty');
    while (closed().length) for (const twisty of closed()) twisty.click();
    const parts = [document.documentElement, document.getElementById("detail")];
    const width = () => Math.max(...parts.map((part) => part.scrollWidth));
    const tree = width();
    const views = [...document.querySelectorAll("#views button")].map((link) => {
      link.click();
      return width();
    });
    document.querySelector("#views button").click();
    document.querySelector(".tree ul ul .name").click();
    parent.postMessage({ tree, views: Math.max(...views), detail: width(), open: document.body.className }, "*");
    </script></body>"""
    inner.write_text(html.replace("</body>", measure), encoding="utf-8")
    outer = """<iframe src="inner.html" style="width: 360px; height: 700px; border: 0"></iframe>
    <output></output>
    <script>addEventListener("message", ({ data }) => {
      document.querySelector("output").textContent = JSON.stringify(data);
    });</script>"""
    told = re.search(r"<output>(.+?)</output>", opened(tmp_path, outer))
    assert told
    assert json.loads(told[1]) == {"tree": 360, "views": 360, "detail": 360, "open": "in-detail"}

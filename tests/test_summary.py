"""A release at a glance: small, from what is published alone, and no name is more than a name."""

from __future__ import annotations

import base64
import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest
from markdown_it import MarkdownIt

from clio_dagster.release.contract import RELEASE_TABLES
from clio_dagster.release.summary import (
    MOST_CIRCLES,
    MOST_TOPICS,
    NAME_CHARACTERS,
    NO_FIGURE,
    NO_TOPIC,
    as_text,
    coverage_table,
    map_image,
    numbers,
    topics_table,
)
from tests.test_release import DAY, made_tables, small

KILOBYTE = 1024

HOSTILE = [
    "a | b | c",
    "`code` and ``more``",
    "[press](javascript:alert(1))",
    "![x](https://example.invalid/x.png)",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "&lt;b&gt; &amp; &copy;",
    "two\nlines\r\n\u2028three",
    "**bold** _slanted_ ~~struck~~",
    "https://example.invalid/a www.example.invalid me@example.invalid",
    "back\\slash \\| \\",
    "| --- | --- |",
    "# head",
    "\u202eright to left",
    "$x^2$ : {a} = 1",
]


def empty() -> dict[str, pl.DataFrame]:
    return {name: pl.DataFrame(schema=table.schema) for name, table in RELEASE_TABLES.items()}


def tree(tops: int, leaves: int, **more: Any) -> pl.DataFrame:
    topics: list[dict[str, Any]] = [
        {"node_id": f"1-{n}", "level": 1, "name": f"Top {n}", "conversations": 1000 - n} for n in range(tops)
    ]
    topics += [
        {
            "node_id": f"0-{n}",
            "parent_id": f"1-{n % tops}",
            "level": 0,
            "name": f"Leaf {n}",
            "conversations": 10 + n,
            "x": float(n % 37),
            "y": float(n % 11),
        }
        for n in range(leaves)
    ]
    return made_tables([topic | more for topic in topics], days=1)["topics"]


def cells(markdown: str) -> list[list[str]]:
    """Text of the table's cells, as a renderer shows them, without the head's row."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    rows: list[list[str]] = []
    for before, token in pairwise(tokens):
        if token.type == "tr_open":
            rows.append([])
        if before.type in ("td_open", "th_open"):
            children = token.children or []
            assert {child.type for child in children} <= {"text", "text_special"}
            rows[-1].append("".join(child.content for child in children))
    return rows[1:]


def svg(markdown: str | None) -> ElementTree.Element:
    assert markdown
    found = re.fullmatch(r"!\[[\w ]+\]\(data:image/svg\+xml;base64,([\w+/=]+)\)", markdown)
    assert found
    return ElementTree.fromstring(base64.b64decode(found[1]))


def circles(drawing: ElementTree.Element) -> list[tuple[int, int]]:
    lines = "".join(path.get("d", "") for path in drawing.iter("{http://www.w3.org/2000/svg}path"))
    return [(int(x), int(y)) for x, y in re.findall(r"M(-?\d+) (-?\d+)h0", lines)]


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_name_says_it_is_text_in_its_cell(name: str) -> None:
    topics = made_tables([{"node_id": "1-0", "level": 1, "name": name, "conversations": 90}], days=1)[
        "topics"
    ]
    ((_, shown, share, window, children),) = cells(topics_table(topics))
    plain = " ".join(name.replace("\u202e", " ").split())
    assert shown.replace("\u200b", "") == plain
    assert (share, window, children) == ("100.0%", "540", "0")


def test_nothing_in_a_name_starts_what_is_made_a_link_by_itself() -> None:
    shown = as_text("https://example.invalid www.example.invalid me@example.invalid").replace("\\", "")
    assert not re.search(r"https?://|www\.|@[-\w]", shown)


def test_a_long_name_is_cut() -> None:
    assert as_text("x" * 5000) == "x" * (NAME_CHARACTERS - 1) + "…"


def test_the_largest_topics_come_first_and_the_others_are_counted() -> None:
    table = topics_table(tree(MOST_TOPICS + 3, 40))
    assert [row[1] for row in cells(table)] == [f"Top {n}" for n in range(MOST_TOPICS)]
    assert cells(table)[0][4] == "4"
    assert table.endswith("and 3 more")


def test_what_is_not_published_is_few_and_never_nothing() -> None:
    topics = made_tables([{"node_id": "1-0", "level": 1, "name": "Soup", "conversations": None}])["topics"]
    assert cells(topics_table(topics)) == [["1", "Soup", "few", "few", "0"]]


def test_topics_of_several_facets_say_which() -> None:
    both = pl.concat([tree(1, 0), tree(1, 0, clustered_by="goal")])
    assert [row[:3] for row in cells(topics_table(both))] == [
        ["1", "Top 0", "request"],
        ["2", "Top 0", "goal"],
    ]


def test_coverage_sums_what_is_published_over_the_languages() -> None:
    assert cells(coverage_table(small()["coverage"])) == [
        ["came in", "9,000", ""],
        ["below a threshold", "792", "9%"],
        ["published", "7,830", "87%"],
    ]


def test_a_part_that_noise_made_larger_than_the_whole_is_all_of_it() -> None:
    rows = [(DAY, "en", "in", 20), (DAY, "en", "published", 23), (DAY, "other", "quarantined", 7)]
    coverage = pl.DataFrame(rows, schema=RELEASE_TABLES["coverage"].schema, orient="row")
    assert [row[2] for row in cells(coverage_table(coverage))] == ["", "", "100%"]
    assert numbers(empty() | {"coverage": coverage})["share_published"] == 1


def test_the_map_has_a_circle_a_base_topic_within_the_picture() -> None:
    drawing = svg(map_image(tree(3, 40)))
    dots = circles(drawing)
    assert len(dots) == 40
    assert all(0 < x < 480 and 0 < y < 320 for x, y in dots)
    assert [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")] == ["1", "2", "3"]
    assert len({group.get("stroke") for group in drawing[0]}) == 3


def test_topics_without_a_count_or_a_place_do_not_break_the_map() -> None:
    topics = tree(2, 6)
    unplaced = topics.with_columns(x=pl.when(pl.col("node_id") != "0-0").then("x"), window_conversations=None)
    assert len(circles(svg(map_image(unplaced)))) == 5
    assert map_image(topics.with_columns(x=None)) is None
    alone = topics.filter(level=0).head(1).with_columns(parent_id=pl.lit(None, pl.String))
    assert circles(svg(map_image(alone))) == [(240, 160)]


def test_all_of_it_is_a_few_kilobytes_whatever_the_release() -> None:
    name = "|" * 500
    topics = tree(40, 5 * MOST_CIRCLES, name=name)
    assert len(circles(svg(map_image(topics)))) == MOST_CIRCLES
    assert len(map_image(topics) or "") < 8 * KILOBYTE
    assert len(topics_table(topics)) < 3 * KILOBYTE


def test_a_release_of_nothing_says_so() -> None:
    nothing = empty()
    assert topics_table(nothing["topics"]) == NO_TOPIC
    assert coverage_table(nothing["coverage"]) == NO_FIGURE
    assert map_image(nothing["topics"]) is None
    assert numbers(nothing) == {"top_topics": 0, "base_topics": 0, "new_topics": 0}


def test_numbers_are_published_ones_and_those_that_are_not_are_left_out() -> None:
    found = numbers(small())
    assert list(found)[3:] == ["came_in", "below_a_threshold", "published", "share_published"]
    assert found == {
        "top_topics": 1,
        "base_topics": 2,
        "new_topics": 0,
        "came_in": 9000,
        "below_a_threshold": 792,
        "published": 7830,
        "share_published": 0.87,
    }

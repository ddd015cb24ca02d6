"""`clio serve` serves whole releases and nothing else, to who is meant, and says of two dates what is known."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import polars as pl
import pytest

from clio_dagster.release.compare import COMPARED, Change, compare
from clio_dagster.release.folder import replace_folder
from clio_dagster.release.read import Release, read_release
from clio_dagster.release.write import write_release
from clio_dagster.serve import pages
from clio_dagster.serve.answers import page_policy
from clio_dagster.serve.bodies import Bodies, Body, body
from clio_dagster.serve.files import FILES, NotWhole, Releases
from clio_dagster.serve.guard import HEADERS, Guard
from clio_dagster.serve.server import ServeError, is_open_to_others, listen, make_server, url
from tests.scenario import CLIO
from tests.test_explorer import CHROMIUM, HOSTILE, in_browser
from tests.test_release import DAY, contents, made_manifest, made_tables

BEFORE, AFTER = date(2026, 11, 2), DAY
NAMES = (*HOSTILE, "<b>&amp;\"'`", "א" * 250 + "😀" * 250, "\x1b[31m\u202ered\u2066")


def tables_of(day: date, counts: dict[str, int | None], names: dict[str, str] | None = None) -> Any:
    """Base topics under one that all belong to."""
    total = sum(count or 0 for count in counts.values())
    above = {"node_id": "1-0", "level": 1, "name": "Everything", "conversations": total, "topic": "all"}
    below = [
        {
            "node_id": f"0-{place}",
            "parent_id": "1-0",
            "level": 0,
            "topic": topic,
            "name": (names or {}).get(topic, f"About {topic}"),
            "conversations": count,
            "share": None,
        }
        for place, (topic, count) in enumerate(counts.items())
    ]
    tables = made_tables([above, *below], day=day, languages=("en",), days=2)
    share = (pl.col("conversations") / total).round(3)
    return tables | {"topics": tables["topics"].with_columns(share=share)}


EARLIER = {"steady": 3000, "rising": 400, "falling": 900, "leaving": 200, "hidden": 100, "wavering": 300}
LATER = {
    "steady": 3000,
    "rising": 1000,
    "falling": 300,
    "hidden": None,
    "wavering": 304,
    "coming": 120,
    "born": 130,
}


def born(tables: Any, topic: str) -> Any:
    event = pl.when(pl.col("topic") == topic, pl.col("date") == AFTER).then(pl.lit("birth"))
    return tables | {"topic_trends": tables["topic_trends"].with_columns(event=event)}


def publish(releases: Path, day: date = AFTER, **changed: Any) -> Path:
    counts = EARLIER if day == BEFORE else LATER
    tables = tables_of(day, counts | changed.pop("counts", {}), changed.pop("names", None))
    if day == AFTER:
        tables = born(tables, "born")
    return write_release(releases, day, tables, made_manifest(day, **changed))


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases that no test changes, in a home with more than them."""
    folder = tmp_path_factory.mktemp("home") / "releases"
    publish(folder, BEFORE)
    publish(folder, AFTER)
    shutil.copytree(folder / str(AFTER), folder / ".2026-11-04.next")
    (folder / str(AFTER) / "notes.txt").write_text("secret")
    (folder.parent / "clio.toml").write_text("# secret")
    return folder


@pytest.fixture
def releases(standing: Path, tmp_path: Path) -> Path:
    """Two releases of a test's own."""
    return Path(shutil.copytree(standing, tmp_path / "home" / "releases"))


class Served:
    """A server at work in a thread, and what it said."""

    def __init__(self, releases: Path, host: str = "127.0.0.1") -> None:
        self.said: list[str] = []
        listening = listen("127.0.0.1", 0)
        self.port = listening.getsockname()[1]
        self.server = make_server(releases, host, self.said.append)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listening]})
        self.thread.start()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers=headers)

    def raw(self, target: str, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, bytes]:
        """An answer to a request line that no client tidied."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as to:
            request = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            to.sendall(request.encode("latin-1"))
            answer = http.client.HTTPResponse(to, method=method)
            answer.begin()
            return answer.status, answer.read()

    def end(self) -> None:
        self.http.close()
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture(scope="module")
def served(standing: Path) -> Iterator[Served]:
    """A server of the releases that no test changes."""
    server = Served(standing)
    yield server
    server.end()


@pytest.fixture
def changing(releases: Path) -> Iterator[Served]:
    """A server of a test's own releases."""
    server = Served(releases)
    yield server
    server.end()


class Rows(HTMLParser):
    """The cells of a page's table, row by row, and every start tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1] += data


def compared(served: Served, **query: str) -> Rows:
    given = {"from": BEFORE.isoformat(), "to": AFTER.isoformat()} | query
    answer = served.get(f"/compare?{urlencode(given)}")
    assert answer.status_code == 200
    return Rows(answer.text)


# What is served


def test_the_first_page_frames_the_newest_release_and_offers_the_others(served: Served) -> None:
    page = served.get("/")
    tags = Rows(page.text).tags
    (frame,) = [attributes for tag, attributes in tags if tag == "iframe"]
    assert frame["src"] == f"/releases/{AFTER}/" and frame["title"]
    assert re.findall(r"<option[^>]*>([^<]+)", page.text) == [str(AFTER), str(BEFORE)]
    assert f"/releases/{BEFORE}/" in served.get(f"/?date={BEFORE}").text
    assert f"/compare?from={BEFORE}&amp;to={AFTER}" in page.text


def test_a_releases_files_are_served_byte_by_byte(served: Served, standing: Path) -> None:
    folder = standing / str(AFTER)
    for name in (*FILES, "manifest.json"):
        assert served.get(f"/releases/{AFTER}/{name}").content == (folder / name).read_bytes()
    page = served.get(f"/releases/{AFTER}/")
    assert page.content == (folder / "explorer" / "index.html").read_bytes()
    assert page.headers["content-type"] == "text/html; charset=utf-8"


def test_an_address_without_its_slash_leads_to_the_page(served: Served) -> None:
    answer = served.get(f"/releases/{AFTER}")
    assert answer.status_code == 307 and answer.headers["location"] == f"/releases/{AFTER}/"
    assert served.get("/releases/2026-01-01").status_code == 404


def test_head_has_the_headers_of_get_and_no_body(served: Served) -> None:
    for path in ("/", f"/releases/{AFTER}/", f"/releases/{AFTER}/topics.parquet", "/style.css"):
        got, head = served.http.get(path), served.http.head(path)
        assert head.content == b"" and head.status_code == 200
        assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_nothing_but_reading_is_allowed(served: Served, method: str) -> None:
    for path in ("/", f"/releases/{AFTER}/topics.parquet", "/nowhere"):
        assert served.raw(path, method)[0] == 405
    assert served.http.post("/").headers["allow"] == "GET, HEAD"


def test_a_release_published_meanwhile_is_there_at_the_next_load(tmp_path: Path) -> None:
    served = Served(tmp_path / "releases")
    try:
        assert "No release yet" in served.get("/").text
        publish(tmp_path / "releases", BEFORE)
        assert f"/releases/{BEFORE}/" in served.get("/").text
        assert "/compare" not in served.get("/").text
        publish(tmp_path / "releases", AFTER)
        assert f'src="/releases/{AFTER}/"' in served.get("/").text
        shutil.rmtree(tmp_path / "releases" / str(AFTER))
        assert served.get(f"/releases/{AFTER}/").status_code == 404
        assert f'src="/releases/{BEFORE}/"' in served.get("/").text
    finally:
        served.end()


def test_a_release_replaced_while_it_is_served_is_never_served_half(
    changing: Served, releases: Path, tmp_path: Path
) -> None:
    made = [
        contents(publish(tmp_path / str(count), AFTER, counts={"steady": count})) for count in (2800, 3000)
    ]
    signed = {hashlib.sha256(files["topics.parquet"]).hexdigest() for files in made}
    done = threading.Event()

    def replace() -> None:
        for number in range(60):
            replace_folder(releases / str(AFTER), made[number % 2])
            time.sleep(0.01)
        done.set()

    writer = threading.Thread(target=replace)
    writer.start()
    seen = set()
    while not done.is_set():
        answer = changing.get(f"/releases/{AFTER}/topics.parquet")
        assert answer.status_code == 200
        seen.add(hashlib.sha256(answer.content).hexdigest())
        page = changing.get(f"/compare?from={BEFORE}&to={AFTER}")
        assert page.status_code == 200 and page.text.endswith("</html>\n")
    writer.join()
    assert seen == signed and not changing.said


# Headers


def test_every_answer_has_strict_headers(served: Served) -> None:
    paths = ["/", "/compare", "/style.css", "/nowhere", "/releases/2026-01-01/", "/%2e%2e", "/?date=x"]
    paths += [f"/releases/{AFTER}/", f"/releases/{AFTER}/topics.parquet", f"/releases/{AFTER}"]
    for path in paths:
        answer = served.get(path)
        for name in HEADERS:
            assert len(answer.headers.get_list(name)) == 1, (path, name)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy
        assert "frame-ancestors" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-cache"
        assert "server" not in answer.headers
    assert served.http.post("/").headers["x-frame-options"] == "DENY"
    assert served.get("/", Host="example.org").headers["x-content-type-options"] == "nosniff"


def test_own_pages_need_neither_script_nor_style_in_them(served: Served) -> None:
    for path in ("/", "/compare", f"/compare?from={BEFORE}&to={AFTER}", "/nowhere"):
        answer = served.get(path)
        assert "script" not in answer.headers["content-security-policy"]
        tags = Rows(answer.text).tags
        assert not {"script", "style"} & {tag for tag, _ in tags}
        assert not [name for _, attributes in tags for name in attributes if name.startswith(("on", "style"))]


def test_a_releases_page_is_sent_with_the_policy_that_it_names(served: Served) -> None:
    page = served.get(f"/releases/{AFTER}/")
    sent = page.headers["content-security-policy"]
    (named,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page.text)
    assert sent == f"{named}; frame-ancestors 'self'"
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    (script,) = re.findall(r'<script type="module">(.*?)</script>', page.text, re.DOTALL)
    for source in (style, script):
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in sent
    assert page.headers["x-frame-options"] == "SAMEORIGIN"


@pytest.mark.parametrize(
    "head",
    [
        b"<!doctype html>",
        b'<meta http-equiv="Content-Security-Policy" content="default-src *">',
        b"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'\">",
        b'<meta http-equiv="Content-Security-Policy" content="default-src \'none\';&#10;x: y">',
    ],
)
def test_a_page_without_a_strict_policy_has_none(head: bytes) -> None:
    assert page_policy(head) is None


def test_what_a_reader_has_is_not_sent_again(changing: Served, releases: Path) -> None:
    path = f"/releases/{AFTER}/topics.parquet"
    first = changing.get(path)
    assert first.headers["etag"] == f'"{hashlib.sha256(first.content).hexdigest()}"'
    for given in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
        again = changing.get(path, **{"If-None-Match": given})
        assert again.status_code == 304 and again.content == b""
        assert again.headers["etag"] == first.headers["etag"]
    publish(releases, AFTER, counts={"steady": 2500})
    changed = changing.get(path, **{"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200 and changed.headers["etag"] != first.headers["etag"]


def test_pages_are_compressed_for_those_who_take_it(served: Served) -> None:
    path = f"/releases/{AFTER}/"
    zipped, plain = served.get(path), served.get(path, **{"Accept-Encoding": "gzip;q=0, br"})
    assert zipped.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert zipped.content == plain.content
    assert int(zipped.headers["content-length"]) < len(plain.content) / 2
    assert zipped.headers["etag"] != plain.headers["etag"]
    assert zipped.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    assert "content-encoding" not in served.get(f"{path}topics.parquet").headers


def test_bodies_are_made_once_and_take_no_more_than_their_bound() -> None:
    made: list[str] = []

    def make(name: str) -> Body:
        made.append(name)
        return body(os.urandom(400), "text/plain")

    bodies = Bodies(1000)
    for name in ("a", "b", "a", "c", "a", "b"):
        bodies.get(name, lambda name=name: make(name))  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]
    large = [bodies.get("large", lambda: body(bytes(2000), "text/plain", compress=False)) for _ in range(2)]
    assert large[0] is not large[1]


# Who is answered


@pytest.mark.parametrize(
    "host", ["example.org", "127.0.0.1.example.org", "localhost:80@x", "", "10.0.0.7", "0"]
)
def test_other_names_are_not_answered(served: Served, host: str) -> None:
    status, said = served.raw("/", host=host)
    assert status in (400, 421) and b"Topics" not in said


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:3001", "127.0.0.1:1", "[::1]:3001"])
def test_names_of_this_machine_are(served: Served, host: str) -> None:
    assert served.raw("/", host=host)[0] == 200


def test_the_name_that_was_given_is_answered(releases: Path) -> None:
    served = Served(releases, host="topics.example")
    try:
        assert served.raw("/", host="Topics.Example:3001")[0] == 200
        assert served.raw("/", host="other.example")[0] == 421
    finally:
        served.end()


def test_on_every_address_the_one_that_was_reached_is_answered() -> None:
    guard = Guard(None, "0.0.0.0", print)  # type: ignore[arg-type]
    scope = {"server": ("10.0.0.7", 3001), "headers": [(b"host", b"10.0.0.7:3001")]}
    assert guard._is_ours(scope)
    assert not guard._is_ours(scope | {"headers": [(b"host", b"10.0.0.8")]})
    assert not guard._is_ours(scope | {"headers": [(b"host", b"example.org")]})


# What is not reachable


@pytest.mark.parametrize(
    "path",
    [
        "/releases/../clio.toml",
        "/releases/2026-11-03/../../clio.toml",
        "/releases/2026-11-03/explorer/../manifest.json",
        "/releases/2026-11-03/%2e%2e/%2e%2e/clio.toml",
        "/releases/2026-11-03/..%2f..%2fclio.toml",
        "/releases/2026-11-03/%252e%252e/clio.toml",
        "/releases/2026-11-03\\..\\clio.toml",
        "/releases/2026-11-03/topics.parquet%00",
        "/releases/2026-11-03/topics%2eparquet",
        "/releases//2026-11-03/topics.parquet",
        "/releases/2026-11-03//etc/passwd",
        "//etc/passwd",
        "http://127.0.0.1/releases/2026-11-03/../../clio.toml",
        "file:///etc/passwd",
        "/releases/2026-11-03/clio.toml",
        "/releases/2026-11-03/explorer",
        "/releases/2026-11-03/explorer/",
        "/releases/2026-11-03/notes.txt",
        "/releases/.2026-11-04.next/topics.parquet",
        "/releases/.lock",
        "/releases/20261103/topics.parquet",
        "/releases/2026-W45-2/topics.parquet",
        "/releases/2026-11-3/topics.parquet",
        "/releases/",
        "/clio.toml",
        "/releases/\u0662026-11-03/".encode().decode("latin-1"),
    ],
)
def test_nothing_outside_is_reached(served: Served, path: str) -> None:
    status, said = served.raw(path)
    assert status in (400, 404) and b"secret" not in said and b"PAR1" not in said


def test_a_manifest_cannot_sign_a_file_elsewhere(changing: Served, releases: Path) -> None:
    secret = releases.parent / "clio.toml"
    secret.write_text("secret")
    manifest = releases / str(AFTER) / "manifest.json"
    digest = hashlib.sha256(b"secret").hexdigest()
    text = manifest.read_text("utf-8").replace('"files": {', f'"files": {{"../../clio.toml": "{digest}",')
    manifest.write_text(text, "utf-8")
    assert changing.get(f"/releases/{AFTER}/manifest.json").status_code == 200
    assert changing.raw(f"/releases/{AFTER}/../../clio.toml")[0] == 404


def test_no_link_is_followed(changing: Served, releases: Path, tmp_path: Path) -> None:
    elsewhere = publish(tmp_path / "elsewhere", date(2026, 11, 5))
    (releases / "2026-11-05").symlink_to(elsewhere)
    assert changing.get("/releases/2026-11-05/").status_code == 404
    assert "2026-11-05" not in changing.get("/").text
    for name in ("topics.parquet", "manifest.json", "explorer"):
        publish(releases, BEFORE)
        target = releases / str(BEFORE) / name
        moved = tmp_path / name
        target.rename(moved)
        target.symlink_to(moved)
        for asked in ("", "topics.parquet", "manifest.json"):
            assert changing.get(f"/releases/{BEFORE}/{asked}").status_code in (404, 503), (name, asked)
        shutil.rmtree(releases / str(BEFORE))


def test_a_pipe_in_the_place_of_a_file_makes_nobody_wait(changing: Served, releases: Path) -> None:
    (releases / str(AFTER) / "topics.parquet").unlink()
    os.mkfifo(releases / str(AFTER) / "topics.parquet")
    assert changing.get(f"/releases/{AFTER}/topics.parquet").status_code == 503


@pytest.mark.parametrize("name", FILES)
def test_a_release_without_one_of_its_files_is_not_served(
    changing: Served, releases: Path, name: str
) -> None:
    assert changing.get(f"/releases/{AFTER}/{name}").status_code == 200
    (releases / str(AFTER) / name).unlink()
    for asked in ("", "topics.parquet", "manifest.json"):
        assert changing.get(f"/releases/{AFTER}/{asked}").status_code == 503
    assert changing.get("/").status_code == 503
    assert changing.get(f"/releases/{BEFORE}/").status_code == 200


def test_a_page_that_is_not_as_signed_is_refused_and_none_of_it_is_told(
    changing: Served, releases: Path
) -> None:
    page = releases / str(AFTER) / "explorer" / "index.html"
    page.write_bytes(page.read_bytes().replace(b"About rising", b"About SECRET"))
    for path in (f"/releases/{AFTER}/", "/", f"/releases/{AFTER}/explorer/index.html"):
        answer = changing.get(path)
        assert answer.status_code == 503 and answer.headers["retry-after"]
        assert "SECRET" not in answer.text and "rising" not in answer.text
        assert str(BEFORE) in answer.text
    assert changing.said == ["release 2026-11-03: explorer/index.html differs from what manifest.json signs"]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\x00", b"[" * 10_000])
def test_a_manifest_that_is_none_is_refused(changing: Served, releases: Path, content: bytes) -> None:
    (releases / str(AFTER) / "manifest.json").write_bytes(content)
    assert changing.get(f"/releases/{AFTER}/").status_code == 503
    assert changing.get(f"/compare?from={BEFORE}&to={AFTER}").status_code == 503


def test_a_release_under_another_date_is_refused(releases: Path) -> None:
    shutil.copytree(releases / str(AFTER), releases / "2026-11-09")
    with pytest.raises(NotWhole, match="of another day"):
        Releases(releases).use(date(2026, 11, 9), lambda opened: opened.day)


# What changed between two dates


def both(releases: Path) -> tuple[Release, Release]:
    before, after = (Releases(releases).tables(day, COMPARED) for day in (BEFORE, AFTER))
    return before, after


def changes(releases: Path) -> dict[str, str]:
    return dict(compare(*both(releases)).select("topic", "change").iter_rows())


def test_what_is_compared_is_called_what_is_known_of_it(standing: Path) -> None:
    found = changes(standing)
    del found["all"]
    assert found == {
        "steady": Change.WITHIN,
        "rising": Change.GREW,
        "falling": Change.SHRANK,
        "leaving": Change.GONE,
        "hidden": Change.UNKNOWN,
        "wavering": Change.WITHIN,
        "coming": Change.APPEARED,
        "born": Change.NEW,
    }


def test_more_noise_leaves_fewer_changes(releases: Path) -> None:
    for day in (BEFORE, AFTER):
        publish(releases, day, epsilon=0.02)
    found = changes(releases)
    assert found["rising"] == found["falling"] == Change.WITHIN


def test_what_is_called_a_change_is_further_apart_than_the_noise_of_both_days(releases: Path) -> None:
    within = read_release(releases / str(AFTER)).manifest.noise.within
    assert within
    counts = {"steady": EARLIER["steady"], "rising": EARLIER["rising"] + 2 * within}
    publish(releases, AFTER, counts={name: counts.get(name, count) for name, count in EARLIER.items()})
    assert changes(releases)["rising"] == Change.WITHIN
    counts["rising"] += 2 * within
    publish(releases, AFTER, counts={name: counts.get(name, count) for name, count in EARLIER.items()})
    assert changes(releases)["rising"] == Change.GREW


def test_a_share_that_is_not_published_is_never_nought(served: Served) -> None:
    rows = {row[0]: row for row in compared(served).rows[1:]}
    assert rows["About leaving"][2:5] == ["4.1%", pages.NOT_PUBLISHED, "–"]
    assert rows["About born"][2:5] == [pages.NOT_PUBLISHED, "2.7%", "–"]
    assert rows["About hidden"][2:5] == ["2%", pages.NOT_SHOWN, "–"]
    assert rows["About rising"][4].startswith("+")


def test_noise_is_said_plainly(served: Served, standing: Path) -> None:
    within = read_release(standing / str(AFTER)).manifest.noise.within
    text = served.get(f"/compare?from={BEFORE}&to={AFTER}").text
    assert f"Published counts carry noise: 95 of 100 lie within {within} of what was counted." in text


@pytest.mark.parametrize("column", ["name", "level", "before", "after", "difference", "change"])
def test_a_heading_sorts_and_says_so(served: Served, standing: Path, column: str) -> None:
    for sort, state in ((column, "ascending"), (f"-{column}", "descending")):
        page = compared(served, sort=sort)
        sorted_by = [attributes["aria-sort"] for tag, attributes in page.tags if "aria-sort" in attributes]
        assert sorted_by == [state]
        frame = compare(*both(standing))
        values = frame.sort(column, "name", descending=[sort[0] == "-", False], nulls_last=True)
        assert [row[0] for row in page.rows[1:]] == values["name"].to_list()


def test_one_kind_of_change_is_shown_by_a_link(served: Served) -> None:
    assert [row[0] for row in compared(served, show="grew").rows[1:]] == ["About rising"]
    assert [row[0] for row in compared(served, show="new").rows[1:]] == ["About born"]


def test_dates_the_other_way_round_are_put_in_order(served: Served) -> None:
    answer = served.get(f"/compare?from={AFTER}&to={BEFORE}&sort=name")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"/compare?from={BEFORE}&to={AFTER}&sort=name"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 200),
        (f"?from={AFTER}&to={AFTER}", 200),
        ("?from=2026-11-02&to=2026-12-01", 404),
        ("?from=yesterday&to=2026-11-03", 404),
        ("?from=2026-11-02&to=2026-11-03&sort=accounts", 400),
        ("?from=2026-11-02&to=2026-11-03&show=%3Cscript%3E", 400),
        ("?from=2026-11-02&to=2026-11-03&page=0", 400),
        ("?from=2026-11-02&to=2026-11-03&page=99999", 200),
        ("?from=%00&to=../../x", 404),
    ],
)
def test_whatever_is_asked_is_answered(served: Served, query: str, status: int) -> None:
    answer = served.get(f"/compare{query}")
    assert answer.status_code == status
    assert "script" not in answer.text.lower()


def test_many_topics_come_in_pages(changing: Served, releases: Path) -> None:
    counts = {f"t{number:04}": 100 for number in range(1200)}
    publish(releases, BEFORE, counts=counts)
    publish(releases, AFTER, counts=counts)
    names = [row[0] for page in "123" for row in compared(changing, page=page, sort="name").rows[1:]]
    assert len(names) == len({*names}) == 1200 + len({*EARLIER, *LATER}) + 1
    assert len(compared(changing, page="2").rows) == 1 + pages.ROWS


def test_a_birth_is_the_topics_of_its_own_facet(standing: Path) -> None:
    before, after = both(standing)
    topics, trends = (after.tables[name] for name in COMPARED)
    twice = {
        "topics": pl.concat([topics, topics.with_columns(clustered_by=pl.lit("goal"))]),
        "topic_trends": trends.with_columns(clustered_by=pl.lit("goal")),
    }
    found = compare(before, Release(after.manifest, twice)).filter(topic="born")
    assert dict(found.select("clustered_by", "change").iter_rows()) == {
        "request": Change.APPEARED,
        "goal": Change.NEW,
    }


def test_a_release_replaced_while_it_is_compared_is_compared_again(
    changing: Served, releases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, asked = Releases.tables, []

    def replaced_first(self: Releases, day: date, names: tuple[str, ...]) -> Release:
        asked.append(day)
        if len(asked) == 1:
            publish(releases, BEFORE, counts={"rising": 990})
        return read(self, day, names)

    monkeypatch.setattr(Releases, "tables", replaced_first)
    (rising,) = [row for row in compared(changing).rows if row[0] == "About rising"]
    assert rising[2] == "18%"
    assert asked == [BEFORE, AFTER] * 2


def test_topics_of_several_facets_are_told_apart(standing: Path) -> None:
    frame = compare(*both(standing))
    twice = pl.concat([frame, frame.with_columns(clustered_by=pl.lit("user <goal>"))])
    shown = pages.comparison(twice, *both(standing), pages.View(BEFORE, AFTER), [AFTER, BEFORE]).decode()
    assert "by user &lt;goal&gt;" in shown and "by request" in shown


# Names are data


def test_names_stay_text_whatever_they_hold(changing: Served, releases: Path) -> None:
    names = {f"n{place}": name for place, name in enumerate(NAMES)}
    counts = dict.fromkeys(names, 200)
    publish(releases, AFTER, counts=counts, names=names)
    plain = Rows(changing.get(f"/compare?from={BEFORE}&to={AFTER}").text)
    kinds = {tag for tag, _ in plain.tags}
    assert not kinds & {"script", "img", "b", "style", "object"}
    shown = {row[0] for row in plain.rows}
    for name in NAMES:
        assert re.sub(r"[\x00-\x1f\u202a-\u202e\u2066-\u2069]", " ", name) in shown
    assert not [name for _, attributes in plain.tags for name in attributes if name.startswith("on")]


def test_an_id_stays_within_its_link(standing: Path) -> None:
    frame = compare(*both(standing)).with_columns(topic=pl.lit("\"><script>'&#"))
    shown = pages.comparison(frame, *both(standing), pages.View(BEFORE, AFTER), [AFTER, BEFORE]).decode()
    assert "<script" not in shown and "#topic=%22%3E%3Cscript%3E%27%26%23" in shown


# In a browser


def dom(folder: Path, address: str) -> str:
    """The DOM at an address, as HTML, after its scripts ran in headless Chromium."""
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=2000", "--dump-dom", address,
        ],
        check=True, capture_output=True, timeout=60, encoding="utf-8",
    )  # fmt: skip
    return done.stdout


@in_browser
def test_a_releases_page_works_under_the_policy_that_is_sent(served: Served, tmp_path: Path) -> None:
    drawn = dom(tmp_path, f"http://localhost:{served.port}/releases/{AFTER}/#topic=rising")
    assert 'aria-selected="true"' in drawn and ">About rising<" in drawn


# The command


def test_what_listens_on_this_machine_alone_is_not_open_to_others() -> None:
    with listen("localhost", 0) as local, listen("0.0.0.0", 0) as wide:
        assert not is_open_to_others(local) and is_open_to_others(wide)
        assert url("0.0.0.0", wide) == f"http://127.0.0.1:{wide.getsockname()[1]}/"
        with pytest.raises(ServeError, match="--port takes another"):
            listen("127.0.0.1", wide.getsockname()[1])
    with pytest.raises(ServeError, match=r"cannot listen on nowhere\.invalid"):
        listen("nowhere.invalid", 0)


def test_the_command_says_where_it_serves_tells_nothing_and_ends(standing: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "CLIO_HOME": str(standing.parent), "PYTHONUNBUFFERED": "1"}
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [CLIO, "serve", "--port", "0"], env=environment, cwd=tmp_path, stdout=file, stderr=file
        )
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"on (http://127\.0\.0\.1:\d+/) \(Ctrl-C ends it\)", log.read_text())):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        assert httpx.get(f"{found[1]}?date={BEFORE}", timeout=30).status_code == 200
        assert httpx.get(f"{found[1]}nowhere?secret=rising", timeout=30).status_code == 404
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    assert len(log.read_text().splitlines()) == 1 and "rising" not in log.read_text()

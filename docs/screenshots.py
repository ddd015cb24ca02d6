"""The pictures of docs/images/, taken from a running site of synthetic conversations.

    .venv/bin/python -m docs.screenshots    about six minutes on two cores

Needs chromium on the PATH (`apt-get install chromium`). Fills a temporary home with the last closed days, starts
`clio dev` on it, puts a late file into its inbox, lets a backfill run and the gate of one date fail, and drives a
headless browser over the DevTools protocol, waiting for what a page is to show.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from rich.text import Text
from websockets.sync.client import ClientConnection, connect

from clio_dagster.synthetic.corpus import generate
from clio_dagster.tables import AUDITED_SUMMARIES, PUBLISHED
from tests.scenario import CLIO, Site
from tests.server import Server, start, stop

IMAGES = Path(__file__).parent / "images"
WIDTH = 1600
COLUMNS = 128
PATIENCE = 240
CONVERSATIONS = 600
LANGUAGES = ("en", "es", "other")
READ = ("raw_conversations", "facets", "embeddings")

DAYS = [datetime.now(UTC).date() - timedelta(days=back) for back in range(8, 1, -1)]
"""A week that is closed at whatever hour."""

HELD = DAYS[-2].isoformat()

SETTINGS = {
    "languages": "en,es",
    "start_date": str(DAYS[0]),
    "min_conversations": "8",
    "min_accounts": "4",
    "cluster_size": "30",
    "tick_seconds": "5",
    "lease_seconds": "10",
}

PREFERENCES = {
    "dagster-theme": "Light",
    "dagster-nav-collapsed": True,
    "asset-graph-direction": "vertical",
    "asset-node-facets": ["checks", "status", "kind-tag"],
}
"""What the UI keeps in a browser, by the names that it uses."""


@dataclass
class Browser:
    """One page of a headless Chromium, spoken to over its debugging socket."""

    socket: ClientConnection
    calls: int = 0

    def call(self, method: str, **params: Any) -> Any:
        self.calls += 1
        self.socket.send(json.dumps({"id": self.calls, "method": method, "params": params}))
        while True:
            answer = json.loads(self.socket.recv(timeout=60))
            if answer.get("id") == self.calls:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def ask(self, script: str) -> Any:
        """What an expression of JavaScript gives on the page; None while the page is being replaced."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"]
        return result.get("value")

    def open(self, address: str, height: int, *shown: str) -> None:
        """Go to a page, `height` pixels high, and wait until it shows the given texts and rests."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=WIDTH,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.call("Page.navigate", url=address)
        self.wait_for(*shown)

    def wait_for(self, *shown: str) -> None:
        """Until the page shows the texts, no spinner, and the same at two looks in a row."""
        before = None
        until = time.monotonic() + PATIENCE
        while True:
            page = self.ask("document.body ? document.body.innerText : ''") or ""
            is_busy = self.ask("!!document.querySelector('[class*=pinner], [class*=Skeleton]')")
            if all(text in page for text in shown) and not is_busy and page == before:
                return
            if time.monotonic() > until:
                missing = [text for text in shown if text not in page]
                raise TimeoutError(f"the page does not show {missing or 'an end of its loading'}:\n{page}")
            before = page
            time.sleep(1)

    def picture(self, name: str) -> None:
        shot = self.call("Page.captureScreenshot", format="png", optimizeForSpeed=False)
        (IMAGES / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
        print(f"{name}.png: {(IMAGES / f'{name}.png').stat().st_size:,} bytes")


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no chromium on the PATH: apt-get install chromium")
    profile = folder / "profile"
    process = subprocess.Popen(
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en-US",
            "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port = until(lambda: _port(profile / "DevToolsActivePort"), "chromium to start")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30) as response:
            target = next(each for each in json.load(response) if each["type"] == "page")
        with connect(target["webSocketDebuggerUrl"], max_size=None) as socket:
            page = Browser(socket)
            kept = "".join(
                f"localStorage.setItem({json.dumps(name)}, {json.dumps(json.dumps(value))});"
                for name, value in PREFERENCES.items()
            )
            page.call("Page.enable")
            page.call("Page.addScriptToEvaluateOnNewDocument", source=f"try {{ {kept} }} catch {{}}")
            yield page
    finally:
        process.terminate()
        process.wait(timeout=30)


def _port(file: Path) -> str:
    return file.read_text().split("\n")[0] if file.exists() else ""


def until(look: Callable[[], Any], what: str) -> Any:
    """What `look` gives once it gives anything."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE} s for {what}")
        time.sleep(0.5)
    return found


# The site


def fill(site: Site) -> None:
    corpus = site.folder / "conversations.jsonl.gz"
    generate(corpus, conversations=CONVERSATIONS, seed=0, days=DAYS)
    run = site.clio("run", corpus)
    if run.returncode:
        raise SystemExit(run.stderr)


def bring_late(server: Server, folder: Path) -> None:
    """Put a file of an early day into the inbox, and wait until its date has a second revision."""
    beside = folder / "late.jsonl.gz"
    generate(beside, conversations=100, seed=1, days=[DAYS[2]])
    beside.rename(folder / "inbox" / beside.name)
    manifest = server.site.releases / DAYS[2].isoformat() / "manifest.json"
    until(lambda: json.loads(manifest.read_bytes())["revision"] == 2, "the late file's release")
    until(lambda: not server.unfinished(), "the dates after it")


def close_the_gate(site: Site, day: str) -> None:
    """Let one published node have a score that the gate refuses, as a faulty stage would."""
    stored = site.warehouse.slice_of(AUDITED_SUMMARIES, {"date": day})
    tree = site.warehouse.read(AUDITED_SUMMARIES, {"date": day})
    is_first = pl.col("status").eq(PUBLISHED) & pl.col("status").eq(PUBLISHED).cum_sum().eq(1)
    low = pl.when(is_first).then(pl.lit(2, pl.Int8)).otherwise("privacy_score").alias("privacy_score")
    site.warehouse.write(
        AUDITED_SUMMARIES,
        {"date": day},
        tree.with_columns(low),
        fingerprint=stored.fingerprint if stored else "",
    )


def run_backfill(server: Server) -> str:
    slices = [f"{day}|{language}" for day in DAYS[-4:] for language in LANGUAGES]
    backfill = server.backfill(READ, slices)
    server.backfilled(backfill)
    return backfill


# The pictures


def take(server: Server, page: Browser) -> None:
    at = f"http://127.0.0.1:{server.port}"
    page.open(f"{at}/automation", 425, "reconcile", "arrivals", "ago")
    page.picture("automation")
    page.open(
        f"{at}/assets/release?view=lineage&lineageScope=upstream&lineageDepth=20", 1150, "landing", "release"
    )
    page.picture("lineage")
    page.open(f"{at}/assets/facets?view=partitions&partition={DAYS[-1]}%7Cen", 975, "made_from", "accounts")
    page.picture("partition")
    page.open(f"{at}/runs/b/{run_backfill(server)}", 425, "embeddings", "Succeeded")
    page.picture("backfill")
    close_the_gate(server.site, HELD)
    until(lambda: server.verdict("privacy_gate", HELD)[0] == "FAILED", "the gate to fail")
    until(lambda: not server.unfinished(), "the failed run to end")
    page.open(
        f"{at}/assets/audited_summaries?view=checks&checkDetail=privacy_gate", 570, "auditor's score", HELD
    )
    page.picture("failed-check")
    drawing, height = status(server.site)
    page.open(drawing.as_uri(), height)
    page.picture("status")


def status(site: Site) -> tuple[Path, int]:
    """What `clio status` prints, drawn as a terminal, and the height that it has at our width."""
    coloured = site.environment | {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
    told = subprocess.run([CLIO, "status"], env=coloured, capture_output=True, text=True, check=True)
    terminal = Console(record=True, width=COLUMNS, file=io.StringIO())
    terminal.print(Text("$ clio status"))
    terminal.print(Text.from_ansi(told.stdout.rstrip()))
    drawing = terminal.export_svg(title="clio status", theme=DEFAULT_TERMINAL_THEME)
    file = site.folder / "status.svg"
    file.write_text(drawing, "utf-8")
    width, height = (float(each) for each in drawing.split('viewBox="0 0 ')[1].split('"')[0].split())
    return file, round(WIDTH * height / width)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browser(Path(folder)) as page:
        site = Site(Path(folder) / "site", SETTINGS | {"inbox": f"{folder}/inbox"})
        (Path(folder) / "inbox").mkdir()
        fill(site)
        server = start(site, site.folder)
        try:
            server.ask("mutation { setNuxSeen }")
            bring_late(server, Path(folder))
            take(server, page)
        finally:
            stop(server)


if __name__ == "__main__":
    main()

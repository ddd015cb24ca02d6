"""What every fault is made of: a small corpus, a home that nothing disturbed, comparisons, and a row of the table."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from clio_dagster.release.read import verify
from clio_dagster.synthetic.corpus import DAYS, generate
from resources.contracts import contracts
from tests.scenario import SMALL, TIMED, Site

CONTENT = tuple(name for name in contracts() if name not in TIMED)
SETTINGS = SMALL | {"threads": "1"}


@dataclass(frozen=True)
class Row:
    """A fault as the table tells it."""

    HEAD: ClassVar[tuple[str, str]] = (
        "| fault | times | lost | paid twice | what the user saw | what helped |",
        "|---|---|---|---|---|---|",
    )

    fault: str
    times: int
    lost: str
    twice: str
    saw: str
    helped: str

    def line(self) -> str:
        cells = (self.fault, str(self.times or "—"), self.lost, self.twice, self.saw, self.helped)
        escaped = (cell.replace("|", "\\|") for cell in cells)
        return f"| {' | '.join(escaped)} |"


def not_here(fault: str, why: str) -> Row:
    return Row(fault, 0, "—", "—", f"not measured: {why}", "")


@dataclass
class Bench:
    """Where the homes lie, how many kills are asked for, and what all faults share."""

    folder: Path
    kills: int
    workers: int
    seed: int
    _sites: int = field(default=0)

    @cached_property
    def corpus(self) -> Path:
        path = self.folder / "conversations.jsonl.gz"
        generate(path, conversations=300, days=DAYS[:2])
        return path

    @cached_property
    def undisturbed(self) -> Site:
        site = self.site()
        started = time.monotonic()
        run = site.clio("run", self.corpus)
        assert run.returncode == 0, run.stderr
        self.seconds = time.monotonic() - started
        return site

    def site(self, folder: Path | None = None, **settings: str) -> Site:
        self._sites += 1
        return Site(folder or self.folder / f"site-{self._sites}", SETTINGS | settings)

    def copy(self) -> Site:
        """A site that has run undisturbed, of its own."""
        whole = self.undisturbed
        site = self.site()
        shutil.copytree(whole.home, site.home)
        return site

    def lost(self, site: Site) -> str:
        """What a site lacks that the undisturbed one has, in words."""
        return lost(site, self.undisturbed)


def lost(site: Site, undisturbed: Site) -> str:
    one, other = site.slice_hashes(*CONTENT), undisturbed.slice_hashes(*CONTENT)
    slices = sum(one.get(name) != other.get(name) for name in one.keys() | other.keys())
    files, wanted = site.released(), undisturbed.released()
    # Of a release that was written again, the revision is counted up: its manifest says so, and its page.
    names = {name for name in files.keys() | wanted.keys() if name.endswith(".parquet")}
    differing = sum(files.get(name) != wanted.get(name) for name in names)
    broken = [problem for day in site.releases.glob("????-??-??") for problem in verify(day)]
    assert other and wanted
    if not (slices or differing or broken):
        return "nothing"
    return f"{slices} slices and {differing} release files differ; {len(broken)} problems of releases"


def said(*runs: subprocess.CompletedProcess[str]) -> str:
    """What runs ended with, each message once, without the places of this machine."""
    return "<br>".join(dict.fromkeys(filter(None, map(_message, runs))))


def _message(run: subprocess.CompletedProcess[str]) -> str:
    if run.returncode == 0:
        return ""
    lines = [line for line in run.stderr.splitlines() if line.strip()]
    if "Traceback (most recent call last):" in run.stderr:
        return f"`{_cut(lines[-1])}` (a traceback)"
    told = [line.removeprefix("clio: ") for line in lines if line.startswith("clio: ")]
    return f"`{_cut((told or lines or [f'exit {run.returncode}'])[0])}`"


def _cut(text: str, most: int = 230) -> str:
    text = re.sub(r"/[\w./-]*/(?=[\w.-]+)", "", text).replace("`", "'")
    return text if len(text) <= most else text[: most - 1] + "…"


def clio(site: Site, *calls: Sequence[str | Path]) -> list[subprocess.CompletedProcess[str]]:
    return [site.clio(*call) for call in calls]

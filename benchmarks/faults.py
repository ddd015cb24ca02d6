"""Faults, one after another, on small homes: what was lost, what was paid twice, what the user saw and what helped.

    python -m benchmarks.faults [--only NAME …] [--kills N] [--workers N] [--folder FOLDER] [--write]

Every fault ends with a comparison: each table by content hash and each file of each release, with a home that ran
undisturbed. `--write` puts each row into the table of docs/reliability.md, in the place of the one it had; `--list`
names the faults. A full disk needs root, for a small file system of its own; a clock that jumps needs libfaketime, and
PostgreSQL its server: where one is missing, the row says so.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.faults_cases import CASES as LOCAL
from benchmarks.faults_parts import Bench, Row
from benchmarks.faults_services import CASES as SERVICES

DOCS = Path(__file__).parents[1] / "docs" / "reliability.md"
MARKS = ("<!-- benchmarks.faults -->", "<!-- /benchmarks.faults -->")

CASES = LOCAL | SERVICES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=sorted(CASES))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(CASES))
        return
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="clio-faults-") as folder:
        # PostgreSQL runs as another user, who must come to its own folder.
        Path(folder).chmod(0o711)
        bench = Bench(Path(folder), arguments.kills, arguments.workers, arguments.seed)
        for name in arguments.only or CASES:
            started = time.monotonic()
            print(f"{name} …", flush=True)
            for row in CASES[name](bench):
                print(f"  {row.line()}", flush=True)
                rows.append(row)
                if arguments.write:
                    write(row)
            print(f"  {time.monotonic() - started:.0f} s", flush=True)
    lost = [row.fault for row in rows if row.lost not in ("nothing", "—")]
    if lost:
        raise SystemExit(f"something was lost: {', '.join(lost)}")


def write(row: Row) -> None:
    """Put a row into the table: where one of its fault stands, or at the end."""
    before, rest = DOCS.read_text().split(MARKS[0])
    table, after = rest.split(MARKS[1])
    told = dict(_fault(line) for line in table.strip().splitlines()[len(Row.HEAD) :])
    told |= [_fault(row.line())]
    DOCS.write_text("\n".join([f"{before}{MARKS[0]}", *Row.HEAD, *told.values(), f"{MARKS[1]}{after}"]))


def _fault(line: str) -> tuple[str, str]:
    return line.split("|")[1].strip(), line


if __name__ == "__main__":
    main()

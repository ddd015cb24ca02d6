"""What it costs to land a file of generated conversations: seconds, rows/s, MB/s, peak memory, CPU by languages.

    python -m benchmarks.landing --rows 200000 [--threads 2] [--file FILE] [--folder FOLDER]

The file is JSON lines in the project's own layout, about 2 KB and five messages a conversation: texts of the synthetic
corpus, drawn anew for each message from those of its language, over a week and one account for every five
conversations. It is landed in a process of its own. The peak is that of the process and its children together, shared
pages counted once. `--file` keeps the generated file, and lands it again where it is there. `digest` is one over the
slices' content hashes and the quarantine, equal where two landings gave the same under one key: the one kept beside
`--file`.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import orjson
import polars as pl

from benchmarks.staged import Row, row_of

FIRST = datetime(2026, 11, 1, tzinfo=UTC)
WEEK_SECONDS = 7 * 24 * 3600
POOL_CONVERSATIONS = 4_000
EXCHANGES, ASKED, REPLIED = 2.5, 1.5, 7.5
"""How many exchanges a conversation has, texts a question and texts a reply, on average: 2 KB with its fields."""

IDENTIFIED_ROWS = 20_000
SAMPLE_SECONDS = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--file", type=Path, help="where the generated file is kept")
    parser.add_argument("--folder", type=Path, help="where temporary files go")
    parser.add_argument("--land", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.land:
        land_file(arguments.land, arguments.threads)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="clio-landing-") as folder:
        path = arguments.file or Path(folder) / "conversations.jsonl"
        measured = landed(path, arguments.rows, Path(folder), arguments.threads)
    with pl.Config(
        tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, tbl_cols=-1, tbl_width_chars=200
    ):
        print(pl.DataFrame([measured]))


def measure(rows: int, folder: Path, threads: int) -> Row:
    """The landing as a stage."""
    folder.mkdir(parents=True)
    path = folder / "conversations.jsonl"
    found = landed(path, rows, folder, threads)
    path.unlink()
    seconds, peak_mb = float(found["seconds"]), float(found["peak MB"])
    row = row_of(rows, "landing", seconds, seconds, peak_mb)
    print(row, file=sys.stderr, flush=True)
    return row


def landed(path: Path, rows: int, folder: Path, threads: int) -> dict[str, Any]:
    """What it cost to land `path`, generated if it is not there, in a process of its own."""
    if not path.is_file():
        generate(path, rows)
    environment = os.environ | {"CLIO_HOME": f"{folder}/home", "CLIO_KEY_FILE": f"{path}.key"}
    command = [sys.executable, "-m", "benchmarks.landing", "--land", str(path), "--threads", str(threads)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return dict(orjson.loads(done.stdout.splitlines()[-1]))


def generate(path: Path, rows: int, seed: int = 0) -> None:
    """Write `rows` conversations to `path`; the same seed gives the same bytes."""
    random = Random(seed)
    texts = _texts(seed)
    languages = list(texts)
    weights = [len(texts[language]["user"]) for language in languages]
    with path.open("wb") as file:
        for number in range(rows):
            said = texts[random.choices(languages, weights)[0]]
            started_at = FIRST + timedelta(seconds=random.randrange(WEEK_SECONDS))
            exchanges = 1 + int(random.expovariate(1 / (EXCHANGES - 0.5)))
            messages = [
                {
                    "role": role,
                    "content": "\n\n".join(
                        random.choices(said[role], k=1 + int(random.expovariate(1 / (count - 0.5))))
                    ),
                }
                for _ in range(exchanges)
                for role, count in (("user", ASKED), ("assistant", REPLIED))
            ]
            record = {
                "conversation_id": f"conversation-{number:09}",
                "account_id": f"user-{random.randrange(max(1, rows // 5)):07}@example.org",
                "started_at": started_at.isoformat(),
                "messages": messages,
                "flagged": random.random() < 0.01,
            }
            file.write(orjson.dumps(record) + b"\n")


def _texts(seed: int) -> dict[str, dict[str, list[str]]]:
    """What users and assistants say in the synthetic corpus, by language and role."""
    from clio_dagster.synthetic.corpus import generate as corpus

    with tempfile.TemporaryDirectory(prefix="clio-pool-") as folder:
        path = Path(folder) / "corpus.jsonl.gz"
        truth = corpus(path, conversations=POOL_CONVERSATIONS, seed=seed)
        with gzip.open(path, "rb") as file:
            records = [orjson.loads(line) for line in file]
    texts: dict[str, dict[str, list[str]]] = {}
    for record, language in zip(records, truth.conversations["language"], strict=True):
        said = texts.setdefault(language, {"user": [], "assistant": []})
        for message in record["messages"]:
            said[message["role"]].append(message["content"])
    return texts


def land_file(path: Path, threads: int) -> None:
    """Land `path` in this process and print what it cost, as JSON."""
    from clio_dagster.conversations.landing import land
    from clio_dagster.settings import load_settings

    settings = load_settings(threads=threads)
    with _peak() as peak:
        started = time.perf_counter()
        result = land(path, key="benchmark", settings=settings)
        seconds = time.perf_counter() - started
    cpu = sum(os.times()[:4])
    size = path.stat().st_size
    digest = hashlib.sha256(str(result.slices.rows()).encode())
    digest.update(str(result.quarantined.drop("landed_at").rows()).encode())
    share = _identification_seconds(path, settings.languages) * result.records / cpu
    measured = {
        "rows": result.records,
        "MB": round(size / 1e6),
        "threads": threads,
        "seconds": round(seconds, 1),
        "rows/s": round(result.records / seconds),
        "MB/s": round(size / seconds / 1e6, 1),
        "CPU s": round(cpu, 1),
        "languages' CPU": f"{share:.0%}",
        "peak MB": round(peak[0] / 1e6),
        "slices": result.slices.height,
        "digest": digest.hexdigest()[:16],
    }
    print(orjson.dumps(measured).decode())


def _identification_seconds(path: Path, languages: tuple[str, ...]) -> float:
    """CPU seconds that it takes to identify the language of one row, in this process."""
    from clio_dagster.conversations.languages import READ_CHARACTERS, identify

    texts: list[str] = []
    with path.open("rb") as file:
        for line in file:
            said = (
                message["content"] for message in orjson.loads(line)["messages"] if message["role"] == "user"
            )
            texts.append("\n".join(said)[:READ_CHARACTERS])
            if len(texts) == IDENTIFIED_ROWS:
                break
    column = pl.Series(texts, dtype=pl.String)
    identify(column.head(1), languages)
    before = time.process_time()
    for start in range(0, len(texts), 4_096):
        identify(column.slice(start, 4_096), languages)
    return (time.process_time() - before) / len(texts)


@contextmanager
def _peak() -> Iterator[list[int]]:
    """The largest memory, in bytes, of this process and all below it while the block runs, looked at in turns."""
    peak, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            peak[0] = max(peak[0], sum(map(_proportional_bytes, _tree(os.getpid()))))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def _tree(process: int) -> list[int]:
    found = [process]
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            below = task.read_text().split()
        except OSError:  # it has ended
            continue
        found += [each for child in below for each in _tree(int(child))]
    return found


def _proportional_bytes(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()

"""A server that speaks the Messages API over real HTTP: messages, token counts and batches, with faults on demand.

It runs as a process of its own, `python -m tests.messages_server --folder FOLDER --port-file FILE [--latency-ms 50] …`
with any of messages_controls.Controls; `messages_server` starts and stops one. Every request is written to
FOLDER/requests.jsonl before it is answered, so that what was asked outlives whoever asked.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import orjson

from tests.messages_controls import Controls, UnknownControl
from tests.messages_service import BATCHES, COUNT, MESSAGES, REQUESTS_FILE, RESULTS_FILE, Service

__all__ = ["BATCHES", "COUNT", "MESSAGES", "Handle", "UnknownControl", "messages_server"]

START_SECONDS = 30


@dataclass(frozen=True)
class Handle:
    """A running server, as tests see it, in any number of processes."""

    url: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the SDK reads."""
        return {"ANTHROPIC_BASE_URL": self.url, "ANTHROPIC_API_KEY": "test"}

    def set(self, **controls: Any) -> None:
        """Change controls, from the next request on. Raises UnknownControl."""
        self._ask("/_control", controls)

    def reset(self, **controls: Any) -> None:
        """As it was started, with nothing received, no batch and no cache; then `controls`."""
        self._ask("/_reset", controls)

    def requests(self, path: str | None = None) -> list[dict[str, Any]]:
        """What was received, in order: `at` (seconds since the epoch), `path`, `sent` (HTTP status; 0: none), `status`
        (the same, or the fault), `retries` where the client said that it is one.

        Messages have `digest`, `tokens` (of the whole prompt), `model`, `system` (digest of the instructions),
        `fields` (of the answer), `turns`, and `usage` where they were answered; batches have `ids`, `items` (digests)
        and `batch` where they were taken. `body` is a file in the folder, while `keep_bodies` is on. Paths of requests
        other than POST carry their method, and those of one batch what was asked: `GET /v1/messages/batches/results`.
        """
        return [each for each in self._lines(REQUESTS_FILE) if path in (None, each["path"])]

    def results(self) -> list[dict[str, Any]]:
        """Items of batches that have been seen to have ended: `batch`, `custom_id`, `digest`, `outcome`, and for what
        succeeded what a message's record has."""
        return self._lines(RESULTS_FILE)

    def counts(self) -> Counter[str]:
        """Requests by path and status: `/v1/messages 200`."""
        return Counter(f"{each['path']} {each['status']}" for each in self.requests())

    def most_in_flight(self) -> int:
        """Most messages that were being answered at once."""
        return int(self._ask("/_state", {})["most_in_flight"])

    def bodies(self) -> list[bytes]:
        """Bodies that were received while `keep_bodies` was on, byte for byte, in order."""
        return [path.read_bytes() for path in sorted(self.folder.glob("body-*.json"))]

    def open_batches(self) -> list[str]:
        """Ids of the batches that have not ended, in the order of their creation."""
        return list(self._ask("/_batches", {}))

    def end_batches(self, *batches: str) -> None:
        """Let open batches end, held or not; all of them where none is named."""
        self._ask("/_end", {"batches": batches})

    def _ask(self, path: str, body: Any) -> Any:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        try:
            connection.request("POST", path, orjson.dumps(body))
            response = connection.getresponse()
            answer = orjson.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise UnknownControl(answer["error"]["message"])
        return answer

    def _lines(self, name: str) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in (self.folder / name).read_bytes().splitlines()]


@contextmanager
def messages_server(folder: Path, **controls: Any) -> Iterator[Handle]:
    """A server on a free port while the block runs; its records stay in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    Controls().change(controls)
    command = [sys.executable, "-m", "tests.messages_server", "--folder", folder, "--port-file", port_file]
    for name, value in controls.items():
        command.append(f"--{name.replace('_', '-')}={orjson.dumps(value).decode()}")
    # Its input closes when this process ends, however it does.
    process = subprocess.Popen(
        [*map(str, command), "--until-input-ends"], cwd=Path(__file__).parents[1], stdin=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not port_file.exists():
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.01)
        yield Handle(f"http://127.0.0.1:{port_file.read_text()}", folder)
    finally:
        process.kill()
        process.communicate()


async def serve(folder: Path, port_file: Path, controls: dict[str, Any], *, until_input_ends: bool) -> None:
    """Serve until the process is ended."""
    from tests.messages_http import Connection

    service = Service(folder, controls)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(service.handle, lambda: service.controls.slow_seconds),
        "127.0.0.1",
        0,
        backlog=1_024,
    )
    fresh = port_file.with_name(f"{port_file.name}.{os.getpid()}")
    fresh.write_text(str(server.sockets[0].getsockname()[1]))
    fresh.rename(port_file)
    if until_input_ends:
        await loop.run_in_executor(None, sys.stdin.buffer.read)
    else:
        await server.serve_forever()


def main() -> None:
    import uvloop

    parser = argparse.ArgumentParser(prog="python -m tests.messages_server")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--until-input-ends", action="store_true")
    for each in fields(Controls):
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=_value, metavar="VALUE")
    given = vars(parser.parse_args())
    folder, port_file, until_input_ends = (
        given.pop(name) for name in ("folder", "port_file", "until_input_ends")
    )
    folder.mkdir(parents=True, exist_ok=True)
    controls = {name: value for name, value in given.items() if value is not None}
    uvloop.run(serve(folder, port_file, controls, until_input_ends=until_input_ends))


def _value(text: str) -> Any:
    """A control's value: JSON, or a word."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


if __name__ == "__main__":
    main()

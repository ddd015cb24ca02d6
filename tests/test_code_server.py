"""What starts the code server again: from what the UI answers, and only where the server has gone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from typing import Any

import pytest

from resources import code_server

REFUSED = 'status = StatusCode.UNKNOWN details = "status = StatusCode.UNAVAILABLE connect failed"'
SLOW = "status = StatusCode.DEADLINE_EXCEEDED"


def error(kind: str, cause: str) -> dict[str, Any]:
    return {"className": kind, "message": f"{kind}: said", "causes": [{"message": cause}]}


BUSY = "the UI has no answer"
LOADED: dict[str, Any] = {}
GONE = error("DagsterUserCodeUnreachableError", REFUSED)
OTHERWISE = [
    LOADED,
    None,
    error("DagsterUserCodeUnreachableError", SLOW),
    error("DagsterUserCodeProcessError", REFUSED),
]


@dataclass
class UI:
    """Answers to one look after another, then the location as loaded; and what it was told to reload."""

    url: str
    answers: Iterator[Any] = field(default_factory=lambda: repeat(LOADED))
    looks: int = 0
    reloaded: list[tuple[int, str]] = field(default_factory=list)


@pytest.fixture
def ui(monkeypatch: pytest.MonkeyPatch) -> Iterator[UI]:
    monkeypatch.setattr(code_server, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(code_server, "START_SECONDS", 0.05)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if "mutation" in asked["query"]:
                ui.reloaded.append((ui.looks, asked["variables"]["name"]))
                answer: dict[str, Any] = {"reloadRepositoryLocation": {}}
            else:
                ui.looks += 1
                entry = {"name": "clio", "locationOrLoadError": next(ui.answers)}
                answer = {"workspaceOrError": {"locationEntries": [entry]}}
            is_busy = BUSY in json.dumps(answer)
            content = json.dumps({"data": None, "errors": [BUSY]} if is_busy else {"data": answer}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        ui = UI(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield ui
        server.shutdown()
        thread.join()


def looked(ui: UI, times: int) -> list[tuple[int, str]]:
    code_server.watch(ui.url, lambda: ui.looks < times)
    return ui.reloaded


def test_a_server_that_has_gone_is_started_again_once(ui: UI, capfd: pytest.CaptureFixture[str]) -> None:
    ui.answers = chain([LOADED, GONE, GONE, GONE], repeat(LOADED))
    assert looked(ui, 12) == [(3, "clio")]
    assert "the code server of clio has gone" in capfd.readouterr().err


def test_one_that_does_not_come_up_is_started_again_after_a_while(ui: UI) -> None:
    ui.answers = repeat(GONE)
    assert [look for look, _ in looked(ui, 17)] == [2, 9, 16]


@pytest.mark.parametrize("answer", OTHERWISE, ids=["loaded", "loading", "slow", "code that fails"])
def test_what_has_not_gone_is_left_alone(ui: UI, answer: Any) -> None:
    ui.answers = repeat(answer)
    assert looked(ui, 5) == []


def test_a_ui_that_is_not_up_or_says_something_else_is_waited_for(ui: UI) -> None:
    looks = iter(range(3))
    code_server.watch("http://127.0.0.1:9", lambda: next(looks, None) is not None)
    ui.answers = chain([BUSY, BUSY], [GONE, GONE], repeat(LOADED))
    assert looked(ui, 6) == [(4, "clio")]

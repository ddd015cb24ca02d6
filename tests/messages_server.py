"""A server that speaks the Messages API over real HTTP: messages, token counts and batches, with faults on demand.

It runs as a process of its own (`python -m tests.messages_server PORT_FILE FOLDER`); `messages_server` starts and stops
one. What it answers is shaped by the request's JSON schema and content: a model that copies and knows nothing. Every
request is written to FOLDER/requests.jsonl before it is answered.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import orjson

PIECES = re.compile(r"[^\W_\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{1,4}|\S")
CACHED_SECONDS = 300
MESSAGES, BATCHES, COUNT = "/v1/messages", "/v1/messages/batches", "/v1/messages/count_tokens"

FAULTS = ("429", "529", "500", "drop", "slow", "truncated", "refusal", "max_tokens", "malformed")
"""`refusal`, `max_tokens` and `malformed` are answers; the others are none."""

ERRORS = {429: "rate_limit_error", 529: "overloaded_error", 500: "api_error"}


# For tests.


@dataclass(frozen=True)
class Handle:
    """A running server, as a test sees it."""

    url: str
    folder: Path

    def set(self, **controls: Any) -> None:
        """Change controls (State's fields of the same names)."""
        self._ask("/_control", controls)

    def counts(self) -> Counter[str]:
        """Requests so far by path and status: `/v1/messages 200`."""
        return Counter(f"{each['path']} {each['status']}" for each in self.requests())

    def requests(self, path: str | None = None) -> list[dict[str, Any]]:
        """What was received: path, status, digest of the params, schema's fields, items of a batch, input tokens."""
        log = self.folder / "requests.jsonl"
        lines = log.read_bytes().splitlines() if log.exists() else []
        found = [orjson.loads(line) for line in lines]
        return [each for each in found if path in (None, each["path"])]

    def bodies(self) -> list[bytes]:
        """Bodies of the message requests and batches, byte for byte, while `keep_bodies` was on."""
        return [path.read_bytes() for path in sorted(self.folder.glob("body-*.json"))]

    def end_batches(self, *remote: str) -> None:
        """Let held batches end, in this order; all of them where none is named."""
        self._ask("/_end", {"batches": remote})

    def open_batches(self) -> list[str]:
        return list(self._ask("/_batches", {}))

    def _ask(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(self.url + path, orjson.dumps(body), method="POST")
        with urllib.request.urlopen(request, timeout=30) as response:
            return orjson.loads(response.read())


@contextmanager
def messages_server(folder: Path, **controls: Any) -> Iterator[Handle]:
    """A server on a free port, for the block."""
    folder.mkdir(parents=True, exist_ok=True)
    port_file = folder / "port"
    command = [sys.executable, "-m", "tests.messages_server", str(port_file), str(folder)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
    try:
        deadline = time.monotonic() + 30
        while not port_file.exists():
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        handle = Handle(f"http://127.0.0.1:{port_file.read_text()}", folder)
        handle.set(**controls)
        yield handle
    finally:
        process.kill()
        process.wait()


# The server's own.


@dataclass
class Batch:
    identity: str
    requests: list[dict[str, Any]]
    ends_at: float
    created_at: datetime
    is_held: bool = False
    is_cancelled: bool = False
    results: list[dict[str, Any]] | None = None


@dataclass
class State:
    """Controls, and what the server remembers."""

    folder: Path
    latency_ms: float = 0
    fault_rate: float = 0
    faults: list[str] = field(default_factory=lambda: list(FAULTS[:3]))
    retry_after: float = 0.05
    slow_seconds: float = 0.3
    fail_digests: dict[str, str] = field(default_factory=dict)
    refuse_containing: str = ""
    wrong: dict[str, str] = field(default_factory=dict)
    wrong_once: bool = True
    naming: str = "words"
    batch_seconds: float = 0.2
    hold_batches: bool = False
    batch_faults: dict[str, float] = field(default_factory=dict)
    batch_create: list[str] = field(default_factory=list)
    most_requests: int = 100_000
    most_bytes: int = 256_000_000
    cache_minimum: int = 1024
    keep_bodies: bool = False
    seed: int = 0
    batches: dict[str, Batch] = field(default_factory=dict)
    cached: dict[str, float] = field(default_factory=dict)
    number: int = 0

    def __post_init__(self) -> None:
        self.log = (self.folder / "requests.jsonl").open("ab")
        self.draw = random.Random(self.seed)

    def record(self, path: str, status: int | str, **more: Any) -> None:
        self.log.write(orjson.dumps({"at": time.time(), "path": path, "status": status, **more}) + b"\n")
        self.log.flush()


def tokens(text: str) -> int:
    return len(PIECES.findall(text))


def digest(params: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(params, option=orjson.OPT_SORT_KEYS)).hexdigest()


def usage(state: State, params: dict[str, Any], answer: str) -> dict[str, int]:
    schema = params.get("output_config", {}).get("format", {}).get("schema", {})
    system = params.get("system") or []
    cacheable = tokens(json.dumps(schema))
    marked = False
    for part in system if isinstance(system, list) else []:
        cacheable += tokens(part["text"])
        marked = marked or "cache_control" in part
    rest = sum(tokens(str(message["content"])) for message in params["messages"])
    counted = {
        "output_tokens": tokens(answer),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }
    if not marked or cacheable < state.cache_minimum:
        return {**counted, "input_tokens": cacheable + rest}
    key = digest({"model": params["model"], "system": system, "schema": schema})
    is_known = state.cached.get(key, 0) > time.time()
    state.cached[key] = time.time() + CACHED_SECONDS
    name = "cache_read_input_tokens" if is_known else "cache_creation_input_tokens"
    return {**counted, "input_tokens": rest, name: cacheable}


def message(state: State, params: dict[str, Any], fault: str = "") -> dict[str, Any]:
    state.number += 1
    text = orjson.dumps(shaped(state, params)).decode()
    stop = {"refusal": "refusal", "max_tokens": "max_tokens"}.get(fault, "end_turn")
    if fault == "refusal":
        text = ""
    elif fault == "max_tokens":
        text = text[: len(text) // 2]
    elif fault == "malformed":
        text = "Certainly! " + text
    return {
        "id": f"msg_{state.number}",
        "type": "message",
        "role": "assistant",
        "model": params["model"],
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage(state, params, text),
    }


# Answers.


def inside(tag: str, text: str) -> str:
    found = re.search(rf"<{tag}(?: [^>]*)?>(.*?)</{tag}>", text, re.S)
    return unescape(found.group(1)) if found else ""


def shaped(state: State, params: dict[str, Any]) -> Any:
    schema = params.get("output_config", {}).get("format", {}).get("schema", {"properties": {}})
    fields = schema["properties"]
    data = params["messages"][0]["content"]
    wrong = state.wrong if len(params["messages"]) == 1 or not state.wrong_once else {}
    if "request" in fields:
        return conversation(fields, data, wrong)
    if "relates" in fields:
        question = inside("question", params["system"][0]["text"]).lower()
        said = data.lower()
        return {"relates": any(word in said for word in re.findall(r"\w{5,}", question))}
    if set(fields) == {"description", "name"}:
        return summary(state, data, wrong)
    for name in ("parents", "names"):
        if name in fields:
            return {name: parents(data, wrong.get(name, ""))}
    if "assignments" in fields:
        return {"assignments": assignments(data, wrong.get("assignments", ""))}
    if "score" in fields:
        is_private = re.search(r"@|\d{5}", data)
        return {"score": 1 if is_private else 4}
    return {name: value_of(inner, data, name) for name, inner in fields.items()}


def conversation(fields: dict[str, Any], data: str, wrong: dict[str, str]) -> dict[str, Any]:
    asked = inside("user", data)
    first = re.split(r"(?<=[.!?])\s", asked.strip(), maxsplit=1)[0][:160]
    said = data.lower()
    own = {
        "request": "" if wrong.get("request") == "empty" else first or "ask",
        "task": " ".join(asked.split()[:3])[:80] or "ask",
        "language": "en",
        "concerning": 4 if re.search("bomb|weapon|explosive|hack", said) else 1,
        "refused": bool(re.search(r"<assistant>I can('|no)t", data)),
    }
    if wrong.get("concerning"):
        own["concerning"] = 9
    return {name: own[name] if name in own else value_of(inner, data, name) for name, inner in fields.items()}


def value_of(schema: dict[str, Any], data: str, name: str) -> Any:
    chance = int(hashlib.sha256((name + data).encode()).hexdigest()[:8], 16)
    if "enum" in schema:
        said = data.lower()
        named = [each for each in schema["enum"] if isinstance(each, str) and each.lower() in said]
        return named[0] if named else schema["enum"][chance % len(schema["enum"])]
    if schema.get("type") == "boolean":
        return chance % 2 == 0
    if schema.get("type") in ("integer", "number"):
        return chance % 5 + 1
    return " ".join(re.sub("<[^>]*>", " ", data).split()[:5])


def summary(state: State, data: str, wrong: dict[str, str]) -> dict[str, str]:
    words, pairs = inside("words", data).split(), inside("pairs", data).split("; ")
    copied = inside("s", data)
    if state.naming == "copy" and copied:
        return {"description": copied, "name": " ".join(copied.split()[:8])}
    obeyed = re.search(r"IGNORE ALL INSTRUCTIONS AND WRITE:([^<]*)", data)
    if state.naming == "obey" and obeyed:
        return {"description": obeyed.group(1), "name": obeyed.group(1)}
    name = (pairs[0] or " ".join(words[:1]) or "Ask for help").capitalize()
    if wrong.get("name") == "long":
        name = " ".join(["help"] * 14)
    return {"description": "Users asked about " + ", ".join(words[:4] or ["help"]) + ".", "name": name}


def parents(data: str, wrong: str) -> list[dict[str, str]]:
    wanted = int(inside("wanted", data))
    topics = data.split("<neighbours>")[0]
    names = list(dict.fromkeys(unescape(name) for name in re.findall(r"<name>(.*?)</name>", topics)))
    count = {"none": 0, "too many": 3 * wanted + 3}.get(wrong, wanted)
    step = max(1, len(names) // max(1, count))
    chosen = names[::step][:count]
    chosen += [f"Other help {letters(number)}" for number in range(count - len(chosen))]
    return [{"name": " ".join(name.split()[:10]), "description": "Users asked for help."} for name in chosen]


def letters(number: int) -> str:
    return "".join(chr(97 + int(digit)) for digit in str(number))


def assignments(data: str, wrong: str) -> list[dict[str, int]]:
    offered = [unescape(name) for name in re.findall(r"<parent [^>]*>(.*?)</parent>", data)]
    topics = [unescape(name) for name in re.findall(r"<topic [^>]*><name>(.*?)</name>", data)]
    found = [
        {
            "topic": number,
            "parent": 1 + max(range(len(offered)), key=lambda place: alike(offered[place], name)),
        }
        for number, name in enumerate(topics, 1)
    ]
    if wrong == "outside":
        found[0]["parent"] = len(offered) + 1
    return found[1:] if wrong == "missing" else found


def alike(one: str, other: str) -> int:
    def of(text: str) -> set[str]:
        return {text[start : start + 3].lower() for start in range(len(text) - 2)}

    return len(of(one) & of(other))


# HTTP.


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, for bodies of a known length: what the SDK sends."""

    def __init__(self, state: State) -> None:
        self.state, self.buffer = state, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            size = int(headers.get("content-length", 0))
            if len(self.buffer) < end + 4 + size:
                return
            body = self.buffer[end + 4 : end + 4 + size]
            self.buffer = self.buffer[end + 4 + size :]
            method, target, _ = head.split(" ")
            self.handle(method, target.split("?")[0], headers, body)

    def handle(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        state = self.state
        if path.startswith("/_"):
            self.answer(200, self.controlled(path, orjson.loads(body or b"{}")))
        elif not headers.get("x-api-key") and not headers.get("authorization"):
            state.record(path, 401)
            self.error(401, "authentication_error")
        elif path == MESSAGES:
            self.messages(orjson.loads(body), body)
        elif path == COUNT:
            params = orjson.loads(body)
            counted = usage(state, params, "")
            state.record(path, 200)
            self.answer(200, {"input_tokens": counted["input_tokens"]})
        elif path == BATCHES and method == "POST":
            self.create(body)
        elif path == BATCHES:
            newest = sorted(state.batches.values(), key=lambda each: each.created_at, reverse=True)
            state.record(f"GET {path}", 200)
            data = [self.told(each) for each in newest]
            self.answer(200, {"data": data, "has_more": False, "first_id": None, "last_id": None})
        else:
            self.batch(method, path)

    def controlled(self, path: str, body: Any) -> Any:
        state = self.state
        if path == "/_control":
            for name, value in body.items():
                assert hasattr(state, name), name
                setattr(state, name, value)
            if "seed" in body:
                state.draw = random.Random(state.seed)
        elif path == "/_end":
            for place, identity in enumerate(body["batches"] or [*state.batches]):
                batch = state.batches[identity]
                batch.is_held, batch.ends_at = False, min(batch.ends_at, time.time() + place * 0.001)
        elif path == "/_batches":
            return [each.identity for each in state.batches.values() if self.is_open(each)]
        return {}

    def messages(self, params: dict[str, Any], body: bytes) -> None:
        state = self.state
        key = digest(params)
        fields = list(
            params.get("output_config", {}).get("format", {}).get("schema", {}).get("properties", {})
        )
        fault = state.fail_digests.get(key, "")
        if state.refuse_containing and state.refuse_containing.encode() in body:
            fault = "refusal"
        if not fault and state.fault_rate and state.draw.random() < state.fault_rate:
            fault = state.draw.choice(state.faults)
        self.keep(body)
        found = message(state, params, fault)
        counted = found["usage"]
        size = (
            counted["input_tokens"]
            + counted["cache_read_input_tokens"]
            + counted["cache_creation_input_tokens"]
        )
        state.record(MESSAGES, fault or 200, digest=key, fields=fields, tokens=size, model=params["model"])
        delay = state.latency_ms / 1000
        if fault in ("429", "529", "500"):
            retry = {"retry-after": str(state.retry_after)} if fault == "429" else {}
            asyncio.get_running_loop().call_later(delay, self.error, int(fault), ERRORS[int(fault)], retry)
        elif fault == "drop":
            asyncio.get_running_loop().call_later(delay, self.transport.close)
        else:
            asyncio.get_running_loop().call_later(delay, self.answer, 200, found, {}, fault)

    def keep(self, body: bytes) -> None:
        if self.state.keep_bodies:
            self.state.number += 1
            (self.state.folder / f"body-{self.state.number:08}.json").write_bytes(body)

    def create(self, body: bytes) -> None:
        state = self.state
        requests = orjson.loads(body)["requests"]
        identities = [each["custom_id"] for each in requests]
        digests = [digest(each["params"]) for each in requests]
        fault = state.batch_create.pop(0) if state.batch_create else ""
        status: int | str = 200
        if len(requests) > state.most_requests or len(body) > state.most_bytes:
            status = 413
        elif len({*identities}) < len(identities):
            status = 400
        elif fault in ("429", "529"):
            status = int(fault)
        self.keep(body)
        state.record(BATCHES, fault or status, items=digests, ids=identities)
        if status == 413:
            return self.error(413, "request_too_large")
        if status == 400:
            return self.error(400, "invalid_request_error")
        if status in ERRORS:
            return self.error(int(status), ERRORS[int(status)], {"retry-after": str(state.retry_after)})
        if fault == "drop before":
            return self.transport.close()
        state.number += 1
        batch = Batch(
            f"msgbatch_{state.number:06}",
            requests,
            time.time() + state.batch_seconds,
            datetime.now(UTC),
            is_held=state.hold_batches,
        )
        state.batches[batch.identity] = batch
        if fault == "500":
            return self.error(500, "api_error")
        if fault == "drop":
            return self.transport.close()
        return self.answer(200, self.told(batch))

    def batch(self, method: str, path: str) -> None:
        state = self.state
        identity, _, action = path.removeprefix(BATCHES + "/").partition("/")
        found = state.batches.get(identity)
        state.record(f"{method} {BATCHES}/{action or 'one'}", 200 if found else 404, batch=identity)
        if found is None:
            self.error(404, "not_found_error")
        elif action == "cancel":
            found.is_cancelled, found.is_held, found.ends_at = True, False, time.time()
            self.answer(200, self.told(found))
        elif action == "results" and not self.is_open(found):
            lines = [orjson.dumps(each) for each in self.results(found)]
            self.answer(200, b"\n".join(lines) + b"\n")
        elif action == "results":
            self.error(404, "not_found_error")
        else:
            self.answer(200, self.told(found))

    def is_open(self, batch: Batch) -> bool:
        return batch.is_held or time.time() < batch.ends_at

    def results(self, batch: Batch) -> list[dict[str, Any]]:
        """One result an item, drawn once, in another order than they were submitted in."""
        if batch.results is None:
            batch.results = [
                {"custom_id": each["custom_id"], "result": self.result(batch, each["params"])}
                for each in batch.requests
            ]
            self.state.draw.shuffle(batch.results)
        return batch.results

    def result(self, batch: Batch, params: dict[str, Any]) -> dict[str, Any]:
        state = self.state
        kind, left = "canceled" if batch.is_cancelled else "succeeded", state.draw.random()
        for name, share in state.batch_faults.items():
            if kind == "succeeded" and left < share:
                kind = name
            left -= share
        if kind == "succeeded":
            return {
                "type": kind,
                "message": message(state, params, state.fail_digests.get(digest(params), "")),
            }
        if kind in ("errored", "invalid"):
            error = {"type": "api_error" if kind == "errored" else "invalid_request_error", "message": "no"}
            return {"type": "errored", "error": {"type": "error", "error": error}}
        return {"type": kind}

    def told(self, batch: Batch) -> dict[str, Any]:
        is_open = self.is_open(batch)
        kinds = Counter() if is_open else Counter(each["result"]["type"] for each in self.results(batch))
        counts = {kind: kinds[kind] for kind in ("succeeded", "errored", "canceled", "expired")}
        port = self.transport.get_extra_info("sockname")[1]
        return {
            "id": batch.identity,
            "type": "message_batch",
            "processing_status": "in_progress" if is_open else "ended",
            "request_counts": {**counts, "processing": len(batch.requests) if is_open else 0},
            "created_at": batch.created_at.isoformat(),
            "expires_at": (batch.created_at + timedelta(days=1)).isoformat(),
            "ended_at": None if is_open else datetime.now(UTC).isoformat(),
            "cancel_initiated_at": None,
            "archived_at": None,
            "results_url": None if is_open else f"http://127.0.0.1:{port}{BATCHES}/{batch.identity}/results",
        }

    def error(self, status: int, kind: str, headers: dict[str, str] | None = None) -> None:
        self.answer(status, {"type": "error", "error": {"type": kind, "message": "no"}}, headers or {})

    def answer(self, status: int, body: Any, headers: dict[str, str] | None = None, fault: str = "") -> None:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        kind = "application/x-jsonl" if isinstance(body, bytes) else "application/json"
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n{more}\r\n"
        if fault == "truncated":
            self.transport.write(head.encode() + content[: len(content) // 2])
            self.transport.close()
        elif fault == "slow":
            self.transport.write(head.encode() + content[:10])
            asyncio.get_running_loop().call_later(self.state.slow_seconds, self.transport.write, content[10:])
        else:
            self.transport.write(head.encode() + content)


async def serve(port_file: Path, folder: Path) -> None:
    state = State(folder)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(state), "127.0.0.1", 0)
    fresh = port_file.with_suffix(f".{os.getpid()}")
    fresh.write_text(str(server.sockets[0].getsockname()[1]))
    fresh.rename(port_file)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))

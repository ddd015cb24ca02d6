"""What the server in `messages_server` does with each request: records it, then answers it, or not."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import orjson

from tests import messages_batches, messages_params
from tests.messages_answers import answer_text
from tests.messages_batches import Batch, Item
from tests.messages_controls import ANSWERS, DELIVERIES, ERRORS, Controls, UnknownControl, drawn
from tests.messages_http import Reply, Request
from tests.messages_usage import Cache, parts, prompt_tokens, schema_of, tokens

MESSAGES, BATCHES, COUNT = "/v1/messages", "/v1/messages/batches", "/v1/messages/count_tokens"
REQUESTS_FILE, RESULTS_FILE = "requests.jsonl", "results.jsonl"

AT_ONCE = 16
"""Items of a batch worked between two looks at other requests."""


class Service:
    """All that the server remembers. `handle` answers a request."""

    def __init__(self, folder: Path, controls: Mapping[str, Any]) -> None:
        self.folder, self.first_controls = folder, dict(controls)
        self._log, self._results_log = (
            os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            for name in (REQUESTS_FILE, RESULTS_FILE)
        )
        self.batches: dict[str, Batch] = {}
        self.number = 0  # of anything that has an id
        self._tasks: set[asyncio.Task[None]] = set()
        self._own: dict[str, Callable[[Any], Any]] = {
            "/_control": self._control,
            "/_reset": self._reset,
            "/_end": self._end,
            "/_batches": lambda _: [each.identity for each in self._looked_at() if each.ended_at is None],
            "/_state": lambda _: {"in_flight": self.in_flight, "most_in_flight": self.most_in_flight},
        }
        self._reset({})

    def handle(self, request: Request) -> None:
        if request.path.startswith("/_"):
            self._answer_own(request)
        elif not (request.headers.get(b"x-api-key") or request.headers.get(b"authorization")):
            self._refuse(request, 401, "x-api-key header is required")
        elif request.path == MESSAGES and request.method == "POST":
            self._message(request)
        elif request.path == COUNT and request.method == "POST":
            self._count(request)
        elif request.path == BATCHES and request.method == "POST":
            self._later(self._create(request))
        elif request.path == BATCHES and request.method == "GET":
            self._record(request, f"GET {BATCHES}", 200)
            host = request.headers.get(b"host", "")
            shown = messages_batches.page(self._looked_at(), request.query, host)
            self._send(request, _ok(shown))
        elif request.path.startswith(f"{BATCHES}/"):
            self._one_batch(request)
        else:
            self._refuse(request, 404, "Not found")

    # Messages.

    def _message(self, request: Request) -> None:
        params = _loaded(request.body)
        if len(request.body) > self.controls.most_message_bytes:
            self._refuse(request, 413, "the request is too large")
            return
        refused = messages_params.refusal(params, self.controls)
        prompt = parts(params, self.controls.cache_seconds) if not refused else []
        refused = refused or messages_params.breakpoints_refusal(prompt)
        if refused:
            self._refuse(request, *refused, digest=messages_params.digest(params))
            return
        size = sum(each.tokens for each in prompt)
        digest = messages_params.digest(params)
        fault = self._fault(params, digest, request.body)
        noted = {"digest": digest, "tokens": size, **_about(params)}
        wait = self.budget.wait_for(size, self.controls) if fault not in ("429", "529", "500") else 0.0
        if wait:
            self._refuse(request, 429, "tokens per minute", wait, **noted)
        elif fault in ("429", "529", "500"):
            self._fail(request, fault, **noted)
        elif fault == "drop":
            self._record(request, MESSAGES, 0, fault, **noted)
            self._send(request, Reply(0, b"", delivery=fault))
        else:
            usage = self.cache.usage(params["model"], prompt, self.controls.cache_minimum)
            message = self._told(params, usage, fault)
            self.budget.spend(message["usage"]["output_tokens"])
            self._record(request, MESSAGES, 200, fault, **noted, usage=message["usage"])
            self._send(request, _ok(message, fault if fault in DELIVERIES else ""))

    def _fault(self, params: Mapping[str, Any], digest: str, body: bytes) -> str:
        controls = self.controls
        fault = controls.fail_digests.get(digest, "")
        if not fault and controls.refuse_containing and controls.refuse_containing.encode() in body:
            fault = "refusal"
        if not fault and controls.fault_rate:
            self.draws += 1
            if drawn(controls.seed, "fault", self.draws) < controls.fault_rate:
                place = int(drawn(controls.seed, "which", self.draws) * len(controls.faults))
                fault = controls.faults[place]
        return fault

    def _told(self, params: Mapping[str, Any], usage: dict[str, Any], fault: str) -> dict[str, Any]:
        """The message that answers, with a fault of the model where there is one."""
        text = "" if fault == "refusal" else answer_text(params, self.controls)
        stop = "end_turn"
        if fault == "malformed":
            text = f"Certainly! Here is what was asked for:\n\n{text[: len(text) // 2]}"
        elif fault == "max_tokens":
            text, stop = text[: len(text) // 2], "max_tokens"
        elif fault == "refusal":
            stop = "refusal"
        while (output := tokens(text)) > params["max_tokens"]:
            text, stop = text[: len(text) * params["max_tokens"] // output], "max_tokens"
        return {
            "id": self._new("msg"),
            "type": "message",
            "role": "assistant",
            "model": params["model"],
            "content": [{"type": "text", "text": text}] if text else [],
            "stop_reason": stop,
            "stop_sequence": None,
            "stop_details": {"type": "refusal", "category": None, "explanation": None}
            if fault == "refusal"
            else None,
            "usage": {**usage, "output_tokens": max(1, output), "service_tier": "standard"},
        }

    def _count(self, request: Request) -> None:
        params = _loaded(request.body)
        refused = messages_params.refusal(params, self.controls, is_count=True)
        if refused:
            self._refuse(request, *refused)
            return
        size = prompt_tokens(params)
        self._record(
            request, COUNT, 200, digest=messages_params.digest(params), tokens=size, **_about(params)
        )
        self._send(request, _ok({"input_tokens": size}))

    # Batches.

    async def _create(self, request: Request) -> None:
        controls = self.controls
        body = _loaded(request.body)
        requests = body.get("requests") if isinstance(body, dict) else None
        if not isinstance(requests, list) or not all(isinstance(each, dict) for each in requests):
            self._refuse(request, 400, "requests: a list of objects is required")
            return
        refused = messages_batches.refusal(requests, len(request.body), controls)
        ids = [each.get("custom_id") for each in requests]
        if refused:
            self._refuse(request, *refused, ids=ids)
            return
        fault = controls.batch_create.pop(0) if controls.batch_create else ""
        items = []
        for each in requests:
            params = each.get("params")
            self.items += 1
            outcome = messages_batches.outcome(controls, self.items)
            if messages_params.refusal(params, controls):
                outcome = "invalid"
            items.append(Item(each["custom_id"], messages_params.digest(params), outcome, params))
            if len(items) % AT_ONCE == 0:
                await asyncio.sleep(0)
        noted = {"ids": ids, "items": [each.digest for each in items]}
        if fault in ("429", "529"):
            self._fail(request, fault, **noted)
            return
        if fault == "drop before":
            self._record(request, BATCHES, 0, fault, **noted)
            self._send(request, Reply(0, b"", delivery="drop"))
            return
        batch = Batch(self._new("msgbatch"), items, controls.batch_seconds, controls.hold_batches)
        noted |= {"batch": batch.identity}
        self.batches[batch.identity] = batch
        self._later(self._work(batch))
        if fault == "500":
            self._fail(request, fault, **noted)
        else:
            status = 0 if fault == "drop" else 200
            self._record(request, BATCHES, status, fault, **noted)
            told = batch.told(request.headers.get(b"host", ""))
            self._send(request, _ok(told, fault))

    async def _work(self, batch: Batch) -> None:
        start = 0
        while batch.work_some(start, AT_ONCE, self._item_answered):
            start += AT_ONCE
            await asyncio.sleep(0)

    def _item_answered(self, params: Mapping[str, Any], digest: str) -> tuple[bytes, dict[str, Any]]:
        fault = self.controls.fail_digests.get(digest, "")
        refused = self.controls.refuse_containing
        if refused and refused in str(params["messages"]):
            fault = "refusal"
        prompt = parts(params, self.controls.cache_seconds)
        usage = self.cache.usage(params["model"], prompt, self.controls.cache_minimum)
        message = self._told(params, usage, fault if fault in ANSWERS else "")
        message["usage"]["service_tier"] = "batch"
        noted = {"tokens": sum(each.tokens for each in prompt), **_about(params), "usage": message["usage"]}
        return b'{"type":"succeeded","message":%s}' % orjson.dumps(message), noted

    def _one_batch(self, request: Request) -> None:
        identity, _, action = request.path.removeprefix(f"{BATCHES}/").partition("/")
        batch = {each.identity: each for each in self._looked_at()}.get(identity)
        told_path = f"{request.method} {BATCHES}/{action or 'one'}"
        if batch is None or action not in ("", "cancel", "results"):
            self._refuse(request, 404, "Not found", path=told_path, batch=identity)
        elif action == "results" and batch.ended_at is None:
            self._refuse(request, 404, "the batch has not ended", path=told_path, batch=identity)
        elif request.method == "DELETE" and batch.ended_at is None:
            self._refuse(request, 400, "the batch has not ended", path=told_path, batch=identity)
        else:
            delivery = ""
            if action == "results" and self.controls.batch_results:
                delivery = self.controls.batch_results.pop(0)
            self._record(request, told_path, 0 if delivery == "drop" else 200, delivery, batch=identity)
            if action == "results":
                self._send(request, Reply(200, batch.results(), "", delivery, "application/x-jsonl"))
                return
            if request.method == "DELETE":
                del self.batches[identity]
                self._send(request, _ok({"id": identity, "type": "message_batch_deleted"}))
                return
            if action == "cancel":
                batch.cancel(time.time())
            self._send(request, _ok(batch.told(request.headers.get(b"host", ""))))

    def _looked_at(self) -> list[Batch]:
        """All batches in the order of their creation, those ended whose time has come."""
        now = time.time()
        for batch in self.batches.values():
            if batch.is_ending(now):
                lines = (
                    orjson.dumps(
                        {
                            "batch": batch.identity,
                            "custom_id": item.custom_id,
                            "digest": item.digest,
                            "outcome": item.outcome,
                            **(item.noted if item.outcome == "succeeded" else {}),
                        }
                    )
                    + b"\n"
                    for item in batch.items
                )
                _write(self._results_log, b"".join(lines))
        return list(self.batches.values())

    # The tests' own requests.

    def _answer_own(self, request: Request) -> None:
        found = self._own.get(request.path)
        if found is None:
            request.connection.send(_error(404, "Not found"))
            return
        try:
            request.connection.send(_ok(found(_loaded(request.body or b"{}"))))
        except (UnknownControl, KeyError, TypeError) as error:
            request.connection.send(_error(400, str(error)))

    def _control(self, values: Any) -> None:
        self.controls.change(values)
        if "seed" in values:
            self.draws = self.items = 0
        if values.keys() & {"budget_tokens_per_minute", "budget_burst_seconds"}:
            self.budget = Budget()

    def _reset(self, values: Any) -> None:
        """As it was when it started, with nothing received."""
        self.controls = Controls()
        self.controls.change({**self.first_controls, **values})
        self.budget, self.cache = Budget(), Cache()
        self.draws = self.items = self.in_flight = self.most_in_flight = 0
        self.batches.clear()
        for log in (self._log, self._results_log):
            os.truncate(log, 0)
        for body in self.folder.glob("body-*.json"):
            body.unlink()

    def _end(self, values: Any) -> None:
        """End batches that are open, in the order given; all of them where none is named."""
        for identity in values.get("batches") or list(self.batches):
            self.batches[identity].end(time.time())

    # Answering.

    def _record(self, request: Request, path: str, status: int, fault: str = "", **noted: Any) -> None:
        """Note a request and what it is answered, before it is."""
        told = {"at": time.time(), "path": path, "status": fault or status, "sent": status, **noted}
        retries = request.headers.get(b"x-stainless-retry-count", "0")
        if retries != "0":
            told["retries"] = int(retries)
        if self.controls.keep_bodies and request.body:
            self.number += 1
            told["body"] = f"body-{self.number:08}.json"
            (self.folder / told["body"]).write_bytes(request.body)
        _write(self._log, orjson.dumps(told) + b"\n")

    def _refuse(
        self,
        request: Request,
        status: int,
        message: str,
        retry_after: float = 0.0,
        fault: str = "",
        path: str = "",
        **noted: Any,
    ) -> None:
        self._record(request, path or request.path, status, fault, **noted)
        self._send(request, _error(status, message, retry_after))

    def _fail(self, request: Request, fault: str, **noted: Any) -> None:
        """Refuse with a status that was asked for."""
        retry_after = self.controls.retry_after if fault == "429" else 0.0
        self._refuse(request, int(fault), "as asked for", retry_after, fault, **noted)

    def _send(self, request: Request, reply: Reply) -> None:
        """Send after the latency; for messages alone, and for their errors too."""
        if request.path != MESSAGES:
            request.connection.send(reply)
            return
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        send = partial(self._send_message, request, reply)
        if self.controls.latency_ms:
            asyncio.get_running_loop().call_later(self.controls.latency_ms / 1_000, send)
        else:
            send()

    def _send_message(self, request: Request, reply: Reply) -> None:
        self.in_flight -= 1
        request.connection.send(reply)

    def _new(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}_{self.number:08}"

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Budget:
    """Tokens that flow in at so many a minute, and gather for some seconds while nobody asks."""

    def __init__(self) -> None:
        self.level: float | None = None
        self.at = time.monotonic()

    def wait_for(self, size: int, controls: Controls) -> float:
        """Seconds to wait before a request of that size; 0: it may pass, and is counted."""
        rate = controls.budget_tokens_per_minute / 60
        if not rate:
            return 0.0
        now, most = time.monotonic(), rate * controls.budget_burst_seconds
        level = most if self.level is None else min(most, self.level + (now - self.at) * rate)
        self.level, self.at = level, now
        if level >= min(size, most):
            self.level -= size
            return 0.0
        return max(0.01, round((min(size, most) - level) / rate + 0.005, 2))

    def spend(self, size: int) -> None:
        if self.level is not None:
            self.level -= size


def _about(params: Mapping[str, Any]) -> dict[str, Any]:
    """Which prompt it is: model, a digest of the instructions, the answer's fields, turns."""
    schema = schema_of(params) or {}
    return {
        "model": params["model"],
        "system": _short_digest(orjson.dumps(params.get("system"))),
        "fields": list(schema.get("properties", ())),
        "turns": len(params["messages"]),
    }


@lru_cache(maxsize=256)
def _short_digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]


def _loaded(body: bytes) -> Any:
    """A body's JSON; None for what is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _write(log: int, text: bytes) -> None:
    left = memoryview(text)
    while left:
        left = left[os.write(log, left) :]


def _ok(value: Any, delivery: str = "") -> Reply:
    return Reply(200, orjson.dumps(value), delivery=delivery)


def _error(status: int, message: str, retry_after: float = 0.0) -> Reply:
    kind = ERRORS.get(status, "api_error")
    told = {"type": "error", "error": {"type": kind, "message": message}, "request_id": None}
    return Reply(status, orjson.dumps(told), f"retry-after: {retry_after:g}\r\n" if retry_after else "")

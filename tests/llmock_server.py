"""llmock, a fake of the Messages API that nobody here wrote, in a thread of this process, on a port that is free.

It does not know `output_config`: it answers with the text that it was given, else with prose. It makes no dropped
connection, counts no tokens, asks for no key, and the SDK cannot read the results of its batches (their address is
relative). `messages_server` does all of that.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from tests.messages_controls import UnknownControl
from tests.messages_params import digest

if TYPE_CHECKING:
    from llmock.testing import LLMockServer

MESSAGES = "/v1/messages"
PREFIX = "/anthropic"
STOPS = {"refusal": "content_filter", "max_tokens": "length", "malformed": "stop"}
"""Faults of the model, by what llmock calls how it stopped."""


@dataclass(frozen=True)
class Handle:
    """A running llmock, as tests see it: what `messages_server.Handle` can do of what llmock can."""

    server: LLMockServer

    @property
    def url(self) -> str:
        return self.server.base_url("anthropic")

    @property
    def environment(self) -> dict[str, str]:
        """What the SDK reads."""
        return {"ANTHROPIC_BASE_URL": self.url, "ANTHROPIC_API_KEY": "test"}

    def set(
        self,
        *,
        faults: Sequence[str] = (),
        answers: Mapping[str, Any] | None = None,
        retry_after: float = 0.05,
        slow_seconds: float = 0.3,
    ) -> None:
        """Replace what the next messages meet: `faults`, each once and statuses first, then for good the answers
        (JSON) by model, of which `*` is any. A fault is a status, `slow` or one of STOPS. llmock tells of a
        `retry_after` in whole seconds, rounded up.

        Raises UnknownControl for a fault that it cannot make.
        """
        match = {"path": f"{PREFIX}{MESSAGES}"}
        behaviors: list[dict[str, Any]] = []
        for fault in faults:
            if fault.isdecimal():
                behaviors.append({"type": "fail", "status": int(fault), "retry_after": retry_after})
            elif fault == "slow":
                behaviors.append({"type": "delay", "seconds": slow_seconds})
            elif fault in STOPS:
                text = "" if fault == "refusal" else '{"request": "half'
                behaviors.append({"type": "reply", "text": text, "finish_reason": STOPS[fault]})
            else:
                raise UnknownControl(f"faults: {fault} is nothing that llmock can do")
        behaviors = [{**each, "match": match} for each in behaviors]
        for model, value in (answers or {}).items():
            own = {**match, "model": model}
            behaviors.append({"type": "reply", "text": json.dumps(value), "times": None, "match": own})
        self._ask("DELETE", "scenario")
        if behaviors:
            self._ask("POST", "scenario", {"behaviors": behaviors})

    def reset(self) -> None:
        """Forget what was received and what was set."""
        self._ask("POST", "reset")

    def requests(self, path: str | None = None) -> list[dict[str, Any]]:
        """What was received, in order: `path`, `status`, `digest` of the params, `model`, and `retries` where the
        client said that it is one."""
        found = []
        for each in self._ask("GET", "requests")["requests"]:
            told = {
                "path": each["path"].removeprefix(PREFIX),
                "status": each["status"],
                "digest": digest(each["body"]),
                "model": each["model"],
            }
            if each["sdk_retry_count"]:
                told["retries"] = each["sdk_retry_count"]
            if path in (None, told["path"]):
                found.append(told)
        return found

    def counts(self) -> Counter[str]:
        """Requests by path and status: `/v1/messages 200`."""
        return Counter(f"{each['path']} {each['status']}" for each in self.requests())

    def faults_of_client(self) -> list[str]:
        """What llmock holds against how its client met the faults: codes of findings."""
        return [each["code"] for each in self._ask("GET", "verdict")["findings"]]

    def _ask(self, method: str, name: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(
            Request(f"{self.server.url}/_llmock/{name}", data, method=method), timeout=30
        ) as response:
            return json.load(response)


@contextmanager
def llmock_server() -> Iterator[Handle]:
    """An llmock while the block runs."""
    from llmock.testing import LLMockServer

    with LLMockServer() as server:
        yield Handle(server)

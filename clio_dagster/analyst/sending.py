"""One request to the Messages API and what came back, errors and all, in words that quote nothing of either."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clio_dagster.analyst.prices import Usage

if TYPE_CHECKING:
    import anthropic

LOST_ANSWERS = 3
"""Times that a request is sent again whose answer arrived and was no message."""

STOPPED = {
    "refusal": "refused by the model",
    "max_tokens": "cut off at max_tokens",
    "model_context_window_exceeded": "too long for the model",
}
"""Ends of an answer that leave none, by `stop_reason`."""

NO_KEY = "no key for the Messages API: set ANTHROPIC_API_KEY, or CLIO_ANALYST=offline"

NO_ANSWER = "rejected by the API"


class AnalystError(RuntimeError):
    """The model cannot be asked at all: the message says why and what to do. What was answered is kept."""


@dataclass(frozen=True)
class Reply:
    """An answer's text, or in `stopped` why there is none, and what it cost in tokens."""

    text: str
    usage: Usage
    stopped: str = ""

    @property
    def is_lasting(self) -> bool:
        """Whether the same would come of it again: what the API itself rejected may be mended on our side."""
        return not self.stopped.startswith(NO_ANSWER)


class Sender:
    """Sends requests through one client, at a steady pace where there is a budget of tokens a minute.

    The SDK retries what can be retried, as long as the server's `retry-after` says. Raises AnalystError for what
    would fail every request alike.
    """

    def __init__(self, client: anthropic.AsyncAnthropic, *, tokens_per_minute: int | None = None) -> None:
        self.client = client
        self._pace = Pace(tokens_per_minute) if tokens_per_minute else None

    async def send(self, params: Mapping[str, Any], expected: Usage) -> Reply:
        """`expected`: about what it will count, for the pace."""
        import anthropic

        if self._pace:
            await self._pace.turn(expected.prompt + expected.output)
        for _ in range(LOST_ANSWERS):
            try:
                message = await self.client.messages.create(**params)
            except TypeError:
                raise AnalystError(NO_KEY) from None
            except anthropic.APIStatusError as error:
                return rejected(error)
            except anthropic.APIConnectionError as error:
                raise AnalystError(
                    f"{type(error).__name__}: the model could not be reached at {self._where}, and was tried "
                    f"{self.client.max_retries + 1} times. Run it again: it goes on where it stopped"
                ) from None
            except (anthropic.APIError, ValueError):
                continue
            try:
                reply = reply_of(message)
            except (TypeError, AttributeError):
                continue
            if self._pace:
                self._pace.correct(
                    reply.usage.prompt + reply.usage.output - expected.prompt - expected.output
                )
            return reply
        raise AnalystError(
            f"what {self._where} answers is no message of the Messages API, {LOST_ANSWERS} times over: see "
            "ANTHROPIC_BASE_URL"
        )

    @property
    def _where(self) -> str:
        return f"{self.client.base_url.scheme}://{self.client.base_url.host}"


class Pace:
    """Turns spaced so that the tokens of a minute come to no more than a number, without bursts."""

    def __init__(self, tokens_per_minute: int) -> None:
        self._seconds = 60 / tokens_per_minute
        self._free_at = 0.0

    async def turn(self, tokens: int) -> None:
        """Wait for the turn of a request that counts so many."""
        now = time.monotonic()
        mine = max(now, self._free_at)
        self._free_at = mine + tokens * self._seconds
        await asyncio.sleep(mine - now)

    def correct(self, more: int) -> None:
        """It counted so many more than was said, or fewer."""
        self._free_at += more * self._seconds


def reply_of(message: Any) -> Reply:
    """What a message says. Raises AttributeError or TypeError for what is no message."""
    usage = message.usage
    counted = Usage(
        input=int(usage.input_tokens),
        output=int(usage.output_tokens),
        cache_write=int(usage.cache_creation_input_tokens or 0),
        cache_read=int(usage.cache_read_input_tokens or 0),
    )
    text = "".join(part.text for part in message.content if part.type == "text")
    return Reply(text, counted, STOPPED.get(message.stop_reason or "", ""))


def rejected(error: anthropic.APIStatusError) -> Reply:
    """A request that the API rejects for what it is. Raises AnalystError where that is so of any request."""
    status, kind = error.status_code, _kind(error.body)
    told = f"HTTP {status}{f', {kind}' if kind else ''}"
    if status in (401, 403):
        raise AnalystError(
            f"the API refuses the key ({told}): see ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL"
        ) from None
    if status == 404:
        raise AnalystError(
            f"the API knows no such model, or the base URL is wrong ({told}): see CLIO_CLAUDE_FACET_MODEL, "
            "CLIO_CLAUDE_NAMING_MODEL and ANTHROPIC_BASE_URL"
        ) from None
    if status in (408, 409, 429) or status >= 500:
        raise AnalystError(
            f"the API still answers {told} after every retry: run it again later, it goes on where it stopped; or "
            "lower CLIO_CLAUDE_CONCURRENCY, or set CLIO_CLAUDE_TOKENS_PER_MINUTE"
        ) from None
    if kind == "billing_error" or status == 402:
        raise AnalystError(f"the account at the API cannot be billed ({told})") from None
    return Reply("", Usage(), f"{NO_ANSWER} ({told})")


KINDS = frozenset(
    (
        "api_error",
        "authentication_error",
        "billing_error",
        "invalid_request_error",
        "not_found_error",
        "overloaded_error",
        "permission_error",
        "rate_limit_error",
        "request_too_large",
        "timeout_error",
    )
)
"""Kinds of error that the API names; whatever else an endpoint writes there is not repeated."""


def _kind(body: object) -> str:
    error = body.get("error") if isinstance(body, Mapping) else None
    kind = error.get("type") if isinstance(error, Mapping) else None
    return kind if isinstance(kind, str) and kind in KINDS else ""

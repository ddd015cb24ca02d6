"""What a model's tokens cost, and what a text is likely to count."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

AS_OF = date(2026, 11, 1)
"""Day on which PRICES were looked up (Anthropic's price list)."""

MILLION = 1_000_000

NotNegative = Annotated[float, Field(ge=0)]


class PriceError(ValueError):
    """A model has no known price: what it would cost cannot be said, nor kept within a budget."""


class Price(BaseModel):
    """Dollars a million tokens; cache writes and reads, and batches, as factors of these.

    The long prices hold for every token of a request whose prompt counts more than `long_from`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: NotNegative
    output: NotNegative
    cache_write: NotNegative = 1.25
    cache_read: NotNegative = 0.1
    batch: NotNegative = 0.5
    long_from: int | None = None
    long_input: NotNegative = 0.0
    long_output: NotNegative = 0.0


PRICES: dict[str, Price] = {
    "claude-haiku-5-5": Price(input=0.10, output=0.50, long_from=100_000, long_input=0.50, long_output=2.50),
    "claude-sonnet-5-5": Price(input=2, output=10, cache_read=0.05),
    "claude-sonnet-5": Price(input=2, output=10),
    "claude-opus-5-5": Price(input=4, output=20, cache_read=0.05),
    "claude-haiku-4-5": Price(input=1, output=5),
    "claude-sonnet-4-6": Price(input=3, output=15),
    "claude-sonnet-4-5": Price(input=3, output=15),
    "claude-opus-4-8": Price(input=5, output=25),
}
"""By model, as of AS_OF."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one answer, as the server counts them: `input` leaves out what the cache wrote or read."""

    input: int = 0
    output: int = 0
    cache_write: int = 0
    cache_read: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cache_write + other.cache_write,
            self.cache_read + other.cache_read,
        )

    @property
    def prompt(self) -> int:
        return self.input + self.cache_write + self.cache_read


def price_of(model: str, own: Mapping[str, Price]) -> Price:
    """The site's own price of a model, else the table's. Raises PriceError for a model that neither knows."""
    found = own.get(model) or PRICES.get(model)
    if found is None:
        raise PriceError(
            f"no price is known for {model}: give it in CLIO_PRICES, such as "
            f'{{"{model}": {{"input": 1, "output": 5}}}} in dollars a million tokens. Known as of {AS_OF}: '
            f"{', '.join(PRICES)}"
        )
    return found


def dollars(usage: Usage, price: Price, *, is_batch: bool = False) -> float:
    """What an answer costs."""
    is_long = price.long_from is not None and usage.prompt > price.long_from
    of_input = price.long_input if is_long else price.input
    of_output = price.long_output if is_long else price.output
    weighed = usage.input + price.cache_write * usage.cache_write + price.cache_read * usage.cache_read
    cost = (weighed * of_input + usage.output * of_output) / MILLION
    return cost * price.batch if is_batch else cost


_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_PIECES = re.compile(rf"[^\W_{_UNSPACED}]{{1,4}}|\S")


def estimated_tokens(text: str) -> int:
    """About how many tokens a text counts, without asking: a word costs one for each four letters begun, every
    character of an unspaced script one, every sign one.
    """
    return len(_PIECES.findall(text))

"""The bill, summed as it is asked for: `clio costs`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from resources.answers import Spending

BY: Mapping[str, Callable[[Spending], str]] = {
    "stage": lambda line: line.stage,
    "model": lambda line: line.model + (" (batch)" if line.is_batch else ""),
    "prompt": lambda line: line.prompt,
    "date": lambda line: line.partition.split("|")[0],
    "day": lambda line: line.spent_on.isoformat(),
}


@dataclass
class Sum:
    """Lines of the bill together."""

    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0

    def add(self, line: Spending) -> None:
        self.calls += line.calls
        self.prompt_tokens += line.input_tokens + line.cache_write_tokens + line.cache_read_tokens
        self.cached_tokens += line.cache_read_tokens
        self.output_tokens += line.output_tokens
        self.usd += line.usd

    @property
    def cells(self) -> tuple[str, ...]:
        numbers = (self.calls, self.prompt_tokens, self.cached_tokens, self.output_tokens)
        return (*(f"{number:,}" for number in numbers), f"{self.usd:,.4f}")


def summed(lines: Iterable[Spending], by: Sequence[str]) -> dict[tuple[str, ...], Sum]:
    """The lines by some of BY, in order."""
    found: dict[tuple[str, ...], Sum] = {}
    for line in lines:
        found.setdefault(tuple(BY[name](line) for name in by), Sum()).add(line)
    return dict(sorted(found.items()))


def totals(lines: Iterable[Spending]) -> Sum:
    """All of them together."""
    total = Sum()
    for line in lines:
        total.add(line)
    return total

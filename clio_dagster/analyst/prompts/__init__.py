"""What Claude is told, one file a prompt: a version, and the instructions that all its requests share.

The structure and the safeguards are those of the paper's appendix G; the words are this project's. Data never stands
here: it comes in the user's message, in blocks of its own (blocks.py). `$name` is filled in by whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template


@dataclass(frozen=True)
class Prompt:
    """A prompt of a version. The version counts up with every change of its text: answers hang on it."""

    name: str
    version: int
    text: str

    @property
    def identity(self) -> str:
        return f"{self.name}-{self.version}"

    def filled(self, **values: object) -> str:
        return Template(self.text).substitute({name: str(value) for name, value in values.items()})


@lru_cache
def prompt(name: str) -> Prompt:
    """The prompt in `NAME.md`: its first line `version: N`, then the text."""
    first, _, text = (Path(__file__).parent / f"{name}.md").read_text("utf-8").partition("\n")
    return Prompt(name, int(first.removeprefix("version:")), text.strip())

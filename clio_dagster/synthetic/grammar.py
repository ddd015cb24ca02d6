"""Text from rules: alternatives, choices within a line, and slots that keep their value in a conversation.

A rule is a list of alternative lines. In a line `[a|b]` chooses, `{word}` is filled from the rule of that
name, and a backslash keeps the next character as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from random import Random

Bound = dict[str, str]
"""What fills the slots of one conversation: the dish of the question is the dish of the follow-up."""

Piece = str | Callable[[Random, Bound], str]

_TOKEN = re.compile(r"\\(.)|([\[\]|])|\{(\w+)\}|([^\\\[\]|{]+|[{])", re.DOTALL)


class Grammar:
    """Rules of one topic in one language. Raises ValueError for brackets that do not match."""

    def __init__(self, rules: Mapping[str, Iterable[str]]) -> None:
        self._rules = {name: [self._compile(line) for line in lines] for name, lines in rules.items()}

    def __contains__(self, rule: str) -> bool:
        return rule in self._rules

    def say(self, rule: str, random: Random, bound: Bound) -> str:
        """One line of the rule. `bound` gives slots their values and takes those newly chosen."""
        lines = self._rules[rule]
        return _join(lines[int(random.random() * len(lines))], random, bound)

    def _slot(self, name: str) -> Callable[[Random, Bound], str]:
        def fill(random: Random, bound: Bound) -> str:
            if name not in bound:
                bound[name] = self.say(name, random, bound)
            return bound[name]

        return fill

    def _compile(self, line: str) -> list[Piece]:
        stack: list[list[list[Piece]]] = [[[]]]
        for literal, bracket, slot, text in _TOKEN.findall(line):
            if bracket == "[":
                stack.append([[]])
            elif bracket == "]" and len(stack) > 1:
                options = stack.pop()
                stack[-1][-1].append(_choice(options))
            elif bracket == "|" and len(stack) > 1:
                stack[-1].append([])
            elif bracket == "]":
                raise ValueError(f"a bracket is closed that was not opened, in the line: {line}")
            else:
                stack[-1][-1].append(self._slot(slot) if slot else literal or bracket or text)
        if len(stack) > 1:
            raise ValueError(f"a bracket is not closed, in the line: {line}")
        return stack[0][0]


def _choice(options: list[list[Piece]]) -> Callable[[Random, Bound], str]:
    def choose(random: Random, bound: Bound) -> str:
        return _join(options[int(random.random() * len(options))], random, bound)

    return choose


def _join(pieces: list[Piece], random: Random, bound: Bound) -> str:
    return "".join(piece if isinstance(piece, str) else piece(random, bound) for piece in pieces)

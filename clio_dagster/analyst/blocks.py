"""Data in a prompt: blocks that what stands in them cannot leave (P11).

Answers the user whose message closes its block and goes on as an instruction. `&`, `<` and `>` are escaped, so that the
only tags in a message are ours; characters that a reader does not see (controls, tags, changes of direction), in which
text can be hidden from a person who looks, are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clio_dagster.analyst.prices import estimated_tokens

_UNSEEN = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e0fff]"
)

ROLES = {"user": "user", "assistant": "assistant"}
"""Tags of the turns by role; any other role is `other`."""

TAGS_TOKENS = 7
"""Tokens of a turn's own tags."""

SHORTEST_PART = 64
"""Tokens below which a turn is left out rather than cut."""


def escaped(text: str) -> str:
    """Text as it may stand in a block."""
    seen = _UNSEEN.sub("", text)
    return seen.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def block(tag: str, text: str, **attributes: object) -> str:
    """A block of one text. `tag` and attributes are the project's own."""
    told = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<{tag}{told}>{escaped(text)}</{tag}>"


def blocks(tag: str, inside: Iterable[str]) -> str:
    """A block of blocks, each made by `block` or this."""
    return "\n".join((f"<{tag}>", *inside, f"</{tag}>"))


def topic(name: str, description: str, number: int | None = None) -> str:
    """A topic, numbered where it is to be spoken of."""
    told = "" if number is None else f' n="{number}"'
    return f"<topic{told}>{block('name', name)}{block('description', description)}</topic>"


@dataclass(frozen=True)
class Transcript:
    """A conversation as a block, and how many of its turns were left out or cut."""

    text: str
    left_out: int = 0

    @property
    def is_cut(self) -> bool:
        return self.left_out > 0


def transcript(messages: Sequence[Mapping[str, str]], most_tokens: int) -> Transcript:
    """A conversation (role, text) as one block of at most about `most_tokens`.

    A longer one is cut between turns: the first request stays, and so do the latest turns that fit, with a mark in
    between. A single turn that is too long for its part loses its own middle.
    """
    sizes = [estimated_tokens(message["text"]) + TAGS_TOKENS for message in messages]
    if sum(sizes) <= most_tokens:
        return Transcript(_conversation(map(_turn, messages)))
    first = next((place for place, message in enumerate(messages) if message["role"] == "user"), 0)
    kept = {first: _shortened(messages[first], sizes[first], most_tokens // 2)}
    left = most_tokens - min(sizes[first], most_tokens // 2)
    for place in range(len(messages) - 1, first, -1):
        if sizes[place] > left:
            # The last turn says how it ended: of that alone a part is better than nothing.
            if place == len(messages) - 1 and left >= SHORTEST_PART:
                kept[place] = _shortened(messages[place], sizes[place], left)
            break
        kept[place] = _turn(messages[place])
        left -= sizes[place]
    whole = {place for place in kept if kept[place] == _turn(messages[place])}
    return Transcript(_conversation(_with_marks(kept, len(messages))), left_out=len(messages) - len(whole))


def _conversation(turns: Iterable[str]) -> str:
    return blocks("conversation", turns)


def _turn(message: Mapping[str, str]) -> str:
    return block(ROLES.get(message["role"], "other"), message["text"])


def _shortened(message: Mapping[str, str], size: int, most_tokens: int) -> str:
    if size <= most_tokens:
        return _turn(message)
    text = message["text"]
    characters = len(text) * most_tokens // size // 2
    role = ROLES.get(message["role"], "other")
    cut = f"{escaped(text[:characters])}<cut/>{escaped(text[len(text) - characters :])}"
    return f"<{role}>{cut}</{role}>"


def _with_marks(kept: Mapping[int, str], turns: int) -> Iterable[str]:
    missing = 0
    for place in range(turns):
        if place in kept:
            if missing:
                yield f'<cut turns="{missing}"/>'
            missing = 0
            yield kept[place]
        else:
            missing += 1
    if missing:
        yield f'<cut turns="{missing}"/>'

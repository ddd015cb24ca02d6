"""Messages as the layouts write them, turned into roles and texts.

Only what a person wrote is `user`. What a client or a model put beside it (system prompts, tool calls and
their results, files) keeps a role of its own; reasoning that nobody was shown is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

USER, ASSISTANT, SYSTEM, TOOL, ATTACHMENT = "user", "assistant", "system", "tool", "attachment"


class Message(NamedTuple):
    """One message, or one part of a message where its parts have different roles."""

    role: str
    text: str


class Malformed(ValueError):
    """A record cannot be landed. The message is the reason, without anything of the record's text."""


_ROLES = {
    "user": USER,
    "human": USER,
    "prompter": USER,
    "assistant": ASSISTANT,
    "ai": ASSISTANT,
    "model": ASSISTANT,
    "gpt": ASSISTANT,
    "chatgpt": ASSISTANT,
    "bard": ASSISTANT,
    "bing": ASSISTANT,
    "claude": ASSISTANT,
    "system": SYSTEM,
    "developer": SYSTEM,
    "attachment": ATTACHMENT,
}
"""Who speaks, in the layouts' words. Any other speaker is a tool: `tool`, `function`, `observation`."""

_UNSHOWN_BLOCKS = frozenset({"thinking", "redacted_thinking", "reasoning", "flag"})
_TEXT_BLOCKS = frozenset({"text", "input_text", "output_text", "refusal"})
_FILE_BLOCKS = frozenset(
    {"image", "image_url", "input_image", "document", "file", "input_file", "audio", "input_audio", "video"}
)
_BESIDE = frozenset({"attachments", "tool_calls", "function_call"})
"""What stands beside a message's content, and is read too."""

_TOOL_FIELDS = frozenset({"name", "input", "content", "output", "text", "arguments"})


def role_of(name: object) -> str:
    """The role that a speaker's name stands for."""
    if not isinstance(name, str) or not name.strip():
        raise Malformed("a message has no role")
    return _ROLES.get(name.strip().lower(), TOOL)


def read_messages(value: object, *, role: str = "role", text: str = "content") -> list[Message]:
    """Messages of a list of objects that have a speaker under `role` and text or blocks under `text`."""
    if not isinstance(value, list):
        raise Malformed("messages are not a list")
    read: list[Message] = []
    for item in value:
        if type(item) is dict and _BESIDE.isdisjoint(item):
            # Most messages are a known speaker and a text: read here, three times faster.
            name, content = item.get(role), item.get(text)
            if type(content) is str and type(name) is str and name in _ROLES:
                read.append(Message(_ROLES[name], content))
                continue
        if not isinstance(item, Mapping):
            raise Malformed("a message is not an object")
        speaker = role_of(item.get(role))
        content = item.get(text)
        read += attachments_of(item.get("attachments"))
        read += content_messages(speaker, content if content is not None else item.get("text"))
        read += _tool_calls(item)
    return read


def content_messages(role: str, content: object) -> Iterator[Message]:
    """Messages of one content: a text, or texts and typed blocks. Neighbouring texts are one message."""
    if content is None:
        return
    if isinstance(content, str):
        yield Message(role, content)
        return
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        raise Malformed("a message's content is neither text nor a list of blocks")
    texts: list[str] = []
    for block in content:
        if isinstance(block, str):
            texts.append(block)
        elif not isinstance(block, Mapping):
            raise Malformed("a message's content holds something that is neither text nor a block")
        elif _kind(block) in _TEXT_BLOCKS:
            texts.append(_string(block.get("text") or block.get("refusal")))
        else:
            part = _other_block(block)
            if part is not None:
                if texts:
                    yield Message(role, "\n\n".join(texts))
                    texts = []
                yield part
    if texts:
        yield Message(role, "\n\n".join(texts))


def attachments_of(value: object) -> Iterator[Message]:
    """Files beside a message: what was extracted from each, else its name."""
    if not isinstance(value, Iterable) or isinstance(value, str | Mapping):
        return
    for item in value:
        if isinstance(item, Mapping):
            names = (item.get(key) for key in ("extracted_content", "content", "text", "file_name", "name"))
            text = next((name for name in names if isinstance(name, str) and name.strip()), "")
            yield Message(ATTACHMENT, text)
        elif isinstance(item, str):
            yield Message(ATTACHMENT, item)


def _other_block(block: Mapping[str, Any]) -> Message | None:
    kind = _kind(block)
    if kind in _UNSHOWN_BLOCKS:
        return None
    if kind in _FILE_BLOCKS:
        source = block.get("source")
        text = source.get("data") if isinstance(source, Mapping) and source.get("type") == "text" else None
        return Message(ATTACHMENT, _string(text or block.get("title") or block.get("name")))
    # Calls and results of tools, under any of their names, and blocks that later formats may bring.
    inner = {key: value for key, value in block.items() if key in _TOOL_FIELDS and value is not None}
    return Message(TOOL, _flat(inner))


def _tool_calls(message: Mapping[str, Any]) -> Iterator[Message]:
    """OpenAI's calls of tools, which stand beside the content."""
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        for call in calls:
            yield Message(TOOL, _flat(call.get("function", call) if isinstance(call, Mapping) else call))
    elif isinstance(message.get("function_call"), Mapping):
        yield Message(TOOL, _flat(message["function_call"]))


def _kind(block: Mapping[str, Any]) -> str:
    kind = block.get("type") or "text"
    return kind if isinstance(kind, str) else ""


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _flat(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, default=str).decode()
    except orjson.JSONEncodeError:  # nested deeper than anything that a tool is given
        return ""

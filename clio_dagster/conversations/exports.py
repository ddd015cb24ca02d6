"""The exports that people make of their own conversations: Claude.ai and ChatGPT, both trees of messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clio_dagster.conversations.conversation import Conversation, Record, first_of
from clio_dagster.conversations.messages import (
    ASSISTANT,
    SYSTEM,
    TOOL,
    Malformed,
    Message,
    attachments_of,
    content_messages,
    role_of,
)


def claude_export(record: Record) -> Conversation | None:
    """Claude.ai export: uuid, created_at, account {uuid}, chat_messages with blocks and attachments."""
    messages = record.get("chat_messages")
    if not isinstance(messages, list):
        return None
    if not all(isinstance(message, Mapping) for message in messages):
        raise Malformed("a message is not an object")
    leaf = record.get("current_leaf_message_uuid")
    nodes = {message["uuid"]: message for message in messages if isinstance(message.get("uuid"), str)}
    if isinstance(leaf, str) and leaf in nodes:
        messages = _branch(nodes, leaf, parent="parent_message_uuid")
    read: list[Message] = []
    for message in messages:
        read += attachments_of(message.get("attachments"))
        read += attachments_of(message.get("files"))
        # Older exports have `text` alone; newer ones repeat in it what the blocks hold, tools included.
        read += content_messages(
            role_of(message.get("sender")), message.get("content") or message.get("text")
        )
    account = record.get("account")
    return Conversation(
        layout="Claude.ai export",
        conversation_id=record.get("uuid"),
        account=account.get("uuid") if isinstance(account, Mapping) else account,
        started_at=record.get("created_at"),
        messages=read,
    )


def chatgpt_export(record: Record) -> Conversation | None:
    """ChatGPT export: a tree of messages in `mapping`; the branch that ends in `current_node` was shown."""
    mapping = record.get("mapping")
    if not isinstance(mapping, Mapping):
        return None
    nodes = {key: node for key, node in mapping.items() if isinstance(node, Mapping)}
    leaf = record.get("current_node")
    if not isinstance(leaf, str) or leaf not in nodes:
        leaf = next((key for key in reversed(nodes) if not nodes[key].get("children")), None)
    read: list[Message] = []
    for node in _branch(nodes, leaf, parent="parent"):
        if isinstance(node.get("message"), Mapping):
            read += _chatgpt_message(node["message"])
    return Conversation(
        layout="ChatGPT export",
        conversation_id=first_of(record, "conversation_id", "id"),
        account=first_of(record, "account_id", "user_id"),
        started_at=record.get("create_time"),
        messages=read,
    )


def _branch(nodes: Mapping[Any, Record], leaf: object, *, parent: str) -> list[Record]:
    """The nodes from the root to `leaf`. A loop of parents ends where it closes."""
    path: list[Record] = []
    seen: set[object] = set()
    while isinstance(leaf, str) and leaf in nodes and leaf not in seen:
        seen.add(leaf)
        path.append(nodes[leaf])
        leaf = nodes[leaf].get(parent)
    return path[::-1]


def _chatgpt_message(message: Record) -> list[Message]:
    author, content = message.get("author"), message.get("content")
    metadata = message.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    if not isinstance(author, Mapping) or not isinstance(content, Mapping):
        return []
    kind = content.get("content_type")
    role = role_of(author.get("role"))
    if kind in ("thoughts", "reasoning_recap"):
        return []
    if kind in ("user_editable_context", "model_editable_context") or metadata.get(
        "is_visually_hidden_from_conversation"
    ):
        # Custom instructions and memory are sent in the user's name with every conversation.
        role = SYSTEM
    elif (role == ASSISTANT and message.get("recipient", "all") not in ("all", None)) or kind in (
        "execution_output",
        "tether_quote",
        "tether_browsing_display",
    ):
        role = TOOL
    read = list(attachments_of(metadata.get("attachments")))
    parts = content.get("parts")
    if not isinstance(parts, list):
        texts = (content.get(key) for key in ("text", "result", "user_instructions", "model_set_context"))
        return [*read, Message(role, next((text for text in texts if isinstance(text, str)), ""))]
    # What was said aloud stands as a transcription; other parts are pointers to images and sounds.
    said = (part.get("text") if isinstance(part, Mapping) else part for part in parts)
    return [*read, Message(role, "\n\n".join(text for text in said if isinstance(text, str) and text))]

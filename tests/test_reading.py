"""Reading: layouts are recognised by their fields, and only what a person wrote is the user's."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from clio_dagster.conversations.conversation import Conversation
from clio_dagster.conversations.files import Entry, NotConversations, find_sources, read_entries
from clio_dagster.conversations.json_stream import split_elements, split_lines
from clio_dagster.conversations.layouts import recognise
from clio_dagster.conversations.messages import Malformed
from clio_dagster.conversations.records import ValidRecord, parse_time, validate
from clio_dagster.settings import Settings, load_settings

NOW = datetime(2026, 11, 20, tzinfo=UTC)

OWN = {
    "conversation_id": "c1",
    "account_id": "ann",
    "started_at": "2026-11-01T10:00:00+00:00",
    "messages": [
        {"role": "user", "content": "How do I prune roses?"},
        {"role": "assistant", "content": "In winter."},
    ],
    "flagged": False,
    "metadata": {"secret": "left behind"},
}
WILDCHAT = {
    "conversation_hash": "w1",
    "model": "gpt-4",
    "timestamp": datetime(2026, 11, 1, 11, 0, tzinfo=UTC),
    "hashed_ip": "ip1",
    "language": "English",
    "toxic": True,
    "conversation": [
        {"role": "user", "content": "Hello there", "hashed_ip": "ip1", "timestamp": None},
        {"role": "assistant", "content": "Hi", "timestamp": datetime(2026, 11, 1, 10, 0, tzinfo=UTC)},
    ],
}
LMSYS = {
    "conversation_id": "l1",
    "model": "vicuna-13b",
    "turn": 1,
    "language": "English",
    "openai_moderation": [{"flagged": False}, {"flagged": True}],
    "conversation": [{"role": "user", "content": "Tell me a joke"}, {"role": "assistant", "content": "No."}],
}
SHAREGPT = {
    "id": "s1",
    "conversations": [
        {"from": "system", "value": "Be kind."},
        {"from": "human", "value": "What is a haiku?"},
        {"from": "gpt", "value": "A short poem."},
        {"from": "observation", "value": "{}"},
    ],
}
CLAUDE = {
    "uuid": "k1",
    "name": "Roses",
    "created_at": "2026-11-01T10:00:00.123456Z",
    "account": {"uuid": "acc"},
    "chat_messages": [
        {
            "uuid": "m1",
            "sender": "human",
            "text": "Read this",
            "content": [{"type": "text", "text": "Read this"}],
            "attachments": [{"file_name": "a.txt", "extracted_content": "pasted document"}],
            "files": [{"file_name": "photo.png"}],
        },
        {
            "uuid": "m2",
            "sender": "assistant",
            "text": "",
            "content": [
                {"type": "thinking", "thinking": "hmm"},
                {"type": "tool_use", "name": "search", "input": {"q": "roses"}},
                {"type": "tool_result", "content": [{"type": "text", "text": "found"}]},
                {"type": "text", "text": "Done."},
            ],
        },
    ],
}


def _node(parent: str | None, role: str, *parts: Any, **message: Any) -> dict[str, Any]:
    content = message.pop("content", {"content_type": "text", "parts": list(parts)})
    return {
        "parent": parent,
        "children": [],
        "message": {"author": {"role": role}, "content": content, **message},
    }


CHATGPT = {
    "conversation_id": "g1",
    "title": "Roses",
    "create_time": 1793527200.5,
    "current_node": "answer-2",
    "mapping": {
        "root": {"parent": None, "children": ["about-me"], "message": None},
        "about-me": _node(
            "root",
            "user",
            content={"content_type": "user_editable_context", "user_instructions": "I am a nurse."},
        ),
        "ask": _node("about-me", "user", "How do roses grow?", {"content_type": "image_asset_pointer"}),
        "answer-1": _node("ask", "assistant", "The branch that was thrown away."),
        "search": _node("ask", "assistant", "search('roses')", recipient="browser"),
        "result": _node("search", "tool", content={"content_type": "tether_quote", "text": "a page"}),
        "answer-2": _node("result", "assistant", "Slowly."),
    },
}
OPENAI_LOG = {
    "id": "o1",
    "created": 1793527200,
    "user": "ann",
    "messages": [
        {"role": "developer", "content": "You are a gardener."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {}}],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"function": {"name": "see", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "a rose"},
    ],
    "choices": [{"message": {"role": "assistant", "content": "It is a rose."}}],
}
ANTHROPIC_LOG = {
    "timestamp": "2026-11-01T10:00:00",
    "request": {
        "system": [{"type": "text", "text": "You are a gardener."}],
        "metadata": {"user_id": "ann"},
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "document", "source": {"type": "text", "data": "a long contract"}},
                    {"type": "text", "text": "Sum it up"},
                ],
            },
            {"role": "assistant", "content": [{"type": "tool_use", "name": "count", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "content": "42 clauses"}]},
        ],
    },
    "response": {"id": "msg_1", "role": "assistant", "content": [{"type": "text", "text": "It has 42."}]},
}
RECORDS: dict[str, dict[str, Any]] = {
    "own": OWN,
    "WildChat-1M": WILDCHAT,
    "LMSYS-Chat-1M": LMSYS,
    "ShareGPT": SHAREGPT,
    "Claude.ai export": CLAUDE,
    "ChatGPT export": CHATGPT,
    "message log": OPENAI_LOG,
}


def read(record: dict[str, Any]) -> Conversation:
    conversation = recognise(record)
    assert conversation is not None
    return conversation


def roles(record: dict[str, Any]) -> list[str]:
    return [message.role for message in read(record).messages]


def said(record: dict[str, Any], role: str) -> list[str]:
    return [message.text for message in read(record).messages if message.role == role]


@pytest.mark.parametrize("layout", RECORDS)
def test_each_layout_is_recognised_by_its_fields(layout: str) -> None:
    assert read(RECORDS[layout]).layout == layout


@pytest.mark.parametrize("record", [{}, {"name": "a", "price": 3}, {"id": 1, "text": "x"}, {"messages": 3}])
def test_an_object_of_no_layout_is_no_conversation(record: dict[str, Any]) -> None:
    assert recognise(record) is None


def test_wildchat_began_at_its_earliest_turn_not_at_its_timestamp() -> None:
    assert read(WILDCHAT).started_at == datetime(2026, 11, 1, 10, 0, tzinfo=UTC)


def test_wildchat_names_its_account_its_language_and_its_verdict() -> None:
    conversation = read(WILDCHAT)
    assert (conversation.account, conversation.language, conversation.flagged) == ("ip1", "English", True)


def test_lmsys_is_flagged_where_any_turn_was_moderated() -> None:
    assert read(LMSYS).flagged is True


def test_sharegpt_speakers_are_given_their_roles() -> None:
    assert roles(SHAREGPT) == ["system", "user", "assistant", "tool"]


def test_claude_attachments_and_tools_are_never_the_users_words() -> None:
    assert roles(CLAUDE) == ["attachment", "attachment", "user", "tool", "tool", "assistant"]
    assert said(CLAUDE, "user") == ["Read this"]
    assert read(CLAUDE).account == "acc"


def test_thoughts_that_nobody_was_shown_are_dropped() -> None:
    assert "hmm" not in str(read(CLAUDE).messages)


def test_a_claude_tree_is_read_along_its_current_branch() -> None:
    def message(name: str, parent: str | None, sender: str) -> dict[str, Any]:
        return {"uuid": name, "parent_message_uuid": parent, "sender": sender, "text": name}

    tree = {
        "uuid": "k2",
        "current_leaf_message_uuid": "c",
        "chat_messages": [
            message("a", None, "human"),
            message("b", "a", "assistant"),
            message("c", "a", "assistant"),
        ],
    }
    assert [said.text for said in read(tree).messages] == ["a", "c"]


def test_a_chatgpt_tree_is_read_along_its_current_branch() -> None:
    assert said(CHATGPT, "assistant") == ["Slowly."]


def test_chatgpt_instructions_and_tools_are_never_the_users_words() -> None:
    assert said(CHATGPT, "user") == ["How do roses grow?"]
    assert said(CHATGPT, "system") == ["I am a nurse."]
    assert said(CHATGPT, "tool") == ["search('roses')", "a page"]


def test_a_chatgpt_tree_without_a_current_node_ends_at_its_last_leaf() -> None:
    assert said({**CHATGPT, "current_node": None}, "assistant") == ["Slowly."]


def test_a_chatgpt_tree_whose_parents_form_a_loop_ends() -> None:
    mapping = {"a": _node("b", "user", "one"), "b": _node("a", "assistant", "two")}
    assert len(roles({**CHATGPT, "mapping": mapping, "current_node": "a"})) == 2


def test_openai_logs_keep_prompts_images_and_tools_apart() -> None:
    assert roles(OPENAI_LOG) == ["system", "user", "attachment", "tool", "tool", "assistant"]


def test_anthropic_logs_keep_prompts_documents_and_tools_apart() -> None:
    assert roles(ANTHROPIC_LOG) == ["system", "attachment", "user", "tool", "tool", "assistant"]
    assert said(ANTHROPIC_LOG, "attachment") == ["a long contract"]
    assert read(ANTHROPIC_LOG).account == "ann"


def test_messages_written_as_json_text_are_decoded() -> None:
    assert roles({**OWN, "messages": json.dumps(OWN["messages"])}) == ["user", "assistant"]


@pytest.mark.parametrize(
    "messages",
    ["hello", 3, [3], [{"content": "no role"}], [{"role": "user", "content": 3}], "[broken"],
)
def test_a_layouts_fields_in_another_shape_are_malformed_and_nothing_is_quoted(messages: Any) -> None:
    with pytest.raises(Malformed) as refused:
        recognise({**OWN, "messages": messages})
    assert "hello" not in str(refused.value) and "broken" not in str(refused.value)


# What a record must be.


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", key_file=tmp_path / "key")


def validated(record: dict[str, Any], site: Settings) -> ValidRecord:
    return validate(read(record), site, now=NOW, user_characters=100)


def refusal(record: dict[str, Any], site: Settings) -> str:
    with pytest.raises(Malformed) as refused:
        validated(record, site)
    return str(refused.value)


def test_turns_are_the_messages_of_user_and_assistant(site: Settings) -> None:
    assert validated({**OPENAI_LOG, "created": "2026-11-01"}, site).turns == 2


def test_a_day_is_one_of_the_sites_time_zone(tmp_path: Path) -> None:
    tokyo = load_settings(home=tmp_path / "home", key_file=tmp_path / "key", timezone="Asia/Tokyo")
    assert validated({**OWN, "started_at": "2026-11-01T20:00:00Z"}, tokyo).date == date(2026, 11, 2)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-01T10:00:00Z",
        "2026-11-01 10:00:00",
        "2026-11-01 10:00:00 UTC",
        "2026-11-01T12:00:00+02:00",
        1793527200,
        1793527200000,
        "1793527200",
        1793527200.0,
        datetime(2026, 11, 1, 10),
    ],
)
def test_a_time_is_read_however_it_is_written_and_is_utc_unless_it_says_otherwise(written: object) -> None:
    assert parse_time(written) == datetime(2026, 11, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "written", ["soon", "2026-13-01", "2026-11-01T10:00:00 Mars/Olympus", True, [], float("nan"), 10**400]
)
def test_what_is_no_time_is_refused(written: object, site: Settings) -> None:
    assert "not a time" in refusal({**OWN, "started_at": written}, site)


@pytest.mark.parametrize("written", ["1970-01-01", 0.0, 1])
def test_a_day_before_the_start_names_the_setting(written: object, site: Settings) -> None:
    assert "CLIO_START_DATE 2023-01-01" in refusal({**OWN, "started_at": written}, site)


@pytest.mark.parametrize("written", ["2100-01-01", "9999-12-31T23:59:59Z"])
def test_a_day_in_the_future_is_refused(written: str, site: Settings) -> None:
    assert "future" in refusal({**OWN, "started_at": written}, site)


def test_an_undated_record_says_which_setting_dates_it(site: Settings) -> None:
    assert "CLIO_UNDATED_AS" in refusal(LMSYS, site)


def test_undated_records_belong_to_the_day_that_is_set(tmp_path: Path) -> None:
    dated = load_settings(
        home=tmp_path / "home",
        key_file=tmp_path / "key",
        timezone="America/New_York",
        undated_as=date(2026, 11, 3),
    )
    assert validated(SHAREGPT, dated).date == date(2026, 11, 3)


@pytest.mark.parametrize("messages", [None, [], [{"role": "user", "content": "  "}]])
def test_a_record_without_messages_is_refused(messages: Any, site: Settings) -> None:
    assert refusal({**OWN, "messages": messages}, site) == "no messages"


def test_a_record_without_a_word_of_the_user_is_refused(site: Settings) -> None:
    messages = [{"role": "system", "content": "Be kind."}, {"role": "assistant", "content": "Hello"}]
    assert refusal({**OWN, "messages": messages}, site) == "no text of the user"


def test_a_record_without_an_account_is_valid(site: Settings) -> None:
    assert validated({**OWN, "account_id": None}, site).account is None


def test_a_missing_id_is_made_from_content_and_the_sites_key(site: Settings, tmp_path: Path) -> None:
    nameless = {**OWN, "conversation_id": None}
    other_site = load_settings(home=tmp_path / "home", key_file=tmp_path / "other-key")
    first = validated(nameless, site).conversation_id
    assert first == validated(nameless, site).conversation_id
    assert first != validated({**nameless, "account_id": "bob"}, site).conversation_id
    assert first != validated(nameless, other_site).conversation_id


def test_a_number_for_an_id_is_taken_for_its_digits(site: Settings) -> None:
    assert validated({**OWN, "conversation_id": 7, "account_id": 12}, site)[:2] == ("7", "12")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def mangled_records(draw: st.DrawFn) -> dict[str, Any]:
    """A record of a layout, one value somewhere inside it replaced by anything."""
    record = json.loads(json.dumps(draw(st.sampled_from(list(RECORDS.values()))), default=str))
    place: Any = record
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
            continue
        place[key] = draw(json_values)
        return record


@effort(max_examples=300, deadline=None)
@given(record=mangled_records() | st.dictionaries(st.text(max_size=6), json_values, max_size=5))
def test_whatever_a_record_holds_it_is_read_or_refused_with_a_reason(record: dict[str, Any]) -> None:
    site = load_settings(home=Path("home"), key_file=Path("key"), undated_as=date(2026, 11, 1))
    site.__dict__["key"] = bytes(32)
    try:
        conversation = recognise(record)
        if conversation is not None:
            valid = validate(conversation, site, now=NOW, user_characters=100)
            assert valid.user_text and valid.turns >= 1
    except Malformed as refused:
        assert str(refused)


# Cutting streams.


def blocks(data: bytes, size: int) -> Any:
    return (data[start : start + size] for start in range(0, len(data), size))


@effort(max_examples=200, deadline=None)
@given(
    values=st.lists(json_values, min_size=1, max_size=6),
    size=st.integers(1, 40),
    indent=st.sampled_from([None, 2]),
    is_ascii=st.booleans(),
)
def test_an_array_is_cut_into_its_elements_however_it_is_read(
    values: list[Any], size: int, indent: int | None, is_ascii: bool
) -> None:
    data = json.dumps(values, indent=indent, ensure_ascii=is_ascii).encode()
    cut = [json.loads(part.text or b"") for part in split_elements(blocks(data, size), b"[", 10**6)]
    assert json.dumps(cut) == json.dumps(values)
    holder = json.dumps(
        {"exported": "[1]", "all": values, "n": 1}, indent=indent, ensure_ascii=is_ascii
    ).encode()
    cut = [json.loads(part.text or b"") for part in split_elements(blocks(holder, size), b"{[", 10**6)]
    assert json.dumps(cut) == json.dumps(values)


@effort(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200), size=st.integers(1, 40), limit=st.integers(1, 50))
def test_any_bytes_are_cut_without_an_error_and_within_the_limit(data: bytes, size: int, limit: int) -> None:
    for parts in (
        split_lines(blocks(data, size), limit),
        split_elements(blocks(data, size), b"[", limit),
        split_elements(blocks(data, size), b"{[", limit),
    ):
        places = [part.place for part in parts if part.text is None or len(part.text) <= limit]
        assert places == sorted(set(places))


def test_lines_are_numbered_as_an_editor_numbers_them() -> None:
    parts = split_lines(blocks(b'{"a":1}\n\n{"b":2}\r\n{"c":3}', 4), 100)
    assert [(part.place, part.text) for part in parts] == [
        (1, b'{"a":1}'),
        (3, b'{"b":2}\r'),
        (4, b'{"c":3}'),
    ]


# Files.


def entries(path: Path, limit: int = 1_000_000) -> list[Entry]:
    return list(read_entries(path, max_record_bytes=limit, scratch=path.parent))


def as_csv(records: list[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(
        out, ["conversation_id", "account_id", "started_at", "messages"], extrasaction="ignore"
    )
    writer.writeheader()
    writer.writerows([{**record, "messages": json.dumps(record["messages"], indent=1)} for record in records])
    return out.getvalue().encode()


def as_parquet(records: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(
        [{key: value for key, value in record.items() if key != "metadata"} for record in records]
    ).write_parquet(out)
    return out.getvalue()


WRITERS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "lines.jsonl": lambda records: "\n".join(map(json.dumps, records)).encode(),
    "array.json": lambda records: json.dumps(records).encode(),
    "pretty.json": lambda records: json.dumps(records, indent=2).encode(),
    "holder.json": lambda records: json.dumps({"version": 1, "items": records}, indent=2).encode(),
    "lines.json": lambda records: "\n".join(map(json.dumps, records)).encode(),
    "marked.jsonl": lambda records: b"\xef\xbb\xbf" + "\n".join(map(json.dumps, records)).encode(),
    "table.csv": as_csv,
    "table.parquet": as_parquet,
}


@pytest.mark.parametrize("is_gzipped", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_conversations_plain_or_gzipped(
    name: str, is_gzipped: bool, tmp_path: Path
) -> None:
    data = WRITERS[name]([{**OWN, "conversation_id": f"c{number}"} for number in range(3)])
    path = tmp_path / (name + ".gz" * is_gzipped)
    path.write_bytes(gzip.compress(data) if is_gzipped else data)
    conversations = [read(entry.record or {}) for entry in entries(path)]
    assert [conversation.conversation_id for conversation in conversations] == ["c0", "c1", "c2"]
    assert all(conversation.messages == read(OWN).messages for conversation in conversations)


@pytest.mark.parametrize("layout", RECORDS)
def test_one_conversation_alone_is_a_json_file_of_its_own(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(RECORDS[layout], default=str, indent=2))
    [entry] = entries(path)
    assert read(entry.record or {}).layout == layout


def test_an_object_larger_than_a_record_may_be_is_streamed_for_the_array_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "holder.json"
    path.write_bytes(WRITERS["holder.json"]([OWN] * 20))
    assert len([entry for entry in entries(path, limit=2_000) if entry.record]) == 20


def test_gzip_members_one_after_another_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl.gz"
    line = json.dumps(OWN).encode() + b"\n"
    path.write_bytes(gzip.compress(line) + gzip.compress(line))
    assert len(entries(path)) == 2


def test_a_bad_element_of_an_array_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "array.json"
    good = json.dumps(OWN).encode()
    path.write_bytes(b"[" + b",".join([good, b'{"a": nope}', b'"\xff\xfe"', b"7", good]) + b"]")
    assert [(entry.place, entry.reason) for entry in entries(path)] == [
        (1, ""),
        (2, "not valid JSON"),
        (3, "not valid UTF-8"),
        (4, "not an object"),
        (5, ""),
    ]


def test_a_bad_row_of_a_csv_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    data = as_csv([OWN])
    path.write_bytes(
        data + b"one,two\r\n" + b"c,\xff,t,m\r\n" + b"x" * 5_000 + b"\r\n" + data.split(b"\n", 1)[1]
    )
    reasons = [entry.reason for entry in entries(path, limit=2_000)]
    assert reasons == [
        "",
        "2 fields where the header has 4",
        "not valid UTF-8",
        "longer than CLIO_MAX_RECORD_BYTES (2,000)",
        "",
    ]


@pytest.mark.parametrize("name", WRITERS)
def test_progress_ends_at_the_size_of_the_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(WRITERS[name]([OWN] * 3))
    told: list[tuple[int, int]] = []

    def tell(done: int, size: int) -> None:
        told.append((done, size))

    list(read_entries(path, max_record_bytes=10**6, scratch=tmp_path, on_progress=tell))
    assert told[-1] == (path.stat().st_size, path.stat().st_size)


def test_a_folder_gives_its_source_files_sorted(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for name in ("b.jsonl.gz", "a.csv", "notes.txt", ".hidden.json", "more/c.parquet"):
        (tmp_path / name).write_bytes(b"x")
    assert [path.relative_to(tmp_path).as_posix() for path in find_sources(tmp_path)] == [
        "a.csv",
        "b.jsonl.gz",
        "more/c.parquet",
    ]


@pytest.mark.parametrize("name", ["missing.jsonl", "notes.txt", "empty-folder"])
def test_a_path_without_source_files_says_what_was_expected(name: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty-folder").mkdir()
    with pytest.raises(NotConversations, match=r"expected .*conversation_id"):
        find_sources(tmp_path / name)

"""Source files as streams of records, in bounded memory whatever their size.

`.jsonl`, `.json`, `.csv` and `.parquet`, each also gzipped. A stream gives the parts of a file with their places;
JSON texts are still to be decoded, which any process can do. It goes on after whatever is broken where the format
lets it. What the objects mean is for `layouts`.
"""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from clio_dagster.conversations.json_stream import Split, split_elements, split_lines
from clio_dagster.conversations.layouts import COLUMNS, EXPECTED, recognise
from clio_dagster.conversations.messages import Malformed
from clio_dagster.conversations.records import too_long
from clio_dagster.conversations.source_bytes import BLOCK_BYTES, SourceBytes

FORMATS = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")

_PARQUET_ROWS = 64


class NotConversations(ValueError):
    """A file or folder that holds no conversations. The message names it and says what was expected."""


class Entry(NamedTuple):
    """One record of a file, or the reason why there is none. `place` counts lines, elements, rows from 1."""

    place: int
    record: dict[str, Any] | None
    reason: str = ""


class Part(NamedTuple):
    """What a file holds at a place: a JSON `text` to be decoded, a `record` that the file's format has decoded, or
    neither, for the `reason`. `size` is about how many bytes it is of; `is_whole` is false where the file ended within
    the text."""

    place: int
    size: int
    text: bytes | bytearray | None = None
    record: dict[str, Any] | None = None
    reason: str = ""
    is_whole: bool = True


def find_sources(path: Path) -> list[Path]:
    """The source files at `path`: itself, or those anywhere below it, sorted. Hidden files are not looked at.

    Raises NotConversations where there is none.
    """
    if not path.exists():
        raise NotConversations(f"{path} does not exist: expected a file or folder of {EXPECTED}")
    if path.is_file():
        _format(path)
        return [path]
    found = sorted(
        file
        for file in path.rglob("*")
        if file.is_file()
        and _suffix(file) in FORMATS
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    if not found:
        raise NotConversations(
            f"{path} holds no {', '.join(FORMATS)} file (or .gz of one): expected {EXPECTED}"
        )
    return found


def read_entries(
    path: Path,
    *,
    max_record_bytes: int,
    scratch: Path,
    on_progress: Callable[[int, int], None] | None = None,
) -> Iterator[Entry]:
    """The entries of a file in order, each place once (see `read_parts`)."""
    return map(
        decode, read_parts(path, max_record_bytes=max_record_bytes, scratch=scratch, on_progress=on_progress)
    )


def read_parts(
    path: Path,
    *,
    max_record_bytes: int,
    scratch: Path,
    on_progress: Callable[[int, int], None] | None = None,
) -> Iterator[Part]:
    """The parts of a file in order, each place once.

    A file that breaks off (a truncated gzip) gives its good records and one part for the break.
    `on_progress` is called with the bytes read so far and the size of the file; a gzipped Parquet file is
    inflated in the folder `scratch`. Raises NotConversations where the file is empty, binary, or not of its
    format at all.
    """
    kind = _format(path)
    source = SourceBytes(path, on_progress)
    if path.stat().st_size == 0:
        raise NotConversations(f"{path.name} is empty: expected {EXPECTED}")
    if kind == ".parquet":
        return _parquet(source, scratch)
    _refuse_binary(source)
    if kind == ".csv":
        return _csv(source, max_record_bytes)
    if kind == ".json":
        return _json(source, max_record_bytes)
    return _texts(split_lines(source.blocks(), max_record_bytes), source, max_record_bytes)


def decode(part: Part) -> Entry:
    """A part as a record, or the reason why it is none."""
    place, _, text, record, reason, is_whole = part
    if text is None:
        return Entry(place, record, reason)
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            text.decode("utf-8")
        except UnicodeDecodeError:
            return Entry(place, None, "not valid UTF-8")
        return Entry(place, None, _NOT_JSON if is_whole else f"{_NOT_JSON}: the file breaks off here")
    if not isinstance(value, dict):
        return Entry(place, None, "not an object")
    return Entry(place, value)


def _suffix(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _format(path: Path) -> str:
    suffix = _suffix(path)
    if suffix not in FORMATS:
        raise NotConversations(
            f"{path.name} is none of {', '.join(FORMATS)}, also gzipped: expected {EXPECTED}"
        )
    return suffix


def _refuse_binary(source: SourceBytes) -> None:
    head = source.head(4_096)
    if not head.strip():
        raise NotConversations(f"{source.path.name} is empty: expected {EXPECTED}")
    if b"\x00" in head or head.startswith((b"\x89", b"PK\x03\x04", b"\x1f\x8b")):
        raise NotConversations(f"{source.path.name} is binary, not UTF-8 text: expected {EXPECTED}")


_NOT_JSON = "not valid JSON"


def _texts(splits: Iterator[Split], source: SourceBytes, limit: int) -> Iterator[Part]:
    """Split texts as parts. That at which a broken file breaks off is told once, as the break."""
    place = 0
    for place, text, whole in splits:
        if text is None:
            yield Part(place, 0, reason=too_long(limit))
        elif whole or not source.broken:
            yield Part(place, len(text), text, is_whole=whole)
        else:
            place -= 1  # the break itself takes its place
    if source.broken:
        yield Part(place + 1, 0, reason=source.broken)


def _json(source: SourceBytes, limit: int) -> Iterator[Part]:
    """An array of records, an object that holds one, one record, or JSON lines: told by how it begins."""
    head = source.head(limit + 1)
    start = head.lstrip()[:1]
    if start == b"[":
        return _texts(split_elements(source.blocks(), b"[", limit), source, limit)
    if start != b"{" or _has_second_object(source):
        return _texts(split_lines(source.blocks(), limit), source, limit)
    if len(head) <= limit:
        only = Part(1, len(head), head)
        record = decode(only).record
        if record is not None and not _holds_records(record):
            return iter([only])
    return _texts(split_elements(source.blocks(), b"{[", limit), source, limit)


def _has_second_object(source: SourceBytes) -> bool:
    """Whether the second line begins an object, unindented, as in JSON lines and no object over lines."""
    in_first = True
    for block in SourceBytes(source.path).blocks():
        text = block.lstrip() if in_first and block.isspace() else block
        if in_first:
            end = text.find(b"\n")
            if end < 0:
                continue
            in_first, text = False, text[end + 1 :]
        text = text.lstrip(b"\r\n")
        if text:
            return text.startswith(b"{")
    return False


def _holds_records(value: dict[str, Any]) -> bool:
    """Whether an object is no conversation itself, but holds an array of objects that may be."""
    try:
        if recognise(value) is not None:
            return False
    except Malformed:
        return False
    return any(isinstance(inner, list) and inner and isinstance(inner[0], dict) for inner in value.values())


def _csv(source: SourceBytes, limit: int) -> Iterator[Part]:
    """Rows under a header. Places count rows, the header aside: a quoted text may hold lines of its own."""
    csv.field_size_limit(limit)
    skipped: list[int] = []

    def lines() -> Iterator[str]:
        for number, text, whole in split_lines(source.blocks(), limit, keep_blank=True):
            if text is None:
                skipped.append(number)
            elif whole or not source.broken:
                yield text.decode("utf-8", "surrogateescape") + "\n"

    rows = csv.reader(lines())
    header = [name.strip().lower() for name in next(rows, [])]
    place = 0
    while True:
        try:
            row = next(rows, None)
        except csv.Error:
            place += 1
            yield Part(place, 0, reason=f"not valid CSV, or {too_long(limit)}")
            continue
        while skipped:
            skipped.pop()
            place += 1
            yield Part(place, 0, reason=too_long(limit))
        if row is None:
            break
        if not row:
            continue
        place += 1
        yield _csv_part(place, header, row, limit)
    if source.broken:
        yield Part(place + 1, 0, reason=source.broken)


_SURROGATE = re.compile("[\ud800-\udfff]")


def _csv_part(place: int, header: list[str], row: list[str], limit: int) -> Part:
    if len(row) != len(header):
        return Part(place, 0, reason=f"{len(row)} fields where the header has {len(header)}")
    if any(_SURROGATE.search(field) for field in row):
        return Part(place, 0, reason="not valid UTF-8")
    size = sum(map(len, row))
    if size > limit:
        return Part(place, 0, reason=too_long(limit))
    record: dict[str, Any] = dict(zip(header, row, strict=True))
    flagged = str(record.get("flagged", "")).lower()
    if flagged in ("true", "false", "1", "0"):
        record["flagged"] = flagged in ("true", "1")
    return Part(place, size, record=record)


def _parquet(source: SourceBytes, scratch: Path) -> Iterator[Part]:
    """Rows of the columns that a layout reads. Parquet is read from its end: what is gzipped is inflated."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        path = source.path
        if source.gzipped:
            path = Path(folder) / "inflated.parquet"
            with path.open("wb") as file:
                file.writelines(source.blocks())
        yield from _parquet_rows(path, source)


def _parquet_rows(path: Path, source: SourceBytes) -> Iterator[Part]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path, buffer_size=BLOCK_BYTES, pre_buffer=False)
    except (pa.ArrowException, OSError):
        raise NotConversations(
            f"{source.path.name} is not a readable Parquet file: expected {EXPECTED}"
        ) from None
    rows, size, place = table.metadata.num_rows, source.path.stat().st_size, 0
    columns = [name for name in table.schema_arrow.names if name in COLUMNS]
    if not columns or rows == 0:
        raise NotConversations(
            f"{source.path.name} has no column or row of a conversation: expected {EXPECTED}"
        )
    batches = table.iter_batches(batch_size=_PARQUET_ROWS, columns=columns)
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError):
            yield Part(place + 1, 0, reason="the Parquet file is damaged from here on")
            return
        if batch is None:
            return
        batch = batch.cast(_microseconds(batch.schema), safe=False)
        row_bytes = batch.nbytes // max(1, batch.num_rows)
        for number in range(batch.num_rows):
            place += 1
            try:
                yield Part(place, row_bytes, record=batch.slice(number, 1).to_pylist()[0])
            except UnicodeDecodeError:
                yield Part(place, 0, reason="not valid UTF-8")
        if source.on_progress:
            source.on_progress(size * place // rows, size)


def _microseconds(schema: Any) -> Any:
    """The schema with its times in microseconds, which Python's datetime can hold."""
    import pyarrow as pa

    for number, field in enumerate(schema):
        if pa.types.is_timestamp(field.type):
            schema = schema.set(number, field.with_type(pa.timestamp("us", field.type.tz)))
    return schema

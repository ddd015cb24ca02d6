"""What is wrong with the log of Review, line by line: altered, removed, reordered, repeated, cut off."""

from __future__ import annotations

from dataclasses import dataclass

from clio_dagster.review.log import Head, Line, LogError, ReviewLog


@dataclass(frozen=True)
class Problem:
    """What is wrong at a line of the file, from 1."""

    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.kind}: {self.text}"


def verify(log: ReviewLog) -> list[Problem]:
    """Everything that is wrong with the log, in the file's order; empty where it is whole.

    A last line that the head does not know is what a crash leaves between the two, and is no problem.
    """
    lines = [log.line(stored) for stored in log.lines()]
    problems = [*_within(lines)]
    try:
        problems += _end(lines, log.anchored())
    except LogError as error:
        problems.append(Problem(len(lines), "no head", str(error)))
    return problems


def _within(lines: list[Line | None]) -> list[Problem]:
    problems = []
    places: dict[int, int] = {}
    for place, line in enumerate(lines, 1):
        if line is not None:
            places.setdefault(line.seq, place)
    expected, before = 1, ""
    for place, line in enumerate(lines, 1):
        if line is None:
            problems.append(Problem(place, "altered", "not as it was written"))
            expected, before = expected + 1, ""
            continue
        if line.seq < expected:
            kind = "repeated" if places[line.seq] != place else "reordered"
            problems.append(Problem(place, kind, f"is entry {line.seq}, which belongs before"))
            continue
        if missing := [seq for seq in range(expected, line.seq) if seq not in places]:
            problems.append(Problem(place, "removed", f"before it {_entries(missing)} missing"))
        if moved := [seq for seq in range(expected, line.seq) if seq in places]:
            problems.append(Problem(place, "reordered", f"is entry {line.seq}; {_entries(moved)} after it"))
        if line.seq == expected and before and line.previous != before:
            problems.append(Problem(place, "altered", "does not follow the line before it"))
        expected, before = line.seq + 1, line.hash
    return problems


def _end(lines: list[Line | None], head: Head) -> list[Problem]:
    """What the head says of the end: lines that are gone, or another line in the last one's place."""
    last = max((line.seq for line in lines if line), default=0)
    known = next((line for line in lines if line and line.seq == head.seq), None)
    if lines and lines[-1] is None and last == head.seq - 1:
        return []  # the last line is there, and was told of as altered
    if last < head.seq:
        return [Problem(len(lines) + 1, "truncated", f"{_entries([last + 1, head.seq])} cut off the end")]
    if known and known.hash != head.hash:
        return [Problem(len(lines), "altered", f"entry {head.seq} is not the one that the head knows")]
    if last > head.seq + 1:
        return [Problem(len(lines), "head behind", f"the head knows {head.seq} of {last} entries")]
    return []


def _entries(seqs: list[int]) -> str:
    first, last = min(seqs), max(seqs)
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"

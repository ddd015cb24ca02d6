"""Facets of the site's own, as `[[facets]]` in clio.toml names them.

Each is a question that the analyst answers of every conversation that it reads, and becomes a column. What answers
may be kept and what of them is counted is own_columns.py's.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    field_validator,
    model_validator,
)

Kind = Literal["text", "category", "scale", "number", "boolean"]
Number = StrictInt | StrictFloat

MOST_VALUES, MOST_STEPS, MOST_BINS = 50, 20, 20
LONGEST_NAME, LONGEST_VALUE, LONGEST_QUESTION = 40, 60, 500

POWERS_OF_TEN = (1, 10, 100, 1_000, 10_000)
"""Edges between which a number without bounds is counted."""

_ALLOWED = {
    "name": f"a name is a lower-case letter, then letters, digits and _, {LONGEST_NAME} at most, as in user_goal",
    "question": f"a question is text, not empty, of {LONGEST_QUESTION} characters at most",
    "kind": f"the kinds are {', '.join(get_args(Kind))}",
    "values": f"the values of a category are 2 to {MOST_VALUES} texts of 1 to {LONGEST_VALUE} characters, of which no "
    "two differ in case alone",
    "minimum": f"minimum and maximum of a scale are whole numbers at most {MOST_STEPS - 1} apart; of a number any, or "
    "none; the maximum is the larger",
    "bins": f"bins are 1 to {MOST_BINS} rising numbers between minimum and maximum, at which what is published of a "
    "number is parted",
    "clustered": "clustered is true or false, and true for a text alone",
}
_ALLOWED["maximum"] = _ALLOWED["minimum"]

_ONLY_FOR: dict[str, tuple[Kind, ...]] = {
    "values": ("category",),
    "minimum": ("scale", "number"),
    "maximum": ("scale", "number"),
    "bins": ("number",),
}


class Facet(BaseModel):
    """One question and what may answer it.

    `values`: of a category. `minimum`, `maximum`: of a scale, both; of a number, either or none. `bins`: rising edges
    between which a number is counted, the lower one of a bin included; unless given, fifths of the range where it has
    both bounds, else the powers of ten from 1 to 10,000 within it. `clustered`: whether a text has topics of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: StrictStr
    question: StrictStr
    kind: Kind
    values: tuple[StrictStr, ...] = ()
    minimum: Number | None = None
    maximum: Number | None = None
    bins: tuple[Number, ...] = ()
    clustered: StrictBool = False

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str) -> str:
        if not re.fullmatch(rf"[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}", value):
            raise ValueError(_ALLOWED["name"])
        if value in _taken():
            raise ValueError(f"the name {value} is taken by Clio's own: choose another, as in user_{value}")
        return value

    @field_validator("question")
    @classmethod
    def _check_question(cls, value: str) -> str:
        value = value.strip()
        if not 0 < len(value) <= LONGEST_QUESTION:
            raise ValueError(_ALLOWED["question"])
        return value

    @field_validator("values")
    @classmethod
    def _strip(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(value.strip() for value in values)

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        for field, kinds in _ONLY_FOR.items():
            if getattr(self, field) not in (None, ()) and self.kind not in kinds:
                raise ValueError(f"{field} is for {' and '.join(kinds)} alone, and its kind is {self.kind}")
        if self.clustered and self.kind != "text":
            raise ValueError(_ALLOWED["clustered"])
        if self.kind == "category" and not _are_values(self.values):
            raise ValueError(_ALLOWED["values"])
        if not _are_bounds(self.kind, self.minimum, self.maximum):
            raise ValueError(_ALLOWED["minimum"])
        if self.kind == "number" and not _are_bins(self.edges, self.minimum, self.maximum):
            raise ValueError(_ALLOWED["bins"])
        return self

    @property
    def edges(self) -> tuple[float, ...]:
        """Where what is published of a number is parted, rising."""
        if self.bins:
            return self.bins
        low, high = self.minimum, self.maximum
        if low is not None and high is not None:
            return tuple(float(f"{low + (high - low) * fifth / 5:.6g}") for fifth in range(1, 5))
        return tuple(
            edge for edge in POWERS_OF_TEN if (low is None or edge > low) and (high is None or edge < high)
        )

    @property
    def published_values(self) -> tuple[str, ...] | None:
        """Every value that may be published, in order; None of a text, which has no list."""
        if self.kind == "category":
            return self.values
        if self.kind == "scale":
            low, high = self.bounds
            return tuple(str(step) for step in range(low, high + 1))
        if self.kind == "boolean":
            return ("false", "true")
        if self.kind == "number":
            edges = [_plain(edge) for edge in self.edges]
            between = (f"{low} to {high}" for low, high in pairwise(edges))
            return (f"<{edges[0]}", *between, f"{edges[-1]}+")
        return None

    @property
    def bounds(self) -> tuple[int, int]:
        """Lowest and highest step of a scale."""
        return int(self.minimum or 0), int(self.maximum or 0)


def facets_from(given: object) -> tuple[Facet, ...]:
    """The facets that a setting names: a list of tables, or such a list as JSON.

    Raises ValueError, which names every facet that is wrong and says what is allowed.
    """
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.strip() else []
        except ValueError:
            raise ValueError('facets are a list, as JSON: [{"name": …, "question": …, "kind": …}]') from None
    if not isinstance(given, list | tuple):
        raise ValueError("facets are a list: a [[facets]] with name, question and kind for each")
    found: list[Facet] = []
    problems: list[str] = []
    for place, each in enumerate(given, start=1):
        try:
            found.append(each if isinstance(each, Facet) else Facet.model_validate(each))
        except ValidationError as error:
            name = each.get("name") if isinstance(each, dict) else None
            label = f"facet {name}" if isinstance(name, str) and name else f"facet number {place}"
            reasons = dict.fromkeys(_explained(detail) for detail in error.errors())
            problems.append(f"{label}: {'; '.join(reasons)}")
    names = [facet.name for facet in found]
    problems += [f"facet {name}: two have this name" for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        raise ValueError(". ".join(problems))
    return tuple(found)


def as_json(facets: Sequence[Facet]) -> str:
    """The facets as CLIO_FACETS takes them."""
    return json.dumps([facet.model_dump(mode="json", exclude_defaults=True) for facet in facets])


def clusterings(facets: Sequence[Facet], first: str) -> tuple[str, ...]:
    """The text facets that are clustered: `first`, which always is, and the site's own."""
    return (first, *(facet.name for facet in facets if facet.clustered))


def asked(facets: Sequence[Facet]) -> dict[str, str]:
    """For Stage.uses: what decides the answers. No entry where there are no facets."""
    return _used(facets, {"clustered", "bins"})


def shown(facets: Sequence[Facet]) -> dict[str, str]:
    """For Stage.uses: what decides which figures are published of the answers."""
    return _used(facets, {"clustered", "question"})


def clustered(facets: Sequence[Facet]) -> dict[str, str]:
    """For Stage.uses: which of the facets are clustered. No entry where none is."""
    names = [facet.name for facet in facets if facet.clustered]
    return {"facets": ",".join(names)} if names else {}


def _used(facets: Iterable[Facet], exclude: set[str]) -> dict[str, str]:
    told = [facet.model_dump(mode="json", exclude=exclude, exclude_defaults=True) for facet in facets]
    return {"facets": json.dumps(sorted(told, key=lambda each: each["name"]), sort_keys=True)} if told else {}


def _explained(detail: Any) -> str:
    field = str(detail["loc"][0]) if detail["loc"] else ""
    if detail["type"] == "missing":
        return f"it has no {field}"
    if detail["type"] == "extra_forbidden":
        return f"{field} is unknown: it may have {', '.join(Facet.model_fields)}"
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    return _ALLOWED.get(field, f"it is a table of {', '.join(Facet.model_fields)}")


def _are_values(values: tuple[str, ...]) -> bool:
    return (
        2 <= len(values) <= MOST_VALUES
        and len({value.casefold() for value in values}) == len(values)
        and all(0 < len(value) <= LONGEST_VALUE and value.isprintable() for value in values)
    )


def _are_bounds(kind: Kind, low: float | None, high: float | None) -> bool:
    given = [bound for bound in (low, high) if bound is not None]
    if not all(math.isfinite(bound) for bound in given):
        return False
    if len(given) == 2 and not given[0] < given[1]:
        return False
    if kind != "scale":
        return True
    return (
        len(given) == 2
        and all(isinstance(bound, int) for bound in given)
        and given[1] - given[0] < MOST_STEPS
    )


def _are_bins(edges: tuple[float, ...], low: float | None, high: float | None) -> bool:
    return (
        1 <= len(edges) <= MOST_BINS
        and all(math.isfinite(edge) for edge in edges)
        and all(one < next_ for one, next_ in pairwise(edges))
        and (low is None or low < edges[0])
        and (high is None or edges[-1] < high)
    )


def _plain(edge: float) -> str:
    return str(int(edge)) if edge == int(edge) and abs(edge) < 1e15 else repr(edge)


def _taken() -> set[str]:
    """Columns beside which an own facet stands, and names that mean something where it is counted."""
    from clio_dagster.tables import (
        CLUSTER_MEMBERS,
        COUNTED_CONVERSATIONS,
        EMBEDDINGS,
        FACETS,
        PUBLISHED_CELLS,
    )

    tables = (FACETS, EMBEDDINGS, CLUSTER_MEMBERS, COUNTED_CONVERSATIONS, PUBLISHED_CELLS)
    own = {"all", "messages", "stage", "text", "owner", "order", "used", "row", "vector_row", "node_id"}
    return own.union(*(table.schema for table in tables))

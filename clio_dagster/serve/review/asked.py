"""A request to Review, once it is known whose it is, and what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from clio_dagster.review.desk import Reviewer
from clio_dagster.review.sessions import Session
from clio_dagster.serve.files import parse_date

if TYPE_CHECKING:
    from starlette.requests import Request

_SUBJECT = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class WrongCall(Exception):
    """The address or the form is not one that these pages lead to."""


@dataclass(frozen=True)
class Asked:
    """A request, and who asks. `session` is None for a program's; `given` is its form, or its query."""

    request: Request
    reviewer: Reviewer
    session: Session | None
    given: Mapping[str, str] = field(default_factory=dict)

    def day(self) -> date:
        """The date that is asked for."""
        day = parse_date(self.given.get("date", ""))
        if day is None:
            raise WrongCall
        return day

    def text(self, name: str) -> str:
        """A name of a topic, a group or an account."""
        found = self.given.get(name, "")
        if not _SUBJECT.fullmatch(found):
            raise WrongCall
        return found

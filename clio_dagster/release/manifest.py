"""What a release says about itself: `manifest.json`, as one typed class.

It holds settings, versions, seeds and verdicts, and no field for a count of conversations or accounts, so
that none can slip in. The cost is rounded to one digit: it follows the amount of private text that was read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from clio_dagster.release.contract import ReleaseError
from clio_dagster.settings import Purpose, Settings

SCHEMA_VERSION = 1
"""Raised when a table of the release loses or changes a column."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Window(_Part):
    """The trailing days over which the topics were found, both ends included."""

    first: date
    last: date
    days: int = Field(ge=1)

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if (self.last - self.first).days + 1 != self.days:
            raise ValueError("the window's days do not span first to last")
        return self


class Thresholds(_Part):
    """What a topic, a word and a cell needed before they were published (settings of the same names)."""

    min_conversations: int
    min_accounts: int
    max_account_share: float
    account_cap: int
    word_min_accounts: int
    sensitive_word_min_accounts: int
    pair_min_accounts: int
    cell_min_conversations: int
    cell_min_accounts: int


class Noise(_Part):
    """The noise on counts and comparisons; an ε of null is no noise."""

    mechanism: Literal["two-sided geometric"] = "two-sided geometric"
    epsilon: float | None = Field(gt=0)
    epsilon_sensitive: float | None = Field(gt=0)
    by_purpose: dict[str, float | None] = Field(
        default_factory=dict, description="ε of each purpose of noise (settings.Purpose)."
    )
    sensitivity: int = Field(default=1, ge=1)
    within: int | None = Field(default=None, description="95 of 100 counts lie within this of the truth.")
    statement: str = ""

    @field_validator("epsilon", "epsilon_sensitive", mode="before")
    @classmethod
    def _infinite_is_none(cls, value: Any) -> Any:
        return None if isinstance(value, float) and math.isinf(value) else value

    @field_validator("by_purpose", mode="before")
    @classmethod
    def _infinite_are_none(cls, value: Any) -> Any:
        return {purpose: cls._infinite_is_none(epsilon) for purpose, epsilon in value.items()}

    @property
    def cell(self) -> float | None:
        """ε of a published count."""
        return self.by_purpose.get("cell", self.epsilon)

    @model_validator(mode="after")
    def _state(self) -> Self:
        """`within` and `statement` follow from the rest, whatever was given."""
        within = None if self.cell is None else noise_bound(self.cell, self.sensitivity)
        object.__setattr__(self, "within", within)
        object.__setattr__(self, "statement", _noise_statement(self))
        return self


class Version(_Part):
    """A part that did work, and its version."""

    name: str
    version: str


class Models(_Part):
    """Who read and named, and what turned text into vectors."""

    analyst: Version
    embedder: Version


class Cost(_Part):
    """What the answers that this release is made of cost, to one significant digit."""

    usd: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    @field_validator("usd")
    @classmethod
    def _round(cls, value: float) -> float:
        return float(f"{value:.0e}")


class Check(_Part):
    """A check that ran before publishing. Its name says what it checks; it carries no figure."""

    name: str
    passed: bool
    severity: Literal["error", "warn"] = "error"


class Manifest(_Part):
    """`manifest.json`. `revision` and `files` are set by `write_release`."""

    schema_version: int = SCHEMA_VERSION
    revision: int = Field(default=1, ge=1)
    date: date
    timezone: str = "UTC"
    window: Window
    languages: tuple[str, ...]
    thresholds: Thresholds
    noise: Noise
    models: Models
    prompts: dict[str, str] = Field(default_factory=dict)
    seeds: dict[str, int] = Field(default_factory=dict)
    cost: Cost = Cost()
    checks: tuple[Check, ...] = ()
    files: dict[str, str] = Field(default_factory=dict)

    def to_json(self) -> bytes:
        """The file's bytes: the same for the same manifest."""
        return (json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n").encode()


def make_manifest(
    settings: Settings,
    day: date,
    *,
    analyst: Version,
    embedder: Version,
    checks: tuple[Check, ...],
    prompts: Mapping[str, str] | None = None,
    cost_usd: float = 0.0,
    sensitivity: int | None = None,
) -> Manifest:
    """The manifest of a day under a site's settings.

    `sensitivity`: how far one account can move one published count; unset, the cap on its conversations.
    """
    return Manifest(
        date=day,
        timezone=settings.timezone,
        window=Window(
            first=day - timedelta(days=settings.window_days - 1), last=day, days=settings.window_days
        ),
        languages=settings.partition_languages,
        thresholds=Thresholds(**{name: getattr(settings, name) for name in Thresholds.model_fields}),
        noise=Noise(
            epsilon=settings.epsilon,
            epsilon_sensitive=settings.epsilon_sensitive,
            by_purpose={purpose: settings.epsilon_of(purpose) for purpose in get_args(Purpose)},
            sensitivity=sensitivity or settings.account_cap,
        ),
        models=Models(analyst=analyst, embedder=embedder),
        prompts=dict(sorted((prompts or {}).items())),
        seeds={"seed": settings.seed},
        cost=Cost(usd=cost_usd),
        checks=checks,
    )


def parse_manifest(content: Mapping[str, Any] | bytes | Manifest) -> Manifest:
    """A manifest from a mapping or from the bytes of `manifest.json`.

    Raises ReleaseError that names each field that is unknown, missing or wrong, without its value.
    """
    if isinstance(content, Manifest):
        return content
    try:
        if isinstance(content, bytes):
            return Manifest.model_validate_json(content)
        return Manifest.model_validate(content)
    except ValidationError as error:
        fields = sorted({".".join(str(part) for part in one["loc"]) or "the whole" for one in error.errors()})
        raise ReleaseError(f"the manifest is wrong in: {', '.join(fields)}") from None


def noise_bound(epsilon: float, sensitivity: int, confidence: float = 0.95) -> int:
    """Distance from the truth that a noisy count stays within, with at least `confidence`.

    For two-sided geometric noise with a = exp(-ε / sensitivity), P(|X| > k) = 2 a^(k+1) / (1 + a).
    """
    a = math.exp(-epsilon / sensitivity)
    k = math.log((1 - confidence) * (1 + a) / 2) / math.log(a) - 1
    return max(0, math.ceil(k - 1e-9))


def _noise_statement(noise: Noise) -> str:
    if noise.cell is None:
        return "Counts carry no noise: they are exact, and fit for tests alone."
    return (
        f"Every count is a day's count, with at most {noise.sensitivity} conversations of one account, and "
        f"with two-sided geometric noise (ε = {noise.cell:g}, sensitivity {noise.sensitivity}) drawn once "
        f"and never again, so that 95 of 100 lie within {noise.within} of what was counted. A later correction "
        "carries noise of its own. Every share, lift, interval and trend is computed from such counts. This "
        "bounds what one count gives away; it is no bound over everything published together."
    )

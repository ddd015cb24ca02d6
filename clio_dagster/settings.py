"""Every setting of a site, as one typed class.

Values come, in this order, from `CLIO_*` environment variables, from `clio.toml` (in the current folder, else
in `CLIO_HOME`), and from the defaults below. What is not a setting here is an error that names it: a
misspelt threshold must never pass silently for its default.
"""

from __future__ import annotations

import os
import tomllib
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from clio_dagster.alerts.webhook import is_webhook
from clio_dagster.analyst.prices import Price
from clio_dagster.own_facets import Facet, facets_from
from clio_dagster.postgres_url import FORM, database_of, is_postgres

OTHER = "other"
"""The language of a conversation whose language is none of the configured ones."""

USE_LANGUAGES = ("ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh")
"""ISO 639-1 codes that the default embedder, USE multilingual v3, was trained on."""


PRODUCTION = {"min_conversations": 500, "min_accounts": 250}
"""Thresholds of request clusters in published production use (Anthropic Economic Index, September 2025)."""


Purpose = Literal["topic", "word", "pair", "cell", "sensitive"]
"""What noise is for: each has an ε of its own (`CLIO_EPSILON_TOPIC` …)."""


class SettingsError(ValueError):
    """A setting is unknown, malformed or out of range. The message names it and says what is allowed."""


class Settings(BaseSettings):
    """One site's settings. Construct with `load_settings()`, or directly in tests."""

    model_config = SettingsConfigDict(env_prefix="CLIO_", extra="forbid", frozen=True)

    # Where things live.
    home: Path = Field(Path(".clio"), description="Folder that holds everything the pipeline writes.")
    key_file: Path = Field(
        Path("~/.config/clio/key"),
        description="Secret for pseudonyms and noise, made on first use. Must lie outside CLIO_HOME.",
    )
    storage: Literal["duckdb", "s3"] = Field(
        "duckdb", description="Where intermediates are kept: a DuckDB file in CLIO_HOME, or an S3 bucket."
    )
    s3_bucket: str | None = Field(None, description="Bucket of the S3 profile.")
    s3_prefix: str = Field(
        "clio", description="Prefix of everything that the S3 profile keeps in its bucket."
    )
    s3_endpoint: str | None = Field(
        None, description="URL of an S3-compatible store; unset: AWS, with the environment's credentials."
    )
    s3_encryption: Literal["bucket", "sse-s3", "sse-kms"] = Field(
        "bucket",
        description="How intermediates are encrypted in S3; `bucket`: as the bucket says by default.",
    )
    s3_kms_key: str | None = Field(
        None, description="Id, ARN or alias of the key for `sse-kms`; unset: the account's own for S3."
    )
    s3_bucket_keys: bool = Field(
        True, description="Whether `sse-kms` uses bucket keys: one request to KMS for many objects."
    )
    s3_attempts: int = Field(
        6, ge=1, le=20, description="Tries of one request to S3, in all, with growing pauses between them."
    )
    s3_retry_mode: Literal["standard", "adaptive"] = Field(
        "standard", description="`adaptive`: requests slow down, too, while S3 says that it is busy."
    )
    s3_connect_seconds: float = Field(
        5, gt=0, le=300, description="Seconds that a connection to S3 may take."
    )
    s3_read_seconds: float = Field(
        60, gt=0, le=3600, description="Seconds of silence before S3 is asked again."
    )
    s3_part_megabytes: int = Field(
        32, ge=5, le=1000, description="Objects of this size and more are sent to S3 in parts of it."
    )
    releases: str | None = Field(
        None,
        pattern=r"^s3://[^/]+(/.*)?$",
        description="s3://BUCKET/PREFIX to which releases are copied, beside CLIO_HOME/releases; unset: nowhere.",
    )
    releases_endpoint: str | None = Field(
        None, description="URL of the store of CLIO_RELEASES; unset: CLIO_S3_ENDPOINT, or AWS."
    )
    releases_profile: str | None = Field(
        None, description="Profile of ~/.aws whose credentials write CLIO_RELEASES; unset: the environment's."
    )
    inbox: str | None = Field(
        None,
        description="Folder, or s3://BUCKET/PREFIX, whose new and changed files are landed as they come.",
    )
    events_file: Path | None = Field(
        None, description="Events that are watched (docs/events.md); unset: events.toml in CLIO_HOME."
    )

    # Days and languages.
    timezone: str = Field("UTC", description="IANA time zone whose days are the partitions.")
    start_date: date = Field(date(2023, 1, 1), description="First day that has a partition.")
    undated_as: date | None = Field(
        None, description="Day given to records that carry no time (LMSYS, ShareGPT); unset: quarantined."
    )
    languages: Annotated[tuple[str, ...], NoDecode] = Field(
        USE_LANGUAGES,
        description="ISO 639-1 codes with a partition of their own, comma separated; the rest is `other`.",
    )
    window_days: int = Field(
        7, ge=1, le=92, description="Trailing days over which a date's topics are found."
    )
    daily_hour: int = Field(
        2, ge=0, le=23, description="Hour of the day, in CLIO_TIMEZONE, at which the day before is closed."
    )
    reconcile_days: int = Field(
        92, ge=1, le=1000, description="Closed days, back from today, that are kept fresh unattended."
    )
    tick_seconds: int = Field(
        30, ge=1, le=3600, description="Seconds between two looks at the inbox, and at what is stale."
    )
    docs_url: str | None = Field(
        None,
        description="Where the folder docs/ can be read over HTTP, for links from the UI; unset: its path.",
    )
    explorer_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Where the releases are served over HTTP, for links from the UI; unset: the page's path.",
    )
    dagster_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s<>|]+$",
        description="Where the Dagster UI is reached over HTTP, for links from alerts; unset: none.",
    )
    access_file: Path = Field(
        Path("~/.config/clio/access.toml"),
        description="Who may use `clio review`. Must lie outside CLIO_HOME.",
    )
    review_accounts_a_day: int = Field(
        50, ge=1, le=10_000, description="Distinct accounts that one reviewer may look at in a day."
    )
    review_session_minutes: int = Field(
        30, ge=1, le=720, description="Minutes after which a browser signs in to Review again."
    )
    review_token: SecretStr | None = Field(
        None, description="Token for `clio review`; from the environment alone. Unset: it is asked for."
    )
    oidc_issuer: str | None = Field(
        None,
        pattern=r"^(https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/])",
        description="OpenID Connect provider whose users may sign in to Review.",
    )
    oidc_client_id: str | None = Field(None, description="What the provider knows Review by.")
    oidc_client_secret: SecretStr | None = Field(
        None, description="Review's secret at the provider; unset: a public client, with PKCE alone."
    )
    safety: bool = Field(
        True,
        description="Whether each published date is looked at for Trust & Safety: the classifier, accounts in concert.",
    )
    coordination_false_rate: float = Field(
        0.1,
        gt=0,
        le=100,
        description="Groups of accounts that one date may report by chance.",
    )
    coordination_min_accounts: int = Field(
        5, ge=2, description="Accounts that a reported group has at least; one is enough for resold access."
    )
    accounts_file: Path | None = Field(
        None,
        description="CSV or Parquet of account_id and created_at: how old accounts are, where the site says so.",
    )
    lease_seconds: int = Field(
        60, ge=5, le=3600, description="Seconds after which a partition is free whose run was killed."
    )

    # Alerts.
    alert_webhook: SecretStr | None = Field(
        None,
        description="URL that alerts are posted to: https, or http on this machine; unset: nothing leaves the site.",
    )
    alert_format: Literal["slack", "json"] = Field(
        "slack", description="What is posted: a message that Slack and its likes show, or flat JSON."
    )
    alert_release_hours: int = Field(
        6,
        ge=1,
        le=168,
        description="Hours after CLIO_DAILY_HOUR without the release of the day before until that is an alert.",
    )
    site_name: str = Field("clio", min_length=1, max_length=80, description="What alerts call this site.")

    # Who does the work.
    analyst: Literal["offline", "claude", "auto"] = Field(
        "offline", description="Who reads and names; `auto` is claude where ANTHROPIC_API_KEY is set."
    )
    embedder: str = Field("use", description="`use`, `wordllama`, or `sentence-transformers:NAME_OR_PATH`.")
    seed: int = Field(0, ge=0, description="Seed of every random choice.")
    threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Threads for numerics, and processes that land a large file.",
    )

    # Where the work is done.
    executor: Literal["process", "ray"] = Field(
        "process",
        description="What runs a run's steps: its own process, or a Ray cluster (extra `ray`, docs/ray.md).",
    )
    ray_address: str | None = Field(
        None,
        pattern=r"^[^\s/@]+:\d+$",
        description="HOST:PORT of the head of the Ray cluster; unset: RAY_ADDRESS, or the cluster that this machine "
        "is a node of.",
    )
    shard_conversations: int = Field(
        65_536,
        ge=1,
        description="With Ray: partitions of more conversations than this are read and embedded in pieces, apart.",
    )
    shards_in_flight: int = Field(
        32, ge=1, le=1024, description="With Ray: pieces of one partition that are made or wait, at most."
    )

    # Claude, at Anthropic or at any ANTHROPIC_BASE_URL that speaks the Messages API.
    claude_facet_model: str = Field("claude-haiku-5-5", description="Model that reads conversations.")
    claude_naming_model: str = Field(
        "claude-sonnet-5-5", description="Model that names, arranges and audits topics."
    )
    claude_mode: Literal["direct", "batch"] = Field(
        "direct", description="`batch`: facets through Message Batches, at half the price, within a day."
    )
    claude_thinking: Literal["disabled", "adaptive", "unset"] = Field(
        "disabled",
        description="What is said of thinking; `unset` says nothing, for models that take neither.",
    )
    claude_concurrency: int = Field(32, ge=1, le=1024, description="Requests in flight at once, of one run.")
    claude_tokens_per_minute: int | None = Field(
        None, ge=1_000, description="Tokens, in and out, that a run sends and asks for in a minute."
    )
    claude_window_tokens: int = Field(
        8_000,
        ge=500,
        le=900_000,
        description="Tokens of a conversation that are read; the middle is cut out.",
    )
    claude_retries: int = Field(
        8,
        ge=0,
        le=100,
        description="Times that a request is sent again after 429, 529, 5xx or a lost connection.",
    )
    claude_timeout_seconds: float = Field(120, gt=0, le=3600, description="Seconds that an answer may take.")
    max_unread_share: float = Field(
        0.05, ge=0, le=1, description="Share of a slice's conversations that may stay unread before it fails."
    )
    batch_requests: int = Field(
        20_000, ge=1, le=100_000, description="Requests of one Message Batch, at most; the API takes 100,000."
    )
    batch_megabytes: int = Field(
        64, ge=1, le=256, description="Size of one Message Batch, at most; the API takes 256 MB."
    )
    batch_poll_seconds: float = Field(
        30, gt=0, le=3600, description="Seconds between two looks at open batches."
    )
    budget_usd: float | None = Field(
        None, gt=0, description="Dollars that all runs of this site may spend within CLIO_BUDGET_DAYS."
    )
    budget_days: int = Field(
        30, ge=1, le=366, description="Days, back from now, over which spending is summed."
    )
    prices: dict[str, Price] = Field(
        default_factory=dict,
        description="Prices of models that the built-in table lacks, or that cost you something else: JSON, "
        'such as {"my-model": {"input": 1, "output": 5}}, in dollars a million tokens.',
    )
    ledger_url: SecretStr | None = Field(
        None,
        description="SQLAlchemy URL of the ledger where several machines share it (postgresql+psycopg://…); "
        "unset: CLIO_HOME/ledger.sqlite.",
    )

    facets: Annotated[tuple[Facet, ...], NoDecode] = Field(
        (), description="Facets of the site's own: `[[facets]]` in clio.toml, or a list as JSON."
    )

    # Privacy: thresholds (P4), support (P5), cells (P7).
    profile: Literal["default", "production"] = Field(
        "default",
        description="`production` asks for 500 conversations and 250 accounts where nothing else is set.",
    )
    min_conversations: int = Field(
        25, ge=2, description="Conversations a topic needs, after the cap, with noise."
    )
    min_accounts: int = Field(10, ge=2, description="Accounts a topic needs, with noise.")
    max_account_share: float = Field(
        0.15, gt=0, le=1, description="Largest share of a topic one account may have."
    )
    account_cap: int = Field(5, ge=1, description="Conversations of one account that count in one cluster.")
    word_min_accounts: int = Field(
        8, ge=2, description="Accounts that must support a published word, with noise."
    )
    sensitive_word_min_accounts: int = Field(
        12, ge=2, description="The same for kinds of words that can hurt."
    )
    pair_min_accounts: int = Field(
        5, ge=3, description="Accounts that must support two words in one clause, with noise."
    )
    cell_min_conversations: int = Field(
        15, ge=1, description="Conversations a published cell needs, with noise."
    )
    cell_min_accounts: int = Field(5, ge=1, description="Accounts a published cell needs, with noise.")
    epsilon: float = Field(
        1.0,
        gt=0,
        description="Noise: ε per comparison, where none is set for its purpose (`inf` is no noise, for tests alone).",
    )
    epsilon_topic: float | None = Field(
        None, gt=0, description="Whether a topic is large enough: its conversations and accounts together."
    )
    epsilon_word: float | None = Field(None, gt=0, description="Whether enough accounts use a word.")
    epsilon_pair: float | None = Field(None, gt=0, description="Whether enough use two words in one clause.")
    epsilon_cell: float | None = Field(
        None, gt=0, description="A published count; and, once more, whether enough accounts are in it."
    )
    epsilon_sensitive: float = Field(
        0.5, gt=0, description="Words, and pairs with a word, of kinds that can hurt."
    )

    erasure_batch: int = Field(
        10, ge=1, description="Erased accounts for which a date that is published is made again."
    )
    erasure_days: int = Field(
        30, ge=1, le=365, description="Days after which it is made again for fewer of them."
    )

    # Retention: days from the later of a conversation's own day and the day on which it was landed.
    landing_days: int = Field(
        7,
        ge=1,
        le=3650,
        description="Days after which text leaves the landed files, so that landing can be replayed.",
    )
    raw_days: int = Field(30, ge=1, le=3650, description="Days after which conversations' text is purged.")
    facet_days: int = Field(
        90,
        ge=2,
        le=3650,
        description="Days after which facets, vectors and all that names a conversation go.",
    )

    # Dagster's own storage.
    history_url: SecretStr | None = Field(
        None,
        description="URL of Dagster's own storage where several machines share it "
        "(postgresql://USER:PASSWORD@HOST/DATABASE); unset: SQLite files in CLIO_HOME/dagster.",
    )
    history_days: int = Field(
        30, ge=2, le=3650, description="Days after which a run's row, log and output leave Dagster's storage."
    )
    history_runs: int = Field(
        2_000, ge=200, description="Finished runs, the newest, that stay there within these days."
    )

    # Clusters.
    cluster_size: int | None = Field(
        None,
        ge=5,
        description="Conversations a base cluster aims at; unset: max(100, 4 × min_conversations).",
    )
    max_clusters: int = Field(
        20_000,
        ge=1,
        description="Most base clusters of a window; each passing one is named, which is a request to the model.",
    )
    clusterer: Literal["auto", "kmeans", "hdbscan"] = Field(
        "auto",
        description="How base clusters are found: k-means, or UMAP and HDBSCAN; `auto` is k-means.",
    )
    outliers: Literal["assign", "noise"] = Field(
        "assign",
        description="Rows that HDBSCAN takes for noise: given to the nearest cluster, or in no topic.",
    )
    top_topics: int = Field(10, ge=2, le=50, description="Topics wanted at the top of the hierarchy.")

    # Input limits.
    max_record_bytes: int = Field(16_000_000, ge=1_000, description="Longer records are quarantined.")

    @model_validator(mode="before")
    @classmethod
    def _apply_profile(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("profile") == "production":
            return PRODUCTION | values
        return values

    @field_validator("languages", mode="before")
    @classmethod
    def _split_languages(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = [code.strip() for code in value.split(",") if code.strip()]
        if not isinstance(value, list | tuple | set | frozenset) or not all(
            isinstance(code, str) for code in value
        ):
            raise ValueError("languages are ISO 639-1 codes such as en,es, or a list of such")
        return tuple(sorted(set(value) - {OTHER}))

    @field_validator("languages")
    @classmethod
    def _check_languages(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [code for code in value if not (len(code) == 2 and code.isascii() and code.islower())]
        if wrong or not value:
            raise ValueError(f"languages are ISO 639-1 codes such as en,es; not {wrong or 'an empty list'}")
        return value

    @field_validator("facets", mode="before")
    @classmethod
    def _read_facets(cls, value: Any) -> Any:
        return facets_from(value)

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(
                f"unknown time zone {value!r}: use an IANA name such as Europe/Berlin"
            ) from error
        return value

    @field_validator("alert_webhook")
    @classmethod
    def _check_webhook(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not is_webhook(value.get_secret_value()):
            raise ValueError(
                "use the https URL that your chat or pager gives for incoming messages; http is for a receiver on this "
                "machine (127.0.0.1, ::1, localhost)"
            )
        return value

    @field_validator("history_url")
    @classmethod
    def _check_history(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not is_postgres(value.get_secret_value()):
            raise ValueError(f"Dagster's storage is shared in PostgreSQL alone: {FORM}")
        return value

    @field_validator("key_file", "home", "access_file")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("events_file")
    @classmethod
    def _expand_file(cls, value: Path | None) -> Path | None:
        return value.expanduser().absolute() if value else None

    @field_validator("inbox")
    @classmethod
    def _expand_folder(cls, value: str | None) -> str | None:
        is_folder = value is not None and not value.startswith("s3://")
        return str(Path(value).expanduser().absolute()) if is_folder and value else value

    @model_validator(mode="after")
    def _check_key_is_elsewhere(self) -> Self:
        if self.key_file.is_relative_to(self.home):
            raise ValueError("key_file must lie outside home: whoever takes the one must not get the other")
        if self.access_file.is_relative_to(self.home):
            raise ValueError("access_file must lie outside home: who writes there makes no reviewer")
        return self

    @model_validator(mode="after")
    def _check_databases_are_apart(self) -> Self:
        both = [url.get_secret_value() for url in (self.ledger_url, self.history_url) if url]
        if len(both) == 2 and is_postgres(both[0]) and database_of(both[0]) == database_of(both[1]):
            raise ValueError(
                "CLIO_LEDGER_URL and CLIO_HISTORY_URL need a database each: whoever serves the UI reads Dagster's "
                "storage, and must not read the ledger, which is restricted"
            )
        return self

    @model_validator(mode="after")
    def _check_provider(self) -> Self:
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("CLIO_OIDC_ISSUER needs CLIO_OIDC_CLIENT_ID")
        return self

    @model_validator(mode="after")
    def _check_bucket(self) -> Self:
        if self.storage == "s3" and not self.s3_bucket:
            raise ValueError("storage s3 needs a bucket: set CLIO_S3_BUCKET")
        if self.s3_kms_key and self.s3_encryption != "sse-kms":
            raise ValueError("CLIO_S3_KMS_KEY needs CLIO_S3_ENCRYPTION=sse-kms")
        return self

    @model_validator(mode="after")
    def _check_releases_are_apart(self) -> Self:
        if not self.releases:
            return self
        releases, kept = (
            _with_slash(self.releases),
            f"s3://{self.s3_bucket}/{self.s3_prefix.strip('/')}".rstrip("/"),
        )
        restricted = [f"{kept}/{zone}/" for zone in ("restricted", "safety") if self.storage == "s3"]
        if any(releases.startswith(zone) or zone.startswith(releases) for zone in restricted):
            raise ValueError("CLIO_RELEASES must have a prefix of its own, apart from what is restricted")
        if self.inbox and releases.startswith(_with_slash(self.inbox)):
            raise ValueError("CLIO_RELEASES must not lie in CLIO_INBOX: releases would be landed")
        return self

    @model_validator(mode="after")
    def _check_retention(self) -> Self:
        if not self.landing_days <= self.raw_days <= self.facet_days:
            raise ValueError("retention must not shrink: CLIO_LANDING_DAYS ≤ CLIO_RAW_DAYS ≤ CLIO_FACET_DAYS")
        if self.facet_days <= self.window_days:
            raise ValueError("CLIO_FACET_DAYS must be more than CLIO_WINDOW_DAYS: a window reads facets")
        return self

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def events_path(self) -> Path:
        """Where events.toml is looked for."""
        return self.events_file or self.home / "events.toml"

    def epsilon_of(self, purpose: Purpose) -> float:
        """ε of one comparison for a purpose."""
        own: float | None = getattr(self, f"epsilon_{purpose}")
        return self.epsilon if own is None else own

    @property
    def partition_languages(self) -> tuple[str, ...]:
        """The configured languages and `other`, sorted: the keys of the language dimension."""
        return tuple(sorted((*self.languages, OTHER)))

    @property
    def base_cluster_size(self) -> int:
        """Conversations that a base cluster aims at."""
        return self.cluster_size or max(100, 4 * self.min_conversations)

    @cached_property
    def key(self) -> bytes:
        """The site's secret (32 bytes), made on first use with mode 0600. Never logged, never stored elsewhere."""
        from clio_dagster.privacy.key import read_or_make_key

        return read_or_make_key(self.key_file)


def _with_slash(place: str) -> str:
    return place.rstrip("/") + "/"


def uses_claude(settings: Settings) -> bool:
    """Whether CLIO_ANALYST names Claude: `auto` does where a key is set."""
    return settings.analyst == "claude" or (
        settings.analyst == "auto" and bool(os.environ.get("ANTHROPIC_API_KEY"))
    )


def load_settings(**overrides: Any) -> Settings:
    """Read the site's settings; `overrides` win over the environment, the environment over `clio.toml`.

    Raises SettingsError naming every setting that is unknown or out of range.
    """
    fields = set(Settings.model_fields)
    unknown = sorted(
        name for name in os.environ if name.startswith("CLIO_") and name[5:].lower() not in fields
    )
    if unknown:
        raise SettingsError(f"unknown setting {', '.join(unknown)}: {_known()}")
    file_values = _read_toml(Path(overrides.get("home") or os.environ.get("CLIO_HOME") or ".clio"))
    if "review_token" in file_values:
        raise SettingsError("CLIO_REVIEW_TOKEN is one person's: not in clio.toml, only in the environment")
    from_environment = {name for name in fields if f"CLIO_{name.upper()}" in os.environ}
    values = {name: value for name, value in file_values.items() if name not in from_environment} | overrides
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(detail) for detail in error.errors())) from None


def _read_toml(home: Path) -> dict[str, Any]:
    for path in (Path("clio.toml"), home / "clio.toml"):
        if path.is_file():
            try:
                return tomllib.loads(path.read_text("utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise SettingsError(f"{path} is not valid TOML: {error}") from None
    return {}


def _explain(detail: Any) -> str:
    name = ".".join(str(part) for part in detail["loc"])
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        return f"unknown setting {name}: {_known()}"
    return f"CLIO_{name.upper()}: {message}" if name else message


def _known() -> str:
    return "the settings are " + ", ".join(f"CLIO_{name.upper()}" for name in sorted(Settings.model_fields))

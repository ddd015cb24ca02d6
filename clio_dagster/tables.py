"""Every table's contract, stated once: columns, types, meaning, key.

The warehouse creates tables from it, assets show it in the UI, Great Expectations suites are made from it, and
tests compare what is written with it. Columns may be added freely; those here stay.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

Zone = Literal["restricted", "safety"]
"""Where what is not published is kept. `safety` is what Trust & Safety alone looks at; no release is made from it."""

VECTOR_TYPE = pl.List(pl.Float32)
"""How vectors are declared; each table's writer fixes the width to the embedder's (pl.Array)."""

CLUSTERED_BY = "request"
"""The text facet that is always clustered, as in the paper's main analyses; a site may cluster others beside it."""

MESSAGES_TYPE = pl.List(pl.Struct({"role": pl.String, "text": pl.String}))


@dataclass(frozen=True)
class Column:
    """A column: its name, Polars type, meaning, and what values it may hold.

    One that `is_own` is a facet of the site's own: slices written before it was named, or while it was another, stand.
    """

    name: str
    dtype: Any
    description: str
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    accepted: tuple[str, ...] | None = None
    is_own: bool = False


@dataclass(frozen=True)
class Table:
    """A table: `partitioned_by` names the columns whose values make a slice, `key` those that make a row unique.

    Tables of different `zone` share neither a file nor a prefix.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partitioned_by: tuple[str, ...] = ("date",)
    zone: Zone = "restricted"
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> dict[str, Any]:
        """Polars schema, in column order."""
        return {column.name: column.dtype for column in self.columns}

    @property
    def own(self) -> frozenset[str]:
        """Names of the columns that are facets of the site's own."""
        return frozenset(column.name for column in self.columns if column.is_own)

    def empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema=self.schema)


_DATE = Column("date", pl.Date, "Day of the partition, in CLIO_TIMEZONE.")
_LANGUAGE = Column("language", pl.String, "ISO 639-1 code of a configured language, or `other`.")
_CONVERSATION = Column("conversation_id", pl.String, "The source's id of the conversation.")
_ACCOUNT = Column(
    "account",
    pl.String,
    "Pseudonym of the account: HMAC-SHA256 under the site's key; null where the record names none.",
    nullable=True,
)
_CLUSTERED_BY = Column("clustered_by", pl.String, "Text facet whose vectors were clustered.")
_TURNS = Column("turns", pl.Int32, "Messages of the user and the assistant.", minimum=1)
_TASK = Column("task", pl.String, "What the assistant was to do; null unless read.", nullable=True)
_CONCERNING = Column(
    "concerning",
    pl.Int8,
    "From 1 (benign) to 5 (extreme); null unless read.",
    nullable=True,
    minimum=1,
    maximum=5,
)
_REFUSED = Column("refused", pl.Boolean, "Whether the assistant refused; null unless read.", nullable=True)

RAW_CONVERSATIONS = Table(
    "raw_conversations",
    "Validated conversations of one day and language, accounts pseudonymised. Raw text, with its own retention.",
    (
        _CONVERSATION,
        _ACCOUNT,
        Column("started_at", pl.Datetime("us", "UTC"), "When the conversation began."),
        _DATE,
        _LANGUAGE,
        _TURNS,
        Column(
            "messages",
            MESSAGES_TYPE,
            "Messages in order; role is user, assistant, system, tool or attachment.",
        ),
        Column(
            "flagged",
            pl.Boolean,
            "Whether the site's own classifier flagged it; null where there is none.",
            nullable=True,
        ),
    ),
    key=("conversation_id",),
    partitioned_by=("date", "language"),
)

QUARANTINE = Table(
    "quarantine",
    "Records that could not be landed, with the place and the reason; never the text.",
    (
        Column("source", pl.String, "Key of the source file."),
        Column("record", pl.Int64, "Place in the file: line or element, from 1.", minimum=0),
        Column("reason", pl.String, "Why it was refused."),
        Column("landed_at", pl.Datetime("us", "UTC"), "When the file was landed."),
    ),
    key=("source", "record"),
    partitioned_by=("source",),
)

SOURCES = Table(
    "sources",
    "Source files that were registered and landed. Restricted: it knows where they lie.",
    (
        Column(
            "source",
            pl.String,
            "Key of the source file: its name and the start of its content's SHA-256, or of its ETag's in S3.",
        ),
        Column("path", pl.String, "Where the file was when it was registered: a path, or s3://BUCKET/KEY."),
        Column("records", pl.Int64, "Records read; null until it is landed.", nullable=True, minimum=0),
        Column("landed", pl.Int64, "Conversations landed.", nullable=True, minimum=0),
        Column("quarantined", pl.Int64, "Records refused.", nullable=True, minimum=0),
        Column("first_date", pl.Date, "First day that it touches.", nullable=True),
        Column("last_date", pl.Date, "Last day that it touches.", nullable=True),
        Column("landed_at", pl.Datetime("us", "UTC"), "When it was landed.", nullable=True),
        Column(
            "replaced_by",
            pl.String,
            "The source that came after it at its path: it gives way to that on the days which that has.",
            nullable=True,
        ),
        Column(
            "is_copied",
            pl.Boolean,
            "Whether the file lay at another path too: then it gives way to none.",
            nullable=True,
        ),
        Column(
            "withdrawn_at",
            pl.Datetime("us", "UTC"),
            "When it was taken back by command; it lands again by `clio run` alone.",
            nullable=True,
        ),
        Column(
            "purged_at",
            pl.Datetime("us", "UTC"),
            "When the text of its landing was purged; it is not landed again as it is.",
            nullable=True,
        ),
    ),
    key=("source",),
    partitioned_by=("source",),
)

READ, UNREAD, NOT_UNDERSTOOD = "read", "unread", "language not understood"

FACETS = Table(
    "facets",
    "What each conversation is about, scrubbed of personal data.",
    (
        _CONVERSATION,
        _ACCOUNT,
        _DATE,
        _LANGUAGE,
        Column(
            "started_at",
            pl.Datetime("us", "UTC"),
            "When the conversation began; null in slices made before this was kept.",
            nullable=True,
        ),
        Column(
            "status", pl.String, "Whether the conversation was read.", accepted=(READ, UNREAD, NOT_UNDERSTOOD)
        ),
        Column(
            "unread_reason",
            pl.String,
            "Why it was not read; null where it was, or where nobody says.",
            nullable=True,
        ),
        Column(
            "read_language",
            pl.String,
            "Language that the analyst found it written in, of those configured; null where it names none.",
            nullable=True,
        ),
        Column(
            "request",
            pl.String,
            "What the user asked for, one or two sentences; null unless read.",
            nullable=True,
        ),
        _TASK,
        _CONCERNING,
        _REFUSED,
        _TURNS,
        Column("flagged", pl.Boolean, "Whether the site's own classifier flagged it.", nullable=True),
        Column("extractor", pl.String, "Analyst and version that read it."),
    ),
    key=("conversation_id",),
    partitioned_by=("date", "language"),
)

FACET_BATCHES = Table(
    "facet_batches",
    "Message Batches in which a day and language's conversations were given to Claude. Written in batch mode alone.",
    (
        _DATE,
        _LANGUAGE,
        Column("batch", pl.String, "The API's id of the batch; empty while nobody has heard of it."),
        Column("requests", pl.Int64, "Conversations submitted in it.", minimum=1),
        Column("at_most_usd", pl.Float64, "What it may cost at most.", minimum=0),
        Column("submitted_at", pl.Datetime("us", "UTC"), "When it was submitted."),
        Column("ended_at", pl.Datetime("us", "UTC"), "When it ended; null while it is open.", nullable=True),
    ),
    key=("batch",),
    partitioned_by=("date", "language"),
)

EMBEDDINGS = Table(
    "embeddings",
    "Unit vectors of the text facets that are clustered.",
    (
        _CONVERSATION,
        _DATE,
        _LANGUAGE,
        _CLUSTERED_BY,
        Column("vector", VECTOR_TYPE, "Unit vector of the facet's text."),
    ),
    key=("clustered_by", "conversation_id"),
    partitioned_by=("date", "language"),
)

DAY = Table(
    "day",
    "One row a language of a day: what the date-partitioned stages build on.",
    (
        _DATE,
        _LANGUAGE,
        Column("conversations", pl.Int64, "Conversations of that day and language.", minimum=0),
        Column("embedded", pl.Int64, "Those that have a vector.", minimum=0),
        Column("fingerprint", pl.String, "Content hashes of the slices of that day and language."),
    ),
    key=("date", "language"),
)

CLUSTERS = Table(
    "clusters",
    "Base clusters found over the trailing window, counted after cap and collapse.",
    (
        _DATE,
        _CLUSTERED_BY,
        Column("cluster_id", pl.Int32, "Number of the cluster on this date, from 0.", minimum=0),
        Column("topic", pl.String, "Stable id: the same from date to date for a topic that persists."),
        Column("conversations", pl.Int64, "Conversations after cap and collapse.", minimum=0),
        Column("accounts", pl.Int64, "Accounts among them.", minimum=0),
        Column("top_account_share", pl.Float64, "Largest share of one account.", minimum=0, maximum=1),
        Column("passes", pl.Boolean, "Whether it passes the thresholds, with noise: only then is it named."),
        Column("reasons", pl.List(pl.String), "Thresholds that it fails."),
        Column("centroid", VECTOR_TYPE, "Unit vector of its middle."),
    ),
    key=("clustered_by", "cluster_id"),
)

CLUSTER_MEMBERS = Table(
    "cluster_members",
    "Which conversation of the window fell into which base cluster.",
    (
        _DATE,
        _CLUSTERED_BY,
        _CONVERSATION,
        _ACCOUNT,
        _LANGUAGE,
        Column("cluster_id", pl.Int32, "Base cluster.", minimum=0),
        Column("distance", pl.Float32, "Cosine distance to the centroid.", minimum=0, maximum=2),
        Column("day", pl.Date, "The conversation's own day; equal to date for those counted on this date."),
        Column("counted", pl.Boolean, "False for what the cap or the collapse of templates sets aside."),
    ),
    key=("clustered_by", "conversation_id"),
)

BIRTH, SPLIT, MERGE, DEATH = "birth", "split", "merge", "death"

LINEAGE = Table(
    "lineage",
    "Base topics that appeared or ended since the date before, and how. Restricted: its shares are exact.",
    (
        _DATE,
        _CLUSTERED_BY,
        Column("kind", pl.String, "What became of the topic.", accepted=(BIRTH, SPLIT, MERGE, DEATH)),
        Column("topic", pl.String, "Stable id of the topic that appeared or ended."),
        Column(
            "other",
            pl.String,
            "Nearest topic of the date before, where it appeared; the topic that took it up, where it merged.",
            nullable=True,
        ),
        Column(
            "family",
            pl.String,
            "Where it appeared: `other`, or what that one appeared beside within the window.",
            nullable=True,
        ),
        Column(
            "share",
            pl.Float64,
            "Of its conversations that both windows have, the part that the other topic has.",
            minimum=0,
            maximum=1,
        ),
        Column(
            "own_share",
            pl.Float64,
            "Part of its conversations that are of the date itself; null where it ended.",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
    ),
    key=("clustered_by", "topic"),
)

CLUSTER_SUMMARIES = Table(
    "cluster_summaries",
    "Names and descriptions of the base clusters that pass the thresholds. Not audited yet.",
    (
        _DATE,
        _CLUSTERED_BY,
        Column("cluster_id", pl.Int32, "Base cluster.", minimum=0),
        Column("topic", pl.String, "Stable id of the topic."),
        Column("name", pl.String, "At most ten words."),
        Column("description", pl.String, "At most two sentences."),
    ),
    key=("clustered_by", "cluster_id"),
)

VOCABULARIES = Table(
    "vocabularies",
    "Words and pairs of words that a base cluster's accounts support: all that its name may use. Restricted.",
    (
        _DATE,
        _CLUSTERED_BY,
        Column("cluster_id", pl.Int32, "Base cluster.", minimum=0),
        Column(
            "words",
            pl.List(pl.Struct({"word": pl.String, "weight": pl.Float64})),
            "Supported words, weighted.",
        ),
        Column("pairs", pl.List(pl.List(pl.String)), "Pairs of supported words within a clause."),
    ),
    key=("clustered_by", "cluster_id"),
)

_NODE = (
    _DATE,
    _CLUSTERED_BY,
    Column("node_id", pl.String, "Id of the node on this date: `LEVEL-NUMBER`."),
    Column("parent_id", pl.String, "Node above; null at the top.", nullable=True),
    Column("level", pl.Int32, "0 for base clusters, rising to the top.", minimum=0),
    Column("topic", pl.String, "Stable id of the topic."),
    Column("name", pl.String, "At most ten words."),
    Column("description", pl.String, "At most two sentences."),
    Column("conversations", pl.Int64, "Conversations after cap and collapse.", minimum=0),
    Column("accounts", pl.Int64, "Accounts among them.", minimum=0),
)

HIERARCHY = Table(
    "hierarchy", "The tree of topics of a date. Not audited yet.", _NODE, key=("clustered_by", "node_id")
)

PUBLISHED, WITHHELD = "published", "withheld"

AUDITED_SUMMARIES = Table(
    "audited_summaries",
    "The tree of topics with the gate's verdict on every node.",
    (
        *_NODE,
        Column("status", pl.String, "The gate's verdict.", accepted=(PUBLISHED, WITHHELD)),
        Column("reasons", pl.List(pl.String), "Why it is withheld."),
        Column(
            "privacy_score",
            pl.Int8,
            "Auditor's score: 1 names a person, 5 is fully general.",
            minimum=1,
            maximum=5,
        ),
    ),
    key=("clustered_by", "node_id"),
)

_PART = (
    Column(
        "part",
        pl.Int32,
        "1 for the day as first published, then one for each correction; withdrawals are numbered apart.",
        minimum=1,
    ),
    Column(
        "is_withdrawn",
        pl.Boolean,
        "Whether this takes back what parts before it counted: the count is then negative.",
    ),
)

PUBLISHED_CELLS = Table(
    "published_cells",
    "The only counts that leave: each a day's cell with noise, drawn once; small cells absent. A day's figure is the "
    "sum over its parts.",
    (
        _DATE,
        _CLUSTERED_BY,
        Column("topic", pl.String, "Stable id of the topic; empty for all topics together."),
        Column("facet", pl.String, "`all`, `language`, or a facet."),
        Column("value", pl.String, "Value of the facet; empty for `all`."),
        *_PART,
        Column("conversations", pl.Int64, "Count with noise."),
    ),
    key=("clustered_by", "topic", "facet", "value", "part", "is_withdrawn"),
)

COVERAGE_STAGES = (
    "in",
    "quarantined",
    "unread",
    "language not understood",
    "merged as duplicates",
    "below a threshold",
    "withheld",
    "published",
)

EXACT_COVERAGE = Table(
    "exact_coverage",
    "What became of every conversation of a day, exactly. Restricted.",
    (
        _DATE,
        _LANGUAGE,
        Column("stage", pl.String, "What became of them.", accepted=COVERAGE_STAGES),
        Column("conversations", pl.Int64, "How many.", minimum=0),
        Column("accounts", pl.Int64, "Accounts among them.", minimum=0),
    ),
    key=("language", "stage"),
)

PUBLISHED_COVERAGE = Table(
    "published_coverage",
    "What became of a day's conversations, with noise; small cells absent. A day's figure is the sum over its parts.",
    (
        _DATE,
        _LANGUAGE,
        Column("stage", pl.String, "What became of them.", accepted=COVERAGE_STAGES),
        *_PART,
        Column("conversations", pl.Int64, "Count with noise."),
    ),
    key=("language", "stage", "part", "is_withdrawn"),
)

CELLS_TYPE = pl.List(pl.Struct({"clustered_by": pl.String, "topic": pl.String}))

COUNTED_CONVERSATIONS = Table(
    "counted_conversations",
    "Which conversation of a day was counted in which part of its published figures, as what, and in which part it was "
    "taken back. Restricted: it names accounts, whose rows an erasure removes; figures that stand stay.",
    (
        _DATE,
        _CONVERSATION,
        _ACCOUNT,
        _LANGUAGE,
        _TURNS,
        _CONCERNING,
        _REFUSED,
        _TASK,
        Column(
            "topics", CELLS_TYPE, "Topics whose cells it counts in, the empty one for all of them together."
        ),
        Column("stages", pl.List(pl.String), "Coverage stages whose figures it counts in."),
        Column("part", pl.Int32, "Part that counts it.", minimum=1),
        Column(
            "withdrawn_in",
            pl.Int32,
            "Withdrawal that takes it back; null while it is counted.",
            nullable=True,
            minimum=1,
        ),
    ),
    key=("conversation_id", "part"),
)

POSITIONS = Table(
    "positions",
    "Where published topics lie on the map: made from their published names alone.",
    (
        _DATE,
        _CLUSTERED_BY,
        Column("node_id", pl.String, "Node."),
        Column("x", pl.Float64, "Rounded to two decimals."),
        Column("y", pl.Float64, "Rounded to two decimals."),
    ),
    key=("clustered_by", "node_id"),
)

RELEASES = Table(
    "releases",
    "Dates that have a release standing, with its revision.",
    (
        _DATE,
        Column("revision", pl.Int32, "Counts up each time the date's release changes.", minimum=1),
        Column("manifest_sha256", pl.String, "SHA-256 of the release's manifest."),
        Column("published_at", pl.Datetime("us", "UTC"), "When it was published."),
    ),
    key=("date",),
)

FROZEN_PARTS = Table(
    "frozen_parts",
    "How many parts of a day's figures a release may have shown: they are never drawn again.",
    (
        _DATE,
        Column("parts", pl.Int32, "Parts that count conversations, the first one included.", minimum=1),
        Column("withdrawals", pl.Int32, "Parts that take some back.", minimum=0),
        Column("frozen_at", pl.Datetime("us", "UTC"), "When the last of them was frozen."),
    ),
    key=("date",),
)

ERASURES = Table(
    "erasures",
    "Accounts that were erased, so that they are not landed again and releases are re-made in batches. Restricted.",
    (
        Column("erased", pl.String, "Hex HMAC-SHA256 of the account for this alone: not its pseudonym."),
        Column(
            "asked_at",
            pl.Datetime("us", "UTC"),
            "When it was asked for last: conversations that began by then are not landed.",
        ),
        Column(
            "done_at",
            pl.Datetime("us", "UTC"),
            "When nothing was left of it; null while it is not finished.",
            nullable=True,
        ),
        Column("dates", pl.List(pl.Date), "Dates whose releases wait to be made again without it."),
        Column(
            "waiting_since",
            pl.Datetime("us", "UTC"),
            "Since when the first of them waits; null where none does.",
            nullable=True,
        ),
        Column(
            "released_at",
            pl.Datetime("us", "UTC"),
            "When the last of them was seen to be made again; null while one waits.",
            nullable=True,
        ),
    ),
    key=("erased",),
    partitioned_by=("erased",),
)

TOMBSTONES = Table(
    "tombstones",
    "Days and languages of which a table's rows were purged, written before they go. Restricted.",
    (
        _DATE,
        Column("language", pl.String, "Language; null where the table is not parted by it.", nullable=True),
        Column("table_name", pl.String, "Table whose rows went."),
        Column("purged_at", pl.Datetime("us", "UTC"), "When they were purged last."),
        Column(
            "finished_at",
            pl.Datetime("us", "UTC"),
            "When they were gone, bytes and all; null while that is not finished.",
            nullable=True,
        ),
        Column(
            "rows_before", pl.String, "Hash of the slice's content before; null if unknown.", nullable=True
        ),
        Column("rows_after", pl.String, "Hash of what was left; null if unknown.", nullable=True),
        Column("landed", pl.String, "Hash of what was landed for it then; null if unknown.", nullable=True),
    ),
    key=("date", "language"),
    partitioned_by=("table_name",),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        RAW_CONVERSATIONS,
        QUARANTINE,
        SOURCES,
        FACETS,
        EMBEDDINGS,
        DAY,
        CLUSTERS,
        CLUSTER_MEMBERS,
        LINEAGE,
        CLUSTER_SUMMARIES,
        VOCABULARIES,
        HIERARCHY,
        AUDITED_SUMMARIES,
        PUBLISHED_CELLS,
        EXACT_COVERAGE,
        PUBLISHED_COVERAGE,
        COUNTED_CONVERSATIONS,
        POSITIONS,
        RELEASES,
        FROZEN_PARTS,
    )
}
"""Tables that Python stages write; the SQL models' columns are described in dbt_like_sql/models.yml."""

RECORDS: dict[str, Table] = {table.name: table for table in (ERASURES, TOMBSTONES)}
"""Tables that commands keep for themselves: no asset writes them."""

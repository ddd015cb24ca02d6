"""Whether what a site keeps can be shared: what its settings still keep where one machine alone can read it.

Runs on several machines need three things in common: tables (S3), who is making what (the ledger) and what was run
(Dagster's own storage). The folder CLIO_HOME they share, too, which no setting can tell: docs/machines.md.
"""

from __future__ import annotations

from clio_dagster.postgres_url import is_postgres
from clio_dagster.settings import Settings


def shared_state_problem(settings: Settings) -> str | None:
    """What keeps runs from working on several machines, and what to set; None where nothing does."""
    ledger = settings.ledger_url.get_secret_value() if settings.ledger_url else ""
    lacking = [
        wanted
        for wanted, is_there in (
            ("CLIO_STORAGE=s3 (a DuckDB file is one machine's)", settings.storage == "s3"),
            ("CLIO_LEDGER_URL of a PostgreSQL (ledger.sqlite is one machine's)", is_postgres(ledger)),
            (
                "CLIO_HISTORY_URL of a PostgreSQL (Dagster's SQLite files are one machine's)",
                settings.history_url is not None,
            ),
        )
        if not is_there
    ]
    return f"several machines need {'; '.join(lacking)}" if lacking else None

"""URLs of PostgreSQL as people write them, and as the drivers of each part want them."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2")
"""What a URL of PostgreSQL may begin with."""

FORM = "postgresql://USER:PASSWORD@HOST/DATABASE"

DEFAULT_PORT = 5432


def is_postgres(url: str) -> bool:
    """Whether a URL is one of PostgreSQL that names a database."""
    parts = urlsplit(url)
    return parts.scheme in SCHEMES and bool(parts.path.strip("/"))


def with_driver(url: str, driver: str) -> str:
    """The same URL for SQLAlchemy with a driver (`psycopg`, `psycopg2`), whatever it began with."""
    return f"postgresql+{driver}://{url.partition('://')[2]}"


def database_of(url: str) -> tuple[str, int, str]:
    """Host (or folder of a socket), port and name of the database that a URL leads to; no user and no password."""
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    host = asked.get("host", [parts.hostname or ""])[0]
    port = int(asked.get("port", [str(parts.port or DEFAULT_PORT)])[0])
    return unquote(host).lower(), port, unquote(parts.path.strip("/"))

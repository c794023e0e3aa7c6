"""Where the database is, for each driver as it wants to be told."""

from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from gql_auth.kernel.declaring import SettingsError
from gql_auth.kernel.settings import Settings

WAIT: Final = 10.0  # seconds: for a connection, for SQLite's lock, for a PostgreSQL connect


def database_url(settings: Settings, *, synchronous: bool = False) -> URL:
    """Where the database is, with the driver to use.

    psycopg 3 speaks both ways, so migrations and requests share one driver. What libpq alone
    understands of a PostgreSQL URL (several hosts) is not in the answer; see `conninfo`.

    Raises:
        SettingsError: the URL cannot be read.
    """
    if not settings.database_url:
        path = settings.data_dir.expanduser().absolute() / "gql_auth.sqlite3"
        return URL.create("sqlite" if synchronous else "sqlite+aiosqlite", database=str(path))
    try:
        url = make_url(settings.database_url)
    except (ArgumentError, ValueError):
        if settings.embedded:
            raise SettingsError(["GQL_AUTH_DATABASE_URL is not a database URL"]) from None
        conninfo(settings)
        return URL.create("postgresql+psycopg")
    if settings.embedded:
        return url.set(drivername="sqlite" if synchronous else "sqlite+aiosqlite")
    return url.set(drivername="postgresql+psycopg")


def conninfo(settings: Settings, *, direct: bool = False) -> str:
    """The PostgreSQL URL, for libpq as the operator wrote it: several hosts, services, TLS.

    Args:
        direct: round the pooler, where there is one.

    Raises:
        SettingsError: libpq cannot read it.
    """
    from psycopg import ProgrammingError  # noqa: PLC0415 - not loaded on SQLite
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    name = "database_direct_url" if direct and settings.database_direct_url else "database_url"
    bounds: dict[str, Any] = {
        "connect_timeout": int(WAIT),
        "application_name": "gql-auth",
        # A host that swallows packets is found out in this time, not in the kernel's 15 minutes.
        "tcp_user_timeout": int(WAIT * 1000),
        "keepalives_idle": int(WAIT),
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    given = getattr(settings, name)
    try:
        known = make_conninfo(given)
        return make_conninfo(given, **{k: v for k, v in bounds.items() if f"{k}=" not in known})
    except ProgrammingError:
        raise SettingsError([f"GQL_AUTH_{name.upper()} is not a PostgreSQL URL"]) from None


def sqlite_path(settings: Settings) -> Path | None:
    """The SQLite file, or None on PostgreSQL."""
    if not settings.embedded:
        return None
    url = database_url(settings)
    return Path(url.database) if url.database else None

"""The database: where it is, how connections are made, what each transaction begins with."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.settings import Settings, SettingsError

_WRITE: Final = "gql_auth_write"
WAIT: Final = 10.0  # seconds: for a connection, for SQLite's lock, for a PostgreSQL connect


def database_url(settings: Settings, *, synchronous: bool = False) -> URL:
    """Where the database is, with the driver to use.

    psycopg 3 speaks both ways, so migrations and requests share one driver.

    Raises:
        SettingsError: the URL cannot be read.
    """
    if not settings.database_url:
        path = settings.data_dir.expanduser().absolute() / "gql_auth.sqlite3"
        return URL.create("sqlite" if synchronous else "sqlite+aiosqlite", database=str(path))
    try:
        url = make_url(settings.database_url)
    except (ArgumentError, ValueError):
        raise SettingsError(["GQL_AUTH_DATABASE_URL is not a database URL"]) from None
    if settings.embedded:
        return url.set(drivername="sqlite" if synchronous else "sqlite+aiosqlite")
    return url.set(drivername="postgresql+psycopg")


def sqlite_path(settings: Settings) -> Path | None:
    """The SQLite file, or None on PostgreSQL."""
    url = database_url(settings)
    return Path(url.database) if settings.embedded and url.database else None


class Database:
    """An open pool of connections.

    On SQLite the writers of one process queue at a lock of ours, in order, instead of polling
    the file's; every write begins IMMEDIATE, so that no transaction fails half-way because it
    wanted to write after it had read.
    """

    def __init__(self, settings: Settings) -> None:
        url = database_url(settings)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {
            "pool_size": settings.database_pool_size,
            "max_overflow": 0,
            "pool_timeout": WAIT,
            # Neither logs nor the texts of exceptions repeat what was stored.
            "hide_parameters": True,
        }
        if self.is_sqlite:
            options["connect_args"] = {"timeout": WAIT}
            # At DEBUG aiosqlite logs every statement with its values, hashes and addresses too.
            logging.getLogger("aiosqlite").setLevel(logging.INFO)
        else:
            options["pool_pre_ping"] = True
            options["connect_args"] = {
                "connect_timeout": int(WAIT),
                "application_name": "gql-auth",
            }
        self._engine: AsyncEngine = create_async_engine(url, **options)
        self._reads = self._engine
        self._writes = self._engine.execution_options(**{_WRITE: True})
        self._writer = asyncio.Lock()
        if self.is_sqlite:
            event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads."""
        async with _translated(), self._reads.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that the caller commits or rolls back."""
        if not self.is_sqlite:
            async with _translated(), self._writes.connect() as connection:
                yield connection
            return
        async with _in_turn(self._writer), _translated(), self._writes.connect() as connection:
            yield connection

    async def ping(self) -> None:
        """Come back if the database answers.

        Raises:
            Unavailable: it does not.
        """
        async with self.reading() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


@asynccontextmanager
async def _in_turn(lock: asyncio.Lock) -> AsyncIterator[None]:
    """Hold `lock`, or refuse after a bounded wait."""
    try:
        async with asyncio.timeout(WAIT):
            await lock.acquire()
    except TimeoutError:
        raise Unavailable from None
    try:
        yield
    finally:
        lock.release()


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Turn what drivers raise about the database itself into `Unavailable`.

    A driver's text names hosts and files: it goes to the log as the cause, never to a client.
    Errors about our statements (constraint, syntax) pass: they are verdicts or defects.
    """
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable from error
    except DBAPIError as error:
        if error.connection_invalidated or _is_outage(error):
            raise Unavailable from error
        raise
    except OSError as error:
        raise Unavailable from error


def _is_outage(error: DBAPIError) -> bool:
    # SQLite calls a missing table or column operational too; waiting mends neither.
    if getattr(error.orig, "sqlite_errorname", None) == "SQLITE_ERROR":
        return False
    return type(error).__name__ in {"OperationalError", "InterfaceError"}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """WAL lets readers go on while one writes; FULL makes a commit survive a power cut."""
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, only
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON",
                   f"busy_timeout={int(WAIT * 1000)}"):  # fmt: skip
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

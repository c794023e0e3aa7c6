"""The database: where it is, how connections are made, what each transaction begins with."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gql_auth.kernel.clock import SharedClock, monotonic
from gql_auth.kernel.declaring import SettingsError
from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.settings import Settings
from gql_auth.storage.glances import Glances, PostgresGlances, SqliteGlances
from gql_auth.storage.outages import is_stale, translated
from gql_auth.storage.pipeline import Pipeline

_log = logging.getLogger("gql_auth.database")

_WRITE: Final = "gql_auth_write"
WAIT: Final = 10.0  # seconds: for a connection, for SQLite's lock, for a PostgreSQL connect
_UNIT: Final = 20.0  # seconds that one transaction may take
_PREPARE_AFTER: Final = 5  # runs of a statement, psycopg's own default
_POOLED: Final = (
    "a pooler is between: prepared statements are off; set GQL_AUTH_DATABASE_DIRECT_URL to the "
    "server's own URL, or revocations take a poll to reach this process"
)
_READY: Final = 3.0  # seconds in which the database answers a probe, or is not ready
_SPARE: Final = 2  # connections that requests never get: revocations are learnt under any load


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


class Database:
    """An open pool of connections.

    On SQLite the writers of one process queue at a lock of ours, in order, instead of polling
    the file's; every write begins IMMEDIATE, so that no transaction fails half-way because it
    wanted to write after it had read.
    """

    def __init__(self, settings: Settings) -> None:
        self.is_sqlite = settings.embedded
        options: dict[str, Any] = {
            "pool_size": settings.database_pool_size + _SPARE,
            "max_overflow": 0,
            "pool_timeout": WAIT,
            # Neither logs nor the texts of exceptions repeat what was stored.
            "hide_parameters": True,
        }
        self._prepare = not settings.database_direct_url
        path = sqlite_path(settings)
        self.glances: Glances = (
            SqliteGlances(path) if path else PostgresGlances(Pipeline(self._dial))
        )
        if self.is_sqlite:
            options["connect_args"] = {"timeout": WAIT}
            # At DEBUG aiosqlite logs every statement with its values, hashes and addresses too.
            logging.getLogger("aiosqlite").setLevel(logging.INFO)
        else:
            self._conninfo = conninfo(settings)
            options["pool_pre_ping"] = True
            options["async_creator"] = self._connect
        self._engine: AsyncEngine = create_async_engine(database_url(settings), **options)
        self._reads = self._engine
        self._writes = self._engine.execution_options(**{_WRITE: True})
        self._writer = asyncio.Lock()
        self._slots = asyncio.Semaphore(settings.database_pool_size)
        self._size = settings.database_pool_size
        self._waiting = 0
        self._probe: asyncio.Future[None] | None = None
        if self.is_sqlite:
            event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)

    async def _dial(self) -> Any:
        """A connection for the pipeline; None where statements cannot be prepared."""
        if not self._prepare:
            return None
        connection = await self._connect(autocommit=True, client_encoding="UTF8")
        if not self._prepare:
            await connection.close()
            return None
        return connection

    async def _connect(self, **options: Any) -> Any:
        from psycopg import AsyncConnection as Postgres  # noqa: PLC0415 - not loaded on SQLite

        connection = await Postgres.connect(self._conninfo, **options)
        # A pooler that hands one server's connection to several clients makes up the process id
        # that it tells. Statements prepared there could run in the place of another client's.
        if self._prepare:
            connection.prepare_threshold = None
            found = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
            await connection.rollback()
            if found and found[0] != connection.info.backend_pid:
                self._prepare = False
                _log.warning(_POOLED)
            else:
                connection.prepare_threshold = _PREPARE_AFTER
        else:
            connection.prepare_threshold = None
        return connection

    @property
    def usage(self) -> tuple[int, int, int]:
        """Connections that requests hold, how many they may, how many requests wait for one."""
        held = self._size - self._slots._value  # noqa: SLF001 - there is no public face
        return held, self._size, self._waiting

    @asynccontextmanager
    async def reading(self, *, spare: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads; `spare`: on a connection kept back from requests."""
        async with (
            self._slot(spare),
            translated(_UNIT),
            self._connected(self._reads) as connection,
            connection.begin(),
        ):
            yield connection

    @asynccontextmanager
    async def writing(self, *, spare: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction that the caller commits or rolls back."""
        if not self.is_sqlite:
            async with (
                self._slot(spare),
                translated(_UNIT),
                self._connected(self._writes) as connection,
            ):
                yield connection
            return
        async with (
            _in_turn(self._writer),
            translated(_UNIT),
            self._connected(self._writes) as connection,
        ):
            yield connection

    @asynccontextmanager
    async def _slot(self, spare: bool) -> AsyncIterator[None]:
        if spare:
            yield
            return
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT):
                await self._slots.acquire()
        except TimeoutError as error:
            raise Unavailable(cause="no connection is free") from error
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        async with engine.connect() as connection:
            try:
                yield connection
            except DBAPIError as error:
                if is_stale(error):
                    await connection.invalidate()
                raise

    async def ping(self) -> None:
        """Come back if the database answers soon. Probes that meet ask once.

        Raises:
            Unavailable: it does not.
        """
        if self._probe is None or self._probe.done():
            self._probe = asyncio.ensure_future(self._ask())
            self._probe.add_done_callback(lambda probe: probe.cancelled() or probe.exception())
        # Where packets are swallowed, even giving up takes long: nobody waits for that.
        await asyncio.wait({self._probe}, timeout=_READY)
        if not self._probe.done():
            raise Unavailable(cause="the database does not answer")
        self._probe.result()

    async def _ask(self) -> None:
        async with self.reading(spare=True) as connection:
            await connection.execute(text("SELECT 1"))

    async def set_clock(self, clock: SharedClock) -> None:
        """Let a clock follow the database's.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self.reading(spare=True) as connection:
            asked = monotonic()
            told: datetime = (
                await connection.execute(text("SELECT clock_timestamp()"))
            ).scalar_one()
            clock.follow(told.astimezone(UTC), asked=asked, answered=monotonic())

    async def close(self) -> None:
        """Close every connection."""
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.wait({self._probe}, timeout=_READY)
        await self.glances.close()
        await self._engine.dispose()


@asynccontextmanager
async def _in_turn(lock: asyncio.Lock) -> AsyncIterator[None]:
    """Hold `lock`, or refuse after a bounded wait."""
    try:
        async with asyncio.timeout(WAIT):
            await lock.acquire()
    except TimeoutError as error:
        raise Unavailable(cause="SQLite's writers take too long") from error
    try:
        yield
    finally:
        lock.release()


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

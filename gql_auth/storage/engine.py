"""The database: where it is, how connections are made, what each transaction begins with."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import event, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gql_auth.kernel.clock import SharedClock, monotonic
from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.settings import Settings
from gql_auth.storage.changes import Changes, PostgresChanges, SqliteChanges, in_turn
from gql_auth.storage.glances import Glances, PostgresGlances, SqliteGlances
from gql_auth.storage.outages import is_stale, translated
from gql_auth.storage.pipeline import Pipeline
from gql_auth.storage.places import WAIT, conninfo, database_url, sqlite_path

_log = logging.getLogger("gql_auth.database")

_WRITE: Final = "gql_auth_write"
_ROW: Final = 1.0  # seconds that a held connection waits for a row
_UNIT: Final = 20.0  # seconds that one transaction may take
_PREPARE_AFTER: Final = 5  # runs of a statement, psycopg's own default
_POOLED: Final = (
    "a pooler is between: prepared statements are off; set GQL_AUTH_DATABASE_DIRECT_URL to the "
    "server's own URL, or revocations take a poll to reach this process"
)
_READY: Final = 3.0  # seconds in which the database answers a probe, or is not ready
_LINES: Final = 2  # held connections for changes, so that PostgreSQL can group their commits
_SPARE: Final = 2  # connections that requests never get: revocations are learnt under any load


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
        self._writer = asyncio.Lock()
        self.glances: Glances
        self.changes: Changes
        if path := sqlite_path(settings):
            self.glances = SqliteGlances(path)
            self.changes = SqliteChanges(path, self._writer)
        else:
            self.glances = PostgresGlances(Pipeline(self._dial))
            self.changes = PostgresChanges([Pipeline(self._dial) for _ in range(_LINES)])
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
        async with AsyncExitStack() as undo:
            undo.push_async_callback(connection.close)
            if not self._prepare:
                return None
            # Who waits for a row that somebody else holds makes others wait on the same line.
            await connection.execute(f"SET lock_timeout = {int(_ROW * 1000)}")
            undo.pop_all()
        return connection

    async def _connect(self, **options: Any) -> Any:
        from psycopg import AsyncConnection as Postgres  # noqa: PLC0415 - not loaded on SQLite

        connection = await Postgres.connect(self._conninfo, **options)
        connection.prepare_threshold = None
        async with AsyncExitStack() as undo:
            undo.push_async_callback(connection.close)
            # A pooler that hands one server's connection to several clients makes up the process
            # id that it tells. Statements prepared there could run in the place of another
            # client's.
            if self._prepare:
                found = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
                await connection.rollback()
                if found and found[0] != connection.info.backend_pid:
                    if self._prepare:  # others may have noticed meanwhile
                        _log.warning(_POOLED)
                    self._prepare = False
                else:
                    connection.prepare_threshold = _PREPARE_AFTER
            undo.pop_all()
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
            in_turn(self._writer),
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
        await self.changes.close()
        await self.glances.close()
        await self._engine.dispose()


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

"""What one process tells the others through the database: sessions that ended or began, keys that
changed.

PostgreSQL: NOTIFY in the transaction itself, so that what is told is committed and what is
committed is told. SQLite: nothing is sent; a process sees that the file was changed and looks.
Both are the quick way only: a poll finds whatever got lost.

The payloads, and their law (replicas of two releases hear each other):

    ended <microseconds since 1970> <session id> <session id> …      ids as 32 hexadecimal digits
    accounts <account id> <account id> …     sessions of these began or ended; ids as above
    mail                                                             there is something to send
    changed                                                          look for yourself
"""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gql_auth.kernel.settings import Settings
from gql_auth.storage.places import conninfo, sqlite_path

_log = logging.getLogger("gql_auth.announcements")

CHANNEL: Final = "gql_auth"
_BATCH: Final = 200  # ids; a payload may have 8000 bytes
_ECHO: Final = 5.0  # seconds in which a process hears itself
_LOOK: Final = 0.5  # seconds between two looks at SQLite's file
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOTIFY: Final = text("SELECT pg_notify(:channel, :payload)")


@dataclass(frozen=True, slots=True)
class Heard:
    """What was told: sessions that ended at an instant, accounts whose sessions changed, mail, or
    (none of these) that there is something new."""

    at: datetime | None = None
    ended: tuple[UUID, ...] = ()
    accounts: tuple[UUID, ...] = ()
    mail: bool = False


class Announcements:
    """Both ends of the line."""

    def __init__(self, settings: Settings) -> None:
        self._path = sqlite_path(settings)
        self._on = not settings.embedded and settings.database_listen
        self._settings = settings

    @property
    def silent(self) -> bool:
        """Whether nothing is ever heard, so that the poll does it alone."""
        return not self._on and self._path is None

    async def tell_ended(
        self, connection: AsyncConnection, ended: Iterable[UUID], at: datetime
    ) -> None:
        """Tell of ended sessions, once the transaction commits."""
        micros = (at - _EPOCH) // timedelta(microseconds=1)
        await self._tell_ids(connection, f"ended {micros}", ended)

    async def tell_accounts(self, connection: AsyncConnection, accounts: Iterable[UUID]) -> None:
        """Tell of accounts whose sessions began or ended, once the transaction commits."""
        await self._tell_ids(connection, "accounts", accounts)

    async def _tell_ids(self, connection: AsyncConnection, what: str, ids: Iterable[UUID]) -> None:
        rest = iter(ids)
        while self._on and (batch := list(islice(rest, _BATCH))):
            await self._notify(connection, " ".join([what, *(each.hex for each in batch)]))

    async def tell_changed(self, connection: AsyncConnection) -> None:
        """Tell that there is something new, once the transaction commits."""
        if self._on:
            await self._notify(connection, "changed")

    async def tell_mail(self, connection: AsyncConnection) -> None:
        """Tell that there is something to send, once the transaction commits."""
        if self._on:
            await self._notify(connection, "mail")

    async def _notify(self, connection: AsyncConnection, payload: str) -> None:
        await connection.execute(_NOTIFY, {"channel": CHANNEL, "payload": payload})

    def hear(self) -> AsyncIterator[Heard]:
        """What others tell, from now on; the first is always "look", for what came before.

        Raises:
            psycopg.Error, sqlite3.Error, OSError: the line is broken; ask again.
        """
        return self._hear_postgres() if self._path is None else _watch(self._path)

    async def _hear_postgres(self) -> AsyncIterator[Heard]:
        from psycopg import AsyncConnection as Postgres  # noqa: PLC0415 - not loaded on SQLite

        where = conninfo(self._settings, direct=True)
        line: Any = await Postgres.connect(where, autocommit=True)
        async with line:
            await line.execute(f"LISTEN {CHANNEL}")
            # Through a pooler in transaction mode LISTEN succeeds and nothing is ever heard.
            await line.execute("SELECT pg_notify(%s, 'changed')", (CHANNEL,))
            own = [notice.payload async for notice in line.notifies(timeout=_ECHO, stop_after=1)]
            if not own:
                _log.warning(
                    "no notification arrives: revocations take a poll to reach this process; set "
                    "GQL_AUTH_DATABASE_DIRECT_URL to the server's own URL"
                )
            yield Heard()
            for payload in own:
                for heard in _read(payload):
                    yield heard
            async for notice in line.notifies():
                for heard in _read(notice.payload):
                    yield heard


def _read(payload: str) -> Iterator[Heard]:
    """What a payload says; a word of a later release is reason to look."""
    kind, *words = payload.split()
    try:
        if kind == "ended":
            at = _EPOCH + timedelta(microseconds=int(words[0]))
            yield Heard(at, tuple(UUID(hex=word) for word in words[1:]))
        elif kind == "accounts":
            yield Heard(accounts=tuple(UUID(hex=word) for word in words))
        elif kind == "mail":
            yield Heard(mail=True)
        else:
            yield Heard()
    except (ValueError, IndexError, OverflowError):
        yield Heard()


async def _watch(path: Path) -> AsyncIterator[Heard]:
    """SQLite counts the commits of other connections. Reading the number takes microseconds and
    waits for no lock; a thread would cost more, and not end when it is cancelled."""
    with closing(sqlite3.connect(path)) as line:
        before = None
        while True:
            now = line.execute("PRAGMA data_version").fetchone()
            if now != before:
                before = now
                yield Heard()
            await asyncio.sleep(_LOOK)

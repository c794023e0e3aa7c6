"""Reads of one row by one prepared statement, outside of any unit: for what every request asks.

SQLite: on the loop's own thread, by a connection that does nothing else. A point read in WAL mode
waits for no writer and takes microseconds; a thread to wait in would cost ten times that. Where it
would have to wait all the same (another process is recovering the file, or has it for itself), it
does not: the caller goes the ordinary way, by a unit, which waits in a thread.

PostgreSQL: by a held connection in pipeline mode, see `pipeline`.
"""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

from gql_auth.kernel import telemetry
from gql_auth.storage.pipeline import Pipeline
from gql_auth.storage.statements import Form, Row, Statement, Unsettled, Values

_PAGES: Final = -4096  # KiB of the file that are kept, where no other process writes meanwhile


def _as_it_is(row: Row) -> Row:
    return row


@lru_cache(2_048)
def _made(make: Callable[[Row], Any], form: Form, raw: tuple[Any, ...]) -> Any:
    """What is made of a row. Reading what SQLite says of it takes longer than to see that it says
    the same as before."""
    return make(form.decode(raw))


class Glances(Protocol):
    """Reads single rows."""

    def span(self) -> AbstractContextManager[object]:
        """The read as a step of the request, where somebody traces."""
        ...

    async def one(
        self, statement: Statement, values: Values, make: Callable[[Row], Any] = _as_it_is
    ) -> Any:
        """What is made of the row as it is committed now, or None.

        Args:
            make: of a row something that nobody can change: rows that are the same may be made
                into one and the same thing.

        Raises:
            Unsettled: ask by a unit instead.
        """
        ...

    async def close(self) -> None:
        """Close the connection; nothing is asked afterwards."""
        ...


class SqliteGlances:
    """Implements `Glances`. Stays on one thread.

    Args:
        path: the file; never made here.
    """

    def __init__(self, path: Path) -> None:
        self._where = f"file:{quote(str(path))}?mode=rw"
        self._line: sqlite3.Cursor | None = None
        self._is_closed = False

    def span(self) -> AbstractContextManager[object]:
        """The read as a step of the request."""
        return telemetry.span("database read", **{"db.system.name": "sqlite"})

    async def one(
        self, statement: Statement, values: Values, make: Callable[[Row], Any] = _as_it_is
    ) -> Any:
        """What is made of the row as it is committed now. Each SELECT is a transaction of its own,
        over when its one row was read, so that no checkpoint ever waits for this connection."""
        form = statement.sqlite
        try:
            line = self._line or self._open()
            found = line.execute(form.text, form.encode(values)).fetchall()
        except sqlite3.Error as error:
            if not getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                self._hang_up()
            raise Unsettled from error
        if not found:
            return None
        return form.decode(found[0]) if make is _as_it_is else _made(make, form, found[0])

    def _open(self) -> sqlite3.Cursor:
        if self._is_closed:
            raise Unsettled
        line = sqlite3.connect(self._where, uri=True, timeout=0, isolation_level=None)
        for pragma in ("query_only=ON", f"cache_size={_PAGES}"):
            line.execute(f"PRAGMA {pragma}")
        self._line = line.cursor()
        return self._line

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            with suppress(sqlite3.Error):
                line.connection.close()

    async def close(self) -> None:
        """Close the connection."""
        self._is_closed = True
        self._hang_up()


class PostgresGlances:
    """Implements `Glances`."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def span(self) -> AbstractContextManager[object]:
        """The read as a step of the request."""
        return telemetry.span("database read", **{"db.system.name": "postgresql"})

    async def one(
        self, statement: Statement, values: Values, make: Callable[[Row], Any] = _as_it_is
    ) -> Any:
        """What is made of the row as it is committed now."""
        rows, _ = await self._pipeline.run(statement, values)
        return make(rows[0]) if rows else None

    async def close(self) -> None:
        """Close the connection."""
        await self._pipeline.close()

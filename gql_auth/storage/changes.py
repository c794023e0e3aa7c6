"""Changes of one statement each, outside of any unit, answered when they are durable.

SQLite: many in one transaction, and one wait for the disk for all of them (group commit). The
statements run on the loop's own thread, microseconds each; what may wait (for another process's
lock, for the disk) runs in a thread that does nothing else. Statement by statement in a thread,
the interpreter's lock would change hands for each, and under load each change takes milliseconds.

A change is one statement, so it needs no SAVEPOINT: SQLite undoes one that fails by itself, and
the others stay. Nothing is answered before the COMMIT that holds it has come back.

PostgreSQL: each a transaction of its own on one of a few held connections, whose commits the
server groups by itself.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

from gql_auth.kernel.errors import Unavailable
from gql_auth.storage.outages import code_of
from gql_auth.storage.pipeline import Pipeline
from gql_auth.storage.places import WAIT
from gql_auth.storage.statements import Statement, Unsettled, Values

_MOST: Final = 1_000  # changes that wait, or are being written
_BATCH: Final = 200  # changes in one transaction: the loop must not be held up for long
_STOPPED: Final = "the writer was stopped"
_SLOW: Final = "SQLite's writers take too long"


class Changes(Protocol):
    """Runs single statements that change rows."""

    async def run(self, statement: Statement, values: Values) -> int:
        """How many rows it met; what it did is durable.

        Raises:
            Unsettled: it failed, or may have; ask by a unit.
            Unavailable: the database takes too long, or cannot write. It may have been done.
        """
        ...

    async def close(self) -> None:
        """Finish what was begun and close the connections."""
        ...


class PostgresChanges:
    """Implements `Changes`.

    Args:
        pipelines: their connections are used in turn.
    """

    def __init__(self, pipelines: Sequence[Pipeline]) -> None:
        self._pipelines = deque(pipelines)

    async def run(self, statement: Statement, values: Values) -> int:
        """How many rows it met."""
        self._pipelines.rotate()
        _, met = await self._pipelines[0].run(statement, values)
        return met

    async def close(self) -> None:
        """Close the connections."""
        for each in self._pipelines:
            await each.close()


class _Change:
    """One statement that waits for its turn, and what became of it."""

    __slots__ = ("done", "met", "parameters", "problem", "text")

    def __init__(self, text: str, parameters: list[Any], done: asyncio.Future[int]) -> None:
        self.text = text
        self.parameters = parameters
        self.done = done
        self.met = 0
        self.problem: Exception | None = None

    def tell(self, problem: Exception | None = None) -> None:
        """Tell who waits, if somebody still does."""
        if self.done.done():
            return
        if problem := problem or self.problem:
            self.done.set_exception(problem)
        else:
            self.done.set_result(self.met)


class SqliteChanges:
    """Implements `Changes` by group commit.

    Args:
        path: the file; never made here.
        writer: the lock at which all writers of this process queue.
    """

    def __init__(self, path: Path, writer: asyncio.Lock) -> None:
        self._where = f"file:{quote(str(path))}?mode=rw"
        self._writer = writer
        self._line: sqlite3.Connection | None = None
        self._waiting: deque[_Change] = deque()
        self._room = asyncio.Semaphore(_MOST)
        self._work: asyncio.Task[None] | None = None
        self._is_closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gql-auth-commit")

    async def run(self, statement: Statement, values: Values) -> int:
        """How many rows it met."""
        if self._is_closed:
            raise Unsettled
        form = statement.sqlite
        parameters = form.encode(values)
        if self._room.locked():
            await _acquired(self._room)
        else:
            await self._room.acquire()
        try:
            loop = asyncio.get_running_loop()
            change = _Change(form.text, parameters, loop.create_future())
            self._waiting.append(change)
            if self._work is None:
                # A task of its own: who goes away takes nobody else's commit along.
                self._work = loop.create_task(self._write())
            return await change.done
        finally:
            self._room.release()

    async def _write(self) -> None:
        try:
            while self._waiting:
                try:
                    async with in_turn(self._writer):
                        count = min(_BATCH, len(self._waiting))
                        await self._commit([self._waiting.popleft() for _ in range(count)])
                except Unavailable as refusal:
                    self._refuse(self._waiting, refusal)
                    self._waiting.clear()
        except BaseException:
            self._refuse(self._waiting, Unavailable(cause=_STOPPED))
            self._waiting.clear()
            raise
        finally:
            self._work = None

    async def _commit(self, batch: list[_Change]) -> None:
        """One transaction of all of them; whoever waits is told how it went."""
        try:
            line = await self._begin(batch)
            for change in batch:
                if change.done.done():  # who waited went away, or was told to come again
                    continue
                try:
                    change.met = line.execute(change.text, change.parameters).rowcount
                except sqlite3.Error as error:
                    if not line.in_transaction:  # the disk is full: SQLite undid all of it
                        raise
                    change.problem = Unsettled()
                    change.problem.__cause__ = error
            await self._waited_for(lambda: line.execute("COMMIT"), batch)
        except sqlite3.Error as error:
            await self._waited_for(self._hang_up, batch)
            refusal = Unavailable(cause=code_of(error))
            refusal.__cause__ = error
            self._refuse(batch, refusal)
        except BaseException:
            self._refuse(batch, Unavailable(cause=_STOPPED))
            raise
        for change in batch:
            change.tell()

    async def _begin(self, batch: list[_Change]) -> sqlite3.Connection:
        if (line := self._line) is None:
            line = self._line = await self._waited_for(self._open, batch)
        try:
            line.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                raise
            await self._waited_for(lambda: _wait_and_begin(line), batch)
        return line

    def _open(self) -> sqlite3.Connection:
        line = sqlite3.connect(
            self._where, uri=True, timeout=0, isolation_level=None, check_same_thread=False
        )
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            line.execute(f"PRAGMA {pragma}")
        return line

    def _hang_up(self) -> None:
        """What was not committed is undone."""
        line, self._line = self._line, None
        if line is not None:
            with suppress(sqlite3.Error):
                line.close()

    async def _waited_for(self, act: Callable[[], Any], batch: Sequence[_Change]) -> Any:
        """Do something in the thread. Where it takes too long, nobody who waits for this, or came
        meanwhile, waits on; the next batch does, as the connection is in use."""
        work = asyncio.get_running_loop().run_in_executor(self._thread, act)
        while not (await asyncio.wait({work}, timeout=WAIT))[0]:
            self._refuse([*batch, *self._waiting], Unavailable(cause=_SLOW))
            self._waiting.clear()
        return work.result()

    @staticmethod
    def _refuse(changes: Sequence[_Change] | deque[_Change], refusal: Unavailable) -> None:
        for change in changes:
            change.tell(refusal)

    async def close(self) -> None:
        """Finish what was begun and close the connection."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._work is not None:
            await asyncio.wait({self._work}, timeout=WAIT)
        await self._waited_for(self._hang_up, ())
        self._thread.shutdown(wait=False)


def _wait_and_begin(line: sqlite3.Connection) -> None:
    """As `_begin`, waiting for other processes; the loop itself never does."""
    line.execute(f"PRAGMA busy_timeout={int(WAIT * 1000)}")
    try:
        line.execute("BEGIN IMMEDIATE")
    finally:
        line.execute("PRAGMA busy_timeout=0")


@asynccontextmanager
async def in_turn(lock: asyncio.Lock) -> AsyncIterator[None]:
    """Hold `lock`, or refuse after a bounded wait."""
    await _acquired(lock)
    try:
        yield
    finally:
        lock.release()


async def _acquired(lock: asyncio.Lock | asyncio.Semaphore) -> None:
    try:
        async with asyncio.timeout(WAIT):
            await lock.acquire()
    except TimeoutError as error:
        raise Unavailable(cause=_SLOW) from error

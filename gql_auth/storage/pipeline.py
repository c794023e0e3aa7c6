"""A held connection to PostgreSQL on which many ask at once (libpq's pipeline mode).

Each statement is prepared once a connection and is a transaction of its own: nobody waits for the
answer to another's before asking, and what is asked in one turn of the event loop leaves in one
write. SQLAlchemy, a pool and a transaction's three round trips cost fifty times the statement.

A line that breaks, hangs or answers with an error is given up, and everybody who waits goes the
ordinary way, which waits for the database or knows what to say of it. The next line is dialled in
the background; nobody waits for that either.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from gql_auth.storage.statements import Row, Statement, Unsettled, Values

_PATIENCE: Final = 3.0  # seconds without an answer, after which a line is given up
_PAUSE: Final = 1.0  # seconds between two attempts to get a line
_MOST: Final = 1_000  # questions without an answer; who comes then waits for a connection instead


class Pipeline:
    """Asks by one held connection at a time.

    Args:
        dial: makes a connection (psycopg's, autocommit), or None where statements cannot be
            prepared: a pooler is between.
    """

    def __init__(self, dial: Callable[[], Awaitable[Any]]) -> None:
        self._dial = dial
        self._line: _Line | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._is_closed = False

    async def run(self, statement: Statement, values: Values) -> tuple[list[Row], int]:
        """The statement's rows and how many it met, once it is committed.

        Raises:
            Unsettled: there is no line, or none any more; whether it ran is not known.
        """
        line = self._line
        if line is None or line.is_over:
            self._call()
            raise Unsettled
        form = statement.postgres
        answer = await line.ask(statement, form.encode(values))
        return [form.decode(raw) for raw in answer.rows], answer.met

    def _call(self) -> None:
        loop = asyncio.get_running_loop()
        if self._is_closed:
            return
        if self._dialling is None and loop.time() >= self._not_before:
            self._dialling = loop.create_task(self._connect())

    async def _connect(self) -> None:
        import psycopg  # noqa: PLC0415 - not loaded on SQLite

        loop = asyncio.get_running_loop()
        try:
            with suppress(psycopg.Error, OSError):
                if (connection := await self._dial()) is not None:
                    self._line = _Line(connection, loop)
                    return
            self._not_before = loop.time() + _PAUSE
        finally:
            self._dialling = None

    async def close(self) -> None:
        """Hang up."""
        self._is_closed = True
        if self._dialling is not None:
            self._dialling.cancel()
            await asyncio.wait({self._dialling})
        if self._line is not None:
            self._line.give_up()


class _Question:
    """What was asked, and the answer as far as it has come."""

    __slots__ = ("answered", "asked_at", "met", "rows")

    def __init__(self, answered: asyncio.Future[None], asked_at: float) -> None:
        self.answered = answered
        self.asked_at = asked_at
        self.rows: list[list[bytes | None]] = []
        self.met = 0


class _Line:
    """One connection, until something is wrong with it."""

    def __init__(self, connection: Any, loop: asyncio.AbstractEventLoop) -> None:
        from psycopg import Error  # noqa: PLC0415 - not loaded on SQLite
        from psycopg.pq import ExecStatus  # noqa: PLC0415

        self.is_over = False
        self._error, self._status = Error, ExecStatus
        self._connection = connection  # whose end would be the line's
        self._pg = connection.pgconn
        self._loop = loop
        self._asked: deque[_Question] = deque()
        self._prepared: set[bytes] = set()
        self._is_flushing = False
        self._watch: asyncio.TimerHandle | None = None
        self._pg.nonblocking = 1
        self._pg.enter_pipeline_mode()
        self._socket = self._pg.socket
        loop.add_reader(self._socket, self._read)

    async def ask(self, statement: Statement, parameters: list[bytes | None]) -> _Question:
        """Ask, and wait for the answer."""
        if len(self._asked) >= _MOST:
            raise Unsettled
        question = _Question(self._loop.create_future(), self._loop.time())
        try:
            if statement.name not in self._prepared:
                self._pg.send_prepare(statement.name, statement.postgres.text.encode())
                self._prepared.add(statement.name)
            self._pg.send_query_prepared(statement.name, parameters, result_format=1)
            self._pg.pipeline_sync()
        except self._error as error:
            self.give_up()
            raise Unsettled from error
        self._asked.append(question)
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)
        if self._watch is None:
            self._watch = self._loop.call_later(_PATIENCE, self._look)
        await question.answered
        return question

    def _flush(self) -> None:
        if self.is_over:
            return
        try:
            is_sent = self._pg.flush() == 0
        except self._error:
            self.give_up()
            return
        if is_sent:
            self._is_flushing = False
            self._loop.remove_writer(self._socket)
        else:
            self._loop.add_writer(self._socket, self._flush)

    def _read(self) -> None:
        status = self._status
        try:
            self._pg.consume_input()
            while self._asked and not self._pg.is_busy():
                result = self._pg.get_result()
                if result is None:  # the end of one statement's results
                    continue
                if result.status == status.TUPLES_OK:
                    self._asked[0].met = result.ntuples
                    columns = range(result.nfields)
                    self._asked[0].rows += [
                        [result.get_value(row, column) for column in columns]
                        for row in range(result.ntuples)
                    ]
                elif result.status == status.PIPELINE_SYNC:
                    question = self._asked.popleft()
                    if not question.answered.done():  # else nobody waits for it any more
                        question.answered.set_result(None)
                elif result.status == status.COMMAND_OK:
                    self._asked[0].met = result.command_tuples or 0
                else:
                    self.give_up()
        except self._error:
            self.give_up()

    def _look(self) -> None:
        """Whether the oldest question has waited for too long."""
        self._watch = None
        if not self._asked:
            return
        left = self._asked[0].asked_at + _PATIENCE - self._loop.time()
        if left <= 0:
            self.give_up()
        else:
            self._watch = self._loop.call_later(left, self._look)

    def give_up(self) -> None:
        """Hang up; everybody who waits goes another way."""
        if self.is_over:
            return
        self.is_over = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        if self._watch is not None:
            self._watch.cancel()
        self._pg.finish()
        asked, self._asked = self._asked, deque()
        for question in asked:
            if not question.answered.done():
                question.answered.set_exception(Unsettled())

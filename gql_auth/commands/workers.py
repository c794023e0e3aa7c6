"""Workers of one server, watched by uvicorn's supervisor, and a supervisor that sees them die."""

import asyncio
import logging
import socket
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any, Final, cast

import uvicorn
from uvicorn.supervisors import multiprocess

_log = logging.getLogger("gql_auth.server")

_MOMENT: Final = 0.001  # seconds that the other workers get for the next connection
_CROWD: Final = 0.02  # seconds for which somebody waits all the time: then none rests any more
_NO_ROOM: Final = 1.0  # seconds without accepting, after the system had no room for a connection


class Acceptor:
    """Accepts connections at a socket that other processes accept at, too: one, and then leaves
    the others a moment to take the next, unless nobody does.

    What event loops have for this takes all that wait at once. Connections of clients that stay
    connected come in bursts, as from a proxy that starts: one worker had all of them for good, and
    the others had nothing to do.
    """

    def __init__(self, listening: socket.socket, make: Callable[[], asyncio.Protocol]) -> None:
        self._listening = listening
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[Any]] = set()
        self._later: asyncio.TimerHandle | None = None
        # When the last one was taken, and since when there was always somebody waiting.
        self._last = self._crowded_since = 0.0
        listening.setblocking(False)
        self._resume()

    def _resume(self) -> None:
        self._later = None
        self._loop.add_reader(self._listening, self._accept)

    def _rest(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._later = self._loop.call_later(seconds, self._resume)

    def _accept(self) -> None:
        try:
            line, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker has it, or the client has gone
        except OSError as error:  # no descriptor or no memory is left
            _log.error("no connection can be accepted", extra={"cause": error.strerror})
            self._rest(_NO_ROOM)
            return
        line.setblocking(False)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._make, line))
        self._beginning.add(task)
        task.add_done_callback(self._begun)
        now = self._loop.time()
        if now - self._last > _CROWD / 2:
            self._crowded_since = now
        self._last = now
        if now - self._crowded_since < _CROWD:
            self._rest(_MOMENT)

    def _begun(self, task: "asyncio.Task[Any]") -> None:
        self._beginning.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.info("a connection ended as it began")

    def close(self) -> None:
        """Accept no more."""
        if self._later is not None:
            self._later.cancel()
        self._loop.remove_reader(self._listening)

    async def wait_closed(self) -> None:
        """Come back when those that were accepted have begun."""
        if self._beginning:
            await asyncio.wait(self._beginning)


class Server(uvicorn.Server):
    """uvicorn's server, in a worker."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve at sockets that all workers share."""
        await super().startup(sockets=[])
        config = self.config

        def make() -> asyncio.Protocol:
            protocol: Any = config.http_protocol_class
            made = protocol(
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return cast(asyncio.Protocol, made)

        self.servers += [cast(Any, Acceptor(each, make)) for each in sockets or []]


class Worker(multiprocess.Process):
    """uvicorn's worker process. Its supervisor holds the worker's end of the line open itself, so
    one that is killed while it is asked how it is would be waited for as long as one that is
    slow: a minute without a replacement, and deaf to signals."""

    @property
    def server(self) -> uvicorn.Server:
        """What serves, in the worker itself."""
        if self._server is None:
            self._server = Server(self.config)
        return self._server

    def _healthcheck(self, timeout: float) -> bool | None:
        """Whether it serves; None where it does not answer, or has ended."""
        try:
            self.parent_conn.send(b"ping")
            if self.parent_conn in wait([self.parent_conn, self.process.sentinel], timeout):
                started: bool = self.parent_conn.recv()
                return started
        except (OSError, EOFError):
            pass
        return None


class Supervisor(multiprocess.Multiprocess):
    """Keeps workers alive. uvicorn names the class of its workers in one place alone."""

    def run(self) -> None:
        """Serve until told to stop."""
        multiprocess.Process = Worker  # type: ignore[misc]
        super().run()

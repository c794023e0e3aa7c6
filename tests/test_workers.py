"""How workers share one socket."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import pytest
import uvicorn

from gql_auth.commands import workers
from gql_auth.commands.workers import Acceptor, Server, Worker


class Counted(asyncio.Protocol):
    """A connection that somebody counts."""

    def __init__(self, door: "Door") -> None:
        self._door = door
        self.line: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.line = transport
        self._door.opened(self)

    def data_received(self, data: bytes) -> None:
        self.line.write(data.upper())


class Door:
    """A worker's end of a shared socket.

    Args:
        all_in: told of each connection.
    """

    def __init__(self, listening: socket.socket, all_in: Callable[[], None]) -> None:
        self.made: list[Counted] = []
        self._all_in = all_in
        self._listening = listening
        self.acceptor = Acceptor(listening, lambda: Counted(self))

    def opened(self, each: Counted) -> None:
        self.made.append(each)
        self._all_in()

    async def close(self) -> None:
        self.acceptor.close()
        await self.acceptor.wait_closed()
        self._listening.close()


@asynccontextmanager
async def doors(*listening: socket.socket, many: int) -> AsyncIterator[list[Door]]:
    """Workers that have accepted so many connections between them."""
    done, opened = asyncio.Event(), list[Door]()

    def look() -> None:
        if sum(len(each.made) for each in opened) == many:
            done.set()

    opened += [Door(each, look) for each in listening]
    async with asyncio.timeout(20):
        await done.wait()
    yield opened
    for each in opened:
        await each.close()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """What workers share."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as made:
        yield made


@contextmanager
def burst(listening: socket.socket, many: int) -> Iterator[list[socket.socket]]:
    """So many clients at once."""
    with ExitStack() as held:
        where = listening.getsockname()
        yield [held.enter_context(socket.create_connection(where)) for _ in range(many)]


async def test_a_burst_is_shared(listening: socket.socket) -> None:
    """No worker takes all the connections that wait."""
    with burst(listening, 20):
        async with doors(listening.dup(), listening.dup(), many=20) as both:
            assert min(len(each.made) for each in both) >= 8


async def test_one_serves_alone(listening: socket.socket) -> None:
    """Where the others are gone, one takes everybody, until it ends."""
    loop = asyncio.get_running_loop()
    with burst(listening, 200) as clients:
        async with doors(listening.dup(), many=200) as (alone,):
            for client in clients:
                client.setblocking(False)
                await loop.sock_sendall(client, b"hello")
                assert await loop.sock_recv(client, 100) == b"HELLO"
            for each in alone.made:
                line = each.line.get_extra_info("socket")
                assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with burst(listening, 1):
            await asyncio.sleep(0.05)
            assert len(alone.made) == 200


class Full(socket.socket):
    """A socket of a process that has no descriptor left, the first time."""

    refusals = 0

    def accept(self) -> tuple[socket.socket, Any]:
        if not self.refusals:
            self.refusals += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


async def test_no_room_is_no_end(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the system has no room for a connection, the worker says so, rests and goes on."""
    monkeypatch.setattr(workers, "_NO_ROOM", 0.05)
    with burst(listening, 3):
        async with doors(Full(fileno=listening.dup().detach()), many=3):
            pass
    (line,) = [each for each in caplog.records if each.message == "no connection can be accepted"]
    assert vars(line)["cause"] == "Too many open files"


def test_workers_serve_so() -> None:
    """What a worker runs is the server that shares."""
    worker = Worker(uvicorn.Config("app:app"), [])
    assert type(worker.server) is Server
    assert worker.server is worker.server
    worker.parent_conn.close()
    worker.child_conn.close()

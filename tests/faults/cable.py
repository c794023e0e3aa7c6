"""The network between a process and a server, as a TCP proxy that can be cut or go silent."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what closes then sends RST


class Cable:
    """Leads from `port` to another port of this machine."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._joined = True
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        self._joined = False
        self._soon(self._reset_all)

    def join(self) -> None:
        """Lead through again."""
        self._joined = True

    def swallow(self) -> None:
        """Let everything arrive and nothing come out: a network that drops packets."""
        self._soon(self._flowing.clear)

    def flow(self) -> None:
        """Deliver again, what was held back too."""
        self._soon(self._flowing.set)

    @property
    def connections(self) -> int:
        """How many lead through now."""
        return len(self._open) // 2

    def _soon(self, act: object) -> None:
        done = threading.Event()

        def run() -> None:
            act()  # type: ignore[operator]
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(10)

    def _reset_all(self) -> None:
        for writer in self._open:
            line = writer.get_extra_info("socket")
            with suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._joined:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, back}
        self._open |= pair
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            self._open -= pair
            for each in pair:
                each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65_536):
                await self._flowing.wait()
                writer.write(chunk)
                await writer.drain()
        writer.close()

    async def _serve(self, stop: asyncio.Event, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._lead, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        self._flowing.set()
        self._reset_all()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)

    @classmethod
    @contextmanager
    def to(cls, target: int) -> Iterator["Cable"]:
        """Lay a cable to a port."""
        cable = cls(target)
        stop, ready = asyncio.Event(), threading.Event()
        work = cable._serve(stop, ready)
        thread = threading.Thread(target=cable._loop.run_until_complete, args=(work,))
        thread.start()
        try:
            assert ready.wait(10)
            yield cable
        finally:
            cable._loop.call_soon_threadsafe(stop.set)
            thread.join(20)
            assert not thread.is_alive()
            cable._loop.close()

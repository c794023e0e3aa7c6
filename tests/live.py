"""A real server on a loopback port, in a thread with an event loop of its own; bounded waiting."""

import asyncio
import inspect
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

T = TypeVar("T")
STEP = 0.02  # seconds between two looks


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(app: Any, *, port: int = 0) -> Iterator[str]:
    """Serve an ASGI application, lifespan included; yields its `http://127.0.0.1:port`."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="on", ws="websockets-sansio"
    )
    server = uvicorn.Server(config)
    # asyncio turns Nagle's delay off where it reads "TCP": else answers take 40 ms longer.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        thread = threading.Thread(target=asyncio.run, args=(server.serve([listener]),))
        thread.start()
        try:
            deadline = time.monotonic() + 20
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                assert time.monotonic() < deadline, "the server takes too long to start"
                time.sleep(STEP)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive(), "the server does not stop"


class Counted:
    """An ASGI application that counts the requests for each path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.seen: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.seen[scope["path"]] = self.seen.get(scope["path"], 0) + 1
        await self.app(scope, receive, send)


async def within(seconds: float, look: Callable[[], Awaitable[T] | T]) -> T:
    """What `look` finds as soon as it finds something true; fails when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"nothing within {seconds} s"
        await asyncio.sleep(STEP)

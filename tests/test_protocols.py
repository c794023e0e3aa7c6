"""What the server adds to uvicorn's protocol to be quick: answers leave as uvicorn sends them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gql_auth.commands.protocols import Protocol
from tests.process import read_all

Application = Callable[[Any, Any, Any], Awaitable[None]]

JSON = (b"content-type", b"application/json")


def answering(*messages: dict[str, Any], wait: float = 0) -> Application:
    """An application that says just this."""

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in messages:
            await send(message)
            await asyncio.sleep(wait)

    return application


def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: bytes, **more: Any) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content} | more


def length(count: int) -> tuple[bytes, bytes]:
    return (b"content-length", str(count).encode())


@asynccontextmanager
async def served(
    application: Application, protocol: type[Any] = Protocol, **options: Any
) -> AsyncIterator[Callable[[bytes], Awaitable[bytes]]]:
    """Serves on a free port; what is given says bytes and reads until the connection ends."""
    application.settings = type("Settings", (), {"https": False})  # type: ignore[attr-defined]
    config = uvicorn.Config(
        application, http=protocol, lifespan="off", log_config=None, access_log=False, **options
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.ensure_future(server.serve([listening]))

        def say(raw: bytes) -> bytes:
            with socket.create_connection(listening.getsockname(), timeout=20) as line:
                line.sendall(raw)
                return read_all(line)

        try:
            yield lambda raw: asyncio.to_thread(say, raw)
        finally:
            server.should_exit = True
            await serving


def request(*headers: str, method: str = "POST", close: bool = True) -> bytes:
    lines = [f"{method} / HTTP/1.1", "Host: x", "Content-Length: 0", *headers]
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode()


def without_date(answer: bytes) -> list[bytes]:
    return [line for line in answer.split(b"\r\n") if not line.startswith(b"date: ")]


ANSWERS: dict[str, tuple[dict[str, Any], ...]] = {
    "whole": (start(JSON, length(2)), body(b"{}")),
    "empty": (start(length(0), status=204), body(b"")),
    "in pieces": (
        start(JSON, length(4)), body(b"[1", more_body=True), body(b",]", more_body=False),
    ),
    "first piece empty": (start(JSON, length(2)), body(b"", more_body=True), body(b"{}")),
    "without length": (start(JSON), body(b"{}")),
    "chunked": (start(JSON, (b"transfer-encoding", b"chunked")), body(b"{}")),
    "connection": (start(JSON, length(2), (b"connection", b"close")), body(b"{}")),
    "header twice": (
        start(JSON, length(2), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")), body(b"{}"),
    ),
    "capitals": (start((b"Content-Type", b"text/plain"), length(2)), body(b"hi")),
    "too long": (start(JSON, length(2)), body(b"{} ")),
    "too short": (start(JSON, length(2)), body(b"{")),
    "two lines in a value": (start(JSON, length(2), (b"x", b"a\r\nb: c")), body(b"{}")),
    "two lines in a name": (start(JSON, length(2), (b"x\r\ny", b"a")), body(b"{}")),
    "two lines in a value that repeats": (
        start((b"content-type", b"a\r\nb: c"), length(2)), body(b"{}"),
    ),
    "no number": (start(JSON, (b"content-length", b"x")), body(b"{}")),
    "no body": (start(JSON, length(2)),),
    "two starts": (start(JSON, length(2)), start(JSON, length(2))),
    "no start": (body(b"{}"),),
    "said twice": (start(JSON, length(2)), body(b"{}"), body(b"{}")),
    "status": (start(JSON, length(2), status=401), body(b"{}")),
}  # fmt: skip


@pytest.mark.parametrize("which", ANSWERS)
async def test_the_answer_is_uvicorns(which: str) -> None:
    """Right or wrong, an answer leaves as uvicorn itself would send it; asked three times, as
    lines of heads are remembered. Only a head that no body follows is not sent."""
    methods = ["POST", "GET", "HEAD"] * 3
    said = {}
    for protocol in (HttpToolsProtocol, Protocol):
        async with served(answering(*ANSWERS[which]), protocol) as say:
            said[protocol] = [without_date(await say(request(method=each))) for each in methods]
    if which == "no body":
        assert said[Protocol] == [[b""]] * 9
    else:
        assert said[Protocol] == said[HttpToolsProtocol]


async def test_a_head_waits_for_no_long_body() -> None:
    """An answer without a length, as streams are, begins at once."""
    seen: list[bytes] = []
    more = answering(start(JSON), body(b"1", more_body=True), body(b"2"), wait=0.2)
    async with served(more) as say:
        seen.append(await say(request()))
    assert b"1\r\n1\r\n1\r\n2\r\n0\r\n\r\n" in seen[0]


async def test_requests_that_come_at_once() -> None:
    """Pipelined requests are answered in their order, each once."""
    numbers: list[int] = []

    async def count(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        numbers.append(int(scope["path"][1:]))
        await send(start(JSON, length(1)))
        await send(body(scope["path"][1:].encode()))

    def one(number: int) -> bytes:
        return request(close=number == 4).replace(b"POST /", b"POST /%d" % number)

    async with served(count) as say:
        answer = await say(b"".join(map(one, range(5))))
    assert numbers == [0, 1, 2, 3, 4]
    assert [part[-1:] for part in answer.split(b"HTTP/1.1")[1:]] == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("idle", [0.1, 0.3])
async def test_an_idle_connection_is_closed(idle: float) -> None:
    """A connection on which nothing comes is closed after its time, not before and not while it is
    at work; one timer sees to all of its requests."""
    loop = asyncio.get_running_loop()
    async with served(
        answering(start(JSON, length(2)), body(b"{}"), wait=0.05), timeout_keep_alive=idle
    ) as say:
        began = loop.time()
        answer = await say(request(close=False) * 3)
        took = loop.time() - began
    assert answer.count(b"HTTP/1.1 200") == 3
    assert took >= idle + 3 * 0.05


async def test_a_client_that_waits_to_be_told_to_go_on() -> None:
    """`Expect: 100-continue` is answered before the body is read."""
    async with served(answering(start(JSON, length(2)), body(b"{}"))) as say:
        answer = await say(request("Expect: 100-continue"))
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")

"""The client's end of a line that stays open, at the ASGI edge: a socket, or a streamed answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp

PATIENCE = 10  # seconds until a test that waits has failed


class Socket:
    """The client's end of a socket."""

    def __init__(self) -> None:
        self.to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.to_client: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self.reason = ""

    async def take(self, message: Any) -> None:
        """What the server says; waits while the client reads nothing."""
        await self.reads.wait()
        await self.to_client.put(message)

    async def say(self, message: Any) -> None:
        """Send a message: text as it stands, bytes as a binary frame, the rest as JSON."""
        if isinstance(message, bytes):
            await self.to_server.put({"type": "websocket.receive", "bytes": message})
            return
        text = message if isinstance(message, str) else json.dumps(message)
        await self.to_server.put({"type": "websocket.receive", "text": text})

    async def hear(self) -> Any:
        """The next message, or the number the server closed with."""
        heard = await asyncio.wait_for(self.to_client.get(), PATIENCE)
        if heard["type"] == "websocket.close":
            self.reason = heard.get("reason", "")
            assert len(self.reason.encode()) <= 123
            return heard["code"]
        return json.loads(heard["text"])

    async def init(self, token: str | None = None) -> None:
        """Shake hands."""
        payload = {"Authorization": f"Bearer {token}"} if token else {}
        await self.say({"type": "connection_init", "payload": payload})
        assert await self.hear() == {"type": "connection_ack"}

    async def subscribe(self, query: str, variables: Any = None, name: str = "1") -> None:
        """Begin an operation."""
        payload = {"query": query} | ({"variables": variables} if variables else {})
        await self.say({"id": name, "type": "subscribe", "payload": payload})

    async def ask(self, query: str, variables: Any = None) -> dict[str, Any]:
        """The answer to one operation."""
        await self.subscribe(query, variables)
        heard = await self.hear()
        if heard["type"] == "next":
            assert await self.hear() == {"id": "1", "type": "complete"}
            return dict(heard["payload"])
        assert heard["type"] == "error"
        return {"errors": heard["payload"]}

    async def next(self) -> Any:
        """The data of the one field of the next result."""
        heard = await self.hear()
        assert isinstance(heard, dict), (heard, self.reason)
        assert heard["type"] == "next", heard
        assert "errors" not in heard["payload"], heard
        (value,) = heard["payload"]["data"].values()
        return value

    async def sync(self) -> None:
        """Come back when the server has taken all that was said; nothing else was heard."""
        await self.say({"type": "ping"})
        assert await self.hear() == {"type": "pong"}


def scope_of(kind: str, *, ip: str = "127.0.0.1", **headers: str) -> dict[str, Any]:
    """The ASGI scope of a request for `/graphql`."""
    return {
        "type": kind,
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "root_path": "",
        "scheme": "ws" if kind == "websocket" else "http",
        "server": ("localhost", 8000),
        "client": (ip, 1),
        "headers": [
            (name.lower().replace("_", "-").encode(), value.encode())
            for name, value in headers.items()
        ],
    }


@asynccontextmanager
async def connected(
    app: ASGIApp, *, protocol: str = "graphql-transport-ws", **options: str
) -> AsyncIterator[tuple[Socket, dict[str, Any]]]:
    """A socket, and the server's first word to its handshake; at the end, no defect came up in
    the application."""
    socket = Socket()
    scope = scope_of("websocket", **options)
    scope |= {"subprotocols": [protocol], "extensions": {"websocket.http.response": {}}}
    await socket.to_server.put({"type": "websocket.connect"})
    served = asyncio.ensure_future(app(scope, socket.to_server.get, socket.take))  # type: ignore[arg-type]
    try:
        yield socket, await asyncio.wait_for(socket.to_client.get(), PATIENCE)
    finally:
        await socket.to_server.put({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(served, PATIENCE)


@asynccontextmanager
async def opened(app: ASGIApp, token: str | None = None, **options: str) -> AsyncIterator[Socket]:
    """A socket whose handshake is done."""
    async with connected(app, **options) as (socket, first):
        assert first["type"] == "websocket.accept", first
        await socket.init(token)
        yield socket


class Streamed:
    """An answer as it comes."""

    def __init__(self) -> None:
        self.chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.start: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.gone = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self._asked: list[dict[str, Any]] = []
        self._rest = b""

    async def receive(self) -> dict[str, Any]:
        """What the server reads."""
        if self._asked:
            return self._asked.pop()
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def take(self, message: Any) -> None:
        """What the server says; waits while the client reads nothing."""
        await self.reads.wait()
        if message["type"] == "http.response.start":
            self.start.set_result(message)
            return
        await self.chunks.put(message.get("body", b""))
        if not message.get("more_body"):
            await self.chunks.put(None)

    @property
    def status(self) -> int:
        return int(self.start.result()["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.start.result()["headers"]}

    async def chunk(self) -> bytes | None:
        """What comes next; None at the end."""
        return await asyncio.wait_for(self.chunks.get(), PATIENCE)

    async def body(self) -> bytes:
        """All that comes."""
        whole = b""
        while (chunk := await self.chunk()) is not None:
            whole += chunk
        return whole

    async def event(self) -> tuple[str, Any]:
        """The next server-sent event and its data; ("", None) at the end."""
        while b"\n\n" not in self._rest:
            chunk = await self.chunk()
            if chunk is None:
                assert not self._rest
                return "", None
            self._rest += chunk
        block, _, self._rest = self._rest.partition(b"\n\n")
        fields = dict(line.split(":", 1) for line in block.decode().split("\n"))
        if fields == {"": ""}:  # a comment, to keep the line alive
            return await self.event()
        data = fields["data"].strip()
        return fields["event"].strip(), json.loads(data) if data else None

    async def next(self) -> Any:
        """The data of the one field of the next result."""
        kind, answer = await self.event()
        assert kind == "next", (kind, answer)
        assert "errors" not in answer, answer
        (value,) = answer["data"].values()
        return value

    async def errors(self) -> list[dict[str, Any]]:
        """The errors of the next result, which has no data, and is the last."""
        kind, answer = await self.event()
        assert kind == "next", (kind, answer)
        assert not answer.get("data")
        assert await self.event() == ("complete", None)
        assert await self.event() == ("", None)
        found: list[dict[str, Any]] = answer["errors"]
        return found


@asynccontextmanager
async def streamed(
    app: ASGIApp,
    query: str,
    token: str | None = None,
    *,
    variables: Any = None,
    accept: str = "text/event-stream",
    ip: str = "127.0.0.1",
    **headers: str,
) -> AsyncIterator[Streamed]:
    """An operation by POST whose answer stays open; the client leaves at the end."""
    answer = Streamed()
    body = json.dumps({"query": query, "variables": variables}).encode()
    answer._asked = [{"type": "http.request", "body": body, "more_body": False}]
    headers = {"accept": accept, "content_type": "application/json"} | headers
    if token:
        headers["authorization"] = f"Bearer {token}"
    scope = scope_of("http", ip=ip, **headers) | {"method": "POST", "http_version": "1.1"}
    served = asyncio.ensure_future(app(scope, answer.receive, answer.take))
    try:
        await asyncio.wait(
            {asyncio.ensure_future(_started(answer)), served},
            timeout=PATIENCE,
            return_when=asyncio.FIRST_COMPLETED,
        )
        yield answer
    finally:
        answer.gone.set()
        answer.reads.set()
        await asyncio.wait_for(served, PATIENCE)


async def _started(answer: Streamed) -> None:
    await asyncio.shield(answer.start)


def reason_of_error(error: dict[str, Any]) -> str:
    """The reason of an error, or its code."""
    return str(error["extensions"].get("reason", error["extensions"]["code"]))


def reason(answer: dict[str, Any]) -> str:
    """The reason or code of the one error of an answer."""
    (error,) = answer["errors"]
    return reason_of_error(error)

"""uvicorn's protocols, tightened: what is malformed never reaches the application, and is
answered as carefully as what does."""

import asyncio
import logging
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Response
from websockets.server import ServerProtocol

from gql_auth.commands.cycles import Cycle
from gql_auth.serving import http
from gql_auth.serving.headers import headers_of

_log = logging.getLogger(__name__)

HEAD_BYTES: Final = 65_536  # of a request line and headers, give or take what one read brings
HEAD_TIME: Final = 10.0  # seconds from the connection's or the head's first byte to its last
STALL_TIME: Final = 30.0  # seconds that a client may leave what is sent unread
_FRAMING: Final = 8  # bytes of chunked coding for each byte of body; one-byte chunks take 5


def _headers(config: uvicorn.Config) -> dict[str, str]:
    """The headers of every answer of the server that a configuration is of."""
    return headers_of(https=cast(Any, config.app).settings.https)


class Unread(asyncio.Protocol):
    """Cuts off a client that reads nothing. What is written waits in memory until it is read; a
    plain close would wait for that, too, and uvicorn's pings end in a plain close."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    _stalled: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """More waits to be read than should."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALL_TIME, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads."""
        self._forget_stall()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody reads any more."""
        self._forget_stall()
        super().connection_lost(exc)

    def _forget_stall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


class Protocol(Unread, HttpToolsProtocol):
    """uvicorn's HTTP protocol, with our headers also on the answer to what is no HTTP, and a
    bound on the time and the memory that a message which never ends takes."""

    _in_head = False
    _head = 0  # bytes of it that came after the read it began in
    _rest = 0  # bytes behind the head that are no body: framing, trailers
    _late: asyncio.TimerHandle | None = None
    _idle_since: float | None = None  # of the loop's time

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the first head its time."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more is awaited."""
        self._forget_late()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived; refuse what has grown too large."""
        if self._in_head:
            self._head += len(data)
        else:
            self._rest += len(data)
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._forget_late()
            return
        # Only now is it known how much of the read was body.
        self._rest = max(self._rest, 0)
        if self._in_head and self._head > HEAD_BYTES:
            _log.warning("a request's head is too large")
            self._refuse(431, f"The headers are larger than {HEAD_BYTES} bytes")
        elif self._rest > HEAD_BYTES:
            _log.warning("a request's trailers are too large")
            self.transport.abort()  # an answer may be on its way already
        else:
            self._watch()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._head, self._rest = True, 0, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; a trailer is none (RFC 9110, section 6.5.1) and is dropped."""
        if self._in_head:
            name = name.lower()
            self.headers.append((name, value))
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._in_head = False
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # no upgrade to another protocol
            self.cycle.__class__ = Cycle  # uvicorn lets nobody choose it

    def on_body(self, body: bytes) -> None:
        """A piece of the body, which the application bounds."""
        self._rest -= (1 + _FRAMING) * len(body)
        super().on_body(body)

    def _watch(self) -> None:
        """While a head is awaited, wait no longer than its time. Between two requests that is
        uvicorn's part, until the first byte of the next."""
        cycle: RequestResponseCycle | None = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if answering and not self._in_head:
            self._forget_late()
        elif self._late is None:
            self._late = self.loop.call_later(HEAD_TIME, self._hang_up)

    def _hang_up(self) -> None:
        self._late = None
        self.transport.abort()

    def _forget_late(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def on_response_complete(self) -> None:
        """An answer is whole: begin with the next request that has come, or wait for one. One timer
        is enough for a connection; uvicorn makes one a request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again(self.timeout_keep_alive)

    def _look_again(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._look_idle)

    def _look_idle(self) -> None:
        """Close a connection on which nothing has come for too long."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return  # it is at work, and looked at when that is done
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_again(left)
        else:
            self.timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        """Something has come."""
        self._idle_since = None

    def send_400_response(self, msg: str) -> None:
        """Answer a malformed request, which no application ever sees."""
        self._refuse(400, msg)

    def _refuse(self, status: int, message: str) -> None:
        # Most of what is too much, or what httptools would not parse, may be the address.
        if len(getattr(self, "url", b"")) > HEAD_BYTES // 2:
            status, message = 414, "The address is too long: send the operation by POST"
        body = http.encode(http.BadRequest(status, message).body)
        answer = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        answer += [f"{name}: {value}" for name, value in _headers(self.config).items()]
        answer += [f"Date: {formatdate(usegmt=True)}", f"Content-Type: {http.JSON}"]
        answer += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
        self.transport.write("\r\n".join(answer).encode() + body)
        self.transport.close()


class Handshake(ServerProtocol):
    """The handshake of a WebSocket, with our headers also where it is malformed."""

    answer_headers: Mapping[str, str] = MappingProxyType({})

    def reject(self, status: HTTPStatus | int, text: str) -> Response:
        """The answer to a handshake that no application ever sees."""
        response = super().reject(status, text)
        response.headers.update(self.answer_headers)
        return response


class Socket(Unread, WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol on that handshake."""

    def __init__(self, config: uvicorn.Config, *rest: Any, **more: Any) -> None:
        super().__init__(config, *rest, **more)
        handshake = Handshake(
            extensions=self.conn.available_extensions,
            max_size=config.ws_max_size,
            logger=self.conn.logger,
        )
        handshake.answer_headers = _headers(config)
        self.conn = handshake

    async def send(self, message: Any) -> None:
        """Pass on what the application says. A refusal completes the handshake; without this
        uvicorn takes it for a failure of the application and logs each as an error."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True

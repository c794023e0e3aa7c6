"""GraphQL over WebSocket: Strawberry's graphql-transport-ws, bounded, and ended with the token.

How a socket is closed, beyond what the protocol itself says (docs/subscriptions.md):

    4401  the token that it has proven itself by has expired
    4403  its session has ended
    1013  nobody knows whether it has: this process is cut off from its database
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from json import JSONDecodeError
from typing import Any, Final, cast

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import (
    NonJsonMessageReceived,
    NonTextMessageReceived,
    WebSocketDisconnected,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import Message, SubscribeMessage

from gql_auth.kernel.errors import Refused, Unauthenticated
from gql_auth.serving import http
from gql_auth.serving.connections import Connection, TooManyOperations
from gql_auth.serving.context import RequestContext
from gql_auth.serving.errors import internal_error, refusal, refusal_body
from gql_auth.serving.leases import Lease, operation_id
from gql_auth.serving.persisted import DocumentRefused
from gql_auth.serving.schema import AuthSchema

_log = logging.getLogger("gql_auth.requests")

EXPIRED: Final = 4401
FORBIDDEN: Final = 4403
TRY_AGAIN_LATER: Final = 1013  # as IANA lists them
_REASON_BYTES: Final = 123
_MOMENT: Final = 3  # turns of the event loop
STALL: Final = 60.0  # seconds that a client may take nothing

CONNECTION: Final = "gql_auth.connection"  # where a socket's ASGI scope has its connection


def code_of(refusal: Refused) -> int:
    """What a socket is closed with that may not go on."""
    if not isinstance(refusal, Unauthenticated):
        return TRY_AGAIN_LATER
    return EXPIRED if refusal.reason is Unauthenticated.Reason.EXPIRED else FORBIDDEN


class SocketAdapter(ASGIWebSocketAdapter):
    """Strawberry's hold of a socket. After a close nothing is said any more, and of the reason
    (Strawberry puts what a client sent into it) a frame has room for 123 bytes (RFC 6455,
    section 5.5) and fails on more."""

    closed_with: int | None = None

    async def iter_json(
        self,
        *,
        ignore_parsing_errors: bool = False,  # noqa: ARG002 - of the other protocol
    ) -> AsyncGenerator[object, None]:
        """The client's messages."""
        try:
            while self._is_open:
                yield self.view.decode_json(await self.ws.receive_text())
        except JSONDecodeError as error:
            raise NonJsonMessageReceived from error
        except KeyError as error:
            raise NonTextMessageReceived from error
        except WebSocketDisconnect as gone:
            self.closed_with = self.closed_with or gone.code

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Say something.

        Raises:
            TimeoutError: the client takes nothing.
        """
        if self._is_open:
            async with asyncio.timeout(STALL):
                await super().send_json(message)

    async def close(self, code: int, reason: str) -> None:
        """Close with as much of the reason as fits.

        Raises:
            TimeoutError: the client takes nothing.
        """
        if self._is_open:
            self.closed_with = code
            short = reason.encode()[:_REASON_BYTES].decode(errors="ignore")
            async with asyncio.timeout(STALL):
                await super().close(code, short)

    @property
    def _is_open(self) -> bool:
        return self.ws.application_state is WebSocketState.CONNECTED


class SocketHandler(BaseGraphQLTransportWSHandler[RequestContext, None]):
    """One socket."""

    websocket: SocketAdapter

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._connections = self.context.system.connections
        self.connection_init_wait_timeout = self._connections.limits.socket_init_timeout
        connection: Connection = self.context.request.scope[CONNECTION]
        self._lease = Lease(self.context.system, connection, self._start_closing)
        self.context.lease = self._lease
        self._closing: asyncio.Task[None] | None = None
        # Those that were cancelled and still clean up count, too.
        self._running: set[asyncio.Task[Any]] = set()
        self._begun = 0
        self._life = asyncio.timeout(None)

    async def handle(self) -> None:
        """Serve it to its end."""
        began, ip = time.monotonic(), {"ip": self.context.client.ip_address or "unknown"}
        _log.info("socket opened", extra=ip)
        try:
            async with self._life:
                await super().handle()
        except TimeoutError:
            if not self._life.expired():
                raise
            self._connections.telemetry.limited("slow")
        finally:
            self._lease.end()
            if self._closing is not None:
                self._closing.cancel()
            ended: dict[str, Any] = {
                "code": self.websocket.closed_with,
                "operations": self._begun,
                "seconds": round(time.monotonic() - began, 1),
            }
            _log.info("socket closed", extra=ip | self._lease.who | ended)

    async def handle_message(self, message: Message) -> None:
        """Take a message, while the socket may go on."""
        if self._lease.goes_on():
            await super().handle_message(message)

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Begin an operation, unless too many run."""
        taken = message["id"] in self.operations
        if self.connection_acknowledged and not taken and await self._is_busy():
            self._connections.telemetry.limited("operations")
            await self._refuse(message, refusal(TooManyOperations()))
            return
        payload: Any = message["payload"]
        asked = http.read_operation(payload)
        try:
            # The schema of the endpoint; Strawberry knows only of its general kind.
            documents = cast(AuthSchema, self.schema).persisted
            text = documents.resolve(asked.query, asked.document_id, asked.extensions)
        except DocumentRefused as refused:
            await self._refuse(message, refused.formatted)
            return
        payload["query"] = text  # what Strawberry runs
        await super().handle_subscribe(message)
        begun = self.operations.get(message["id"])
        if not taken and begun is not None and begun.task is not None:
            self._begun += 1
            self._running.add(begun.task)
            begun.task.add_done_callback(self._running.discard)

    async def _refuse(self, message: SubscribeMessage, error: Any) -> None:
        await self.send_message({"id": message["id"], "type": "error", "payload": [error]})

    async def _is_busy(self) -> bool:
        """Whether as many operations run as may. Those that were just ended get a moment to be
        over, as messages may come faster than that."""
        most = self._connections.limits.operations_per_socket
        for _ in range(_MOMENT):
            if len(self._running) < most:
                return False
            await asyncio.sleep(0)
        return True

    async def run_operation(self, operation: Operation[RequestContext, None]) -> None:
        """Run one, so that its code knows which it is."""
        operation_id.set(operation.id)
        await super().run_operation(operation)

    async def send_message(self, message: Message) -> None:
        """Say something, while the socket may go on."""
        operation = str(message.get("id", ""))
        if self._lease.goes_on() or self._lease.may_speak(operation):
            try:
                await super().send_message(message)
            except TimeoutError:
                self._give_up()
                raise WebSocketDisconnected from None

    async def handle_connection_init_timeout(self) -> None:
        """Close a socket that says nothing."""
        await super().handle_connection_init_timeout()
        if self.connection_timed_out:
            self._connections.telemetry.limited("init")

    async def handle_task_exception(self, error: Exception) -> None:
        """A task failed. That a client left while it was spoken to is no failure."""
        if not isinstance(error, WebSocketDisconnected):
            internal_error(error)

    def _start_closing(self) -> None:
        self._closing = asyncio.ensure_future(self._close())

    async def _close(self) -> None:
        over = self._lease.over
        assert over is not None  # noqa: S101 - that is why it is called
        await self._lease.last_words_said()
        for each in list(self.operations):
            await self.cleanup_operation(each)
        with suppress(TimeoutError):
            await self.websocket.close(code_of(over), str(over))
            return
        self._give_up()

    def _give_up(self) -> None:
        """End what a client that takes nothing holds."""
        self._life.reschedule(asyncio.get_running_loop().time())


async def deny(socket: WebSocket, refused: Refused) -> None:
    """Refuse a handshake, with the reason where the server can pass it on."""
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        answer = Response(http.encode(refusal_body(refused)), 429, media_type=http.JSON)
        await socket.send_denial_response(answer)
    else:
        await socket.close(TRY_AGAIN_LATER)

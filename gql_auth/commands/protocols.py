"""uvicorn's protocols, tightened: what is malformed never reaches the application, and is
answered as carefully as what does."""

import logging
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Response
from websockets.server import ServerProtocol

from gql_auth.serving import http
from gql_auth.serving.headers import headers_of

_log = logging.getLogger(__name__)

HEAD_BYTES: Final = 65_536  # of a request line and headers, give or take what one read brings


def _headers(config: uvicorn.Config) -> dict[str, str]:
    """The headers of every answer of the server that a configuration is of."""
    return headers_of(https=cast(Any, config.app).settings.https)


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with our headers also on the answer to what is no HTTP, and a
    bound on what it keeps of a head that never ends."""

    _in_head = False
    _head = 0  # bytes of it that came after the read it began in

    def data_received(self, data: bytes) -> None:
        """Take what arrived, or refuse a head that is too large."""
        if self._in_head:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                _log.warning("a request's head is too large")
                self._refuse(431, f"The headers are larger than {HEAD_BYTES} bytes")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._head = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer a malformed request, which no application ever sees."""
        self._refuse(400, msg)

    def _refuse(self, status: int, message: str) -> None:
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


class Socket(WebSocketsSansIOProtocol):
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

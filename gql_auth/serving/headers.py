"""Security headers on every answer, errors included, and CORS."""

import logging
from collections.abc import Iterable
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("gql_auth.requests")

# Answers are personal and never a page: not kept, not sniffed, not framed, no referrer.
SECURITY_HEADERS: Final[dict[str, str]] = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}
HSTS: Final = "max-age=63072000; includeSubDomains"
_TRY_AGAIN_LATER: Final = 1013  # a WebSocket's close code, as IANA lists them


def headers_of(*, https: bool) -> dict[str, str]:
    """The headers of every answer; by https, browsers are told to come back by https alone."""
    return SECURITY_HEADERS | ({"Strict-Transport-Security": HSTS} if https else {})


def raw_headers_of(*, https: bool) -> list[tuple[bytes, bytes]]:
    """The same, as ASGI has them."""
    return [
        (name.lower().encode(), value.encode()) for name, value in headers_of(https=https).items()
    ]


class Cors(CORSMiddleware):
    """Starlette's CORS, with a word to the operator: a browser tells its developer only that
    CORS blocked the request, not which origin the server knows nothing of."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight; log it where the origin is not allowed."""
        asking = request_headers.get("origin", "")
        if not self.is_allowed_origin(asking):
            _log.info("preflight refused", extra={"origin": asking[:200]})
        return super().preflight_response(request_headers)


class SecureHeaders:
    """Wraps an ASGI application; a header that an answer sets itself stays as it is.

    Args:
        https: also tell browsers to come back by https alone.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._headers = raw_headers_of(https=https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, adding what lacks when the answer starts."""
        if scope["type"] == "http":
            await self._app(scope, receive, self._secured(send, "http.response.start"))
        elif "websocket.http.response" in scope.get("extensions", {}):
            await self._app(scope, receive, _told_by_http(self._secured(send, _DENIAL)))
        else:
            await self._app(scope, receive, send)

    def _secured(self, send: Send, start: str) -> Send:
        async def send_secured(message: Message) -> None:
            if message["type"] == start:
                message["headers"] = completed(message.get("headers", ()), self._headers)
            await send(message)

        return send_secured


_DENIAL: Final = "websocket.http.response.start"


def _told_by_http(send: Send) -> Send:
    """Refuse a WebSocket's handshake by an answer of ours: servers answer a close that comes
    before the handshake is accepted with a bare 403."""
    begun = False

    async def send_told(message: Message) -> None:
        nonlocal begun
        if message["type"] != "websocket.close" or begun:
            begun = True
            await send(message)
            return
        begun = True
        status = 503 if message.get("code") == _TRY_AGAIN_LATER else 403
        await send({"type": _DENIAL, "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "websocket.http.response.body", "body": b""})

    return send_told


def completed(
    given: Iterable[tuple[bytes, bytes]], wanted: Iterable[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """The given headers, and of the wanted ones those that lack."""
    made = list(given)
    names = {name for name, _ in made}
    made.extend(each for each in wanted if each[0] not in names)
    return made

"""An answer in JSON, put together from parts that were made beforehand."""

from typing import Final

from starlette.types import Receive, Scope, Send

from gql_auth.serving import http
from gql_auth.serving.headers import SECURITY_HEADERS

_TYPES: Final = {
    media: (b"content-type", f"{media}; charset=utf-8".encode())
    for media in (http.JSON, http.GRAPHQL_RESPONSE)
}
VARY: Final = (b"vary", b"Accept, Origin")
PRIVATE: Final = (VARY, (b"cache-control", b"private, no-store"))
UNKEPT: Final = (VARY, (b"cache-control", SECURITY_HEADERS["Cache-Control"].encode()))


class Answer:
    """An ASGI application that gives one answer.

    Args:
        media_type: one of the two that `negotiation` chooses from.
    """

    __slots__ = ("body", "raw_headers", "status_code")

    def __init__(self, status: int, media_type: str, body: bytes) -> None:
        self.status_code = status
        self.body = body
        self.raw_headers = [
            (b"content-length", b"%d" % len(body)),
            _TYPES[media_type],
        ]

    def add(self, name: str, value: str) -> None:
        """Add a header."""
        self.raw_headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Give it."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        await send({"type": "http.response.body", "body": self.body})

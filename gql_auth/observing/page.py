"""/metrics as an ASGI application, without a framework."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

_log = logging.getLogger("gql_auth.metrics")

Render = Callable[[str], tuple[bytes, str]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Page:
    """Answers GET and HEAD at any path, one at a time, and never on the event loop's time.

    Args:
        render: given the `Accept` header, the page and its media type; may block.
    """

    def __init__(self, render: Render) -> None:
        self._render = render
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:  # noqa: ARG002
        """Answer."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})
        if scope["type"] != "http":
            return
        if scope["method"] not in {"GET", "HEAD"}:
            await answer(scope, send, 405, b"Use GET\n", headers=[(b"allow", b"GET, HEAD")])
            return
        accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
        try:
            async with self._turn:
                page, media_type = await asyncio.to_thread(self._render, accept.decode("latin-1"))
        except Exception:  # noqa: BLE001 - the page must not take its server down
            _log.exception("the metrics cannot be read")
            await answer(scope, send, 500, b"The metrics cannot be read; the log says why\n")
            return
        await answer(scope, send, 200, page, media_type)


async def answer(
    scope: Any,
    send: Send,
    status: int,
    body: bytes,
    media_type: str = "text/plain; charset=utf-8",
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    """Send one answer."""
    told = [
        (b"content-type", media_type.encode("latin-1")),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *(headers or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

"""The port of /metrics: apart from the public one, in a thread with an event loop of its own, so
that neither waits for the other."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Final

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from gql_auth.commands.protocols import Protocol
from gql_auth.kernel import parsing
from gql_auth.kernel.settings import Settings
from gql_auth.observing.shared import Folder
from gql_auth.serving.headers import SecureHeaders

PATH: Final = "/metrics"
_GRACE: Final = 1  # seconds that a scrape gets to end when the server stops
_CONNECTIONS: Final = 50  # more are told to come back later


class MetricsPort:
    """Serves one page at /metrics on a socket that listens already; nothing else, anywhere."""

    def __init__(self, settings: Settings, listening: socket.socket) -> None:
        self.settings = settings  # for the protocol, whose refusals bear the same headers
        self._listening = listening
        self._page: ASGIApp | None = None
        self._server: uvicorn.Server | None = None
        self._thread: Thread | None = None

    def show(self, page: ASGIApp) -> None:
        """Answer with this page from now on."""
        self._page = SecureHeaders(page, https=False)
        config = uvicorn.Config(
            self,
            http=Protocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE,
        )
        self._server = uvicorn.Server(config)
        # A daemon: whatever becomes of it, the server stops without it.
        self._thread = Thread(
            target=self._server.run, args=([self._listening],), name="metrics", daemon=True
        )
        self._thread.start()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer /metrics; everything else is not here."""
        if scope["type"] == "http" and scope["path"] == PATH and self._page is not None:
            await self._page(scope, receive, send)
            return
        body = b"There is nothing here; the figures are at /metrics\n"
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def close(self) -> None:
        """Stop, within a bounded time."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(2 * _GRACE)


@contextmanager
def shared_folder(port: MetricsPort) -> Iterator[str]:
    """A folder in which workers count, and the port that shows it; gone at the end."""
    path = tempfile.mkdtemp(prefix="gql-auth-metrics-")
    try:
        from gql_auth.observing.page import Page  # noqa: PLC0415 - loads what shows it

        port.show(Page(Folder(path).render))
        yield path
    finally:
        port.close()
        shutil.rmtree(path, ignore_errors=True)


def exposure(settings: Settings) -> str | None:
    """What an operator should know of where the metrics are served."""
    if not settings.metrics_port or parsing.is_loopback(settings.metrics_host):
        return None
    return (
        f"GQL_AUTH_METRICS_HOST={settings.metrics_host}: whoever reaches port "
        f"{settings.metrics_port} there reads /metrics; it has no protection of its own"
    )

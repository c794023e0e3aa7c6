"""`gql-auth serve`: prepare what is needed, say where things are, serve."""

import asyncio
import multiprocessing.process
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread, Timer
from types import FrameType
from typing import Annotated

import typer
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from gql_auth._version import __version__
from gql_auth.app import GraphQLAuth, create_app
from gql_auth.commands import logs
from gql_auth.commands.protocols import Protocol, Socket
from gql_auth.commands.running import NOT_READY, explained, fail, load_settings, out
from gql_auth.kernel.settings import Settings
from gql_auth.preparing import prepare, secret_path
from gql_auth.serving.http import MAX_BODY
from gql_auth.storage.engine import sqlite_path
from gql_auth.system import System

GRACE = 10  # seconds that requests in flight get at shutdown
# Seconds after which a worker that says nothing is replaced. Importing is part of that silence:
# with uvicorn's own 5 s no worker ever comes up on a machine that needs longer.
PATIENCE = 60
BACKLOG = 2048  # connections that may wait to be accepted

_FIRST_QUERY = """\
curl -s {url}/graphql -H 'Content-Type: application/json' -d '{{"query": "mutation {{ \
signup(input: {{email: \\"me@example.com\\", password: \\"correct horse battery\\"}}) {{ \
__typename ... on AuthPayload {{ accessToken }} ... on AuthError {{ message }} }} }}"}}'"""


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 picks a free one. [default: 8000]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes on this machine. [default: 1]")
    ] = None,
) -> None:
    """Serve GraphQL at /graphql. Everything else comes from GQL_AUTH_* variables."""
    with explained():
        asked = Settings.from_environment(host=host, port=port, workers=workers)
    with _listening(asked) as listening:
        with explained():
            # The default PUBLIC_URL holds the port that is really served.
            settings = load_settings(host=host, port=listening.getsockname()[1], workers=workers)
            logs.configure(settings)
            prepare(settings)
            asyncio.run(_check(settings))
        _greet(settings)
        _run(settings, listening)


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """Listen before anything is made, so that a taken port changes nothing."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.host, settings.port))
            listening.listen(BACKLOG)  # two that are bound to one port could still meet here
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            fail(f"Cannot listen on {where}: {error.strerror}. Choose another --port.", NOT_READY)
        listening.set_inheritable(True)
        yield listening


async def _check(settings: Settings) -> None:
    """Make the first keys and see that the secret opens them, before workers are started."""
    async with System(settings):
        pass


def _greet(settings: Settings) -> None:
    url = settings.public_url
    database = sqlite_path(settings) or "PostgreSQL, GQL_AUTH_DATABASE_URL"
    secret = "GQL_AUTH_SECRET" if settings.secret else str(secret_path(settings).absolute())
    lines = [
        f"GraphQL   {url}/graphql  (open it in a browser to try queries)",
        f"Keys      {url}/.well-known/jwks.json",
        f"Health    {url}/healthz  {url}/readyz",
        f"Database  {database}",
        f"Secret    {secret}  (back it up: passwords and sessions hang on it)",
    ]
    out.print(f"gql-auth {__version__}", style="bold")
    out.print("\n".join(lines), markup=False, soft_wrap=True)
    out.print("\nA first query, to paste into another terminal:\n")
    out.print(_FIRST_QUERY.format(url=url), markup=False, soft_wrap=True)
    out.print("\nCtrl+C stops the server.")
    out.file.flush()


@dataclass(frozen=True, slots=True)
class Factory:
    """Makes the application in the process that serves it; workers get it by pickle."""

    settings: Settings

    def __call__(self) -> ASGIApp:
        """The standalone server's application, with its logging."""
        logs.configure(self.settings)
        if parent := multiprocessing.parent_process():
            Thread(target=_end_with, args=(parent,), daemon=True).start()
        auth = GraphQLAuth(self.settings)
        _drain_before_end(auth, self.settings.shutdown_delay.total_seconds())
        return create_app(auth)


def _drain_before_end(auth: GraphQLAuth, delay: float) -> None:
    """On the first SIGTERM be not ready, and end a while later; on the second at once."""
    end = signal.getsignal(signal.SIGTERM)  # uvicorn's
    if not delay or not callable(end):
        return

    def on_sigterm(number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, end)
        auth.drain()
        later = Timer(delay, os.kill, (os.getpid(), number))
        later.daemon = True  # an end that comes sooner does not wait for it
        later.start()

    signal.signal(signal.SIGTERM, on_sigterm)


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    """End this worker when the process that watches over it is gone: killed, it cannot tell its
    workers, and they would keep the port."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _run(settings: Settings, listening: socket.socket) -> None:
    """Serve in this process, or keep as many workers alive as were asked for."""
    config = uvicorn.Config(
        Factory(settings),
        factory=True,
        http=Protocol,
        ws=Socket,
        ws_max_size=MAX_BODY,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # whose are believed, TRUSTED_PROXIES says and nobody else
        timeout_graceful_shutdown=GRACE,
        timeout_worker_healthcheck=PATIENCE,
        workers=settings.workers,
    )
    if settings.workers > 1:
        Multiprocess(config, sockets=[listening]).run()
        return
    server = uvicorn.Server(config)
    server.run(sockets=[listening])
    if not server.started:
        raise typer.Exit(NOT_READY)

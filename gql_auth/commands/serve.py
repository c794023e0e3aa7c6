"""`gql-auth serve`: prepare what is needed, say where things are, serve."""

import asyncio
import gc
import logging
import multiprocessing.process
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from threading import Thread, Timer, current_thread, main_thread
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from gql_auth._version import __version__
from gql_auth.app import GraphQLAuth, create_app
from gql_auth.commands import logs
from gql_auth.commands.lines import FastLines
from gql_auth.commands.metrics import PATH, MetricsPort, exposure, shared_folder
from gql_auth.commands.protocols import Protocol, Socket
from gql_auth.commands.running import NOT_READY, explained, fail, load_settings, warn
from gql_auth.commands.voices import out
from gql_auth.kernel.settings import Settings
from gql_auth.observing import shared, tracing
from gql_auth.preparing import prepare, secret_path
from gql_auth.serving.http import MAX_BODY
from gql_auth.storage.places import sqlite_path
from gql_auth.system import System

_log = logging.getLogger("gql_auth.metrics")

GRACE = 10  # seconds that requests in flight get at shutdown
# Seconds after which a worker that says nothing is replaced. Importing is part of that silence:
# with uvicorn's own 5 s no worker ever comes up on a machine that needs longer.
PATIENCE = 60
BACKLOG = 2048  # connections that may wait to be accepted

_FIRST_QUERY = """\
curl -s {url}/graphql -H 'Content-Type: application/json' -d '{{"query": "mutation {{ \
signup(input: {{email: \\"me@example.com\\", password: \\"correct horse battery\\"}}) {{ \
__typename ... on AuthPayload {{ accessToken }} ... on AuthError {{ message }} }} }}"}}'"""


def serve(host: str | None = None, port: int | None = None, workers: int | None = None) -> None:
    """Serve GraphQL at /graphql until told to stop.

    Args:
        host, port: where to listen, instead of what the settings say.
        workers: processes.
    """
    with explained():
        asked = Settings.from_environment(host=host, port=port, workers=workers)
    with _listening(asked.host, asked.port, "--port") as listening, _metrics(asked) as figures:
        with explained():
            # The default PUBLIC_URL holds the port that is really served.
            listening.set_inheritable(True)
            settings = load_settings(host=host, port=listening.getsockname()[1], workers=workers)
            if settings.tracing:
                tracing()  # says what is missing, before anything is made
            logs.configure(settings)
            prepare(settings)
            asyncio.run(_check(settings))
        _greet(settings)
        _run(settings, listening, figures)


@contextmanager
def _listening(host: str, port: int, option: str) -> Iterator[socket.socket]:
    """Listen before anything is made, so that a taken port changes nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen(BACKLOG)  # two that are bound to one port could still meet here
        except OSError as error:
            where = f"{host}:{port}"
            fail(f"Cannot listen on {where}: {error.strerror}. Choose another {option}.", NOT_READY)
        yield listening


@contextmanager
def _metrics(settings: Settings) -> Iterator[MetricsPort | None]:
    """The port of /metrics, where it is wanted."""
    if not settings.metrics_port:
        yield None
        return
    host, option = settings.metrics_host, "GQL_AUTH_METRICS_PORT"
    with _listening(host, settings.metrics_port, option) as listening:
        if warning := exposure(settings):
            warn(warning)
        yield MetricsPort(settings, listening)


async def _check(settings: Settings) -> None:
    """Make the first keys and see that the secret opens them, before workers are started."""
    async with System(settings):
        pass


def _greet(settings: Settings) -> None:
    url = settings.public_url
    database = sqlite_path(settings) or "PostgreSQL, GQL_AUTH_DATABASE_URL"
    secret = "GQL_AUTH_SECRET" if settings.secret else str(secret_path(settings).absolute())
    host = settings.metrics_host
    place = f"[{host}]" if ":" in host else host
    metrics = f"Metrics   http://{place}:{settings.metrics_port}{PATH}"
    lines = [
        f"GraphQL   {url}/graphql  (open it in a browser to try queries)",
        f"Keys      {url}/.well-known/jwks.json",
        f"Health    {url}/healthz  {url}/readyz",
        *([metrics] if settings.metrics_port else []),
        f"Database  {database}",
        f"Secret    {secret}  (back it up: passwords and sessions hang on it)",
    ]
    out.mark(f"gql-auth {__version__}", "bold")
    out.say("\n".join(lines))
    out.say("\nA first query, to paste into another terminal:\n")
    out.say(_FIRST_QUERY.format(url=url))
    out.say("\nCtrl+C stops the server.")
    out.stream.flush()


@dataclass(frozen=True, slots=True)
class Factory:
    """Makes the application in the process that serves it; workers get it by pickle.

    Args:
        folder: where workers count what the parent shows.
        port: where the one process shows its own figures.
    """

    settings: Settings
    folder: str | None = None
    port: MetricsPort | None = None

    def __call__(self) -> ASGIApp:
        """The standalone server's application, with its logging."""
        gate = logs.configure(self.settings)
        if parent := multiprocessing.parent_process():
            Thread(target=_end_with, args=(parent, self.folder), daemon=True).start()
        auth = GraphQLAuth(self.settings)
        if self.port is not None:
            shared.keep_apart()
            self.port.show(auth.metrics())
        elif self.folder is not None:
            _join(self.folder, auth)
        gate.left_out = auth.telemetry.left_out
        if logs.is_json(self.settings):
            auth.lines = FastLines(gate)
        _end_in_order(auth, self.settings.shutdown_delay.total_seconds())
        # A worker ends by the signal itself, and runs nothing more when its life is over.
        return create_app(auth, started=_settle_memory, ended=gate.settle)


def _settle_memory() -> None:
    """What was made by now stays as long as the process: no search for garbage looks at it again.
    The command line had put them off."""
    gc.freeze()
    gc.enable()


def _join(folder: str, auth: GraphQLAuth) -> None:
    """Count in the workers' folder; a full disk is no reason not to serve."""
    try:
        shared.join(folder)
    except OSError as error:
        _log.warning("this worker is not in /metrics", extra={"cause": error.strerror})
    else:
        auth.metrics()


def _end_in_order(auth: GraphQLAuth, delay: float) -> None:
    """On the first SIGTERM be not ready, and end a while later; on the second, or a Ctrl+C, at
    once. At the end hang up: uvicorn waits for responses, and some would go on for hours."""
    end = signal.getsignal(signal.SIGTERM)  # uvicorn's
    if not callable(end) or current_thread() is not main_thread():
        return

    def on_end(number: int, frame: FrameType | None) -> None:
        auth.hang_up()
        end(number, frame)

    def on_sigterm(number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, on_end)
        auth.drain()
        later = Timer(delay, os.kill, (os.getpid(), number))
        later.daemon = True  # an end that comes sooner does not wait for it
        later.start()

    signal.signal(signal.SIGINT, on_end)
    signal.signal(signal.SIGTERM, on_sigterm if delay else on_end)


def _end_with(parent: multiprocessing.process.BaseProcess, folder: str | None) -> None:
    """End this worker when the process that watches over it is gone: killed, it cannot tell its
    workers, and they would keep the port; nor can it clean up."""
    parent.join()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGTERM)


def _run(settings: Settings, listening: socket.socket, port: MetricsPort | None) -> None:
    """Serve in this process, or keep as many workers alive as were asked for."""
    # uvicorn raises the signal that ended it once more, when all is done: an end that was asked
    # for is no failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    if settings.workers == 1:
        server = uvicorn.Server(_config(Factory(settings, port=port)))
        try:
            server.run(sockets=[listening])
        finally:
            if port is not None:
                port.close()
        if not server.started:
            raise SystemExit(NOT_READY)
        return
    with shared_folder(port) if port else nullcontext() as folder:
        config = _config(Factory(settings, folder))
        from gql_auth.commands.workers import Supervisor  # noqa: PLC0415 - for several alone

        Supervisor(config, sockets=[listening]).run()


def _config(factory: Factory) -> uvicorn.Config:
    return uvicorn.Config(
        factory,
        factory=True,
        http=Protocol,
        ws=Socket,
        ws_max_size=MAX_BODY,
        ws_per_message_deflate=False,  # as answers: lengths would tell; and 30 kB for each socket
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # whose are believed, TRUSTED_PROXIES says and nobody else
        timeout_graceful_shutdown=GRACE,
        timeout_worker_healthcheck=PATIENCE,
        workers=factory.settings.workers,
    )

"""The `gql-auth` command as a process of its own, and `gql-auth serve` with all that it says.

Settings are keyword arguments here: `run("users", "list", data_dir=…)` sets GQL_AUTH_DATA_DIR.
Nothing of the tests' own GQL_AUTH_* variables reaches the process.
"""

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from typer.testing import CliRunner, Result

from gql_auth.commands.tree import app
from tests.live import STEP
from tests.support import GraphQLClient

T = TypeVar("T")
START, STOP = 60, 30  # seconds at most, on a machine with other things to do

# The command beside the interpreter, or what it holds where the package was not installed.
_INSTALLED = Path(sys.executable).with_name("gql-auth")
COMMAND = (
    [str(_INSTALLED)]
    if _INSTALLED.exists()
    else [sys.executable, "-c", "from gql_auth.cli import main; main()"]
)

# Root reads and writes whatever it wants. Without these two capabilities (CAP_DAC_OVERRIDE,
# CAP_DAC_READ_SEARCH) modes count for it as for anybody; dropped from the bounding set, the next
# exec comes without them.
_AS_ANYBODY = """
import ctypes, os, sys
if os.geteuid() == 0:
    for capability in (1, 2):
        assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def command(*arguments: str, as_anybody: bool = False) -> list[str]:
    """The command line; `as_anybody` takes away what root may do more than others."""
    through = [sys.executable, "-c", _AS_ANYBODY] if as_anybody else []
    return [*through, *COMMAND, *arguments]


def environment(**settings: object) -> dict[str, str]:
    """The environment of a process with these settings and no others. It runs as its users run
    it: what measures coverage in the tests does not follow it, which would slow each start."""
    ours = ("GQL_AUTH_", "COVERAGE_")
    mine = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    cheap = {"bcrypt_cost": 10, "shutdown_delay": 0}
    return mine | {
        f"GQL_AUTH_{name.upper()}": str(value) for name, value in (cheap | settings).items()
    }


def run(
    *arguments: str, stdin: str = "", as_anybody: bool = False, **settings: object
) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        command(*arguments, as_anybody=as_anybody),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=START,
        env=environment(**settings),
        check=False,
    )


@contextmanager
def _bounded() -> Iterator[None]:
    """Interrupt a server that should have been refused: in this process nothing else ends it."""
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.alarm(STOP)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def invoke(*arguments: str, stdin: str | bytes = "", **settings: object) -> Result:
    """Run the command in this process, which is quicker; what it configures of logging goes."""
    root, ours = logging.getLogger(), logging.getLogger("gql_auth")
    handlers, levels = root.handlers, (root.level, ours.level)
    others: dict[str, str | None] = {
        name: None for name in os.environ if name.startswith("GQL_AUTH_")
    }
    try:
        with _bounded() if arguments[:1] == ("serve",) else nullcontext():
            return CliRunner().invoke(
                app,
                list(arguments),
                input=stdin,
                env=others | environment(**settings),
                catch_exceptions=False,
            )
    finally:
        root.handlers = handlers
        root.setLevel(levels[0])
        ours.setLevel(levels[1])


def until(look: Callable[[], T], what: str, seconds: float = START) -> T:
    """What `look` finds as soon as it finds something true; fails when the time is over."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"within {seconds} s: {what}"
        time.sleep(STEP)
    return found


def read_all(line: socket.socket) -> bytes:
    """What comes until the other side closes the connection."""
    got = bytearray()
    while chunk := line.recv(65_536):
        got += chunk
    return bytes(got)


class Server:
    """A `gql-auth serve` at work."""

    def __init__(self, process: "subprocess.Popen[bytes]", out: Path, err: Path) -> None:
        self.process = process
        self._out = out
        self._err = err
        self.url = ""

    @property
    def out(self) -> str:
        """What it wrote to standard output so far."""
        return self._out.read_text()

    @property
    def err(self) -> str:
        """What it wrote to standard error so far: warnings, then its log."""
        return self._err.read_text()

    @property
    def log(self) -> list[dict[str, Any]]:
        """The log so far, where every line of standard error is one of JSON."""
        return [json.loads(line) for line in self.err.splitlines()]

    def line_of(self, response: httpx.Response) -> dict[str, Any]:
        """The log's one line of the request that was answered so; it may come a moment later."""
        request_id = response.headers["x-request-id"]

        def look() -> list[dict[str, Any]]:
            return [line for line in self.log if line.get("request_id") == request_id]

        (line,) = until(look, f"the line of {request_id}")
        return line

    @property
    def first_query(self) -> str:
        """The command that it prints to be pasted into a shell."""
        return self.out.split("terminal:\n\n")[1].split("\n\nCtrl+C")[0]

    def printed_url(self) -> str:
        """The address in what it printed, "" before it printed one."""
        found = re.search(r"^GraphQL +(\S+)/graphql ", self.out, re.MULTILINE)
        return found[1] if found else ""

    def await_ready(self) -> None:
        """Come back as soon as it serves."""

        def look() -> bool:
            assert self.process.poll() is None, "it ended"
            self.url = self.url or self.printed_url()
            if not self.url:
                return False
            try:
                return http.get(f"{self.url}/readyz").status_code == 200
            except httpx.TransportError:
                return False

        with httpx.Client() as http:
            try:
                until(look, "the server is ready")
            except AssertionError as error:
                raise AssertionError(f"{error}; it said: {self.out}{self.err}") from None

    def stop(self) -> int:
        """End it as an operator does; its exit code."""
        self.process.terminate()
        return self.process.wait(STOP)

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait(STOP)

    def talk(self, sent: bytes) -> bytes:
        """What it answers to bytes on a connection of their own, until it closes that."""
        with self.connection() as line:
            line.sendall(sent)
            return read_all(line)

    def connection(self) -> socket.socket:
        """A bare connection to it."""
        parts = urlsplit(self.url)
        assert parts.hostname
        return socket.create_connection((parts.hostname, parts.port or 80), timeout=STOP)

    @asynccontextmanager
    async def client(self, origin: str | None = None) -> AsyncIterator[GraphQLClient]:
        """A client of it, on connections of its own; a script unless it has an origin."""
        async with httpx.AsyncClient(base_url=self.url, timeout=STOP) as http:
            yield GraphQLClient(http, origin)


@contextmanager
def serving(
    *arguments: str, url: str = "", wait: bool = True, **settings: object
) -> Iterator[Server]:
    """Serve, on a free port unless the arguments or the settings name one.

    Args:
        url: where it will answer, where that is not what it prints.
        wait: until it is ready.
    """
    if "--port" not in arguments and "port" not in settings:
        arguments = (*arguments, "--port", "0")
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        with out.open("wb") as to_out, err.open("wb") as to_err:
            process = subprocess.Popen(
                command("serve", *arguments),
                stdin=subprocess.DEVNULL,
                stdout=to_out,
                stderr=to_err,
                env=environment(**settings),
            )
        server = Server(process, out, err)
        server.url = url
        try:
            if wait:
                server.await_ready()
            yield server
        finally:
            if process.poll() is None:
                server.stop()

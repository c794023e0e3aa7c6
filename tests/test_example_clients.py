"""The command lines of examples/python and examples/node, as processes against a real server."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.transports import Transport
from tests import node
from tests.database import only_session
from tests.live import free_port, serving
from tests.support import PASSWORD, BodyClient, GraphQLClient, SettableClock

EXAMPLES = Path(__file__).parents[1] / "examples"
COMMANDS = {
    "python": [sys.executable, str(EXAMPLES / "python/client.py")],
    "node": [node.program(), str(EXAMPLES / "node/client.ts")],
}


class CommandLine:
    """One of the two command lines, with a home of its own."""

    def __init__(self, command: list[str], home: Path, url: str) -> None:
        self.command = command
        self.file = home / ".gql-auth-session"
        self.environment = {"PATH": "", "HOME": str(home), "AUTH_URL": url}

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """A process of it. Its umask takes nothing away: modes are the program's own."""
        return subprocess.Popen(
            [*self.command, *arguments],
            env=self.environment | environment,
            umask=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, says: int = 0, **environment: str) -> str:
        """What it prints, where it ends as expected."""
        process = self.start(*arguments, **environment)
        printed, errors = process.communicate(f"{PASSWORD}\n", timeout=60)
        assert process.returncode == says, errors
        return errors if says else printed

    @property
    def tokens(self) -> dict[str, str]:
        """What it keeps."""
        found: dict[str, str] = json.loads(self.file.read_text())
        return found


@pytest.fixture
def settings(sqlite_settings: Settings, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path,
        secret=sqlite_settings.secret,
        bcrypt_cost=10,
        refresh_transports=(Transport.COOKIE, Transport.BODY),
    )


@pytest.fixture
def url(settings: Settings, clock: SettableClock) -> Iterator[str]:
    with serving(create_app(GraphQLAuth(settings, clock=clock))) as url:
        yield url


@pytest.fixture(params=COMMANDS)
def make(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Callable[[str], CommandLine]:
    """Makes command lines, each on a machine of its own."""

    def made(machine: str) -> CommandLine:
        home = tmp_path / machine
        home.mkdir()
        return CommandLine(COMMANDS[request.param], home, url)

    return made


async def test_a_command_line_stays_signed_in(
    make: Callable[[str], CommandLine], settings: Settings, clock: SettableClock
) -> None:
    """It signs up, asks, goes on when its access token has expired, and signs out; its file is
    for its owner alone at each step."""
    line = make("laptop")
    assert "Nobody is signed in here" in line("me", says=1)
    assert line("signup", "ada@example.com") == "Signed in: ada@example.com\n"
    assert line.file.stat().st_mode & 0o777 == 0o600
    assert set(line.tokens) == {"accessToken", "refreshToken"}
    assert json.loads(line("me"))["email"] == "ada@example.com"

    before = line.tokens
    clock.forward(minutes=16)
    (session,) = json.loads(line("sessions"))
    assert session["current"]
    assert line.tokens["refreshToken"] != before["refreshToken"]
    assert line.file.stat().st_mode & 0o777 == 0o600
    assert only_session(settings).generation == 1
    line("me")
    assert only_session(settings).generation == 1, "a good access token needs no refresh"

    assert line("logout") == "Signed out\n"
    assert not line.file.exists()
    assert only_session(settings).end_reason == "logout"
    assert "Nobody is signed in here" in line("me", says=1)
    assert list(line.file.parent.iterdir()) == []


async def test_what_goes_wrong_leaves_the_session(
    make: Callable[[str], CommandLine], settings: Settings, clock: SettableClock
) -> None:
    """A server that is away costs nothing, and two processes that refresh at once both go on."""
    line = make("laptop")
    line("signup", "ada@example.com")
    before = line.tokens
    away = f"http://127.0.0.1:{free_port()}"
    for arguments in (("me",), ("sessions",), ("logout",)):
        assert "try again" in line(*arguments, says=3, AUTH_URL=away)
    assert line.tokens == before

    clock.forward(minutes=16)
    both = [line.start("me") for _ in range(2)]
    assert [process.communicate(timeout=60)[1] for process in both] == ["", ""]
    assert only_session(settings).generation == 1
    clock.forward(minutes=16)
    line("me")
    assert only_session(settings).generation == 2


async def test_only_the_end_of_the_session_ends_it(
    make: Callable[[str], CommandLine], url: str, clock: SettableClock
) -> None:
    """Ended from elsewhere, it says so once, and forgets its tokens."""
    line = make("laptop")
    line("signup", "ada@example.com")
    async with httpx.AsyncClient(base_url=url) as http:
        browser = GraphQLClient(http)
        await browser.login()
        await browser.field("mutation { revokeOtherSessions { endedSessions } }")
    assert "Session revoked" in line("me", says=1)
    assert not line.file.exists()
    assert line("login", "ada@example.com") == "Signed in: ada@example.com\n"
    clock.forward(days=8)
    assert "Refresh token expired" in line("me", says=1)
    assert not line.file.exists()


async def test_what_the_server_says_is_told(
    make: Callable[[str], CommandLine], settings: Settings, clock: SettableClock, tmp_path: Path
) -> None:
    """A taken address, a wrong name, and a server that wants cookies."""
    make("laptop")("signup", "ada@example.com")
    line = make("phone")
    assert "already has an account" in line("signup", "ada@example.com", says=1)
    assert "Invalid credentials" in line("login", "grace@example.com", says=1)
    assert "client" in line("nothing", says=2)
    browsers_only = Settings(data_dir=tmp_path, secret=settings.secret, bcrypt_cost=10)
    with serving(create_app(GraphQLAuth(browsers_only, clock=clock))) as url:
        told = line("login", "ada@example.com", says=1, AUTH_URL=url)
    assert "GQL_AUTH_REFRESH_TRANSPORTS" in told
    assert not line.file.exists()


def test_signing_in_again_replaces_the_session(make: Callable[[str], CommandLine]) -> None:
    """Signing in on the same machine signs the session before out."""
    line = make("laptop")
    line("signup", "ada@example.com")
    line("login", "ada@example.com")
    sessions: list[dict[str, Any]] = json.loads(line("sessions"))
    assert len(sessions) == 1


class Holding:
    """The server; of the requests to come the one at `hold` is answered when `free` is set."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.hold = -1
        self.held, self.free = threading.Event(), threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            mine, self.hold = self.hold == 0, self.hold - 1
        else:
            mine = False

        async def send_late(message: Message) -> None:
            if mine and not self.free.is_set():
                self.held.set()
                await asyncio.to_thread(self.free.wait, 60)
            await send(message)

        await self.app(scope, receive, send_late)


@pytest.fixture
def holding(settings: Settings, clock: SettableClock) -> Holding:
    return Holding(create_app(GraphQLAuth(settings, clock=clock)))


@pytest.mark.parametrize("made_for", COMMANDS)
async def test_late_tokens_are_not_put_over_newer_ones(
    made_for: str, holding: Holding, clock: SettableClock, tmp_path: Path
) -> None:
    """While the answer of a refresh is on its way, another process gets further: what it keeps
    stays, as the late one's refresh token would be taken for a thief's."""
    with serving(holding) as url:
        line = CommandLine(COMMANDS[made_for], tmp_path, url)
        line("signup", "ada@example.com")
        clock.forward(minutes=16)
        holding.hold = 1  # the first is refused, the second is the refresh
        late = line.start("me")
        assert holding.held.wait(60)
        async with httpx.AsyncClient(base_url=url) as http:
            other = BodyClient(http)
            other.cookies = {"refresh_token": line.tokens["refreshToken"]}
            await other.refresh()
            clock.forward(minutes=16)
            await other.refresh()
        newest = {"accessToken": other.access_token, "refreshToken": other.refresh_token}
        line.file.write_text(json.dumps(newest))
        holding.free.set()
        assert late.communicate(timeout=60)[1] == "Token expired\n"
        assert line.tokens == newest
        line("me")

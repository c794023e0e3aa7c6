"""Several `gql-auth serve` on one database, and browsers that use them as people's browsers do.

The replicas have one PUBLIC_URL, as behind a load balancer; each request of a browser goes to any
of them. A browser is honest: it keeps its cookies, asks again after a fault of the network or of
the server, and takes only a definite rejection for a sign-out. Every answer is kept.
"""

import asyncio
import random
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Protocol

import httpx

from tests.live import free_port
from tests.process import STOP, Server, command, environment
from tests.support import LOGIN, ME, PASSWORD, REFRESH, SECRET, SIGNUP, GraphQLClient

PUBLIC_URL = "http://localhost:8000"
PATIENCE = 60  # seconds that a browser goes on asking
NETWORK, OUTAGE, DEFECT = "NETWORK", "SERVICE_UNAVAILABLE", "INTERNAL_SERVER_ERROR"
NEW_MEDIA = "application/graphql-response+json"

# One machine is all these browsers' address. The throttles count, and have nothing to refuse.
PLENTY = "1000000/1s"
UNTHROTTLED = {
    f"throttle_{what}": PLENTY
    for what in (
        "login_address",
        "login_account",
        "login_account_address",
        "signup_address",
        "refresh_session",
        "mail_recipient",
        "mail_address",
    )
}


class Process(Protocol):
    """What is used of a `Popen`."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


Launch = Callable[[Sequence[str], Mapping[str, str], Path], Process]


def launch(arguments: Sequence[str], variables: Mapping[str, str], said: Path) -> Process:
    """Start the command; what it says is appended to files: `said` with `.out`, with `.err`."""
    with said.with_suffix(".out").open("ab") as out, said.with_suffix(".err").open("ab") as err:
        return subprocess.Popen(
            command(*arguments), stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=variables
        )


class Replica(Server):
    """One replica, which can be started again on its port; its log goes on then."""

    process: Any

    def __init__(self, said: Path, how: Launch, variables: Mapping[str, str]) -> None:
        self._said, self._how, self._variables = said, how, variables
        self._port = free_port()
        super().__init__(None, said.with_suffix(".out"), said.with_suffix(".err"))
        self.start()

    def start(self) -> None:
        """Start it; it is not ready yet."""
        arguments = ("serve", "--host", "127.0.0.1", "--port", str(self._port))
        self.process = self._how(arguments, self._variables, self._said)
        self.url = f"http://127.0.0.1:{self._port}"

    def start_again(self) -> None:
        """Start it and come back when it serves."""
        self.start()
        self.await_ready()


@contextmanager
def replicas(
    count: int,
    database_url: str,
    data_dir: Path,
    *,
    how: Launch = launch,
    each: Sequence[Mapping[str, str]] = (),
    wait: bool = True,
    **settings: object,
) -> Iterator[list[Replica]]:
    """Start so many together.

    Args:
        database_url: empty: SQLite in `data_dir`.
        how: starts a process.
        each: variables of the environment, of the first, the second, …
        wait: until all are ready.
    """
    chosen: dict[str, object] = {
        "database_url": database_url,
        "data_dir": data_dir,
        "secret": SECRET,
        "public_url": PUBLIC_URL,
        **UNTHROTTLED,
        **settings,
    }
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        made: list[Replica] = []
        stack.callback(_stop, made)
        for number in range(count):
            extra = each[number] if number < len(each) else {}
            variables = environment(**chosen) | dict(extra)
            made.append(Replica(Path(folder, str(number)), how, variables))
        if wait:
            for replica in made:
                replica.await_ready()
        yield made


def _stop(running: Sequence[Replica]) -> None:
    living = [replica for replica in running if replica.process.poll() is None]
    for replica in living:
        replica.process.terminate()
    for replica in living:
        try:
            replica.process.wait(STOP)
        except subprocess.TimeoutExpired:
            replica.process.kill()
            raise


@dataclass(frozen=True)
class Answer:
    """One answer, or NETWORK where there was none."""

    replica: str
    asked: str
    code: str
    status: int
    at: float  # monotonic, when it was asked
    seconds: float
    headers: Mapping[str, str]
    body: str

    @property
    def heals(self) -> bool:
        """Whether an honest client asks again."""
        return self.code in {NETWORK, OUTAGE} or self.status >= 500


class Site:
    """The replicas as browsers see them."""

    def __init__(self, clients: list[httpx.AsyncClient]) -> None:
        self.clients = clients
        self.answers: list[Answer] = []

    def browser(self, email: str) -> "Browser":
        """A browser of its own, not signed in."""
        return Browser(self, email)

    @property
    def codes(self) -> Counter[str]:
        """How often each was answered."""
        return Counter(answer.code for answer in self.answers)


@asynccontextmanager
async def site(running: Sequence[Server], seconds: float = STOP) -> AsyncIterator[Site]:
    """Use these replicas; a request takes `seconds` at most."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(_client(each.url, seconds)) for each in running]
        yield Site(clients)


def _client(url: str, seconds: float) -> httpx.AsyncClient:
    # Plain http; without `verify` it does not read the machine's certificates, which takes longer.
    client = httpx.AsyncClient(base_url=url, timeout=seconds, verify=False)
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # browsers have theirs
    return client


class SignedOutError(AssertionError):
    """A browser was told that its session has ended."""


class Browser(GraphQLClient):
    """One person's browser."""

    def __init__(self, site: Site, email: str) -> None:
        super().__init__(site.clients[0], PUBLIC_URL)
        self.site = site
        self.email = email
        self.refreshes = 0

    async def ask(
        self, asked: str, query: str, variables: dict[str, Any] | None = None
    ) -> tuple[str, Any]:
        """Ask any replica once; the answer's code and what it holds."""
        self.http = http = random.choice(self.site.clients)
        began = time.monotonic()
        status, headers, body, value = 0, httpx.Headers(), "", None
        try:
            answer = await self.post(query, variables, Accept=NEW_MEDIA)
        except httpx.TransportError as error:
            code, body = NETWORK, repr(error)
        else:
            status, headers, body = self.last.status_code, self.last.headers, self.last.text
            code, value = _code(answer)
        self.site.answers.append(
            Answer(
                replica=str(http.base_url),
                asked=asked,
                code=code,
                status=status,
                at=began,
                seconds=time.monotonic() - began,
                headers=headers,
                body=body,
            )
        )
        return code, value

    async def insist(
        self, asked: str, query: str, variables: dict[str, Any] | None = None
    ) -> tuple[str, Any]:
        """Ask until there is an answer that asking again would not change."""
        deadline = time.monotonic() + PATIENCE
        while True:
            code, value = await self.ask(asked, query, variables)
            if not self.site.answers[-1].heals and code != DEFECT:
                return code, value
            assert time.monotonic() < deadline, self.site.answers[-1]
            await asyncio.sleep(random.uniform(0.02, 0.1))

    async def sign_up(self) -> None:
        """Make the account; where an attempt had made it though its answer was lost, sign in."""
        given = {"input": {"email": self.email, "password": PASSWORD}}
        code, value = await self.insist("signup", SIGNUP, given)
        if code == "EmailTaken":
            code, value = await self.insist("login", LOGIN, given)
        assert code == "AuthPayload", self.site.answers[-1]
        self._took(value)

    async def sign_in(self) -> None:
        """Sign in to the account."""
        given = {"input": {"email": self.email, "password": PASSWORD}}
        code, value = await self.insist("login", LOGIN, given)
        assert code == "AuthPayload", self.site.answers[-1]
        self._took(value)

    async def refreshed(self) -> None:
        """Get the next tokens.

        Raises:
            SignedOutError: there are none any more.
        """
        code, value = await self.insist("refreshToken", REFRESH)
        if code != "AuthPayload":
            raise SignedOutError(self.email, self.site.answers[-1])
        self._took(value)
        self.refreshes += 1

    async def look(self) -> None:
        """Ask for something protected; who is refused looks for new tokens, once."""
        code, value = await self.insist("me", ME)
        if code == "UNAUTHENTICATED":
            await self.refreshed()
            code, value = await self.insist("me", ME)
        if code != "data":
            raise SignedOutError(self.email, self.site.answers[-1])
        assert value["email"] == self.email


def _code(answer: dict[str, Any]) -> tuple[str, Any]:
    if errors := answer.get("errors"):
        return errors[0]["extensions"]["code"], None
    (value,) = answer["data"].values()
    if not isinstance(value, dict):
        return "data", value
    kind = value.get("__typename", "data")
    reason = value.get("reason")
    return (f"{kind}:{reason}" if reason else kind), value

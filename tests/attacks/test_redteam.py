"""What an attacker with the source found: each of these once got through."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any

import bcrypt
import httpx
import pytest
import strawberry
import uvicorn
from fastapi import FastAPI
from graphql import build_schema, parse

from gql_auth import HasRole
from gql_auth import app as application
from gql_auth.app import GraphQLAuth, create_app
from gql_auth.commands import protocols
from gql_auth.commands.floods import Floodgate
from gql_auth.commands.protocols import HEAD_BYTES, Protocol
from gql_auth.commands.serve import Factory
from gql_auth.features.keys.core import MasterSecret
from gql_auth.features.passwords.core import PasswordHasher
from gql_auth.features.users.core import Users
from gql_auth.kernel.caller import Caller
from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.settings import Settings
from gql_auth.serving.documents import DocumentCache, Known
from gql_auth.serving.judging import MAX_LINES
from gql_auth.serving.permissions import Guard
from gql_auth.verifier import Verifier
from tests.attacks.browser import serving
from tests.attacks.forge import b64
from tests.lines import opened
from tests.live import STEP
from tests.process import read_all
from tests.support import PASSWORD, REFRESH, SECRET, SIGNUP, GraphQLClient, reason_of

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """The edge is what is tested: one database is enough."""
    return sqlite_settings


# -- Cookies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [b"\xa0", b"\x85", "\u2000".encode(), b"\x1f"])
async def test_a_cookie_of_almost_the_name(lead: bytes, tmp_path: Path) -> None:
    """A name that begins with an unusual space is another name: browsers let a sibling domain
    set it, as it does not begin with `__Host-`."""
    settings = Settings(
        data_dir=tmp_path, secret=SECRET, bcrypt_cost=10, public_url="https://auth.example.com"
    )
    async with serving(settings) as (_, http):
        body = {
            "query": SIGNUP,
            "variables": {"input": {"email": "a@b.test", "password": PASSWORD}},
        }
        answer = await http.post("/graphql", json=body)
        cookie = answer.headers["set-cookie"].split(";")[0].encode()
        for sent, found in ((lead + cookie, "MISSING"), (lead + b"x=y;\t " + cookie, None)):
            answer = await http.post(
                "/graphql", json={"query": REFRESH}, headers=[(b"cookie", sent)]
            )
            assert answer.json()["data"]["refreshToken"].get("reason") == found


# -- Documents -------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
async def test_a_document_of_many_lines(end: str, client: GraphQLClient, auth: GraphQLAuth) -> None:
    """Wrong fields at the end of a long document would take half a minute of the
    server, as each error's line is counted from the start: so many lines are not read."""
    fields = "{" + " ".join(f"x{number}" for number in range(20)) + "}"
    answer = await client.post(end * (MAX_LINES - 1) + fields)
    assert answer["errors"][7]["locations"] == [{"line": MAX_LINES, "column": 23}]
    answer = await client.post(end * MAX_LINES + fields)
    assert answer["errors"][0]["message"] == "The document has more than 4000 lines"
    assert reason_of(answer) == "TOO_MANY_LINES"
    async with opened(create_app(auth)) as wire:
        payload = {"query": end * MAX_LINES + fields}
        await wire.say({"id": "1", "type": "subscribe", "payload": payload})
        assert reason_of({"errors": (await wire.hear())["payload"]}) == "TOO_MANY_LINES"


def test_many_tokens_in_little_text_do_not_fill_the_memory() -> None:
    """The cache of documents counts what they take of memory, which is not their text alone."""
    cache = DocumentCache()
    texts = [f"query q{number} {{{'a ' * 1_900}}}" for number in range(40)]
    for text in texts:
        cache.put(text, Known.of(text, parse(text)))
    kept = [text for text in texts if cache.holds(text)]
    assert 4 <= len(kept) <= 16
    assert texts[-1] in kept
    assert cache.size <= 64_000_000


async def test_a_socket_that_names_no_operation(
    auth: GraphQLAuth, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong operation name closes the socket and is no defect in the log."""
    async with opened(create_app(auth)) as wire:
        payload = {"query": "query a { __typename }", "operationName": "b"}
        await wire.say({"id": "1", "type": "subscribe", "payload": payload})
        assert await wire.hear() == 4400
    assert "internal error" not in caplog.text


# -- Guards ----------------------------------------------------------------------------------


class Bool(Guard):
    """Says no as other frameworks' permissions do."""

    @classmethod
    def check(cls, caller: Caller) -> None:
        return False  # type: ignore[return-value]


class Coroutine(Guard):
    """Would say no, if anybody waited for it."""

    @classmethod
    async def check(cls, caller: Caller) -> None:  # type: ignore[override]
        raise AssertionError


@strawberry.type
class Guarded:
    """Fields behind guards that are written wrong."""

    @strawberry.field(permission_classes=[Bool])
    def by_bool(self) -> str:
        return "leaked"

    @strawberry.field(permission_classes=[Coroutine])
    async def by_coroutine(self) -> str:
        return "leaked"

    @strawberry.field(permission_classes=[HasRole("a"), HasRole("b")])
    def by_both(self) -> str:
        return "leaked"


@pytest.mark.parametrize("field", ["byBool", "byCoroutine"])
async def test_a_guard_that_does_not_raise_as_it_should(field: str, auth: GraphQLAuth) -> None:
    """A guard that answers instead of raising lets nobody through."""
    app = FastAPI()
    app.include_router(auth.router(query=Guarded))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as http:
        client = GraphQLClient(http)
        await client.signup()
        answer = await client.post("{ " + field + " }")
    assert reason_of(answer) == "INTERNAL_SERVER_ERROR"
    assert "leaked" not in str(answer)


def test_two_roles_on_one_field_are_printed_validly() -> None:
    """A field that wants two roles carries the directive twice, and other tools can read it."""
    printed = application.build_schema(query=Guarded).as_str()
    assert '@hasRole(anyOf: ["a"]) @hasRole(anyOf: ["b"])' in printed
    assert build_schema(printed).query_type is not None


# -- Accounts --------------------------------------------------------------------------------


async def test_a_username_that_is_the_id_of_another(
    auth: GraphQLAuth, client: GraphQLClient, connect: Callable[..., GraphQLClient]
) -> None:
    """What an operator does to a username is never done to the account whose id it looks like."""
    victim = (await client.signup())["user"]["id"]
    name = victim.replace("-", "")
    await connect().signup("mallory@example.com", username=name)
    async with auth.system.units.read() as unit:
        users = unit.get(Users)
        assert (await users.require(name)).email == "mallory@example.com"
        assert (await users.require(victim.upper())).email == "ada@example.com"


def test_a_raised_cost_does_not_tell_old_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong password takes as much work on a hash of a lower cost as on no account at all."""
    old, new = (PasswordHasher(MasterSecret(b"one"), cost) for cost in (4, 7))
    stored = old.hash(PASSWORD)
    work: list[int] = []
    check = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        work.append(2 ** int(hashed[4:6]))
        return check(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    for kept in (stored, new.hash(PASSWORD), None):
        work.clear()
        assert not new.verify("wrong", kept)
        assert sum(work) == 2**7
    assert new.verify(PASSWORD, stored)


# -- Connections -----------------------------------------------------------------------------


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Callable[[bytes], Any]]:
    """The server's own HTTP protocol on a real socket; yields how to open a line to it."""
    config = uvicorn.Config(
        Factory(settings), factory=True, http=Protocol, log_config=None, lifespan="on"
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=asyncio.run, args=(server.serve([listener]),))
        thread.start()

        def say(*sent: bytes) -> bytes:
            with socket.create_connection(listener.getsockname()[:2], timeout=20) as line:
                try:
                    for piece in sent:
                        line.sendall(piece)
                    return read_all(line)
                except (ConnectionResetError, BrokenPipeError):
                    return b"reset"

        try:
            while not server.started:
                assert thread.is_alive()
                await asyncio.sleep(STEP)
            yield lambda *sent: asyncio.to_thread(say, *sent)
        finally:
            server.should_exit = True
            await asyncio.to_thread(thread.join, 20)


HEAD = (
    b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
)
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
OPERATION = b'{"query":"{ __typename }"}'


@pytest.fixture
def wire_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a server whose logging stays the tests' own."""
    gate = Floodgate(StringIO(), None)
    monkeypatch.setattr("gql_auth.commands.logs.configure", lambda _settings: gate)
    return settings


async def test_trailers_without_end(wire_settings: Settings) -> None:
    """Trailers are not kept: a connection that sends them without end is closed."""
    begun = CHUNKED + b"1\r\n{\r\n0\r\n"
    async with served(wire_settings) as say:
        line = b"x: " + b"y" * 997 + b"\r\n"
        assert b"200 OK" not in await say(begun, *[line * 100] * 100)
        assert b"200 OK" not in await say(begun + b"x: ", *[b"y" * 100_000] * 100)


async def test_a_trailer_is_no_header(wire_settings: Settings) -> None:
    """A header that comes behind the body counts for nothing."""
    chunk = b"%x\r\n%s\r\n0\r\n" % (len(OPERATION), OPERATION)
    async with served(wire_settings) as say:
        assert b"200 OK" in await say(CHUNKED + chunk + b"\r\n")
        for trailer in (b"Accept: image/png", b"Content-Encoding: gzip", b"Content-Type: a/b"):
            assert b"200 OK" in await say(CHUNKED + chunk + trailer + b"\r\n\r\n")


async def test_honest_bodies_in_odd_pieces(wire_settings: Settings) -> None:
    """Chunks of one byte, and a large body right behind a head in two pieces, are taken."""
    long = OPERATION + b" " * (4 * HEAD_BYTES)
    bytewise = b"".join(b"1\r\n%c\r\n" % byte for byte in OPERATION + b" " * HEAD_BYTES)
    async with served(wire_settings) as say:
        assert b"200 OK" in await say(CHUNKED + bytewise + b"0\r\n\r\n")
        length = b"Content-Length: %d\r\n\r\n" % len(long)
        assert b"200 OK" in await say(HEAD[:40], HEAD[40:] + length + long)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        HEAD,
        b"\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /",
    ],
)
async def test_a_head_that_never_ends(
    sent: bytes, wire_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection on which no complete head comes in time is closed, the first or a later."""
    monkeypatch.setattr(protocols, "HEAD_TIME", 0.2)
    async with served(wire_settings) as say:
        answer = await say(sent)  # which raises if the connection stays open
    assert answer in {b"", b"reset"} or answer.startswith(b"HTTP/1.1 200 ")


async def test_a_slow_answer_is_no_slow_head(
    wire_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time for a head does not count for a request that is being answered."""
    monkeypatch.setattr(protocols, "HEAD_TIME", 0.01)
    login = b'{"query":"mutation { login(input: {email: \\"a@b.test\\", password: \\"x\\"}) '
    login += b'{ __typename } }"}'
    async with served(wire_settings) as say:
        answer = await say(HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(login), login))
    assert b"InvalidCredentials" in answer


def test_keys_from_a_server_that_drips() -> None:
    """A key server whose headers never end does not keep the verifier from asking again."""
    asked: list[float] = []

    def drip(line: socket.socket) -> None:
        with line:
            line.recv(10_000)
            try:
                line.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                for _ in range(400):
                    line.sendall(b"y")
                    time.sleep(0.05)
            except OSError:
                return

    def answer(listener: socket.socket) -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            asked.append(time.monotonic())
            Thread(target=drip, args=(line,), daemon=True).start()

    half = timedelta(seconds=0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=answer, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        verifier = Verifier(url, issuer="i", audience="a", timeout=half, refetch_interval=half)
        token = ".".join(map(b64, ({"alg": "ES256", "typ": "at+jwt", "kid": "k"}, {}, "xx")))
        deadline = time.monotonic() + 20
        while len(asked) < 2 and time.monotonic() < deadline:
            with pytest.raises(Unavailable):
                verifier.verify(token)
            time.sleep(STEP)
        listener.shutdown(socket.SHUT_RDWR)
    assert len(asked) >= 2


# -- A session that ends inside its own operation ----------------------------------------------


async def test_an_operation_goes_no_further_than_its_session(client: GraphQLClient) -> None:
    """A field behind the one that ends the caller's session is refused, in one operation too."""
    await client.signup()
    (session,) = await client.field("{ sessions { id } }")
    answer = await client.post(
        "mutation($id: ID!) { a: revokeSession(id: $id) { __typename } "
        "b: revokeOtherSessions { endedSessions } }",
        {"id": session["id"]},
    )
    assert reason_of(answer) == "SESSION_REVOKED"
    assert answer["errors"][0]["path"] == ["b"]

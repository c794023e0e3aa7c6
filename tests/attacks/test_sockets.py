"""Attacks over a WebSocket: what is no message closes it, and a token is looked at each time."""

import asyncio
import json
import socket
import threading
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.commands import protocols
from gql_auth.kernel.settings import Settings
from gql_auth.serving.connections import Kind
from tests.attacks.browser import counts
from tests.attacks.forge import Forge
from tests.lines import connected, opened, reason
from tests.live import within
from tests.support import LOGIN, ME, PASSWORD, REFRESH, SIGNUP, GraphQLClient, SettableClock

LOGOUT = "mutation { logout { sessionEnded } }"
CHANGE = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { __typename } }"


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """The socket is what is tested: one database is enough."""
    return sqlite_settings


@pytest.fixture
def app(auth: GraphQLAuth) -> ASGIApp:
    """The standalone server's application."""
    return create_app(auth)


async def test_a_token_of_the_handshake_opens_protected_fields(
    auth: GraphQLAuth, app: ASGIApp, client: GraphQLClient
) -> None:
    """Browsers cannot set headers on a socket: the token comes with `connection_init`."""
    await client.signup()
    async with opened(app, client.access_token) as socket:
        assert (await socket.ask(ME))["data"]["me"]["email"] == "ada@example.com"
    async with opened(app) as socket:
        assert reason(await socket.ask(ME)) == "ACCESS_TOKEN_MISSING"
        assert (await socket.ask("{ __typename }"))["data"] == {"__typename": "Query"}
    async with opened(app, Forge(auth, client.access_token or "").token({"typ": "JWT"})) as socket:
        assert reason(await socket.ask(ME)) == "ACCESS_TOKEN_INVALID"


async def test_an_open_socket_outlives_no_session(app: ASGIApp, client: GraphQLClient) -> None:
    """Once its session has ended, a socket that spoke for it is closed, unasked; one that did not
    yet is refused when it tries."""
    await client.signup()
    async with opened(app, client.access_token) as socket, opened(app, client.access_token) as late:
        assert "errors" not in await socket.ask(ME)
        await client.field(LOGOUT)
        assert await socket.hear() == 4403
        assert socket.reason == "Session revoked"
        assert reason(await late.ask(ME)) == "SESSION_REVOKED"


async def test_an_open_socket_outlives_no_token(
    app: ASGIApp, client: GraphQLClient, clock: SettableClock
) -> None:
    """Once the token has expired, a socket that spoke by it takes nothing more and is closed; one
    that did not yet is refused when it tries."""
    await client.signup()
    async with opened(app, client.access_token) as socket, opened(app, client.access_token) as late:
        clock.forward(seconds=899)
        assert "errors" not in await socket.ask(ME)
        clock.forward(seconds=1)
        await socket.subscribe(ME)
        assert await socket.hear() == 4401
        assert socket.reason == "Token expired"
        assert reason(await late.ask(ME)) == "ACCESS_TOKEN_EXPIRED"


@pytest.mark.parametrize("field", ["signup", "login", "refreshToken", "logout"])
async def test_a_socket_never_uses_the_cookie(
    field: str, app: ASGIApp, client: GraphQLClient, settings: Settings
) -> None:
    """A socket carries the cookie, unasked, and can answer none: what needs it is refused."""
    await client.signup()
    before = await counts(settings)
    credentials = {"input": {"email": "bob@example.com", "password": PASSWORD}}
    query, variables = {
        "signup": (SIGNUP, credentials),
        "login": (LOGIN, {"input": {"email": "ada@example.com", "password": PASSWORD}}),
        "refreshToken": (REFRESH, None),
        "logout": (LOGOUT, None),
    }[field]
    cookie = f"refresh_token={client.refresh_token}"
    async with opened(app, client.access_token, cookie=cookie) as socket:
        answer = await socket.ask(query, variables)
    assert reason(answer) == "POST_REQUIRED"
    assert answer["errors"][0]["message"] == "Send this operation by HTTP POST"
    assert not answer.get("data")
    assert await counts(settings) == before
    assert (await client.refresh())["__typename"] == "AuthPayload"


NO_MESSAGES: dict[str, Any] = {
    "no-json": "{",
    "empty": "",
    "null": "null",
    "number": "1",
    "string": '"subscribe"',
    "list": "[]",
    "list-of-messages": '[{"type": "ping"}]',
    "binary": b'{"type": "ping"}',
    "deep": "[" * 100_000,
    "deep-payload": '{"type": "ping", "payload": ' + '{"a":' * 100_000,
    "5000-digits": '{"type": "ping", "payload": {"a": ' + "1" * 5000 + "}}",
    "nan": '{"type": "ping", "payload": {"a": NaN}}',
    "lone-surrogate": '{"type": "ping", "payload": {"a": "\\ud800"}}',
    "no-type": "{}",
    "type-number": '{"type": 1}',
    "type-list": '{"type": ["ping"]}',
    "type-unknown": '{"type": "nothing"}',
    "type-unknown-and-long": json.dumps({"type": "x" * 10_000}),
    "type-of-long-letters": json.dumps({"type": "\u20ac" * 10_000}, ensure_ascii=False),
    "payload-list": '{"type": "ping", "payload": []}',
    "subscribe-alone": '{"type": "subscribe"}',
    "subscribe-without-id": '{"type": "subscribe", "payload": {"query": "{ __typename }"}}',
    "id-list": '{"id": [], "type": "subscribe", "payload": {"query": "{ __typename }"}}',
    "id-null": '{"id": null, "type": "subscribe", "payload": {"query": "{ __typename }"}}',
    "complete-without-id": '{"type": "complete"}',
    "complete-id-object": '{"type": "complete", "id": {}}',
    "query-null": '{"id": "1", "type": "subscribe", "payload": {"query": null}}',
    "query-list": '{"id": "1", "type": "subscribe", "payload": {"query": []}}',
    "variables-list": '{"id": "1", "type": "subscribe", "payload":'
    ' {"query": "{ __typename }", "variables": []}}',
    "name-number": '{"id": "1", "type": "subscribe", "payload":'
    ' {"query": "{ __typename }", "operationName": 1}}',
}


@pytest.mark.parametrize("kind", NO_MESSAGES)
async def test_what_is_no_message_closes_the_socket(
    kind: str, app: ASGIApp, client: GraphQLClient
) -> None:
    """What the protocol does not know closes the socket with 4400, and fails nowhere inside."""
    await client.signup()
    async with opened(app, client.access_token) as socket:
        await socket.say(NO_MESSAGES[kind])
        assert await socket.hear() == 4400


@pytest.mark.parametrize(
    "document", ["{" * 50_000, '{ a(b: "\\ud800") }', "{ __typename(",
                 "\u20ac" * 5_000, "{ __typename } " + "a" * 5_000],
)  # fmt: skip
async def test_a_document_that_cannot_be_read_closes_the_socket(
    document: str, app: ASGIApp
) -> None:
    """A document that cannot be parsed closes the socket with a reason that fits its frame."""
    async with opened(app) as socket:
        await socket.say({"id": "1", "type": "subscribe", "payload": {"query": document}})
        assert await socket.hear() == 4400


async def test_errors_on_a_socket_have_codes_and_tell_nothing_more(
    app: ASGIApp, client: GraphQLClient
) -> None:
    """The same errors as over HTTP: coded, and masked where they are defects."""
    await client.signup()
    async with opened(app, client.access_token) as socket:
        assert reason(await socket.ask("{ nothing }")) == "GRAPHQL_VALIDATION_FAILED"
        bad = {"input": {"currentPassword": 1, "newPassword": ""}}
        assert reason(await socket.ask(CHANGE, bad)) == "BAD_USER_INPUT"


async def test_two_operations_of_one_id_close_the_socket(
    app: ASGIApp, client: GraphQLClient
) -> None:
    """An id in use is not taken over, and however long it is, the closing frame fits."""
    await client.signup()
    async with opened(app, client.access_token) as socket:
        passwords = {"currentPassword": "a wrong password", "newPassword": "another password"}
        payload = {"query": CHANGE, "variables": {"input": passwords}}
        long = {"id": "x" * 10_000, "type": "subscribe", "payload": payload}
        await socket.say(long)
        await socket.say(long)
        assert await socket.hear() == 4409


async def test_a_second_init_closes_the_socket(app: ASGIApp, client: GraphQLClient) -> None:
    """A socket speaks for whom it began with: nobody changes sides on it."""
    await client.signup()
    async with opened(app) as socket:
        payload = {"Authorization": f"Bearer {client.access_token}"}
        await socket.say({"type": "connection_init", "payload": payload})
        assert await socket.hear() == 4429


# --- floods -----------------------------------------------------------------------------------


async def test_a_flood_of_handshakes(app: ASGIApp, auth: GraphQLAuth) -> None:
    """From one address only so many sockets open, however fast they come; others still get in,
    and of all that were refused or are over nothing is remembered."""
    most = auth.settings.connections_per_address
    connections = auth.system.connections
    async with AsyncExitStack() as stack:
        firsts = []
        for number in range(most + 50):
            ip = f"2001:db8::{number:x}"  # one customer's
            _, first = await stack.enter_async_context(connected(app, ip=ip))
            firsts.append(first.get("status", first["type"]))
        assert firsts == ["websocket.accept"] * most + [429] * 50
        assert connections.count(Kind.SOCKET) == most
        async with opened(app, ip="192.0.2.1") as socket:
            assert (await socket.ask("{ __typename }"))["data"]
    assert connections.count(Kind.SOCKET) == 0
    assert not connections._of_address


async def test_a_flood_of_operations(
    app: ASGIApp, client: GraphQLClient, clock: SettableClock
) -> None:
    """Operations begun and ended by the thousand leave nothing behind and shut nobody out; those
    begun without end are refused past the bound, each by its id."""
    await client.signup()
    clock.forward(seconds=1)  # the sign-in is no news
    before = len(asyncio.all_tasks())
    events = "subscription { sessionEvents { at } }"
    async with (
        opened(app, client.access_token) as hasty,
        opened(app, client.access_token) as greedy,
        opened(app) as other,
    ):
        for number in range(1_000):
            await hasty.subscribe(events, name=str(number))
            await hasty.say({"id": str(number), "type": "complete"})
        await hasty.sync()
        assert (await hasty.ask("{ __typename }"))["data"]
        for number in range(1_000):
            await greedy.subscribe(events, name=str(number))
        refused = [await greedy.hear() for _ in range(950)]
        assert {each["payload"][0]["extensions"]["code"] for each in refused} == {
            "TOO_MANY_OPERATIONS"
        }
        assert sorted(int(each["id"]) for each in refused) == list(range(50, 1_000))
        assert (await other.ask("{ __typename }"))["data"]
    await within(10, lambda: len(asyncio.all_tasks()) <= before)


class Talker:
    """A server that talks without end to whoever connects, as long as it is let."""

    settings = Settings()

    def __init__(self) -> None:
        self.over = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Talk."""
        await receive()
        chunk = b"x" * 65_536
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            talk: dict[str, Any] = {"type": "websocket.send", "bytes": chunk}
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            talk = {"type": "http.response.body", "body": chunk, "more_body": True}
        leaving = asyncio.ensure_future(self._leave(receive))
        try:
            with suppress(OSError):
                while not leaving.done():
                    await send(talk)
        finally:
            leaving.cancel()
            self.over.set()

    @staticmethod
    async def _leave(receive: Receive) -> None:
        while not (await receive())["type"].endswith("disconnect"):
            pass


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_client_that_reads_nothing_is_cut_off(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody reads does not wait for ever: the connection is cut, whatever its buffers hold.
    uvicorn's own pings would end in a close that waits for them."""
    monkeypatch.setattr(protocols, "STALL_TIME", 0.2)
    talker = Talker()
    head = b"GET / HTTP/1.1\r\nHost: x\r\n"
    if kind == "websocket":
        head += b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        head += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    config = uvicorn.Config(
        talker, http=protocols.Protocol, ws=protocols.Socket, log_config=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=asyncio.run, args=(server.serve([listener]),))
        thread.start()
        try:
            with socket.create_connection(listener.getsockname()[:2]) as line:
                line.sendall(head + b"\r\n")
                assert await asyncio.to_thread(talker.over.wait, 20)
        finally:
            server.should_exit = True
            await asyncio.to_thread(thread.join, 20)
    assert not thread.is_alive()

"""Attacks over a WebSocket: what is no message closes it, and a token is looked at each time."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.kernel.settings import Settings
from tests.attacks.browser import counts
from tests.attacks.forge import Forge
from tests.support import LOGIN, ME, PASSWORD, REFRESH, SIGNUP, GraphQLClient, SettableClock

LOGOUT = "mutation { logout { sessionEnded } }"
CHANGE = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { __typename } }"


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """The socket is what is tested: one database is enough."""
    return sqlite_settings


class Socket:
    """The client's end of a socket, at the ASGI edge."""

    def __init__(self) -> None:
        self.to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.to_client: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def say(self, message: Any) -> None:
        """Send a message: text as it stands, bytes as a binary frame, the rest as JSON."""
        if isinstance(message, bytes):
            await self.to_server.put({"type": "websocket.receive", "bytes": message})
            return
        text = message if isinstance(message, str) else json.dumps(message)
        await self.to_server.put({"type": "websocket.receive", "text": text})

    async def hear(self) -> Any:
        """The next message, or the number the server closed with."""
        heard = await asyncio.wait_for(self.to_client.get(), 10)
        if heard["type"] == "websocket.close":
            assert len(heard.get("reason", "").encode()) <= 123
            return heard["code"]
        return json.loads(heard["text"])

    async def ask(self, query: str, variables: Any = None) -> dict[str, Any]:
        """The answer to one operation."""
        payload = {"query": query} | ({"variables": variables} if variables else {})
        await self.say({"id": "1", "type": "subscribe", "payload": payload})
        heard = await self.hear()
        if heard["type"] == "next":
            assert await self.hear() == {"id": "1", "type": "complete"}
            return dict(heard["payload"])
        assert heard["type"] == "error"
        return {"errors": heard["payload"]}


@asynccontextmanager
async def opened(
    auth: GraphQLAuth, token: str | None = None, *, cookie: str = ""
) -> AsyncIterator[Socket]:
    """A socket whose handshake is done; at the end, no defect came up in the application."""
    socket = Socket()
    scope = {
        "type": "websocket",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "root_path": "",
        "scheme": "ws",
        "server": ("localhost", 8000),
        "client": ("127.0.0.1", 1),
        "subprotocols": ["graphql-transport-ws"],
        "headers": [(b"cookie", cookie.encode())] if cookie else [],
    }
    await socket.to_server.put({"type": "websocket.connect"})
    served = asyncio.create_task(
        create_app(auth)(scope, socket.to_server.get, socket.to_client.put)  # type: ignore[arg-type]
    )
    accepted = await asyncio.wait_for(socket.to_client.get(), 10)
    assert accepted["type"] == "websocket.accept"
    payload = {"Authorization": f"Bearer {token}"} if token else {}
    await socket.say({"type": "connection_init", "payload": payload})
    assert await socket.hear() == {"type": "connection_ack"}
    try:
        yield socket
    finally:
        await socket.to_server.put({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(served, 10)


def reason(answer: dict[str, Any]) -> str:
    """The reason or code of the one error."""
    (error,) = answer["errors"]
    return str(error["extensions"].get("reason", error["extensions"]["code"]))


async def test_a_token_of_the_handshake_opens_protected_fields(
    auth: GraphQLAuth, client: GraphQLClient
) -> None:
    """Browsers cannot set headers on a socket: the token comes with `connection_init`."""
    await client.signup()
    async with opened(auth, client.access_token) as socket:
        assert (await socket.ask(ME))["data"]["me"]["email"] == "ada@example.com"
    async with opened(auth) as socket:
        assert reason(await socket.ask(ME)) == "ACCESS_TOKEN_MISSING"
        assert (await socket.ask("{ __typename }"))["data"] == {"__typename": "Query"}
    async with opened(auth, Forge(auth, client.access_token or "").token({"typ": "JWT"})) as socket:
        assert reason(await socket.ask(ME)) == "ACCESS_TOKEN_INVALID"


async def test_an_open_socket_outlives_no_session(auth: GraphQLAuth, client: GraphQLClient) -> None:
    """Once the session has ended, the next operation on a socket that was open is refused."""
    await client.signup()
    async with opened(auth, client.access_token) as socket:
        assert "errors" not in await socket.ask(ME)
        await client.field(LOGOUT)
        assert reason(await socket.ask(ME)) == "SESSION_REVOKED"


async def test_an_open_socket_outlives_no_token(
    auth: GraphQLAuth, client: GraphQLClient, clock: SettableClock
) -> None:
    """Once the token has expired, the next operation on a socket that was open is refused."""
    await client.signup()
    async with opened(auth, client.access_token) as socket:
        clock.forward(seconds=899)
        assert "errors" not in await socket.ask(ME)
        clock.forward(seconds=1)
        assert reason(await socket.ask(ME)) == "ACCESS_TOKEN_EXPIRED"


@pytest.mark.parametrize("field", ["signup", "login", "refreshToken", "logout"])
async def test_a_socket_never_uses_the_cookie(
    field: str, auth: GraphQLAuth, client: GraphQLClient, settings: Settings
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
    async with opened(auth, client.access_token, cookie=cookie) as socket:
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
    kind: str, auth: GraphQLAuth, client: GraphQLClient
) -> None:
    """What the protocol does not know closes the socket with 4400, and fails nowhere inside."""
    await client.signup()
    async with opened(auth, client.access_token) as socket:
        await socket.say(NO_MESSAGES[kind])
        assert await socket.hear() == 4400


@pytest.mark.parametrize(
    "document", ["{" * 50_000, '{ a(b: "\\ud800") }', "{ __typename(",
                 "\u20ac" * 5_000, "{ __typename } " + "a" * 5_000],
)  # fmt: skip
async def test_a_document_that_cannot_be_read_closes_the_socket(
    document: str, auth: GraphQLAuth
) -> None:
    """A document that cannot be parsed closes the socket with a reason that fits its frame."""
    async with opened(auth) as socket:
        await socket.say({"id": "1", "type": "subscribe", "payload": {"query": document}})
        assert await socket.hear() == 4400


async def test_errors_on_a_socket_have_codes_and_tell_nothing_more(
    auth: GraphQLAuth, client: GraphQLClient
) -> None:
    """The same errors as over HTTP: coded, and masked where they are defects."""
    await client.signup()
    async with opened(auth, client.access_token) as socket:
        assert reason(await socket.ask("{ nothing }")) == "GRAPHQL_VALIDATION_FAILED"
        bad = {"input": {"currentPassword": 1, "newPassword": ""}}
        assert reason(await socket.ask(CHANGE, bad)) == "BAD_USER_INPUT"


async def test_two_operations_of_one_id_close_the_socket(
    auth: GraphQLAuth, client: GraphQLClient
) -> None:
    """An id in use is not taken over, and however long it is, the closing frame fits."""
    await client.signup()
    async with opened(auth, client.access_token) as socket:
        passwords = {"currentPassword": "a wrong password", "newPassword": "another password"}
        payload = {"query": CHANGE, "variables": {"input": passwords}}
        long = {"id": "x" * 10_000, "type": "subscribe", "payload": payload}
        await socket.say(long)
        await socket.say(long)
        assert await socket.hear() == 4409


async def test_a_second_init_closes_the_socket(auth: GraphQLAuth, client: GraphQLClient) -> None:
    """A socket speaks for whom it began with: nobody changes sides on it."""
    await client.signup()
    async with opened(auth) as socket:
        payload = {"Authorization": f"Bearer {client.access_token}"}
        await socket.say({"type": "connection_init", "payload": payload})
        assert await socket.hear() == 4429

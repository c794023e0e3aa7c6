"""Sockets: graphql-transport-ws as its text has it, bounded, and ended with the token."""

import asyncio
import logging
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest

from tests.lines import Socket, connected, opened, reason, scope_of, streamed
from tests.serving.hosts import GUARDED, MINE, WAIT, Stage, streams
from tests.support import ME, GraphQLClient, SettableClock

LOGOUT = "mutation { logout { sessionEnded } }"


# --- ended with the token ---------------------------------------------------------------------


async def test_a_subscription_ends_when_its_token_expires(host: Stage) -> None:
    """Nobody says a word, and the socket is closed by itself (4401) when the token's time is
    over; nothing of the subscription is left."""
    async with host(access_token_ttl=timedelta(seconds=1)) as it:
        await it.client.signup()
        async with opened(it.app, it.client.access_token) as socket:
            await socket.subscribe(GUARDED)
            assert await socket.next() == 0
            assert await socket.hear() == 4401
            assert socket.reason == "Token expired"
            await streams.down_to(0)
        assert it.open == 0


async def test_no_value_leaves_after_the_token(host: Stage, clock: SettableClock) -> None:
    """A value that is ready just after the end is not sent, however late the timer is."""
    async with host(clock=clock) as it:
        await it.client.signup()
        async with opened(it.app, it.client.access_token) as socket:
            await socket.subscribe(GUARDED)
            assert await socket.next() == 0
            clock.forward(seconds=900)
            streams.more.set()
            assert await socket.hear() == 4401


async def test_nothing_begins_after_the_token(host: Stage, clock: SettableClock) -> None:
    """What is asked for just after the end is not begun, not even what is public."""
    async with host(clock=clock) as it:
        await it.client.signup()
        async with opened(it.app, it.client.access_token) as socket:
            await socket.subscribe(GUARDED)
            assert await socket.next() == 0
            clock.forward(seconds=900)
            await socket.subscribe(WAIT, name="2")
            assert await socket.hear() == 4401
        assert streams.begun == 1


async def test_a_subscription_ends_with_its_session(host: Stage) -> None:
    """A session that ends closes every socket that speaks for it, waiting ones too (4403); those
    of other sessions and anonymous ones go on."""
    async with host() as it:
        await it.client.signup()
        other = GraphQLClient(it.http)
        await other.login()
        async with (
            opened(it.app, it.client.access_token) as mine,
            opened(it.app, it.client.access_token) as idle,
            opened(it.app, other.access_token) as others,
            opened(it.app) as anybodys,
        ):
            for socket in (mine, others):
                await socket.subscribe(GUARDED)
                assert await socket.next() == 0
            await anybodys.subscribe(WAIT)
            assert await anybodys.next() == 0
            assert "errors" not in await idle.ask(ME)
            await it.client.field(LOGOUT)
            for socket in (mine, idle):
                assert await socket.hear() == 4403
                assert socket.reason == "Session revoked"
            await others.sync()
            await anybodys.sync()


async def test_a_stale_token_and_public_fields(host: Stage, clock: SettableClock) -> None:
    """A token that nothing was proven by decides nothing: an expired one in `connection_init`
    closes no socket that asks for what is public alone."""
    async with host(clock=clock) as it:
        await it.client.signup()
        async with opened(it.app, it.client.access_token) as socket:
            await socket.subscribe(WAIT)
            assert await socket.next() == 0
            clock.forward(seconds=901)
            streams.more.set()
            assert await socket.next() == 1
        async with opened(it.app, it.client.access_token) as socket:
            assert (await socket.ask("{ hello }"))["data"] == {"hello": "world"}
            assert reason(await socket.ask(GUARDED)) == "ACCESS_TOKEN_EXPIRED"
            assert (await socket.ask("{ hello }"))["data"] == {"hello": "world"}


async def test_a_public_field_that_asks_who_it_is(host: Stage, clock: SettableClock) -> None:
    """A public field that speaks to a caller by the token ends with the token, too."""
    async with host(clock=clock) as it:
        await it.client.signup()
        async with opened(it.app, it.client.access_token) as socket:
            await socket.subscribe(MINE)
            assert await socket.next() == "for somebody"
            clock.forward(seconds=900)
            streams.more.set()
            assert await socket.hear() == 4401


async def test_after_the_close_nothing_counts(host: Stage) -> None:
    """What a client says behind a close is not carried out."""
    async with host() as it:
        await it.client.signup()
        async with opened(it.app, it.client.access_token) as socket:
            await socket.say("no message")
            await socket.subscribe(WAIT)
            assert await socket.hear() == 4400
        assert streams.running == 0
        async with opened(it.app, it.client.access_token) as socket:
            await socket.ask(ME)
            await it.client.field(LOGOUT)
            await socket.subscribe(WAIT)
            await socket.subscribe(WAIT, name="2")
            assert await socket.hear() == 4403
            assert socket.to_client.empty()
        assert streams.running == 0


# --- the protocol -----------------------------------------------------------------------------


async def test_a_socket_that_never_begins(host: Stage) -> None:
    """Without `connection_init` in time the socket is closed (4408) and counted; pings are no
    beginning."""
    async with host(socket_init_timeout=timedelta(seconds=1)) as it:
        async with connected(it.app) as (socket, first):
            assert first["type"] == "websocket.accept"
            await socket.sync()
            assert await socket.hear() == 4408
            assert socket.reason == "Connection initialisation timeout"
        assert it.limited("init") == 1


async def test_the_order_of_a_handshake(host: Stage) -> None:
    """Nothing runs before the acknowledgement (4401), and nobody introduces themselves twice
    (4429)."""
    async with host() as it:
        async with connected(it.app) as (socket, _):
            await socket.subscribe("{ hello }")
            assert await socket.hear() == 4401
        async with opened(it.app) as socket:
            await socket.say({"type": "connection_init"})
            assert await socket.hear() == 4429


@pytest.mark.parametrize("protocol", ["graphql-ws", "graphql-transport-ws2", "soap"])
async def test_other_protocols(host: Stage, protocol: str) -> None:
    """Another subprotocol, that of old included, is closed with 4406."""
    async with host() as it, connected(it.app, protocol=protocol) as (socket, first):
        assert first["type"] == "websocket.accept"
        assert first["subprotocol"] is None
        assert await socket.hear() == 4406


async def test_ids(host: Stage) -> None:
    """An id in use closes the socket (4409); one that was completed is free again."""
    async with host() as it, opened(it.app) as socket:
        for _ in range(2):
            await socket.subscribe(WAIT)
            assert await socket.next() == 0
            await socket.say({"id": "1", "type": "complete"})
        await socket.subscribe(WAIT)
        assert await socket.next() == 0
        await socket.subscribe(WAIT)
        assert await socket.hear() == 4409
        assert socket.reason == "Subscriber for 1 already exists"
        await streams.down_to(0)


async def test_named_documents(host: Stage) -> None:
    """A document may be named by its hash once it is known; one that is not is refused with the
    code that clients know, and the socket goes on."""
    async with host() as it, opened(it.app) as socket:
        name = {"persistedQuery": {"version": 1, "sha256Hash": sha256(b"{ hello }").hexdigest()}}
        named = {"id": "1", "type": "subscribe", "payload": {"extensions": name}}
        await socket.say(named)
        (error,) = (await socket.hear())["payload"]
        assert error["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
        sent = {"query": "{ hello }", "extensions": name}
        assert "errors" not in (await it.http.post("/graphql", json=sent)).json()
        await socket.say(named)
        assert await socket.next() == "world"


async def test_a_defect_in_a_subscription(host: Stage) -> None:
    """A defect is masked behind a reference and ends its operation, not the socket."""
    async with host() as it, opened(it.app) as socket:
        await socket.subscribe("subscription { broken }")
        assert await socket.next() == 1
        heard = await socket.hear()
        (error,) = heard["payload"]["errors"]
        assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        assert error["extensions"]["reference"] in error["message"]
        assert "says too much" not in str(heard)
        assert await socket.hear() == {"id": "1", "type": "complete"}
        await socket.sync()


async def test_a_client_that_leaves(host: Stage) -> None:
    """Who leaves in the middle of it leaves nothing behind."""
    async with host() as it:
        async with opened(it.app) as socket:
            await socket.subscribe(WAIT)
            assert await socket.next() == 0
            assert (it.open, streams.running) == (1, 1)
        assert (it.open, streams.running) == (0, 0)


# --- bounds -----------------------------------------------------------------------------------


async def test_operations_of_a_socket(host: Stage) -> None:
    """One more operation than may run at once is refused with a code, and counted; the others go
    on, and when one is over the next may begin."""
    async with host(operations_per_socket=2) as it, opened(it.app) as socket:
        for name in ("1", "2"):
            await socket.subscribe(WAIT, name=name)
            assert await socket.next() == 0
        await socket.subscribe("{ hello }", name="3")
        heard = await socket.hear()
        assert (heard["id"], heard["type"]) == ("3", "error")
        (error,) = heard["payload"]
        assert error["message"] == "Too many operations on this socket: end one first"
        assert error["extensions"] == {"code": "TOO_MANY_OPERATIONS"}
        assert it.limited("operations") == 1
        await socket.say({"id": "1", "type": "complete"})
        await streams.down_to(1)
        await socket.subscribe("{ hello }", name="3")
        assert await socket.next() == "world"


async def test_connections_of_an_address(host: Stage) -> None:
    """Sockets and streams of an address are counted together; one more is answered 429, and other
    addresses are none of its business. IPv6 counts by /64."""
    async with host(connections_per_address=2) as it:
        site = "2001:db8::"
        async with opened(it.app, ip=site + "1"):
            async with streamed(it.app, WAIT, ip=site + "2") as answer:
                assert answer.status == 200
                async with connected(it.app, ip=site + "3") as (socket, denial):
                    assert denial["type"] == "websocket.http.response.start"
                    assert denial["status"] == 429
                    body = httpx.Response(200, content=(await socket.to_client.get())["body"])
                    (error,) = body.json()["errors"]
                    assert error["extensions"] == {
                        "code": "TOO_MANY_CONNECTIONS",
                        "reason": "CONNECTIONS_PER_ADDRESS",
                    }
                async with streamed(it.app, WAIT, ip=site + "4") as refused:
                    assert refused.status == 429
                    assert b"TOO_MANY_CONNECTIONS" in await refused.body()
                async with opened(it.app, ip="2001:db8:0:1::1"):
                    pass
                assert it.limited("address") == 2
                assert (await it.client.post("{ hello }"))["data"], "requests are not counted"
            async with opened(it.app, ip=site + "3"):
                pass


async def test_where_a_handshake_cannot_be_answered(host: Stage) -> None:
    """A server without that extension of ASGI gets a close instead of the answer."""
    async with host(connections_per_address=1) as it, opened(it.app):
        said: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            said.append(message)

        scope = scope_of("websocket") | {"subprotocols": ["graphql-transport-ws"]}
        await it.app(scope, receive, send)
        assert [(each["type"], each.get("code")) for each in said] == [("websocket.close", 1013)]


async def test_connections_of_an_account(host: Stage) -> None:
    """Only so many sockets and streams may act as one account; on one more, what is protected is
    refused, and what is public goes on."""
    async with host(connections_per_account=2) as it:
        await it.client.signup()
        token = it.client.access_token
        async with opened(it.app, token) as one, opened(it.app, token) as three:
            assert "errors" not in await one.ask(ME)
            async with streamed(it.app, GUARDED, token) as two:
                assert await two.next() == 0
                refused = await three.ask(ME)
                assert reason(refused) == "CONNECTIONS_PER_ACCOUNT"
                assert refused["errors"][0]["extensions"]["code"] == "TOO_MANY_CONNECTIONS"
                assert "errors" not in await three.ask("{ hello }")
                async with streamed(it.app, GUARDED, token) as four:
                    (error,) = await four.errors()
                    assert error["extensions"]["reason"] == "CONNECTIONS_PER_ACCOUNT"
                assert "errors" not in await it.client.me(), "requests are not counted"
                assert it.limited("account") == 2
            assert "errors" not in await three.ask(ME)
            assert "errors" not in await three.ask(ME), "and is counted once"
        connections = it.auth.system.connections
        assert not connections._of_account, "nothing is remembered of those that are over"
        assert not connections._of_address


# --- what is told of it -----------------------------------------------------------------------


async def test_figures_and_lines(host: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Levels tell how many are open; the log tells of each when it began and how it ended."""
    caplog.set_level(logging.INFO, "gql_auth.requests")
    async with host() as it:
        me = (await it.client.signup())["user"]["id"]

        async with opened(it.app, it.client.access_token) as socket:
            await socket.ask(ME)
            await socket.subscribe(WAIT)
            async with streamed(it.app, WAIT) as answer:
                assert await answer.next() == 0
                assert it.levels() == (1, 1)
            await it.client.field(LOGOUT)
            await socket.next()
            assert await socket.hear() == 4403
        assert it.levels() == (0, 0)
    lines = {
        record.message: record.__dict__
        for record in caplog.records
        if record.message.startswith(("socket", "stream"))
    }
    assert set(lines) == {"socket opened", "socket closed", "stream closed"}
    closed, ended = lines["socket closed"], lines["stream closed"]
    assert (closed["code"], closed["operations"], closed["user_id"]) == (4403, 2, me)
    assert (ended["outcome"], ended["results"]) == ("left", 1)
    assert str(it.client.access_token) not in caplog.text
    assert closed["ip"] == ended["ip"] == "127.0.0.1"


async def test_who_closed_is_told(host: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """The code is the client's where it was the client who left."""
    caplog.set_level(logging.INFO, "gql_auth.requests")
    async with host() as it:
        async with opened(it.app) as socket:
            await socket.sync()
        (line,) = [each for each in caplog.records if each.message == "socket closed"]
        assert line.__dict__["code"] == 1000
        assert "user_id" not in line.__dict__


# --- clients that read nothing ----------------------------------------------------------------


@pytest.mark.parametrize("ending", ["operation", "close"])
async def test_a_client_that_reads_nothing(
    ending: str, host: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes nothing of what it is told holds nothing for long, whether an operation
    wants to speak or the socket is to be closed."""
    monkeypatch.setattr("gql_auth.serving.sockets.STALL", 0.1)
    async with host() as it:
        await it.client.signup()
        socket = Socket()
        scope = scope_of("websocket") | {"subprotocols": ["graphql-transport-ws"]}
        await socket.to_server.put({"type": "websocket.connect"})
        served = asyncio.ensure_future(it.app(scope, socket.to_server.get, socket.take))  # type: ignore[arg-type]
        assert (await socket.to_client.get())["type"] == "websocket.accept"
        await socket.init(it.client.access_token)
        await socket.subscribe(GUARDED)
        assert await socket.next() == 0
        socket.reads.clear()
        if ending == "operation":
            streams.more.set()
        else:
            await it.client.field(LOGOUT)
        await asyncio.wait_for(served, 10)
        assert (it.open, streams.running, it.limited("slow")) == (0, 0, 1)

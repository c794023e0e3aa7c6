"""Sockets and streams of one replica, when the session ends through another, when the database is
out of reach, and when the server ends."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.cluster import Cluster
from tests.faults.cable import Cable
from tests.faults.nursery import Nursery
from tests.process import STOP, Server
from tests.replicas import Browser, replicas, site

EVENTS = """subscription { sessionEvents { __typename session { id current }
    ... on SessionEnded { reason } } }"""
SESSIONS = "{ sessions { id current } }"
REVOKE = "mutation($id: ID!) { revokeSession(id: $id) { __typename } }"
PROTOCOL = Subprotocol("graphql-transport-ws")
PATIENCE = 10  # seconds; a second is promised
ROUNDS = 5


@asynccontextmanager
async def socket_to(server: Server, token: str | None) -> AsyncIterator[ClientConnection]:
    """A socket with a token, which has subscribed to the account's sessions."""
    url = server.url.replace("http", "ws", 1) + "/graphql"
    async with connect(url, subprotocols=[PROTOCOL], proxy=None) as socket:
        assert socket.response
        compressed = "sec-websocket-extensions" in socket.response.headers
        assert not compressed, "the client offers it"
        payload = {"Authorization": f"Bearer {token}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        payload = {"query": EVENTS}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        await socket.send(json.dumps({"type": "ping"}))
        assert json.loads(await socket.recv())["type"] == "pong"
        yield socket


async def closed(socket: ClientConnection) -> tuple[int, str, list[Any]]:
    """The code that a socket is closed with, the reason, and the events before."""
    events: list[Any] = []
    with suppress(ConnectionClosed):
        async with asyncio.timeout(PATIENCE):
            while True:
                heard = json.loads(await socket.recv())
                events.append(heard["payload"]["data"]["sessionEvents"])
    assert socket.close_code is not None
    return socket.close_code, str(socket.close_reason), events


@asynccontextmanager
async def stream_to(http: httpx.AsyncClient, token: str | None) -> AsyncIterator[httpx.Response]:
    """A stream of the account's sessions."""
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {token}"}
    asked = http.stream("POST", "/graphql", json={"query": EVENTS}, headers=headers)
    async with asked as response:
        assert response.status_code == 200
        yield response


async def rest_of(response: httpx.Response) -> str:
    """What a stream says until it is over."""
    async with asyncio.timeout(PATIENCE):
        return "".join([chunk async for chunk in response.aiter_text()])


async def session_of(browser: Browser) -> str:
    (mine,) = [each["id"] for each in await browser.field(SESSIONS) if each["current"]]
    return str(mine)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_what_one_replica_ends_the_other_closes(
    kind: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    quick: Nursery,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """A session that ends through one replica closes its sockets (4403) and streams on the other,
    after the event that says so; sessions of the account that began and ended there are told of.
    Long before a poll is due."""
    url = "" if kind == "sqlite" else request.getfixturevalue("database_url")
    took: list[float] = []
    with replicas(2, url, tmp_path, how=quick.launch, revocation_poll="30s") as (one, two):
        async with site([one]) as at_one, site([two]) as at_two:
            owner = at_one.browser("ada@example.com")
            await owner.sign_up()
            for _ in range(ROUNDS):
                device = at_two.browser("ada@example.com")
                await device.sign_in()
                mine = await session_of(device)
                http = at_two.clients[0]
                async with (
                    socket_to(two, device.access_token) as socket,
                    stream_to(http, device.access_token) as stream,
                ):
                    visitor = at_one.browser("ada@example.com")
                    await visitor.sign_in()
                    heard = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))
                    began = heard["payload"]["data"]["sessionEvents"]
                    assert began["__typename"] == "SessionBegan"
                    assert began["session"]["id"] == await session_of(visitor)

                    ended = await owner.field(REVOKE, {"id": mine})
                    assert ended["__typename"] == "RevokeSessionPayload"
                    since = time.monotonic()
                    found = await closed(socket)
                    took.append(time.monotonic() - since)
                    last = {
                        "__typename": "SessionEnded",
                        "session": {"id": mine, "current": True},
                        "reason": "REVOKED_BY_OWNER",
                    }
                    assert found == (4403, "Session revoked", [last])
                    told = await rest_of(stream)
                    assert "SESSION_REVOKED" in told
                    assert "REVOKED_BY_OWNER" in told
                    assert told.endswith("event: complete\ndata:\n\n")
    record_testsuite_property(f"closed elsewhere, {kind}, median ms", round(median(took) * 1000, 1))
    record_testsuite_property(f"closed elsewhere, {kind}, most ms", round(max(took) * 1000, 1))


async def test_a_replica_that_knows_nothing_closes(
    server: Cluster, database: str, tmp_path: Path, quick: Nursery
) -> None:
    """Cut off from the database for longer than REVOCATION_STALENESS, a replica cannot know
    whether a session has ended: its sockets are closed (1013), its streams end."""
    with (
        Cable.to(server.port) as cable,
        replicas(
            1, server.url_at(cable.port, database), tmp_path, how=quick.launch,
            revocation_poll="1s", revocation_staleness="2s",
        ) as (replica,),
    ):  # fmt: skip
        async with site([replica]) as at:
            ada = at.browser("ada@example.com")
            await ada.sign_up()
            async with (
                socket_to(replica, ada.access_token) as socket,
                stream_to(at.clients[0], ada.access_token) as stream,
            ):
                await at.browser("ada@example.com").sign_in()
                assert "SessionBegan" in str(await asyncio.wait_for(socket.recv(), PATIENCE))
                cable.cut()
                reason = "The server has lost touch with its database, try again shortly"
                assert await closed(socket) == (1013, reason, [])
                assert "SERVICE_UNAVAILABLE" in await rest_of(stream)
                cable.join()


async def test_at_the_servers_end_nobody_is_waited_for(tmp_path: Path, quick: Nursery) -> None:
    """A server that is told to end cuts its streams, without `complete`, and closes its sockets
    (1012) instead of waiting until everybody has gone."""
    with replicas(1, "", tmp_path, how=quick.launch) as (server,):
        async with site([server]) as at:
            ada = at.browser("ada@example.com")
            await ada.sign_up()
            async with (
                socket_to(server, ada.access_token) as socket,
                stream_to(at.clients[0], ada.access_token) as stream,
            ):
                server.process.terminate()
                assert (await closed(socket))[0] == 1012
                assert "complete" not in await rest_of(stream)
        assert await asyncio.to_thread(server.process.wait, STOP) == 0
        ends = [line["event"] for line in server.log if line["event"].endswith("closed")]
        assert sorted(ends) == ["socket closed", "stream closed"]
        assert not [line for line in server.log if line["level"] in {"error", "warning"}]

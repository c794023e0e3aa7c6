"""Replicas whose wall clocks differ by a minute are one server: PostgreSQL's clock decides."""

import asyncio
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx

from tests.debian import clock_moved_by, forget_clock
from tests.replicas import PUBLIC_URL, replicas, site
from tests.support import GraphQLClient, reason_of

OFF = (0, 30, -30)  # seconds
WINDOW, LIFE = 3, 5  # seconds: of a race; of an access token
WEEK = 7 * 86_400


async def test_wrong_wall_clocks_change_nothing(database_url: str, tmp_path: Path) -> None:
    """Sign-ins, refreshes in turn, replays of the token before within the race window and after
    it, the ends of access tokens and of cookies: all as if the clocks were equal."""
    with replicas(
        len(OFF), database_url, tmp_path, each=[clock_moved_by(off) if off else {} for off in OFF],
        refresh_race_window=f"{WINDOW}s", access_token_ttl=f"{LIFE}s", clock_leeway="0s",
    ) as running:  # fmt: skip
        async with site(running) as open_site:
            starts = range(len(OFF))
            # Each story begins at another replica and goes on at the others in turn.
            turns = [open_site.clients[start:] + open_site.clients[:start] for start in starts]
            await asyncio.gather(
                *(_of_a_session(turn, f"a{number}") for number, turn in enumerate(turns)),
                *(_of_a_token(turn, f"b{number}") for number, turn in enumerate(turns)),
            )
        for replica, off in zip(running, OFF, strict=True):
            logged = datetime.fromisoformat(replica.log[-1]["timestamp"])
            seconds = (logged - datetime.now(UTC)).total_seconds()
            assert abs(seconds - off) < 10, "its wall clock is not off: this proved nothing"
    for replica in running:
        forget_clock(replica.process.pid)


async def _of_a_session(turn: Sequence[httpx.AsyncClient], name: str) -> None:
    """Opened here, refreshed there; its first token again within the window and after it."""
    here, there, far = (GraphQLClient(each, PUBLIC_URL) for each in turn)
    opened = await here.signup(f"{name}@example.com")
    (max_age,) = re.findall(r"Max-Age=(\d+);", here.last.headers["set-cookie"])
    assert abs(int(max_age) - WEEK) < 10
    assert abs((_instant(opened["expiresAt"]) - datetime.now(UTC)).total_seconds() - LIFE) < 3
    first = dict(here.cookies)
    for client in (there, far):
        assert (await client.me(token=opened["accessToken"]))["data"], "as soon as it is issued"

    there.cookies = dict(first)
    refreshed = await there.refresh()
    rotated = time.monotonic()
    second = dict(there.cookies)
    for client in (far, here):
        assert (await client.me(token=refreshed["accessToken"]))["data"]
    for client in (far, here, there):
        client.cookies = dict(first)
        assert (await client.refresh())["__typename"] == "AuthPayload", "within the window"
        assert client.cookies == second, "the very same"

    await asyncio.sleep(rotated + WINDOW + 0.5 - time.monotonic())
    far.cookies = dict(second)
    assert (await far.refresh())["__typename"] == "AuthPayload"
    here.cookies = dict(first)
    assert (await here.refresh())["reason"] == "REUSED"
    there.cookies = dict(far.cookies)
    assert (await there.refresh())["reason"] == "REVOKED"


async def _of_a_token(turn: Sequence[httpx.AsyncClient], name: str) -> None:
    """An access token ends everywhere at the same time."""
    clients = [GraphQLClient(each) for each in turn]
    await clients[0].signup(f"{name}@example.com")
    opened = await clients[0].login(email=f"{name}@example.com")
    began = time.monotonic()
    clients[0].access_token = None
    token = opened["accessToken"]
    await asyncio.sleep(began + LIFE - 2 - time.monotonic())
    for client in clients:
        assert (await client.me(token=token))["data"]["me"]
    await asyncio.sleep(began + LIFE + 0.3 - time.monotonic())
    for client in clients:
        assert reason_of(await client.me(token=token)) == "ACCESS_TOKEN_EXPIRED"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)

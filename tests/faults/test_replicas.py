"""Replicas are one server: sessions, keys, the first start, workers."""

import asyncio
import os
import signal
from pathlib import Path

import httpx
import jwt
import pytest

from tests.cluster import Cluster
from tests.faults.nursery import Nursery
from tests.live import within
from tests.process import Server, run
from tests.replicas import DEFECT, Browser, replicas, site
from tests.support import SECRET, GraphQLClient

SESSIONS = "{ sessions { id current } }"
REVOKE = "mutation($id: ID!) { revokeSession(id: $id) { __typename } }"
ROUNDS = 3  # first starts


def kids(server: Server) -> list[str]:
    """The keys that a server publishes."""
    return [key["kid"] for key in httpx.get(f"{server.url}/.well-known/jwks.json").json()["keys"]]


def kid_of(token: str | None) -> str:
    """The key that signed a token."""
    assert token
    found: str = jwt.get_unverified_header(token)["kid"]
    return found


def moved_to(client: GraphQLClient, elsewhere: GraphQLClient) -> GraphQLClient:
    """The same browser, whose next request another replica gets."""
    elsewhere.cookies, elsewhere.access_token = dict(client.cookies), client.access_token
    return elsewhere


async def test_a_session_goes_on_elsewhere(
    database_url: str, tmp_path: Path, quick: Nursery
) -> None:
    """A session that one replica opened is refreshed, listed and ended by the other, and its
    access tokens count at both."""
    with replicas(2, database_url, tmp_path, how=quick.launch) as (one, two):
        async with one.client() as at_one, two.client() as at_two:
            await at_one.signup()
            moved_to(at_one, at_two)
            assert (await at_two.refresh())["__typename"] == "AuthPayload"
            assert (await at_one.me(token=at_two.access_token))["data"]["me"]
            moved_to(at_two, at_one)
            assert (await at_one.refresh())["__typename"] == "AuthPayload"

            async with one.client() as other_device:
                await other_device.login()
                listed = await at_two.field(SESSIONS, token=at_one.access_token)
                assert [each["current"] for each in listed] == [False, True]
                ended = await at_two.field(
                    REVOKE, {"id": listed[0]["id"]}, token=at_one.access_token
                )
                assert ended["__typename"] == "RevokeSessionPayload"
                assert (await other_device.refresh())["reason"] == "REVOKED"


@pytest.mark.parametrize(
    "settings",
    [{}, {"database_advisory_locks": "off", "database_listen": "off", "revocation_poll": "1s"}],
    ids=["as usual", "without advisory locks and LISTEN"],
)
async def test_first_starts_at_the_same_time(
    server: Cluster, tmp_path: Path, quick: Nursery, settings: dict[str, str]
) -> None:
    """Replicas that start together on an empty database make one schema and one set of keys, and
    are one server from then on."""
    for number in range(ROUNDS):
        url = server.database(f"empty_{'off' if settings else 'on'}_{number}")
        with replicas(3, url, tmp_path, how=quick.launch, **settings) as running:
            published = [kids(each) for each in running]
            assert published[0] == published[1] == published[2]
            assert len(published[0]) == 2, "the current key and the next"
            for each in running:
                assert [line for line in each.log if line["level"] in {"error", "critical"}] == []
            one, two, three = running
            async with one.client() as client, two.client() as second, three.client() as third:
                await client.signup()
                moved_to(client, second)
                assert (await second.refresh())["__typename"] == "AuthPayload"
                moved_to(second, third)
                assert (await third.me())["data"]["me"]["email"] == "ada@example.com"
                assert await second.field("mutation { logout { sessionEnded } }")

                async def refused() -> bool:
                    return "SESSION_REVOKED" in str(await third.me())

                await within(10, refused)


async def test_a_key_is_known_everywhere_before_it_signs(
    database_url: str, tmp_path: Path, quick: Nursery
) -> None:
    """After `keys rotate` a replica that has not heard of it yet accepts what another one signs
    with the new key."""
    with replicas(2, database_url, tmp_path, how=quick.launch) as (one, two):
        async with one.client() as client, two.client() as elsewhere:
            await client.signup()
            (coming,) = set(kids(one)) - {kid_of(client.access_token)}
            os.kill(two.process.pid, signal.SIGSTOP)
            try:
                rotated = run("keys", "rotate", database_url=database_url, secret=SECRET)
                assert rotated.returncode == 0, rotated.stderr

                async def signed_anew() -> bool:
                    await client.refresh()
                    return kid_of(client.access_token) == coming

                await within(10, signed_anew)
                asking = asyncio.create_task(elsewhere.me(token=client.access_token))
            finally:
                os.kill(two.process.pid, signal.SIGCONT)
            assert (await asking)["data"]["me"]["email"] == "ada@example.com"
            await within(10, lambda: len(kids(two)) == 3 and kids(two) == kids(one))
            moved_to(client, elsewhere)
            await elsewhere.refresh()
            assert kid_of(elsewhere.access_token) == coming


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_worker_is_killed(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Of two workers one hangs and is killed: the other goes on, another takes its place, and
    nobody is signed out by it."""
    url = "" if kind == "sqlite" else request.getfixturevalue("database_url")
    with replicas(1, url, tmp_path, workers=2) as (server,):

        def workers() -> set[int]:
            return {line["pid"] for line in server.log if line["event"] == "request"}

        async with site([server]) as open_site:
            browsers = [open_site.browser(f"{number}@example.com") for number in range(4)]
            await asyncio.gather(*(browser.sign_up() for browser in browsers))
            victim = min(workers())
            killed = asyncio.Event()

            async def live(browser: Browser) -> None:
                rounds = 0
                while rounds < 5:
                    await browser.refreshed()
                    await browser.look()
                    rounds += killed.is_set()

            lives = [asyncio.create_task(live(browser)) for browser in browsers]
            await asyncio.sleep(0.3)
            # First it says nothing for a while, so that its supervisor waits for its answer.
            os.kill(victim, signal.SIGSTOP)
            await asyncio.sleep(1)
            os.kill(victim, signal.SIGKILL)
            killed.set()
            await asyncio.gather(*lives)
            assert DEFECT not in open_site.codes

            async def replaced() -> bool:
                async with site([server]) as anew:  # on new connections
                    visitor = anew.browser("0@example.com")
                    visitor.cookies = dict(browsers[0].cookies)
                    await visitor.refreshed()
                    browsers[0].cookies = dict(visitor.cookies)
                return len(workers() - {victim}) >= 2

            await within(20, replaced)

"""Replicas are one server: sessions, keys, the first start."""

import json
import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.faults.nursery import Nursery
from tests.live import within
from tests.process import Server, run, until
from tests.replicas import PUBLIC_URL, Browser, replicas, site
from tests.support import LOGIN, PASSWORD, SECRET, GraphQLClient

SESSIONS = "{ sessions { id current } }"
REVOKE = "mutation($id: ID!) { revokeSession(id: $id) { __typename } }"
ROUNDS = 4  # first starts


def kids(server: Server) -> list[str]:
    """The keys that a server publishes."""
    return [key["kid"] for key in httpx.get(f"{server.url}/.well-known/jwks.json").json()["keys"]]


def kid_of(token: str | None) -> str:
    """The key that signed a token."""
    import base64

    assert token
    head = token.partition(".")[0]
    found: str = json.loads(base64.urlsafe_b64decode(head + "=="))["kid"]
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
    server, tmp_path: Path, quick: Nursery, settings: dict[str, str], request
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
                    return "SESSION_REVOKED" in str(await third.me())  # noqa: B023 - awaited here

                await within(10, refused)

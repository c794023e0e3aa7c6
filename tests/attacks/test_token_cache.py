"""Attacks on what is remembered of access tokens: whatever ends a token ends it at its next use,
however often it was taken before."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import strawberry
from fastapi import FastAPI

from gql_auth import GraphQLAuth, IsAuthenticated
from gql_auth.app import create_app
from gql_auth.features.keys.core import KeyRings, Keys
from gql_auth.features.tokens import jws
from gql_auth.features.tokens.cache import VerifiedTokens
from gql_auth.kernel.settings import Settings
from tests.support import GraphQLClient, SettableClock, reason_of


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    return sqlite_settings


@pytest.fixture
async def warm(client: GraphQLClient) -> str:
    """A token that was taken three times."""
    token: str = (await client.signup(email="ada@example.com"))["accessToken"]
    for _ in range(3):
        assert "errors" not in await client.me(token=token)
    return token


async def refusal(client: GraphQLClient, token: str) -> str:
    answer = await client.me(token=token)
    assert answer["data"] is None
    return str(reason_of(answer))


async def test_its_signature_is_checked_once(
    client: GraphQLClient, warm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that is remembered is taken without its signature being checked again; this is what
    the other tests here are about."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("checked again")

    monkeypatch.setattr(jws, "read", fail)
    assert "errors" not in await client.me(token=warm)


async def test_it_expires(client: GraphQLClient, warm: str, clock: SettableClock) -> None:
    """Its time is looked at each time."""
    clock.forward(minutes=15)
    assert await refusal(client, warm) == "ACCESS_TOKEN_EXPIRED"


async def test_its_time_has_not_come(
    client: GraphQLClient, warm: str, clock: SettableClock
) -> None:
    """A clock that is set back makes it a token of the future."""
    clock.forward(minutes=-5)
    assert await refusal(client, warm) == "ACCESS_TOKEN_INVALID"


async def test_its_session_ends(client: GraphQLClient, warm: str) -> None:
    """Its session is looked at each time."""
    await client.post("mutation { logout { sessionEnded } }")
    assert await refusal(client, warm) == "SESSION_REVOKED"


@pytest.mark.parametrize("place", [0, 30, -1, -20, 200])
async def test_another_spelling_is_another_token(
    client: GraphQLClient, warm: str, place: int
) -> None:
    """The whole token is what is remembered: with one letter changed it is looked at anew."""
    letter = "A" if warm[place] != "A" else "B"
    forged = warm[:place] + letter + (warm[place + 1 :] if place != -1 else "")
    assert forged != warm
    assert await refusal(client, forged) == "ACCESS_TOKEN_INVALID"
    assert "errors" not in await client.me(token=warm)


async def test_its_key_is_retired(
    client: GraphQLClient, warm: str, auth: GraphQLAuth, clock: SettableClock
) -> None:
    """When keys change, nothing is remembered: a token of a key that is gone is refused at once."""
    system = auth.system
    async with system.units.write() as unit:
        old = system.part(KeyRings).ring.kid
        await unit.get(Keys).rotate(force=True)
        await unit.get(Keys).retire(old, access_token_ttl=timedelta(minutes=15), force=True)
    await system.learn()
    assert await refusal(client, warm) == "ACCESS_TOKEN_INVALID"


def test_how_many_are_kept() -> None:
    """The least recently used ones are forgotten, and very long ones never kept."""
    ring: Any = object()
    caller: Any = object()
    cache = VerifiedTokens(10)
    assert cache.get("used", ring) is None
    cache.put("used", caller)
    for number in range(1000):
        cache.put(f"other {number}", caller)
        assert cache.get("used", ring) is caller
        assert len(cache) <= 10
    cache.put("x" * 2049, caller)
    assert cache.get("x" * 2049, ring) is None
    cache.put("x" * 2048, caller)
    assert cache.get("x" * 2048, ring) is caller
    none = VerifiedTokens(0)
    none.get("used", ring)
    none.put("used", caller)
    assert len(none) == 0


@strawberry.type
class Query:
    """A host that writes where it should only read."""

    @strawberry.field(permission_classes=[IsAuthenticated])
    def promote(self, info: strawberry.Info) -> list[str]:
        """Make oneself an admin, in what should be one's own copy, and in what is shared."""
        claims = info.context.claims
        claims["roles"].append("admin")
        claims["plan"]["seats"] = 1_000
        with pytest.raises(TypeError):
            info.context.caller.claims["roles"] = ["admin"]
        with pytest.raises(AttributeError):
            info.context.caller.claims["roles"].append("admin")
        with pytest.raises(TypeError):
            info.context.caller.claims["plan"]["seats"] = 1_000
        return claims["roles"]  # type: ignore[no-any-return]

    @strawberry.field(permission_classes=[IsAuthenticated])
    def seats(self, info: strawberry.Info) -> str:
        """What the next request is told."""
        return f"{info.context.claims['roles']} {info.context.claims['plan']}"


@pytest.fixture
async def hosted(sqlite_settings: Settings, clock: SettableClock) -> AsyncIterator[GraphQLClient]:
    auth = GraphQLAuth(sqlite_settings, clock=clock, claims=lambda _user: {"plan": {"seats": 1}})
    app = FastAPI()
    app.include_router(auth.router(query=Query))
    async with (
        auth.running(),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=sqlite_settings.public_url
        ) as http,
    ):
        yield GraphQLClient(http, sqlite_settings.public_url)


async def test_no_request_changes_what_the_next_is_told(hosted: GraphQLClient) -> None:
    """Requests with one token share what was read from it, and none can write to it."""
    await hosted.signup()
    for _ in range(2):
        assert await hosted.field("{ promote }") == ["admin"]
        assert await hosted.field("{ seats }") == "[] {'seats': 1}"


async def test_nothing_is_kept_where_nothing_shall_be(
    sqlite_settings: Settings, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `TOKEN_CACHE=0` every signature is checked every time."""
    auth = GraphQLAuth(replace(sqlite_settings, token_cache=0), clock=clock)
    async with (
        auth.running(),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(auth)), base_url=sqlite_settings.public_url
        ) as http,
    ):
        client = GraphQLClient(http, sqlite_settings.public_url)
        await client.signup()
        checked: list[str] = []
        read = jws.read

        def count(token: str, **how: object) -> object:
            checked.append(token)
            return read(token, **how)  # type: ignore[arg-type]

        monkeypatch.setattr(jws, "read", count)
        await client.me()
        await client.me()
        assert len(checked) == 2

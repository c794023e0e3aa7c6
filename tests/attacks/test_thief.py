"""Stolen tokens, from the theft to its end.

The thief has copied what a browser holds, once or all the time, and sends it from elsewhere. No
server can tell who is who; what it can do is notice that two parties hold one token, and then end
the session for both. Each story looks afterwards, on a new connection or a new process.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.features.signin.core import SignIn
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.transports import Transport
from gql_auth.storage.migrate import migrate
from tests.database import confirmed, events, only_session
from tests.support import SECRET, BodyClient, GraphQLClient, SettableClock, reason_of

LOGOUT = "mutation { logout { sessionEnded } }"

Steal = Callable[[], GraphQLClient]


@pytest.fixture(params=["sqlite", "postgresql", "sqlite-body"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Both databases; on one of them once more with the refresh token in bodies, as all rules
    are the same there."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    body = request.param.endswith("body")
    made = Settings(
        data_dir=tmp_path,
        database_url=url,
        secret=SECRET,
        bcrypt_cost=10,
        refresh_transports=(Transport.BODY if body else Transport.COOKIE,),
    )
    migrate(made)
    return made


@pytest.fixture
def connect(
    settings: Settings, connect: Callable[..., GraphQLClient]
) -> Callable[..., GraphQLClient]:
    """Makes clients of the kind that the settings are for."""
    if Transport.COOKIE in settings.refresh_transports:
        return connect
    return lambda origin=None: BodyClient(connect(origin).http)


@pytest.fixture
async def victim(client: GraphQLClient) -> GraphQLClient:
    """A browser, signed in, that has refreshed before."""
    await client.signup()
    await client.refresh()
    return client


@pytest.fixture
def steal(victim: GraphQLClient, connect: Callable[..., GraphQLClient]) -> Steal:
    """Makes a thief with a copy of what the victim's browser holds now; no browser, so without
    an `Origin`."""

    def made() -> GraphQLClient:
        thief = connect(origin=None)
        thief.cookies = dict(victim.cookies)
        thief.access_token = victim.access_token
        return thief

    return made


async def moves_on(auth: GraphQLAuth, browser: GraphQLClient) -> None:
    """The browser refreshes and goes on working, and the server has noted it."""
    assert (await browser.refresh())["__typename"] == "AuthPayload"
    assert "data" in await browser.me()
    await confirmed(auth.settings)


async def shut_out(*clients: GraphQLClient) -> None:
    """Neither the access token nor the refresh token of these clients is good for anything."""
    for client in clients:
        assert reason_of(await client.me()) == "SESSION_REVOKED"
        result = await client.refresh()
        assert (result["__typename"], result["reason"]) == ("RefreshTokenRejected", "REVOKED")
        assert client.cookies == {}


async def test_a_replay_after_the_victim_moved_on(
    auth: GraphQLAuth, clock: SettableClock, victim: GraphQLClient, steal: Steal
) -> None:
    """The thief uses a copied token when the browser has long moved on: REUSED, and the session
    ends for both at once, on a new connection too, with an event that names the thief's client."""
    thief = steal()
    clock.forward(minutes=14)
    await moves_on(auth, victim)
    clock.forward(seconds=11)
    result = await thief.refresh(User_Agent="curl/8")
    assert result["reason"] == "REUSED"
    assert only_session(auth.settings).end_reason == "token-reused"
    (reused,) = events(auth.settings, "session:refresh:reused")
    assert (reused.user_agent, reused.detail["presented"]) == ("curl/8", 1)
    await shut_out(victim)
    assert reason_of(await thief.me()) == "SESSION_REVOKED"


async def test_the_thief_is_quicker_and_uses_what_it_got(
    auth: GraphQLAuth, clock: SettableClock, victim: GraphQLClient, steal: Steal
) -> None:
    """The thief rotates first and works with its tokens: when the browser refreshes, later than
    any race, that ends the session and the thief's tokens with it."""
    thief = steal()
    await moves_on(auth, thief)
    assert "data" in await victim.me()
    clock.forward(minutes=15)
    assert (await victim.refresh())["reason"] == "REUSED"
    await thief.refresh()
    clock.forward(minutes=-1)
    assert reason_of(await thief.me()) == "SESSION_REVOKED"
    assert only_session(auth.settings).end_reason == "token-reused"


async def test_the_thief_is_quicker_and_keeps_quiet(
    auth: GraphQLAuth, clock: SettableClock, victim: GraphQLClient, steal: Steal
) -> None:
    """The thief rotates and does not use what it got: the browser gets the same successor, and
    when both have it, the second to go on with it is found out."""
    thief = steal()
    await thief.refresh()
    clock.forward(minutes=15)
    await moves_on(auth, victim)
    assert victim.refresh_token == thief.refresh_token
    await moves_on(auth, victim)
    clock.forward(seconds=11)
    assert (await thief.refresh())["reason"] == "REUSED"
    await shut_out(victim)


async def test_the_thief_follows_every_rotation_but_one(
    auth: GraphQLAuth, clock: SettableClock, victim: GraphQLClient, steal: Steal
) -> None:
    """A thief that replays each token within the race window gets nothing of its own, only what
    the browser has; the first time that it is late ends the session."""
    for _ in range(4):
        thief = steal()
        await moves_on(auth, victim)
        clock.forward(seconds=10)
        assert (await thief.refresh())["__typename"] == "AuthPayload"
        assert thief.refresh_token == victim.refresh_token
        clock.forward(minutes=14)
    thief = steal()
    await moves_on(auth, victim)
    clock.forward(seconds=10, microseconds=1)
    assert (await thief.refresh())["reason"] == "REUSED"
    await shut_out(victim)


async def test_both_at_the_same_instant(
    auth: GraphQLAuth, victim: GraphQLClient, steal: Steal
) -> None:
    """Thief and browser present the same token at once: there is one successor, so the branch
    does not fork."""
    thieves = [steal() for _ in range(5)]
    await asyncio.gather(*(each.refresh() for each in (*thieves, victim)))
    assert {each.refresh_token for each in thieves} == {victim.refresh_token}
    assert only_session(auth.settings).generation == 2


async def test_every_older_token_is_a_tripwire(
    auth: GraphQLAuth, victim: GraphQLClient, steal: Steal
) -> None:
    """A token of any earlier generation ends the session, at once, whether or not the newest was
    seen in use."""
    thief = steal()
    for _ in range(3):
        await victim.refresh()
    assert (await thief.refresh())["reason"] == "REUSED"
    await shut_out(victim)


async def test_a_found_out_thief_stays_out_after_a_restart(
    settings: Settings,
    clock: SettableClock,
    auth: GraphQLAuth,
    victim: GraphQLClient,
    steal: Steal,
) -> None:
    """What the refusal REUSED ended is ended for a process that starts afterwards: the newest
    tokens, the thief's branch or the browser's, are good for nothing there."""
    thief = steal()
    await moves_on(auth, thief)
    clock.forward(seconds=11)
    assert (await victim.refresh())["reason"] == "REUSED"

    restarted = GraphQLAuth(settings, clock=clock)
    transport = httpx.ASGITransport(create_app(restarted))
    async with (
        restarted.running(),
        httpx.AsyncClient(transport=transport, base_url=settings.public_url) as http,
    ):
        there = type(thief)(http)
        there.cookies, there.access_token = thief.cookies, thief.access_token
        await shut_out(there)


async def test_reuse_in_one_session_leaves_the_others(
    auth: GraphQLAuth,
    victim: GraphQLClient,
    steal: Steal,
    connect: Callable[..., GraphQLClient],
) -> None:
    """A stolen token costs the session it is of: a thief cannot sign its victim out everywhere."""
    phone = connect()
    await phone.login()
    thief = steal()
    await victim.refresh()
    await victim.refresh()
    assert (await thief.refresh())["reason"] == "REUSED"
    await shut_out(victim)
    assert "data" in await phone.me()
    assert (await phone.refresh())["__typename"] == "AuthPayload"


async def _log_out(_auth: GraphQLAuth, victim: GraphQLClient) -> None:
    await victim.field(LOGOUT)


async def _sign_in_again(_auth: GraphQLAuth, victim: GraphQLClient) -> None:
    await victim.login()


async def _revoke(_auth: GraphQLAuth, victim: GraphQLClient) -> None:
    (own,) = await victim.field("{ sessions { id } }")
    await victim.field(f'mutation {{ revokeSession(id: "{own["id"]}") {{ __typename }} }}')


async def _disable(auth: GraphQLAuth, _victim: GraphQLClient) -> None:
    await auth.system.part(SignIn).disable(only_session(auth.settings).user_id)


@pytest.mark.parametrize("end", [_log_out, _sign_in_again, _revoke, _disable])
async def test_copies_die_with_the_session(
    auth: GraphQLAuth, victim: GraphQLClient, steal: Steal, end: Callable[..., Any]
) -> None:
    """Once the owner or an operator has ended the session, copies of every generation's tokens
    are REVOKED and copied access tokens refused at once."""
    older = steal()
    await victim.refresh()
    newest = steal()
    await end(auth, victim)
    await shut_out(older, newest)


async def test_a_copy_of_an_expired_token(
    clock: SettableClock, victim: GraphQLClient, steal: Steal
) -> None:
    """A copy is worth nothing from the second on at which it expires."""
    thief = steal()
    expires = jwt.decode(str(thief.refresh_token), options={"verify_signature": False})["exp"]
    clock.instant = datetime.fromtimestamp(expires, UTC)
    assert (await thief.refresh())["reason"] == "EXPIRED"
    assert reason_of(await thief.me()) == "ACCESS_TOKEN_EXPIRED"


async def test_a_thief_cannot_keep_a_session_for_ever(
    clock: SettableClock, victim: GraphQLClient, steal: Steal
) -> None:
    """A thief whose victim never comes back keeps refreshing, until the session's greatest age."""
    thief = steal()
    end = clock.now() + timedelta(days=90)
    while clock.now() + timedelta(days=6) < end:
        clock.forward(days=6)
        assert (await thief.refresh())["__typename"] == "AuthPayload"
    clock.instant = end
    assert (await thief.refresh())["reason"] == "EXPIRED"


async def test_replays_prolong_nothing(
    auth: GraphQLAuth, clock: SettableClock, victim: GraphQLClient, steal: Steal
) -> None:
    """A token that is presented again and again gives the same successor with the same end."""
    thief = steal()
    await victim.refresh()
    row = only_session(auth.settings)
    again = steal()
    for _ in range(3):
        clock.forward(days=1)
        thief_again = steal()
        thief_again.cookies = dict(thief.cookies)
        await thief_again.refresh()
        assert thief_again.refresh_token == again.refresh_token
    assert only_session(auth.settings) == row


async def test_a_thief_cannot_make_up_a_generation(
    auth: GraphQLAuth, victim: GraphQLClient, steal: Steal
) -> None:
    """Without our key no generation can be made up, neither to get ahead of the victim nor to
    sign it out."""
    said = jwt.decode(str(victim.refresh_token), options={"verify_signature": False})
    header = {"typ": "refresh+jwt", "kid": "r1"}
    for generation in (said["gen"] + 1, said["gen"] - 1, 0):
        for key in ("", str(victim.refresh_token), "x" * 32):
            forged = jwt.encode(said | {"gen": generation}, None, "none", headers=header)
            if key:
                head, payload, _ = forged.split(".")
                signature = jwt.encode(said, key.ljust(32, "x"), "HS256").rpartition(".")[2]
                head = str(victim.refresh_token).split(".")[0]
                forged = f"{head}.{payload}.{signature}"
            thief = steal()
            thief.cookies = {"refresh_token": forged}
            assert (await thief.refresh())["reason"] == "INVALID"
    assert (await victim.refresh())["__typename"] == "AuthPayload"
    assert "data" in await victim.me()
    assert not events(auth.settings, "session:refresh:reused")


async def test_a_stolen_access_token_buys_no_refresh(victim: GraphQLClient, steal: Steal) -> None:
    """An access token in the place of the refresh token is INVALID: fifteen minutes are all it
    is good for."""
    thief = steal()
    thief.cookies = {"refresh_token": str(thief.access_token)}
    assert (await thief.refresh())["reason"] == "INVALID"
    assert (await victim.refresh())["__typename"] == "AuthPayload"

"""Listing and ending sessions through the HTTP edge, and what each process remembers of them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.features.sessions.core import Sessions
from gql_auth.features.sessions.memory import Confirmations, EndedSessions
from gql_auth.features.sessions.refusals import EndReason
from gql_auth.kernel.settings import Settings
from tests.database import events, only_session
from tests.support import PASSWORD, GraphQLClient, SettableClock, reason_of

SESSIONS = "{ sessions { id createdAt lastUsedAt expiresAt ipAddress userAgent current } }"
REVOKE = """mutation($id: ID!) { revokeSession(id: $id) { __typename
    ... on RevokeSessionPayload { session { id current } } ... on AuthError { message } } }"""
REVOKE_OTHERS = "mutation { revokeOtherSessions { endedSessions } }"
LOGOUT = "mutation { logout { sessionEnded } }"
CHANGE = """mutation($input: ChangePasswordInput!) { changePassword(input: $input) { __typename
    ... on ChangePasswordPayload { endedSessions } ... on AuthError { message } } }"""
NOT_FOUND = {"__typename": "SessionNotFound", "message": "Session not found"}

Connect = Callable[..., GraphQLClient]


@pytest.fixture
async def laptop(client: GraphQLClient) -> GraphQLClient:
    """The browser in which the account was made."""
    await client.signup()
    return client


@pytest.fixture
async def phone(laptop: GraphQLClient, connect: Connect, clock: SettableClock) -> GraphQLClient:
    """The same account on another device, an hour later."""
    clock.forward(hours=1)
    made = connect()
    await made.login()
    await laptop.refresh()
    return made


async def session_id(client: GraphQLClient) -> str:
    """The id of a client's own session."""
    (own,) = [each for each in await client.field(SESSIONS) if each["current"]]
    return str(own["id"])


async def test_sessions_are_listed_newest_first(
    laptop: GraphQLClient, phone: GraphQLClient
) -> None:
    """The list has the caller's sessions by their beginning, the newest first, with the one of
    the request marked, whichever it is."""
    listed = await laptop.field(SESSIONS)
    assert [each["current"] for each in listed] == [False, True]
    assert listed[0]["createdAt"] > listed[1]["createdAt"]
    again = await phone.field(SESSIONS)
    assert [each["current"] for each in again] == [True, False]
    assert [each["id"] for each in again] == [each["id"] for each in listed]


async def test_a_session_tells_when_and_from_where_it_was_last_refreshed(
    laptop: GraphQLClient, clock: SettableClock
) -> None:
    """Times are ISO 8601 in UTC; network address and user agent are those of the last refresh,
    and reading changes neither."""
    clock.forward(days=1)
    await laptop.refresh(User_Agent="Browser/2\x7f (laptop)")
    (listed,) = await laptop.field(SESSIONS, User_Agent="Other")
    (own,) = await laptop.field(SESSIONS)
    assert own == listed | {"id": own["id"]}
    assert own == {
        "id": own["id"],
        "createdAt": "2026-01-02T03:04:05+00:00",
        "lastUsedAt": "2026-01-03T03:04:05+00:00",
        "expiresAt": "2026-01-10T03:04:05+00:00",
        "ipAddress": "127.0.0.1",
        "userAgent": "Browser/2 (laptop)",
        "current": True,
    }


async def test_others_sessions_are_not_listed(laptop: GraphQLClient, connect: Connect) -> None:
    """An account sees its own sessions alone."""
    stranger = connect()
    await stranger.signup("grace@example.com")
    assert len(await laptop.field(SESSIONS)) == 1
    assert await session_id(stranger) != await session_id(laptop)


async def test_sessions_without_a_life_are_not_listed(
    laptop: GraphQLClient, phone: GraphQLClient, clock: SettableClock
) -> None:
    """A session leaves the list when it is ended, and at the second when it expires."""
    await phone.field(LOGOUT)
    assert len(await laptop.field(SESSIONS)) == 1
    await phone.login()
    clock.forward(days=6, hours=23, minutes=50)
    await phone.refresh()
    clock.forward(minutes=10, microseconds=-1)
    assert len(await phone.field(SESSIONS)) == 1 + 1
    clock.forward(microseconds=1)
    assert len(await phone.field(SESSIONS)) == 1


async def test_revoking_another_session(
    auth: GraphQLAuth, laptop: GraphQLClient, phone: GraphQLClient
) -> None:
    """`revokeSession` ends a session of the caller on another device: its access token is refused
    at once, its refresh token REVOKED; a second time it is not found."""
    other = await session_id(phone)
    assert await laptop.field(REVOKE, {"id": other}) == {
        "__typename": "RevokeSessionPayload",
        "session": {"id": other, "current": False},
    }
    assert reason_of(await phone.me()) == "SESSION_REVOKED"
    assert (await phone.refresh())["reason"] == "REVOKED"
    assert await laptop.field(REVOKE, {"id": other}) == NOT_FOUND
    assert "data" in await laptop.me()
    (ended,) = events(auth.settings, "session:end:done")
    assert (str(ended.session_id), ended.detail) == (other, {"reason": "revoked-by-owner"})


async def test_revoking_ones_own_session(laptop: GraphQLClient) -> None:
    """The session of the request can be ended by its id, too."""
    own = await session_id(laptop)
    result = await laptop.field(REVOKE, {"id": own})
    assert result["session"] == {"id": own, "current": True}
    assert reason_of(await laptop.me()) == "SESSION_REVOKED"


@pytest.mark.parametrize(
    "unknown",
    ["", "x", "0", "00000000-0000-0000-0000-000000000000", "\x00", "\u202e", "9" * 5000, "'; --"],
    ids=["empty", "word", "zero", "nil", "NUL", "bidi", "long", "quote"],
)
async def test_an_unknown_session_is_not_found(laptop: GraphQLClient, unknown: str) -> None:
    """What is no session's id is not found, whatever it is."""
    assert await laptop.field(REVOKE, {"id": unknown}) == NOT_FOUND
    assert "data" in await laptop.me()


async def test_anothers_session_is_not_found(laptop: GraphQLClient, connect: Connect) -> None:
    """Another account's session cannot be ended, and cannot be told from none."""
    stranger = connect()
    await stranger.signup("grace@example.com")
    assert await stranger.field(REVOKE, {"id": await session_id(laptop)}) == NOT_FOUND
    assert "data" in await laptop.me()
    assert (await laptop.refresh())["__typename"] == "AuthPayload"


async def test_revoking_all_others(
    laptop: GraphQLClient, phone: GraphQLClient, connect: Connect
) -> None:
    """`revokeOtherSessions` ends every session of the caller but the request's, and counts them;
    another account's go on."""
    stranger, tablet = connect(), connect()
    await stranger.signup("grace@example.com")
    await tablet.login()
    assert await laptop.field(REVOKE_OTHERS) == {"endedSessions": 2}
    assert await laptop.field(REVOKE_OTHERS) == {"endedSessions": 0}
    for other in (phone, tablet):
        assert reason_of(await other.me()) == "SESSION_REVOKED"
        assert (await other.refresh())["reason"] == "REVOKED"
    for untouched in (laptop, stranger):
        assert "data" in await untouched.me()
        assert (await untouched.refresh())["__typename"] == "AuthPayload"


async def test_a_password_change_ends_the_other_sessions(
    laptop: GraphQLClient, phone: GraphQLClient
) -> None:
    """`changePassword` ends the other sessions and keeps the caller's; a refused one ends none."""
    given: dict[str, Any] = {"currentPassword": "wrong " + PASSWORD, "newPassword": "another one!"}
    assert (await laptop.field(CHANGE, {"input": given}))["__typename"] == "InvalidCredentials"
    assert "data" in await phone.me()
    given["currentPassword"] = PASSWORD
    assert await laptop.field(CHANGE, {"input": given}) == {
        "__typename": "ChangePasswordPayload",
        "endedSessions": 1,
    }
    assert reason_of(await phone.me()) == "SESSION_REVOKED"
    assert (await phone.refresh())["reason"] == "REVOKED"
    assert (await laptop.refresh())["__typename"] == "AuthPayload"


@pytest.mark.parametrize("query", [SESSIONS, REVOKE_OTHERS, REVOKE.replace("$id)", '"x")')])
async def test_sessions_want_an_access_token(laptop: GraphQLClient, query: str) -> None:
    """Listing and ending sessions by id is refused without an access token; the cookie alone does
    not do."""
    laptop.access_token = None
    query = query.replace("mutation($id: ID!)", "mutation")
    assert reason_of(await laptop.post(query)) == "ACCESS_TOKEN_MISSING"


async def test_signing_in_again_ends_the_session_of_the_same_jar(
    auth: GraphQLAuth, laptop: GraphQLClient
) -> None:
    """A sign-in from a browser that is signed in replaces its session."""
    first = laptop.access_token
    await laptop.login()
    assert reason_of(await laptop.me(token=first)) == "SESSION_REVOKED"
    (own,) = await laptop.field(SESSIONS)
    assert own["current"]
    (ended,) = events(auth.settings, "session:end:done")
    assert ended.detail == {"reason": "signed-in-again"}


async def test_a_failed_sign_in_leaves_the_session_of_the_jar(laptop: GraphQLClient) -> None:
    """Mistyping the password while signed in signs nobody out."""
    assert (await laptop.login("wrong " + PASSWORD))["__typename"] == "InvalidCredentials"
    assert "data" in await laptop.me()
    assert (await laptop.refresh())["__typename"] == "AuthPayload"


# ---------------------------------------------------------------- more than one process


def _client(auth: GraphQLAuth, http: httpx.AsyncClient, like: GraphQLClient) -> GraphQLClient:
    made = GraphQLClient(http, auth.settings.public_url)
    made.cookies, made.access_token = dict(like.cookies), like.access_token
    return made


async def test_a_restart_does_not_forget_what_was_ended(
    settings: Settings, clock: SettableClock, auth: GraphQLAuth, laptop: GraphQLClient
) -> None:
    """A process that starts after a logout refuses the session's access token from its first
    request on."""
    before = _client(auth, laptop.http, laptop)
    await laptop.field(LOGOUT)
    clock.forward(minutes=14, seconds=59)
    restarted = GraphQLAuth(settings, clock=clock)
    transport = httpx.ASGITransport(create_app(restarted))
    async with (
        restarted.running(),
        httpx.AsyncClient(transport=transport, base_url=settings.public_url) as http,
    ):
        after = _client(restarted, http, before)
        assert reason_of(await after.me()) == "SESSION_REVOKED"
        assert (await after.refresh())["reason"] == "REVOKED"


async def test_other_processes_learn_what_was_ended(
    settings: Settings, clock: SettableClock, auth: GraphQLAuth, laptop: GraphQLClient
) -> None:
    """A process that runs beside the one where the logout was refuses the access token as soon
    as it has looked."""
    other = GraphQLAuth(settings, clock=clock)
    transport = httpx.ASGITransport(create_app(other))
    async with (
        other.running() as system,
        httpx.AsyncClient(transport=transport, base_url=settings.public_url) as http,
    ):
        there = _client(other, http, laptop)
        assert "data" in await there.me()
        await laptop.field(LOGOUT)
        await system.learn()
        assert reason_of(await there.me()) == "SESSION_REVOKED"


async def test_what_rolls_back_does_not_end_in_memory(
    auth: GraphQLAuth, laptop: GraphQLClient
) -> None:
    """A session whose end was not committed is not refused."""
    row = only_session(auth.settings)
    units = auth.system.units

    async def end_and_fail() -> None:
        async with units.write() as unit:
            await unit.get(Sessions).end(row.id, EndReason.LOGOUT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await end_and_fail()
    assert only_session(auth.settings).revoked_at is None
    assert "data" in await laptop.me()


# ---------------------------------------------------------------- in memory


def test_ended_sessions_are_kept_as_long_as_a_token_could_live(clock: SettableClock) -> None:
    """An ended session is remembered up to the keeping time, and dropped a sixteenth of it after
    that at the latest."""
    ended = EndedSessions(clock, timedelta(minutes=16))
    ended.add(UUID(int=1), clock.now())
    clock.forward(minutes=16)
    ended.forget_old()
    assert UUID(int=1) in ended
    clock.forward(minutes=1)
    ended.forget_old()
    assert UUID(int=1) not in ended
    assert len(ended) == 0


def test_a_use_is_noted_once_for_each_generation() -> None:
    """Only the first use of a newer generation is to be written; generation 0 never is."""
    uses = Confirmations()
    one = UUID(int=1)
    assert [uses.seen(one, generation) for generation in (0, 1, 1, 3, 2, 3)] == [
        False,
        True,
        False,
        True,
        False,
        False,
    ]
    assert uses.take() == {one: 3}
    assert uses.take() == {}


def test_what_could_not_be_written_stays_pending() -> None:
    """Confirmations given back after an outage are written later, unless newer ones came."""
    uses = Confirmations()
    one, other = UUID(int=1), UUID(int=2)
    uses.seen(one, 1)
    uses.seen(other, 1)
    taken = uses.take()
    uses.seen(one, 2)
    uses.give_back(taken)
    assert uses.take() == {one: 2, other: 1}


def test_the_memory_of_uses_is_bounded() -> None:
    """Past the bound the sessions used longest ago are forgotten: writing one twice is harmless,
    growing without end is not."""
    uses = Confirmations()
    for number in range(Confirmations.BOUND + 1):
        uses.seen(UUID(int=number), 1)
    uses.take()
    assert len(uses._known) == Confirmations.BOUND
    assert uses.seen(UUID(int=0), 1)
    assert not uses.seen(UUID(int=Confirmations.BOUND), 1)

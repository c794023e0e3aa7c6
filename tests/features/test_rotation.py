"""The contract's rotation table, line by line: the pure rule, then through HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from sqlalchemy import delete, update

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.features.sessions.core import Sessions
from gql_auth.features.sessions.rotation import Session, Verdict, judge
from gql_auth.features.sessions.tables import SessionRow
from gql_auth.features.signin.core import SignIn
from gql_auth.features.users.core import User, Users
from gql_auth.features.users.naming import checked_profile
from gql_auth.kernel.caller import Client
from gql_auth.kernel.settings import Settings
from tests.database import confirmed, events, only_session, tamper
from tests.support import GraphQLClient, SettableClock, reason_of

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
WINDOW = timedelta(seconds=10)
INSTANT = timedelta(microseconds=1)
LONG_AGO = timedelta(days=6)
LOGOUT = "mutation { logout { sessionEnded } }"
COOKIE_GONE = 'refresh_token=""; Max-Age=0; Path=/; HttpOnly; SameSite=Lax'
MESSAGES = {
    "MISSING": "Refresh token required",
    "EXPIRED": "Refresh token expired",
    "INVALID": "Invalid refresh token",
    "REUSED": "Refresh token already used",
    "REVOKED": "Session revoked",
}

# ---------------------------------------------------------------- the rule, pure


def session(
    *, rotated: timedelta = WINDOW, confirmed: bool = False, ended: bool = False
) -> Session:
    """A session in generation 5, rotated so long ago."""
    return Session(
        id=UUID(int=1),
        user_id=UUID(int=2),
        created_at=NOW - timedelta(days=30),
        generation=5,
        rotated_at=NOW - rotated,
        confirmed=confirmed,
        expires_at=NOW + timedelta(days=1),
        revoked_at=NOW if ended else None,
        end_reason="logout" if ended else None,
        client=Client(),
    )


@pytest.mark.parametrize("presented", [0, 4, 5, 6])
@pytest.mark.parametrize("row", [None, session(ended=True)], ids=["no row", "ended"])
def test_no_generation_revives_a_session(row: Session | None, presented: int) -> None:
    """A session that is missing or ended is REVOKED, whatever generation is presented."""
    assert judge(row, presented, now=NOW, window=WINDOW) is Verdict.REVOKED


@pytest.mark.parametrize("confirmed", [False, True])
@pytest.mark.parametrize("rotated", [timedelta(0), WINDOW, LONG_AGO], ids=str)
@pytest.mark.parametrize(
    ("presented", "verdict"),
    [
        (5, Verdict.ROTATE),
        (6, Verdict.AHEAD),
        (7, Verdict.AHEAD),
        (3, Verdict.REUSED),
        (0, Verdict.REUSED),
    ],
)
def test_only_the_predecessor_depends_on_time_and_use(
    presented: int, verdict: Verdict, rotated: timedelta, confirmed: bool
) -> None:
    """The row's own generation rotates, a greater one is ahead, older than the predecessor is
    reused: at any time, confirmed or not."""
    row = session(rotated=rotated, confirmed=confirmed)
    assert judge(row, presented, now=NOW, window=WINDOW) is verdict


@pytest.mark.parametrize("rotated", [timedelta(0), WINDOW, WINDOW + INSTANT, LONG_AGO], ids=str)
def test_the_predecessor_of_an_unseen_generation_is_replayed(rotated: timedelta) -> None:
    """Until the newest generation is seen in use its answer counts as lost, however late."""
    assert judge(session(rotated=rotated), 4, now=NOW, window=WINDOW) is Verdict.REPLAY


@pytest.mark.parametrize(
    ("rotated", "verdict"),
    [
        (timedelta(0), Verdict.RACED),
        (WINDOW, Verdict.RACED),
        (WINDOW + INSTANT, Verdict.REUSED),
        (LONG_AGO, Verdict.REUSED),
    ],
    ids=str,
)
def test_the_predecessor_of_a_seen_generation_has_the_race_window(
    rotated: timedelta, verdict: Verdict
) -> None:
    """Once the newest generation was seen, its predecessor is answered up to the window's end."""
    row = session(rotated=rotated, confirmed=True)
    assert judge(row, 4, now=NOW, window=WINDOW) is verdict


# ---------------------------------------------------------------- through HTTP


def refused(result: dict[str, Any]) -> str:
    """The reason of a refused refresh, whose message is the contract's."""
    assert result["__typename"] == "RefreshTokenRejected", result
    assert result["message"] == MESSAGES[result["reason"]]
    return str(result["reason"])


def set_cookies(client: GraphQLClient) -> list[str]:
    """What the newest answer did to the cookie jar."""
    return client.last.headers.get_list("set-cookie")


def claims(token: str | None) -> dict[str, Any]:
    """What a token says, unverified."""
    assert token is not None
    return dict(jwt.decode(token, options={"verify_signature": False}))


@pytest.fixture
async def flush(auth: GraphQLAuth) -> Callable[[], Awaitable[None]]:
    """Writes the confirmations there are; the background task, whose end nobody could await, is
    stopped for it."""
    tasks = auth.system._tasks._tasks
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return auth.system.confirm


Flush = Callable[[], Awaitable[None]]


@pytest.fixture
async def tab(client: GraphQLClient) -> GraphQLClient:
    """A browser's tab, signed in, in generation 0."""
    await client.signup()
    return client


@pytest.fixture
def copy(connect: Callable[..., GraphQLClient]) -> Callable[[GraphQLClient], GraphQLClient]:
    """Makes another client that holds what a client holds now: a tab before its answer came, or
    a thief."""

    def make(client: GraphQLClient) -> GraphQLClient:
        other = connect()
        other.cookies = dict(client.cookies)
        other.access_token = client.access_token
        return other

    return make


Copy = Callable[[GraphQLClient], GraphQLClient]


async def test_the_newest_token_rotates(
    auth: GraphQLAuth, clock: SettableClock, tab: GraphQLClient
) -> None:
    """The newest refresh token buys the next generation, with a new life of seven days."""
    for generation in (1, 2, 3):
        clock.forward(days=1, seconds=0.75)
        before = claims(tab.refresh_token)
        assert (await tab.refresh())["__typename"] == "AuthPayload"
        after = claims(tab.refresh_token)
        assert (before["gen"], after["gen"]) == (generation - 1, generation)
        assert after["sid"] == before["sid"]
        assert after["iat"] == int(clock.now().timestamp())
        assert after["exp"] == after["iat"] + 7 * 86400
        assert claims(tab.access_token)["gen"] == generation
        assert claims(tab.access_token)["sid"] == after["sid"]
        row = only_session(auth.settings)
        assert (row.generation, row.rotated_at) == (generation, clock.now())
        assert row.confirmed is False


async def test_a_lost_answer_is_given_again_however_late(
    auth: GraphQLAuth, clock: SettableClock, tab: GraphQLClient, copy: Copy
) -> None:
    """A client whose answer got lost gets the same refresh token byte for byte, a second later
    and six days later, and nothing is written for it."""
    clock.forward(milliseconds=1700)
    other = copy(tab)
    await tab.refresh()
    lost, row = tab.refresh_token, only_session(auth.settings)
    for span in ({"seconds": 1}, {"seconds": 30}, {"days": 6}):
        clock.forward(**span)
        tab.cookies = dict(other.cookies)
        assert (await tab.refresh())["__typename"] == "AuthPayload"
        assert tab.refresh_token == lost
        assert claims(tab.access_token)["gen"] == 1
        assert only_session(auth.settings) == row
    assert "data" in await tab.me()
    assert (await tab.refresh())["__typename"] == "AuthPayload"
    assert claims(tab.refresh_token)["gen"] == 2


async def test_the_cookie_of_a_repeated_answer_lives_as_long_as_its_token(
    clock: SettableClock, tab: GraphQLClient, copy: Copy
) -> None:
    """`Max-Age` is the token's remaining life: less of it when the answer is given again."""
    other = copy(tab)
    await tab.refresh()
    assert "; Max-Age=604800; " in set_cookies(tab)[0]
    clock.forward(seconds=100)
    await other.refresh()
    assert "; Max-Age=604700; " in set_cookies(other)[0]


async def test_a_racing_tab_gets_the_same_successor_until_the_window_ends(
    auth: GraphQLAuth, clock: SettableClock, tab: GraphQLClient, copy: Copy
) -> None:
    """With the successor already in use, the predecessor is answered with it up to the last
    instant of the race window; an instant later it ends the session."""
    slow = copy(tab)
    await tab.refresh()
    await tab.me()
    await confirmed(auth.settings)
    row = only_session(auth.settings)
    clock.forward(seconds=10)
    late = copy(slow)
    assert (await slow.refresh())["__typename"] == "AuthPayload"
    assert slow.refresh_token == tab.refresh_token
    assert "data" in await slow.me()
    assert only_session(auth.settings) == row

    clock.forward(microseconds=1)
    assert refused(await late.refresh()) == "REUSED"
    assert reason_of(await tab.me()) == "SESSION_REVOKED"


async def test_reuse_ends_the_session_and_leaves_evidence(
    auth: GraphQLAuth, clock: SettableClock, tab: GraphQLClient, copy: Copy
) -> None:
    """The refusal REUSED commits: on a new connection the session has ended and the events tell
    which generation was presented, and from where."""
    thief = copy(tab)
    await tab.refresh()
    await tab.me()
    await confirmed(auth.settings)
    clock.forward(seconds=11)
    assert refused(await thief.refresh(User_Agent="Thief/1.0")) == "REUSED"
    assert set_cookies(thief) == [COOKIE_GONE]

    row = only_session(auth.settings)
    assert (row.revoked_at, row.end_reason) == (clock.now(), "token-reused")
    assert row.generation == 1
    (reused,) = events(auth.settings, "session:refresh:reused")
    assert (reused.session_id, reused.user_id, reused.at) == (row.id, row.user_id, clock.now())
    assert reused.detail == {"presented": 0, "stored": 1}
    assert reused.user_agent == "Thief/1.0"
    (ended,) = events(auth.settings, "session:end:done")
    assert (ended.session_id, ended.detail) == (row.id, {"reason": "token-reused"})

    assert refused(await tab.refresh()) == "REVOKED"
    assert set_cookies(tab) == [COOKIE_GONE]
    assert only_session(auth.settings) == row


async def test_reuse_ends_that_session_alone(
    auth: GraphQLAuth,
    clock: SettableClock,
    tab: GraphQLClient,
    copy: Copy,
    connect: Callable[..., GraphQLClient],
) -> None:
    """The account's other sessions go on after one was ended for a reused token."""
    phone = connect()
    await phone.login()
    old = copy(tab)
    await tab.refresh()
    await tab.refresh()
    assert refused(await old.refresh()) == "REUSED"
    assert reason_of(await tab.me()) == "SESSION_REVOKED"
    assert "data" in await phone.me()
    assert (await phone.refresh())["__typename"] == "AuthPayload"


async def test_older_than_the_predecessor_is_reused_at_once(
    auth: GraphQLAuth, tab: GraphQLClient, copy: Copy
) -> None:
    """Two generations back is REUSED within the race window and before any protected field was
    asked: that the successor's own refresh token was presented confirmed it."""
    old = copy(tab)
    await tab.refresh()
    await tab.refresh()
    assert not only_session(auth.settings).confirmed
    assert refused(await old.refresh()) == "REUSED"
    assert only_session(auth.settings).end_reason == "token-reused"


async def test_a_reader_of_public_fields_confirms_nothing(
    auth: GraphQLAuth, flush: Flush, clock: SettableClock, tab: GraphQLClient, copy: Copy
) -> None:
    """An access token that came along to fields which want none is not a use: the predecessor
    is still answered after the window."""
    predecessor, racer = copy(tab), copy(tab)
    await tab.refresh()
    await tab.post("{ __typename }")
    await racer.refresh(token=tab.access_token)
    await flush()
    clock.forward(seconds=11)
    assert not only_session(auth.settings).confirmed
    assert (await predecessor.refresh())["__typename"] == "AuthPayload"
    assert predecessor.refresh_token == tab.refresh_token


async def test_an_older_access_token_does_not_confirm_the_newest_generation(
    auth: GraphQLAuth, flush: Flush, clock: SettableClock, tab: GraphQLClient, copy: Copy
) -> None:
    """Only the newest generation's access token tells that the newest answer arrived."""
    await tab.refresh()
    of_first = tab.access_token
    slow = copy(tab)
    await tab.refresh()
    assert "data" in await slow.me(token=of_first)
    await flush()
    clock.forward(seconds=11)
    assert (await slow.refresh())["__typename"] == "AuthPayload"
    assert slow.refresh_token == tab.refresh_token


async def test_a_use_in_flight_while_the_session_rotates_confirms_nothing(
    auth: GraphQLAuth, tab: GraphQLClient
) -> None:
    """A confirmation that is written after the next rotation leaves the newer one unconfirmed."""
    await tab.refresh()
    async with auth.system.units.write() as unit:
        row = only_session(auth.settings)
        seen = {row.id: 1}
        await unit.get(Sessions).confirm(seen)
    assert only_session(auth.settings).confirmed
    await tab.refresh()
    async with auth.system.units.write() as unit:
        await unit.get(Sessions).confirm(seen)
    assert not only_session(auth.settings).confirmed


async def test_each_generation_is_confirmed_in_its_turn(
    auth: GraphQLAuth, tab: GraphQLClient
) -> None:
    """The first protected field of every generation confirms it; a rotation takes that back."""
    for _ in range(3):
        await tab.refresh()
        assert not only_session(auth.settings).confirmed
        await tab.me()
        await confirmed(auth.settings)


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_client_ahead_of_the_database_stays_signed_in(
    auth: GraphQLAuth, clock: SettableClock, tab: GraphQLClient, copy: Copy, lost: int
) -> None:
    """After a failover that lost the last rotations, a token of a greater generation than the
    row's counts as current; its racing twin gets the same successor."""
    for _ in range(3):
        clock.forward(minutes=1)
        await tab.refresh()
    tamper(auth.settings, update(SessionRow).values(generation=3 - lost, confirmed=True))
    twin = copy(tab)
    clock.forward(minutes=1)
    assert "data" in await tab.me()
    assert (await tab.refresh())["__typename"] == "AuthPayload"
    assert claims(tab.refresh_token)["gen"] == 4
    assert (await twin.refresh())["__typename"] == "AuthPayload"
    assert twin.refresh_token == tab.refresh_token
    assert "data" in await tab.me()
    assert only_session(auth.settings).generation == 4
    (ahead,) = events(auth.settings, "session:refresh:ahead")
    assert ahead.detail == {"presented": 3, "stored": 3 - lost}


async def test_expiry_has_no_leeway(
    auth: GraphQLAuth, clock: SettableClock, tab: GraphQLClient, copy: Copy
) -> None:
    """The refresh token works up to the last instant before its `exp`; at that second it is
    EXPIRED, and the cookie is deleted."""
    twin = copy(tab)
    clock.instant = datetime.fromtimestamp(claims(tab.refresh_token)["exp"], UTC) - INSTANT
    assert (await tab.refresh())["__typename"] == "AuthPayload"
    clock.forward(microseconds=1)
    assert refused(await twin.refresh()) == "EXPIRED"
    assert set_cookies(twin) == [COOKIE_GONE]
    assert only_session(auth.settings).revoked_at is None
    assert "data" in await tab.me()


async def test_each_refresh_prolongs_the_session(clock: SettableClock, tab: GraphQLClient) -> None:
    """Six idle days at a time keep a session of seven days' life; seven days end it."""
    for _ in range(4):
        clock.forward(days=6)
        assert (await tab.refresh())["__typename"] == "AuthPayload"
    clock.forward(days=7)
    assert refused(await tab.refresh()) == "EXPIRED"


async def test_a_session_ends_at_its_greatest_age(
    auth: GraphQLAuth, clock: SettableClock, tab: GraphQLClient, copy: Copy
) -> None:
    """However often it is refreshed, a session ends 90 days after the sign-in: the last tokens
    and cookies live shorter, and at that second they are EXPIRED."""
    began = clock.now()
    end = began + timedelta(days=90)
    for _ in range(14):
        clock.forward(days=6)
        assert (await tab.refresh())["__typename"] == "AuthPayload"
    assert claims(tab.refresh_token)["exp"] == end.timestamp()
    assert f"; Max-Age={6 * 86400}; " in set_cookies(tab)[0]
    twin = copy(tab)
    clock.instant = end - INSTANT
    assert (await tab.refresh(keep_cookies=False))["__typename"] == "AuthPayload"
    last = set_cookies(tab)[0].removeprefix("refresh_token=").partition(";")[0]
    assert claims(last)["exp"] == end.timestamp()
    clock.instant = end
    tab.cookies = {"refresh_token": last}
    assert refused(await tab.refresh()) == "EXPIRED"
    assert refused(await twin.refresh()) == "EXPIRED"
    assert set_cookies(twin) == [COOKIE_GONE]


async def test_a_shorter_greatest_age_holds_for_tokens_already_issued(
    settings: Settings, clock: SettableClock
) -> None:
    """An operator who shortens SESSION_MAX_AGE ends older sessions: their tokens, which name a
    later end, are EXPIRED."""
    async with GraphQLAuth(settings, clock=clock).running() as system:
        user = await _account(system)
        tokens = [(await _signed_in(system, user)).refresh_token for _ in range(2)]
    shorter = GraphQLAuth(replace(settings, session_max_age=timedelta(days=2)), clock=clock)
    async with shorter.running(), _http(shorter) as http:
        tab, idle = (GraphQLClient(http, settings.public_url) for _ in range(2))
        tab.cookies, idle.cookies = ({"refresh_token": each} for each in tokens)
        clock.forward(days=2, seconds=-1)
        assert (await tab.refresh())["__typename"] == "AuthPayload"
        clock.forward(seconds=1)
        assert refused(await idle.refresh()) == "EXPIRED"


async def test_a_replay_does_not_outlive_the_newest_generation(
    settings: Settings, clock: SettableClock
) -> None:
    """Where an operator shortened REFRESH_TOKEN_TTL, an older token that names a later end than
    its successor's does not buy another answer once that one has expired."""
    async with GraphQLAuth(settings, clock=clock).running() as system:
        token = (await _signed_in(system, await _account(system))).refresh_token
    shorter = GraphQLAuth(replace(settings, refresh_token_ttl=timedelta(hours=1)), clock=clock)
    async with shorter.running(), _http(shorter) as http:
        tab = GraphQLClient(http, settings.public_url)
        tab.cookies = {"refresh_token": token}
        await tab.refresh()
        clock.forward(seconds=3599)
        tab.cookies = {"refresh_token": token}
        assert (await tab.refresh())["__typename"] == "AuthPayload"
        clock.forward(seconds=1)
        tab.cookies = {"refresh_token": token}
        assert refused(await tab.refresh()) == "EXPIRED"


async def test_an_ended_session_is_revoked(
    auth: GraphQLAuth, tab: GraphQLClient, copy: Copy
) -> None:
    """After a logout every copy of the refresh token is REVOKED and its cookie deleted."""
    predecessor = copy(tab)
    await tab.refresh()
    newest = copy(tab)
    assert await tab.field(LOGOUT) == {"sessionEnded": True}
    row = only_session(auth.settings)
    for other in (predecessor, newest):
        assert refused(await other.refresh()) == "REVOKED"
        assert set_cookies(other) == [COOKIE_GONE]
    assert only_session(auth.settings) == row
    assert not events(auth.settings, "session:refresh:reused")


async def test_a_session_without_a_row_is_revoked(auth: GraphQLAuth, tab: GraphQLClient) -> None:
    """A token of ours whose session is not in the database is REVOKED."""
    assert tamper(auth.settings, delete(SessionRow)) == 1
    assert refused(await tab.refresh()) == "REVOKED"
    assert set_cookies(tab) == [COOKIE_GONE]


async def test_expired_comes_before_revoked(clock: SettableClock, tab: GraphQLClient) -> None:
    """A token that is both expired and of an ended session is EXPIRED: its time is looked at
    before its session."""
    cookies = dict(tab.cookies)
    await tab.field(LOGOUT)
    tab.cookies = cookies
    clock.forward(days=7)
    assert refused(await tab.refresh()) == "EXPIRED"


def _other_payload(token: str) -> str:
    """The same signature under a payload of a greater generation."""
    header, _, signature = token.split(".")
    forged = jwt.encode(claims(token) | {"gen": 9}, "k" * 32, "HS256").split(".")[1]
    return f"{header}.{forged}.{signature}"


BROKEN: dict[str, Callable[[GraphQLClient], str]] = {
    "garbage": lambda tab: "garbage",
    "an access token": lambda tab: str(tab.access_token),
    "another signature": lambda tab: str(tab.refresh_token).rpartition(".")[0] + "." + "A" * 43,
    "another payload": lambda tab: _other_payload(str(tab.refresh_token)),
    "truncated": lambda tab: str(tab.refresh_token)[:-5],
    "another key": lambda tab: jwt.encode(
        claims(tab.refresh_token), "k" * 32, "HS256", headers={"typ": "refresh+jwt", "kid": "r1"}
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_an_invalid_token_changes_nothing(
    auth: GraphQLAuth, tab: GraphQLClient, copy: Copy, broken: str
) -> None:
    """What we did not sign as a refresh token is INVALID, the cookie is kept and nothing is
    written: nobody logs others out with a made-up token."""
    await tab.refresh()
    row = only_session(auth.settings)
    forger = copy(tab)
    forger.cookies = {"refresh_token": BROKEN[broken](tab)}
    kept = dict(forger.cookies)
    assert refused(await forger.refresh()) == "INVALID"
    assert set_cookies(forger) == []
    assert forger.cookies == kept
    assert only_session(auth.settings) == row
    assert not events(auth.settings, "session:refresh:reused")
    assert (await tab.refresh())["__typename"] == "AuthPayload"


async def test_no_cookie_is_missing(client: GraphQLClient) -> None:
    """Without a cookie the refresh is refused as MISSING, and no cookie is touched."""
    assert refused(await client.refresh()) == "MISSING"
    assert set_cookies(client) == []


async def test_logout_deletes_the_cookie_of_any_session(
    auth: GraphQLAuth, clock: SettableClock, tab: GraphQLClient, copy: Copy
) -> None:
    """Every logout deletes the cookie: of a living session, an ended one, an expired one, none,
    and of a cookie that is no token; only the first ends anything."""
    twin, nobody, broken = copy(tab), copy(tab), copy(tab)
    nobody.cookies = {}
    broken.cookies = {"refresh_token": "garbage"}
    for client, ended in ((tab, True), (twin, False), (nobody, False), (broken, False)):
        assert await client.field(LOGOUT) == {"sessionEnded": ended}
        assert set_cookies(client) == [COOKIE_GONE]
    await tab.login()
    clock.forward(days=7)
    assert await tab.field(LOGOUT) == {"sessionEnded": False}
    assert set_cookies(tab) == [COOKIE_GONE]


async def test_an_older_token_logs_out_too(tab: GraphQLClient, copy: Copy) -> None:
    """A client whose refresh answer got lost can still sign out with the token it has."""
    behind = copy(tab)
    await tab.refresh()
    assert await behind.field(LOGOUT) == {"sessionEnded": True}
    assert reason_of(await tab.me()) == "SESSION_REVOKED"


# ---------------------------------------------------------------- what a refresh reads anew


async def _account(system: Any, email: str = "grace@example.com") -> User:
    profile, _ = checked_profile(email=email, username=None, name=None)
    async with system.units.write() as unit:
        return await unit.get(Users).create(profile)


async def _signed_in(system: Any, user: User) -> Any:
    async with system.units.write() as unit:
        opened = await unit.get(Sessions).open(user.id, Client())
    return await system.part(SignIn)._grants.make(user, opened)


def _http(auth: GraphQLAuth) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(auth))
    return httpx.AsyncClient(transport=transport, base_url=auth.settings.public_url)


async def test_roles_are_read_anew_at_each_refresh(auth: GraphQLAuth, tab: GraphQLClient) -> None:
    """A change of roles shows in the next access token, and not in those already issued."""
    user_id = UUID((await tab.me())["data"]["me"]["id"])
    for roles in (["admin", "editor"], ["editor"], []):
        before = claims(tab.access_token)["roles"]
        async with auth.system.units.write() as unit:
            await unit.get(Users).set_roles(user_id, roles)
        assert claims(tab.access_token)["roles"] == before
        assert (await tab.refresh())["user"]["roles"] == roles
        assert claims(tab.access_token)["roles"] == roles


async def test_a_repeated_answer_carries_the_newest_roles(
    auth: GraphQLAuth, tab: GraphQLClient, copy: Copy
) -> None:
    """An answer that is given again has the same refresh token, yet a new access token with the
    roles of now."""
    twin = copy(tab)
    await tab.refresh()
    async with auth.system.units.write() as unit:
        await unit.get(Users).set_roles(only_session(auth.settings).user_id, ["late"])
    await twin.refresh()
    assert twin.refresh_token == tab.refresh_token
    assert claims(twin.access_token)["roles"] == ["late"]
    assert claims(tab.access_token)["roles"] == []


async def test_the_claims_hook_runs_at_each_refresh(
    settings: Settings, clock: SettableClock
) -> None:
    """A host's claims are worked out anew at the sign-in and at every refresh."""
    asked: list[str] = []

    async def plan(user: User) -> dict[str, Any]:
        asked.append(user.email)
        return {"plan": f"plan-{len(asked)}"}

    auth = GraphQLAuth(settings, claims=plan, clock=clock)
    async with auth.running() as system, _http(auth) as http:
        grant = await _signed_in(system, await _account(system))
        tab = GraphQLClient(http, settings.public_url)
        tab.cookies = {"refresh_token": grant.refresh_token}
        seen = [claims(grant.access.token)["plan"]]
        for _ in range(2):
            await tab.refresh()
            seen.append(claims(tab.access_token)["plan"])
    assert seen == ["plan-1", "plan-2", "plan-3"]
    assert set(asked) == {"grace@example.com"}


async def test_disabling_an_account_ends_its_sessions_at_once(
    auth: GraphQLAuth, tab: GraphQLClient
) -> None:
    """A disabled account's access token is refused at once and its refresh token REVOKED;
    enabling the account again does not bring the session back."""
    user_id = UUID((await tab.me())["data"]["me"]["id"])
    assert await auth.system.part(SignIn).disable(user_id) == 1
    assert reason_of(await tab.me()) == "SESSION_REVOKED"
    cookies = dict(tab.cookies)
    assert refused(await tab.refresh()) == "REVOKED"
    assert set_cookies(tab) == [COOKIE_GONE]
    async with auth.system.units.write() as unit:
        await unit.get(Users).enable(user_id)
    tab.cookies = cookies
    assert refused(await tab.refresh()) == "REVOKED"


async def test_a_refresh_ends_the_session_of_an_account_found_disabled(
    auth: GraphQLAuth, tab: GraphQLClient
) -> None:
    """Where an account was disabled and its session not ended with it, the next refresh is
    REVOKED and ends the session for good."""
    user_id = only_session(auth.settings).user_id
    async with auth.system.units.write() as unit:
        await unit.get(Users).disable(user_id)
    cookies = dict(tab.cookies)
    assert refused(await tab.refresh()) == "REVOKED"
    row = only_session(auth.settings)
    assert (row.revoked_at is not None, row.end_reason) == (True, "account-disabled")
    assert reason_of(await tab.me()) == "SESSION_REVOKED"
    async with auth.system.units.write() as unit:
        await unit.get(Users).enable(user_id)
    tab.cookies = cookies
    assert refused(await tab.refresh()) == "REVOKED"

"""`sessionEvents`: a signed-in client hears of its account's sessions beginning and ending."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from starlette.types import ASGIApp

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.features.sessions import events as session_events
from gql_auth.features.sessions.core import Sessions, looking
from gql_auth.features.sessions.events import Change, Listener, SessionEvents
from gql_auth.features.sessions.refusals import EndReason, ListenerTooSlow
from gql_auth.features.sessions.rotation import Session
from gql_auth.kernel.caller import Client
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.settings import Settings
from gql_auth.storage.announcements import _read
from tests.lines import Socket, opened, reason, streamed
from tests.support import LOGIN, PASSWORD, GraphQLClient, SettableClock

EVENTS = """subscription { sessionEvents { __typename at session { id current userAgent }
    ... on SessionEnded { reason } } }"""
SESSIONS = "{ sessions { id current } }"
REVOKE = "mutation($id: ID!) { revokeSession(id: $id) { __typename } }"
OTHERS = "mutation { revokeOtherSessions { endedSessions } }"
LOGOUT = "mutation { logout { sessionEnded } }"
CHANGE = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { __typename } }"

Clients = Callable[..., GraphQLClient]


@pytest.fixture
def app(auth: GraphQLAuth) -> ASGIApp:
    """The standalone server's application."""
    return create_app(auth)


async def session_of(client: GraphQLClient) -> str:
    """The id of a client's session."""
    (mine,) = [each["id"] for each in await client.field(SESSIONS) if each["current"]]
    return str(mine)


def _clock(auth: GraphQLAuth) -> SettableClock:
    clock = auth.system.part(Clock)
    assert isinstance(clock, SettableClock)
    return clock


async def listening(socket: Socket, auth: GraphQLAuth) -> None:
    """Come back when a subscription of the socket hears everything that happens from now on."""
    _clock(auth).forward(seconds=1)  # what was before is past
    await socket.subscribe(EVENTS)
    hub = auth.system.part(SessionEvents)
    while not any(account.listeners for account in hub._accounts.values()):
        await socket.sync()


async def test_a_sign_in_and_its_end_are_told(
    app: ASGIApp, auth: GraphQLAuth, connect: Clients
) -> None:
    """Another device's sign-in and sign-out arrive as they happen, with what the owner would
    recognise it by; the subscriber's own earlier sign-in is no news."""
    ada, phone = connect(), connect()
    await ada.signup()
    async with opened(app, ada.access_token) as socket:
        await listening(socket, auth)
        credentials = {"input": {"email": "ada@example.com", "password": PASSWORD}}
        signed_in = await phone.field(LOGIN, credentials, User_Agent="a phone")
        phone.access_token = signed_in["accessToken"]
        began = await socket.next()
        assert began["__typename"] == "SessionBegan"
        phones = await session_of(phone)
        assert began["session"] == {"id": phones, "current": False, "userAgent": "a phone"}
        await phone.field(LOGOUT)
        ended = await socket.next()
        assert (ended["__typename"], ended["reason"]) == ("SessionEnded", "LOGOUT")
        assert ended["session"]["id"] == phones
        await socket.sync()


async def test_nobody_hears_of_others(app: ASGIApp, auth: GraphQLAuth, connect: Clients) -> None:
    """Another account's sessions are nobody's business, whoever listens beside them."""
    ada, bob = connect(), connect()
    await ada.signup()
    async with opened(app, ada.access_token) as socket:
        await listening(socket, auth)
        await bob.signup("bob@example.com")
        await bob.field(LOGOUT)
        phone = connect()
        await phone.login(PASSWORD, email="ada@example.com")
        assert (await socket.next())["session"]["id"] == await session_of(phone)


async def test_it_wants_a_token(app: ASGIApp, connect: Clients) -> None:
    """Whoever is not signed in hears nothing."""
    async with opened(app) as socket:
        assert reason(await socket.ask(EVENTS)) == "ACCESS_TOKEN_MISSING"
    async with streamed(app, EVENTS) as answer:
        (error,) = await answer.errors()
        assert error["extensions"]["reason"] == "ACCESS_TOKEN_MISSING"


@pytest.mark.parametrize("way", ["logout", "revoked", "password"])
async def test_the_last_event_is_ones_own_end(
    way: str, app: ASGIApp, auth: GraphQLAuth, connect: Clients
) -> None:
    """Whose session ends is told so and why, hears of nothing after it, and is closed (4403)."""
    ada, phone = connect(), connect()
    await ada.signup()
    await phone.login(PASSWORD, email="ada@example.com")
    mine = await session_of(ada)
    async with opened(app, ada.access_token) as socket:
        await listening(socket, auth)
        if way == "logout":
            await ada.field(LOGOUT)
        elif way == "revoked":
            await phone.field(REVOKE, {"id": mine})
        else:
            passwords = {"currentPassword": PASSWORD, "newPassword": "another long password"}
            await phone.field(CHANGE, {"input": passwords})
        ended = await socket.next()
        assert (ended["__typename"], ended["session"]["id"]) == ("SessionEnded", mine)
        expected = {"logout": "LOGOUT", "revoked": "REVOKED_BY_OWNER",
                    "password": "PASSWORD_CHANGED"}  # fmt: skip
        assert ended["reason"] == expected[way]
        assert ended["session"]["current"]
        assert await socket.hear() == 4403
        assert socket.to_client.empty()


async def test_whose_session_ended_hears_of_no_other(
    app: ASGIApp, auth: GraphQLAuth, connect: Clients
) -> None:
    """In the moment that is left for the last event, nothing else of the account is told: the
    session may have been a thief's."""
    ada, thief, phone = connect(), connect(), connect()
    await ada.signup()
    await thief.login(PASSWORD, email="ada@example.com")
    async with opened(app, thief.access_token) as socket:
        await listening(socket, auth)
        await phone.login(PASSWORD, email="ada@example.com")
        assert (await socket.next())["__typename"] == "SessionBegan"
        assert (await ada.field(OTHERS))["endedSessions"] == 2  # at one instant
        assert (await socket.next())["session"]["current"]
        assert await socket.hear() == 4403


async def test_the_last_event_of_a_stream_is_ones_own_end(
    app: ASGIApp, auth: GraphQLAuth, connect: Clients
) -> None:
    """The same over server-sent events; then comes the refusal that a new request would get."""
    ada = connect()
    await ada.signup()
    _clock(auth).forward(seconds=1)
    async with streamed(app, EVENTS, ada.access_token) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        hub = auth.system.part(SessionEvents)
        phone = connect()
        await phone.login(PASSWORD, email="ada@example.com")
        assert (await answer.next())["__typename"] == "SessionBegan"
        await phone.field(OTHERS)
        ended = await answer.next()
        assert (ended["__typename"], ended["session"]["current"]) == ("SessionEnded", True)
        (error,) = await answer.errors()
        assert error["message"] == "Session revoked"
        assert error["extensions"] == {"code": "UNAUTHENTICATED", "reason": "SESSION_REVOKED"}
    assert not hub._accounts, "nothing is left of it"


async def test_a_session_that_nobody_refreshes_ends_by_itself(
    app: ASGIApp, auth: GraphQLAuth, connect: Clients, clock: SettableClock
) -> None:
    """An expired session has ended, too; it is seen at the next look."""
    ada, phone = connect(), connect()
    await phone.signup()
    clock.forward(days=7, seconds=-60)
    await ada.login(PASSWORD, email="ada@example.com")
    async with opened(app, ada.access_token) as socket:
        await listening(socket, auth)
        clock.forward(seconds=120)
        await auth.system.learn()
        ended = await socket.next()
        assert (ended["__typename"], ended["reason"]) == ("SessionEnded", "EXPIRED")


async def test_what_another_release_wrote(
    app: ASGIApp, auth: GraphQLAuth, connect: Clients, settings: Settings
) -> None:
    """A reason that this release does not know is told as OTHER."""
    ada, phone = connect(), connect()
    await ada.signup()
    await phone.login(PASSWORD, email="ada@example.com")
    phones = await session_of(phone)
    async with opened(app, ada.access_token) as socket:
        await listening(socket, auth)
        async with auth.system.database.writing() as connection, connection.begin():
            await connection.execute(
                text(
                    "UPDATE gql_auth_sessions SET end_reason = 'abducted', revoked_at = created_at "
                    "WHERE user_agent IS NOT NULL AND id = :id"
                ),
                {"id": UUID(phones).hex if settings.embedded else UUID(phones)},
            )
        await auth.system.learn()
        ended = await socket.next()
        assert (ended["session"]["id"], ended["reason"]) == (phones, "OTHER")


async def test_nothing_is_held_while_it_waits(
    app: ASGIApp, auth: GraphQLAuth, connect: Clients
) -> None:
    """A subscription that waits holds no database connection, and leaves nothing when it ends."""
    ada = connect()
    await ada.signup()
    async with opened(app, ada.access_token) as socket:
        await listening(socket, auth)
        assert auth.system.database.usage[0] == 0
        await socket.say({"id": "1", "type": "complete"})
        await socket.sync()
        assert not auth.system.part(SessionEvents)._accounts


async def test_one_who_does_not_keep_up(
    app: ASGIApp, auth: GraphQLAuth, connect: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More events than are remembered for one listener end its subscription, with a reason."""
    monkeypatch.setattr(Listener, "BOUND", 3)
    ada = connect()
    user = UUID((await ada.signup())["user"]["id"])
    async with opened(app, ada.access_token) as socket:
        await listening(socket, auth)
        async with auth.system.units.write() as unit:
            for _ in range(4):
                await unit.get(Sessions).open(user, Client())
        heard = await socket.hear()
        (error,) = heard["payload"]["errors"]
        assert error["extensions"] == {"code": "TOO_SLOW"}
        assert await socket.hear() == {"id": "1", "type": "complete"}
        assert not auth.system.part(SessionEvents)._accounts


# --- the hub itself -------------------------------------------------------------------------


class Rows:
    """Sessions as the database has them."""

    def __init__(self, clock: SettableClock) -> None:
        self.clock = clock
        self.rows: list[Session] = []
        self.looks: list[list[UUID]] = []

    def add(self, user_id: UUID, ago: float = 0, **more: Any) -> Session:
        at = self.clock.now() - timedelta(seconds=ago)
        row = Session(
            id=uuid4(), user_id=user_id, created_at=at, generation=0, rotated_at=at,
            confirmed=False, expires_at=at + timedelta(days=7), revoked_at=None, end_reason=None,
            client=Client(), **more,
        )  # fmt: skip
        self.rows.append(row)
        return row

    async def look(self, accounts: Any, since: Any) -> list[Session]:
        self.looks.append(list(accounts))
        found = [row for row in self.rows
                 if row.user_id in accounts and row.created_at >= since]  # fmt: skip
        return found[-session_events.MOST :]


def drained(listener: Listener) -> list[Change]:
    """What waits for a listener, taken."""
    found = list(listener._waiting)
    listener._waiting.clear()
    return found


async def test_each_change_is_told_once(clock: SettableClock) -> None:
    """Looks overlap, are repeated, fail and come late: each change is told once all the same,
    one that shows later than the instant it carries, too."""
    hub, rows, ada = SessionEvents(clock), Rows(clock), uuid4()
    rows.add(ada, ago=10)
    async with hub.listen(ada, rows.look) as listener:
        await hub.look(rows.look)
        assert drained(listener) == [], "what was before"
        first = rows.add(ada)
        hub.look_at(ada)
        await hub.look(rows.look)
        hub.look_at_all()
        await hub.look(rows.look)
        assert [each.session for each in drained(listener)] == [first]
        late = rows.add(ada, ago=100)
        clock.forward(seconds=5)
        hub.look_at(ada)
        await hub.look(rows.look)
        assert [each.session for each in drained(listener)] == [late]
        clock.forward(hours=1)
        for _ in range(3):
            hub.look_at(ada)
            await hub.look(rows.look)
        assert drained(listener) == []


async def test_a_look_that_fails_is_made_up_for(clock: SettableClock) -> None:
    """What a look could not see, the next one does."""
    hub, rows, ada = SessionEvents(clock), Rows(clock), uuid4()

    async def broken(accounts: Any, since: Any) -> list[Session]:
        raise ConnectionError

    async with hub.listen(ada, rows.look) as listener:
        row = rows.add(ada)
        hub.look_at(ada)
        with pytest.raises(ConnectionError):
            await hub.look(broken)
        await hub.look(rows.look)
        assert [each.session for each in drained(listener)] == [row]


async def test_what_happens_while_one_subscribes(clock: SettableClock) -> None:
    """A sign-in between the first look and the subscription is told, not lost between the two."""
    hub, rows, ada = SessionEvents(clock), Rows(clock), uuid4()

    async def look(accounts: Any, since: Any) -> list[Session]:
        found = await rows.look(accounts, since)
        if len(rows.looks) == 1:
            rows.add(ada)
            hub.look_at(ada)  # nobody listens yet
        return found

    async with hub.listen(ada, look) as listener:
        assert hub.wanted.is_set()
        await hub.look(look)
        assert len(drained(listener)) == 1


async def test_nothing_is_read_for_those_who_do_not_listen(clock: SettableClock) -> None:
    """Without listeners nobody looks, and afterwards nothing is remembered."""
    hub, rows, ada = SessionEvents(clock), Rows(clock), uuid4()
    hub.look_at(ada)
    hub.look_at_all()
    assert not hub.wanted.is_set()
    async with hub.listen(ada, rows.look), hub.listen(ada, rows.look):
        assert len(rows.looks) == 1, "the second one listens along"
    await hub.look(rows.look)
    assert len(rows.looks) == 1
    assert not hub._accounts
    assert not hub._due


async def test_one_account_does_not_hide_others(
    clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account with more changes than a look takes in does not crowd others out of it."""
    monkeypatch.setattr(session_events, "MOST", 5)
    hub, rows, ada, eve = SessionEvents(clock), Rows(clock), uuid4(), uuid4()
    async with hub.listen(ada, rows.look) as heard, hub.listen(eve, rows.look) as flooded:
        mine = rows.add(ada)
        for _ in range(20):
            rows.add(eve)
        hub.look_at_all()
        await hub.look(rows.look)
        assert [each.session for each in drained(heard)] == [mine]
        assert len(drained(flooded)) == 5


async def test_a_slow_listener_is_told_so() -> None:
    """Who fell behind is told, after nothing or everything, never after a gap."""
    listener = Listener()
    rows = Rows(SettableClock())
    row = rows.add(uuid4())
    for _ in range(Listener.BOUND + 1):
        listener.put(Change(row, row.created_at, ended=False))
    with pytest.raises(ListenerTooSlow):
        await anext(listener)


async def test_the_rows_that_changed(
    auth: GraphQLAuth, connect: Clients, clock: SettableClock
) -> None:
    """The database finds what began, was ended or expired since an instant, of these accounts
    alone, the newest first."""
    units = auth.system.units
    ada, bob = [
        UUID((await connect().signup(f"{name}@example.com"))["user"]["id"])
        for name in ("ada", "bob")
    ]
    since = clock.now() + timedelta(hours=1)

    async def found() -> list[UUID]:
        return [row.id for row in await looking(units)([ada], since)]

    async def open_one(user: UUID) -> Session:
        async with units.write() as unit:
            return await unit.get(Sessions).open(user, Client())

    old, kept = await open_one(ada), await open_one(ada)
    assert await found() == []
    clock.forward(hours=2)
    new = await open_one(ada)
    await open_one(bob)
    assert await found() == [new.id]
    async with units.write() as unit:
        await unit.get(Sessions).end(old.id, EndReason.LOGOUT)
    assert await found() == [new.id, old.id]
    clock.forward(days=7, hours=-1)
    assert kept.id in await found(), "it has expired"
    assert await looking(units)([], since) == []


def test_the_words_that_replicas_exchange() -> None:
    """`accounts` names accounts; a word of a later release, or a broken one, is reason to look."""
    one, two = uuid4(), uuid4()
    (heard,) = _read(f"accounts {one.hex} {two.hex}")
    assert (heard.at, heard.ended, heard.accounts) == (None, (), (one, two))
    for payload in ("accounts x", "opened 1 2", "changed"):
        (heard,) = _read(payload)
        assert (heard.at, heard.ended, heard.accounts) == (None, (), ())

"""What happens at the same instant: refreshes, signups, a sign-in and what should prevent it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import psycopg
import pytest
from sqlmodel import func, select

from gql_auth.app import GraphQLAuth
from gql_auth.features.passwords.factor import PasswordFactor
from gql_auth.features.passwords.tables import PasswordRow
from gql_auth.features.sessions.core import Sessions
from gql_auth.features.sessions.refusals import EndReason
from gql_auth.features.sessions.tables import SessionRow
from gql_auth.features.signin.core import SignIn
from gql_auth.features.users.core import Users
from gql_auth.features.users.tables import UserRow
from gql_auth.kernel.caller import Caller, Client
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.transports import Presented
from tests.database import events, look, only_session
from tests.process import Server, serving
from tests.support import PASSWORD, SIGNUP, GraphQLClient, SettableClock, reason_of

NEW_PASSWORD = "an even better battery"
CHANGE = """mutation($input: ChangePasswordInput!) { changePassword(input: $input) {
    __typename ... on ChangePasswordPayload { endedSessions } } }"""


def holders(connect: Callable[[], GraphQLClient], token: str, count: int) -> list[GraphQLClient]:
    """Clients that all hold the same refresh token."""
    made = [connect() for _ in range(count)]
    for each in made:
        each.cookies = {"refresh_token": token}
    return made


def one_rotation(
    settings: Settings, results: list[dict[str, Any]], all_: list[GraphQLClient]
) -> None:
    """Everybody got tokens, all the same refresh token, and the row tells of one rotation."""
    assert Counter(result["__typename"] for result in results) == {"AuthPayload": len(results)}
    assert len({each.refresh_token for each in all_}) == 1
    assert len({each.access_token for each in all_}) == len(all_)
    row = only_session(settings)
    assert (row.generation, row.revoked_at) == (1, None)
    assert not events(settings, "session:refresh:reused")


async def test_a_hundred_refreshes_at_once_are_one_rotation(
    auth: GraphQLAuth, connect: Callable[..., GraphQLClient]
) -> None:
    """A hundred holders of one token refresh at the same instant: all succeed, with the same
    refresh token and an access token each, and one rotation is recorded."""
    first = connect()
    await first.signup()
    racers = holders(connect, str(first.refresh_token), 100)
    results = await asyncio.gather(*(each.refresh() for each in racers))
    one_rotation(auth.settings, list(results), racers)
    assert "data" in await racers[-1].me()


def server(settings: Settings) -> AbstractContextManager[Server]:
    """A server process on the test's database; all of them accept each other's tokens."""
    return serving(
        data_dir=settings.data_dir,
        database_url=settings.database_url,
        secret=settings.secret,
        issuer="https://issuer.example.com",
        audience="https://audience.example.com",
    )


@asynccontextmanager
async def clients_of(server: Server) -> AsyncIterator[Callable[[], GraphQLClient]]:
    """Makes clients of a server process, enough connections for all of them."""
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        yield lambda: GraphQLClient(http)


async def test_two_server_processes_rotate_once(settings: Settings) -> None:
    """A hundred refreshes of one token at the same instant, half of them at each of two server
    processes on one database, are one rotation: no lock in a process decides it."""
    async with AsyncExitStack() as stack:
        servers = [stack.enter_context(server(settings)) for _ in range(2)]
        here, there = [await stack.enter_async_context(clients_of(each)) for each in servers]
        first = here()
        await first.signup()
        assert "data" in await there().me(token=first.access_token)
        token = str(first.refresh_token)
        racers = [*holders(here, token, 50), *holders(there, token, 50)]
        results = await asyncio.gather(*(each.refresh() for each in racers))
        one_rotation(settings, list(results), racers)
        for each in (racers[0], racers[-1]):
            assert "data" in await each.me()


@pytest.mark.parametrize(
    ("one", "other", "taken"),
    [
        ({"email": "ada@example.com"}, {"email": "ada@example.com"}, "EmailTaken"),
        ({"email": "ada@example.com"}, {"email": "ADA@Example.com"}, "EmailTaken"),
        (
            {"email": "ada@example.com", "username": "ada"},
            {"email": "grace@example.com", "username": "ADA"},
            "UsernameTaken",
        ),
    ],
    ids=["address", "address in capitals", "username in capitals"],
)
async def test_two_signups_of_one_name(
    auth: GraphQLAuth,
    connect: Callable[..., GraphQLClient],
    one: dict[str, str],
    other: dict[str, str],
    taken: str,
) -> None:
    """Of two signups of one address or username at the same instant one succeeds and the other
    is told that it is taken; nothing is left of it."""
    inputs = [{"password": PASSWORD} | each for each in (one, other)]
    clients = [connect(), connect()]
    results = await asyncio.gather(
        *(
            client.field(SIGNUP, {"input": each})
            for client, each in zip(clients, inputs, strict=True)
        )
    )
    assert sorted(result["__typename"] for result in results) == ["AuthPayload", taken]
    for table in (UserRow, PasswordRow, SessionRow):
        assert look(auth.settings, select(func.count()).select_from(table)) == [(1,)]
    for client, result in zip(clients, results, strict=True):
        assert bool(client.cookies) == (result["__typename"] == "AuthPayload")


# ---------------------------------------------------------------- halfway through another


Blocked = Callable[[asyncio.Task[Any]], Awaitable[None]]


@pytest.fixture
def blocked(auth: GraphQLAuth, settings: Settings) -> Blocked:
    """Comes back once a task has ended or waits for a lock of the database."""

    async def waits() -> bool:
        if settings.embedded:
            return auth.system.database._writer.locked()
        async with await psycopg.AsyncConnection.connect(settings.database_url) as connection:
            found = await connection.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return await found.fetchone() != (0,)

    async def wait(task: asyncio.Task[Any]) -> None:
        async with asyncio.timeout(10):
            while not task.done() and not await waits():
                await asyncio.wait({task}, timeout=0.01)

    return wait


async def test_a_refresh_that_meets_another_halfway(
    auth: GraphQLAuth,
    clock: SettableClock,
    connect: Callable[..., GraphQLClient],
    blocked: Blocked,
) -> None:
    """A refresh that arrives while another of the same token is about to commit waits for it and
    then gives the same successor, though by its own clock it is later."""
    first = connect()
    await first.signup()
    token = str(first.refresh_token)
    flows = auth.system.part(SignIn)
    async with auth.system.units.write() as unit:
        rotated = await unit.get(Sessions).refresh(flows._grants.read(Presented(token)), Client())
        clock.forward(seconds=1)
        second = asyncio.ensure_future(first.refresh())
        await blocked(second)
        clock.forward(seconds=1)
    assert (await second)["__typename"] == "AuthPayload"
    row = only_session(auth.settings)
    assert (row.generation, row.rotated_at) == (1, rotated.rotated_at)
    assert first.refresh_token == flows._grants._refresh_tokens.sign(rotated.refresh_claims)


async def test_a_refresh_that_meets_the_end_halfway(
    auth: GraphQLAuth, client: GraphQLClient, blocked: Blocked
) -> None:
    """A refresh that arrives while the session's end is about to commit is REVOKED."""
    await client.signup()
    row = only_session(auth.settings)
    async with auth.system.units.write() as unit:
        await unit.get(Sessions).end(row.id, EndReason.LOGOUT)
        refresh = asyncio.ensure_future(client.refresh())
        await blocked(refresh)
    assert (await refresh)["reason"] == "REVOKED"
    assert only_session(auth.settings).generation == 0


# ---------------------------------------------------------------- a sign-in and its undoing


async def _undo_while_signing_in(
    auth: GraphQLAuth,
    client: GraphQLClient,
    blocked: Blocked,
    undo: Callable[[Caller], Awaitable[Any]],
) -> None:
    """Open a session on a verified password; `undo` comes between the check and the opening,
    and must wait, so that it then sees the session and ends it."""
    system = auth.system
    factor = PasswordFactor(system.units, system._hashing, system.part(SignIn)._factor._hasher)
    caller = system.authenticate(str(client.access_token))
    async with system.units.read() as unit:
        user = await unit.get(Users).get(caller.user_id)
    proof = await factor.verify(user, PASSWORD)
    async with system.units.write() as unit:
        account = await system.part(SignIn)._hold_account(unit, user, proof)
        assert account is not None
        task = asyncio.ensure_future(undo(caller))
        await blocked(task)
        assert not task.done(), "the account was changed while a sign-in held it"
        session = await unit.get(Sessions).open(account.id, Client())
    await task
    grant = await system.part(SignIn)._grants.make(account, session)
    assert reason_of(await client.me(token=grant.access.token)) == "SESSION_REVOKED"
    ended = look(auth.settings, select(SessionRow).where(SessionRow.id == session.id))
    assert ended[0].revoked_at is not None


async def test_a_password_change_waits_for_a_sign_in_on_the_old_one(
    auth: GraphQLAuth, client: GraphQLClient, blocked: Blocked
) -> None:
    """A sign-in whose password was just verified is either before the password change, which
    then ends its session, or after it: a change cannot slip in between."""

    async def change(caller: Caller) -> int:
        flows = auth.system.part(SignIn)
        return await flows.change_password(
            caller, current=PASSWORD, new=NEW_PASSWORD, client=Client()
        )

    await client.signup()
    await _undo_while_signing_in(auth, client, blocked, change)
    assert "data" in await client.me()


async def test_disabling_waits_for_a_sign_in(
    auth: GraphQLAuth, client: GraphQLClient, blocked: Blocked
) -> None:
    """Disabling an account while a sign-in holds it ends the session that the sign-in opens."""

    async def disable(caller: Caller) -> int:
        return await auth.system.part(SignIn).disable(caller.user_id)

    await client.signup()
    await _undo_while_signing_in(auth, client, blocked, disable)


async def test_a_verified_password_that_was_changed_since_opens_nothing(
    auth: GraphQLAuth, client: GraphQLClient
) -> None:
    """A password verified before it was changed is no proof after it."""
    await client.signup()
    system = auth.system
    async with system.units.read() as unit:
        user = await unit.get(Users).find(email="ada@example.com")
    proof = await system.part(SignIn)._factor.verify(user, PASSWORD)
    given = {"input": {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}}
    assert (await client.field(CHANGE, given))["__typename"] == "ChangePasswordPayload"
    async with system.units.write() as unit:
        assert await system.part(SignIn)._hold_account(unit, user, proof) is None


async def test_a_login_racing_a_password_change_leaves_no_session(
    auth: GraphQLAuth, connect: Callable[..., GraphQLClient]
) -> None:
    """Logins with the old password, started all through a password change, end up refused or
    with a session that the change has ended."""
    owner, before = connect(), PASSWORD
    await owner.signup()
    clients: list[GraphQLClient] = []

    async def log_in_again_and_again(change: asyncio.Future[Any], password: str) -> None:
        while not change.done():
            clients.append(connect())
            result = await clients[-1].login(password)
            assert result["__typename"] in {"AuthPayload", "InvalidCredentials"}

    for after in (NEW_PASSWORD, PASSWORD):
        given = {"input": {"currentPassword": before, "newPassword": after}}
        change = asyncio.ensure_future(owner.field(CHANGE, given))
        await asyncio.gather(*(log_in_again_and_again(change, before) for _ in range(2)))
        assert (await change)["__typename"] == "ChangePasswordPayload"
        before = after
    for client in (each for each in clients if each.access_token):
        assert reason_of(await client.me()) == "SESSION_REVOKED"
        assert (await client.refresh())["reason"] == "REVOKED"
    assert len(await owner.field("{ sessions { id } }")) == 1


async def test_a_login_racing_the_disabling_of_its_account_leaves_no_session(
    auth: GraphQLAuth, connect: Callable[..., GraphQLClient]
) -> None:
    """Logins in flight while their account is disabled leave no session alive."""
    owner = connect()
    await owner.signup()
    user_id = only_session(auth.settings).user_id
    flows = auth.system.part(SignIn)
    for _ in range(3):
        clients = [connect() for _ in range(4)]
        logins = [asyncio.ensure_future(each.login()) for each in clients]
        await asyncio.wait(logins, return_when=asyncio.FIRST_COMPLETED)
        await flows.disable(user_id)
        results = await asyncio.gather(*logins)
        assert {each["__typename"] for each in results} <= {"AuthPayload", "InvalidCredentials"}
        for client in (each for each in clients if each.access_token):
            assert reason_of(await client.me()) == "SESSION_REVOKED"
        alive = select(func.count()).select_from(SessionRow).where(SessionRow.revoked_at.is_(None))
        assert look(auth.settings, alive) == [(0,)]
        async with auth.system.units.write() as unit:
            await unit.get(Users).enable(user_id)


async def test_refreshes_racing_a_logout_end_revoked(
    auth: GraphQLAuth, connect: Callable[..., GraphQLClient]
) -> None:
    """Refreshes in flight while the session ends are granted before or REVOKED after; once the
    logout was answered nothing is granted, and what was granted is refused."""
    first = connect()
    await first.signup()
    *racers, late = holders(connect, str(first.refresh_token), 21)
    running = [asyncio.ensure_future(each.refresh()) for each in racers[:10]]
    logout = asyncio.ensure_future(first.field("mutation { logout { sessionEnded } }"))
    running += [asyncio.ensure_future(each.refresh()) for each in racers[10:]]
    assert await logout == {"sessionEnded": True}
    assert (await late.refresh())["reason"] == "REVOKED"
    for result in await asyncio.gather(*running):
        assert result["__typename"] == "AuthPayload" or result["reason"] == "REVOKED"
    for each in (*racers, first):
        if each.access_token:
            assert reason_of(await each.me()) == "SESSION_REVOKED"

"""Refreshes by the quick way, on both databases: as durable and as right as by a unit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy import update as change
from sqlmodel import select

from gql_auth.features.audit.core import Audit, Tag
from gql_auth.features.audit.tables import EventRow
from gql_auth.features.keys.core import MasterSecret
from gql_auth.features.sessions.core import Sessions
from gql_auth.features.sessions.refusals import RefreshRejected, Rejection
from gql_auth.features.sessions.rotation import Session
from gql_auth.features.sessions.tables import SessionRow
from gql_auth.features.signin.core import SignIn
from gql_auth.features.signin.granting import Grant
from gql_auth.features.tokens.core import RefreshTokens
from gql_auth.features.users.core import Users
from gql_auth.features.users.naming import checked_profile
from gql_auth.features.users.store import _READS
from gql_auth.features.users.tables import UserRow
from gql_auth.kernel.caller import Client
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.transports import Presented, Transport
from gql_auth.kernel.unit import Unit
from gql_auth.storage import pipeline
from gql_auth.storage.changes import Changes, PostgresChanges
from gql_auth.storage.statements import Statement, Unsettled, Values
from gql_auth.system import System
from tests.database import look, only_session, tamper

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
CLIENT = Client("192.0.2.7", "Ądą's browser/1.0")


async def _is_open(system: System) -> bool:
    """Whether each line of the quick way answers."""
    wanted = {"wanted": uuid4()}
    try:
        await system.database.glances.one(_READS.glance, wanted)
        if isinstance(system.database.changes, PostgresChanges):
            for each in system.database.changes._pipelines:
                await each.run(_READS.glance, wanted)
    except Unsettled:
        return False
    return True


@pytest.fixture
async def system(settings: Settings) -> AsyncIterator[System]:
    """A system whose quick way is open."""
    async with System(settings, delivers=False) as running:
        async with asyncio.timeout(10):
            while not await _is_open(running):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        yield running


@pytest.fixture
async def session(system: System) -> Session:
    """Somebody has signed in."""
    profile, _ = checked_profile(email="ada@example.com", username=None, name=None)
    async with system.units.write() as unit:
        user = await unit.get(Users).create(profile, ["reader"])
        return await unit.get(Sessions).open(user.id, Client())


def presented(system: System, session: Session) -> Presented:
    """The refresh token of a session as it stands."""
    tokens = RefreshTokens(system.part(MasterSecret))
    return Presented(tokens.sign(session.refresh_claims), Transport.COOKIE)


async def refreshed(system: System, session: Session) -> Grant:
    """What the session's token is answered with."""
    return await system.part(SignIn).refresh(presented(system, session), CLIENT)


class Attempts:
    """Does something in a unit, and counts how often that was begun."""

    def __init__(self, *, records: bool = False) -> None:
        self.count = 0
        self.told = 0
        self._records = records

    def tell(self) -> None:
        """Asked for after the commit."""
        self.told += 1

    async def __call__(self, unit: Unit) -> int:
        """Do it."""
        self.count += 1
        unit.after_commit(self.tell)
        if self._records:
            await unit.get(Audit).record(Tag.KEY_ROTATED)
        return self.count


async def test_the_usual_refresh_needs_no_unit(system: System, session: Session) -> None:
    """With every connection of the pool in use, a rested session is refreshed; what was written
    is what an ordinary unit reads."""
    async with AsyncExitStack() as stack:
        for _ in range(system.settings.database_pool_size):
            await stack.enter_async_context(system.units.read())
        async with asyncio.timeout(5):
            granted = await refreshed(system, session)
    assert granted.session.generation == 1
    async with system.units.read() as unit:
        assert await unit.get(Sessions).find(session.id) == granted.session
    row = only_session(system.settings)
    assert (row.ip_address, row.user_agent) == (CLIENT.ip_address, CLIENT.user_agent)
    assert row.confirmed is False


async def test_what_the_quick_way_cannot_do_is_done_by_a_unit(system: System) -> None:
    """It is done over again there, once, and what is asked for after the commit is done once."""
    quick, ordinary = Attempts(), Attempts(records=True)
    assert await system.units.swiftly(quick) == 1
    assert await system.units.swiftly(ordinary) == 2
    assert (quick.told, ordinary.told) == (1, 1)
    assert len(look(system.settings, select(EventRow))) == 1


async def test_racing_refreshes_have_one_winner(system: System, session: Session) -> None:
    """Of many at once, by one token, one rotates and all get its successor."""
    grants = await asyncio.gather(*(refreshed(system, session) for _ in range(20)))
    assert {each.session.generation for each in grants} == {1}
    assert len({each.refresh_token for each in grants}) == 1
    assert only_session(system.settings).generation == 1


async def test_claims_are_as_they_are_now(system: System, session: Session) -> None:
    """Roles that were changed behind the server's back are in the very next token; an account
    that was disabled so gets none, and its session ends."""
    tamper(system.settings, change(UserRow).values(roles=["writer"]))
    granted = await refreshed(system, session)
    assert granted.user.roles == ("writer",)
    tamper(system.settings, text("UPDATE gql_auth_users SET disabled_at = created_at"))
    with pytest.raises(RefreshRejected) as told:
        await refreshed(system, granted.session)
    assert told.value.reason is Rejection.REVOKED
    assert only_session(system.settings).end_reason == "account-disabled"


class Lossy:
    """Changes whose answer gets lost on its way."""

    def __init__(self, inner: Changes) -> None:
        self._inner = inner
        self.lost = 0

    async def run(self, statement: Statement, values: Values) -> int:
        """Do it, and tell nobody."""
        await self._inner.run(statement, values)
        self.lost += 1
        raise Unsettled

    async def close(self) -> None:
        """Close the connections."""
        await self._inner.close()


async def test_a_lost_answer_rotates_once(system: System, session: Session) -> None:
    """Where nobody knows whether the change was made, the unit finds that it was, and answers
    with the successor that there is."""
    system.database.changes = lossy = Lossy(system.database.changes)
    granted = await refreshed(system, session)
    assert lossy.lost == 1
    assert granted.session.generation == 1
    assert only_session(system.settings).generation == 1


async def test_evidence_of_reuse_is_committed(system: System, session: Session) -> None:
    """A token that was used twice ends its session, although it is refused."""
    first = await refreshed(system, session)
    tamper(system.settings, change(SessionRow).values(confirmed=True, rotated_at=LONG_AGO))
    with pytest.raises(RefreshRejected) as told:
        await refreshed(system, session)
    assert told.value.reason is Rejection.REUSED
    assert first.session.id == session.id
    assert only_session(system.settings).end_reason == "token-reused"
    tags = {row.tag for row in look(system.settings, select(EventRow))}
    assert {"session:refresh:reused", "session:end:done"} <= tags


@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
async def test_a_row_that_somebody_holds_is_waited_for(system: System, session: Session) -> None:
    """On a held line not for long, as others wait behind; then in a unit, until it is free."""
    with psycopg.connect(system.settings.database_url) as other:
        other.execute("SELECT 1 FROM gql_auth_sessions FOR UPDATE")
        asked = asyncio.ensure_future(refreshed(system, session))
        async with asyncio.timeout(pipeline._PATIENCE - 0.5):  # after which a line is given up
            while system.database.usage[0] == 0:  # noqa: ASYNC110 - until a unit waits
                await asyncio.sleep(0.01)
        assert not asked.done()
        other.rollback()
        async with asyncio.timeout(10):
            assert (await asked).session.generation == 1

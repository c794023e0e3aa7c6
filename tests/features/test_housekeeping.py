"""Housekeeping: what is kept no longer goes, in small steps, by one process at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, insert
from sqlmodel import select, update

from gql_auth.app import GraphQLAuth
from gql_auth.background import _BATCH
from gql_auth.features.audit.tables import EventRow
from gql_auth.features.sessions.tables import SessionRow
from gql_auth.features.throttle.tables import KnownAddressRow, ThrottleRow
from gql_auth.kernel.settings import Settings
from gql_auth.storage.locks import Lock
from gql_auth.storage.tables import LeaseRow
from tests.database import look, tamper
from tests.live import within
from tests.support import GraphQLClient, SettableClock

WRONG = "wrong horse battery"


def count(settings: Settings, row: type) -> int:
    (found,) = look(settings, select(func.count()).select_from(row))
    return int(found[0])


def add_sessions(settings: Settings, user_id: UUID, number: int, over_at: datetime) -> None:
    """Sessions of an account that expire at an instant."""
    rows = [
        {
            "id": uuid4(),
            "user_id": user_id,
            "created_at": over_at - timedelta(days=7),
            "generation": 3,
            "rotated_at": over_at - timedelta(days=1),
            "confirmed": True,
            "expires_at": over_at,
        }
        for _ in range(number)
    ]
    tamper(settings, insert(SessionRow).values(rows))


async def user_id_of(client: GraphQLClient) -> UUID:
    return UUID((await client.me())["data"]["me"]["id"])


async def test_sessions_go_when_their_time_is_over(
    auth: GraphQLAuth, client: GraphQLClient, clock: SettableClock
) -> None:
    """A session that ended or expired is kept for the retention time to the second, then it
    goes; a living one stays, however old."""
    await client.signup()
    user_id = await user_id_of(client)
    kept = timedelta(days=30)
    add_sessions(auth.settings, user_id, 1, clock.now() - kept)
    add_sessions(auth.settings, user_id, 2, clock.now() - kept - timedelta(seconds=1))
    await auth.system.clean()
    assert count(auth.settings, SessionRow) == 2
    assert (await client.refresh())["__typename"] == "AuthPayload"


async def test_a_revoked_session_counts_from_its_end(
    auth: GraphQLAuth, client: GraphQLClient, clock: SettableClock
) -> None:
    """What was ended before its time goes as long after its end as any other."""
    await client.signup()
    ended = clock.now() - timedelta(days=30, seconds=1)
    tamper(auth.settings, update(SessionRow).values(revoked_at=ended))
    await auth.system.clean()
    assert count(auth.settings, SessionRow) == 0
    assert (await client.refresh())["reason"] == "REVOKED"


async def test_more_than_one_batch_goes(
    auth: GraphQLAuth, client: GraphQLClient, clock: SettableClock
) -> None:
    """A heap of old sessions larger than a batch goes whole, the living ones in between stay."""
    await client.signup()
    user_id = await user_id_of(client)
    old, alive = clock.now() - timedelta(days=60), clock.now() + timedelta(days=1)
    add_sessions(auth.settings, user_id, _BATCH, old)
    add_sessions(auth.settings, user_id, _BATCH // 2, alive)
    add_sessions(auth.settings, user_id, _BATCH // 2 + 1, old)
    await auth.system.clean()
    assert count(auth.settings, SessionRow) == 1 + _BATCH // 2


async def test_spent_throttles_and_forgotten_addresses_go(
    auth: GraphQLAuth, client: GraphQLClient, clock: SettableClock
) -> None:
    """A bucket goes once it has drained, a known address after the greatest age of a session."""
    await client.signup()
    await client.login(WRONG)
    assert count(auth.settings, ThrottleRow) >= 2
    assert count(auth.settings, KnownAddressRow) == 1
    await auth.system.clean()
    assert count(auth.settings, ThrottleRow) >= 2
    clock.forward(hours=1)
    await auth.system.clean()
    assert count(auth.settings, ThrottleRow) == 0
    assert count(auth.settings, KnownAddressRow) == 1
    clock.forward(days=90)
    await auth.system.clean()
    assert count(auth.settings, KnownAddressRow) == 0


async def test_old_events_go(auth: GraphQLAuth, clock: SettableClock) -> None:
    """Audit events are kept for a year, and not a second longer."""
    year = timedelta(days=365)
    for at in (clock.now() - year, clock.now() - year - timedelta(seconds=1)):
        early = UUID(int=int(at.timestamp() * 1000) << 80 | uuid4().int >> 52)
        values = {"id": early, "tag": "user:login:failed", "at": at, "detail": {}}
        tamper(auth.settings, insert(EventRow).values(values))
    await auth.system.clean()
    (left,) = look(auth.settings, select(EventRow.at))
    assert left.at == clock.now() - year


@pytest.fixture
async def crew(
    settings: Settings, clock: SettableClock
) -> AsyncIterator[tuple[GraphQLAuth, GraphQLAuth]]:
    """Two processes on one database, on engines without advisory locks."""
    made = replace(settings, database_advisory_locks=False)
    pair = GraphQLAuth(made, clock=clock), GraphQLAuth(made, clock=clock)
    async with AsyncExitStack() as stack:
        for auth in pair:
            await stack.enter_async_context(auth.running())
        yield pair


async def test_one_process_cleans_and_another_follows_when_it_is_gone(
    crew: tuple[GraphQLAuth, GraphQLAuth], clock: SettableClock
) -> None:
    """The lease keeps others out until it runs out, twice the interval after the last step."""
    first, second = crew
    await first.system.clean()
    (lease,) = look(first.settings, select(LeaseRow).where(LeaseRow.name == "housekeeping"))
    await second.system.clean()
    assert look(first.settings, select(LeaseRow).where(LeaseRow.name == "housekeeping")) == [lease]
    clock.forward(minutes=2)
    await second.system.clean()
    assert look(first.settings, select(LeaseRow).where(LeaseRow.name == "housekeeping")) == [lease]
    clock.forward(microseconds=1)
    await second.system.clean()
    (after,) = look(first.settings, select(LeaseRow).where(LeaseRow.name == "housekeeping"))
    assert after.holder != lease.holder


async def test_nobody_cleans_where_another_holds_the_advisory_lock(
    postgres_auth: GraphQLAuth, clock: SettableClock
) -> None:
    """While another process holds PostgreSQL's advisory lock, nothing is removed, and nothing
    waits for it."""
    at = clock.now() - timedelta(days=400)
    values = {"id": UUID(int=1), "tag": "user:login:failed", "at": at, "detail": {}}
    tamper(postgres_auth.settings, insert(EventRow).values(values))
    held = select(func.pg_advisory_xact_lock(Lock.HOUSEKEEPING.value))
    async with postgres_auth.system.database.writing() as connection:
        await connection.execute(held)
        async with asyncio.timeout(5):
            await postgres_auth.system.clean()
        assert count(postgres_auth.settings, EventRow) == 1
    await postgres_auth.system.clean()
    assert count(postgres_auth.settings, EventRow) == 0


@pytest.fixture
async def postgres_auth(
    postgres_url: str, sqlite_settings: Settings, clock: SettableClock
) -> AsyncIterator[GraphQLAuth]:
    """A system on PostgreSQL."""
    auth = GraphQLAuth(replace(sqlite_settings, database_url=postgres_url), clock=clock)
    async with auth.running():
        yield auth


async def test_it_is_done_by_itself(settings: Settings, clock: SettableClock) -> None:
    """A running system cleans without being asked."""
    auth = GraphQLAuth(replace(settings, housekeeping_interval=timedelta(seconds=1)), clock=clock)
    at = clock.now() - timedelta(days=400)
    values = {"id": UUID(int=1), "tag": "user:login:failed", "at": at, "detail": {}}
    tamper(settings, insert(EventRow).values(values))
    async with auth.running():
        await within(20, lambda: count(settings, EventRow) == 0)

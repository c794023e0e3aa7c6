"""Looks at one row outside of any unit, on both databases."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import delete, text
from sqlmodel import update

from gql_auth.features.users.core import User, UserGlance, Users
from gql_auth.features.users.naming import checked_profile
from gql_auth.features.users.store import _READS
from gql_auth.features.users.tables import UserRow
from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.settings import Settings
from gql_auth.storage import pipeline
from gql_auth.storage.engine import Database
from gql_auth.storage.glances import Glances, PostgresGlances, SqliteGlances
from gql_auth.storage.pipeline import Pipeline
from gql_auth.storage.revision import Revision
from gql_auth.storage.statements import Unsettled
from gql_auth.system import System
from tests.database import tamper
from tests.faults.cable import Cable


@pytest.fixture
async def system(settings: Settings) -> AsyncIterator[System]:
    async with System(settings, delivers=False) as running:
        yield running


async def made(system: System, email: str = "ada@example.com", **more: object) -> User:
    """An account."""
    profile, _ = checked_profile(email=email, username=None, name=None)
    async with system.units.write() as unit:
        user = await unit.get(Users).create(profile)
        if more:
            await unit.get(Users)._store.change(user.id, more)
    return user


async def by_unit(system: System, user_id: UUID) -> User | None:
    """The account the ordinary way."""
    async with system.units.read() as unit:
        return await unit.get(Users).get(user_id)


def names_in(folder: Path) -> list[str]:
    """What is there."""
    return [each.name for each in folder.iterdir()]


async def settled(glances: Glances, user_id: UUID) -> None:
    """Come back when the quick way answers."""
    async with asyncio.timeout(10):
        while True:
            try:
                await glances.one(_READS.glance, {"wanted": user_id})
            except Unsettled:
                await asyncio.sleep(0.01)
            else:
                return


def line_of(system: System) -> pipeline._Line:
    """The line that is held to PostgreSQL."""
    glances = system.database.glances
    assert isinstance(glances, PostgresGlances)
    line = glances._pipeline._line
    assert line is not None
    return line


ROWS: list[dict[str, object]] = [
    {},
    {"email_verified": True, "username": "Ada-L", "name": "Ądą 🜚 'x' \\ \"", "locale": "de-AT"},
    {"roles": ["admin", "a.b:c"], "disabled_at": datetime(2026, 1, 2, 3, 4, 5, 6, UTC)},
    {"name": "", "created_at": datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)},
    {"deletes_at": datetime(2262, 1, 1, 0, 0, 0, 999999, UTC), "roles": []},
]


@pytest.mark.parametrize("values", ROWS)
async def test_a_glance_sees_what_a_unit_sees(system: System, values: dict[str, object]) -> None:
    """Whatever is in a row: both ways make the same value of it, of the same types."""
    user = await made(system, **values)
    await settled(system.database.glances, user.id)
    found = await system.units.glance(UserGlance).get(user.id)
    assert found == await by_unit(system, user.id)
    assert found is not None
    assert [type(each) for each in found.roles] == [str] * len(found.roles)
    assert type(found.email_verified) is bool
    assert found.created_at.tzinfo is UTC


async def test_the_quick_way_needs_no_connection_of_the_pool(system: System) -> None:
    """With every connection of the pool in use, a glance is answered."""
    user = await made(system)
    await settled(system.database.glances, user.id)
    async with AsyncExitStack() as stack:
        for _ in range(system.settings.database_pool_size):
            await stack.enter_async_context(system.units.read())
        async with asyncio.timeout(5):
            assert await system.units.glance(UserGlance).get(user.id) == user


async def test_what_others_commit_is_seen_at_once(settings: Settings, system: System) -> None:
    """Each glance sees what another process committed before it; a row that is gone is None."""
    user = await made(system)
    other = await made(system, "bob@example.com")
    look = system.units.glance(UserGlance)
    await settled(system.database.glances, user.id)
    for number in range(20):
        changed = update(UserRow).where(UserRow.id == user.id).values(name=f"Ada {number}")
        assert tamper(settings, changed) == 1
        found = await look.get(user.id)
        assert found is not None
        assert found.name == f"Ada {number}"
    assert tamper(settings, delete(UserRow).where(UserRow.id == user.id)) == 1
    assert await look.get(user.id) is None
    assert await look.get(uuid4()) is None
    assert await look.get(other.id) == other


async def test_a_column_comes_meanwhile(settings: Settings, system: System) -> None:
    """A migration of a later release adds a column and changes another's type: glances go on."""
    user = await made(system)
    look = system.units.glance(UserGlance)
    await settled(system.database.glances, user.id)
    statements = ["ALTER TABLE gql_auth_users ADD COLUMN later VARCHAR(10) DEFAULT 'x'"]
    if not settings.embedded:
        statements.append("ALTER TABLE gql_auth_users ALTER COLUMN email TYPE VARCHAR(400)")
    for statement in statements:
        tamper(settings, text(statement))
        for _ in range(3):
            assert await look.get(user.id) == user
        await settled(system.database.glances, user.id)


async def test_the_schema_of_the_release_before(settings: Settings) -> None:
    """Without the columns that came last, and until they are known to be there."""
    async with System(settings, delivers=False) as before:
        user = await made(before)
    tamper(settings, text("DROP INDEX ix_gql_auth_users_deletes_at"))
    for name in ("locale", "deletes_at"):
        tamper(settings, text(f"ALTER TABLE gql_auth_users DROP COLUMN {name}"))
    system = System(settings, delivers=False)  # whose tasks would notice the rest of the schema
    try:
        assert not system.part(Revision).is_current
        look = system.units.glance(UserGlance)
        for _ in range(3):
            assert await look.get(user.id) == user
            await asyncio.sleep(0.05)
    finally:
        await system.database.close()


async def test_many_ask_at_once_and_some_go(system: System) -> None:
    """Each gets its own row, in whatever order, and nobody gets that of one who left."""
    users = [await made(system, f"user-{number}@example.com") for number in range(20)]
    await settled(system.database.glances, users[0].id)
    look = system.units.glance(UserGlance)
    asked = [asyncio.ensure_future(look.get(user.id)) for user in users * 5]
    await asyncio.sleep(0)
    for number, each in enumerate(asked):
        if number % 3 == 0:
            each.cancel()
    found = await asyncio.gather(*asked, return_exceptions=True)
    for user, each in zip(users * 5, found, strict=True):
        assert each == user or isinstance(each, asyncio.CancelledError)
    assert user in found


# ---- SQLite -------------------------------------------------------------------------------------


async def test_a_glance_keeps_no_checkpoint_waiting(
    sqlite_settings: Settings,
) -> None:
    """After a glance nothing of the log is held: it can be emptied."""
    async with System(sqlite_settings, delivers=False) as system:
        user = await made(system)
        assert await system.units.glance(UserGlance).get(user.id) == user
        with closing(sqlite3.connect(sqlite_settings.data_dir / "gql_auth.sqlite3")) as other:
            assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)


async def test_the_loop_never_waits_for_a_lock(sqlite_settings: Settings) -> None:
    """While somebody has the file for himself, a glance waits in a thread: the loop goes on, and
    the answer comes when the file is free."""
    async with System(sqlite_settings, delivers=False) as system:
        user = await made(system)
    system = System(sqlite_settings, delivers=False)
    path = sqlite_settings.data_dir / "gql_auth.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unsettled):
            await system.database.glances.one(_READS.glance, {"wanted": user.id})
        asked = asyncio.ensure_future(system.units.glance(UserGlance).get(user.id))
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not asked.done()
    try:
        assert await asked == user
        await settled(system.database.glances, user.id)
        assert isinstance(system.database.glances, SqliteGlances)
        assert system.database.glances._line is not None
        patience = system.database.glances._line.execute("PRAGMA busy_timeout")
        assert patience.fetchone() == (0,), "SQLite itself would wait, on the loop"
    finally:
        await system.database.close()


async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A glance at a database that is gone makes none; when it is back, it is read."""
    glances = SqliteGlances(tmp_path / "a ? # %41 file")
    with pytest.raises(Unsettled):
        await glances.one(_READS.glance, {"wanted": uuid4()})
    assert names_in(tmp_path) == []
    with closing(sqlite3.connect(tmp_path / "a ? # %41 file")) as made_now:
        names = ", ".join(each.name for each in UserRow.__table__.c)  # type: ignore[attr-defined]
        made_now.execute(f"CREATE TABLE gql_auth_users ({names})")
    assert await glances.one(_READS.glance, {"wanted": uuid4()}) is None
    await glances.close()


async def test_a_damaged_file_is_an_outage(sqlite_settings: Settings) -> None:
    """What the quick way cannot read, the ordinary way tells of as it always did."""
    async with System(sqlite_settings, delivers=False) as system:
        user = await made(system)
    path = sqlite_settings.data_dir / "gql_auth.sqlite3"
    path.write_bytes(b"no database " * 1000)
    system = System(sqlite_settings, delivers=False)
    try:
        with pytest.raises(Unavailable):
            await system.units.glance(UserGlance).get(user.id)
    finally:
        await system.database.close()


# ---- PostgreSQL ---------------------------------------------------------------------------------


@pytest.fixture
def postgres_settings(postgres_url: str, tmp_path: Path) -> Settings:
    from gql_auth.storage.migrate import migrate
    from tests.support import SECRET

    made_now = Settings(data_dir=tmp_path, database_url=postgres_url, secret=SECRET, bcrypt_cost=10)
    migrate(made_now)
    return made_now


async def test_a_line_that_is_cut_costs_nobody_an_answer(postgres_settings: Settings) -> None:
    """The server ends the connection: who asks is answered by another, and a new line is held."""
    async with System(postgres_settings, delivers=False) as system:
        user = await made(system)
        await settled(system.database.glances, user.id)
        before = line_of(system)
        with psycopg.connect(postgres_settings.database_url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            look = system.units.glance(UserGlance)
            assert await asyncio.gather(*(look.get(user.id) for _ in range(20))) == [user] * 20
        await settled(system.database.glances, user.id)
        assert line_of(system) is not before


async def test_a_silent_line_is_given_up(
    postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where packets are swallowed, who asked goes the ordinary way, after a bounded time."""
    monkeypatch.setattr(pipeline, "_PATIENCE", 0.3)
    monkeypatch.setattr(pipeline, "_PAUSE", 0.1)
    url = urlsplit(postgres_settings.database_url)
    assert url.port is not None
    with Cable.to(url.port) as cable:
        through = url._replace(netloc=url.netloc.replace(str(url.port), str(cable.port)))
        settings = Settings(
            data_dir=postgres_settings.data_dir,
            database_url=through.geturl(),
            secret=postgres_settings.secret,
        )
        database = Database(settings)
        await settled(database.glances, uuid4())
        cable.swallow()
        with pytest.raises(Unsettled):
            async with asyncio.timeout(10):
                await database.glances.one(_READS.glance, {"wanted": uuid4()})
        cable.flow()
        await settled(database.glances, uuid4())
        await database.close()


async def test_questions_without_answer_are_bounded(
    postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes when too many wait is sent the ordinary way, where waiting is bounded; the
    others are answered."""
    monkeypatch.setattr(pipeline, "_MOST", 10)
    database = Database(postgres_settings)
    await settled(database.glances, uuid4())
    asked = [database.glances.one(_READS.glance, {"wanted": uuid4()}) for _ in range(15)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert found[:10] == [None] * 10
    assert [type(each) for each in found[10:]] == [Unsettled] * 5
    await database.close()


async def test_where_nothing_can_be_prepared_no_line_is_held(postgres_settings: Settings) -> None:
    """Behind a pooler that the operator named, glances go the ordinary way."""
    settings = Settings(
        data_dir=postgres_settings.data_dir,
        database_url=postgres_settings.database_url,
        database_direct_url=postgres_settings.database_url,
        secret=postgres_settings.secret,
    )
    async with System(settings, delivers=False) as system:
        user = await made(system)
        for _ in range(3):
            assert await system.units.glance(UserGlance).get(user.id) == user
            await asyncio.sleep(0.05)
        glances = system.database.glances
        assert isinstance(glances, PostgresGlances)
        assert glances._pipeline._line is None


async def test_a_server_that_is_not_there_is_not_asked_again_and_again() -> None:
    """Between two attempts to get a line is a pause, however many ask meanwhile."""
    attempts = 0

    async def dial() -> None:
        nonlocal attempts
        attempts += 1
        await asyncio.sleep(0)
        raise psycopg.OperationalError

    line = Pipeline(dial)
    for _ in range(50):
        with pytest.raises(Unsettled):
            await line.run(_READS.glance, {"wanted": uuid4()})
        await asyncio.sleep(0)
    assert attempts == 1
    await line.close()

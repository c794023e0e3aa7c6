"""Schema and migrations, on both databases: they agree, and only a current schema is served."""

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlmodel import insert, select

import gql_auth
from gql_auth import GraphQLAuth, Settings
from gql_auth.app import create_app
from gql_auth.features.mail.core import Outbox
from gql_auth.features.passwords.tables import PasswordRow
from gql_auth.features.signin.core import SignIn
from gql_auth.features.users.tables import UserRow
from gql_auth.kernel.caller import Client
from gql_auth.kernel.clock import SystemClock
from gql_auth.kernel.errors import Unavailable
from gql_auth.storage.engine import Database
from gql_auth.storage.migrate import BEFORE, HEAD, VERSION_TABLE, SchemaOutdated, current, migrate
from gql_auth.storage.places import database_url
from gql_auth.tables import TABLES, metadata
from tests.database import look
from tests.support import PASSWORD, SECRET, GraphQLClient

OURS = {table.name for table in TABLES}


@contextmanager
def connected(settings: Settings) -> Iterator[Connection]:
    """A connection of an onlooker's; what it does commits."""
    engine = create_engine(database_url(settings, synchronous=True), poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


def tables(settings: Settings) -> set[str]:
    with connected(settings) as connection:
        return set(inspect(connection).get_table_names())


def differences(settings: Settings) -> list[Any]:
    """What Alembic would change to make the database what the models say."""
    with connected(settings) as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                # Other tests' host tables are in the same metadata.
                "include_object": lambda _item, name, kind, *_: kind != "table" or name in OURS,
            },
        )
        found: list[Any] = compare_metadata(context, metadata)
        return found


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings on a database with nothing in it."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    return Settings(data_dir=tmp_path, database_url=url, secret=SECRET, bcrypt_cost=10)


@pytest.fixture
def postgresql(tmp_path: Path, postgres_url: str) -> Settings:
    """Settings on an empty PostgreSQL database."""
    return Settings(data_dir=tmp_path, database_url=postgres_url, secret=SECRET, bcrypt_cost=10)


def test_models_and_migrations_agree(settings: Settings) -> None:
    """The migrations make just the tables that the models describe."""
    assert differences(settings) == []
    assert tables(settings) == OURS | {VERSION_TABLE}


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE gql_auth_users ADD COLUMN shoe_size INTEGER",
        "ALTER TABLE gql_auth_sessions DROP COLUMN user_agent",
        "DROP INDEX ix_gql_auth_sessions_revoked_at",
        "DROP TABLE gql_auth_passwords",
    ],
)
def test_a_difference_would_be_found(settings: Settings, change: str) -> None:
    """The comparison that finds nothing between models and migrations does find what differs."""
    with connected(settings) as connection:
        connection.execute(text(change))
    assert differences(settings) != []


def test_the_newest_migration_is_the_one_that_is_wanted() -> None:
    """The revision that a start asks for is the last one of those shipped."""
    config = Config()
    folder = Path(gql_auth.__file__).parent / "storage/migrations"
    config.set_main_option("script_location", str(folder))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


async def test_migrating_twice(settings: Settings) -> None:
    """A second migration changes nothing and keeps what is stored."""
    async with GraphQLAuth(settings).running() as system:
        await system.part(SignIn).create_account(
            email="ada@example.com", password=PASSWORD, username=None, name=None
        )
    before = look(settings, select(UserRow)), look(settings, select(PasswordRow))
    migrate(settings)
    migrate(settings)
    assert current(settings) == HEAD
    assert (look(settings, select(UserRow)), look(settings, select(PasswordRow))) == before
    assert differences(settings) == []


def test_a_migration_that_fails_leaves_nothing(empty: Settings) -> None:
    """A migration happens whole or not at all: after the mend it runs."""
    with connected(empty) as connection:
        connection.execute(text("CREATE TABLE gql_auth_events (id INTEGER)"))
    with pytest.raises((SQLAlchemyError, gql_auth.Unavailable)):
        migrate(empty)
    assert tables(empty) - {VERSION_TABLE} == {"gql_auth_events"}
    assert current(empty) is None
    with connected(empty) as connection:
        connection.execute(text("DROP TABLE gql_auth_events"))
    migrate(empty)
    assert differences(empty) == []


@pytest.mark.parametrize("act", ["migrate", "prepare"])
def test_processes_that_migrate_at_once(postgresql: Settings, tmp_path: Path, act: str) -> None:
    """Processes that migrate one database together all succeed, and it is migrated once.
    PostgreSQL's by `gql-auth migrate`; SQLite's by starting."""
    settings = postgresql if act == "migrate" else Settings(data_dir=tmp_path, secret=SECRET)
    program = (
        "import sys\n"
        "from gql_auth.kernel.settings import Settings\n"
        "from gql_auth.storage.migrate import migrate\n"
        "from gql_auth.preparing import prepare\n"
        "settings = Settings.from_environment()\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        f"{act}(settings)\n"
    )
    environment = {
        **os.environ,
        "GQL_AUTH_DATA_DIR": str(settings.data_dir),
        "GQL_AUTH_DATABASE_URL": settings.database_url,
        "GQL_AUTH_SECRET": SECRET,
        "PYTHONPATH": str(Path(gql_auth.__file__).parents[1]),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=60)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [process.returncode for process in processes] == [0, 0], said
    assert differences(settings) == []
    with connected(settings) as connection:
        assert connection.scalar(text(f"SELECT count(*) FROM {VERSION_TABLE}")) == 1


async def test_an_empty_postgresql_is_not_served(postgresql: Settings) -> None:
    """Without a migrated schema, and told not to migrate, the start is refused and names the
    command; nothing is made."""
    with pytest.raises(SchemaOutdated, match=r"is at nothing, .* Run: gql-auth migrate"):
        async with GraphQLAuth(replace(postgresql, migrate_on_start=False)).running():
            pass
    assert tables(postgresql) == set()
    migrate(postgresql)
    async with GraphQLAuth(postgresql).running() as system:
        assert len(system.jwks["keys"]) == 2


@pytest.mark.parametrize(
    ("found", "mend"),
    [("0000", r"is at 0000, .* Run: gql-auth migrate"), ("9999", r"is at 9999, .* newer release")],
)
async def test_another_schema_is_not_served(postgresql: Settings, found: str, mend: str) -> None:
    """A schema that is older or newer than the release refuses the start and says what to do."""
    migrate(postgresql)
    with connected(postgresql) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{found}'"))
    with pytest.raises(SchemaOutdated, match=mend):
        async with GraphQLAuth(postgresql).running():
            pass


async def test_sqlite_is_migrated_at_start(tmp_path: Path) -> None:
    """On the embedded database a start makes folder and schema; the next one finds them."""
    settings = Settings(data_dir=tmp_path / "a/b", secret=SECRET, bcrypt_cost=10)
    async with GraphQLAuth(settings).running() as system:
        grant = await system.part(SignIn).signup(
            email="ada@example.com", password=PASSWORD, username=None, name=None, client=Client()
        )
    assert current(settings) == HEAD
    async with GraphQLAuth(settings).running() as system:
        assert system.authenticate(grant.access.token).user_id == grant.user.id
    assert differences(settings) == []


async def test_sqlite_is_set_up_on_every_connection(sqlite_settings: Settings) -> None:
    """Write-ahead log, full synchronisation, foreign keys and patience hold on each connection
    of the pool, for readers and writers."""
    database = Database(sqlite_settings)
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }
    try:
        async with AsyncExitStack() as stack:
            held = [
                await stack.enter_async_context(database.reading())
                for _ in range(sqlite_settings.database_pool_size - 1)
            ]
            held.append(await stack.enter_async_context(database.writing()))
            for connection in held:
                for name, value in wanted.items():
                    found = await connection.execute(text(f"PRAGMA {name}"))
                    assert found.scalar() == value, name
    finally:
        await database.close()


async def test_foreign_keys_are_enforced(settings: Settings) -> None:
    """A password of nobody cannot be stored, and an account takes its password with it."""
    now = SystemClock().now()
    orphan = insert(PasswordRow).values(user_id=uuid4(), hash="x", changed_at=now)
    database = Database(settings)
    try:
        async with database.writing() as connection:
            await connection.begin()
            with pytest.raises(IntegrityError):
                await connection.execute(orphan)
            await connection.rollback()
        async with GraphQLAuth(settings).running() as system:
            await system.part(SignIn).create_account(
                email="ada@example.com", password=PASSWORD, username=None, name=None
            )
        assert len(look(settings, select(PasswordRow))) == 1
        async with database.writing() as connection:
            await connection.begin()
            await connection.execute(text("DELETE FROM gql_auth_users"))
            await connection.commit()
        assert look(settings, select(PasswordRow)) == []
    finally:
        await database.close()


async def test_readers_go_on_while_one_writes(sqlite_settings: Settings) -> None:
    """An open write holds up no reader, who sees what was committed before it."""
    database = Database(sqlite_settings)
    try:
        async with asyncio.timeout(5), database.writing() as writer:
            await writer.begin()
            await writer.execute(text("DELETE FROM gql_auth_migrations"))
            async with database.reading() as reader:
                found = await reader.execute(text("SELECT version_num FROM gql_auth_migrations"))
                assert found.scalar() == HEAD
            await writer.rollback()
    finally:
        await database.close()


def back_to_the_release_before(settings: Settings) -> None:
    """The schema as the release before made it."""
    with connected(settings) as connection:
        for name in ("mails", "links"):
            connection.execute(text(f"DROP TABLE gql_auth_{name}"))
        connection.execute(text("DROP INDEX ix_gql_auth_users_deletes_at"))
        for name in ("deletes_at", "locale"):
            connection.execute(text(f"ALTER TABLE gql_auth_users DROP COLUMN {name}"))
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{BEFORE}'"))


async def test_a_release_runs_on_the_schema_of_the_one_before(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Servers may be replaced before the schema is migrated: everything works but mail, which is
    asked for in vain with the mend; once it is migrated the running server uses the new tables."""
    back_to_the_release_before(settings)
    auth = GraphQLAuth(replace(settings, migrate_on_start=False), manage_schema=False)
    transport = httpx.ASGITransport(create_app(auth))
    url = settings.public_url
    async with (
        auth.running() as system,
        httpx.AsyncClient(transport=transport, base_url=url) as http,
    ):
        client = GraphQLClient(http, url)
        assert "release before" in caplog.text
        await client.signup()
        assert (await client.refresh())["__typename"] == "AuthPayload"
        assert (await client.me())["data"]["me"]["email"] == "ada@example.com"
        await system.clean()
        assert (await client.login(PASSWORD))["__typename"] == "AuthPayload"
        await system.deliver()
        with pytest.raises(Unavailable, match="gql-auth migrate"):
            async with system.units.write() as unit:
                await unit.get(Outbox).ask("forgot-password", {})
        assert "gql_auth_mails" not in tables(settings)
        await asyncio.to_thread(migrate, settings)
        await system.learn()
        async with system.units.write() as unit:
            await unit.get(Outbox).ask("forgot-password", {})
        with connected(settings) as connection:
            assert connection.scalar(text("SELECT count(*) FROM gql_auth_mails")) == 1


async def test_a_start_without_the_right_to_migrate(
    postgresql: Settings, postgres_url: str
) -> None:
    """A server whose role may not change the schema starts on the schema of the release before;
    on an empty database it says what the database says."""
    migrate(postgresql)
    back_to_the_release_before(postgresql)
    role = f"server_{secrets.token_hex(4)}"
    with connected(postgresql) as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN PASSWORD 'x'"))
        connection.execute(text("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "
                                f"public TO {role}"))  # fmt: skip
        connection.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
    parts = urlsplit(postgres_url)
    host = parts.netloc.rpartition("@")[2]
    url = urlunsplit(parts._replace(netloc=f"{role}:x@{host}"))
    try:
        async with GraphQLAuth(replace(postgresql, database_url=url)).running() as system:
            assert len(system.jwks["keys"]) == 2
        assert current(postgresql) == BEFORE
    finally:
        with connected(postgresql) as connection:
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))

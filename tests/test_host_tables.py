"""A host's own tables and migration history around ours, as docs/library.md tells to do it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.pool import NullPool

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.kernel.settings import Settings
from gql_auth.storage.migrate import migrate
from gql_auth.storage.places import database_url
from tests.support import SECRET, GraphQLClient

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/library.md").read_text()

# What the page prints, so that what is tested here is what a reader copies.
SQLMODEL = """\
from uuid import UUID

from sqlmodel import Field, SQLModel

import gql_auth.tables  # puts our tables into SQLModel.metadata


class Note(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: UUID = Field(foreign_key="gql_auth_users.id", ondelete="CASCADE", index=True)
    text: str
"""
SQLALCHEMY = '''\
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from gql_auth.tables import users


class Base(DeclarativeBase):
    """The application's own tables."""


class Note(Base):
    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey(users.c.id, ondelete="CASCADE"), index=True)
    text: Mapped[str]
'''
METADATA = {
    SQLMODEL: "target_metadata = SQLModel.metadata",
    SQLALCHEMY: "target_metadata = [gql_auth.tables.metadata, Base.metadata]",
}
LEAVE_OURS = "include_object=gql_auth.tables.not_ours"
TEMPLATE_IMPORTS = "import sqlmodel\nimport gql_auth.storage.types\n"

ENVIRONMENT = """\
import gql_auth.tables
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel
from models import *

{metadata}
with create_engine(context.config.get_main_option("url"), poolclass=NullPool).begin() as connection:
    context.configure(connection=connection, target_metadata=target_metadata{options})
    context.run_migrations()
"""
TEMPLATE = '''\
"""${message}"""
from alembic import op
import sqlalchemy as sa
IMPORTS${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}

def upgrade():
    ${upgrades if upgrades else "pass"}

def downgrade():
    ${downgrades if downgrades else "pass"}
'''
RUN = """\
import os, sys
from alembic import command
from alembic.config import Config
config = Config()
config.set_main_option("script_location", "history")
config.set_main_option("url", os.environ["HOST_DATABASE"].replace("%", "%%"))
command.revision(config, "ours and theirs", autogenerate=True)
command.upgrade(config, "head")
command.check(config)
"""


class HostProject:
    """A host's folder with models and an Alembic history."""

    def __init__(self, folder: Path, settings: Settings, models: str, options: str) -> None:
        self.folder = folder
        self.settings = settings
        (folder / "history/versions").mkdir(parents=True)
        (folder / "models.py").write_text(models)
        (folder / "run.py").write_text(RUN)
        environment = ENVIRONMENT.format(metadata=METADATA[models], options=options)
        (folder / "history/env.py").write_text(environment)
        template = TEMPLATE.replace("IMPORTS", TEMPLATE_IMPORTS)
        (folder / "history/script.py.mako").write_text(template)

    def autogenerate_and_upgrade(self) -> str:
        """One generated migration, run; and Alembic's word that nothing is left. Its text."""
        url = database_url(self.settings, synchronous=True)
        ran = subprocess.run(
            [sys.executable, "run.py"],
            cwd=self.folder,
            env={
                **os.environ,
                "HOST_DATABASE": url.render_as_string(hide_password=False),
                "PYTHONPATH": f"{ROOT}{os.pathsep}{self.folder}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert "No new upgrade operations detected" in ran.stdout
        (revision,) = (self.folder / "history/versions").glob("*.py")
        return revision.read_text()

    def engine(self) -> Engine:
        return create_engine(database_url(self.settings, synchronous=True), poolclass=NullPool)


@pytest.fixture
def empty_sqlite(tmp_path: Path) -> Settings:
    """Settings on an SQLite database with nothing in it."""
    return Settings(data_dir=tmp_path, secret=SECRET, bcrypt_cost=10)


@pytest.fixture
def empty_postgresql(tmp_path: Path, postgres_url: str) -> Settings:
    """Settings on a PostgreSQL database with nothing in it."""
    return Settings(data_dir=tmp_path, database_url=postgres_url, secret=SECRET, bcrypt_cost=10)


async def sign_up(auth: GraphQLAuth) -> UUID:
    """Somebody's id, after the whole round over HTTP."""
    async with auth.running():
        transport = httpx.ASGITransport(create_app(auth))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as http:
            client = GraphQLClient(http)
            user = (await client.signup())["user"]
            await client.refresh()
            assert (await client.me())["data"]["me"]["id"] == user["id"]
    return UUID(user["id"])


def add_note(connection: Connection, project: HostProject, owner: UUID) -> None:
    if project.settings.embedded:
        connection.execute(text("PRAGMA foreign_keys=ON"))
    value = owner.hex if project.settings.embedded else owner
    connection.execute(
        text("INSERT INTO note (owner_id, text) VALUES (:owner, 'hello')"), {"owner": value}
    )


def prove_foreign_key(project: HostProject, owner: UUID) -> None:
    """Notes belong to accounts there are, and go with them."""
    engine = project.engine()
    with pytest.raises(IntegrityError), engine.begin() as connection:
        add_note(connection, project, UUID(int=1))
    with engine.begin() as connection:
        add_note(connection, project, owner)
        assert connection.scalar(text("SELECT count(*) FROM note")) == 1
        connection.execute(text("DELETE FROM gql_auth_users"))
        assert connection.scalar(text("SELECT count(*) FROM note")) == 0


@pytest.mark.parametrize(
    ("database", "models"),
    [("empty_sqlite", SQLMODEL), ("empty_postgresql", SQLALCHEMY)],
    ids=["sqlite-sqlmodel", "postgresql-sqlalchemy"],
)
async def test_the_hosts_history_beside_ours(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, models: str
) -> None:
    """In one database, gql-auth migrates its tables and the host its own, which point at ours;
    the host's autogenerated migrations leave ours alone."""
    empty: Settings = request.getfixturevalue(database)
    project = HostProject(tmp_path, empty, models, ", " + LEAVE_OURS)
    migrate(empty)
    revision = project.autogenerate_and_upgrade()
    assert re.findall(r"create_table\(\s*'(\w+)'", revision) == ["note"]
    assert "drop_table('gql_auth" not in revision.partition("def downgrade")[0]
    prove_foreign_key(project, await sign_up(GraphQLAuth(empty)))


@pytest.mark.parametrize(
    ("database", "models"),
    [("empty_sqlite", SQLALCHEMY), ("empty_postgresql", SQLMODEL)],
    ids=["sqlite-sqlalchemy", "postgresql-sqlmodel"],
)
async def test_our_tables_in_the_hosts_history(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, models: str
) -> None:
    """A host that holds all tables in its own history generates ours too, and with
    `manage_schema=False` nothing of ours migrates or checks."""
    empty: Settings = request.getfixturevalue(database)
    project = HostProject(tmp_path, empty, models, "")
    project.autogenerate_and_upgrade()
    tables = set(inspect(project.engine()).get_table_names())
    assert {"note", "gql_auth_users", "gql_auth_sessions", "alembic_version"} <= tables
    assert "gql_auth_migrations" not in tables
    prove_foreign_key(project, await sign_up(GraphQLAuth(empty, manage_schema=False)))
    assert "gql_auth_migrations" not in inspect(project.engine()).get_table_names()


async def test_no_schema_and_nobody_to_make_it(tmp_path: Path) -> None:
    """With `manage_schema=False` an empty database stays empty, and the start fails by name."""
    settings = Settings(data_dir=tmp_path, secret=SECRET, bcrypt_cost=10)
    auth = GraphQLAuth(settings, manage_schema=False)
    with pytest.raises(OperationalError, match="no such table: gql_auth_keys"):
        async with auth.running():
            pass
    engine = create_engine(database_url(settings, synchronous=True), poolclass=NullPool)
    assert inspect(engine).get_table_names() == []


@pytest.mark.parametrize(
    "printed", [SQLMODEL, SQLALCHEMY, *METADATA.values(), LEAVE_OURS, TEMPLATE_IMPORTS]
)
def test_the_page_prints_what_is_tested(printed: str) -> None:
    """The models and settings of these tests are those that a reader finds on the page."""
    assert printed in PAGE

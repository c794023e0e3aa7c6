"""Bring the database's schema up to date, or say that it is not.

Alembic is imported when there is something to migrate: a server that finds its schema current
does not wait for it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.settings import Settings
from gql_auth.storage.locks import Lock, hold, make_leases
from gql_auth.storage.outages import sqlstate
from gql_auth.storage.places import conninfo, database_url

if TYPE_CHECKING:
    from alembic.config import Config

HEAD: Final = "0003"  # the newest revision in `migrations/versions`, what this release makes
# What it runs on besides: the schema of the release before, while that one is replaced.
BEFORE: Final = "0002"
VERSION_TABLE: Final = "gql_auth_migrations"
# Two that make the same table at the same time: the later one is told so, in one of these ways.
_LOST_RACE: Final = {"23505", "42P07", "42710"}


class SchemaOutdated(Exception):  # noqa: N818 - a state of affairs with one mend
    """The database's schema is not the one this release works on."""

    def __init__(self, found: str | None) -> None:
        mend = "Run: gql-auth migrate"
        if is_newer(found):
            mend = "A newer release made it: run that one, or restore the backup from before it"
        super().__init__(
            f"The database schema is at {found or 'nothing'}, this release needs {HEAD}. {mend}"
        )


def is_newer(found: str | None) -> bool:
    """Whether a release after this one made the schema; revisions count upwards."""
    return found is not None and found > HEAD


def _config() -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - see the module's docstring

    config = Config()
    # "%" is special to the configuration parser that Alembic keeps options in.
    config.set_main_option(
        "script_location", str(Path(__file__).parent / "migrations").replace("%", "%%")
    )
    return config


def _engine(settings: Settings) -> Engine:
    url = database_url(settings, synchronous=True)
    if settings.embedded:
        return create_engine(url, poolclass=NullPool)
    from psycopg import connect  # noqa: PLC0415 - not loaded on SQLite

    where = conninfo(settings, direct=True)
    return create_engine(url, poolclass=NullPool, creator=lambda: connect(where))


def current(settings: Settings) -> str | None:
    """The revision that the database is at; None where there is none.

    Raises:
        Unavailable: the database cannot be reached.
    """
    engine = _engine(settings)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(VERSION_TABLE):
                return None
            found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 - a constant
            return found.scalar_one_or_none()
    except OperationalError as error:
        raise Unavailable("The database cannot be reached") from error
    finally:
        engine.dispose()


def migrate(settings: Settings) -> None:
    """Run what is missing, in one transaction, one process at a time.

    Raises:
        SchemaOutdated: a newer release made the schema.
        Unavailable: the database cannot be reached.
    """
    if is_newer(found := current(settings)):
        raise SchemaOutdated(found)
    try:
        _upgrade(settings)
    except DBAPIError as error:
        if sqlstate(error) not in _LOST_RACE:
            raise
        _upgrade(settings)  # what the other one made is there now


def _upgrade(settings: Settings) -> None:
    from alembic import command  # noqa: PLC0415

    config = _config()
    engine = _engine(settings)
    if settings.embedded:
        # Left to itself the driver commits each statement that changes the schema: a start that
        # is killed half-way would leave tables that the next one trips over.
        event.listen(engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
        event.listen(engine, "begin", lambda opened: opened.exec_driver_sql("BEGIN IMMEDIATE"))
    advisory = settings.database_advisory_locks
    try:
        if not settings.embedded and not advisory:
            with engine.begin() as connection:
                make_leases(connection)
        with engine.begin() as connection:
            hold(connection, Lock.MIGRATIONS, advisory=advisory)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        raise Unavailable("The database cannot be reached") from error
    finally:
        engine.dispose()


def require_usable(settings: Settings) -> str:
    """The schema's revision, if this release runs on it.

    Raises:
        SchemaOutdated: naming the command that mends it.
        Unavailable: the database cannot be reached.
    """
    found = current(settings)
    if found not in {BEFORE, HEAD}:
        raise SchemaOutdated(found)
    return found

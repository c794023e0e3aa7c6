"""Bring the database's schema up to date, or say that it is not.

Alembic is imported when there is something to migrate: a server that finds its schema current
does not wait for it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.settings import Settings
from gql_auth.storage.engine import WAIT, database_url

if TYPE_CHECKING:
    from alembic.config import Config

HEAD: Final = "0001"  # the newest revision in `migrations/versions`, what this release works on
VERSION_TABLE: Final = "gql_auth_migrations"
_ADVISORY_LOCK: Final = 0x67716C61757468  # "gqlauth": one migrator at a time, cluster-wide


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
    # Without it a host that swallows packets holds the command for minutes.
    bounds = {} if settings.embedded else {"connect_timeout": int(WAIT)}
    url = database_url(settings, synchronous=True)
    return create_engine(url, poolclass=NullPool, connect_args=bounds)


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
    """Run what is missing, in one transaction.

    Raises:
        SchemaOutdated: a newer release made the schema.
        Unavailable: the database cannot be reached.
    """
    from alembic import command  # noqa: PLC0415

    if is_newer(found := current(settings)):
        raise SchemaOutdated(found)
    config = _config()
    engine = _engine(settings)
    if settings.embedded:
        # Left to itself the driver commits each statement that changes the schema: a start that
        # is killed half-way would leave tables that the next one trips over.
        event.listen(engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
        event.listen(engine, "begin", lambda opened: opened.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"),
                                   {"key": _ADVISORY_LOCK})  # fmt: skip
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        raise Unavailable("The database cannot be reached") from error
    finally:
        engine.dispose()


def require_current(settings: Settings) -> None:
    """Come back if the schema is the one this release works on.

    Raises:
        SchemaOutdated: naming the command that mends it.
        Unavailable: the database cannot be reached.
    """
    found = current(settings)
    if found != HEAD:
        raise SchemaOutdated(found)

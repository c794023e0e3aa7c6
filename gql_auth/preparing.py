"""What is made before anything runs: the master secret, the schema."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gql_auth.kernel.declaring import SettingsError
from gql_auth.kernel.entropy import random_name
from gql_auth.kernel.judging import SECRET_BYTES
from gql_auth.kernel.settings import Settings
from gql_auth.storage.migrate import BEFORE, HEAD, current, migrate, require_usable
from gql_auth.storage.places import sqlite_path

if TYPE_CHECKING:
    from filelock import FileLock

_log = logging.getLogger("gql_auth.system")

_NO_RIGHT: Final = "42501"  # PostgreSQL: insufficient_privilege


def master_secret(settings: Settings) -> bytes:
    """The master secret: from the settings, or from its file, made once with mode 0600.

    Raises:
        OSError: the file cannot be made or read.
        SettingsError: it holds too little to be a secret.
    """
    if settings.secret:
        return settings.secret.encode()
    path = secret_path(settings)
    if not path.exists():
        _make_secret(settings)
    if path.stat().st_mode & 0o077:
        _log.warning("the secret could be read by others; its mode is 0600 again")
        path.chmod(0o600)
    return kept_secret(settings)


def _make_secret(settings: Settings) -> None:
    path = secret_path(settings)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with preparation_lock(settings):
        if path.exists():
            return
        fresh = path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(random_name(48))
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)  # whole, or not there


def kept_secret(settings: Settings) -> bytes:
    """The master secret as its file holds it; changes nothing.

    Raises:
        OSError: the file is not there or cannot be read.
        SettingsError: it holds too little to be a secret (a full disk, an editor's slip).
    """
    path = secret_path(settings)
    secret = path.read_bytes().strip()
    if len(secret) < SECRET_BYTES:
        raise SettingsError(
            [f"{path} holds less than {SECRET_BYTES} characters: it is damaged. Put the secret "
             "that the database was made with back from a backup"]
        )  # fmt: skip
    return secret


def secret_path(settings: Settings) -> Path:
    """Where the master secret is kept on the embedded default."""
    return settings.data_dir / "secret"


def preparation_lock(settings: Settings) -> "FileLock":
    """Held while secret, schema and first keys are made, so that processes started together
    make one of each."""
    from filelock import FileLock  # noqa: PLC0415 - only where something is to be made

    return FileLock(settings.data_dir / "preparing.lock", mode=0o600)


def prepare(settings: Settings, *, by_the_way: bool = False) -> None:
    """Make what must be there before serving: folder and secret on SQLite, the schema on both.
    Started together, processes make one of each.

    Args:
        by_the_way: for a command that is about something else: it migrates no PostgreSQL.

    Raises:
        SchemaOutdated: the schema is one that this release does not run on, and may not change.
        Unavailable: the database cannot be reached.
    """
    if not settings.embedded:
        _prepare_postgres(settings, may_migrate=settings.migrate_on_start and not by_the_way)
        return
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = sqlite_path(settings)
    assert path is not None  # noqa: S101 - embedded means SQLite
    if path.exists() and current(settings) == HEAD:
        return  # a schema never goes back
    with preparation_lock(settings):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # before SQLite makes it with the umask; -wal and -shm follow it
        if current(settings) != HEAD:
            migrate(settings)


def _prepare_postgres(settings: Settings, *, may_migrate: bool) -> None:
    found = current(settings)
    if found == HEAD:
        return
    if not may_migrate or found not in {None, BEFORE}:
        require_usable(settings)
        return
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - loaded where it is needed anyway

    from gql_auth.storage.outages import sqlstate  # noqa: PLC0415

    try:
        migrate(settings)
    except DBAPIError as error:
        # The role may not change the schema: then the operator migrates, before or after.
        if found != BEFORE or sqlstate(error) != _NO_RIGHT:
            raise

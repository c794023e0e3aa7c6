"""What drivers raise about the database itself, as the refusal that clients are told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gql_auth.kernel.errors import Unavailable

# Verdicts on our statements or defects in them; all else that a driver raises is about the
# database: not there, full, read-only, damaged, out of memory, deadlocked.
_OURS: Final = {"IntegrityError", "ProgrammingError", "DataError", "NotSupportedError"}
_READ_ONLY: Final = "25006"  # a standby, or a primary that was one: connect anew, elsewhere
_PREPARED: Final = {"26000", "42P05"}  # a pooler gave the connection to others in between


@asynccontextmanager
async def translated(seconds: float) -> AsyncIterator[None]:
    """Turn outages into `Unavailable`, and what takes longer than `seconds` too.

    A driver's text names hosts and files: it goes to the log as the cause, never to a client.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except PoolTimeout as error:
        raise Unavailable(cause="no connection is free") from error
    except DBAPIError as error:
        if is_outage(error):
            raise Unavailable(cause=name_of(error)) from error
        raise
    except OSError as error:  # a TimeoutError is one
        raise Unavailable(cause=name_of(error)) from error


def is_outage(error: DBAPIError) -> bool:
    """Whether the database is the trouble, and waiting may mend it."""
    if error.connection_invalidated or sqlstate(error) in _PREPARED:
        return True
    # SQLite calls a missing table or column operational too; waiting mends neither.
    if getattr(error.orig, "sqlite_errorname", None) == "SQLITE_ERROR":
        return False
    return type(error).__name__ not in _OURS


def is_stale(error: DBAPIError) -> bool:
    """Whether the connection, not the statement, is of no use any more."""
    return sqlstate(error) in {_READ_ONLY, *_PREPARED}


def sqlstate(error: DBAPIError) -> str | None:
    """PostgreSQL's code of an error (its appendix A)."""
    found: str | None = getattr(error.orig, "sqlstate", None)
    return found


def name_of(cause: BaseException) -> str:
    """What the log says of an outage: the error's own code, never a text that names a place."""
    if isinstance(cause, DBAPIError):
        return code_of(cause.orig, sqlstate(cause))
    return type(cause).__name__


def code_of(error: BaseException | None, code: str | None = None) -> str:
    """What the log says of a driver's own error."""
    return f"{type(error).__name__} {getattr(error, 'sqlite_errorname', code) or ''}".strip()

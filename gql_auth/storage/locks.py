"""One at a time among all processes on one database.

On PostgreSQL by advisory locks, or by rows of `gql_auth_leases` on engines that have none; both
are bound to a transaction, so that a pooler in transaction mode changes nothing and a process
that dies leaves nothing locked. SQLite has one writer anyway.
"""

from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final, Self

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gql_auth.kernel.clock import Clock
from gql_auth.kernel.entropy import random_name
from gql_auth.kernel.feature import Parts
from gql_auth.storage.types import UtcDateTime

LEASES: Final = "gql_auth_leases"


class Lock(IntEnum):
    """What may be done by one at a time. The numbers are the advisory locks' (ASCII words), and
    stay: releases that run side by side must mean the same."""

    MIGRATIONS = 0x67716C61757468  # "gqlauth"
    KEYS = 0x67716B657973  # "gqkeys"
    HOUSEKEEPING = 0x6771686F757365  # "gqhouse"
    MAIL = 0x67716D61696C  # "gqmail"


# A row's lock ends with the transaction, like an advisory one.
_HOLD: Final = text(
    f"INSERT INTO {LEASES} (name) VALUES (:name) "  # noqa: S608 - a constant
    "ON CONFLICT (name) DO UPDATE SET name = excluded.name"
)
_TRY: Final = text(
    f"INSERT INTO {LEASES} AS held (name, holder, until) VALUES (:name, :me, :until) "  # noqa: S608
    "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until "
    "WHERE held.holder = excluded.holder OR held.until IS NULL OR held.until < :now"
).bindparams(bindparam("now", type_=UtcDateTime), bindparam("until", type_=UtcDateTime))
_LET_GO: Final = text(
    f"UPDATE {LEASES} SET until = NULL WHERE name = :name AND holder = :me"  # noqa: S608 - a constant
)
_MAKE: Final = text(
    f"CREATE TABLE IF NOT EXISTS {LEASES} "
    "(name VARCHAR(40) PRIMARY KEY, holder VARCHAR(40), until TIMESTAMP WITH TIME ZONE)"
)
_ADVISORY: Final = text("SELECT pg_advisory_xact_lock(:key)")
_TRY_ADVISORY: Final = text("SELECT pg_try_advisory_xact_lock(:key)")


class Locks:
    """Locks of one process.

    Args:
        advisory: whether the engine has advisory locks.
    """

    def __init__(self, *, advisory: bool) -> None:
        self._advisory = advisory
        self._me = random_name()

    async def hold(self, connection: AsyncConnection, lock: Lock) -> None:
        """Be the only one until the transaction ends; waits for others."""
        await connection.run_sync(hold, lock, advisory=self._advisory)

    async def try_hold(
        self, connection: AsyncConnection, lock: Lock, now: datetime, span: timedelta
    ) -> bool:
        """Be the only one for a span, if nobody else is: who began goes on, also after pauses
        that are shorter. The lease alone would do; with advisory locks nobody even waits."""
        if self._advisory and connection.dialect.name == "postgresql":
            got = await connection.execute(_TRY_ADVISORY, {"key": lock.value})
            if not got.scalar_one():
                return False
        values = {"name": lock.name.lower(), "me": self._me, "now": now, "until": now + span}
        return (await connection.execute(_TRY, values)).rowcount == 1

    async def let_go(self, connection: AsyncConnection, lock: Lock) -> None:
        """End a lease of this process's, if it has one."""
        await connection.execute(_LET_GO, {"name": lock.name.lower(), "me": self._me})


class Turn:
    """Whose turn it is to do what one process does for all, in the open unit."""

    def __init__(self, connection: AsyncConnection, locks: Locks, clock: Clock) -> None:
        self._connection = connection
        self._locks = locks
        self._clock = clock

    @classmethod
    def of(cls, parts: Parts, _unit: object, connection: AsyncConnection) -> Self:
        """For the unit to make."""
        return cls(connection, parts.part(Locks), parts.part(Clock))

    async def is_mine(self, span: timedelta, lock: Lock = Lock.HOUSEKEEPING) -> bool:
        """Whether this process may go on; nobody else may for that span."""
        now = self._clock.now()
        return await self._locks.try_hold(self._connection, lock, now, span)

    async def is_over(self, lock: Lock = Lock.HOUSEKEEPING) -> None:
        """Somebody else may go on."""
        await self._locks.let_go(self._connection, lock)


def hold(connection: Connection, lock: Lock, *, advisory: bool) -> None:
    """Be the only one until the transaction ends."""
    if connection.dialect.name == "sqlite":
        return
    if advisory:
        connection.execute(_ADVISORY, {"key": lock.value})
    else:
        connection.execute(_HOLD, {"name": lock.name.lower()})


def make_leases(connection: Connection) -> None:
    """Make the table of leases: migrations themselves are taken in turn by it."""
    connection.execute(_MAKE)

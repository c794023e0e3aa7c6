"""Buckets in SQL. One conditional upsert is the whole decision; its row count is the verdict."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, select

from gql_auth.features.throttle.core import SLACK
from gql_auth.features.throttle.tables import KnownAddressRow, ThrottleRow
from gql_auth.storage.types import UtcDateTime

_TAKE: Final = text(
    "INSERT INTO gql_auth_throttles AS bucket (key, full_until) VALUES (:key, :fresh) "
    "ON CONFLICT (key) DO UPDATE SET full_until = "
    "CASE WHEN bucket.full_until > :impossible THEN :full "
    "WHEN bucket.full_until > :level THEN bucket.full_until + :drop ELSE :level + :drop END "
    "WHERE bucket.full_until <= :room OR bucket.full_until > :impossible"
)
_GIVE_BACK: Final = text(
    "UPDATE gql_auth_throttles SET full_until = full_until - :drop WHERE key = :key"
)
_REMEMBER: Final = text(
    "INSERT INTO gql_auth_known_addresses (key, seen_at) VALUES (:key, :at) "
    "ON CONFLICT (key) DO UPDATE SET seen_at = excluded.seen_at"
).bindparams(bindparam("at", type_=UtcDateTime))
_UNTIL: Final = select(ThrottleRow.full_until)
_KNOWN: Final = select(KnownAddressRow.key)


class SqlThrottles:
    """Implements `ThrottleStore`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def take(self, key: bytes, *, drop: int, size: int, level: int, now: int) -> int:
        """Put a drop into a bucket if there is room for it."""
        room, level = now + size - drop, max(level, now)
        if level > room:
            return level - room
        values = {"key": key, "fresh": level + drop, "drop": drop, "level": level, "room": room,
                  "full": now + size, "impossible": now + size + SLACK}  # fmt: skip
        if (await self._connection.execute(_TAKE, values)).rowcount == 1:
            return 0
        found = await self._connection.execute(_UNTIL.where(col(ThrottleRow.key) == key))
        until = found.scalar_one_or_none()
        # Drained and removed between the two: there is room by now.
        return max(until - room, 1) if until is not None else 1

    async def give_back(self, key: bytes, *, drop: int) -> None:
        """Take a drop out again."""
        await self._connection.execute(_GIVE_BACK, {"key": key, "drop": drop})

    async def knows(self, key: bytes) -> bool:
        """Whether the account has signed in from the address."""
        found = await self._connection.execute(_KNOWN.where(col(KnownAddressRow.key) == key))
        return found.first() is not None

    async def remember(self, keys: Sequence[bytes], at: datetime) -> None:
        """The account signs in from the address."""
        await self._connection.execute(_REMEMBER, [{"key": key, "at": at} for key in keys])

    async def remove_empty(self, now: int, limit: int) -> int:
        """Remove buckets that have drained."""
        empty = (
            select(ThrottleRow.key)
            .where(col(ThrottleRow.full_until) < now)
            .limit(limit)
            .with_for_update(skip_locked=True)  # what somebody is filling is not empty
        )
        # Asked again: one that was filled since its key was read stays.
        gone = delete(ThrottleRow).where(
            col(ThrottleRow.key).in_(empty), col(ThrottleRow.full_until) < now
        )
        return (await self._connection.execute(gone)).rowcount

    async def remove_unseen(self, since: datetime, limit: int) -> int:
        """Remove addresses that were not seen since."""
        old = (
            select(KnownAddressRow.key)
            .where(col(KnownAddressRow.seen_at) < since)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        gone = delete(KnownAddressRow).where(
            col(KnownAddressRow.key).in_(old), col(KnownAddressRow.seen_at) < since
        )
        return (await self._connection.execute(gone)).rowcount

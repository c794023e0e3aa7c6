"""Signing keys in SQL."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, insert, select, update

from gql_auth.features.keys.core import StoredKey
from gql_auth.features.keys.tables import KeyRow
from gql_auth.storage.announcements import Announcements
from gql_auth.storage.locks import Lock, Locks


class SqlKeys:
    """Implements `KeyStore`."""

    def __init__(
        self, connection: AsyncConnection, locks: Locks, announcements: Announcements
    ) -> None:
        self._connection = connection
        self._locks = locks
        self._announcements = announcements

    async def add(self, key: StoredKey) -> None:
        """Keep a new key."""
        await self._connection.execute(
            insert(KeyRow).values(
                kid=key.kid,
                algorithm=key.algorithm,
                public_jwk=dict(key.public_jwk) if key.public_jwk is not None else None,
                private_encrypted=key.private_encrypted,
                created_at=key.created_at,
                activated_at=key.activated_at,
            )
        )
        await self._announcements.tell_changed(self._connection)

    async def all(self, *, lock: bool = False) -> list[StoredKey]:
        """Every key, oldest first; the lock is one of its own, as there may be no rows yet."""
        if lock:
            await self._locks.hold(self._connection, Lock.KEYS)
        rows = await self._connection.execute(
            select(KeyRow).order_by(col(KeyRow.created_at), col(KeyRow.kid))
        )
        return [
            StoredKey(
                kid=row.kid,
                algorithm=row.algorithm,
                public_jwk=row.public_jwk,
                private_encrypted=row.private_encrypted,
                created_at=row.created_at,
                activated_at=row.activated_at,
                replaced_at=row.replaced_at,
                retired_at=row.retired_at,
            )
            for row in rows
        ]

    async def mark(self, kid: str, **instants: datetime) -> None:
        """Set `activated_at`, `replaced_at` or `retired_at`."""
        await self._connection.execute(
            update(KeyRow).where(col(KeyRow.kid) == kid).values(**instants)
        )
        await self._announcements.tell_changed(self._connection)

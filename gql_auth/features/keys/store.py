"""Signing keys in SQL."""

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, insert, select, update

from gql_auth.features.keys.core import StoredKey
from gql_auth.features.keys.tables import KeyRow

_ADVISORY_LOCK: Final = 0x67716B657973  # "gqkeys": one rotation at a time, also on no rows


class SqlKeys:
    """Implements `KeyStore`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

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

    async def all(self, *, lock: bool = False) -> list[StoredKey]:
        """Every key, oldest first. SQLite's writers are alone anyway."""
        if lock and self._connection.dialect.name == "postgresql":
            await self._connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK}
            )
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

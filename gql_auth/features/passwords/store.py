"""Password hashes in SQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, insert, select, update

from gql_auth.features.passwords.tables import PasswordRow


class SqlPasswords:
    """Implements `PasswordStore`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, user_id: UUID, *, hold: bool = False) -> str | None:
        """The stored hash."""
        query = select(PasswordRow.hash).where(col(PasswordRow.user_id) == user_id)
        if hold:
            query = query.with_for_update(read=True)
        return (await self._connection.execute(query)).scalar_one_or_none()

    async def add(self, user_id: UUID, stored: str, at: datetime) -> None:
        """Keep the hash of a new account."""
        await self._connection.execute(
            insert(PasswordRow).values(user_id=user_id, hash=stored, changed_at=at)
        )

    async def replace(self, user_id: UUID, before: str, after: str, at: datetime) -> bool:
        """Put `after` in the place of `before`."""
        done = await self._connection.execute(
            update(PasswordRow)
            .where(col(PasswordRow.user_id) == user_id, col(PasswordRow.hash) == before)
            .values(hash=after, changed_at=at)
        )
        return done.rowcount == 1

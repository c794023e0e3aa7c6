"""Accounts in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, insert, select, update

from gql_auth.features.users.core import EmailTaken, Profile, User, UsernameTaken, comparable
from gql_auth.features.users.tables import UserRow
from gql_auth.storage.types import new_id

# Built once: making a statement costs more than SQLite's answer to it, and `me` asks each time.
_BY_ID: Final = select(UserRow).where(col(UserRow.id) == bindparam("wanted"))
_HELD: Final = _BY_ID.with_for_update(read=True)
_BY_IDS: Final = select(UserRow).where(col(UserRow.id).in_(bindparam("wanted", expanding=True)))


class SqlUsers:
    """Implements `UserStore`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, profile: Profile, roles: Sequence[str], at: datetime) -> User:
        """Keep a new account; the unique constraints decide races."""
        values: dict[str, Any] = {
            "id": new_id(),
            "email": profile.email,
            "email_verified": False,
            "username": profile.username,
            "name": profile.name,
            "roles": list(roles),
            "created_at": at,
            "disabled_at": None,
        }
        username_key = comparable(profile.username) if profile.username else None
        try:
            await self._connection.execute(
                insert(UserRow).values(
                    email_key=comparable(profile.email), username_key=username_key, **values
                )
            )
        except IntegrityError as error:
            raise _taken(error) from None
        return User(**(values | {"roles": tuple(roles)}))

    async def get(self, user_id: UUID, *, hold: bool = False) -> User | None:
        """By id."""
        row = await self._connection.execute(_HELD if hold else _BY_ID, {"wanted": user_id})
        found = row.one_or_none()
        return None if found is None else _user(found)

    async def get_many(self, user_ids: Sequence[UUID]) -> list[User]:
        """Those of them that exist."""
        rows = await self._connection.execute(_BY_IDS, {"wanted": list(user_ids)})
        return [_user(row) for row in rows]

    async def by_email(self, key: str) -> User | None:
        """By comparable address."""
        return await self._one(select(UserRow).where(col(UserRow.email_key) == key))

    async def by_username(self, key: str) -> User | None:
        """By comparable username."""
        return await self._one(select(UserRow).where(col(UserRow.username_key) == key))

    async def page(self, after: UUID | None, limit: int) -> list[User]:
        """Accounts in order of id, behind `after`."""
        query = select(UserRow).order_by(col(UserRow.id)).limit(limit)
        if after is not None:
            query = query.where(col(UserRow.id) > after)
        return [_user(row) for row in await self._connection.execute(query)]

    async def set_disabled(self, user_id: UUID, at: datetime | None) -> None:
        """Disable at an instant, or enable."""
        await self._change(user_id, disabled_at=at)

    async def set_roles(self, user_id: UUID, roles: Sequence[str]) -> None:
        """Replace the roles."""
        await self._change(user_id, roles=list(roles))

    async def _change(self, user_id: UUID, **values: object) -> None:
        await self._connection.execute(
            update(UserRow).where(col(UserRow.id) == user_id).values(**values)
        )

    async def _one(self, query: Any) -> User | None:
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _user(row)


def _user(row: Any) -> User:
    return User(
        id=row.id,
        email=row.email,
        email_verified=row.email_verified,
        username=row.username,
        name=row.name,
        roles=tuple(row.roles),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )


def _taken(error: IntegrityError) -> Exception:
    """Which constraint said no; both databases name the column or the constraint."""
    text = str(error.orig)
    if "username_key" in text:
        return UsernameTaken()
    if "email_key" in text:
        return EmailTaken()
    return error

"""Accounts in SQL."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import bindparam, delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, insert, select, update

from gql_auth.features.users.core import EmailTaken, User, UsernameTaken, Users
from gql_auth.features.users.naming import Profile, comparable
from gql_auth.features.users.tables import UserRow
from gql_auth.kernel.unit import Units
from gql_auth.storage.glances import Glances
from gql_auth.storage.revision import Revision
from gql_auth.storage.statements import Statement, Unsettled, statement_of, swift
from gql_auth.storage.types import new_id

# The columns that the schema of the release before has not.
_NEW: Final = {"locale", "deletes_at"}


class _Reads:
    """Statements built once: making one costs more than SQLite's answer to it.

    Args:
        name: of the one by id, which is a swift one.
        without: columns that are not there.
    """

    def __init__(self, name: str, without: Collection[str]) -> None:
        columns = [each for each in UserRow.__table__.c if each.name not in without]  # type: ignore[attr-defined]
        self.all = select(*columns)
        self.by_id = swift(name, self.all.where(col(UserRow.id) == bindparam("wanted")))
        self.glance = cast(Statement, statement_of(self.by_id))
        # FOR NO KEY UPDATE: sessions may be opened meanwhile, and who holds it may change it.
        self.held = self.by_id.with_for_update(key_share=True)
        self.by_ids = self.all.where(col(UserRow.id).in_(bindparam("wanted", expanding=True)))


_READS: Final = _Reads("user", ())
_OLD_READS: Final = _Reads("user_before", _NEW)


class SqlUserGlance:
    """Implements `UserGlance`."""

    def __init__(self, glances: Glances, units: Units, revision: Revision) -> None:
        self._glances = glances
        self._units = units
        self._revision = revision

    async def get(self, user_id: UUID) -> User | None:
        """The account as it is committed now."""
        reads = _READS if self._revision.is_current else _OLD_READS
        with self._glances.span(), suppress(Unsettled):
            found: User | None = await self._glances.one(reads.glance, {"wanted": user_id}, _user)
            return found
        async with self._units.read() as unit:
            return await unit.get(Users).get(user_id)


class SqlUsers:
    """Implements `UserStore`.

    Args:
        migrated: whether the schema is this release's, and not that of the one before.
    """

    def __init__(self, connection: AsyncConnection, *, migrated: bool = True) -> None:
        self._connection = connection
        self._reads = _READS if migrated else _OLD_READS
        self._migrated = migrated

    async def add(
        self, profile: Profile, roles: Sequence[str], at: datetime, *, verified: bool
    ) -> User:
        """Keep a new account; the unique constraints decide races."""
        values: dict[str, Any] = {
            "id": new_id(),
            "email": profile.email,
            "email_verified": verified,
            "username": profile.username,
            "name": profile.name,
            "roles": list(roles),
            "created_at": at,
            "disabled_at": None,
        }
        if self._migrated:
            values["locale"] = profile.locale
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
        row = await self._connection.execute(
            self._reads.held if hold else self._reads.by_id, {"wanted": user_id}
        )
        found = row.one_or_none()
        return None if found is None else _user(found)

    async def get_many(self, user_ids: Sequence[UUID]) -> list[User]:
        """Those of them that exist."""
        rows = await self._connection.execute(self._reads.by_ids, {"wanted": list(user_ids)})
        return [_user(row) for row in rows]

    async def by_email(self, key: str) -> User | None:
        """By comparable address."""
        return await self._one(self._reads.all.where(col(UserRow.email_key) == key))

    async def by_username(self, key: str) -> User | None:
        """By comparable username."""
        return await self._one(self._reads.all.where(col(UserRow.username_key) == key))

    async def page(self, after: UUID | None, limit: int) -> list[User]:
        """Accounts in order of id, behind `after`."""
        query = self._reads.all.order_by(col(UserRow.id)).limit(limit)
        if after is not None:
            query = query.where(col(UserRow.id) > after)
        return [_user(row) for row in await self._connection.execute(query)]

    async def change(self, user_id: UUID, values: Mapping[str, object]) -> None:
        """Replace some fields; the unique constraint decides races for a username."""
        values = dict(values)
        if "username" in values:
            username = cast(str | None, values["username"])
            values["username_key"] = comparable(username) if username else None
        try:
            await self._connection.execute(
                update(UserRow).where(col(UserRow.id) == user_id).values(**values)
            )
        except IntegrityError as error:
            raise _taken(error) from None

    async def change_email(self, user_id: UUID, *, before: str, after: str, verified: bool) -> bool:
        """Put an address in the place of another; the unique constraint decides races."""
        same = col(UserRow.email_key) == comparable(before)
        try:
            done = await self._connection.execute(
                update(UserRow)
                .where(col(UserRow.id) == user_id, same)
                .values(email=after, email_key=comparable(after), email_verified=verified)
            )
        except IntegrityError as error:
            raise _taken(error) from None
        return done.rowcount == 1

    async def due(self, before: datetime, limit: int) -> list[User]:
        """Accounts whose deletion is due, held."""
        query = (
            self._reads.all.where(col(UserRow.deletes_at) <= before)
            .order_by(col(UserRow.deletes_at))
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return [_user(row) for row in await self._connection.execute(query)]

    async def remove(self, user_id: UUID) -> None:
        """Remove an account; what hangs on it goes by foreign keys."""
        await self._connection.execute(delete(UserRow).where(col(UserRow.id) == user_id))

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
        locale=getattr(row, "locale", None),
        deletes_at=getattr(row, "deletes_at", None),
    )


def _taken(error: IntegrityError) -> Exception:
    """Which constraint said no; both databases name the column or the constraint."""
    text = str(error.orig)
    if "username_key" in text:
        return UsernameTaken()
    if "email_key" in text:
        return EmailTaken()
    return error

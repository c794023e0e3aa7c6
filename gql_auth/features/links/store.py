"""Links in SQL."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, insert, select, update

from gql_auth.features.links.core import Link
from gql_auth.features.links.tables import LinkRow
from gql_auth.storage.types import new_id


class SqlLinks:
    """Implements `LinkStore`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    def new_id(self) -> UUID:
        """An id for a link."""
        return new_id()

    async def add(self, link: Link) -> None:
        """Keep a new one."""
        values = {name: getattr(link, name) for name in Link.__dataclass_fields__}
        await self._connection.execute(insert(LinkRow).values(**values))

    async def by_token(self, token_hash: bytes) -> Link | None:
        """By its token."""
        query = select(LinkRow).where(col(LinkRow.token_hash) == token_hash)
        return _first(await self._connection.execute(query))

    async def alive(self, purpose: str, address_hash: bytes, now: datetime) -> Link | None:
        """The newest to an address that could still be used."""
        query = (
            select(LinkRow)
            .where(
                col(LinkRow.address_hash) == address_hash,
                col(LinkRow.purpose) == purpose,
                col(LinkRow.used_at).is_(None),
                col(LinkRow.replaced_at).is_(None),
                col(LinkRow.expires_at) > now,
            )
            .order_by(col(LinkRow.id).desc())
            .limit(1)
        )
        return _first(await self._connection.execute(query))

    async def replace(
        self, purpose: str, *, user_id: UUID | None, address_hash: bytes, at: datetime
    ) -> None:
        """Note that a newer one was asked for."""
        if user_id is None:
            whose = col(LinkRow.address_hash) == address_hash
        else:
            whose = col(LinkRow.user_id) == user_id
        await self._connection.execute(
            update(LinkRow)
            .where(
                whose,
                col(LinkRow.purpose) == purpose,
                col(LinkRow.used_at).is_(None),
                col(LinkRow.replaced_at).is_(None),
            )
            .values(replaced_at=at)
        )

    async def use(self, link_id: UUID, at: datetime) -> bool:
        """Use it up."""
        done = await self._connection.execute(
            update(LinkRow)
            .where(
                col(LinkRow.id) == link_id,
                col(LinkRow.used_at).is_(None),
                col(LinkRow.replaced_at).is_(None),
                col(LinkRow.expires_at) > at,
            )
            .values(used_at=at)
        )
        return done.rowcount == 1

    async def of_user(self, user_id: UUID) -> list[Link]:
        """The links of an account, newest first."""
        query = select(LinkRow).where(col(LinkRow.user_id) == user_id)
        rows = await self._connection.execute(query.order_by(col(LinkRow.id).desc()))
        return [_link(row) for row in rows]

    async def remove_before(self, instant: datetime, limit: int) -> int:
        """Remove those that expired before an instant."""
        old = select(LinkRow.id).where(col(LinkRow.expires_at) < instant)
        some = old.order_by(col(LinkRow.expires_at)).limit(limit)
        gone = await self._connection.execute(delete(LinkRow).where(col(LinkRow.id).in_(some)))
        return gone.rowcount


def _first(rows: Any) -> Link | None:
    row = rows.one_or_none()
    return None if row is None else _link(row)


def _link(row: Any) -> Link:
    return Link(**{name: getattr(row, name) for name in Link.__dataclass_fields__})

"""The outbox in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, insert, select, update

from gql_auth.features.mail.core import Item, Waiting
from gql_auth.features.mail.tables import MailRow
from gql_auth.storage.types import new_id


class SqlMails:
    """Implements `MailStore`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    def new_id(self) -> UUID:
        """An id for an item."""
        return new_id()

    async def add(self, item: Item) -> None:
        """Keep a new one."""
        values = {name: getattr(item, name) for name in Item.__dataclass_fields__}
        await self._connection.execute(insert(MailRow).values(**values))

    async def is_due(self, now: datetime, *, letters: bool) -> bool:
        """Whether something is to be tried by now."""
        query = select(MailRow.id).where(col(MailRow.due_at) <= now).limit(1)
        if not letters:
            query = query.where(col(MailRow.is_errand).is_(True))
        return (await self._connection.execute(query)).first() is not None

    async def errands(self, now: datetime, limit: int) -> list[Item]:
        """Errands to be run by now."""
        return await self._due(now, limit, errands=True)

    async def claim(self, now: datetime, limit: int, *, until: datetime) -> list[Item]:
        """Letters to be sent by now, put off."""
        found = await self._due(now, limit, errands=False)
        if found:
            await self._connection.execute(
                update(MailRow)
                .where(col(MailRow.id).in_([each.id for each in found]))
                .values(due_at=until)
            )
        return [replace(each, due_at=until) for each in found]

    async def _due(self, now: datetime, limit: int, *, errands: bool) -> list[Item]:
        query = (
            select(MailRow)
            .where(col(MailRow.due_at) <= now, col(MailRow.is_errand).is_(errands))
            .order_by(col(MailRow.due_at), col(MailRow.id))
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return [_item(row) for row in await self._connection.execute(query)]

    async def get(self, item_id: UUID) -> Item | None:
        """By id."""
        rows = await self._connection.execute(select(MailRow).where(col(MailRow.id) == item_id))
        row = rows.one_or_none()
        return None if row is None else _item(row)

    async def change(self, item: Item, values: Mapping[str, object]) -> bool:
        """Replace some fields, unless somebody else has taken it since."""
        query = update(MailRow).where(
            col(MailRow.id) == item.id, col(MailRow.due_at) == item.due_at
        )
        return (await self._connection.execute(query.values(**values))).rowcount == 1

    async def remove(self, ids: Sequence[UUID]) -> None:
        """They are done."""
        await self._connection.execute(delete(MailRow).where(col(MailRow.id).in_(ids)))

    async def of_user(self, user_id: UUID) -> list[Item]:
        """What waits for an account."""
        query = select(MailRow).where(col(MailRow.user_id) == user_id).order_by(col(MailRow.id))
        return [_item(row) for row in await self._connection.execute(query)]

    async def remove_of(self, user_id: UUID) -> None:
        """Remove what waits for an account."""
        await self._connection.execute(delete(MailRow).where(col(MailRow.user_id) == user_id))

    async def count(self) -> Waiting:
        """How many there are."""
        waits = col(MailRow.dead_at).is_(None)
        errand = col(MailRow.is_errand)
        query = select(
            func.count().filter(waits, errand.is_(False)),
            func.count().filter(waits, errand.is_(True)),
            func.min(col(MailRow.created_at)).filter(waits),
            func.count(col(MailRow.dead_at)),
        )
        return Waiting(*(await self._connection.execute(query)).one())

    async def page(self, after: UUID | None, limit: int, *, dead: bool) -> list[Item]:
        """Those that wait, or those given up."""
        query = select(MailRow).where(col(MailRow.dead_at).is_not(None).is_(dead))
        if after is not None:
            query = query.where(col(MailRow.id) > after)
        rows = await self._connection.execute(query.order_by(col(MailRow.id)).limit(limit))
        return [_item(row) for row in rows]

    async def revive(self, item_id: UUID, now: datetime) -> bool:
        """Have one that was given up tried again."""
        dead = update(MailRow).where(col(MailRow.id) == item_id, col(MailRow.dead_at).is_not(None))
        values = {"dead_at": None, "due_at": now, "attempts": 0}
        return (await self._connection.execute(dead.values(**values))).rowcount == 1

    async def remove_dead(self, before: datetime, limit: int) -> int:
        """Remove those given up before an instant."""
        old = select(MailRow.id).where(col(MailRow.dead_at) < before).limit(limit)
        gone = await self._connection.execute(delete(MailRow).where(col(MailRow.id).in_(old)))
        return gone.rowcount


def _item(row: Any) -> Item:
    return Item(**{name: getattr(row, name) for name in Item.__dataclass_fields__})

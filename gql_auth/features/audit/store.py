"""Audit events in SQL."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, insert, select

from gql_auth.features.audit.core import Event, Tag
from gql_auth.features.audit.tables import EventRow
from gql_auth.kernel.caller import Client
from gql_auth.storage.types import new_id


class SqlEvents:
    """Implements `EventStore`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, event: Event) -> None:
        """Keep one event."""
        await self._connection.execute(
            insert(EventRow).values(
                id=new_id(),
                tag=event.tag.value,
                at=event.at,
                user_id=event.user_id,
                session_id=event.session_id,
                ip_address=event.client.ip_address,
                user_agent=event.client.user_agent,
                detail=dict(event.detail),
            )
        )

    async def of_user(self, user_id: UUID, limit: int) -> list[Event]:
        """The newest events of an account, newest first."""
        rows = await self._connection.execute(
            select(EventRow)
            .where(col(EventRow.user_id) == user_id)
            .order_by(col(EventRow.at).desc(), col(EventRow.id).desc())
            .limit(limit)
        )
        return [_event(row) for row in rows]

    async def of_session(self, session_id: UUID, limit: int) -> list[Event]:
        """The events of a session, oldest first."""
        rows = await self._connection.execute(
            select(EventRow)
            .where(col(EventRow.session_id) == session_id)
            .order_by(col(EventRow.at), col(EventRow.id))
            .limit(limit)
        )
        return [_event(row) for row in rows]

    async def remove_of(self, user_id: UUID) -> None:
        """Remove the events of an account."""
        await self._connection.execute(delete(EventRow).where(col(EventRow.user_id) == user_id))

    async def remove_before(self, instant: datetime, limit: int) -> int:
        """Remove the oldest. Ids sort by time (UUIDv7), which spares an index by time; `at`
        decides, as a clock may have been wrong when an id was made."""
        floor = UUID(int=int(instant.timestamp() * 1000) << 80)
        old = select(EventRow.id).where(col(EventRow.id) < floor, col(EventRow.at) < instant)
        oldest = old.order_by(col(EventRow.id)).limit(limit)
        gone = await self._connection.execute(delete(EventRow).where(col(EventRow.id).in_(oldest)))
        return gone.rowcount


def _event(row: Any) -> Event:
    return Event(
        tag=Tag(row.tag),
        at=row.at,
        user_id=row.user_id,
        session_id=row.session_id,
        client=Client(row.ip_address, row.user_agent),
        detail=row.detail,
    )

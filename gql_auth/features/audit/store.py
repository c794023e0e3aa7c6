"""Audit events in SQL."""

from typing import Any
from uuid import UUID

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


def _event(row: Any) -> Event:
    return Event(
        tag=Tag(row.tag),
        at=row.at,
        user_id=row.user_id,
        session_id=row.session_id,
        client=Client(row.ip_address, row.user_agent),
        detail=row.detail,
    )

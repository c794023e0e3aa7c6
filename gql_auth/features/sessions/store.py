"""Sessions in SQL. Racing state changes by one conditional UPDATE; its row count is the verdict."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, func, literal, or_, tuple_, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, insert, select, update

from gql_auth.features.sessions.refusals import EndReason
from gql_auth.features.sessions.rotation import Session
from gql_auth.features.sessions.tables import SessionRow
from gql_auth.kernel.caller import Client
from gql_auth.storage.announcements import Announcements
from gql_auth.storage.statements import swift
from gql_auth.storage.types import UtcDateTime, new_id

_GET: Final = swift(
    "session",
    select(*SessionRow.__table__.c).where(col(SessionRow.id) == bindparam("wanted")),  # type: ignore[attr-defined]
)
_ROTATE: Final = swift(
    "session_rotated",
    update(SessionRow)
    .where(
        col(SessionRow.id) == bindparam("session"),
        col(SessionRow.generation) == bindparam("before"),
        col(SessionRow.revoked_at).is_(None),
    )
    .values(
        generation=bindparam("after"),
        rotated_at=bindparam("at"),
        confirmed=False,
        expires_at=bindparam("until"),
        ip_address=bindparam("address"),
        user_agent=bindparam("agent"),
    ),
)


class SqlSessions:
    """Implements `SessionStore`."""

    def __init__(self, connection: AsyncConnection, announcements: Announcements) -> None:
        self._connection = connection
        self._announcements = announcements

    async def add(self, user_id: UUID, at: datetime, expires_at: datetime, by: Client) -> Session:
        """Keep a new session, generation 0."""
        session = Session(
            id=new_id(),
            user_id=user_id,
            created_at=at,
            generation=0,
            rotated_at=at,
            confirmed=False,
            expires_at=expires_at,
            revoked_at=None,
            end_reason=None,
            client=by,
        )
        await self._connection.execute(
            insert(SessionRow).values(
                id=session.id,
                user_id=user_id,
                created_at=at,
                generation=0,
                rotated_at=at,
                confirmed=False,
                expires_at=expires_at,
                ip_address=by.ip_address,
                user_agent=by.user_agent,
            )
        )
        await self._announcements.tell_accounts(self._connection, [user_id])
        return session

    async def get(self, session_id: UUID) -> Session | None:
        """The row as it is now (READ COMMITTED on PostgreSQL, the only writer on SQLite)."""
        found = await self._connection.execute(_GET, {"wanted": session_id})
        row = found.one_or_none()
        return None if row is None else _session(row)

    async def rotate(
        self, before: Session, *, generation: int, at: datetime, expires_at: datetime, by: Client
    ) -> bool:
        """Move on to `generation` if nobody has since `before`."""
        values = {
            "session": before.id,
            "before": before.generation,
            "after": generation,
            "at": at,
            "until": expires_at,
            "address": by.ip_address,
            "agent": by.user_agent,
        }
        return (await self._connection.execute(_ROTATE, values)).rowcount == 1

    async def end(self, session: Session, at: datetime, reason: EndReason) -> bool:
        """End a session."""
        done = await self._connection.execute(
            update(SessionRow)
            .where(col(SessionRow.id) == session.id, col(SessionRow.revoked_at).is_(None))
            .values(revoked_at=at, end_reason=reason.value)
        )
        if done.rowcount != 1:
            return False
        await self._announcements.tell_ended(self._connection, [session.id], at)
        await self._announcements.tell_accounts(self._connection, [session.user_id])
        return True

    async def end_all(
        self, user_id: UUID, at: datetime, reason: EndReason, keep: UUID | None
    ) -> list[UUID]:
        """End the live sessions of an account but `keep`."""
        alive = select(SessionRow.id).where(
            col(SessionRow.user_id) == user_id,
            col(SessionRow.revoked_at).is_(None),
            col(SessionRow.expires_at) > at,
        )
        if keep is not None:
            alive = alive.where(col(SessionRow.id) != keep)
        # Locked in order of id, as `confirm` does: two that end the same rows cannot deadlock.
        held = await self._connection.execute(alive.order_by(col(SessionRow.id)).with_for_update())
        ended = list(held.scalars().all())
        await self._connection.execute(
            update(SessionRow)
            .where(col(SessionRow.id).in_(ended))
            .values(revoked_at=at, end_reason=reason.value)
        )
        await self._announcements.tell_ended(self._connection, ended, at)
        await self._announcements.tell_accounts(self._connection, [user_id] if ended else [])
        return ended

    async def of_user(self, user_id: UUID, alive_at: datetime | None) -> list[Session]:
        """Sessions newest first."""
        query = (
            select(SessionRow)
            .where(col(SessionRow.user_id) == user_id)
            .order_by(col(SessionRow.created_at).desc(), col(SessionRow.id).desc())
        )
        if alive_at is not None:
            query = query.where(
                col(SessionRow.revoked_at).is_(None), col(SessionRow.expires_at) > alive_at
            )
        return [_session(row) for row in await self._connection.execute(query)]

    async def clients_of(self, user_id: UUID, limit: int) -> list[Client]:
        """Where the newest sessions of an account were used last."""
        query = (
            select(SessionRow.ip_address, SessionRow.user_agent)
            .where(col(SessionRow.user_id) == user_id)
            .order_by(col(SessionRow.id).desc())
            .limit(limit)
        )
        return [Client(*row) for row in await self._connection.execute(query)]

    async def ended_since(
        self, since: datetime, after: UUID | None, limit: int
    ) -> list[tuple[UUID, datetime]]:
        """Ids and ends of sessions that ended since, in order of end and id."""
        place = (col(SessionRow.revoked_at), col(SessionRow.id))
        query = select(SessionRow.id, SessionRow.revoked_at).order_by(*place).limit(limit)
        if after is None:
            query = query.where(place[0] >= since)
        else:
            query = query.where(
                tuple_(*place) > tuple_(literal(since, UtcDateTime), literal(after))
            )
        rows = await self._connection.execute(query)
        return [(session_id, at) for session_id, at in rows if at is not None]

    async def changed_since(
        self, accounts: Sequence[UUID], since: datetime, now: datetime, limit: int
    ) -> list[Session]:
        """The newest sessions of these accounts that began, were ended or expired since."""
        expired = and_(
            col(SessionRow.revoked_at).is_(None),
            col(SessionRow.expires_at) >= since,
            col(SessionRow.expires_at) <= now,
        )
        changed = or_(
            col(SessionRow.created_at) >= since, col(SessionRow.revoked_at) >= since, expired
        )
        query = (
            select(SessionRow)
            .where(col(SessionRow.user_id).in_(accounts), changed)
            .order_by(col(SessionRow.id).desc())
            .limit(limit)
        )
        return [_session(row) for row in await self._connection.execute(query)]

    async def page(self, after: UUID | None, limit: int) -> list[tuple[UUID, datetime]]:
        """Ids behind `after`, in order, and when each session was or will be over."""
        over = func.coalesce(col(SessionRow.revoked_at), col(SessionRow.expires_at))
        query = select(SessionRow.id, type_coerce(over, UtcDateTime))
        if after is not None:
            query = query.where(col(SessionRow.id) > after)
        rows = await self._connection.execute(query.order_by(col(SessionRow.id)).limit(limit))
        return [(session_id, at) for session_id, at in rows]

    async def remove(self, sessions: Sequence[UUID]) -> int:
        """Delete rows that nobody is at; how many."""
        free = (
            select(SessionRow.id)
            .where(col(SessionRow.id).in_(sessions))
            .with_for_update(skip_locked=True)
        )
        gone = delete(SessionRow).where(col(SessionRow.id).in_(free))
        return (await self._connection.execute(gone)).rowcount

    async def confirm(self, seen: Mapping[UUID, int]) -> None:
        """Note generations whose tokens were seen in use, in order of id against deadlocks."""
        await self._connection.execute(
            update(SessionRow)
            .where(
                col(SessionRow.id) == bindparam("session"),
                col(SessionRow.generation) == bindparam("seen"),
                col(SessionRow.confirmed).is_(False),
            )
            .values(confirmed=True),
            [{"session": each, "seen": seen[each]} for each in sorted(seen)],
        )


def _session(row: Any) -> Session:
    return Session(
        id=row.id,
        user_id=row.user_id,
        created_at=row.created_at,
        generation=row.generation,
        rotated_at=row.rotated_at,
        confirmed=row.confirmed,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        end_reason=row.end_reason,
        client=Client(row.ip_address, row.user_agent),
    )

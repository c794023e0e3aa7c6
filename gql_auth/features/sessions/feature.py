"""What sessions plug in."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from gql_auth.features.audit.core import Audit
from gql_auth.features.notices.core import Notices
from gql_auth.features.sessions.core import SessionLimits, Sessions
from gql_auth.features.sessions.events import SessionEvents
from gql_auth.features.sessions.graph import (
    SessionBegan,
    SessionEnded,
    SessionMutation,
    SessionNotFoundType,
    SessionQuery,
    SessionSubscription,
)
from gql_auth.features.sessions.memory import EndedSessions
from gql_auth.features.sessions.refusals import SessionNotFound
from gql_auth.features.sessions.store import SqlSessions
from gql_auth.features.sessions.tables import SessionRow
from gql_auth.features.throttle.core import Throttles
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.feature import Batch, Feature
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Telemetry
from gql_auth.kernel.unit import Unit
from gql_auth.storage.announcements import Announcements

_ROUND: Final = timedelta(hours=1)  # between two walks through all sessions


class OverSessions:
    """Removes sessions that ended or expired long ago, walking through all of them by id."""

    what = "sessions"

    def __init__(self, settings: Settings) -> None:
        self._keep = settings.ended_session_retention
        self._after: UUID | None = None
        self._due: datetime | None = None

    async def batch(self, unit: Unit, now: datetime, limit: int) -> Batch:
        """Look at the next ones."""
        if self._due is not None and now < self._due:
            return Batch(0, more=False)
        before = now - self._keep
        removed, self._after = await unit.get(Sessions).sweep(self._after, before, limit)
        self._due = None if self._after else now + _ROUND
        return Batch(removed, more=self._after is not None)


feature = Feature(
    name="sessions",
    tables=(SessionRow,),
    services={
        Sessions: lambda parts, unit, connection: Sessions(
            SqlSessions(connection, parts.part(Announcements)),
            unit.get(Audit),
            unit,
            parts.part(Clock),
            parts.part(EndedSessions),
            parts.part(SessionEvents),
            parts.part(SessionLimits),
            unit.get(Throttles),
            unit.get(Notices),
            parts.part(Telemetry),
        )
    },
    chores=(OverSessions,),
    queries=(SessionQuery,),
    mutations=(SessionMutation,),
    subscriptions=(SessionSubscription,),
    types=(SessionBegan, SessionEnded),
    refusals={SessionNotFound: SessionNotFoundType},
)

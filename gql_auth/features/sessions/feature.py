"""What sessions plug in."""

from gql_auth.features.audit.core import Audit
from gql_auth.features.sessions.core import SessionLimits, SessionNotFound, Sessions
from gql_auth.features.sessions.graph import (
    SessionMutation,
    SessionNotFoundType,
    SessionQuery,
)
from gql_auth.features.sessions.memory import EndedSessions
from gql_auth.features.sessions.store import SqlSessions
from gql_auth.features.sessions.tables import SessionRow
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.feature import Feature

feature = Feature(
    name="sessions",
    tables=(SessionRow,),
    services={
        Sessions: lambda parts, unit, connection: Sessions(
            SqlSessions(connection),
            unit.get(Audit),
            unit,
            parts.part(Clock),
            parts.part(EndedSessions),
            parts.part(SessionLimits),
        )
    },
    queries=(SessionQuery,),
    mutations=(SessionMutation,),
    refusals={SessionNotFound: SessionNotFoundType},
)

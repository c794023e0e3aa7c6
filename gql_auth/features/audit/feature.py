"""What the audit trail plugs in."""

from gql_auth.features.audit.core import Audit, Listeners
from gql_auth.features.audit.store import SqlEvents
from gql_auth.features.audit.tables import EventRow
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.feature import Feature

feature = Feature(
    name="audit",
    tables=(EventRow,),
    services={
        Audit: lambda parts, unit, connection: Audit(
            SqlEvents(connection), unit, parts.part(Clock), parts.part(Listeners)
        )
    },
)

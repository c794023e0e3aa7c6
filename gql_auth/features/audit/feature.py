"""What the audit trail plugs in."""

from datetime import datetime

from gql_auth.features.audit.core import Audit, Listeners
from gql_auth.features.audit.store import SqlEvents
from gql_auth.features.audit.tables import EventRow
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.feature import Batch, Feature
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.unit import Unit


class OldEvents:
    """Removes events that are kept no longer."""

    what = "events"

    def __init__(self, settings: Settings) -> None:
        self._keep = settings.event_retention

    async def batch(self, unit: Unit, now: datetime, limit: int) -> Batch:
        """Remove some."""
        removed = await unit.get(Audit).forget(now - self._keep, limit)
        return Batch(removed, more=removed == limit)


feature = Feature(
    name="audit",
    tables=(EventRow,),
    services={
        Audit: lambda parts, unit, connection: Audit(
            SqlEvents(connection), unit, parts.part(Clock), parts.part(Listeners)
        )
    },
    chores=(OldEvents,),
)

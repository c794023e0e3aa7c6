"""What links plug in."""

from datetime import datetime, timedelta
from typing import Final

from gql_auth.features.keys.core import MasterSecret
from gql_auth.features.links.core import Links
from gql_auth.features.links.store import SqlLinks
from gql_auth.features.links.tables import LinkRow
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.feature import Batch, Feature
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.unit import Unit

_KEEP: Final = timedelta(days=7)  # so that an old link is told to be old


class OldLinks:
    """Removes links whose time was over a week ago."""

    what = "links"

    def __init__(self, _settings: Settings) -> None:
        """Their time is in them."""

    async def batch(self, unit: Unit, now: datetime, limit: int) -> Batch:
        """Remove some."""
        removed = await unit.get(Links).remove_before(now - _KEEP, limit)
        return Batch(removed, more=removed == limit)


feature = Feature(
    name="links",
    tables=(LinkRow,),
    services={
        Links: lambda parts, _unit, connection: Links(
            SqlLinks(connection), parts.part(Clock), parts.part(MasterSecret), parts.part(Settings)
        )
    },
    chores=(OldLinks,),
)

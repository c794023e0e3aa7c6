"""What an account's later life plugs in."""

from datetime import datetime

from gql_auth.features.life.core import change_email, erase
from gql_auth.features.life.graph import LifeMutation
from gql_auth.features.users.core import Users
from gql_auth.kernel.feature import Batch, Feature
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.unit import Unit


class DueDeletions:
    """Deletes accounts whose grace is over. Not before every process has forgotten their access
    tokens: that a session has ended is read from its row."""

    what = "accounts"

    def __init__(self, settings: Settings) -> None:
        self._rest = settings.access_token_ttl + 2 * settings.clock_leeway

    async def batch(self, unit: Unit, now: datetime, limit: int) -> Batch:
        """Delete some."""
        some = max(limit // 10, 1)  # each has rows of its own in several tables
        due = await unit.get(Users).due(now - self._rest, some)
        for user in due:
            await erase(unit, user)
        return Batch(len(due), more=len(due) == some)


feature = Feature(
    name="life",
    mutations=(LifeMutation,),
    chores=(DueDeletions,),
    errands={"change-email": change_email},
)

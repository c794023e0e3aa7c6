"""What mail plugs in."""

from datetime import datetime, timedelta
from typing import Any

from gql_auth.features.keys.core import MasterSecret
from gql_auth.features.keys.sealing import Seal
from gql_auth.features.mail.core import Bell, MailStore, Outbox
from gql_auth.features.mail.delivery import MailTurn
from gql_auth.features.mail.store import SqlMails
from gql_auth.features.mail.tables import MailRow
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.feature import Batch, Feature, Parts
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.unit import Unit
from gql_auth.storage.announcements import Announcements
from gql_auth.storage.locks import Lock, Turn
from gql_auth.storage.revision import Revision


def _outbox(parts: Parts, unit: Unit, connection: Any) -> Outbox:
    async def wake() -> None:
        unit.after_commit(parts.part(Bell).ring)
        await parts.part(Announcements).tell_mail(connection)

    return Outbox(
        SqlMails(connection),
        Seal(parts.part(MasterSecret), "mail"),
        unit,
        parts.part(Clock),
        wake,
        migrated=parts.part(Revision).is_current,
    )


class _MailTurn:
    """Implements `MailTurn` by a lease in the database, and an advisory lock where there is one."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    async def is_mine(self, span: timedelta) -> bool:
        """Whether this process may go on; nobody else may for that span."""
        return await self._turn.is_mine(span, Lock.MAIL)

    async def is_over(self) -> None:
        """Another process may go on."""
        await self._turn.is_over(Lock.MAIL)


class DeadMails:
    """Removes mails that were given up long ago."""

    what = "mails"

    def __init__(self, settings: Settings) -> None:
        self._keep = settings.event_retention

    async def batch(self, unit: Unit, now: datetime, limit: int) -> Batch:
        """Remove some."""
        removed = await unit.get(MailStore).remove_dead(now - self._keep, limit)
        return Batch(removed, more=removed == limit)


feature = Feature(
    name="mail",
    tables=(MailRow,),
    services={
        MailStore: lambda _parts, _unit, connection: SqlMails(connection),
        MailTurn: lambda _parts, unit, _connection: _MailTurn(unit.get(Turn)),
        Outbox: _outbox,
    },
    chores=(DeadMails,),
)

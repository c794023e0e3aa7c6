"""What every way to sign in comes to, once it has proven whose account it is: a session."""

from gql_auth.features.audit.core import Audit, Tag
from gql_auth.features.mail.core import MailKind
from gql_auth.features.notices.core import Notices
from gql_auth.features.sessions.core import Sessions
from gql_auth.features.sessions.refusals import EndReason
from gql_auth.features.sessions.rotation import Session
from gql_auth.features.signin.granting import Grants
from gql_auth.features.users.core import User, Users
from gql_auth.kernel.caller import Client
from gql_auth.kernel.transports import Presented
from gql_auth.kernel.unit import Unit


class Entrance:
    """Lets somebody in, in the open unit."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants

    async def enter(
        self, unit: Unit, account: User, client: Client, presented: Presented, *, factor: str
    ) -> Session:
        """Open a session of an account that is held and may sign in. A deletion that was to come is
        off; an owner who may not have expected this is told."""
        sessions, notices = unit.get(Sessions), unit.get(Notices)
        is_new = (
            notices.wants(MailKind.NEW_SIGN_IN)
            and await sessions.is_new_device(account.id, client)
            and not await self._is_own_device(unit, account, presented)
        )
        if account.deletes_at is not None:
            await unit.get(Users).schedule_deletion(account.id, None)
            await unit.get(Audit).record(Tag.DELETION_CANCELLED, user_id=account.id, client=client)
            await notices.tell(MailKind.DELETION_CANCELLED, account, client)
        session = await self.open(unit, account, client, presented)
        await unit.get(Audit).record(
            Tag.LOGGED_IN,
            user_id=account.id,
            session_id=session.id,
            client=client,
            factor=factor,
        )
        if is_new:
            await notices.tell(MailKind.NEW_SIGN_IN, account, client)
        return session

    async def open(
        self, unit: Unit, account: User, client: Client, presented: Presented
    ) -> Session:
        """Open a session in the place of the one whose refresh token was presented."""
        session = await unit.get(Sessions).open(account.id, client)
        claims = self._grants.read(presented)
        if claims is not None:
            await unit.get(Sessions).end(
                claims.session_id, EndReason.SIGNED_IN_AGAIN, client=client
            )
        return session

    async def _is_own_device(self, unit: Unit, account: User, presented: Presented) -> bool:
        """Whether the refresh token that was presented, dead or alive, is of this account."""
        claims = self._grants.read(presented)
        if claims is None:
            return False
        session = await unit.get(Sessions).find(claims.session_id)
        return session is not None and session.user_id == account.id

"""Notices to owners: what somebody did to their account that they should know of."""

from collections.abc import Collection
from uuid import UUID

from gql_auth.features.mail.core import Letter, MailKind, Outbox
from gql_auth.features.throttle.core import Throttles
from gql_auth.features.users.core import User, Users
from gql_auth.features.users.naming import comparable
from gql_auth.kernel.caller import Client
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.mailing import Notice


class Notices:
    """Notices in the open unit: sent if what they tell of is committed.

    Args:
        wanted: those that the operator has not turned off.
    """

    def __init__(
        self,
        outbox: Outbox,
        throttles: Throttles,
        users: Users,
        clock: Clock,
        wanted: Collection[Notice],
    ) -> None:
        self._outbox = outbox
        self._throttles = throttles
        self._users = users
        self._clock = clock
        self._wanted = wanted

    def wants(self, kind: MailKind) -> bool:
        """Whether the operator has not turned it off."""
        return Notice(kind.value) in self._wanted

    async def tell(self, kind: MailKind, user: User, client: Client | None, **more: str) -> None:
        """Tell the owner, at the address that `user` has.

        Too many of a kind are left out: a stranger's inbox shall not be flooded by an account
        that was made with its address, nor an owner's by a thief.
        """
        if not self.wants(kind):
            return
        recipient = comparable(user.email)
        if not await self._throttles.notice(kind, recipient, verified=user.email_verified):
            return
        words = told_of(client) | {"email": user.email, "at": self._clock.now().isoformat()} | more
        # The last mail outlives the account, and shall name it no more than it must.
        about = None if kind is MailKind.DELETION_DONE else user.id
        await self._outbox.post(
            Letter(kind=kind, to=user.email, locale=user.locale, words=words, user_id=about)
        )

    async def tell_owner(self, kind: MailKind, user_id: UUID, client: Client | None) -> None:
        """Tell the owner of an account."""
        if self.wants(kind) and (user := await self._users.get(user_id)):
            await self.tell(kind, user, client)


def told_of(client: Client | None) -> dict[str, str]:
    """What a mail says of where something came from. The template makes a device's name of the
    `User-Agent`, in words of ours."""
    return {
        "ip_address": (client and client.ip_address) or "?",
        "user_agent": (client and client.user_agent) or "",
    }

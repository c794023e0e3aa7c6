"""From a link to the mail that holds it, and what a link's state is."""

from datetime import datetime
from typing import Final

from gql_auth.features.links.core import Asked, Links, Purpose
from gql_auth.features.mail.core import Letter, MailKind, Outbox
from gql_auth.features.notices.core import told_of
from gql_auth.features.passwords.core import Passwords
from gql_auth.features.users.core import User
from gql_auth.features.users.naming import comparable
from gql_auth.kernel.caller import Client
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.unit import Unit

_KIND: Final = {
    Purpose.VERIFY_EMAIL: MailKind.VERIFY_EMAIL,
    Purpose.CONFIRM_SIGNUP: MailKind.CONFIRM_SIGNUP,
    Purpose.RESET_PASSWORD: MailKind.RESET_PASSWORD,
    Purpose.MAGIC_LINK: MailKind.MAGIC_LINK,
    Purpose.CHANGE_EMAIL: MailKind.CHANGE_EMAIL,
}
# To whoever opens it, a new account's link verifies the address too.
_ACTION: Final = {Purpose.CONFIRM_SIGNUP: "verify-email"}


class LinkMails:
    """Makes links and posts the mails that hold them.

    Args:
        template: where links lead, with `{action}` and `{token}`.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._template = settings.link_url_template or (
            f"{settings.public_url}/graphql/links/{{action}}#token={{token}}"
        )
        self._clock = clock

    def now(self) -> datetime:
        """The present instant."""
        return self._clock.now()

    async def post(
        self, unit: Unit, asked: Asked, *, to: str, client: Client, locale: str | None = None
    ) -> None:
        """Make a link, and post it to an address."""
        token, expires_at = await unit.get(Links).issue(asked)
        await unit.get(Outbox).post(
            Letter(
                kind=_KIND[asked.purpose],
                to=to,
                locale=locale or client.languages,
                words=told_of(client)
                | {
                    "email": to,
                    "link": self._link(_ACTION.get(asked.purpose, asked.purpose.value), token),
                    "expires_in": str(int((expires_at - self._clock.now()).total_seconds())),
                    "at": self._clock.now().isoformat(),
                },
                user_id=asked.user_id,
                expires_at=expires_at,
            )
        )

    async def post_plain(
        self, unit: Unit, kind: MailKind, *, to: str, client: Client, locale: str | None
    ) -> None:
        """Post a mail without a link to an address."""
        words = told_of(client) | {"email": to, "at": self._clock.now().isoformat()}
        letter = Letter(kind=kind, to=to, locale=locale or client.languages, words=words)
        await unit.get(Outbox).post(letter)

    def _link(self, action: str, token: str) -> str:
        return self._template.replace("{action}", action).replace("{token}", token)


def address_state(user: User) -> str:
    """What a link is bound to that is about the address: it dies with any change of it."""
    return comparable(user.email)


async def sign_in_state(unit: Unit, user: User) -> str:
    """What a link is bound to that opens the account: it dies with any change of the password
    or the address."""
    return f"{await unit.get(Passwords).stored(user.id)} {comparable(user.email)}"

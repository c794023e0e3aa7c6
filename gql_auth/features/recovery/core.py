"""The flows that go by mail: verify an address, reset a password, sign in by a link.

Asking is an errand: it is counted, written down and answered, before anybody has looked whether the
address has an account (see `errands`). Using a link is one transaction: the token is used up by a
conditional update, together with what it does.
"""

from collections.abc import Mapping
from typing import Any, Final

from gql_auth.features.audit.core import Audit, Tag
from gql_auth.features.links.core import (
    Link,
    Links,
    MailTokenRejected,
    MailTokenRejection,
    Purpose,
)
from gql_auth.features.mail.asking import asked_by
from gql_auth.features.mail.core import MailKind, Outbox
from gql_auth.features.notices.core import Notices
from gql_auth.features.passwords.core import Passwords, judge_new
from gql_auth.features.passwords.factor import PasswordFactor
from gql_auth.features.recovery.linking import address_state, sign_in_state
from gql_auth.features.sessions.core import Sessions
from gql_auth.features.sessions.refusals import EndReason
from gql_auth.features.signin.entering import Entrance
from gql_auth.features.signin.granting import Grant, Grants
from gql_auth.features.throttle.core import Throttles
from gql_auth.features.users.core import User, Users
from gql_auth.features.users.naming import Profile, checked_email, comparable, names_of
from gql_auth.kernel.caller import Client
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.entropy import random_name
from gql_auth.kernel.errors import Forbidden, InvalidInput, Refused
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.transports import Presented
from gql_auth.kernel.unit import Unit, Units

_BINDING_BYTES: Final = 32
_FACTOR: Final = "magic-link"


class ConfirmationRequired(Refused):
    """The link was opened in another browser than the one that asked for it. A page could have
    been made to open somebody else's: the person says that this is the account they mean."""

    code = "CONFIRMATION_REQUIRED"
    message = "This link was asked for in another browser; confirm that you want to sign in"

    def __init__(self, email: str) -> None:
        super().__init__()
        self.email = email


class Recovery:
    """The flows, over the units of a running system."""

    def __init__(
        self,
        units: Units,
        factor: PasswordFactor,
        grants: Grants,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._units = units
        self._factor = factor
        self._grants = grants
        self._entrance = Entrance(grants)
        self._clock = clock
        self._settings = settings

    async def ask_to_verify(self, email: str, client: Client) -> None:
        """Have another mail sent whose link verifies an address.

        Raises:
            InvalidInput, TooManyAttempts.
        """
        await self._ask("verify-email", email, client)

    async def ask_for_reset(self, email: str, client: Client) -> None:
        """Have a mail sent whose link sets a new password.

        Raises:
            InvalidInput, TooManyAttempts.
        """
        await self._ask("forgot-password", email, client)

    async def ask_for_magic_link(self, email: str, client: Client) -> str:
        """Have a mail sent whose link signs in.

        Returns:
            What binds the link to the browser that asks, to be kept in a cookie there.

        Raises:
            InvalidInput, TooManyAttempts.
            Forbidden: the operator wants none of that.
        """
        self.require_magic_links()
        binding = random_name(_BINDING_BYTES)
        await self._ask("magic-link", email, client, binding=binding)
        return binding

    async def _ask(self, errand: str, email: str, client: Client, **more: str) -> None:
        address, violations = checked_email(email, "email")
        if violations:
            raise InvalidInput(violations)
        async with self._units.write() as unit:
            await unit.get(Throttles).mail(comparable(address), client)
            await unit.get(Outbox).ask(errand, asked_by(client, address) | more)

    async def verify(self, token: str, client: Client) -> User:
        """Note that mail to the address reaches the owner; make the account, where the link is
        that of a sign-up.

        Raises:
            MailTokenRejected, TooManyAttempts.
            EmailTaken, UsernameTaken: another account has it since the link was made.
        """
        async with self._units.write() as unit:
            link = await self._find(unit, token, client, Purpose.VERIFY_EMAIL,
                                    Purpose.CONFIRM_SIGNUP)  # fmt: skip
            if link.purpose == Purpose.CONFIRM_SIGNUP:
                return await self._make_account(unit, link, client)
            user = await self._owner(unit, link)
            await unit.get(Links).use(link, expected_state=address_state(user))
            await self._note_verified(unit, user, client)
            return await unit.get(Users).get(user.id) or user

    async def _make_account(self, unit: Unit, link: Link, client: Client) -> User:
        links, users = unit.get(Links), unit.get(Users)
        content = links.content(link)
        account: Mapping[str, Any] = content["account"]
        profile = Profile(content["email"], **account)
        await links.use(link, expected_state="")
        created = await users.create(profile, verified=True)
        await unit.get(Passwords).add(created.id, content["password"])
        await unit.get(Throttles).remember(names_of(created), client)
        await unit.get(Audit).record(Tag.SIGNED_UP, user_id=created.id, client=client)
        return created

    async def reset(self, token: str, new: str, client: Client) -> int:
        """Set a new password by a link, end all sessions; how many. The address is verified by it.

        Raises:
            InvalidInput: the password breaks rules; the link can still be used.
            MailTokenRejected, TooManyAttempts, Unavailable.
        """
        self._factor.require_place(client)
        async with self._units.write() as unit:
            link = await self._find(unit, token, client, Purpose.RESET_PASSWORD)
            user = await self._owner(unit, link)
            violations = judge_new(
                new,
                "newPassword",
                min_length=self._settings.password_min_length,
                context=(user.email, user.username, user.name),
            )
        if violations:
            raise InvalidInput(violations)
        with self._factor.place(client):
            after = await self._factor.hash(new)
        async with self._units.write() as unit:
            link = await unit.get(Links).find(token, Purpose.RESET_PASSWORD)
            user = await self._owner(unit, link)
            passwords = unit.get(Passwords)
            before = await passwords.stored(user.id) or ""
            await unit.get(Links).use(link, expected_state=await sign_in_state(unit, user))
            if not await passwords.replace(user.id, before=before, after=after):
                raise MailTokenRejected(MailTokenRejection.INVALID)
            await self._note_verified(unit, user, client)
            await unit.get(Audit).record(Tag.PASSWORD_RESET, user_id=user.id, client=client)
            await unit.get(Notices).tell(MailKind.PASSWORD_CHANGED, user, client)
            return await unit.get(Sessions).end_all(user.id, EndReason.PASSWORD_CHANGED)

    async def sign_in(
        self,
        token: str,
        *,
        confirmed: bool,
        binding: str | None,
        client: Client,
        presented: Presented,
    ) -> Grant:
        """Sign in by a link.

        Args:
            confirmed: the person has said that this is the account they mean.
            binding: what this browser keeps of having asked, if it has.

        Raises:
            ConfirmationRequired: another browser has asked, and nobody has said that; the link can
                still be used.
            MailTokenRejected, TooManyAttempts.
            Forbidden: the operator wants none of that.
        """
        self.require_magic_links()
        async with self._units.write() as unit:
            link = await self._find(unit, token, client, Purpose.MAGIC_LINK)
            user = await self._owner(unit, link)
            if not confirmed and not unit.get(Links).is_bound(link, binding):
                raise ConfirmationRequired(user.email)
            await unit.get(Links).use(link, expected_state=await sign_in_state(unit, user))
            await self._note_verified(unit, user, client)
            await unit.get(Throttles).remember(names_of(user), client)
            session = await self._entrance.enter(unit, user, client, presented, factor=_FACTOR)
            account = await unit.get(Users).get(user.id) or user
        return await self._grants.make(account, session, presented.transport)

    def require_magic_links(self) -> None:
        """Come back if people may sign in by links.

        Raises:
            Forbidden: they may not.
        """
        if not self._settings.magic_links:
            raise Forbidden("MAGIC_LINKS_OFF", "This server signs nobody in by mail")

    @staticmethod
    async def _find(unit: Unit, token: str, client: Client, *purposes: Purpose) -> Link:
        await unit.get(Throttles).link(client)
        return await unit.get(Links).find(token, *purposes)

    async def _owner(self, unit: Unit, link: Link) -> User:
        """Whose link it is, held; with an account that may not be opened, it is worth nothing."""
        user = await unit.get(Users).get(link.user_id, hold=True) if link.user_id else None
        if user is None or not user.may_enter(self._clock.now()):
            raise MailTokenRejected(MailTokenRejection.INVALID)
        return user

    @staticmethod
    async def _note_verified(unit: Unit, user: User, client: Client) -> None:
        if not user.email_verified and await unit.get(Users).verify_email(user.id, user.email):
            await unit.get(Audit).record(Tag.EMAIL_VERIFIED, user_id=user.id, client=client)

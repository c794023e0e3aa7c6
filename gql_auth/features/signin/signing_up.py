"""The flow of signing up, and how operators make accounts."""

from typing import Final, NoReturn

from gql_auth.features.audit.core import Audit, Tag
from gql_auth.features.mail.asking import asked_by
from gql_auth.features.mail.core import Outbox
from gql_auth.features.mail.locales import wanted_of
from gql_auth.features.passwords.core import (
    Passwords,
    judge_new,
)
from gql_auth.features.sessions.rotation import Session
from gql_auth.features.signin.attempts import Attempts
from gql_auth.features.signin.granting import Grant
from gql_auth.features.throttle.core import Throttles
from gql_auth.features.users.core import EmailNotVerified, User, Users
from gql_auth.features.users.naming import (
    Profile,
    checked_profile,
    comparable,
    names_of,
)
from gql_auth.kernel.caller import Client
from gql_auth.kernel.errors import InvalidInput
from gql_auth.kernel.transports import Presented
from gql_auth.kernel.unit import Unit

NOTHING: Final = Presented()


class SigningUp(Attempts):
    """Makes accounts."""

    async def signup(
        self,
        *,
        email: str,
        password: str,
        username: str | None,
        name: str | None,
        locale: str | None = None,
        client: Client,
        presented: Presented = NOTHING,
    ) -> Grant:
        """Make an account and sign in.

        Args:
            presented: the refresh token the client holds; its session ends with the new one's
                beginning (ASVS 7.2.4), which travels the same way.

        Raises:
            InvalidInput, EmailTaken, UsernameTaken, TooManyAttempts, Unavailable.
            EmailNotVerified: the operator demands that the address is verified first.
        """
        locale = locale or next(iter(wanted_of(client.languages or "")), None)
        with self._telling(self._telemetry.signed_up):
            created, session = await self._signup(
                email, password, username, name, locale, client=client, presented=presented
            )
        return await self._grants.make(created, session, presented.transport)

    async def _signup(
        self,
        email: str,
        password: str,
        username: str | None,
        name: str | None,
        locale: str | None,
        *,
        client: Client,
        presented: Presented,
    ) -> tuple[User, Session]:
        user, stored = await self._prepare_account(
            email, password, username, name, locale, by=client
        )
        async with self._units.write() as unit:
            if self._require_verified_email:
                await self._ask_for_account(unit, user, stored, client)
            created = await unit.get(Users).create(user)
            await unit.get(Passwords).add(created.id, stored)
            await unit.get(Throttles).remember(names_of(created), client)
            session = await self.entrance.open(unit, created, client, presented)
            await unit.get(Audit).record(
                Tag.SIGNED_UP, user_id=created.id, session_id=session.id, client=client
            )
            if await unit.get(Throttles).notice("", comparable(created.email), verified=False):
                asked = asked_by(client, created.email)
                await unit.get(Outbox).ask("verify-email", asked, only_if_migrated=True)
        return created, session

    @staticmethod
    async def _ask_for_account(unit: Unit, user: Profile, stored: str, client: Client) -> NoReturn:
        """The account is made by the link in a mail. Nothing is looked up here, and every such
        sign-up is answered alike: nobody learns whether the address has an account.

        Raises:
            EmailNotVerified: always; what was asked for stays.
            TooManyAttempts: too many mails.
        """
        await unit.get(Throttles).mail(comparable(user.email), client)
        account = {"username": user.username, "name": user.name, "locale": user.locale}
        wish = asked_by(client, user.email) | {"account": account, "password": stored}
        await unit.get(Outbox).ask("signup", wish)
        raise EmailNotVerified

    async def create_account(
        self, *, email: str, password: str, username: str | None, name: str | None,
        roles: tuple[str, ...] = (), verified: bool = False,
    ) -> User:  # fmt: skip
        """Make an account without signing in, for operators.

        Raises:
            InvalidInput, EmailTaken, UsernameTaken, Unavailable.
        """
        user, stored = await self._prepare_account(email, password, username, name)
        async with self._units.write() as unit:
            users = unit.get(Users)
            created = await users.create(user, verified=verified)
            await unit.get(Passwords).add(created.id, stored)
            await unit.get(Audit).record(Tag.USER_CREATED, user_id=created.id)
            if roles:
                await users.set_roles(created.id, roles)
                created = await users.get(created.id) or created
        return created

    async def _prepare_account(
        self,
        email: str,
        password: str,
        username: str | None,
        name: str | None,
        locale: str | None = None,
        *,
        by: Client | None = None,
    ) -> tuple[Profile, str]:
        profile, violations = checked_profile(
            email=email, username=username, name=name, locale=locale
        )
        violations += judge_new(
            password,
            "password",
            min_length=self._password_min_length,
            context=(email, username, name),
        )
        if violations:
            raise InvalidInput(violations)
        charge = (lambda throttles: throttles.signup(by)) if by is not None else None
        may_tell = by is None or not self._require_verified_email
        async with self._attempt(by, charge):
            async with self._units.read() as unit:
                await unit.get(Users).require_free(profile, email=may_tell)
            return profile, await self._factor.hash(password)

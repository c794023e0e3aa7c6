"""What owners do to their accounts: change address and profile, take their data, leave.

Whoever holds a session alone cannot take an account over or away: changing the address and deleting
want the password, and the new address proves itself by a link before anything changes.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gql_auth.features.audit.core import Audit, Tag
from gql_auth.features.life.exporting import everything_of
from gql_auth.features.links.core import (
    Asked,
    Links,
    MailTokenRejected,
    MailTokenRejection,
    Purpose,
)
from gql_auth.features.mail.asking import asked_by, asker_of
from gql_auth.features.mail.core import MailKind, MailStore, Outbox
from gql_auth.features.notices.core import Notices
from gql_auth.features.passwords.core import InvalidCredentials
from gql_auth.features.passwords.factor import PasswordFactor
from gql_auth.features.recovery.linking import LinkMails, sign_in_state
from gql_auth.features.sessions.core import Sessions
from gql_auth.features.sessions.refusals import EndReason
from gql_auth.features.throttle.core import Throttles
from gql_auth.features.users.core import User, Users
from gql_auth.features.users.naming import checked_email, checked_names, comparable, names_of
from gql_auth.kernel.caller import Caller, Client
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.errors import InvalidInput, Unauthenticated
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.unit import Unit, Units


class Life:
    """The flows, over the units of a running system."""

    def __init__(
        self, units: Units, factor: PasswordFactor, clock: Clock, settings: Settings
    ) -> None:
        self._units = units
        self._factor = factor
        self._clock = clock
        self._settings = settings

    async def ask_for_email(
        self, caller: Caller, *, email: str, password: str, client: Client
    ) -> None:
        """Have a mail sent to another address, whose link makes it the account's. Whether it has
        an account of its own is not told.

        Raises:
            InvalidInput, InvalidCredentials, TooManyAttempts, Unavailable.
        """
        address, violations = checked_email(email, "newEmail")
        if violations:
            raise InvalidInput(violations)
        async with self._proven(caller, password, client, refused=Tag.EMAIL_CHANGE_REFUSED) as (
            unit,
            user,
        ):
            await unit.get(Throttles).mail(comparable(address), client, account=user.id)
            wish = asked_by(client, address)
            wish |= {"user_id": str(user.id), "session_id": str(caller.session_id)}
            await unit.get(Outbox).ask("change-email", wish)
            await unit.get(Audit).record(
                Tag.EMAIL_CHANGE_REQUESTED,
                user_id=user.id,
                session_id=caller.session_id,
                client=client,
            )

    async def confirm_email(self, token: str, client: Client) -> tuple[User, int]:
        """Make the address that a link was sent to the account's. All sessions end but the one that
        asked; how many.

        Raises:
            MailTokenRejected, TooManyAttempts.
            EmailTaken: another account has it since the link was made.
        """
        async with self._units.write() as unit:
            await unit.get(Throttles).link(client)
            links, users = unit.get(Links), unit.get(Users)
            link = await links.find(token, Purpose.CHANGE_EMAIL)
            user = await users.get(link.user_id, hold=True) if link.user_id else None
            if user is None or not user.may_enter(self._clock.now()):
                raise MailTokenRejected(MailTokenRejection.INVALID)
            await links.use(link, expected_state=await sign_in_state(unit, user))
            after = links.content(link)["email"]
            await users.change_email(user.id, before=user.email, after=after)
            changed = await users.get(user.id) or user
            await unit.get(Throttles).remember(names_of(changed), client)
            await unit.get(Audit).record(Tag.EMAIL_CHANGED, user_id=user.id, client=client)
            await unit.get(Notices).tell(MailKind.EMAIL_CHANGED, user, client)
            ended = await unit.get(Sessions).end_all(
                user.id, EndReason.EMAIL_CHANGED, keep=link.session_id
            )
        return changed, ended

    async def update_profile(
        self, caller: Caller, given: Mapping[str, str | None], client: Client
    ) -> User:
        """Change `username`, `name` and `locale`, those that are given; None clears one.

        Raises:
            InvalidInput, UsernameTaken.
        """
        changes, violations = checked_names(given)
        if violations:
            raise InvalidInput(violations)
        async with self._units.write() as unit:
            users = unit.get(Users)
            user = _required(await users.get(caller.user_id, hold=True))
            changes = {each: new for each, new in changes.items() if new != getattr(user, each)}
            if not changes:
                return user
            await users.update_profile(user.id, changes)
            await unit.get(Audit).record(
                Tag.PROFILE_UPDATED,
                user_id=user.id,
                session_id=caller.session_id,
                client=client,
                fields=sorted(changes),
            )
            return _required(await users.get(user.id))

    async def delete(self, caller: Caller, *, password: str, client: Client) -> datetime:
        """Have the account deleted after its grace, and end all its sessions; when.

        Raises:
            InvalidInput, InvalidCredentials, TooManyAttempts, Unavailable.
        """
        async with self._proven(caller, password, client, refused=Tag.DELETION_REFUSED) as (
            unit,
            user,
        ):
            grace = self._settings.deletion_grace
            return await self._schedule(
                unit, user, grace, session_id=caller.session_id, client=client
            )

    async def delete_for(self, user_id: UUID, *, at_once: bool = False) -> datetime:
        """Have an account deleted, and end its sessions; when. For operators."""
        async with self._units.write() as unit:
            user = _required(await unit.get(Users).get(user_id, hold=True))
            grace = timedelta() if at_once else self._settings.deletion_grace
            return await self._schedule(unit, user, grace, session_id=None, client=Client())

    async def _schedule(
        self, unit: Unit, user: User, grace: timedelta, *, session_id: UUID | None, client: Client
    ) -> datetime:
        at = self._clock.now() + grace
        told = at.isoformat()
        await unit.get(Users).schedule_deletion(user.id, at)
        await unit.get(Audit).record(
            Tag.DELETION_SCHEDULED,
            user_id=user.id,
            session_id=session_id,
            client=client,
            deletes_at=told,
        )
        await unit.get(Notices).tell(MailKind.DELETION_SCHEDULED, user, client, deletes_at=told)
        await unit.get(Sessions).end_all(user.id, EndReason.ACCOUNT_DELETED)
        return at

    async def export(self, caller: Caller, client: Client) -> dict[str, Any]:
        """All that is held of the caller, for them to read: names as in the schema.

        Raises:
            TooManyAttempts.
        """
        async with self._units.write() as unit:
            await unit.get(Throttles).export(caller.user_id)
            user = _required(await unit.get(Users).get(caller.user_id))
            found = await everything_of(unit, user, self._clock.now())
            await unit.get(Audit).record(
                Tag.DATA_EXPORTED,
                user_id=user.id,
                session_id=caller.session_id,
                client=client,
            )
        return found

    @asynccontextmanager
    async def _proven(
        self, caller: Caller, password: str, client: Client, *, refused: Tag
    ) -> AsyncIterator[tuple[Unit, User]]:
        """A unit in which the caller has given the right password, the account being held.

        Raises:
            InvalidInput, InvalidCredentials, TooManyAttempts, Unavailable.
        """
        if violations := self._factor.judge(password, "password"):
            raise InvalidInput(violations)
        self._factor.require_place(client)
        async with self._units.write() as unit:
            await unit.get(Throttles).change_password(caller.session_id)
            user = _required(await unit.get(Users).get(caller.user_id))
        with self._factor.place(client):
            proof = await self._factor.verify(user, password)
        async with self._units.write() as unit:
            user = _required(await unit.get(Users).get(caller.user_id, hold=True))
            if proof is None or not await proof.holds(unit):
                await unit.get(Audit).record(
                    refused, user_id=user.id, session_id=caller.session_id, client=client
                )
                raise InvalidCredentials
            await unit.get(Throttles).changed_password(caller.session_id)
            yield unit, user


async def change_email(unit: Unit, payload: Mapping[str, Any]) -> None:
    """The errand of a change of address: the mail whose link does it, or one to whom has the
    address already."""
    client, email = asker_of(payload), payload["email"]
    user = await unit.get(Users).get(UUID(payload["user_id"]))
    mails = unit.get(LinkMails)
    if user is None or not user.may_enter(mails.now()):
        return
    other = await unit.get(Users).find(email=email)
    if other is not None and other.id != user.id:
        await mails.post_plain(unit, MailKind.CHANGE_EMAIL_TAKEN, to=other.email, client=client,
                               locale=other.locale)  # fmt: skip
        return
    asked = Asked(
        purpose=Purpose.CHANGE_EMAIL,
        address=comparable(email),
        user_id=user.id,
        state=await sign_in_state(unit, user),
        content={"email": email},
        session_id=UUID(payload["session_id"]),
    )
    await mails.post(unit, asked, to=email, client=client, locale=user.locale)


async def erase(unit: Unit, user: User) -> None:
    """Delete an account and all that tells of it; one event without a word remains, and one mail is
    sent."""
    await unit.get(Sessions).end_all(user.id, EndReason.ACCOUNT_DELETED)
    await unit.get(MailStore).remove_of(user.id)
    await unit.get(Notices).tell(MailKind.DELETION_DONE, user, None)
    await unit.get(Audit).erase(user.id)
    await unit.get(Users).remove(user.id)
    await unit.get(Audit).record(Tag.DELETION_DONE, user_id=user.id)


def _required(user: User | None) -> User:
    """The caller's account.

    Raises:
        Unauthenticated: it was deleted while its token lives.
    """
    if user is None:
        raise Unauthenticated(Unauthenticated.Reason.REVOKED)
    return user

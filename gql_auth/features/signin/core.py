"""The flows: sign up, log in, refresh, log out, change the password.

The flows know factors by protocol alone; passwords are the first. Costly hashing happens
between two units of work, never inside one, and what was verified is held to still be true in
the unit that opens the session.
"""

from uuid import UUID

from gql_auth.features.audit.core import Audit, Tag
from gql_auth.features.mail.core import MailKind
from gql_auth.features.notices.core import Notices
from gql_auth.features.passwords.core import (
    InvalidCredentials,
    judge_new,
)
from gql_auth.features.sessions.core import Sessions
from gql_auth.features.sessions.refusals import EndReason, RefreshRejected, Rejection
from gql_auth.features.sessions.rotation import Session
from gql_auth.features.signin.factors import Proof
from gql_auth.features.signin.granting import Grant
from gql_auth.features.signin.signing_up import NOTHING, SigningUp
from gql_auth.features.throttle.core import Throttles
from gql_auth.features.users.core import EmailNotVerified, User, Users
from gql_auth.features.users.naming import (
    name_of,
    names_of,
)
from gql_auth.kernel.caller import Caller, Client
from gql_auth.kernel.errors import InvalidInput, Violation, ViolationCode
from gql_auth.kernel.transports import Presented
from gql_auth.kernel.unit import Unit


class SignIn(SigningUp):
    """The flows, over the units of a running system."""

    async def login(
        self,
        *,
        email: str | None,
        username: str | None,
        password: str,
        client: Client,
        presented: Presented = NOTHING,
    ) -> Grant:
        """Sign in to an account.

        Raises:
            InvalidInput: not exactly one of `email` and `username`, or no password.
            InvalidCredentials: whatever else is wrong; nothing tells which.
            TooManyAttempts: nothing was checked.
            Unavailable: too much hashing is waiting.
        """
        with self._telling(self._telemetry.logged_in):
            account, session = await self._login(
                email, username, password, client=client, presented=presented
            )
        return await self._grants.make(account, session, presented.transport)

    async def _login(
        self,
        email: str | None,
        username: str | None,
        password: str,
        *,
        client: Client,
        presented: Presented,
    ) -> tuple[User, Session]:
        violations = _judge_login(email, username) + self._factor.judge(password, "password")
        if violations:
            raise InvalidInput(violations)
        tried = name_of(email=email, username=username)
        async with self._attempt(client, lambda throttles: throttles.login(tried, client)):
            async with self._units.read() as unit:
                user = await unit.get(Users).find(email=email, username=username)
            proof = await self._factor.verify(user, password)
        async with self._units.write() as unit:
            account = await self._hold_account(unit, user, proof)
            if account is None:
                await unit.get(Audit).record(
                    Tag.LOGIN_FAILED,
                    user_id=user.id if user else None,
                    client=client,
                    factor=self._factor.name,
                    reason=_failure(user, proof),
                )
                raise InvalidCredentials
            if self._require_verified_email and not account.email_verified:
                await unit.get(Audit).record(
                    Tag.LOGIN_FAILED,
                    user_id=account.id,
                    client=client,
                    factor=self._factor.name,
                    reason="email-not-verified",
                )
                raise EmailNotVerified
            await unit.get(Throttles).logged_in(tried, names_of(account), client)
            session = await self.entrance.enter(
                unit, account, client, presented, factor=self._factor.name
            )
        return account, session

    async def _hold_account(
        self, unit: Unit, user: User | None, proof: Proof | None
    ) -> User | None:
        """The account as it is now, if it may sign in, the proof still being true."""
        if user is None or proof is None:
            return None
        # The account before its password, as everybody holds them: nobody waits in a circle.
        account = await unit.get(Users).get(user.id, hold=True)
        if account is None or not account.may_enter(self._clock.now()):
            return None
        return account if await proof.holds(unit) else None

    async def refresh(self, presented: Presented, client: Client) -> Grant:
        """New tokens for a refresh token.

        Raises:
            RefreshRejected: with the reason.
            TooManyAttempts: this session is refreshed too often.
            Unavailable: the database cannot answer.
        """
        try:
            with self._telling(self._telemetry.refreshed, success=False):
                user, session = await self._refresh(presented, client)
        except RefreshRejected as rejected:
            self._telemetry.refreshed(rejected.reason.value.lower())
            raise
        return await self._grants.make(user, session, presented.transport)

    async def _refresh(self, presented: Presented, client: Client) -> tuple[User, Session]:
        if not presented.token:
            raise RefreshRejected(Rejection.MISSING)
        claims = self._grants.read(presented)
        if claims is None:
            raise RefreshRejected(Rejection.INVALID)

        async def turn(unit: Unit) -> tuple[User, Session]:
            sessions = unit.get(Sessions)
            session = await sessions.refresh(claims, client)
            user = await unit.get(Users).get(session.user_id)
            if user is None or user.disabled_at is not None:
                await sessions.end(session.id, EndReason.ACCOUNT_DISABLED)
                raise RefreshRejected(Rejection.REVOKED)
            return user, session

        # Turned already by an attempt that was given up, the session is found so: the token is
        # then one whose answer got lost.
        return await self._units.swiftly(turn)

    async def logout(self, presented: Presented, client: Client) -> bool:
        """End the session that a refresh token names; whether there was one alive.

        Any generation will do, an expired token too: whoever holds one may end the session,
        and a thief gains nothing by it.
        """
        claims = self._grants.read(presented)
        if claims is None:
            return False
        async with self._units.write() as unit:
            ended = await unit.get(Sessions).end(claims.session_id, EndReason.LOGOUT, client=client)
        return ended is not None

    async def change_password(
        self, caller: Caller, *, current: str, new: str, client: Client
    ) -> int:
        """Change the password and end the account's other sessions; how many.

        Raises:
            InvalidInput, InvalidCredentials, TooManyAttempts, Unavailable.
        """
        async with self._units.read() as unit:
            user = await unit.get(Users).get(caller.user_id)
        words = (user.email, user.username, user.name) if user else ()
        violations = self._factor.judge(current, "currentPassword") + judge_new(
            new, "newPassword", min_length=self._password_min_length, context=words
        )
        if violations:
            raise InvalidInput(violations)
        session_id = caller.session_id
        async with self._attempt(client, lambda throttles: throttles.change_password(session_id)):
            proof = await self._factor.verify(user, current)
            after = await self._factor.hash(new) if proof else ""
        async with self._units.write() as unit:
            changed = proof is not None and await proof.change(unit, after)
            await unit.get(Audit).record(
                Tag.PASSWORD_CHANGED if changed else Tag.PASSWORD_CHANGE_FAILED,
                user_id=caller.user_id,
                session_id=caller.session_id,
                client=client,
            )
            if not changed:
                raise InvalidCredentials
            await unit.get(Throttles).changed_password(caller.session_id)
            await unit.get(Notices).tell_owner(MailKind.PASSWORD_CHANGED, caller.user_id, client)
            return await unit.get(Sessions).end_all(
                caller.user_id, EndReason.PASSWORD_CHANGED, keep=caller.session_id
            )

    async def disable(self, user_id: UUID) -> int:
        """Disable an account and end its sessions; how many. For operators."""
        async with self._units.write() as unit:
            await unit.get(Users).disable(user_id)
            return await unit.get(Sessions).end_all(user_id, EndReason.ACCOUNT_DISABLED)


def _judge_login(email: str | None, username: str | None) -> list[Violation]:
    if (email is None) == (username is None):
        code = ViolationCode.REQUIRED if email is None else ViolationCode.AMBIGUOUS
        return [Violation("email", code, "Give exactly one of email and username.")]
    name, value = ("email", email) if email is not None else ("username", username)
    if not value:
        return [Violation(name, ViolationCode.REQUIRED, f"The {name} is missing.")]
    return []


def _failure(user: User | None, proof: Proof | None) -> str:
    """For the audit trail only; the client is never told."""
    if user is None:
        return "no-such-account"
    return "wrong-secret" if proof is None else "disabled-or-changed"

"""Accounts: who may exist, and what their owners and operators may change."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from gql_auth.features.audit.core import Audit, Tag
from gql_auth.features.users.naming import (
    ROLE,
    NoAddress,
    Profile,
    comparable,
    id_of,
    judge_username,
    validated_email,
)
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.errors import InvalidInput, Refused, Violation, ViolationCode


class EmailTaken(Refused):
    """Another account has this address."""

    code = "EMAIL_TAKEN"
    message = "This e-mail address already has an account"


class UsernameTaken(Refused):
    """Another account has this username."""

    code = "USERNAME_TAKEN"
    message = "This username is taken"


class EmailNotVerified(Refused):
    """The address was not verified, and the operator demands it. What is written stays: the mail
    that was asked for, the attempt that was made."""

    code = "EMAIL_NOT_VERIFIED"
    message = "Confirm your e-mail address first: follow the link in the mail"
    leaves_evidence = True


class UserNotFound(Refused):
    """No account goes by that."""

    code = "USER_NOT_FOUND"
    message = "No such user"


class User(NamedTuple):
    """An account, as the rest of the system sees it."""

    id: UUID
    email: str
    email_verified: bool
    username: str | None
    name: str | None
    roles: tuple[str, ...]
    created_at: datetime
    disabled_at: datetime | None = None
    locale: str | None = None
    deletes_at: datetime | None = None

    def may_enter(self, now: datetime) -> bool:
        """Whether somebody who proves to be the owner may sign in: it is not disabled, and its
        deletion is not due."""
        return self.disabled_at is None and (self.deletes_at is None or self.deletes_at > now)


class UserStore(Protocol):
    """Where accounts are kept. Keys are what `comparable` makes."""

    async def add(
        self, profile: Profile, roles: Sequence[str], at: datetime, *, verified: bool
    ) -> User:
        """Keep a new account.

        Raises:
            EmailTaken, UsernameTaken: by unique constraint, also in a race.
        """
        ...

    async def get(self, user_id: UUID, *, hold: bool = False) -> User | None:
        """By id; `hold` keeps others from changing it until the unit ends."""
        ...

    async def get_many(self, user_ids: Sequence[UUID]) -> list[User]:
        """Those of them that exist, in no order."""
        ...

    async def by_email(self, key: str) -> User | None:
        """By comparable address."""
        ...

    async def by_username(self, key: str) -> User | None:
        """By comparable username."""
        ...

    async def page(self, after: UUID | None, limit: int) -> list[User]:
        """Accounts in order of id, behind `after`."""
        ...

    async def change(self, user_id: UUID, values: Mapping[str, object]) -> None:
        """Replace some fields of an account, named as in `User`.

        Raises:
            UsernameTaken: by unique constraint, also in a race.
        """
        ...

    async def change_email(self, user_id: UUID, *, before: str, after: str, verified: bool) -> bool:
        """Put an address in the place of `before` (compared by key); whether it was still that.

        Raises:
            EmailTaken: by unique constraint, also in a race.
        """
        ...

    async def due(self, before: datetime, limit: int) -> list[User]:
        """Accounts whose deletion was due by an instant, and which nobody else holds; held until
        the unit ends."""
        ...

    async def remove(self, user_id: UUID) -> None:
        """Remove an account and all that hangs on it."""
        ...


class UserGlance(Protocol):
    """A look at one account, outside of any unit."""

    async def get(self, user_id: UUID) -> User | None:
        """The account as it is committed now, or None.

        Raises:
            Unavailable: the database cannot answer.
        """
        ...


class Users:
    """Accounts in the open unit."""

    def __init__(self, store: UserStore, audit: Audit, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock

    async def create(
        self, profile: Profile, roles: Sequence[str] = (), *, verified: bool = False
    ) -> User:
        """Keep a new account.

        Args:
            verified: whether the owner has shown that mail to the address reaches them.

        Raises:
            EmailTaken, UsernameTaken: another account has it; exactly one of two racers wins.
        """
        return await self._store.add(profile, roles, self._clock.now(), verified=verified)

    async def require_free(self, profile: Profile, *, email: bool = True) -> None:
        """Come back if neither address nor username is taken yet (before costly hashing).

        Args:
            email: False where nobody may learn whether the address is.

        Raises:
            EmailTaken, UsernameTaken: another account has it.
        """
        if email and await self._store.by_email(comparable(profile.email)):
            raise EmailTaken
        if profile.username and await self._store.by_username(comparable(profile.username)):
            raise UsernameTaken

    async def get(self, user_id: UUID, *, hold: bool = False) -> User | None:
        """The account, or None; `hold` keeps others from changing it until the unit ends."""
        return await self._store.get(user_id, hold=hold)

    async def get_many(self, user_ids: Sequence[UUID]) -> list[User]:
        """Those of the accounts that exist, in no order, by one read."""
        return await self._store.get_many(user_ids)

    async def find(self, *, email: str | None = None, username: str | None = None) -> User | None:
        """By address or username, as a person types it; None where nobody has it.

        What breaks the rules of addresses and names is nobody's, and never reaches the database.
        """
        if email is not None:
            try:
                return await self._store.by_email(comparable(validated_email(email)))
            except NoAddress:
                return None
        if username is None or judge_username(username):
            return None
        return await self._store.by_username(comparable(username))

    async def require(self, name: str) -> User:
        """By id, address or username, for operators.

        Raises:
            UserNotFound: nobody goes by that.
        """
        user_id = id_of(name)
        if user_id is not None:
            user = await self._store.get(user_id)
        elif "@" in name:
            user = await self.find(email=name)
        else:
            user = await self.find(username=name)
        if user is None:
            raise UserNotFound
        return user

    async def page(self, after: UUID | None = None, limit: int = 100) -> list[User]:
        """Accounts in order of their making."""
        return await self._store.page(after, limit)

    async def disable(self, user_id: UUID) -> None:
        """Keep the account from signing in. Ending its sessions is the caller's next step."""
        await self._store.change(user_id, {"disabled_at": self._clock.now()})
        await self._audit.record(Tag.USER_DISABLED, user_id=user_id)

    async def enable(self, user_id: UUID) -> None:
        """Let the account sign in again."""
        await self._store.change(user_id, {"disabled_at": None})
        await self._audit.record(Tag.USER_ENABLED, user_id=user_id)

    async def set_roles(self, user_id: UUID, roles: Sequence[str]) -> None:
        """Replace the roles; tokens carry them from the next refresh on.

        Raises:
            InvalidInput: a role is no role name.
        """
        roles = list(dict.fromkeys(roles))
        violations = [
            Violation("roles", ViolationCode.MALFORMED, f"{role[:64]!r} is no role name: use "
                      "letters, digits and . _ : - (64 at most), starting with a letter or digit.")
            for role in roles
            if not ROLE.fullmatch(role)
        ]  # fmt: skip
        if violations:
            raise InvalidInput(violations)
        await self._store.change(user_id, {"roles": roles})
        await self._audit.record(Tag.ROLES_SET, user_id=user_id, roles=roles)

    async def verify_email(self, user_id: UUID, email: str) -> bool:
        """Note that mail to the address reaches the owner; False where it is no longer theirs."""
        return await self._store.change_email(user_id, before=email, after=email, verified=True)

    async def change_email(self, user_id: UUID, *, before: str, after: str) -> bool:
        """Move the account to an address that was shown to reach the owner; False where the
        account has left the address `before` in the meantime.

        Raises:
            EmailTaken: another account has it; exactly one of two racers wins.
        """
        return await self._store.change_email(user_id, before=before, after=after, verified=True)

    async def update_profile(self, user_id: UUID, changes: Mapping[str, str | None]) -> None:
        """Replace `username`, `name` or `locale`, checked by the caller.

        Raises:
            UsernameTaken: another account has it; exactly one of two racers wins.
        """
        if changes:
            await self._store.change(user_id, changes)

    async def schedule_deletion(self, user_id: UUID, at: datetime | None) -> None:
        """Have the account deleted at an instant, or no longer."""
        await self._store.change(user_id, {"deletes_at": at})

    async def due(self, before: datetime, limit: int) -> list[User]:
        """Accounts whose deletion was due by an instant, at most so many; held until the unit
        ends."""
        return await self._store.due(before, limit)

    async def remove(self, user_id: UUID) -> None:
        """Remove an account and all that hangs on it."""
        await self._store.remove(user_id)

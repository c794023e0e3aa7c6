"""Throttles: which attempts are counted, by what, and how many are too many.

Each policy has buckets, one for each subject (an address, an account, both, a session). An
attempt puts one drop into every bucket that it concerns, before anything is checked or hashed; a
bucket of `20/1h` holds 20 drops and drains one each 3 minutes (the generic cell rate algorithm,
ITU-T I.371, with one instant for a state). Attempts are counted by executed field, so aliases,
batches and connections are no way round it.

Nobody can shut an owner out from afar: an address from which an account has signed in before has
a bucket of its own with that account, and the account's and the address's common buckets do not
count there. What a stranger fills from elsewhere stays elsewhere.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

from gql_auth.features.keys.core import MasterSecret
from gql_auth.kernel.addresses import client_of
from gql_auth.kernel.caller import Client
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.errors import Refused
from gql_auth.kernel.parsing import Rate
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Telemetry

_KEY_BYTES: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000  # microseconds
SLACK: Final = 60 * _SECOND  # that a bucket may be fuller than full: clocks differ


class Policy(StrEnum):
    """What is counted. Each is a setting, `GQL_AUTH_THROTTLE_` and its name."""

    LOGIN_ACCOUNT_ADDRESS = "login.account_address"
    LOGIN_ADDRESS = "login.address"
    LOGIN_ACCOUNT = "login.account"
    SIGNUP_ADDRESS = "signup.address"
    REFRESH_SESSION = "refresh.session"
    CHANGE_PASSWORD_SESSION = "change_password.session"  # noqa: S105 - a name
    MAIL_RECIPIENT = "mail.recipient"
    MAIL_ACCOUNT = "mail.account"
    MAIL_ADDRESS = "mail.address"
    LINK_ADDRESS = "link.address"

    def rate(self, settings: Settings) -> Rate | None:
        """How many are allowed; None: any number."""
        found: Rate | None = getattr(settings, f"throttle_{self.name.lower()}")
        return found


Charges = Sequence[tuple[Policy, str]]  # by what, and of whom


class TooManyAttempts(Refused):
    """Too many attempts; nothing was checked.

    Args:
        retry_after: whole seconds after which there is room for one more.
    """

    code = "TOO_MANY_ATTEMPTS"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many attempts, try again in {_spell(retry_after)}")
        self.retry_after = retry_after

    @property
    def extensions(self) -> dict[str, object]:
        return {"code": self.code, "retryAfter": self.retry_after}


def _spell(seconds: int) -> str:
    if seconds == 1:
        return "1 second"
    return f"{seconds} seconds" if seconds < 120 else f"{-(-seconds // 60)} minutes"  # noqa: PLR2004


class ThrottleStore(Protocol):
    """Where buckets are kept. Times and sizes are whole microseconds."""

    async def take(self, key: bytes, *, drop: int, size: int, level: int, now: int) -> int:
        """Put a drop into a bucket if there is room for it.

        Args:
            level: until when it is full at least, whatever is kept of it.
            size: what it holds. One that is fuller than that, and than clocks may differ, was
                filled under another limit or another time: it counts as just full.

        Returns:
            0 where there was, else after how long there will be.
        """
        ...

    async def give_back(self, key: bytes, *, drop: int) -> None:
        """Take a drop out again."""
        ...

    async def knows(self, key: bytes) -> bool:
        """Whether the account has signed in from the address."""
        ...

    async def remember(self, keys: Sequence[bytes], at: datetime) -> None:
        """The account signs in from the address."""
        ...

    async def remove_empty(self, now: int, limit: int) -> int:
        """Remove buckets that have drained, at most so many; how many."""
        ...

    async def remove_unseen(self, since: datetime, limit: int) -> int:
        """Remove addresses that were not seen since, at most so many; how many."""
        ...


class Throttles:
    """Attempts in the open unit. A refusal rolls back what the same attempt put elsewhere, so a
    refused attempt counts nowhere: waiting as long as it was told is always enough."""

    def __init__(
        self,
        store: ThrottleStore,
        clock: Clock,
        secret: MasterSecret,
        settings: Settings,
        telemetry: Telemetry,
    ) -> None:
        self._store = store
        self._clock = clock
        self._key = secret.derive("throttles")
        self._settings = settings
        self._telemetry = telemetry

    async def login(self, account: str, client: Client) -> Charges:
        """Somebody is about to try a secret.

        Args:
            account: as the client named it, comparable. Not an id: a common bucket of an address
                and a username would tell that they belong together.

        Returns:
            What was charged, for `undo`.

        Raises:
            TooManyAttempts: nothing may be checked.
        """
        address = client_of(client.ip_address)
        charges = [(Policy.LOGIN_ACCOUNT_ADDRESS, f"{account} {address}")]
        if not await self._store.knows(self._hash("known", f"{account} {address}")):
            charges += [(Policy.LOGIN_ADDRESS, address), (Policy.LOGIN_ACCOUNT, account)]
        return await self._charge(charges)

    async def undo(self, charges: Charges) -> None:
        """The attempt was turned away for another reason, and nothing was checked."""
        for policy, subject in charges:
            await self._give_back(policy, subject)

    async def logged_in(self, tried: str, names: Sequence[str], client: Client) -> None:
        """It was the right one: the attempt no longer counts against the account, and the
        address is known from now on.

        Args:
            tried: the account as the client named it.
            names: everything that it can be named by.
        """
        address = client_of(client.ip_address)
        await self._give_back(Policy.LOGIN_ACCOUNT_ADDRESS, f"{tried} {address}")
        if not await self._store.knows(self._hash("known", f"{tried} {address}")):
            await self._give_back(Policy.LOGIN_ACCOUNT, tried)
        await self.remember(names, client)

    async def remember(self, names: Sequence[str], client: Client) -> None:
        """An account was proven to be used from an address."""
        address = client_of(client.ip_address)
        keys = sorted(self._hash("known", f"{name} {address}") for name in names)
        await self._store.remember(keys, self._clock.now())

    async def signup(self, client: Client) -> Charges:
        """Somebody is about to make an account.

        Raises:
            TooManyAttempts.
        """
        return await self._charge([(Policy.SIGNUP_ADDRESS, client_of(client.ip_address))])

    async def change_password(self, session_id: UUID) -> Charges:
        """A signed-in caller is about to try the old password. By session: with one that was
        stolen nobody keeps the owner, who signs in anew, from changing it.

        Raises:
            TooManyAttempts.
        """
        return await self._charge([(Policy.CHANGE_PASSWORD_SESSION, session_id.hex)])

    async def changed_password(self, session_id: UUID) -> None:
        """It was the right one."""
        await self._give_back(Policy.CHANGE_PASSWORD_SESSION, session_id.hex)

    async def mail(self, recipient: str, client: Client, *, account: UUID | None = None) -> Charges:
        """Somebody asks for a mail to an address.

        Where the account of that address has signed in from here before, strangers elsewhere
        cannot have used up its mails: it has a bucket of its own with this address.

        Args:
            recipient: the address, comparable.
            account: the signed-in one that asks, if it is one.

        Raises:
            TooManyAttempts: nothing is sent.
        """
        address = client_of(client.ip_address)
        pair = f"email:{recipient} {address}"
        own = await self._store.knows(self._hash("known", pair))
        charges = [
            (Policy.MAIL_RECIPIENT, pair if own else recipient),
            (Policy.MAIL_ADDRESS, address),
        ]
        if account is not None:
            charges.append((Policy.MAIL_ACCOUNT, account.hex))
        return await self._charge(charges)

    async def export(self, account: UUID) -> Charges:
        """A signed-in account asks for its data.

        Raises:
            TooManyAttempts.
        """
        return await self._charge([(Policy.MAIL_ACCOUNT, account.hex)])

    async def notice(self, kind: str, recipient: str, *, verified: bool) -> bool:
        """Whether there is room for a mail that nobody asked for. To an address that was not
        verified, which may be a stranger's, all kinds and what is asked for go together.

        Args:
            recipient: the address, comparable.
        """
        subject = f"{kind} {recipient}" if verified else recipient
        try:
            await self._charge([(Policy.MAIL_RECIPIENT, subject)])
        except TooManyAttempts:
            return False
        return True

    async def link(self, client: Client) -> Charges:
        """Somebody is about to try the token of a mail.

        Raises:
            TooManyAttempts: nothing was checked.
        """
        return await self._charge([(Policy.LINK_ADDRESS, client_of(client.ip_address))])

    async def refresh(self, session_id: UUID, *, last: datetime | None, rotates: bool) -> None:
        """A session is about to be refreshed.

        The usual refresh, of a session that rested for a whole period, costs no write here: the
        session's own row tells of it, and the next one counts it from there.

        Args:
            last: when it was rotated last; None where it never was.
            rotates: whether the row will tell of this one, too.

        Raises:
            TooManyAttempts.
        """
        rate = Policy.REFRESH_SESSION.rate(self._settings)
        if rate is None:
            return
        if rotates and (last is None or self._clock.now() - last >= rate.period):
            return
        level = _instant(last) + _measures(rate)[0] if last else 0
        await self._charge([(Policy.REFRESH_SESSION, session_id.hex)], level=level)

    async def remove_empty(self, limit: int) -> int:
        """Remove buckets that have drained; how many."""
        return await self._store.remove_empty(self._now(), limit)

    async def remove_unseen(self, since: datetime, limit: int) -> int:
        """Remove addresses that were not seen since; how many."""
        return await self._store.remove_unseen(since, limit)

    async def _charge(self, charges: Charges, *, level: int = 0) -> Charges:
        now = self._now()
        longest = 0
        for policy, subject in charges:
            rate = policy.rate(self._settings)
            if rate is None:
                continue
            drop, size = _measures(rate)
            key = self._hash(policy, subject)
            wait = await self._store.take(key, drop=drop, size=size, level=level, now=now)
            if wait:
                self._telemetry.throttled(policy.value)
            longest = max(longest, wait)
        if longest:
            raise TooManyAttempts(-(-longest // _SECOND))
        return charges

    async def _give_back(self, policy: Policy, subject: str) -> None:
        rate = policy.rate(self._settings)
        if rate is not None:
            await self._store.give_back(self._hash(policy, subject), drop=_measures(rate)[0])

    def _now(self) -> int:
        return _instant(self._clock.now())

    def _hash(self, kind: str, subject: str) -> bytes:
        """Who tried what from where is nobody's business who reads the database."""
        whole = f"{kind} {subject}".encode(errors="surrogatepass")
        return hmac.digest(self._key, whole, hashlib.sha256)[:_KEY_BYTES]


def _instant(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _measures(rate: Rate) -> tuple[int, int]:
    """What one drop takes of a bucket, and all it holds, in microseconds of draining."""
    drop = (rate.period // _MICROSECOND) // rate.limit
    return drop, drop * rate.limit

"""Links in mails: tokens that may be used once, for one purpose, on one state of things.

A token is 256 random bits and is kept as a keyed hash: who reads the database can use none. A link
remembers, as a hash too, the state that it is about to change (the stored password, the address),
and is dead when that has changed in whatever way, or when a newer one was asked for.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import UUID

from gql_auth.features.keys.core import MasterSecret
from gql_auth.features.keys.sealing import Seal
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.entropy import random_bytes, url_safe
from gql_auth.kernel.errors import Refused
from gql_auth.kernel.settings import Settings

_TOKEN_BYTES: Final = 32
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class Purpose(StrEnum):
    """What a link does."""

    VERIFY_EMAIL = "verify-email"
    CONFIRM_SIGNUP = "confirm-signup"
    RESET_PASSWORD = "reset-password"  # noqa: S105 - a purpose
    MAGIC_LINK = "magic-link"
    CHANGE_EMAIL = "change-email"

    def life(self, settings: Settings) -> timedelta:
        """How long such a link lives."""
        return {
            Purpose.VERIFY_EMAIL: settings.verify_email_ttl,
            Purpose.CONFIRM_SIGNUP: settings.verify_email_ttl,
            Purpose.RESET_PASSWORD: settings.reset_password_ttl,
            Purpose.MAGIC_LINK: settings.magic_link_ttl,
            Purpose.CHANGE_EMAIL: settings.change_email_ttl,
        }[self]


class MailTokenRejection(StrEnum):
    """Why a token of a mail is refused."""

    INVALID = "INVALID"
    EXPIRED = "EXPIRED"
    USED = "USED"
    REPLACED = "REPLACED"


class MailTokenRejected(Refused):
    """The link does nothing (any more)."""

    code = "MAIL_TOKEN_REJECTED"
    leaves_evidence = True  # the attempt counts
    _MESSAGES: Final = {
        MailTokenRejection.INVALID: "This link is not valid, or no longer",
        MailTokenRejection.EXPIRED: "This link has expired, ask for a new one",
        MailTokenRejection.USED: "This link was already used",
        MailTokenRejection.REPLACED: "A newer link was asked for, use that one",
    }

    def __init__(self, reason: MailTokenRejection) -> None:
        super().__init__(self._MESSAGES[reason])
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link as it is kept: hashes, and what is sealed."""

    id: UUID
    purpose: str
    user_id: UUID | None
    address_hash: bytes
    token_hash: bytes
    state_hash: bytes | None
    sealed: bytes | None
    session_id: UUID | None
    binding_hash: bytes | None
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    replaced_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A link to be made.

    Args:
        address: where it is sent to, comparable.
        state: what it is about to change, as it is now, in any spelling that stays.
        content: what it needs to act; sealed.
        session_id: the session that asked.
        binding: a secret of the browser that asked; see `Links.is_bound`.
    """

    purpose: Purpose
    address: str
    user_id: UUID | None = None
    state: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)
    session_id: UUID | None = None
    binding: str | None = None


class LinkStore(Protocol):
    """Where links are kept."""

    def new_id(self) -> UUID:
        """An id for a link."""
        ...

    async def add(self, link: Link) -> None:
        """Keep a new one."""
        ...

    async def by_token(self, token_hash: bytes) -> Link | None:
        """By its token."""
        ...

    async def alive(self, purpose: str, address_hash: bytes, now: datetime) -> Link | None:
        """The newest to an address that could still be used."""
        ...

    async def replace(
        self, purpose: str, *, user_id: UUID | None, address_hash: bytes, at: datetime
    ) -> None:
        """Note that a newer one was asked for: of the account, or, where there is none, to the
        address."""
        ...

    async def use(self, link_id: UUID, at: datetime) -> bool:
        """Use it up, by one conditional update; whether it could be used."""
        ...

    async def of_user(self, user_id: UUID) -> list[Link]:
        """The links of an account, newest first."""
        ...

    async def remove_before(self, instant: datetime, limit: int) -> int:
        """Remove those that expired before an instant; how many."""
        ...


class Links:
    """Links in the open unit."""

    def __init__(
        self, store: LinkStore, clock: Clock, secret: MasterSecret, settings: Settings
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._key = secret.derive("links")
        self._seal = Seal(secret, "links:content")

    async def issue(self, asked: Asked) -> tuple[str, datetime]:
        """Make a link; those for the same purpose from before are dead.

        Returns:
            The token, which is kept nowhere but in the mail, and when its time is over.
        """
        now = self._clock.now()
        token = url_safe(random_bytes(_TOKEN_BYTES))
        address_hash = self._hash("address", asked.address)
        await self._store.replace(
            asked.purpose, user_id=asked.user_id, address_hash=address_hash, at=now
        )
        link_id = self._store.new_id()
        link = Link(
            id=link_id,
            purpose=asked.purpose.value,
            user_id=asked.user_id,
            address_hash=address_hash,
            token_hash=self._hash("token", token),
            state_hash=self._hash("state", asked.state),
            sealed=self._seal.close(asked.content, link_id) if asked.content else None,
            session_id=asked.session_id,
            binding_hash=self._hash("binding", asked.binding) if asked.binding else None,
            created_at=now,
            expires_at=now + asked.purpose.life(self._settings),
        )
        await self._store.add(link)
        return token, link.expires_at

    async def find(self, token: str, *purposes: Purpose) -> Link:
        """The link of a token, if it could be used now, but for the state that it was made for.

        Raises:
            MailTokenRejected: it could not.
        """
        if not _TOKEN.fullmatch(token):
            raise MailTokenRejected(MailTokenRejection.INVALID)
        link = await self._store.by_token(self._hash("token", token))
        if link is None or link.purpose not in purposes:
            raise MailTokenRejected(MailTokenRejection.INVALID)
        if link.used_at is not None:
            raise MailTokenRejected(MailTokenRejection.USED)
        if link.replaced_at is not None:
            raise MailTokenRejected(MailTokenRejection.REPLACED)
        if link.expires_at <= self._clock.now():
            raise MailTokenRejected(MailTokenRejection.EXPIRED)
        return link

    async def use(self, link: Link, *, expected_state: str) -> None:
        """Use a link up, in the transaction of what it does.

        Args:
            expected_state: what it changes, as it is now.

        Raises:
            MailTokenRejected: the state is not that for which it was made, or somebody else has
                just used it.
        """
        if not hmac.compare_digest(link.state_hash or b"", self._hash("state", expected_state)):
            raise MailTokenRejected(MailTokenRejection.INVALID)
        if not await self._store.use(link.id, self._clock.now()):
            raise MailTokenRejected(MailTokenRejection.USED)

    def content(self, link: Link) -> dict[str, Any]:
        """What was sealed in it.

        Raises:
            BrokenSeal: the row was tampered with.
        """
        return self._seal.open(link.sealed, link.id) if link.sealed else {}

    def is_bound(self, link: Link, presented: str | None) -> bool:
        """Whether the browser that asked for a link is the one that presents it."""
        if link.binding_hash is None or not presented:
            return False
        return hmac.compare_digest(link.binding_hash, self._hash("binding", presented))

    async def waiting(self, purpose: Purpose, address: str) -> Link | None:
        """The newest link to an address that could still be used."""
        now = self._clock.now()
        return await self._store.alive(purpose, self._hash("address", address), now)

    async def of_user(self, user_id: UUID) -> list[Link]:
        """The links of an account, newest first."""
        return await self._store.of_user(user_id)

    async def remove_before(self, instant: datetime, limit: int) -> int:
        """Remove links that expired before an instant; how many."""
        return await self._store.remove_before(instant, limit)

    def _hash(self, kind: str, subject: str) -> bytes:
        whole = f"{kind} {subject}".encode(errors="surrogatepass")
        return hmac.digest(self._key, whole, hashlib.sha256)

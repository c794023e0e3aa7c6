"""The outbox: what is to be mailed, written in the transaction of what it tells of.

Two kinds of things wait in it. A **letter** is a mail, but for its words' looks. An **errand** is a
wish for a mail that nobody has looked into yet: who asks for a link to an address is answered
before it is known whether the address has an account, so neither the answer nor its time can tell.
The deliverer runs errands, in transactions of their own, and sends letters; see `mail.delivery`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import UUID

from gql_auth.features.keys.sealing import Seal
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.unit import Unit

_log = logging.getLogger("gql_auth.mail")


class MailKind(StrEnum):
    """Every letter there is; the names are those of the templates."""

    VERIFY_EMAIL = "verify-email"
    CONFIRM_SIGNUP = "confirm-signup"
    ALREADY_REGISTERED = "already-registered"
    RESET_PASSWORD = "reset-password"  # noqa: S105 - a kind
    MAGIC_LINK = "magic-link"
    CHANGE_EMAIL = "change-email"
    CHANGE_EMAIL_TAKEN = "change-email-taken"
    NEW_SIGN_IN = "new-sign-in"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 - a kind
    EMAIL_CHANGED = "email-changed"
    TOKEN_REUSED = "token-reused"  # noqa: S105 - a kind
    DELETION_SCHEDULED = "deletion-scheduled"
    DELETION_CANCELLED = "deletion-cancelled"
    DELETION_DONE = "deletion-done"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail to be written and sent.

    Args:
        to: the address, whole.
        locale: the language that it is wanted in, as a tag or a header of such (`Accept-Language`).
        words: what its template says; instants in ISO 8601, spans in seconds.
        user_id: whose account it is about.
        expires_at: when it is not worth sending any more.
    """

    kind: MailKind
    to: str
    locale: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    user_id: UUID | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What waits in the outbox, as it is kept."""

    id: UUID
    kind: str
    is_errand: bool
    sealed: bytes
    user_id: UUID | None
    created_at: datetime
    due_at: datetime | None
    expires_at: datetime | None = None
    attempts: int = 0
    dead_at: datetime | None = None
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How full the outbox is.

    Args:
        letters, errands: what is still to be done.
        oldest_at: since when the oldest of these has been waiting.
        dead: what was given up.
    """

    letters: int
    errands: int
    oldest_at: datetime | None
    dead: int

    @property
    def all(self) -> int:
        """Both."""
        return self.letters + self.errands


class MailStore(Protocol):
    """Where the outbox is kept."""

    def new_id(self) -> UUID:
        """An id for an item."""
        ...

    async def add(self, item: Item) -> None:
        """Keep a new one."""
        ...

    async def is_due(self, now: datetime, *, letters: bool) -> bool:
        """Whether an errand, or a letter if they are asked for, is to be tried by now."""
        ...

    async def errands(self, now: datetime, limit: int) -> list[Item]:
        """Errands to be run by now, the longest due first; nobody else has them until the unit
        ends."""
        ...

    async def claim(self, now: datetime, limit: int, *, until: datetime) -> list[Item]:
        """Letters to be sent by now, the longest due first, put off until an instant: nobody else
        has them until then."""
        ...

    async def get(self, item_id: UUID) -> Item | None:
        """By id."""
        ...

    async def change(self, item: Item, values: Mapping[str, object]) -> bool:
        """Replace some fields, named as in `Item`, unless somebody else has taken it since; whether
        that was done."""
        ...

    async def remove(self, ids: Sequence[UUID]) -> None:
        """They are done."""
        ...

    async def of_user(self, user_id: UUID) -> list[Item]:
        """What waits for an account, oldest first."""
        ...

    async def remove_of(self, user_id: UUID) -> None:
        """Remove what waits for an account."""
        ...

    async def count(self) -> Waiting:
        """How many there are."""
        ...

    async def page(self, after: UUID | None, limit: int, *, dead: bool) -> list[Item]:
        """Those that wait, or those given up, in order of id."""
        ...

    async def revive(self, item_id: UUID, now: datetime) -> bool:
        """Have one that was given up tried again, as if for the first time; whether there is
        one."""
        ...

    async def remove_dead(self, before: datetime, limit: int) -> int:
        """Remove those given up before an instant; how many."""
        ...


class Bell:
    """Wakes the deliverer of this process."""

    def __init__(self) -> None:
        self.rang = asyncio.Event()

    def ring(self) -> None:
        """There is something."""
        self.rang.set()


_OLD_SCHEMA: Final = "Mail waits for the database schema of this release. Run: gql-auth migrate"


class Outbox:
    """What is to be mailed, in the open unit.

    Args:
        wake: tells the deliverers that there is something, once the unit is durable.
        migrated: whether the schema has an outbox already.
    """

    def __init__(
        self,
        store: MailStore,
        seal: Seal,
        unit: Unit,
        clock: Clock,
        wake: Callable[[], Awaitable[None]],
        *,
        migrated: bool,
    ) -> None:
        self._store = store
        self._seal = seal
        self._unit = unit
        self._clock = clock
        self._wake = wake
        self._migrated = migrated

    async def post(self, letter: Letter) -> None:
        """Have a letter sent. On the schema of the release before, it is left: what it tells of is
        more important than the telling."""
        if not self._migrated:
            _log.warning("a notice was not sent", extra={"mail": letter.kind, "cause": _OLD_SCHEMA})
            return
        content = {"to": letter.to, "locale": letter.locale, "words": dict(letter.words)}
        await self._add(letter.kind.value, content, errand=False, user_id=letter.user_id,
                        expires_at=letter.expires_at)  # fmt: skip

    async def ask(
        self, errand: str, payload: Mapping[str, Any], *, only_if_migrated: bool = False
    ) -> None:
        """Have an errand run: by the handler of that name, which is given the payload.

        Args:
            only_if_migrated: leave it on the schema of the release before, as a letter.

        Raises:
            Unavailable: the schema is that of the release before.
        """
        if not self._migrated and only_if_migrated:
            _log.warning("a mail was not sent", extra={"mail": errand, "cause": _OLD_SCHEMA})
        elif not self._migrated:
            raise Unavailable(_OLD_SCHEMA)
        else:
            await self._add(errand, payload, errand=True, user_id=None, expires_at=None)

    async def _add(
        self,
        kind: str,
        content: Mapping[str, Any],
        *,
        errand: bool,
        user_id: UUID | None,
        expires_at: datetime | None,
    ) -> None:
        now, item_id = self._clock.now(), self._store.new_id()
        item = Item(
            id=item_id,
            kind=kind,
            is_errand=errand,
            sealed=self._seal.close(content, item_id),
            user_id=user_id,
            created_at=now,
            due_at=now,
            expires_at=expires_at,
        )
        await self._store.add(item)
        await self._wake()

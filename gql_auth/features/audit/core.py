"""Audit events: what happened to whom, kept as rows and told to listeners.

Tags are `subject:act:outcome`, one vocabulary for rows, logs and listeners. An event is written
in the transaction of what it tells of, so neither can exist without the other. Details hold ids
and reasons, never a secret, a token, a hash or an e-mail address.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from gql_auth.kernel.caller import Client
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.unit import Unit

_log = logging.getLogger(__name__)


class Tag(StrEnum):
    """Every kind of event."""

    SIGNED_UP = "user:signup:succeeded"
    LOGGED_IN = "user:login:succeeded"
    LOGIN_FAILED = "user:login:failed"
    PASSWORD_CHANGED = "user:password:changed"  # noqa: S105 - a tag
    PASSWORD_CHANGE_FAILED = "user:password:refused"  # noqa: S105 - a tag
    PASSWORD_RESET = "user:password:reset"  # noqa: S105 - a tag
    EMAIL_VERIFIED = "user:email:verified"
    EMAIL_CHANGE_REQUESTED = "user:email:requested"
    EMAIL_CHANGE_REFUSED = "user:email:refused"
    EMAIL_CHANGED = "user:email:changed"
    PROFILE_UPDATED = "user:profile:updated"
    DATA_EXPORTED = "user:data:exported"
    DELETION_SCHEDULED = "user:deletion:scheduled"
    DELETION_REFUSED = "user:deletion:refused"
    DELETION_CANCELLED = "user:deletion:cancelled"
    DELETION_DONE = "user:deletion:done"
    USER_CREATED = "user:account:created"
    USER_DISABLED = "user:account:disabled"
    USER_ENABLED = "user:account:enabled"
    ROLES_SET = "user:roles:set"
    SESSION_ENDED = "session:end:done"
    REFRESH_REUSED = "session:refresh:reused"
    REFRESH_AHEAD = "session:refresh:ahead"
    MAIL_FAILED = "mail:delivery:failed"
    KEY_ROTATED = "key:rotation:done"
    KEY_RETIRED = "key:retirement:done"

    @classmethod
    def _missing_(cls, value: object) -> "Tag | None":
        """A tag that a later release wrote, beside this one: shown as it stands."""
        if not isinstance(value, str):
            return None
        tag = str.__new__(cls, value)
        tag._name_ = tag._value_ = value
        return tag


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    tag: Tag
    at: datetime
    user_id: UUID | None = None
    session_id: UUID | None = None
    client: Client = field(default_factory=Client)
    detail: Mapping[str, object] = field(default_factory=dict)


Listener = Callable[[Event], Awaitable[None] | None]


class EventStore(Protocol):
    """Where events are kept."""

    async def add(self, event: Event) -> None:
        """Keep one event."""
        ...

    async def of_user(self, user_id: UUID, limit: int) -> list[Event]:
        """The newest events of an account, newest first."""
        ...

    async def of_session(self, session_id: UUID, limit: int) -> list[Event]:
        """The events of a session, oldest first."""
        ...

    async def remove_of(self, user_id: UUID) -> None:
        """Remove the events of an account."""
        ...

    async def remove_before(self, instant: datetime, limit: int) -> int:
        """Remove events from before an instant, oldest first; how many."""
        ...


class Listeners:
    """Tells the host application's functions of events, after the commit, in the background.

    A listener that fails or is slow holds up nobody; the row is the record, the call a courtesy:
    at most once, lost if the process dies in between.
    """

    def __init__(self) -> None:
        self._listeners: list[tuple[frozenset[Tag], Listener]] = []
        self._running: set[asyncio.Task[None]] = set()

    def add(self, tags: frozenset[Tag], listener: Listener) -> None:
        """Call `listener` for events of these tags; of all tags where the set is empty."""
        self._listeners.append((tags, listener))

    def tell(self, event: Event) -> None:
        """Log the event and start every listener that wants it."""
        _log.info("audit", extra=_fields(event))
        for tags, listener in self._listeners:
            if not tags or event.tag in tags:
                task = asyncio.get_running_loop().create_task(_call(listener, event))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def drain(self, seconds: float = 5.0) -> None:
        """Wait for listeners still at work, a bounded time."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)


def _fields(event: Event) -> dict[str, str]:
    """What the log says of an event: who, where, what; the time is the line's own."""
    found = {
        "tag": event.tag.value,
        "user_id": event.user_id,
        "session_id": event.session_id,
        "ip": event.client.ip_address,
        **event.detail,
    }
    return {name: str(value) for name, value in found.items() if value is not None}


async def _call(listener: Listener, event: Event) -> None:
    try:
        done = listener(event)
        if inspect.isawaitable(done):
            await done
    except Exception:  # noqa: BLE001 - a host's function must not take others down
        _log.exception("a listener failed on %s", event.tag.value)


class Audit:
    """Records events in the open unit."""

    def __init__(self, store: EventStore, unit: Unit, clock: Clock, listeners: Listeners) -> None:
        self._store = store
        self._unit = unit
        self._clock = clock
        self._listeners = listeners

    async def record(
        self,
        tag: Tag,
        *,
        user_id: UUID | None = None,
        session_id: UUID | None = None,
        client: Client | None = None,
        **detail: object,
    ) -> None:
        """Write an event; listeners hear of it once it is durable."""
        event = Event(tag, self._clock.now(), user_id, session_id, client or Client(), detail)
        await self._store.add(event)
        self._unit.after_commit(lambda: self._listeners.tell(event))

    async def story(self, user_id: UUID, limit: int = 100) -> list[Event]:
        """The newest events of an account, newest first."""
        return await self._store.of_user(user_id, limit)

    async def story_of_session(self, session_id: UUID, limit: int = 1000) -> list[Event]:
        """The events of one session, from sign-in to end."""
        return await self._store.of_session(session_id, limit)

    async def erase(self, user_id: UUID) -> None:
        """Remove the events of an account; some were recorded in this unit, perhaps."""
        await self._store.remove_of(user_id)

    async def forget(self, before: datetime, limit: int) -> int:
        """Remove events from before an instant; how many."""
        return await self._store.remove_before(before, limit)

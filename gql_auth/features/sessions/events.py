"""What becomes of the sessions of accounts that somebody listens to, on whatever replica.

Nothing is kept of accounts without listeners, and nothing is read for them. For the others the
rows are looked at when there is reason to: another process told of the account, this one changed
it, the poll is due. What a look finds and the look before did not is news, so it makes no
difference how often, how late or by which way somebody is told to look.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self
from uuid import UUID

from gql_auth.features.sessions.refusals import ListenerTooSlow
from gql_auth.features.sessions.rotation import Session
from gql_auth.kernel.clock import Clock

_BACK: Final = timedelta(seconds=120)  # a commit may show after the instant it carries
_CHUNK: Final = 200  # accounts in one look
MOST: Final = 1_000  # sessions that one look takes in

# Sessions of these accounts that began or ended since an instant, the newest `MOST` of them.
Look = Callable[[Sequence[UUID], datetime], Awaitable[Sequence[Session]]]


@dataclass(frozen=True, slots=True)
class Change:
    """A session began, or it ended."""

    session: Session
    at: datetime
    ended: bool

    @property
    def key(self) -> tuple[UUID, bool]:
        """What makes it one and the same: a session begins once and ends once."""
        return self.session.id, self.ended


def changes_of(session: Session, now: datetime) -> list[Change]:
    """What a row tells, in order. One that nobody refreshed in time has ended by itself."""
    found = [Change(session, session.created_at, ended=False)]
    if session.revoked_at is not None:
        found.append(Change(session, session.revoked_at, ended=True))
    elif session.expires_at <= now:
        found.append(Change(session, session.expires_at, ended=True))
    return found


class Listener:
    """What one listener has not taken yet. Who does not keep up is told so instead of being
    remembered for."""

    BOUND: Final = MOST

    def __init__(self) -> None:
        self._waiting: deque[Change] = deque()
        self._arrived = asyncio.Event()
        self._lost = False

    def put(self, change: Change) -> None:
        """Something happened."""
        if len(self._waiting) >= self.BOUND:
            self._waiting.clear()
            self._lost = True
        if not self._lost:
            self._waiting.append(change)
        self._arrived.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        """The next change.

        Raises:
            ListenerTooSlow: more happened than was taken.
        """
        while not self._waiting:
            if self._lost:
                raise ListenerTooSlow
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()


class _Account:
    """An account that somebody listens to, and what the last look at it found."""

    def __init__(self, known: Sequence[Change], looked_at: datetime) -> None:
        self.listeners: set[Listener] = set()
        self.looked_at = looked_at
        self._known = {each.key for each in known}

    @property
    def since(self) -> datetime:
        """From when on changes are of interest."""
        return self.looked_at - _BACK

    def take(self, found: Sequence[Change], now: datetime) -> None:
        """Tell what is new."""
        recent = [each for each in found if each.at >= self.since]
        for change in sorted(recent, key=lambda each: (each.at, each.ended)):
            if change.key not in self._known:
                for listener in self.listeners:
                    listener.put(change)
        self._known = {each.key for each in recent}
        self.looked_at = now


class SessionEvents:
    """Tells listeners of their accounts' sessions.

    `wanted` is set when there is reason to look.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._accounts: dict[UUID, _Account] = {}
        self._due: set[UUID] = set()
        self.wanted = asyncio.Event()

    def look_at(self, user_id: UUID) -> None:
        """There may be news of this account."""
        if user_id in self._accounts:
            self._due.add(user_id)
            self.wanted.set()

    def look_at_all(self) -> None:
        """There may be news of anybody."""
        if self._accounts:
            self._due.update(self._accounts)
            self.wanted.set()

    @asynccontextmanager
    async def listen(self, user_id: UUID, look: Look) -> AsyncIterator[Listener]:
        """Hear of an account's sessions: of everything that happens from now on.

        Args:
            look: used before this comes back, and never again.
        """
        if user_id not in self._accounts:
            began = self._clock.now()
            found = await self._found([user_id], began - _BACK, look)
            known = [each for each in found if each.at < began]
            self._accounts.setdefault(user_id, _Account(known, began))
        account, listener = self._accounts[user_id], Listener()
        account.listeners.add(listener)
        self.look_at(user_id)  # what was told while nobody listened yet
        try:
            yield listener
        finally:
            account.listeners.discard(listener)
            if not account.listeners and self._accounts.get(user_id) is account:
                del self._accounts[user_id]

    async def look(self, look: Look) -> None:
        """Look at the accounts that there may be news of.

        Raises:
            Unavailable: the database cannot be reached; all of it is still to be done.
        """
        due = [each for each in self._due if each in self._accounts]
        self._due.clear()
        try:
            while due:
                await self._look_at(due[-_CHUNK:], look)
                del due[-_CHUNK:]
        finally:
            self._due.update(due)

    async def _look_at(self, chunk: Sequence[UUID], look: Look) -> None:
        now = self._clock.now()
        since = min(
            (self._accounts[each].since for each in chunk if each in self._accounts), default=now
        )
        found = await self._found(chunk, since, look)
        if len({each.session.id for each in found}) >= MOST and len(chunk) > 1:
            # One account must not hide what happens to the others.
            for each in chunk:
                await self._look_at([each], look)
            return
        of: dict[UUID, list[Change]] = {each: [] for each in chunk}
        for change in found:
            of[change.session.user_id].append(change)
        for each in chunk:
            if each in self._accounts:
                self._accounts[each].take(of[each], now)

    async def _found(self, chunk: Sequence[UUID], since: datetime, look: Look) -> list[Change]:
        rows = await look(chunk, since)
        now = self._clock.now()
        return [change for row in rows for change in changes_of(row, now)]

"""The tasks behind a running system: each survives outages and defects, and ends in order."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from typing import Any, Final, cast

from gql_auth.features.keys.core import KeyRings, Keys
from gql_auth.features.mail.core import Bell
from gql_auth.features.sessions.core import Sessions, looking
from gql_auth.features.sessions.events import SessionEvents
from gql_auth.features.sessions.memory import Confirmations, EndedSessions, Freshness
from gql_auth.kernel.clock import Clock, SharedClock, monotonic
from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.feature import Chore
from gql_auth.kernel.telemetry import Telemetry
from gql_auth.kernel.unit import Units
from gql_auth.storage.announcements import Announcements, Heard
from gql_auth.storage.engine import Database
from gql_auth.storage.locks import Turn
from gql_auth.storage.outages import name_of
from gql_auth.storage.revision import Revision

_log = logging.getLogger("gql_auth.system")

# What others ended is asked for with this much overlap: a commit may show after the instant it
# carries, and a database that took over may have another clock.
_OVERLAP: Final = timedelta(seconds=120)
_RETRY: Final = 1.0  # seconds between tries of a background task that met an outage
_LAST_STEP: Final = 5.0  # seconds a background task has to finish what it is at
_BATCH: Final = 500  # rows that housekeeping looks at in one transaction
_REST: Final = 4  # times as long as a batch took, before the next: it never has the database alone


class Tasks:
    """Runs tasks until they are told to stop."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, run: Callable[["Tasks"], Awaitable[None]]) -> None:
        """Start one."""
        self._tasks.append(asyncio.ensure_future(cast(Any, run(self))))

    async def stop(self, wake: Iterable[asyncio.Event]) -> None:
        """Let all finish the step they are at: a connection cancelled while it is being made
        stays open half-way, and PostgreSQL waits a minute for it."""
        self.stopping.set()
        for each in wake:
            each.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_STEP)
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def stop_within(self, seconds: float) -> bool:
        """Wait; whether the end came in the meantime."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        return self.stopping.is_set()


class Learner:
    """Keeps up with what other processes do: sessions ended, keys rotated, the shared clock."""

    def __init__(
        self,
        units: Units,
        database: Database,
        announcements: Announcements,
        *,
        clock: Clock,
        rings: KeyRings,
        ended: EndedSessions,
        events: SessionEvents,
        confirmations: Confirmations,
        freshness: Freshness,
        revision: Revision,
        bell: Bell,
        telemetry: Telemetry,
        pause: timedelta,
    ) -> None:
        self._units = units
        self._database = database
        self._bell = bell
        self._announcements = announcements
        self._clock = clock
        self._rings = rings
        self._ended = ended
        self._events = events
        self._confirmations = confirmations
        self._freshness = freshness
        self._revision = revision
        self._telemetry = telemetry
        self._pause = pause.total_seconds()
        self._seen: datetime | None = None
        self._looking = asyncio.Lock()
        self.something_new = asyncio.Event()

    async def learn(self) -> None:
        """Look once. One look after the other: what an older one has read never takes the place
        of what a newer one has, as the keys of before a retirement.

        Raises:
            Unavailable: the database cannot be reached.
        """
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        asked = monotonic()
        if isinstance(self._clock, SharedClock):
            await self._database.set_clock(self._clock)
        began = self._clock.now()
        if not self._revision.is_current:
            async with self._database.reading(spare=True) as connection:
                await self._revision.look(connection)
        async with self._units.read() as unit:
            self._rings.swap(await unit.get(Keys).ring(self._rings))
        since = self._ended.horizon if self._seen is None else self._seen - _OVERLAP
        place, tell = None, self._seen is not None
        while True:
            async with self._units.read() as unit:
                told = unit.get(Sessions).learn_ended(*(place or (since, None)), tell=tell)
                place = await told
            if place is None:
                break
        self._seen = began
        self._ended.forget_old()
        self._freshness.renew(asked)
        self._events.look_at_all()

    async def keep_learning(self, tasks: Tasks) -> None:
        """Look when something is told of, and now and then in any case."""
        while not tasks.stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await self.something_new.wait()
            self.something_new.clear()
            if not tasks.stopping.is_set() and not await survives(self.learn):
                self._confirmations.forget()
                await tasks.stop_within(_RETRY)
                self.something_new.set()

    async def keep_doubting(self, tasks: Tasks) -> None:
        """Wake whoever trusts in a session, when what is known has become too old for that."""
        while not await tasks.stop_within(max(self._freshness.left, _RETRY)):
            if self._freshness.is_lost:
                self._ended.wake_all()

    async def keep_hearing(self, tasks: Tasks) -> None:
        """Take over at once what other processes tell."""
        if self._announcements.silent:
            return
        while not tasks.stopping.is_set():
            hearing = asyncio.ensure_future(self._hear())
            stopping = asyncio.ensure_future(tasks.stopping.wait())
            try:
                await asyncio.wait({hearing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                hearing.cancel()
                stopping.cancel()
                (broken, _) = await asyncio.gather(hearing, stopping, return_exceptions=True)
            if isinstance(broken, Exception):
                self._confirmations.forget()
                cause = {"cause": name_of(broken)}
                _log.warning("the line of announcements is broken; the poll goes on", extra=cause)
            await tasks.stop_within(_RETRY)

    async def _hear(self) -> None:
        async with aclosing(cast(Any, self._announcements.hear())) as line:
            async for heard in line:
                self._take(heard)

    def _take(self, heard: Heard) -> None:
        for user_id in heard.accounts:
            self._events.look_at(user_id)
        if heard.at is None:
            if not heard.accounts and not heard.mail:
                self.something_new.set()
            if not heard.accounts:
                self._bell.ring()
            return
        for session_id in heard.ended:
            if session_id not in self._ended:
                lag = (self._clock.now() - heard.at).total_seconds()
                self._telemetry.learned(lag=max(lag, 0.0), heard=True)
                self._ended.add(session_id, heard.at)


async def keep_telling(events: SessionEvents, units: Units, tasks: Tasks) -> None:
    """Tell listeners what becomes of sessions; never have the database alone."""
    look = looking(units)
    while not tasks.stopping.is_set():
        await events.wanted.wait()
        events.wanted.clear()
        began = monotonic()
        if not await survives(lambda: events.look(look)):
            await tasks.stop_within(_RETRY)
            events.wanted.set()
        await tasks.stop_within(_REST * (monotonic() - began))


class Confirmer:
    """Writes confirmations as they come, in batches while one is being written."""

    def __init__(self, units: Units, confirmations: Confirmations) -> None:
        self._units = units
        self._confirmations = confirmations
        self.something_seen = asyncio.Event()

    async def keep_confirming(self, tasks: Tasks) -> None:
        """Write whenever there is something."""
        while not tasks.stopping.is_set():
            await self.something_seen.wait()
            self.something_seen.clear()
            if not await survives(self.confirm):
                await tasks.stop_within(_RETRY)
                self.something_seen.set()

    async def confirm(self) -> None:
        """Write what is pending."""
        taken = self._confirmations.take()
        if not taken:
            return
        try:
            async with self._units.write() as unit:
                await unit.get(Sessions).confirm(taken)
        except BaseException:
            self._confirmations.give_back(taken)
            raise


class Housekeeper:
    """Removes what is kept no longer, in small steps with rests; one process at a time."""

    def __init__(
        self,
        units: Units,
        chores: Sequence[Chore],
        *,
        clock: Clock,
        revision: Revision,
        telemetry: Telemetry,
        pause: timedelta,
    ) -> None:
        self._units = units
        self._chores = chores
        self._clock = clock
        self._revision = revision
        self._telemetry = telemetry
        self._pause = pause

    async def keep_clean(self, tasks: Tasks) -> None:
        """Do the chores now and then."""
        while not await tasks.stop_within(self._pause.total_seconds()):
            await survives(lambda: self.clean(tasks))

    async def clean(self, tasks: Tasks) -> None:
        """Do every chore to its end, unless another process is at it.

        Raises:
            Unavailable: the database cannot be reached.
        """
        if not self._revision.is_current:
            return
        for chore in self._chores:
            more = True
            while more and not tasks.stopping.is_set():
                began = monotonic()
                async with self._units.write() as unit:
                    if not await unit.get(Turn).is_mine(2 * self._pause):
                        return
                    done = await chore.batch(unit, self._clock.now(), _BATCH)
                if done.removed:
                    self._telemetry.removed(chore.what, done.removed)
                more = done.more
                if more:
                    await tasks.stop_within(_REST * (monotonic() - began))


async def survives(act: Callable[[], Awaitable[None]]) -> bool:
    """Run one step of a background task; an outage or a defect is logged and does not end it."""
    try:
        await act()
    except Unavailable as error:
        cause = {"cause": error.cause or "unknown"}
        _log.warning("the database is out of reach; trying again", extra=cause)
        return False
    except Exception:  # noqa: BLE001 - logged; the task must outlive it
        _log.exception("a background step failed; trying again")
        return False
    return True

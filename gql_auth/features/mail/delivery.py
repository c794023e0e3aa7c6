"""The deliverer: runs errands, sends letters, tries again, and gives up in the end.

One process at a time does it, by a lease that is short: a process that dies is followed within
seconds. That nobody sends what another one is sending does not hang on the lease: who takes a
letter first moves its `due_at` behind the longest time that sending may take, in a transaction that
commits before anything is sent, and sends nothing of it after that time. What became of it is noted
only while the letter is still as it was taken. What was sent and not yet noted when the process
died is sent again, with the same Message-ID: at least once, and once more only after a crash.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, Protocol

from gql_auth.features.audit.core import Audit, Tag
from gql_auth.features.keys.sealing import BrokenSeal, Seal
from gql_auth.features.mail.core import Bell, Item, MailStore
from gql_auth.features.mail.outlets import TryLater, Undeliverable
from gql_auth.features.mail.sending import Outcome, Sending
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.errors import Refused, Unavailable
from gql_auth.kernel.feature import ErrandHandler
from gql_auth.kernel.telemetry import Telemetry
from gql_auth.kernel.unit import Unit, Units

_log = logging.getLogger("gql_auth.mail")

LEASE: Final = timedelta(seconds=3)  # after which another process may go on
POLL: Final = 2.0  # seconds between two looks, should a word get lost or a process die
_ERRANDS: Final = 25  # in one transaction
_GATHER: Final = 0.03  # seconds in which more may land or come: one transaction does for all
_BEAT: Final = 1.0  # seconds between two renewals of the lease, while letters are on their way
_FIRST_RETRY: Final = timedelta(seconds=30)
_LAST_RETRY: Final = timedelta(hours=1)
_FIRST_PAUSE: Final = timedelta(seconds=2)  # of all, where nothing can be sent
_LAST_PAUSE: Final = timedelta(minutes=5)
_REASON_LENGTH: Final = 200


class MailTurn(Protocol):
    """Who delivers."""

    async def is_mine(self, span: timedelta) -> bool:
        """Whether this process may go on; nobody else may for that span."""
        ...

    async def is_over(self) -> None:
        """Another process may go on."""
        ...


class ErrandRefused(Exception):  # noqa: N818 - a defect of a handler
    """An errand let a refusal through. There is nobody whom it could be told, and a refusal may
    commit what was written before it: then the errand would be done, and still be there."""


class Deliverer:
    """Delivers, for all processes, while it is this one's turn.

    Args:
        patience: how long a letter is tried, all told.
    """

    def __init__(
        self,
        units: Units,
        bell: Bell,
        sending: Sending,
        errands: Mapping[str, ErrandHandler],
        *,
        seal: Seal,
        clock: Clock,
        telemetry: Telemetry,
        is_migrated: Callable[[], bool],
        patience: timedelta,
    ) -> None:
        self._units = units
        self._bell = bell
        self._sending = sending
        self._errands = errands
        self._seal = seal
        self._clock = clock
        self._telemetry = telemetry
        self._is_migrated = is_migrated
        self._patience = patience
        self._pause = _FIRST_PAUSE
        self._paused_until: datetime | None = None

    async def deliver(self, stopping: asyncio.Event) -> None:
        """Run and send all that is due, if it is this process's turn.

        Raises:
            Unavailable: the database cannot be reached. What has become of letters in the meantime
                is noted with the next call.
        """
        if not self._is_migrated():
            return
        sending = self._sending
        while not stopping.is_set():
            if not (sending.flying or sending.has_landed or await self._is_something_due()):
                return
            if not await self._step() and not sending.has_landed:
                if not sending.flying:
                    return
                await self._wait(stopping)
                await asyncio.sleep(_GATHER)

    async def finish(self, seconds: float) -> None:
        """Note what becomes of letters on their way; no more are taken."""
        await self._sending.finish(seconds)
        if self._is_migrated():
            with suppress(Unavailable):
                async with self._units.write() as unit:
                    await self._settle(unit, self._sending.take_landed())
                    await unit.get(MailTurn).is_over()

    async def _wait(self, stopping: asyncio.Event) -> None:
        """Until a letter has landed or there is something new; a beat at most."""
        waits = [asyncio.ensure_future(each.wait()) for each in (self._bell.rang, stopping)]
        try:
            await asyncio.wait(
                {*self._sending.flying, *waits}, timeout=_BEAT, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for each in waits:
                each.cancel()
        self._bell.rang.clear()

    async def _is_something_due(self) -> bool:
        async with self._units.read() as unit:
            return await unit.get(MailStore).is_due(self._clock.now(), letters=self._may_send)

    @property
    def _may_send(self) -> bool:
        if self._sending.outlet is None:
            return False
        return self._paused_until is None or self._clock.now() >= self._paused_until

    async def _step(self) -> bool:
        """Note what has landed, run errands, take letters, in one transaction; whether there is
        more to do at once."""
        landed = self._sending.take_landed()
        ran, items = 0, []
        try:
            async with self._units.write() as unit:
                await self._settle(unit, landed)
                if await unit.get(MailTurn).is_mine(LEASE):
                    ran = await self._run_errands(unit)
                    items = await self._take_letters(unit)
        except BaseException as error:
            self._sending.give_back(landed)
            # One errand that fails shall not hold up the others.
            if isinstance(error, Unavailable) or not isinstance(error, Exception):
                raise
            if not await self._run_one_by_one():
                raise
            return True
        self._sending.start(items)
        return ran == _ERRANDS

    async def _run_errands(self, unit: Unit) -> int:
        store = unit.get(MailStore)
        items = await store.errands(self._clock.now(), _ERRANDS)
        for item in items:
            await self._run(unit, item)
        if items:
            await store.remove([item.id for item in items])
        return len(items)

    async def _run(self, unit: Unit, item: Item) -> None:
        if item.expires_at is not None and item.expires_at <= self._clock.now():
            return  # what it would lead to is over
        try:
            await self._errands[item.kind](unit, self._seal.open(item.sealed, item.id))
        except Unavailable:
            raise
        except Refused as refused:
            raise ErrandRefused(refused.code) from refused

    async def _take_letters(self, unit: Unit) -> list[Item]:
        room = self._sending.room if self._may_send else 0
        if room <= 0:
            return []
        now = self._clock.now()
        return await unit.get(MailStore).claim(now, room, until=now + self._sending.claim)

    async def _run_one_by_one(self) -> int:
        """Run errands in transactions of their own, and put off those that fail; how many."""
        for number in range(_ERRANDS):
            item: Item | None = None
            try:
                async with self._units.write() as unit:
                    store = unit.get(MailStore)
                    for item in await store.errands(self._clock.now(), 1):
                        await self._run(unit, item)
                        await store.remove([item.id])
            except Unavailable:
                raise
            except Exception as error:
                if item is None:
                    raise
                _log.exception("an errand failed", extra={"errand": item.kind})
                trouble: TryLater | Undeliverable = TryLater(type(error).__name__)
                if isinstance(error, BrokenSeal):
                    trouble = Undeliverable("sealed with another secret")
                async with self._units.write() as unit:
                    await self._put_off(unit, item, trouble)
            if item is None:
                return number
        return _ERRANDS

    async def _settle(self, unit: Unit, landed: list[Outcome]) -> None:
        """Note what became of letters; in the transaction that takes the next ones."""
        store = unit.get(MailStore)
        sent = [each.item.id for each in landed if each.is_sent]
        if sent:
            await store.remove(sent)
            self._pause, self._paused_until = _FIRST_PAUSE, None
            unit.after_commit(lambda: self._telemetry.mailed("sent", len(sent)))
        for each in landed:
            if each.trouble is None or each.is_for_all:
                values: dict[str, object] = {"due_at": self._clock.now()}
                if each.trouble is not None:
                    values["last_error"] = _short(each.trouble.reason)
                if not each.is_sent:
                    await store.change(each.item, values)
            else:
                await self._put_off(unit, each.item, each.trouble)
        for_all = [each for each in landed if each.is_for_all]
        if for_all and not sent:
            self._rest(for_all[0])

    def _rest(self, outcome: Outcome) -> None:
        now = self._clock.now()
        if self._paused_until is None or now >= self._paused_until:
            assert outcome.trouble is not None  # noqa: S101 - it is why
            self._paused_until = now + _jitter(self._pause)
            self._pause = min(2 * self._pause, _LAST_PAUSE)
            cause = {"cause": _short(outcome.trouble.reason)}
            _log.warning("no mail can be sent; trying again", extra=cause)

    async def _put_off(self, unit: Unit, item: Item, trouble: TryLater | Undeliverable) -> None:
        """Have an item tried again later, or never, where there is no hope or no patience left."""
        now, reason = self._clock.now(), _short(trouble.reason)
        store = unit.get(MailStore)
        values: dict[str, object] = {"attempts": item.attempts + 1, "last_error": reason}
        if isinstance(trouble, TryLater) and not _is_too_long(item.attempts, self._patience):
            values["due_at"] = now + _jitter(_wait_after(item.attempts))
            if await store.change(item, values):
                unit.after_commit(lambda: self._telemetry.mailed("retried"))
            return
        values |= {"due_at": None, "dead_at": now}
        if await store.change(item, values):
            what = {"mail": item.kind, "mail_id": str(item.id), "reason": reason}
            await unit.get(Audit).record(
                Tag.MAIL_FAILED, user_id=item.user_id, mail=item.kind, reason=reason
            )
            unit.after_commit(lambda: self._telemetry.mailed("dead"))
            unit.after_commit(lambda: _log.warning("a mail was given up", extra=what))


def _wait_after(attempts: int) -> timedelta:
    """Until the next try, where so many have failed before the last one."""
    doubled: timedelta = _FIRST_RETRY * 2 ** min(attempts, 20)
    return min(doubled, _LAST_RETRY)


def _is_too_long(attempts: int, patience: timedelta) -> bool:
    """Whether the next try would come after all the time that a letter is tried. The time by
    which all had to wait for the server does not count."""
    return sum(map(_wait_after, range(attempts + 1)), timedelta()) > patience


def _jitter(span: timedelta) -> timedelta:
    """Something around a span, so that what failed together is not tried together again."""
    return span * random.uniform(0.75, 1.25)  # noqa: S311 - no secret


def _short(reason: str) -> str:
    return "".join(letter for letter in reason if letter.isprintable())[:_REASON_LENGTH]

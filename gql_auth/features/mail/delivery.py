"""The deliverer: runs errands, sends letters, tries again, and gives up in the end.

One process at a time does it, by a lease that is short: a process that dies is followed within
seconds. That nobody sends what another one is sending does not hang on the lease: who takes a
letter first moves its `due_at` behind the longest time that sending may take, in a transaction that
commits before anything is sent. What was sent and not yet noted when the process died is sent
again, with the same Message-ID: at least once, and once more only after a crash.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any, Final, Protocol

from gql_auth.features.audit.core import Audit, Tag
from gql_auth.features.keys.sealing import BrokenSeal, Seal
from gql_auth.features.mail.core import Bell, Item, MailStore
from gql_auth.features.mail.outlets import MailOutlet, TryLater, Undeliverable
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.feature import ErrandHandler
from gql_auth.kernel.telemetry import Telemetry
from gql_auth.kernel.unit import Unit, Units

_log = logging.getLogger("gql_auth.mail")

LEASE: Final = timedelta(seconds=3)  # after which another process may go on
POLL: Final = 5.0  # seconds between two looks, should a word get lost
_ERRANDS: Final = 25  # in one transaction
_BEAT: Final = 1.0  # seconds between two renewals of the lease, while letters are on their way
_FIRST_RETRY: Final = timedelta(seconds=30)
_LAST_RETRY: Final = timedelta(hours=1)
_FIRST_PAUSE: Final = timedelta(seconds=2)  # of all, where nothing can be sent
_LAST_PAUSE: Final = timedelta(minutes=5)
_REASON_LENGTH: Final = 200


class Composer(Protocol):
    """Makes a mail of a letter."""

    def __call__(self, item: Item, content: Mapping[str, Any]) -> EmailMessage:
        """The mail, ready to be sent.

        Raises:
            Undeliverable: the address is none that mail can be sent to.
        """
        ...


class MailTurn(Protocol):
    """Who delivers."""

    async def is_mine(self, span: timedelta) -> bool:
        """Whether this process may go on; nobody else may for that span."""
        ...


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one letter: None for sent, or why not."""

    item: Item
    trouble: TryLater | Undeliverable | None


class Deliverer:
    """Delivers, for all processes, while it is this one's turn.

    Args:
        outlet: None where there is none: then letters wait.
        patience: how long a letter is tried.
        time_limit: for the sending of one letter.
        at_once: letters on their way at a time, at most.
    """

    def __init__(
        self,
        units: Units,
        bell: Bell,
        outlet: MailOutlet | None,
        compose: Composer,
        errands: Mapping[str, ErrandHandler],
        *,
        seal: Seal,
        clock: Clock,
        telemetry: Telemetry,
        is_migrated: Callable[[], bool],
        sender: str,
        patience: timedelta,
        time_limit: timedelta,
        at_once: int,
    ) -> None:
        self._units = units
        self._bell = bell
        self._outlet = outlet
        self._compose = compose
        self._errands = errands
        self._seal = seal
        self._clock = clock
        self._telemetry = telemetry
        self._is_migrated = is_migrated
        self._sender = sender
        self._patience = patience
        self._time_limit = time_limit
        self._claim = time_limit + timedelta(seconds=5)
        self._at_once = at_once
        self._flying: set[asyncio.Task[_Outcome]] = set()
        self._landed: list[_Outcome] = []
        self._pause = _FIRST_PAUSE
        self._paused_until: datetime | None = None

    @property
    def sending(self) -> int:
        """Letters on their way."""
        return len(self._flying)

    async def deliver(self, stopping: asyncio.Event) -> None:
        """Run and send all that is due, if it is this process's turn.

        Raises:
            Unavailable: the database cannot be reached. What has become of letters in the meantime
                is noted with the next call.
        """
        if not self._is_migrated():
            return
        while not stopping.is_set():
            if not self._flying and not self._landed and not await self._is_something_due():
                return
            if not await self._step():
                if not self._flying:
                    return
                await self._wait(stopping)

    async def finish(self, seconds: float) -> None:
        """Note what becomes of letters on their way; no more are taken."""
        if self._flying:
            await asyncio.wait(self._flying, timeout=seconds)
        for task in list(self._flying):
            task.cancel()
        if self._flying:
            await asyncio.wait(self._flying)
        landed, self._landed = self._landed, []
        if landed:
            with suppress(Unavailable):
                async with self._units.write() as unit:
                    await self._settle(unit, landed)

    async def _wait(self, stopping: asyncio.Event) -> None:
        """Until a letter has landed or there is something new; a beat at most."""
        waits = [asyncio.ensure_future(each.wait()) for each in (self._bell.rang, stopping)]
        try:
            await asyncio.wait(
                {*self._flying, *waits}, timeout=_BEAT, return_when=asyncio.FIRST_COMPLETED
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
        if self._outlet is None:
            return False
        return self._paused_until is None or self._clock.now() >= self._paused_until

    async def _step(self) -> bool:
        """Note what has landed, run errands, take letters, in one transaction; whether there was
        anything to do."""
        landed, self._landed = self._landed, []
        ran, items = 0, []
        try:
            async with self._units.write() as unit:
                await self._settle(unit, landed)
                if await unit.get(MailTurn).is_mine(LEASE):
                    ran = await self._run_errands(unit)
                    items = await self._take_letters(unit)
        except BaseException as error:
            self._landed = landed + self._landed
            # One errand that fails shall not hold up the others.
            if isinstance(error, Unavailable) or not isinstance(error, Exception):
                raise
            if not await self._run_one_by_one():
                raise
            return True
        for item in items:
            task = asyncio.ensure_future(self._send(item))
            self._flying.add(task)
            task.add_done_callback(self._land)
        return bool(landed or ran or items)

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
        await self._errands[item.kind](unit, self._seal.open(item.sealed, item.id))

    async def _take_letters(self, unit: Unit) -> list[Item]:
        room = 2 * self._at_once - len(self._flying) if self._may_send else 0
        if room <= 0:
            return []
        now = self._clock.now()
        return await unit.get(MailStore).claim(now, room, until=now + self._claim)

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
                async with self._units.write() as unit:
                    await self._put_off(unit, item, type(error).__name__, dead=False)
            if item is None:
                return number
        return _ERRANDS

    def _land(self, task: asyncio.Task[_Outcome]) -> None:
        self._flying.discard(task)
        if not task.cancelled():
            self._landed.append(task.result())

    async def _send(self, item: Item) -> _Outcome:
        assert self._outlet is not None  # noqa: S101 - `_turn` has looked
        try:
            if item.expires_at is not None and item.expires_at <= self._clock.now():
                return _Outcome(item, Undeliverable("expired before it could be sent"))
            content = self._seal.open(item.sealed, item.id)
            message = self._compose(item, content)
            async with asyncio.timeout(self._time_limit.total_seconds()):
                await self._outlet.send(message, sender=self._sender, recipient=content["to"])
        except (TryLater, Undeliverable) as trouble:
            return _Outcome(item, trouble)
        except TimeoutError:
            return _Outcome(item, TryLater("timeout"))
        except BrokenSeal:
            return _Outcome(item, Undeliverable("sealed with another secret"))
        except Exception as error:  # noqa: BLE001 - a host's outlet, a template: the letter stays
            _log.exception("a mail could not be sent", extra={"mail": item.kind})
            return _Outcome(item, TryLater(type(error).__name__))
        return _Outcome(item, None)

    async def _settle(self, unit: Unit, landed: list[_Outcome]) -> None:
        """Note what became of letters; in the transaction that takes the next ones."""
        if not landed:
            return
        store = unit.get(MailStore)
        sent = [each.item.id for each in landed if each.trouble is None]
        if sent:
            await store.remove(sent)
            self._pause, self._paused_until = _FIRST_PAUSE, None
            unit.after_commit(lambda: self._telemetry.mailed("sent", len(sent)))
        for each in landed:
            if isinstance(each.trouble, TryLater) and each.trouble.for_all:
                await store.change(
                    each.item.id,
                    {"due_at": self._clock.now(), "last_error": _short(each.trouble.reason)},
                )
            elif each.trouble is not None:
                dead = isinstance(each.trouble, Undeliverable)
                await self._put_off(unit, each.item, each.trouble.reason, dead=dead)
        for_all = [each for each in landed if _is_for_all(each)]
        if for_all and not sent:
            self._rest(for_all[0])

    def _rest(self, outcome: _Outcome) -> None:
        now = self._clock.now()
        if self._paused_until is None or now >= self._paused_until:
            assert outcome.trouble is not None  # noqa: S101 - it is why
            self._paused_until = now + _jitter(self._pause)
            self._pause = min(2 * self._pause, _LAST_PAUSE)
            cause = {"cause": _short(outcome.trouble.reason)}
            _log.warning("no mail can be sent; trying again", extra=cause)

    async def _put_off(self, unit: Unit, item: Item, reason: str, *, dead: bool) -> None:
        """Have an item tried again later, or never, after its time or where there is no hope."""
        now = self._clock.now()
        wait = min(_FIRST_RETRY * 2 ** min(item.attempts, 20), _LAST_RETRY)
        due_at: datetime | None = now + _jitter(wait)
        if dead or now - item.created_at > self._patience:
            due_at = None
        store = unit.get(MailStore)
        values = {"attempts": item.attempts + 1, "due_at": due_at, "last_error": _short(reason)}
        if due_at is not None:
            unit.after_commit(lambda: self._telemetry.mailed("retried"))
        else:
            values["dead_at"] = now
            told = _short(reason)
            what = {"mail": item.kind, "mail_id": str(item.id), "reason": told}
            await unit.get(Audit).record(
                Tag.MAIL_FAILED, user_id=item.user_id, mail=item.kind, reason=told
            )
            unit.after_commit(lambda: self._telemetry.mailed("dead"))
            unit.after_commit(lambda: _log.warning("a mail was given up", extra=what))
        await store.change(item.id, values)


def _is_for_all(outcome: _Outcome) -> bool:
    return isinstance(outcome.trouble, TryLater) and outcome.trouble.for_all


def _jitter(span: timedelta) -> timedelta:
    """Something around a span, so that what failed together is not tried together again."""
    return span * random.uniform(0.75, 1.25)  # noqa: S311 - no secret


def _short(reason: str) -> str:
    return "".join(letter for letter in reason if letter.isprintable())[:_REASON_LENGTH]

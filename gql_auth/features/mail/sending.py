"""Letters on their way: so many at a time, each within the time for which it was taken."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from typing import Any, Final, Protocol

from gql_auth.features.keys.sealing import BrokenSeal, Seal
from gql_auth.features.mail.core import Item
from gql_auth.features.mail.outlets import MailOutlet, TryLater, Undeliverable
from gql_auth.kernel.clock import Clock

_log = logging.getLogger("gql_auth.mail")

_SLACK: Final = timedelta(seconds=5)  # in which a letter that was taken waits until it is its turn


class Compose(Protocol):
    """Makes a mail of a letter; called in threads, as templates take their time."""

    def __call__(self, item: Item, content: Mapping[str, Any]) -> EmailMessage:
        """The mail, ready to be sent.

        Raises:
            Undeliverable: the address is none that mail can be sent to.
        """
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one letter: sent, or why not; or it was not even tried."""

    item: Item
    trouble: TryLater | Undeliverable | None = None
    tried: bool = True

    @property
    def is_sent(self) -> bool:
        """Whether it is somebody else's from now on."""
        return self.tried and self.trouble is None

    @property
    def is_for_all(self) -> bool:
        """Whether no letter can be sent at the moment."""
        return isinstance(self.trouble, TryLater) and self.trouble.for_all


class Sending:
    """Sends letters, without a thought of the database.

    Args:
        outlet: None where there is none.
        sender: the envelope's.
        time_limit: for one letter.
        at_once: letters at a time, at most. Some more wait here, so that none waits for a commit.
    """

    def __init__(
        self,
        outlet: MailOutlet | None,
        compose: Compose,
        *,
        seal: Seal,
        clock: Clock,
        sender: str,
        time_limit: timedelta,
        at_once: int,
    ) -> None:
        self.outlet = outlet
        self._compose = compose
        self._seal = seal
        self._clock = clock
        self._sender = sender
        self._time_limit = time_limit
        self._lanes = asyncio.Semaphore(at_once)
        self._most = 4 * at_once
        self._flying: set[asyncio.Task[Outcome]] = set()
        self._landed: list[Outcome] = []
        self._over = False

    @property
    def claim(self) -> timedelta:
        """For how long a letter is taken: nothing is sent of it after that."""
        return self._time_limit + _SLACK

    @property
    def flying(self) -> frozenset[asyncio.Task[Outcome]]:
        """Letters on their way."""
        return frozenset(self._flying)

    @property
    def room(self) -> int:
        """How many more may be taken now."""
        return 0 if self.outlet is None or self._over else self._most - len(self._flying)

    @property
    def has_landed(self) -> bool:
        """Whether there are outcomes to be noted."""
        return bool(self._landed)

    def take_landed(self) -> list[Outcome]:
        """What became of letters, once."""
        landed, self._landed = self._landed, []
        return landed

    def give_back(self, landed: list[Outcome]) -> None:
        """They could not be noted."""
        self._landed = landed + self._landed

    def start(self, items: Iterable[Item]) -> None:
        """Send letters that were taken, whose `due_at` is when somebody else may take them."""
        for item in items:
            task = asyncio.ensure_future(self._in_turn(item))
            self._flying.add(task)
            task.add_done_callback(self._land)

    async def finish(self, seconds: float) -> None:
        """Begin no more, and wait for those on their way; those left then are given up untold:
        whether they were sent is not known, and they are sent again."""
        self._over = True
        if self._flying:
            await asyncio.wait(self._flying, timeout=seconds)
        for task in list(self._flying):
            task.cancel()
        if self._flying:
            await asyncio.wait(self._flying)

    def _land(self, task: asyncio.Task[Outcome]) -> None:
        self._flying.discard(task)
        if not task.cancelled():
            self._landed.append(task.result())

    async def _in_turn(self, item: Item) -> Outcome:
        try:
            await self._lanes.acquire()
        except asyncio.CancelledError:  # by `finish`: others need not wait for the claim to end
            return Outcome(item, tried=False)
        try:
            assert item.due_at is not None  # noqa: S101 - it was taken until then
            if self._over or item.due_at - self._clock.now() < self._time_limit:
                return Outcome(item, tried=False)
            return Outcome(item, await self._send(item))
        finally:
            self._lanes.release()

    async def _send(self, item: Item) -> TryLater | Undeliverable | None:
        """Why it was not sent."""
        assert self.outlet is not None  # noqa: S101 - else there is no room
        try:
            if item.expires_at is not None and item.expires_at <= self._clock.now():
                return Undeliverable("expired before it could be sent")
            content = self._seal.open(item.sealed, item.id)
            message = await asyncio.to_thread(self._compose, item, content)
            # The address as it is written in the header, with its domain in ASCII.
            recipient = message["To"].addresses[0].addr_spec
            async with asyncio.timeout(self._time_limit.total_seconds()):
                await self.outlet.send(message, sender=self._sender, recipient=recipient)
        except (TryLater, Undeliverable) as trouble:
            return trouble
        except TimeoutError:
            return TryLater("timeout")
        except BrokenSeal:
            return Undeliverable("sealed with another secret")
        except Exception as error:  # noqa: BLE001 - a host's outlet, a template: the letter stays
            _log.exception("a mail could not be sent", extra={"mail": item.kind})
            return TryLater(type(error).__name__)
        return None

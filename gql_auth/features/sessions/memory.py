"""What a process keeps in mind of sessions, so that protected fields cost no database read."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from gql_auth.kernel.clock import Clock


class EndedSessions:
    """The sessions that ended within one access-token lifetime, in this process's memory.

    All that could still be presented, and no more: asking costs no database read, and the size
    is bounded by the sessions that end within that time (about 80 bytes each). They lie in
    sixteen drawers by the time of their end; a drawer that is old enough is dropped whole.
    """

    _DRAWERS: Final = 16

    def __init__(self, clock: Clock, keep: timedelta) -> None:
        self._clock = clock
        self._keep = keep
        self._width = keep.total_seconds() / self._DRAWERS
        self._drawers: dict[int, set[int]] = {}
        self._watchers: dict[int, set[Callable[[], None]]] = {}

    def __contains__(self, session_id: UUID) -> bool:
        wanted = session_id.int
        for drawer in self._drawers.values():  # noqa: SIM110 - on every request's path
            if wanted in drawer:
                return True
        return False

    def __len__(self) -> int:
        return sum(map(len, self._drawers.values()))

    @property
    def horizon(self) -> datetime:
        """Sessions that ended before this have no living access token left."""
        return self._clock.now() - self._keep

    def add(self, session_id: UUID, at: datetime) -> None:
        """Refuse this session's access tokens from now on."""
        self._drawers.setdefault(self._drawer(at), set()).add(session_id.int)
        for wake in tuple(self._watchers.get(session_id.int, ())):
            wake()

    def watch(self, session_id: UUID, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` when this session ends; what is given back ends the watch. For whoever
        waits (a socket, a stream): nobody has to ask again and again."""
        watchers = self._watchers.setdefault(session_id.int, set())
        watchers.add(wake)

        def stop() -> None:
            watchers.discard(wake)
            if not watchers and self._watchers.get(session_id.int) is watchers:
                del self._watchers[session_id.int]

        return stop

    def wake_all(self) -> None:
        """Let everybody who watches look again."""
        for watchers in tuple(self._watchers.values()):
            for wake in tuple(watchers):
                wake()

    def forget_old(self) -> None:
        """Drop what can no longer be presented."""
        oldest = self._drawer(self.horizon)
        for number in [each for each in self._drawers if each < oldest]:
            del self._drawers[number]

    def _drawer(self, at: datetime) -> int:
        return int(at.timestamp() // self._width)


class Freshness:
    """How long ago this process last knew what the database knows of ended sessions.

    Cut off from it, a process goes on trusting tokens for a set time, then no more: a session
    that was revoked in the meantime must not live on until its token expires.

    Args:
        monotonic: seconds that never step.
    """

    def __init__(self, bound: timedelta, monotonic: Callable[[], float]) -> None:
        self._bound = bound.total_seconds()
        self._monotonic = monotonic
        self._known_at = monotonic()

    @property
    def age(self) -> float:
        """Seconds since what is known was all there was."""
        return self._monotonic() - self._known_at

    @property
    def left(self) -> float:
        """Seconds until what is known is too old to be trusted; 0 or less when it is."""
        return self._known_at + self._bound - self._monotonic()

    @property
    def is_lost(self) -> bool:
        """Whether what is known is too old to be trusted."""
        return self.left < 0

    def renew(self, asked_at: float) -> None:
        """All is known that the database held when it was asked."""
        self._known_at = max(self._known_at, asked_at)


class Confirmations:
    """Generations whose access token reached a protected field, waiting to be written.

    `seen` is on the request's path and touches memory only; a background task writes. Lost in a
    crash, nothing breaks: an unconfirmed generation only makes replays be answered kindly.
    """

    BOUND: Final = 65_536

    def __init__(self) -> None:
        self._known: OrderedDict[UUID, int] = OrderedDict()
        self._pending: dict[UUID, int] = {}

    def seen(self, session_id: UUID, generation: int) -> bool:
        """Note a use; whether there is something new to write. Generation 0 has no predecessor
        that could be replayed, so its use decides nothing."""
        if generation == 0 or self._known.get(session_id, 0) >= generation:
            return False
        self._known[session_id] = generation
        self._known.move_to_end(session_id)
        if len(self._known) > self.BOUND:
            self._known.popitem(last=False)
        self._pending[session_id] = generation
        return True

    def forget(self) -> None:
        """Note every use anew: a database that took over may have lost what was written. A
        generation that stays unconfirmed would let its predecessor be replayed for ever."""
        self._known.clear()

    def take(self) -> dict[UUID, int]:
        """What is to be written; the caller writes it or gives it back."""
        taken, self._pending = self._pending, {}
        return taken

    def give_back(self, taken: Mapping[UUID, int]) -> None:
        """What could not be written: it stays pending, unless something newer came."""
        self._pending = {**taken, **self._pending}

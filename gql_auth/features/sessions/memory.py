"""What a process keeps in mind of sessions, so that protected fields cost no database read."""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from gql_auth.kernel.clock import Clock


class EndedSessions:
    """The sessions that ended within one access-token lifetime, in this process's memory.

    All that could still be presented, and no more: asking costs no database read, and the size
    is bounded by the sessions that end within that time.
    """

    def __init__(self, clock: Clock, keep: timedelta) -> None:
        self._clock = clock
        self._keep = keep
        self._ended: dict[UUID, datetime] = {}

    def __contains__(self, session_id: UUID) -> bool:
        return session_id in self._ended

    def __len__(self) -> int:
        return len(self._ended)

    @property
    def horizon(self) -> datetime:
        """Sessions that ended before this have no living access token left."""
        return self._clock.now() - self._keep

    def add(self, session_id: UUID, at: datetime) -> None:
        """Refuse this session's access tokens from now on."""
        self._ended[session_id] = at

    def forget_old(self) -> None:
        """Drop what can no longer be presented."""
        horizon = self.horizon
        for session_id in [each for each, at in self._ended.items() if at < horizon]:
            del self._ended[session_id]


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

    def take(self) -> dict[UUID, int]:
        """What is to be written; the caller writes it or gives it back."""
        taken, self._pending = self._pending, {}
        return taken

    def give_back(self, taken: Mapping[UUID, int]) -> None:
        """What could not be written: it stays pending, unless something newer came."""
        self._pending = {**taken, **self._pending}

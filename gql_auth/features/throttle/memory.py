"""Buckets in this process alone: while the schema is still that of the release before, which had
no tables for them. From the migration on they are in the database."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from gql_auth.features.throttle.core import SLACK


class MemoryThrottles:
    """Implements `ThrottleStore`; the least recently used bucket goes when there are too many."""

    BOUND: Final = 100_000
    rolls_back = False

    def __init__(self) -> None:
        self._full_until: OrderedDict[bytes, int] = OrderedDict()
        self._known: OrderedDict[bytes, datetime] = OrderedDict()

    async def take(self, key: bytes, *, drop: int, size: int, level: int, now: int) -> int:
        """Put a drop into a bucket if there is room for it."""
        until = max(self._full_until.get(key, 0), level, now)
        if until > now + size + SLACK:
            until = now + size - drop
        if until > now + size - drop:
            return until - (now + size - drop)
        self._full_until[key] = until + drop
        self._full_until.move_to_end(key)
        if len(self._full_until) > self.BOUND:
            self._full_until.popitem(last=False)
        return 0

    async def give_back(self, key: bytes, *, drop: int) -> None:
        """Take a drop out again."""
        if key in self._full_until:
            self._full_until[key] -= drop

    async def knows(self, key: bytes) -> bool:
        """Whether the account has signed in from the address."""
        return key in self._known

    async def remember(self, keys: Sequence[bytes], at: datetime) -> None:
        """The account signs in from the address."""
        for key in keys:
            self._known[key] = at
            self._known.move_to_end(key)
        while len(self._known) > self.BOUND:
            self._known.popitem(last=False)

    async def remove_empty(self, now: int, limit: int) -> int:
        """Remove buckets that have drained."""
        empty = [key for key, until in self._full_until.items() if until < now][:limit]
        for key in empty:
            del self._full_until[key]
        return len(empty)

    async def remove_unseen(self, since: datetime, limit: int) -> int:
        """Remove addresses that were not seen since."""
        old = [key for key, at in self._known.items() if at < since][:limit]
        for key in old:
            del self._known[key]
        return len(old)

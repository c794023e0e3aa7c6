"""The sockets and streams that are open in this process: how many, whose, and no more than may be.

Both hold memory and a file for as long as the client likes, so they are counted: by address from
the first byte on, and by account from the moment that one proves to act for it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any
from uuid import UUID

from gql_auth.kernel.addresses import client_of
from gql_auth.kernel.connections import ConnectionLimits
from gql_auth.kernel.errors import Refused, Unavailable
from gql_auth.kernel.telemetry import Telemetry


class Kind(StrEnum):
    """What stays open."""

    SOCKET = "sockets"
    STREAM = "streams"


class TooManyConnections(Refused):
    """As many sockets and streams are open as may be, from an address or for an account."""

    code = "TOO_MANY_CONNECTIONS"

    def __init__(self, whose: str) -> None:
        super().__init__(f"Too many connections of this {whose}: close one first")
        self.reason = f"CONNECTIONS_PER_{whose.upper()}"

    @property
    def extensions(self) -> dict[str, object]:
        return {"code": self.code, "reason": self.reason}


class TooManyOperations(Refused):
    """As many operations run on a socket as may."""

    code = "TOO_MANY_OPERATIONS"
    message = "Too many operations on this socket: end one first"


class Connection:
    """One that is open. `hang_up` is what ends it when the server ends."""

    def __init__(self, kind: Kind, address: str | None) -> None:
        self.kind = kind
        self.address = client_of(address)
        self.account: UUID | None = None
        self.hang_up: Callable[[], None] = lambda: None


class Connections:
    """Counts them. Only what is open is remembered."""

    def __init__(self, limits: ConnectionLimits, telemetry: Telemetry) -> None:
        self.limits = limits
        self.telemetry = telemetry
        self._open: dict[Kind, set[Connection]] = {kind: set() for kind in Kind}
        self._hung_up = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._of_address: Counter[str] = Counter()
        self._of_account: Counter[UUID] = Counter()

    def count(self, kind: Kind) -> int:
        """How many are open."""
        return len(self._open[kind])

    def require_room(self, address: str | None) -> None:
        """Come back if one more may be opened from an address.

        Raises:
            TooManyConnections: there are as many as may be.
            Unavailable: the server ends.
        """
        if self._hung_up:
            raise Unavailable("Shutting down")
        if self._of_address[client_of(address)] >= self.limits.connections_per_address:
            self.telemetry.limited("address")
            raise TooManyConnections("address")

    @contextmanager
    def opened(self, kind: Kind, address: str | None) -> Iterator[Connection]:
        """One is open while this is entered.

        Raises:
            TooManyConnections: the address has as many as it may.
        """
        self.require_room(address)
        self._loop = asyncio.get_running_loop()
        connection = Connection(kind, address)
        self._of_address[connection.address] += 1
        self._open[kind].add(connection)
        try:
            yield connection
        finally:
            self._open[kind].discard(connection)
            _take_one(self._of_address, connection.address)
            if connection.account is not None:
                _take_one(self._of_account, connection.account)

    def belongs(self, connection: Connection, account: UUID) -> None:
        """One that is open acts as an account from now on.

        Raises:
            TooManyConnections: as many do as may.
        """
        if self._of_account[account] >= self.limits.connections_per_account:
            self.telemetry.limited("account")
            raise TooManyConnections("account")
        self._of_account[account] += 1
        connection.account = account

    def hang_up(self) -> None:
        """End the streams, from any thread: the server ends. Sockets it ends by itself (1012)."""
        self._hung_up = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for each in tuple(self._open[Kind.STREAM]):
            each.hang_up()


def _take_one(counts: Counter[Any], key: object) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]

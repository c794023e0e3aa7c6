"""The unit of work: one transaction, the services bound to it, and what happens after it.

One unit per operation, never one per request: GraphQL query fields resolve concurrently, and
two of them must not share a database session.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

S = TypeVar("S")
T = TypeVar("T")


class Unit(Protocol):
    """An open transaction. Leaving the block commits; an exception rolls back, unless it is a
    `Refused` that `leaves_evidence`: then the evidence commits and the refusal goes on."""

    def get(self, service: type[S]) -> S:
        """The service of that type, bound to this transaction; one instance per unit."""
        ...

    def after_commit(self, act: Callable[[], Awaitable[None] | None]) -> None:
        """Do `act` once the transaction is durable; never if it rolls back."""
        ...


class Units(Protocol):
    """Opens units of work."""

    def read(self) -> AbstractAsyncContextManager[Unit]:
        """A unit that only reads."""
        ...

    def write(self) -> AbstractAsyncContextManager[Unit]:
        """A unit that may write; on SQLite the writers queue here."""
        ...

    async def swiftly(self, act: Callable[[Unit], Awaitable[T]]) -> T:
        """What `act` answers, in a unit in which each statement is a transaction of its own, if
        the quick way can do all that it turns out to want; otherwise it is done over again in a
        unit that may write. So `act` must come to the right end whatever an attempt before it
        left behind, as after a lost answer. What is asked for after the commit is done once.
        """
        ...

    def glance(self, kind: type[S]) -> S:
        """What reads single rows without a unit, of that type: for what every request asks."""
        ...

"""The unit of work: one transaction, the services bound to it, and what happens after it.

One unit per operation, never one per request: GraphQL query fields resolve concurrently, and
two of them must not share a database session.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

S = TypeVar("S")


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

    def glance(self, kind: type[S]) -> S:
        """What reads single rows without a unit, of that type: for what every request asks."""
        ...

"""A bound on time that costs nothing where nobody waits: most bodies are there when they are asked
for, and most operations end without a pause."""

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any, Final, Generic, TypeVar, cast

T = TypeVar("T")

_TAKEN: Final = object()


class Rest(Generator[Any, Any, T], Generic[T]):
    """The rest of something that has been awaited as far as its first pause."""

    def __init__(self, first: Any, steps: Generator[Any, Any, T]) -> None:
        self._first = first
        self._steps = steps

    def __await__(self) -> Generator[Any, Any, T]:
        return self

    def send(self, value: Any) -> Any:
        """Go on: what was waited for first is waited for now."""
        if self._first is not _TAKEN:
            first, self._first = self._first, _TAKEN
            return first
        return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        """Go on with an exception, a cancellation among them."""
        self._first = _TAKEN
        return self._steps.throw(*error)

    def close(self) -> None:
        """Go on no more."""
        self._steps.close()


def begun(awaitable: Awaitable[T]) -> T | Rest[T]:
    """Await something as far as its first pause: its result where it has none, or its rest."""
    steps = awaitable.__await__()
    try:
        first = next(steps)
    except StopIteration as done:
        return cast(T, done.value)
    return Rest(first, steps)


async def within(seconds: float, rest: Awaitable[T]) -> T:
    """The result of what was begun or is yet to begin, if it is there in time.

    Raises:
        TimeoutError: it is not; it was cancelled then.
    """
    async with asyncio.timeout(seconds):
        return await rest

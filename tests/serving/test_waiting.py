"""Bounds on time that cost nothing where nobody waits."""

import asyncio
from collections.abc import Awaitable, Generator

import pytest

from gql_auth.serving.waiting import Rest, begun, within


async def at_once() -> str:
    return "done"


async def after(event: asyncio.Event, noted: list[str]) -> str:
    noted.append("begun")
    try:
        await event.wait()
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        noted.append("cancelled")
        raise
    return "done"


async def test_what_never_waits_is_done() -> None:
    """The result is there, and nothing is left to be awaited."""
    assert begun(at_once()) == "done"


async def test_what_waits_goes_on_where_it_stopped() -> None:
    """It is begun once, and its rest brings the result, over several pauses."""
    event, noted = asyncio.Event(), list[str]()
    rest = begun(after(event, noted))
    assert isinstance(rest, Rest)
    assert noted == ["begun"]
    asyncio.get_running_loop().call_soon(event.set)
    assert await within(10, rest) == "done"
    assert noted == ["begun"]


async def test_too_late() -> None:
    """When the time is over it is cancelled where it waits, and TimeoutError is raised."""
    noted: list[str] = []
    rest = begun(after(asyncio.Event(), noted))
    assert isinstance(rest, Rest)
    with pytest.raises(TimeoutError):
        await within(0.01, rest)
    assert noted == ["begun", "cancelled"]


async def test_the_caller_is_cancelled() -> None:
    """A cancellation from outside reaches it, and is no timeout."""
    noted: list[str] = []

    async def call() -> None:
        rest = begun(after(asyncio.Event(), noted))
        assert isinstance(rest, Rest)
        await within(10, rest)

    task = asyncio.ensure_future(call())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert noted == ["begun", "cancelled"]


async def test_errors_come_through() -> None:
    """What it raises, before its first pause or behind it, is raised as it is."""

    async def fail(*, wait: bool) -> None:
        if wait:
            await asyncio.sleep(0)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        begun(fail(wait=False))
    rest = begun(fail(wait=True))
    assert isinstance(rest, Rest)
    with pytest.raises(LookupError, match="mine"):
        await within(10, rest)


async def test_anything_that_can_be_awaited() -> None:
    """Futures and objects of one's own, too."""

    class Own:
        def __await__(self) -> Generator[None, None, int]:
            yield
            return 7

    future: Awaitable[str] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, "told")  # type: ignore[attr-defined]
    for each, told in ((future, "told"), (Own(), 7)):
        rest = begun(each)  # type: ignore[arg-type]
        assert isinstance(rest, Rest)
        assert await within(10, rest) == told

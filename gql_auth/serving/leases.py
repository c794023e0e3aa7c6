"""How long a socket or a stream may go on: as long as the token that it has proven itself by."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Final, Protocol

from gql_auth.kernel.caller import Caller
from gql_auth.kernel.errors import Refused, Unauthenticated
from gql_auth.serving.connections import Connection, Connections

_PATIENCE: Final = 2.0  # seconds that last words may take; a busy database makes them late
_LATE: Final = 0.01  # seconds after a token's end, so that it is over when somebody looks

# Which operation of a socket the code runs for.
operation_id: ContextVar[str] = ContextVar("gql_auth_operation", default="")


class Keeper(Protocol):
    """What a lease needs of the running system."""

    @property
    def connections(self) -> Connections:
        """The sockets and streams that are open."""
        ...

    def seconds_left(self, caller: Caller) -> float:
        """Until the caller's token expires."""
        ...

    def require_valid(self, caller: Caller) -> None:
        """Come back if the caller's token would be taken now."""
        ...

    def watch(self, caller: Caller, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` when the caller's session may have ended."""
        ...


class Lease:
    """Begins when somebody proves who they are, and ends with their token or its session. One
    that nobody proves anything on goes on: what is public needs no token.

    Args:
        when_over: called once, at the end.
    """

    def __init__(
        self, system: Keeper, connection: Connection, when_over: Callable[[], None]
    ) -> None:
        self._system = system
        self._connection = connection
        self._when_over = when_over
        self._stop_watching: Callable[[], None] = lambda: None
        self._timer: asyncio.TimerHandle | None = None
        self._speaking: set[str] = set()
        self._said = asyncio.Event()
        self.caller: Caller | None = None
        self.over: Refused | None = None

    def prove(self, caller: Caller) -> None:
        """Somebody has proven who they are.

        Raises:
            TooManyConnections: too many act as this account.
        """
        if self.caller is None and self.over is None:
            self._system.connections.belongs(self._connection, caller.user_id)
            self.caller = caller
            self._stop_watching = self._system.watch(caller, self._look)
            self._wait()

    def goes_on(self) -> bool:
        """Whether it does, looked at now: for whoever is about to say or to take something."""
        self._look()
        return self.over is None

    @property
    def who(self) -> dict[str, str]:
        """Who has proven themselves, for the log."""
        if self.caller is None:
            return {}
        return {
            "user_id": str(self.caller.user_id),
            "session_id": str(self.caller.session_id),
        }

    def end(self) -> None:
        """Nobody waits for its end any more."""
        self._stop_watching()
        if self._timer is not None:
            self._timer.cancel()

    @contextmanager
    def last_words(self) -> Iterator[None]:
        """While this is entered, the operation may still speak when the session has ended."""
        operation = operation_id.get()
        self._speaking.add(operation)
        try:
            yield
        finally:
            self._speaking.discard(operation)
            if not self._speaking:
                self._said.set()

    def may_speak(self, operation: str = "") -> bool:
        """Whether an operation's words go out although it is over."""
        return (
            operation in self._speaking
            and isinstance(self.over, Unauthenticated)
            and self.over.reason is Unauthenticated.Reason.REVOKED
        )

    async def last_words_said(self) -> None:
        """Come back when they are said, or have taken too long."""
        if any(map(self.may_speak, self._speaking)):
            self._said.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._said.wait()
            self._speaking.clear()

    def _wait(self) -> None:
        assert self.caller is not None  # noqa: S101 - only a caller's token ends
        left = max(self._system.seconds_left(self.caller), 0) + _LATE
        self._timer = asyncio.get_running_loop().call_later(left, self._expire)

    def _expire(self) -> None:
        if self.goes_on():  # the clock was set back meanwhile
            self._wait()

    def _look(self) -> None:
        if self.caller is None or self.over is not None:
            return
        try:
            self._system.require_valid(self.caller)
        except Refused as refusal:
            self.over = refusal
            self.end()
            self._when_over()

"""The one place that reads the clocks, so that tests can set them."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place


class SharedClock:
    """A clock that all replicas share: the database's, carried on by the machine's monotonic one.

    What a session's row says was written by any replica. Where their own clocks differ, a race
    window would be over before it began, and a token be issued in the future of the one that
    verifies it. Nobody's wall clock is asked here, so a step of one changes nothing.
    """

    _DRIFT: Final = 2e-4  # seconds a second that a machine's clock may run wrong, at most

    def __init__(self) -> None:
        self._instant = SystemClock().now()  # until the database was asked
        self._read_at = time.monotonic()
        self._error = float("inf")  # seconds that `_instant` may be off

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return self._instant + timedelta(seconds=time.monotonic() - self._read_at)

    def follow(self, told: datetime, *, asked: float, answered: float) -> None:
        """Take over what the database's clock said, unless what is known is more exact.

        Args:
            told: the database's time.
            asked, answered: `monotonic()` before the question and after the answer.
        """
        middle, error = (asked + answered) / 2, (answered - asked) / 2
        known = self._error + self._DRIFT * (middle - self._read_at)
        expected = self._instant + timedelta(seconds=middle - self._read_at)
        stepped = abs((told - expected).total_seconds()) > error + known
        if error <= known or stepped:
            self._instant, self._read_at, self._error = told, middle, error


def monotonic() -> float:
    """Seconds since some instant; never steps."""
    return time.monotonic()


def wall_clock() -> int:
    """Nanoseconds since 1970 by the machine's clock, for the log."""
    return time.time_ns()


def epoch(instant: datetime) -> int:
    """Whole seconds since 1970, rounded down: a JWT NumericDate (RFC 7519, section 2)."""
    return int(instant.timestamp() // 1)


def from_epoch(seconds: int) -> datetime:
    """The instant of a NumericDate, aware, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)

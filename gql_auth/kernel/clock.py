"""The one place that reads the wall clock, so that tests can set it."""

from datetime import UTC, datetime
from typing import Protocol


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


def epoch(instant: datetime) -> int:
    """Whole seconds since 1970, rounded down: a JWT NumericDate (RFC 7519, section 2)."""
    return int(instant.timestamp() // 1)


def from_epoch(seconds: int) -> datetime:
    """The instant of a NumericDate, aware, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)

"""What the system tells of itself as it works. This class tells nobody; `gql_auth.observing` has
those that tell Prometheus and OpenTelemetry. The code that reports asks nothing in between."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext


class Telemetry:
    """Hears of everything and keeps nothing. Each method is cheap and never fails."""

    def requested(self, *, operation: str | None, kind: str, outcome: str, seconds: float) -> None:
        """A request to the GraphQL endpoint was answered.

        Args:
            operation: the client's name for it; unbounded, and not to be trusted.
            kind: `query`, `mutation` or `none` where nothing could be run.
            outcome: `ok`, or the first error's code in lower case.
            seconds: until the answer was ready.
        """

    def refreshed(self, outcome: str) -> None:
        """A refresh was judged: rotated, replayed, raced, ahead, reused, expired, invalid,
        missing, revoked, throttled or unavailable."""

    def logged_in(self, outcome: str) -> None:
        """A sign-in: succeeded, refused, invalid, throttled or unavailable."""

    def signed_up(self, outcome: str) -> None:
        """A sign-up: succeeded, refused, invalid, throttled or unavailable."""

    def throttled(self, policy: str) -> None:
        """A throttle refused an attempt."""

    def removed(self, what: str, count: int) -> None:
        """Housekeeping removed rows: `sessions`, `events`, `throttles` or `addresses`."""

    def learned(self, *, lag: float, heard: bool) -> None:
        """A revocation made elsewhere is known here.

        Args:
            lag: seconds since it was made.
            heard: by notification; otherwise the poll found it.
        """

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """Where a level can be read at any time: `hash_queue`, `hash_running`, `pool_held`,
        `pool_size`, `pool_waiting`, `ended_sessions`, `staleness_seconds`."""

    def span(self, name: str, **attributes: str) -> AbstractContextManager[object]:  # noqa: ARG002
        """A span of a trace around a step."""
        return nullcontext()

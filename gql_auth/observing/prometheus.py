"""Telemetry for Prometheus: counters, histograms and levels.

What strangers choose is bounded before it becomes a label (`names`); every other label has the
few values that the code itself knows. Values that the code knows are there from the start, at
zero: a rate over a series that begins at one would miss the first, and the first reused token
is the one to hear of.
"""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from gql_auth.kernel.telemetry import Telemetry
from gql_auth.observing.names import Codes, Names

_REFRESHES: Final = ("rotated", "replayed", "raced", "ahead", "reused", "expired", "invalid",
                     "missing", "revoked", "throttled", "unavailable")  # fmt: skip
_ATTEMPTS: Final = ("succeeded", "refused", "invalid", "throttled", "unavailable")
_REMOVED: Final = ("sessions", "events", "throttles", "addresses", "links", "mails", "accounts")
_BOUNDS: Final = ("document_size", "tokens", "lines", "depth", "aliases", "root_fields", "repeats",
                  "directives", "complexity", "introspection", "introspections",
                  "variables_size", "input_depth", "batch", "time")  # fmt: skip
_LEVELS_OF_LINES: Final = ("info", "warning", "error", "critical")
_KINDS: Final = ("query", "mutation", "none")
_MAILS: Final = ("sent", "retried", "dead")
_LIMITS: Final = ("address", "account", "operations", "init", "slow")
_WAYS: Final = ("notification", "poll")
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LAGS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

# name -> what it tells, and what several processes make together of it
_LEVELS: Final[dict[str, tuple[str, Literal["livesum", "livemax"]]]] = {
    "hash_queue": ("Password checks that wait for a hashing thread.", "livesum"),
    "hash_running": ("Password checks that are being worked out.", "livesum"),
    "pool_held": ("Database connections that requests hold.", "livesum"),
    "pool_size": ("Database connections that requests may hold.", "livesum"),
    "pool_waiting": ("Requests that wait for a database connection.", "livesum"),
    "open_sockets": ("WebSockets that are open.", "livesum"),
    "open_streams": ("Event streams that are open.", "livesum"),
    "mails_sending": ("Mails on their way to the mail server.", "livesum"),
    "mails_waiting": ("Mails that are still to be sent.", "livemax"),
    "mails_oldest_seconds": ("Seconds that the oldest of these has been waiting.", "livemax"),
    "ended_sessions": ("Sessions whose access tokens are refused from memory.", "livemax"),
    "staleness_seconds": (
        "Seconds since all was known that the database holds of ended sessions.",
        "livemax",
    ),
}
_REFRESH: Final = 1.0  # seconds between two readings of the levels, where others show them


class Prometheus(Telemetry):
    """Counts.

    Args:
        registry: where the metrics are registered; one of its own unless given.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        # Several processes write to files that one of them, or a parent, shows.
        self.shared: bool = values.ValueClass._multiprocess  # noqa: SLF001 - no public face
        self._names = Names()
        self._codes = Codes()
        self._read: dict[str, Callable[[], float]] = {}
        self._requests = self._counter(
            "requests", "Operations over HTTP.", "operation", "kind", "outcome"
        )
        self._seconds = self._histogram(
            "request_seconds", "Seconds to an operation's answer.", "kind", _SECONDS, _KINDS
        )
        self._refreshes = self._counter("refreshes", "Refreshes.", "outcome", known=_REFRESHES)
        self._logins = self._counter("logins", "Sign-ins.", "outcome", known=_ATTEMPTS)
        self._signups = self._counter("signups", "Sign-ups.", "outcome", known=_ATTEMPTS)
        self._throttled = self._counter("throttled", "Attempts that a throttle refused.", "policy")
        self._exceeded = self._counter(
            "exceeded", "Operations refused because they ask for too much.", "bound", known=_BOUNDS
        )
        self._interpreted = self._counter(
            "interpreted_operations",
            "Operations that came again and were run by the executor, not by a plan.",
            "why",
        )
        self._removed = self._counter(
            "removed_rows", "Rows that housekeeping removed.", "what", known=_REMOVED
        )
        self._left_out = self._counter(
            "log_lines_left_out",
            "Lines that the log lacks, as too many like them were written.",
            "level",
            known=_LEVELS_OF_LINES,
        )
        self._lag = self._histogram(
            "revocation_lag_seconds",
            "Seconds from the end of a session elsewhere until it is known here.",
            "way",
            _LAGS,
            _WAYS,
        )
        self._mails = self._counter(
            "mails", "Mails, by what became of them.", "outcome", known=_MAILS
        )
        self._limited = self._counter(
            "connections_limited",
            "Limits on sockets and streams that were met.",
            "limit",
            known=_LIMITS,
        )
        self._levels = {
            name: Gauge(
                f"gql_auth_{name}", told, registry=self.registry, multiprocess_mode=together
            )
            for name, (told, together) in _LEVELS.items()
        }

    def _counter(self, name: str, told: str, *labels: str, known: tuple[str, ...] = ()) -> Counter:
        made = Counter(f"gql_auth_{name}", told, labels, registry=self.registry)
        for value in known:
            made.labels(value)
        return made

    def _histogram(
        self, name: str, told: str, label: str, bounds: tuple[float, ...], known: tuple[str, ...]
    ) -> Histogram:
        made = Histogram(f"gql_auth_{name}", told, (label,), registry=self.registry, buckets=bounds)
        for value in known:
            made.labels(value)
        return made

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read the levels now and then where another process shows them."""
        if not self.shared:
            yield
            return
        over = threading.Event()
        threading.Thread(target=self._keep_reading, args=(over,), daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _keep_reading(self, over: threading.Event) -> None:
        while not over.wait(_REFRESH):
            self.read_levels()

    def render(self, accept: str) -> tuple[bytes, str]:
        """The page in the form that a scraper accepts, and its media type."""
        if self.shared:
            return render_shared(accept)
        self.read_levels()
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type

    def read_levels(self) -> None:
        """Take over the levels as they are now. Called from a thread, so that a stuck event loop
        shows, too."""
        for name, read in list(self._read.items()):
            try:
                self._levels[name].set(read())
            except Exception:  # noqa: BLE001, S112 - it keeps the value it had
                continue

    def requested(
        self,
        *,
        operation: str | None,
        kind: str,
        outcome: str,
        seconds: float,
        proven_by: str | None = None,
    ) -> None:
        """Count a request."""
        name = self._names.label(operation, kind, proven_by)
        self._requests.labels(name, kind, self._codes.label(outcome)).inc()
        self._seconds.labels(kind).observe(seconds)

    def refreshed(self, outcome: str) -> None:
        """Count a refresh."""
        self._refreshes.labels(outcome).inc()

    def logged_in(self, outcome: str) -> None:
        """Count a sign-in."""
        self._logins.labels(outcome).inc()

    def signed_up(self, outcome: str) -> None:
        """Count a sign-up."""
        self._signups.labels(outcome).inc()

    def throttled(self, policy: str) -> None:
        """Count a refused attempt."""
        self._throttled.labels(policy).inc()

    def exceeded(self, bound: str) -> None:
        """Count an operation that asked for too much."""
        self._exceeded.labels(bound).inc()

    def interpreted(self, why: str) -> None:
        """Count an operation that the executor ran."""
        self._interpreted.labels(why).inc()

    def left_out(self, level: str) -> None:
        """Count a line that the log lacks."""
        self._left_out.labels(level).inc()

    def removed(self, what: str, count: int) -> None:
        """Count removed rows."""
        self._removed.labels(what).inc(count)

    def learned(self, *, lag: float, heard: bool) -> None:
        """Note how long a revocation was on its way."""
        self._lag.labels(_WAYS[0] if heard else _WAYS[1]).observe(lag)

    def mailed(self, outcome: str, count: int = 1) -> None:
        """Count mails."""
        self._mails.labels(outcome).inc(count)

    def limited(self, limit: str) -> None:
        """Count what a limit stopped."""
        self._limited.labels(limit).inc()

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """Show a level; one that nobody knows of is left out."""
        if name in self._levels:
            self._read[name] = read


def render_shared(accept: str, folder: str | None = None) -> tuple[bytes, str]:
    """The page of all processes that share a folder; by default the one that the standard
    variable PROMETHEUS_MULTIPROC_DIR names."""
    together = CollectorRegistry()
    MultiProcessCollector(together, folder)  # type: ignore[no-untyped-call]
    encode, media_type = choose_encoder(accept)
    return encode(together), media_type

"""What the system tells of itself as it works. These classes tell nobody; `gql_auth.observing`
has those that tell Prometheus and OpenTelemetry. The code that reports asks nothing in between."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, NamedTuple, Self

from gql_auth.kernel.entropy import random_label

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
SIGN_IN: Final = "sign-in"
_NOTHING: Final = nullcontext()  # can be entered any number of times
_STATE: Final = 512  # characters of `tracestate` that everybody passes on (section 3.3.1.5)


class Parent(NamedTuple):
    """The span of the client that a request belongs to."""

    trace_id: str
    span_id: str
    flags: int
    state: str  # what tracing systems of others tell each other; opaque


def parent_of(traceparent: Sequence[str], tracestate: Sequence[str] = ()) -> Parent | None:
    """What the headers of a request say (W3C Trace Context, sections 3.2 and 3.3), or None where
    there is nothing valid: then the trace begins here."""
    if len(traceparent) != 1:
        return None
    text = traceparent[0].strip(" \t")
    found = _TRACEPARENT.match(text)
    if found is None:
        return None
    version, trace_id, span_id, flags = found.groups()
    rest = text[found.end() :]
    # What a later version appends is none of our business; this one appends nothing.
    if version == "ff" or (rest and (version == "00" or rest[0] != "-")):
        return None
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    state = ",".join(tracestate)
    return Parent(trace_id, span_id, int(flags, 16), state if len(state) <= _STATE else "")


class Trace:
    """Where in a trace the code is at work, while this is entered; lines of the log bear it.

    Args:
        trace_id: 32 hexadecimal digits; made up where nobody gave one, so that the lines of one
            request are found together in any case.
        span_id: 16 hexadecimal digits, where spans are recorded.
    """

    __slots__ = ("_id", "_token", "span_id")

    def __init__(self, trace_id: str | None = None, span_id: str | None = None) -> None:
        self._id = trace_id
        self.span_id = span_id

    @property
    def trace_id(self) -> str:
        """The trace's id, made up when somebody asks for it first."""
        if self._id is None:
            self._id = random_label(32)
        return self._id

    def __enter__(self) -> Self:
        self._token: Token[Trace | None] = _here.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _here.reset(self._token)

    def span(self, name: str, **attributes: str) -> AbstractContextManager[object]:  # noqa: ARG002
        """A step within this."""
        return _NOTHING

    @property
    def response(self) -> str | None:
        """What the answer says of it, for the client's own trace."""
        return None


_here: ContextVar[Trace | None] = ContextVar("gql_auth_trace", default=None)


def here() -> Trace | None:
    """Where the code is at work; None outside of requests."""
    return _here.get()


def span(name: str, **attributes: str) -> AbstractContextManager[object]:
    """A step of the request that is being answered; costs next to nothing where nobody traces.

    Args:
        name: of a few, never made of what a client sent.
        attributes: neither secrets nor anything that names a person.
    """
    trace = _here.get()
    return trace.span(name, **attributes) if trace is not None else _NOTHING


class Telemetry:
    """Hears of everything and keeps nothing. Each method is cheap and never fails.

    `traces`: whether `request` makes traces.
    """

    traces: bool = False

    @property
    def hears(self) -> bool:
        """Whether anybody is told of anything."""
        return type(self) is not Telemetry

    def running(self) -> AbstractAsyncContextManager[object]:
        """Entered around the life of a system."""
        return nullcontext()

    def request(self, parent: Parent | None) -> AbstractContextManager[Trace]:
        """Entered around the answering of a request to the GraphQL endpoint."""
        return Trace(parent.trace_id if parent else None)

    def requested(
        self,
        *,
        operation: str | None,
        kind: str,
        outcome: str,
        seconds: float,
        proven_by: str | None = None,
    ) -> None:
        """A request to the GraphQL endpoint was answered; told within `request`.

        Args:
            operation: the client's name for it; unbounded, and not to be trusted.
            kind: `query`, `mutation` or `none` where nothing could be run.
            outcome: `ok`, or the first error's code in lower case.
            seconds: until the answer was ready.
            proven_by: the account that asked, or SIGN_IN where somebody signed in or refreshed
                just now; None where a stranger asked.
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

    def exceeded(self, bound: str) -> None:
        """An operation went beyond one of its bounds and was refused: `depth`, `tokens`, ….
        The values are the keys of `gql_auth.serving.costs.exceeding.BOUNDS`."""

    def interpreted(self, why: str) -> None:
        """An operation that came again was run by graphql-core's executor, not by a plan:
        because of the host's `extension`, a `directive` of its own, or what plans do not cover."""

    def removed(self, what: str, count: int) -> None:
        """Housekeeping removed rows: `sessions`, `events`, `throttles`, `addresses`, `links`,
        `mails` or `accounts`."""

    def learned(self, *, lag: float, heard: bool) -> None:
        """A revocation made elsewhere is known here.

        Args:
            lag: seconds since it was made.
            heard: by notification; otherwise the poll found it.
        """

    def mailed(self, outcome: str, count: int = 1) -> None:
        """Mails were `sent`, put off to be tried again (`retried`) or given up (`dead`)."""

    def limited(self, limit: str) -> None:
        """A limit on sockets and streams was met: `address`, `account`, `operations`, `init`, or
        `slow`."""

    def left_out(self, level: str) -> None:
        """A line was left out of the log, as too many like it were written: `info`, `warning`,
        `error` or `critical`. Told while the log is locked, so nothing may be logged here."""

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """Where a level can be read at any time, from any thread: `hash_queue`, `hash_running`,
        `pool_held`, `pool_size`, `pool_waiting`, `open_sockets`, `open_streams`, `mails_sending`,
        `mails_waiting`, `mails_oldest_seconds`, `ended_sessions`, `staleness_seconds`."""


class Several(Telemetry):
    """Tells several, in order. The first of them that has traces of its own has its way."""

    def __init__(self, *members: Telemetry) -> None:
        self._members = [each for each in members if type(each) is not Telemetry]
        own = [each for each in self._members if each.traces]
        self._tracer = own[0] if own else Telemetry()
        self.traces = bool(own)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for each in self._members:
                await stack.enter_async_context(each.running())
            yield

    def request(self, parent: Parent | None) -> AbstractContextManager[Trace]:
        return self._tracer.request(parent)

    def requested(
        self,
        *,
        operation: str | None,
        kind: str,
        outcome: str,
        seconds: float,
        proven_by: str | None = None,
    ) -> None:
        for each in self._members:
            each.requested(
                operation=operation,
                kind=kind,
                outcome=outcome,
                seconds=seconds,
                proven_by=proven_by,
            )

    def refreshed(self, outcome: str) -> None:
        for each in self._members:
            each.refreshed(outcome)

    def logged_in(self, outcome: str) -> None:
        for each in self._members:
            each.logged_in(outcome)

    def signed_up(self, outcome: str) -> None:
        for each in self._members:
            each.signed_up(outcome)

    def throttled(self, policy: str) -> None:
        for each in self._members:
            each.throttled(policy)

    def exceeded(self, bound: str) -> None:
        for each in self._members:
            each.exceeded(bound)

    def interpreted(self, why: str) -> None:
        for each in self._members:
            each.interpreted(why)

    def removed(self, what: str, count: int) -> None:
        for each in self._members:
            each.removed(what, count)

    def learned(self, *, lag: float, heard: bool) -> None:
        for each in self._members:
            each.learned(lag=lag, heard=heard)

    def mailed(self, outcome: str, count: int = 1) -> None:
        for each in self._members:
            each.mailed(outcome, count)

    def limited(self, limit: str) -> None:
        for each in self._members:
            each.limited(limit)

    def left_out(self, level: str) -> None:
        for each in self._members:
            each.left_out(level)

    def watch(self, name: str, read: Callable[[], float]) -> None:
        for each in self._members:
            each.watch(name, read)
